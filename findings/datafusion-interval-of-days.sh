#!/usr/bin/env bash
# DataFusion 55.0.0 (Python package `datafusion`): a difference of two times compared with an INTERVAL of days.
#
# One would expect: ten days are not less than INTERVAL '1' DAY, and 24 hours equal one day, as in PostgreSQL and DuckDB.
# What happens: the difference is a Duration in nanoseconds. To compare it with the interval it becomes an interval of no months, no days
# and many nanoseconds, and intervals are compared unit by unit: months, then days, then nanoseconds. So any difference at all
# is less than one day, however long, and INTERVAL '36' HOUR is not more than INTERVAL '1' DAY. INTERVAL '24' HOUR, which has no
# days, gives what one expects.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet datafusion==55.0.0 pyarrow
"$folder/venv/bin/python" - <<'PYTHON'
import datafusion

context = datafusion.SessionContext()
ten_days = "(TIMESTAMP '2024-01-11T00:00:00' - TIMESTAMP '2024-01-01T00:00:00')"
answers = context.sql(f"""
    SELECT arrow_typeof({ten_days}) AS type,
           {ten_days} < INTERVAL '1' DAY AS less_than_a_day,
           {ten_days} > INTERVAL '7' DAY AS more_than_a_week,
           {ten_days} < INTERVAL '24' HOUR AS less_than_24_hours,
           INTERVAL '24' HOUR = INTERVAL '1' DAY AS hours_equal_a_day,
           INTERVAL '36' HOUR > INTERVAL '1' DAY AS hours_exceed_a_day
""").collect()[0].to_pylist()[0]
print("datafusion", datafusion.__version__, answers)
expected = {
    "type": "Duration(ns)",
    "less_than_a_day": True,
    "more_than_a_week": False,
    "less_than_24_hours": False,
    "hours_equal_a_day": False,
    "hours_exceed_a_day": False,
}
assert answers == expected, f"the behaviour has changed: {answers}"
print("as described: ten days are less than one day, and more than 24 hours")
PYTHON
