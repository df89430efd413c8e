//! `date_bin` and `date_trunc` for the years 0001 to 9999. DataFusion's versions compute in nanoseconds, whose range is 1677 to
//! 2262, and give null or fail outside it.

mod truncate;

use crate::calendar::{civil_from_days, days_from_civil};
use crate::schema::TIME_TYPE;
use arrow::array::{ArrayRef, AsArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, TimestampMicrosecondType};
use datafusion_common::{Result, ScalarValue, exec_err, plan_err};
use datafusion_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use std::sync::{Arc, LazyLock};
pub(super) use truncate::date_trunc;

/// A day, in microseconds.
const DAY: i64 = 86_400_000_000;

/// `date_bin(stride, time, origin)`.
pub(super) fn date_bin() -> Arc<ScalarUDF> {
    static BIN: LazyLock<Arc<ScalarUDF>> =
        LazyLock::new(|| Arc::new(ScalarUDF::from(DateBin { signature: Signature::user_defined(Volatility::Immutable) })));
    Arc::clone(&BIN)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct DateBin {
    signature: Signature,
}

/// The length of a bin, in microseconds or in months.
#[derive(Clone, Copy)]
enum Stride {
    Micros(i64),
    Months(i64),
}

impl Stride {
    fn of(value: &ScalarValue) -> Result<Self> {
        let ScalarValue::IntervalMonthDayNano(Some(of)) = value else {
            return plan_err!("the first argument of date_bin is an INTERVAL that is written out");
        };
        let micros = i64::from(of.days) * DAY + of.nanoseconds / 1_000;
        match (i64::from(of.months), micros) {
            (0, micros) if micros > 0 => Ok(Self::Micros(micros)),
            (months, 0) if months > 0 && of.nanoseconds == 0 => Ok(Self::Months(months)),
            (_, micros) if micros != 0 && of.months != 0 => plan_err!("the stride of date_bin has months or days, not both"),
            _ => plan_err!("the stride of date_bin is more than zero"),
        }
    }

    /// The start of the bin that a time is in; `None` if it is out of range.
    fn begin(self, time: i64, origin: i64) -> Option<i64> {
        match self {
            Self::Micros(micros) => time.checked_sub(origin)?.div_euclid(micros).checked_mul(micros)?.checked_add(origin),
            Self::Months(months) => {
                let apart = month_of(time)?.checked_sub(month_of(origin)?)?;
                let bins = apart.div_euclid(months);
                let begin = months_later(origin, bins * months)?;
                if begin > time { months_later(origin, (bins - 1) * months) } else { Some(begin) }
            }
        }
    }
}

/// Months since year 0.
fn month_of(time: i64) -> Option<i64> {
    let (year, month, _) = civil_from_days(time.div_euclid(DAY));
    year.checked_mul(12)?.checked_add(i64::from(month) - 1)
}

/// A number of months later in the calendar; a day that the month lacks becomes its last day.
fn months_later(time: i64, months: i64) -> Option<i64> {
    let (days, of_day) = (time.div_euclid(DAY), time.rem_euclid(DAY));
    let (_, _, day) = civil_from_days(days);
    let month = month_of(time)?.checked_add(months)?;
    let first = |month: i64| {
        i32::try_from(month.div_euclid(12)).ok().map(|year| days_from_civil(year, month.rem_euclid(12) as i32 + 1, 1))
    };
    let (begin, end) = (first(month)?, first(month.checked_add(1)?)?);
    let day = begin + (day as i32 - 1).min(end - begin - 1);
    i64::from(day).checked_mul(DAY)?.checked_add(of_day)
}

impl ScalarUDFImpl for DateBin {
    fn name(&self) -> &str {
        "date_bin"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(TIME_TYPE)
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        match arg_types {
            [stride, time, origin @ ..] if origin.len() < 2 => {
                let times = std::iter::once(time).chain(origin).map(|of| as_time(of, "date_bin")).collect::<Result<Vec<_>>>()?;
                Ok(std::iter::once(stride.clone()).chain(times).collect())
            }
            _ => plan_err!("date_bin has a stride, a time, and perhaps an origin"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let [ColumnarValue::Scalar(stride), time, origin @ ..] = args.args.as_slice() else {
            return plan_err!("the first argument of date_bin is an INTERVAL that is written out");
        };
        if stride.is_null() {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from(&TIME_TYPE)?));
        }
        let stride = Stride::of(stride)?;
        let origins = origin.first().map(|origin| origin.to_array(rows)).transpose()?;
        each(time, rows, |row, time| {
            let origin = match &origins {
                None => Some(0),
                Some(origins) => value(origins, row),
            };
            let Some(origin) = origin else { return Ok(None) };
            stride
                .begin(time, origin)
                .map_or_else(|| exec_err!("the bin begins out of the range of TIMESTAMP"), |begin| Ok(Some(begin)))
        })
    }
}

fn value(times: &ArrayRef, row: usize) -> Option<i64> {
    use arrow::array::Array;
    let times = times.as_primitive::<TimestampMicrosecondType>();
    times.is_valid(row).then(|| times.value(row))
}

/// The type of an argument that is a time.
fn as_time(of: &DataType, function: &str) -> Result<DataType> {
    match of {
        DataType::Timestamp(_, None) | DataType::Date32 | DataType::Date64 | DataType::Null => Ok(TIME_TYPE),
        of if of.is_string() => Ok(TIME_TYPE),
        of => plan_err!("{function} is of a TIMESTAMP, not of {of}"),
    }
}

/// Applies a function to each time, with its row number.
fn each(times: &ColumnarValue, rows: usize, make: impl Fn(usize, i64) -> Result<Option<i64>>) -> Result<ColumnarValue> {
    if let ColumnarValue::Scalar(ScalarValue::TimestampMicrosecond(None, _)) = times {
        return Ok(times.clone());
    }
    let times = times.to_array(rows)?;
    let made = (0..rows).map(|row| value(&times, row).map_or(Ok(None), |time| make(row, time)));
    let made: TimestampMicrosecondArray = made.collect::<Result<_>>()?;
    Ok(ColumnarValue::Array(Arc::new(made)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn at(year: i32, month: i32, day: i32, hour: i64) -> i64 {
        i64::from(days_from_civil(year, month, day)) * DAY + hour * 3_600_000_000
    }

    #[test]
    fn bins_begin_at_or_before_a_time_in_all_years() {
        let hours = Stride::Micros(5 * 3_600_000_000);
        assert_eq!(hours.begin(at(2024, 1, 31, 12), 0), Some(at(2024, 1, 31, 8)));
        assert_eq!(hours.begin(at(1, 1, 1, 7), at(1, 1, 1, 1)), Some(at(1, 1, 1, 6)));
        assert_eq!(hours.begin(-1, 0), Some(-5 * 3_600_000_000));
        let quarters = Stride::Months(3);
        assert_eq!(quarters.begin(at(9999, 12, 31, 23), 0), Some(at(9999, 10, 1, 0)));
        assert_eq!(quarters.begin(at(1, 3, 31, 0), 0), Some(at(1, 1, 1, 0)));
        // The origin is on the 31st, so bins begin on the last days of months.
        assert_eq!(Stride::Months(1).begin(at(2024, 2, 29, 1), at(2024, 1, 31, 0)), Some(at(2024, 2, 29, 0)));
        assert_eq!(Stride::Months(1).begin(at(2024, 2, 28, 1), at(2024, 1, 31, 0)), Some(at(2024, 1, 31, 0)));
        assert_eq!(Stride::Micros(7).begin(i64::MIN, 1), None);
    }
}
