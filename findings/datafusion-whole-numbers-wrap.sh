#!/usr/bin/env bash
# DataFusion 55.0.0 (Python package `datafusion`): whole numbers at the end of their range.
#
# One would expect: an error, as in PostgreSQL, DuckDB and Trino, or at least one rule for all operations.
# What happens: + and sum() of BIGINT wrap without a word, so the sum of two positive numbers is negative, while abs() and
# division of the same values raise an error.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet datafusion==55.0.0 pyarrow
"$folder/venv/bin/python" - <<'PYTHON'
import datafusion

context = datafusion.SessionContext()
LEAST, GREATEST = -(2**63), 2**63 - 1


def value(text):
    return list(context.sql(text).collect()[0].to_pylist()[0].values())[0]


def raises(text):
    try:
        value(text)
    except Exception as error:
        return "verflow" in str(error)
    return False


one = f"FROM (VALUES ({GREATEST})) AS v(x)"
least = f"FROM (VALUES ({LEAST + 1} - 1)) AS v(x)"
plus = value(f"SELECT x + 1 {one}")
total = value(f"SELECT sum(x) FROM (VALUES ({GREATEST}), (1)) AS v(x)")
errors = [raises(f"SELECT abs(x) {least}"), raises(f"SELECT x / -1 {least}")]
print("datafusion", datafusion.__version__, plus, total, errors)
assert (plus, total) == (LEAST, LEAST), "the behaviour of + or sum has changed"
assert errors == [True, True], "the behaviour of abs or / has changed"
print("as described: + and sum wrap, abs and / raise")
PYTHON
