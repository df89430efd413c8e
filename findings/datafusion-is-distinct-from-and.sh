#!/usr/bin/env bash
# DataFusion 55.0.0 (Python package `datafusion`), whose SQL is read by the parser `sqlparser`: IS DISTINCT FROM before AND and OR.
#
# One would expect: `a IS DISTINCT FROM b AND c` is `(a IS DISTINCT FROM b) AND c`, as in PostgreSQL and DuckDB, where AND binds less.
# What happens: everything behind FROM is the right side, so it is `a IS DISTINCT FROM (b AND c)`. With booleans that gives another
# answer without a word; with numbers it is an error about types. `a = b AND c` is read as one expects.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet datafusion==55.0.0 pyarrow duckdb==2.0.1
"$folder/venv/bin/python" - <<'PYTHON'
import datafusion
import duckdb

context = datafusion.SessionContext()
rows = "FROM (VALUES (true, false, false)) AS v(a, b, c)"


def ours(expression):
    return context.sql(f"SELECT {expression} AS r {rows}").collect()[0].to_pylist()[0]["r"]


def theirs(expression):
    return duckdb.connect().execute(f"SELECT {expression} {rows}").fetchone()[0]


plain, bracketed = "a IS DISTINCT FROM b AND c", "(a IS DISTINCT FROM b) AND c"
answers = [ours(plain), ours(bracketed), theirs(plain), theirs(bracketed)]
print("datafusion", datafusion.__version__, "duckdb", duckdb.__version__, answers)
assert answers == [True, False, False, False], f"the behaviour has changed: {answers}"
try:
    ours("1 IS DISTINCT FROM 2 AND c")
except Exception as error:
    assert "AND" in str(error), error
else:
    raise AssertionError("the behaviour of numbers has changed")
print("as described: AND is taken into the right side of IS DISTINCT FROM")
PYTHON
