//! Integer arithmetic that fails instead of wrapping.
//!
//! DataFusion computes sums, differences, products, negations and shifts of integers modulo 2^n (a shift by 64 is a shift by 0),
//! and its checked kernels test one value at a time. The nodes here compute like the wrapping kernels, a column at a time, and
//! gather one overflow flag for the whole column. Only if it is set do they look for a row that overflowed (values under a null
//! do not count), and fail.

use super::node::{Inner, Pair};
use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray, RecordBatch};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{
    DataType, Int8Type, Int16Type, Int32Type, Int64Type, Schema, TimeUnit, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow::error::ArrowError;
use datafusion_common::{DataFusionError, Result, ScalarValue, internal_err};
use datafusion_expr::{ColumnarValue, Operator};
use datafusion_physical_expr::PhysicalExpr;
use std::fmt;
use std::sync::Arc;

/// `left op right` of one integer type, where `op` is plus, minus, multiply, or a bit shift.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Checked(Pair);

/// `-inner` of an integer type.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct CheckedNegative(Inner);

impl Checked {
    /// Whether [`Checked`] computes this operation.
    pub(super) fn has(op: Operator) -> bool {
        use Operator::{BitwiseShiftLeft, BitwiseShiftRight, Minus, Multiply, Plus};
        matches!(op, Plus | Minus | Multiply | BitwiseShiftLeft | BitwiseShiftRight)
    }

    /// Whether [`Checked`] computes this operation for these types.
    pub(super) fn is_for(op: Operator, left: &DataType, right: &DataType) -> bool {
        Self::has(op) && left.is_integer() && left == right
    }

    pub(super) fn new(left: Arc<dyn PhysicalExpr>, op: Operator, right: Arc<dyn PhysicalExpr>) -> Self {
        Self(Pair::new(left, op, right))
    }
}

impl CheckedNegative {
    pub(super) fn new(inner: Arc<dyn PhysicalExpr>) -> Self {
        Self(Inner(inner))
    }
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({})", self.0)
    }
}

impl fmt::Display for CheckedNegative {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "(- {})", self.0)
    }
}

/// Calls a generic function with the Arrow type of an integer type.
macro_rules! of_integer {
    ($type:expr, $function:ident($($argument:expr),*)) => {
        match $type {
            DataType::Int8 => $function::<Int8Type>($($argument),*),
            DataType::Int16 => $function::<Int16Type>($($argument),*),
            DataType::Int32 => $function::<Int32Type>($($argument),*),
            DataType::Int64 => $function::<Int64Type>($($argument),*),
            DataType::UInt8 => $function::<UInt8Type>($($argument),*),
            DataType::UInt16 => $function::<UInt16Type>($($argument),*),
            DataType::UInt32 => $function::<UInt32Type>($($argument),*),
            DataType::UInt64 => $function::<UInt64Type>($($argument),*),
            other => internal_err!("{other} is no integer"),
        }
    };
}

impl PhysicalExpr for Checked {
    fn data_type(&self, input: &Schema) -> Result<DataType> {
        self.0.left.data_type(input)
    }

    fn nullable(&self, input: &Schema) -> Result<bool> {
        self.0.nullable(input)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let (left, right) = (self.0.left.evaluate(batch)?, self.0.right.evaluate(batch)?);
        of_integer!(left.data_type(), binary(self.0.op, &left, &right))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        self.0.children()
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        Ok(Arc::new(Self(self.0.with(&children))))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt_sql(f)
    }
}

impl PhysicalExpr for CheckedNegative {
    fn data_type(&self, input: &Schema) -> Result<DataType> {
        self.0.data_type(input)
    }

    fn nullable(&self, input: &Schema) -> Result<bool> {
        self.0.nullable(input)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let inner = self.0.evaluate(batch)?;
        of_integer!(inner.data_type(), negative(&inner))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.0]
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        Ok(Arc::new(Self::new(Arc::clone(&children[0]))))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "(- ")?;
        self.0.fmt_sql(f)?;
        write!(f, ")")
    }
}

/// Operations that return the wrapped result and a mark: its top bit is set if the result wrapped.
trait Integer: Copy + PartialEq + fmt::Display + std::ops::BitOr<Output = Self> + Default {
    fn plus(self, other: Self) -> (Self, Self);
    fn minus(self, other: Self) -> (Self, Self);
    fn times(self, other: Self) -> (Self, Self);
    fn shifted_left(self, by: Self) -> (Self, Self);
    fn shifted_right(self, by: Self) -> (Self, Self);
    fn is_wrapped(mark: Self) -> bool;
}

/// Bit shifts. They fail if the distance is negative or not below the width; a left shift also fails if bits are lost.
macro_rules! shifts {
    ($mark:expr) => {
        #[inline]
        fn shifted_left(self, by: Self) -> (Self, Self) {
            let value = self.wrapping_shl(by as u32);
            let lost = !(0..Self::BITS as Self).contains(&by) || value.wrapping_shr(by as u32) != self;
            (value, $mark(lost))
        }
        #[inline]
        fn shifted_right(self, by: Self) -> (Self, Self) {
            (self.wrapping_shr(by as u32), $mark(!(0..Self::BITS as Self).contains(&by)))
        }
    };
}

macro_rules! signed {
    ($type:ty, $times:expr) => {
        impl Integer for $type {
            #[inline]
            fn plus(self, other: Self) -> (Self, Self) {
                let sum = self.wrapping_add(other);
                (sum, (self ^ sum) & (other ^ sum))
            }
            #[inline]
            fn minus(self, other: Self) -> (Self, Self) {
                let difference = self.wrapping_sub(other);
                (difference, (self ^ other) & (self ^ difference))
            }
            #[inline]
            fn times(self, other: Self) -> (Self, Self) {
                $times(self, other)
            }
            shifts!(|lost| Self::from(lost).wrapping_neg());
            fn is_wrapped(mark: Self) -> bool {
                mark < 0
            }
        }
    };
}

macro_rules! unsigned {
    ($type:ty) => {
        impl Integer for $type {
            #[inline]
            fn plus(self, other: Self) -> (Self, Self) {
                let (sum, wrapped) = self.overflowing_add(other);
                (sum, Self::from(wrapped) << (Self::BITS - 1))
            }
            #[inline]
            fn minus(self, other: Self) -> (Self, Self) {
                let (difference, wrapped) = self.overflowing_sub(other);
                (difference, Self::from(wrapped) << (Self::BITS - 1))
            }
            #[inline]
            fn times(self, other: Self) -> (Self, Self) {
                let (product, wrapped) = self.overflowing_mul(other);
                (product, Self::from(wrapped) << (Self::BITS - 1))
            }
            shifts!(|lost| Self::from(lost) << (Self::BITS - 1));
            fn is_wrapped(mark: Self) -> bool {
                mark >> (Self::BITS - 1) != 0
            }
        }
    };
}

/// A product of small integers, computed in a wider type: compilers vectorise that.
macro_rules! by_way_of {
    ($type:ty, $wide:ty) => {
        |one: $type, other: $type| -> ($type, $type) {
            let wide = <$wide>::from(one) * <$wide>::from(other);
            let product = wide as $type;
            (product, <$type>::from(<$wide>::from(product) != wide).wrapping_neg())
        }
    };
}

signed!(i8, by_way_of!(i8, i16));
signed!(i16, by_way_of!(i16, i32));
signed!(i32, by_way_of!(i32, i64));
signed!(i64, |one: i64, other: i64| {
    let (product, wrapped) = one.overflowing_mul(other);
    (product, i64::from(wrapped).wrapping_neg())
});
unsigned!(u8);
unsigned!(u16);
unsigned!(u32);
unsigned!(u64);

/// A column, or one value for all rows.
enum Side<'a, T: ArrowPrimitiveType> {
    Column(&'a PrimitiveArray<T>),
    Value(Option<T::Native>),
}

impl<'a, T: ArrowPrimitiveType> Side<'a, T> {
    fn of(value: &'a ColumnarValue) -> Result<Self> {
        match value {
            ColumnarValue::Array(array) => match array.as_primitive_opt::<T>() {
                Some(column) => Ok(Self::Column(column)),
                None => internal_err!("{} where {} was planned", array.data_type(), T::DATA_TYPE),
            },
            ColumnarValue::Scalar(scalar) => {
                let one = scalar.to_array()?;
                match one.as_primitive_opt::<T>() {
                    Some(column) => Ok(Self::Value(column.is_valid(0).then(|| column.value(0)))),
                    None => internal_err!("{} where {} was planned", one.data_type(), T::DATA_TYPE),
                }
            }
        }
    }
}

fn binary<T: ArrowPrimitiveType>(op: Operator, left: &ColumnarValue, right: &ColumnarValue) -> Result<ColumnarValue>
where
    T::Native: Integer,
{
    match op {
        Operator::Plus => apply::<T>("+", left, right, Integer::plus),
        Operator::Minus => apply::<T>("-", left, right, Integer::minus),
        Operator::Multiply => apply::<T>("*", left, right, Integer::times),
        Operator::BitwiseShiftLeft => apply::<T>("<<", left, right, Integer::shifted_left),
        Operator::BitwiseShiftRight => apply::<T>(">>", left, right, Integer::shifted_right),
        other => internal_err!("{other} is not checked"),
    }
}

#[inline]
fn apply<T: ArrowPrimitiveType>(
    sign: &str,
    left: &ColumnarValue,
    right: &ColumnarValue,
    compute: impl Fn(T::Native, T::Native) -> (T::Native, T::Native),
) -> Result<ColumnarValue>
where
    T::Native: Integer,
{
    let outside = |one: T::Native, other: T::Native| out_of_range(&format!("{one} {sign} {other}"), &T::DATA_TYPE);
    let column = match (Side::<T>::of(left)?, Side::<T>::of(right)?) {
        (Side::Value(None), _) | (_, Side::Value(None)) => {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from(&T::DATA_TYPE)?));
        }
        (Side::Value(Some(one)), Side::Value(Some(other))) => {
            let (value, mark) = compute(one, other);
            if T::Native::is_wrapped(mark) {
                return Err(outside(one, other));
            }
            let array: ArrayRef = Arc::new(PrimitiveArray::<T>::from_value(value, 1));
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?));
        }
        (Side::Column(one), Side::Column(other)) => {
            let pairs = one.values().iter().zip(other.values().iter()).map(|(&one, &other)| (one, other));
            checked::<T>(pairs, NullBuffer::union(one.nulls(), other.nulls()), compute, outside)?
        }
        (Side::Column(one), Side::Value(Some(other))) => {
            let pairs = one.values().iter().map(|&one| (one, other));
            checked::<T>(pairs, one.nulls().cloned(), compute, outside)?
        }
        (Side::Value(Some(one)), Side::Column(other)) => {
            let pairs = other.values().iter().map(|&other| (one, other));
            checked::<T>(pairs, other.nulls().cloned(), compute, outside)?
        }
    };
    Ok(ColumnarValue::Array(Arc::new(column)))
}

#[inline]
fn checked<T: ArrowPrimitiveType>(
    pairs: impl Iterator<Item = (T::Native, T::Native)> + Clone,
    nulls: Option<NullBuffer>,
    compute: impl Fn(T::Native, T::Native) -> (T::Native, T::Native),
    outside: impl Fn(T::Native, T::Native) -> DataFusionError,
) -> Result<PrimitiveArray<T>>
where
    T::Native: Integer,
{
    let mut marks = T::Native::default();
    let values: Vec<T::Native> = pairs
        .clone()
        .map(|(one, other)| {
            let (value, mark) = compute(one, other);
            marks = marks | mark;
            value
        })
        .collect();
    if T::Native::is_wrapped(marks) {
        for (row, (one, other)) in pairs.enumerate() {
            let counts = nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
            if counts && T::Native::is_wrapped(compute(one, other).1) {
                return Err(outside(one, other));
            }
        }
    }
    Ok(PrimitiveArray::new(values.into(), nulls))
}

fn negative<T: ArrowPrimitiveType>(inner: &ColumnarValue) -> Result<ColumnarValue>
where
    T::Native: Integer,
{
    let zero: ArrayRef = Arc::new(PrimitiveArray::<T>::from_value(T::Native::default(), 1));
    let zero = ColumnarValue::Scalar(ScalarValue::try_from_array(&zero, 0)?);
    // Computed as `0 - inner`, so that it fails exactly where that does.
    apply::<T>("-", &zero, inner, Integer::minus)
}

/// The words of messages about a value that is too large for its type.
pub const OUT_OF_RANGE: &str = "is out of the range of";

fn out_of_range(what: &str, data_type: &DataType) -> DataFusionError {
    ArrowError::ArithmeticOverflow(format!("{what} {OUT_OF_RANGE} {}", sql_type(data_type))).into()
}

/// The name of a type in the language; Arrow's name if it has none.
pub fn sql_type(data_type: &DataType) -> String {
    match data_type {
        DataType::Int8 => "TINYINT".into(),
        DataType::Int16 => "SMALLINT".into(),
        DataType::Int32 => "INT".into(),
        DataType::Int64 => "BIGINT".into(),
        DataType::Float32 => "FLOAT".into(),
        DataType::Float64 => "DOUBLE".into(),
        DataType::Boolean => "BOOLEAN".into(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "STRING".into(),
        DataType::Date32 => "DATE".into(),
        DataType::Timestamp(_, None) => "TIMESTAMP".into(),
        DataType::Duration(TimeUnit::Microsecond) => "lengths of time, in microseconds".into(),
        DataType::Decimal128(precision, scale) => format!("DECIMAL({precision}, {scale})"),
        other => other.to_string(),
    }
}
