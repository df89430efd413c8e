//! Totals of durations and decimals, in 256 bits, which no number of rows overflows.

use crate::expr::{OUT_OF_RANGE, sql_type};
use crate::{Error, Result};
use arrow::array::{ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DECIMAL256_MAX_PRECISION, DataType, Decimal128Type, DecimalType, Int64Type, i256};
use datafusion_common::ScalarValue;

/// A sum or an average of durations or decimals.
#[derive(Clone, Debug, PartialEq)]
pub struct Broad {
    is_sum: bool,
    result: DataType,
    /// How many more decimal places the result has than the values.
    finer: u32,
}

impl Broad {
    /// The total for values of this type; `None` if they are neither durations nor decimals.
    pub fn of(is_sum: bool, values: &DataType, result: &DataType) -> Option<Self> {
        let finer = match (values, result) {
            (DataType::Duration(of), DataType::Duration(to)) if of == to => 0,
            (DataType::Decimal128(_, of), DataType::Decimal128(_, to)) => u32::try_from(to - of).ok()?,
            _ => return None,
        };
        Some(Self { is_sum, result: result.clone(), finer })
    }

    /// The type of an intermediate total, which may be too large for the type of the result.
    pub fn total_type(&self) -> DataType {
        let scale = match &self.result {
            DataType::Decimal128(_, scale) => *scale,
            _ => 0,
        };
        DataType::Decimal256(DECIMAL256_MAX_PRECISION, scale)
    }

    /// The values of a column, in their smallest unit.
    ///
    /// # Errors
    /// The column has another type.
    pub fn units(column: &ArrayRef) -> Result<Vec<Option<i256>>> {
        if let Some(decimals) = column.as_primitive_opt::<Decimal128Type>() {
            return Ok(decimals.iter().map(|value| value.map(i256::from_i128)).collect());
        }
        let numbers = cast(column, &DataType::Int64)?;
        let numbers = numbers.as_primitive::<Int64Type>();
        Ok(numbers.iter().map(|value| value.map(|value| i256::from_i128(i128::from(value)))).collect())
    }

    /// The total, in units of the result: an average of durations is truncated, one of decimals is rounded half away from zero.
    pub fn total(&self, sum: i256, count: u64) -> i256 {
        let sum = (0..self.finer).fold(sum, |sum, _| sum.wrapping_mul(i256::from_i128(10)));
        if self.is_sum {
            return sum;
        }
        let count = i256::from_i128(i128::from(count));
        let (whole, rest) = (sum.checked_div(count), sum.checked_rem(count));
        let (Some(whole), Some(rest)) = (whole, rest) else { return i256::ZERO };
        let is_half = rest.wrapping_abs().wrapping_mul(i256::from_i128(2)) >= count;
        match matches!(self.result, DataType::Decimal128(..)) && is_half {
            true => whole.wrapping_add(if sum < i256::ZERO { i256::MINUS_ONE } else { i256::ONE }),
            false => whole,
        }
    }

    /// A total, converted to the type of the result.
    ///
    /// # Errors
    /// The type does not hold it: bad data.
    pub fn fitted(&self, total: Option<i256>) -> Result<ScalarValue> {
        let Some(total) = total else { return Ok(ScalarValue::try_from(&self.result)?) };
        let fits = match &self.result {
            DataType::Decimal128(precision, scale) => total
                .to_i128()
                .filter(|&value| Decimal128Type::is_valid_decimal_precision(value, *precision))
                .map(|value| ScalarValue::Decimal128(Some(value), *precision, *scale)),
            _ => total.to_i128().and_then(|value| i64::try_from(value).ok()).map(|value| ScalarValue::Int64(Some(value))),
        };
        let outside = || Error::data(format!("the total {} {OUT_OF_RANGE} {}", self.shown(total), sql_type(&self.result)));
        let value = fits.ok_or_else(outside)?;
        Ok(if value.data_type() == self.result { value } else { value.cast_to(&self.result)? })
    }

    fn shown(&self, total: i256) -> String {
        match self.total_type() {
            DataType::Decimal256(precision, scale) if scale != 0 => {
                arrow::datatypes::Decimal256Type::format_decimal(total, precision, scale)
            }
            _ => total.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use arrow::array::{Array, Decimal128Array, DurationMicrosecondArray};
    use std::sync::Arc;

    fn total(is_sum: bool, column: &ArrayRef, result: &DataType) -> Result<ScalarValue> {
        let broad = Broad::of(is_sum, column.data_type(), result).unwrap();
        let units: Vec<i256> = Broad::units(column).unwrap().into_iter().flatten().collect();
        let sum = units.iter().fold(i256::ZERO, |sum, value| sum.wrapping_add(*value));
        broad.fitted((!units.is_empty()).then(|| broad.total(sum, units.len() as u64)))
    }

    #[test]
    fn lengths_are_added_up_beyond_their_range() {
        let long: ArrayRef = Arc::new(DurationMicrosecondArray::from(vec![Some(i64::MAX), None, Some(i64::MAX), Some(-7)]));
        let of = long.data_type().clone();
        assert!(total(true, &long, &of).unwrap_err().to_string().contains("the total 18446744073709551607 is out of the range"));
        assert_eq!(total(false, &long, &of).unwrap(), ScalarValue::DurationMicrosecond(Some(6_148_914_691_236_517_202)));
        assert_eq!(total(true, &long.slice(2, 2), &of).unwrap(), ScalarValue::DurationMicrosecond(Some(i64::MAX - 7)));
        assert_eq!(total(true, &long.slice(1, 1), &of).unwrap(), ScalarValue::DurationMicrosecond(None));
    }

    #[test]
    fn decimals_are_rounded_once() {
        let column = |values: &[i128]| -> ArrayRef {
            Arc::new(Decimal128Array::from(values.to_vec()).with_precision_and_scale(38, 2).unwrap())
        };
        let largest = 10_i128.pow(38) - 1;
        let (sum, average) = (DataType::Decimal128(38, 2), DataType::Decimal128(38, 6));
        assert!(total(true, &column(&[largest, largest]), &sum).is_err());
        assert_eq!(
            total(true, &column(&[largest, largest, -largest]), &sum).unwrap(),
            ScalarValue::Decimal128(Some(largest), 38, 2)
        );
        assert_eq!(total(false, &column(&[1, 1, 3]), &average).unwrap(), ScalarValue::Decimal128(Some(16_667), 38, 6));
        assert_eq!(total(false, &column(&[-1, -1, -3]), &average).unwrap(), ScalarValue::Decimal128(Some(-16_667), 38, 6));
        assert!(total(false, &column(&[largest]), &average).is_err());
    }
}
