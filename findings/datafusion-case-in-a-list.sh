#!/usr/bin/env bash
# DataFusion 55.0.0 (Python package `datafusion`): a CASE in the list of IN, and the extremes of NaN and infinities.
#
# One would expect: `5 NOT IN (1, CASE WHEN x > 9 THEN 1 ELSE n END)` is false where n is 5 and unknown where it is null; the
# greatest of NaN and 5 is one value whatever the order of rows; the greatest of -inf alone is -inf.
# What happens: a list with a CASE is taken for a constant, made of what CASE gives for no rows, so NOT IN is true. By group, max
# takes whatever comes behind a NaN, and begins at the least finite number, which is greater than -inf.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet datafusion==55.0.0 pyarrow
"$folder/venv/bin/python" - <<'PYTHON'
import datafusion

context = datafusion.SessionContext()


def column(text):
    return [row["v"] for batch in context.sql(text).collect() for row in batch.to_pylist()]


listed = column("SELECT 5 NOT IN (1, CASE WHEN x > 9 THEN 1 ELSE n END) AS v FROM (VALUES (1, 5), (2, NULL)) AS t(x, n)")
values = "(VALUES (1, CAST('NaN' AS DOUBLE)), (1, 5.0), (2, CAST('-inf' AS DOUBLE))) AS t(g, x)"
greatest = column(f"SELECT max(x) AS v FROM {values} GROUP BY g ORDER BY g")
print("datafusion", datafusion.__version__, listed, greatest)
assert listed == [True, True], f"changed: {listed}"
assert greatest == [5.0, -1.7976931348623157e308], f"changed: {greatest}"
print("as described: NOT IN is true of a value that is in the list; max loses a NaN and an infinity")
PYTHON
