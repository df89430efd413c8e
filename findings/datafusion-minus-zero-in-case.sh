#!/usr/bin/env bash
# DataFusion 55.0.0 (Python package `datafusion`): -0.0 beside 0.0, and NaN with its sign.
#
# One would expect: two values that `=` calls equal are equal for NULLIF and for `CASE x WHEN`, as in PostgreSQL and DuckDB; and
# a NaN has no sign that matters.
# What happens: `x = 0.0` and `x IN (0.0)` are true of -0.0, and DISTINCT keeps one of the two; but NULLIF(x, 0.0) gives -0.0
# back and `CASE x WHEN 0.0` takes the other branch. NaN > 10 is true and -NaN > 10 is false: NaN is compared with its sign, and
# the sign of a computed NaN is the processor's affair.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet datafusion==55.0.0 pyarrow
"$folder/venv/bin/python" - <<'PYTHON'
import datafusion

context = datafusion.SessionContext()


def row(text):
    return context.sql(text).collect()[0].to_pylist()[0]


zero = row("""
    SELECT x = 0.0 AS equal, x IN (0.0) AS found, nullif(x, 0.0) IS NULL AS null_if_zero,
           CASE x WHEN 0.0 THEN 'zero' ELSE 'another' END AS chosen
    FROM (VALUES (CAST('-0.0' AS DOUBLE))) AS v(x)
""")
distinct = row("SELECT count(*) AS n FROM (SELECT DISTINCT x FROM (VALUES (CAST('-0.0' AS DOUBLE)), (0.0)) AS v(x))")
nan = row("SELECT x > 10 AS plain, -x > 10 AS negated, x = -x AS equal FROM (VALUES (CAST('NaN' AS DOUBLE))) AS v(x)")
print("datafusion", datafusion.__version__, zero, distinct, nan)
assert zero == {"equal": True, "found": True, "null_if_zero": False, "chosen": "another"}, f"changed: {zero}"
assert distinct == {"n": 1}, f"changed: {distinct}"
assert nan == {"plain": True, "negated": False, "equal": False}, f"changed: {nan}"
print("as described: -0.0 equals 0.0, but not for NULLIF and CASE; NaN is above 10, -NaN below")
PYTHON
