//! Single values and how they compare.
//!
//! Comparisons agree with those of expressions: floats have the order of [`crate::floats`], and a comparison with null has no
//! result.

use crate::{Error, Result, floats};
use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int64Type};
use datafusion_common::ScalarValue;
use datafusion_expr::Operator as Op;
use std::cmp::Ordering;

/// A single value.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    /// No value.
    Null,
    /// Integers, booleans, dates, timestamps and lengths of time.
    Int(i64),
    /// Floats of either width.
    Float(f64),
    /// Text.
    Text(Box<str>),
    /// Values of any other type.
    Other(Box<ScalarValue>),
}

/// A column of values that compare with scalars of its type.
#[derive(Clone, Debug)]
pub enum Column {
    /// Compares with [`Scalar::Int`].
    Int(Int64Array),
    /// Compares with [`Scalar::Float`].
    Float(Float64Array),
    /// Compares with [`Scalar::Text`] or [`Scalar::Other`].
    Other(ArrayRef),
}

impl Column {
    /// Prepares a column for fast reads.
    ///
    /// # Errors
    /// The values are not of the type that the array declares.
    pub fn of(array: ArrayRef) -> Result<Self> {
        Ok(match kind(array.data_type()) {
            Kind::Int => Self::Int(as_int(&array)?),
            Kind::Float => Self::Float(cast(&array, &DataType::Float64)?.as_primitive::<Float64Type>().clone()),
            _ => Self::Other(array),
        })
    }

    /// How a row's value compares with a scalar; `None` if one of them is null.
    ///
    /// # Errors
    /// The scalar is of another type.
    #[inline]
    pub fn compare(&self, row: usize, with: &Scalar) -> Result<Option<Ordering>> {
        Ok(match (self, with) {
            (_, Scalar::Null) => None,
            (Self::Int(column), Scalar::Int(value)) => column.is_valid(row).then(|| column.value(row).cmp(value)),
            (Self::Float(column), Scalar::Float(value)) => column.is_valid(row).then(|| floats::order(column.value(row), *value)),
            (Self::Other(column), with) => compare_other(column, row, with)?,
            (column, with) => return Err(Error::bug(format!("{column:?} cannot be compared with {with:?}"))),
        })
    }
}

fn compare_other(column: &ArrayRef, row: usize, with: &Scalar) -> Result<Option<Ordering>> {
    if column.is_null(row) {
        return Ok(None);
    }
    match (text(column, row), with) {
        (Some(text), Scalar::Text(value)) => Ok(Some(text.cmp(value))),
        (None, Scalar::Other(value)) => Ok(ScalarValue::try_from_array(column, row)?.partial_cmp(value)),
        _ => Err(Error::bug(format!("{} cannot be compared with {with:?}", column.data_type()))),
    }
}

/// The representation of values of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// As [`Scalar::Int`].
    Int,
    /// As [`Scalar::Float`].
    Float,
    /// As [`Scalar::Text`].
    Text,
    /// As [`Scalar::Other`].
    Other,
}

/// The representation of values of a type.
#[inline]
pub fn kind(data_type: &DataType) -> Kind {
    match data_type {
        DataType::UInt64 => Kind::Other,
        t if t.is_integer() => Kind::Int,
        DataType::Boolean | DataType::Date32 | DataType::Date64 | DataType::Timestamp(..) | DataType::Duration(_) => Kind::Int,
        DataType::Float32 | DataType::Float64 => Kind::Float,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Kind::Text,
        _ => Kind::Other,
    }
}

/// A column of [`Kind::Int`] as 64-bit integers.
///
/// # Errors
/// The column is of another kind.
pub fn as_int(array: &ArrayRef) -> Result<Int64Array> {
    let whole = match array.data_type() {
        DataType::Date32 => cast(&cast(array, &DataType::Int32)?, &DataType::Int64)?,
        _ => cast(array, &DataType::Int64)?,
    };
    Ok(whole.as_primitive::<Int64Type>().clone())
}

fn text(column: &ArrayRef, row: usize) -> Option<&str> {
    match column.data_type() {
        DataType::Utf8 => Some(column.as_string::<i32>().value(row)),
        DataType::LargeUtf8 => Some(column.as_string::<i64>().value(row)),
        DataType::Utf8View => Some(column.as_string_view().value(row)),
        _ => None,
    }
}

/// The value of a row.
///
/// # Errors
/// The type has no scalar.
#[inline]
pub fn read(column: &ArrayRef, row: usize) -> Result<Scalar> {
    if column.is_null(row) {
        return Ok(Scalar::Null);
    }
    match column.data_type() {
        DataType::Int64 => return Ok(Scalar::Int(column.as_primitive::<Int64Type>().value(row))),
        DataType::Float64 => return Ok(Scalar::Float(column.as_primitive::<Float64Type>().value(row))),
        DataType::Float32 => return Ok(Scalar::Float(f64::from(column.as_primitive::<Float32Type>().value(row)))),
        DataType::Boolean => return Ok(Scalar::Int(i64::from(column.as_boolean().value(row)))),
        _ => {}
    }
    Ok(match kind(column.data_type()) {
        Kind::Int => Scalar::Int(as_int(&column.slice(row, 1))?.value(0)),
        Kind::Text => Scalar::Text(text(column, row).unwrap_or_default().into()),
        _ => Scalar::Other(Box::new(ScalarValue::try_from_array(column, row)?)),
    })
}

/// Compares two values. Values that have no order count as equal.
#[inline]
pub fn order(one: &Scalar, other: &Scalar) -> Ordering {
    match (one, other) {
        (Scalar::Int(one), Scalar::Int(other)) => one.cmp(other),
        (Scalar::Float(one), Scalar::Float(other)) => floats::order(*one, *other),
        _ => Ordering::Equal,
    }
}

/// Whether a comparison holds, given how the sides compare.
#[inline]
pub fn holds(op: Op, order: Option<Ordering>) -> bool {
    let Some(order) = order else { return false };
    match op {
        Op::Eq => order.is_eq(),
        Op::NotEq => order.is_ne(),
        Op::Lt => order.is_lt(),
        Op::LtEq => order.is_le(),
        Op::Gt => order.is_gt(),
        Op::GtEq => order.is_ge(),
        _ => false,
    }
}

/// Whether an operator is a comparison that [`holds`] knows.
#[inline]
pub fn is_comparison(op: Op) -> bool {
    matches!(op, Op::Eq | Op::NotEq | Op::Lt | Op::LtEq | Op::Gt | Op::GtEq)
}

/// The comparison with its sides exchanged.
#[inline]
pub fn mirrored(op: Op) -> Op {
    match op {
        Op::Lt => Op::Gt,
        Op::LtEq => Op::GtEq,
        Op::Gt => Op::Lt,
        Op::GtEq => Op::LtEq,
        same => same,
    }
}
