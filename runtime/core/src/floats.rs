//! The one order of floats, used wherever they are compared, grouped or counted.
//!
//! Minus zero and zero are one value. NaN is one value, equal to itself and greater than all others. So every comparison has an
//! answer, `NOT x < y` is `x >= y`, and WHERE, `min` and `max`, keys and `count(DISTINCT ...)` agree. PostgreSQL and DuckDB have
//! the same order. (Arrow's kernels use IEEE's total order, which distinguishes the zeros and puts a negative NaN first.)

use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray};
use arrow::datatypes::{ArrowPrimitiveType, DataType, Float32Type, Float64Type};
use std::cmp::Ordering;
use std::sync::Arc;

/// How two floats compare.
///
/// ```
/// use egret_core::floats::order;
/// use std::cmp::Ordering;
/// assert_eq!(order(-0.0, 0.0), Ordering::Equal);
/// assert_eq!(order(-f64::NAN, f64::NAN), Ordering::Equal);
/// assert_eq!(order(-f64::NAN, f64::INFINITY), Ordering::Greater);
/// ```
#[inline]
pub fn order(one: f64, other: f64) -> Ordering {
    one.partial_cmp(&other).unwrap_or_else(|| one.is_nan().cmp(&other.is_nan()))
}

/// The canonical form of a float: zero for both zeros, one NaN for all.
#[inline]
pub fn plain(value: f64) -> f64 {
    if value.is_nan() { f64::NAN } else { value + 0.0 }
}

/// Like [`plain`], for 32 bits.
#[inline]
pub fn plain32(value: f32) -> f32 {
    if value.is_nan() { f32::NAN } else { value + 0.0 }
}

/// The column with its floats in canonical form ([`plain`]); any other column unchanged.
pub fn plain_column(column: &ArrayRef) -> ArrayRef {
    match column.data_type() {
        DataType::Float64 => made_plain::<Float64Type>(column, |value| value.to_bits() == plain(value).to_bits(), plain),
        DataType::Float32 => made_plain::<Float32Type>(column, |value| value.to_bits() == plain32(value).to_bits(), plain32),
        _ => Arc::clone(column),
    }
}

fn made_plain<T: ArrowPrimitiveType>(
    column: &ArrayRef,
    is_plain: impl Fn(T::Native) -> bool,
    plain: impl Fn(T::Native) -> T::Native,
) -> ArrayRef {
    let floats: &PrimitiveArray<T> = column.as_primitive();
    if floats.values().iter().fold(true, |all, &value| all & is_plain(value)) {
        return Arc::clone(column);
    }
    Arc::new(floats.unary::<_, T>(plain).with_data_type(column.data_type().clone()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use arrow::array::{Float32Array, Float64Array, Int64Array};

    #[test]
    fn equal_floats_have_one_form_and_others_keep_their_own() {
        let values = [f64::NEG_INFINITY, -1.5, -0.0, 0.0, f64::MIN_POSITIVE, 2.0, f64::INFINITY, -f64::NAN, f64::NAN];
        for (a, one) in values.into_iter().enumerate() {
            for (b, other) in values.into_iter().enumerate() {
                let same = a == b || [a, b] == [2, 3] || [a, b] == [3, 2] || a.min(b) > 6;
                let expected = if same { Ordering::Equal } else { a.cmp(&b) };
                assert_eq!(order(one, other), expected, "{one} and {other}");
                assert_eq!(plain(one).to_bits() == plain(other).to_bits(), same, "{one} and {other}");
            }
        }
    }

    #[test]
    fn columns_are_copied_only_where_they_change() {
        let changed: ArrayRef = Arc::new(Float64Array::from(vec![Some(-0.0), None, Some(-f64::NAN), Some(1.0)]));
        let plain = plain_column(&changed);
        let bits: Vec<Option<u64>> = plain.as_primitive::<Float64Type>().iter().map(|value| value.map(f64::to_bits)).collect();
        assert_eq!(bits, [Some(0), None, Some(f64::NAN.to_bits()), Some(1.0_f64.to_bits())]);
        let narrow: ArrayRef = Arc::new(Float32Array::from(vec![-0.0, 2.5]));
        assert_eq!(plain_column(&narrow).as_primitive::<Float32Type>().value(0).to_bits(), 0);
        let kept: [ArrayRef; 2] = [Arc::new(Float64Array::from(vec![0.0, f64::NAN])), Arc::new(Int64Array::from(vec![0]))];
        for column in kept {
            assert!(Arc::ptr_eq(&plain_column(&column), &column));
        }
    }
}
