//! `date_trunc`: the start of the hour, month and so on that a time lies in.

use super::{DAY, as_time, each};
use crate::calendar::{civil_from_days, days_from_civil};
use crate::schema::TIME_TYPE;
use arrow::datatypes::DataType;
use datafusion_common::{Result, exec_err, plan_err};
use datafusion_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use std::sync::{Arc, LazyLock};

/// `date_trunc('month', time)`.
pub(in crate::expr) fn date_trunc() -> Arc<ScalarUDF> {
    static TRUNCATE: LazyLock<Arc<ScalarUDF>> =
        LazyLock::new(|| Arc::new(ScalarUDF::from(DateTrunc { signature: Signature::user_defined(Volatility::Immutable) })));
    Arc::clone(&TRUNCATE)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct DateTrunc {
    signature: Signature,
}

/// The unit that a time is truncated to.
#[derive(Clone, Copy)]
enum Part {
    Micros(i64),
    Week,
    Months(i64),
}

impl Part {
    fn of(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "microsecond" => Self::Micros(1),
            "millisecond" => Self::Micros(1_000),
            "second" => Self::Micros(1_000_000),
            "minute" => Self::Micros(60_000_000),
            "hour" => Self::Micros(3_600_000_000),
            "day" => Self::Micros(DAY),
            "week" => Self::Week,
            "month" => Self::Months(1),
            "quarter" => Self::Months(3),
            "year" => Self::Months(12),
            _ => return None,
        })
    }

    fn begin(self, time: i64) -> Option<i64> {
        let days = time.div_euclid(DAY);
        let first = match self {
            Self::Micros(micros) => return time.div_euclid(micros).checked_mul(micros),
            // 1970-01-01 was a Thursday.
            Self::Week => (days + 3).div_euclid(7) * 7 - 3,
            Self::Months(months) => {
                let (year, month, _) = civil_from_days(days);
                let month = (month as i32 - 1) / months as i32 * months as i32 + 1;
                i64::from(days_from_civil(i32::try_from(year).ok()?, month, 1))
            }
        };
        first.checked_mul(DAY)
    }
}

impl ScalarUDFImpl for DateTrunc {
    fn name(&self) -> &str {
        "date_trunc"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(TIME_TYPE)
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        match arg_types {
            [part, time] if part.is_string() => Ok(vec![DataType::Utf8, as_time(time, "date_trunc")?]),
            _ => plan_err!("date_trunc has a part, such as 'month', and a time"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [ColumnarValue::Scalar(part), time] = args.args.as_slice() else {
            return plan_err!("the first argument of date_trunc is a text that is written out");
        };
        let name = part.try_as_str().flatten().unwrap_or_default();
        let Some(part) = Part::of(name) else {
            return plan_err!(
                "date_trunc knows no '{name}': it cuts to year, quarter, month, week, day, hour, minute, second, millisecond, microsecond"
            );
        };
        each(time, args.number_rows, |_, time| {
            part.begin(time).map_or_else(|| exec_err!("'{name}' begins out of the range of TIMESTAMP"), |begin| Ok(Some(begin)))
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn times_are_cut_toward_the_past_in_all_years() {
        let at = |year: i32, month: i32, day: i32| i64::from(days_from_civil(year, month, day)) * DAY;
        let cut = |part: &str, time: i64| Part::of(part).unwrap().begin(time);
        let last = at(10_000, 1, 1) - 1;
        assert_eq!(cut("Year", last), Some(at(9999, 1, 1)));
        assert_eq!(cut("quarter", last), Some(at(9999, 10, 1)));
        assert_eq!(cut("week", last), Some(at(9999, 12, 27)));
        assert_eq!(cut("month", at(1, 1, 1) + 5), Some(at(1, 1, 1)));
        assert_eq!(cut("week", at(1, 1, 1)), Some(at(1, 1, 1)));
        assert_eq!(cut("second", -1), Some(-1_000_000));
        assert_eq!(cut("hour", i64::MIN), None);
        assert!(Part::of("fortnight").is_none());
    }
}
