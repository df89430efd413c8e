//! Maps column values to integers in the same order (their *places*), so that one index serves numbers, dates and times alike.

use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimeUnit,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type,
    UInt32Type,
};
use datafusion_common::ScalarValue;
use egret_core::floats::plain;

/// Whether a column's values have places among the integers.
pub(super) fn is_ordered(data_type: &DataType) -> bool {
    use DataType::{Date32, Float32, Float64, Int8, Int16, Int32, Int64, Timestamp, UInt8, UInt16, UInt32};
    matches!(data_type, Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32 | Date32 | Float32 | Float64 | Timestamp(..))
}

/// The place of a constant; `None` if it is null or of a type without places.
pub(super) fn place_of(value: &ScalarValue) -> Option<i64> {
    Some(match value {
        ScalarValue::Int8(Some(value)) => i64::from(*value),
        ScalarValue::Int16(Some(value)) => i64::from(*value),
        ScalarValue::Int32(Some(value)) | ScalarValue::Date32(Some(value)) => i64::from(*value),
        ScalarValue::UInt8(Some(value)) => i64::from(*value),
        ScalarValue::UInt16(Some(value)) => i64::from(*value),
        ScalarValue::UInt32(Some(value)) => i64::from(*value),
        ScalarValue::Int64(Some(value))
        | ScalarValue::TimestampSecond(Some(value), _)
        | ScalarValue::TimestampMillisecond(Some(value), _)
        | ScalarValue::TimestampMicrosecond(Some(value), _)
        | ScalarValue::TimestampNanosecond(Some(value), _) => *value,
        ScalarValue::Float32(Some(value)) => float(f64::from(*value)),
        ScalarValue::Float64(Some(value)) => float(*value),
        _ => return None,
    })
}

/// The place of a float in the order of floats, in which both zeros are the same and NaN comes last.
#[inline]
pub(super) fn float(value: f64) -> i64 {
    let bits = plain(value).to_bits() as i64;
    bits ^ (((bits >> 63) as u64) >> 1) as i64
}

/// The range of floats whose places lie in a range, both ends included; NaN lies in none.
pub(super) fn float_range((from, to): (i64, i64)) -> (f64, f64) {
    let at = |place: i64| f64::from_bits((place ^ (((place >> 63) as u64) >> 1) as i64) as u64);
    // No value has the place of minus zero, and comparisons would take plus zero to lie below it.
    let to = if to == -1 { -2 } else { to };
    (at(from.max(float(f64::NEG_INFINITY))), at(to.min(float(f64::INFINITY))))
}

/// An operation on the places of a column, whatever its type.
pub(super) trait Visit {
    /// The result.
    type Out;
    /// Visits the column.
    fn visit<T: ArrowPrimitiveType>(self, column: &PrimitiveArray<T>, place: impl Fn(T::Native) -> i64) -> Self::Out;

    /// Visits a column of the most common type.
    fn visit_f64(self, column: &PrimitiveArray<Float64Type>) -> Self::Out
    where
        Self: Sized,
    {
        self.visit(column, float)
    }
}

/// Shows a column to a visitor; `None` if its type has no places.
pub(super) fn visit<V: Visit>(column: &ArrayRef, visitor: V) -> Option<V::Out> {
    use TimeUnit::{Microsecond, Millisecond, Nanosecond, Second};
    Some(match column.data_type() {
        DataType::Int8 => visitor.visit(column.as_primitive::<Int8Type>(), i64::from),
        DataType::Int16 => visitor.visit(column.as_primitive::<Int16Type>(), i64::from),
        DataType::Int32 => visitor.visit(column.as_primitive::<Int32Type>(), i64::from),
        DataType::Int64 => visitor.visit(column.as_primitive::<Int64Type>(), |value| value),
        DataType::UInt8 => visitor.visit(column.as_primitive::<UInt8Type>(), i64::from),
        DataType::UInt16 => visitor.visit(column.as_primitive::<UInt16Type>(), i64::from),
        DataType::UInt32 => visitor.visit(column.as_primitive::<UInt32Type>(), i64::from),
        DataType::Date32 => visitor.visit(column.as_primitive::<Date32Type>(), i64::from),
        DataType::Timestamp(Second, _) => visitor.visit(column.as_primitive::<TimestampSecondType>(), |value| value),
        DataType::Timestamp(Millisecond, _) => visitor.visit(column.as_primitive::<TimestampMillisecondType>(), |value| value),
        DataType::Timestamp(Microsecond, _) => visitor.visit(column.as_primitive::<TimestampMicrosecondType>(), |value| value),
        DataType::Timestamp(Nanosecond, _) => visitor.visit(column.as_primitive::<TimestampNanosecondType>(), |value| value),
        DataType::Float32 => visitor.visit(column.as_primitive::<Float32Type>(), |value| float(f64::from(value))),
        DataType::Float64 => visitor.visit_f64(column.as_primitive::<Float64Type>()),
        _ => return None,
    })
}

/// Collects the places of the values of some rows; nulls are left out.
pub(super) struct Places<I>(pub(super) I);

impl<I: Iterator<Item = usize>> Visit for Places<I> {
    type Out = Vec<i64>;

    fn visit<T: ArrowPrimitiveType>(self, column: &PrimitiveArray<T>, place: impl Fn(T::Native) -> i64) -> Vec<i64> {
        self.0.filter(|&row| column.is_valid(row)).map(|row| place(column.value(row))).collect()
    }
}

/// Tests whether the value of a row is in an interval; a null is in none.
pub(super) struct Within {
    pub(super) row: usize,
    pub(super) least: i64,
    pub(super) greatest: i64,
}

impl Visit for Within {
    type Out = bool;

    #[inline]
    fn visit<T: ArrowPrimitiveType>(self, column: &PrimitiveArray<T>, place: impl Fn(T::Native) -> i64) -> bool {
        let place = place(column.value(self.row));
        column.is_valid(self.row) && self.least <= place && place <= self.greatest
    }
}
