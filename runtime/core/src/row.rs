//! Typed rows: a Rust struct on one side, Arrow columns on the other.

use crate::{Error, EventTime, Result, StreamSchema, TIME_TYPE};
#[doc(no_inline)]
pub use arrow::array::RecordBatch;
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType};
use std::sync::Arc;

/// A struct that is a row of a stream. Made by [`crate::row!`].
pub trait Row: Sized + Send + 'static {
    /// The columns. The first of type [`EventTime`] is event time.
    ///
    /// # Errors
    /// Two fields have one name.
    fn schema() -> Result<StreamSchema>;

    /// Reads rows; columns are found by name.
    ///
    /// # Errors
    /// A column is missing, has another type, or holds a null that the struct does not allow.
    fn read(rows: &RecordBatch) -> Result<Vec<Self>>;

    /// Writes rows.
    ///
    /// # Errors
    /// The schema cannot be made.
    fn write(rows: Vec<Self>) -> Result<RecordBatch>;
}

/// A type that can be a field of a [`Row`].
pub trait Value: Sized {
    /// The column's type.
    fn data_type() -> DataType;
    /// Whether it may be null.
    fn is_nullable() -> bool {
        false
    }
    /// Reads a column.
    ///
    /// # Errors
    /// It has another type, or a null that is not allowed.
    fn read(name: &str, column: &ArrayRef) -> Result<Vec<Self>>;
    /// Writes a column.
    fn write(values: Vec<Self>) -> ArrayRef;
}

/// Finds a column for [`Row::read`].
///
/// # Errors
/// There is none of this name.
pub fn read_column<T: Value>(rows: &RecordBatch, name: &str) -> Result<Vec<T>> {
    let column = rows.column_by_name(name).ok_or_else(|| Error::job(format!("the rows have no column '{name}'")))?;
    T::read(name, column)
}

/// The field of a column for [`Row::schema`].
pub fn field<T: Value>(name: &str) -> Field {
    Field::new(name, T::data_type(), T::is_nullable())
}

fn wrong_type(name: &str, column: &ArrayRef, wanted: &DataType) -> Error {
    Error::job(format!("column '{name}' is {}, the row type wants {wanted}", column.data_type()))
}

macro_rules! primitive_value {
    ($rust:ty, $arrow:ty, $to:expr, $from:expr, $type:expr) => {
        impl Value for $rust {
            fn data_type() -> DataType {
                $type
            }
            fn read(name: &str, column: &ArrayRef) -> Result<Vec<Self>> {
                let array = column.as_primitive_opt::<$arrow>().ok_or_else(|| wrong_type(name, column, &$type))?;
                if array.null_count() > 0 {
                    return Err(Error::data(format!("column '{name}' holds a null, the row type does not allow it")));
                }
                Ok(array.values().iter().copied().map($to).collect())
            }
            fn write(values: Vec<Self>) -> ArrayRef {
                Arc::new(arrow::array::PrimitiveArray::<$arrow>::from_iter_values(values.into_iter().map($from)))
            }
        }
        impl Value for Option<$rust> {
            fn data_type() -> DataType {
                $type
            }
            fn is_nullable() -> bool {
                true
            }
            fn read(name: &str, column: &ArrayRef) -> Result<Vec<Self>> {
                let array = column.as_primitive_opt::<$arrow>().ok_or_else(|| wrong_type(name, column, &$type))?;
                Ok(array.iter().map(|value| value.map($to)).collect())
            }
            fn write(values: Vec<Self>) -> ArrayRef {
                Arc::new(values.into_iter().map(|value| value.map($from)).collect::<arrow::array::PrimitiveArray<$arrow>>())
            }
        }
    };
}

primitive_value!(i64, Int64Type, |v| v, |v| v, DataType::Int64);
primitive_value!(i32, Int32Type, |v| v, |v| v, DataType::Int32);
primitive_value!(f64, Float64Type, |v| v, |v| v, DataType::Float64);
primitive_value!(EventTime, TimestampMicrosecondType, EventTime, |v: EventTime| v.0, TIME_TYPE);

macro_rules! array_value {
    ($rust:ty, $array:ty, $as:expr, $to:expr, $type:expr) => {
        impl Value for $rust {
            fn data_type() -> DataType {
                $type
            }
            fn read(name: &str, column: &ArrayRef) -> Result<Vec<Self>> {
                Option::<$rust>::read(name, column)?
                    .into_iter()
                    .map(|value| {
                        value.ok_or_else(|| Error::data(format!("column '{name}' holds a null, the row type does not allow it")))
                    })
                    .collect()
            }
            fn write(values: Vec<Self>) -> ArrayRef {
                <Option<$rust> as Value>::write(values.into_iter().map(Some).collect())
            }
        }
        impl Value for Option<$rust> {
            fn data_type() -> DataType {
                $type
            }
            fn is_nullable() -> bool {
                true
            }
            fn read(name: &str, column: &ArrayRef) -> Result<Vec<Self>> {
                let array = $as(column).ok_or_else(|| wrong_type(name, column, &$type))?;
                Ok(array.iter().map(|value| value.map($to)).collect())
            }
            fn write(values: Vec<Self>) -> ArrayRef {
                Arc::new(<$array>::from(values))
            }
        }
    };
}

array_value!(bool, arrow::array::BooleanArray, |column: &ArrayRef| column.as_boolean_opt().cloned(), |v| v, DataType::Boolean);
array_value!(
    String,
    arrow::array::StringArray,
    |column: &ArrayRef| column.as_string_opt::<i32>().cloned(),
    str::to_owned,
    DataType::Utf8
);

/// Declares a struct that is a [`Row`]: fields of `i64`, `i32`, `f64`, `bool`, `String`, [`EventTime`], or an `Option` of
/// those. The first `EventTime` field is the stream's event time.
///
/// ```
/// use egret_core::{EventTime, row, row::Row};
/// row! {
///     /// A transaction.
///     #[derive(Debug, Clone, PartialEq)]
///     pub struct Txn { id: i64, device: Option<String>, at: EventTime }
/// }
/// let rows = vec![Txn { id: 1, device: None, at: EventTime(5) }];
/// let columns = Txn::write(rows.clone())?;
/// assert_eq!(Txn::read(&columns)?, rows);
/// assert_eq!(Txn::schema()?.event_time(), Some(2));
/// # Ok::<(), egret_core::Error>(())
/// ```
#[macro_export]
macro_rules! row {
    ($(#[$meta:meta])* $vis:vis struct $name:ident { $($(#[$field_meta:meta])* $field_vis:vis $field:ident : $type:ty),* $(,)? }) => {
        $(#[$meta])*
        $vis struct $name { $($(#[$field_meta])* $field_vis $field: $type),* }

        impl $crate::row::Row for $name {
            fn schema() -> $crate::Result<$crate::StreamSchema> {
                let fields = vec![$($crate::row::field::<$type>(stringify!($field))),*];
                let time = fields.iter().find(|field| field.data_type() == &$crate::TIME_TYPE && !field.is_nullable());
                let time = time.map(|field| field.name().clone());
                $crate::StreamSchema::new(fields, time.as_deref())
            }

            fn read(rows: &$crate::row::RecordBatch) -> $crate::Result<Vec<Self>> {
                $(let mut $field = $crate::row::read_column::<$type>(rows, stringify!($field))?.into_iter();)*
                Ok((0..rows.num_rows())
                    .map(|_| Self { $($field: $field.next().expect("every column has a value a row")),* })
                    .collect())
            }

            fn write(rows: Vec<Self>) -> $crate::Result<$crate::row::RecordBatch> {
                $(let mut $field = Vec::with_capacity(rows.len());)*
                for row in rows {
                    $($field.push(row.$field);)*
                }
                let columns = vec![$(<$type as $crate::row::Value>::write($field)),*];
                Ok($crate::row::RecordBatch::try_new(
                    std::sync::Arc::clone(<Self as $crate::row::Row>::schema()?.arrow()),
                    columns,
                )?)
            }
        }
    };
}
