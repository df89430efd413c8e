//! Feature hashing: the value of a category becomes one of `2^bits` coordinates (Weinberger et al., ICML 2009).
//!
//! # Format
//! The coordinate is part of the state's format: the low `bits` bits of xxh3 (64 bit, seed 0) over the UTF-8 text
//! `column=value`. Integers are written in decimal, booleans as `true` and `false`. A null is a category of its own: the text
//! is the column's name alone.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type};
use egret_core::{Error, Result};
use xxhash_rust::xxh3::xxh3_64;

/// Hashes the values of one column to coordinates.
///
/// ```
/// use arrow::array::{ArrayRef, StringArray};
/// use egret_ml::hashing::CategoryHash;
/// let countries: ArrayRef = std::sync::Arc::new(StringArray::from(vec![Some("NL"), Some("DE"), Some("NL"), None]));
/// let mut coordinates = Vec::new();
/// CategoryHash::new("country", 10).append(&countries, |row, coordinate| coordinates.push((row, coordinate)))?;
/// assert_eq!(coordinates[0].1, coordinates[2].1);
/// assert_ne!(coordinates[0].1, coordinates[3].1);
/// # Ok::<(), egret_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct CategoryHash {
    column: String,
    mask: u64,
}

impl CategoryHash {
    /// A hash of the values of the column of this name into `2^bits` coordinates.
    ///
    /// # Panics
    /// `bits` is over 31.
    pub fn new(column: &str, bits: u32) -> Self {
        assert!(bits < 32, "coordinates are u32");
        Self { column: column.to_owned(), mask: (1 << bits) - 1 }
    }

    /// Calls `give(row, coordinate)` for every value.
    ///
    /// # Errors
    /// The column's type cannot be a category.
    pub fn append(&self, values: &ArrayRef, give: impl FnMut(usize, u32)) -> Result<()> {
        macro_rules! integers {
            ($type:ty) => {{
                let (values, mut digits) = (values.as_primitive::<$type>(), itoa::Buffer::new());
                self.each(values, give, |row, text| text.extend_from_slice(digits.format(values.value(row)).as_bytes()))
            }};
        }
        macro_rules! strings {
            ($values:expr) => {{
                let values = $values;
                self.each(values, give, |row, text| text.extend_from_slice(values.value(row).as_bytes()))
            }};
        }
        match values.data_type() {
            DataType::Utf8 => strings!(values.as_string::<i32>()),
            DataType::LargeUtf8 => strings!(values.as_string::<i64>()),
            DataType::Utf8View => strings!(values.as_string_view()),
            DataType::Boolean => {
                let values = values.as_boolean();
                let name = |row| if values.value(row) { b"true".as_slice() } else { b"false" };
                self.each(values, give, |row, text| text.extend_from_slice(name(row)));
            }
            DataType::Int8 => integers!(Int8Type),
            DataType::Int16 => integers!(Int16Type),
            DataType::Int32 => integers!(Int32Type),
            DataType::Int64 => integers!(Int64Type),
            DataType::UInt8 => integers!(UInt8Type),
            DataType::UInt16 => integers!(UInt16Type),
            DataType::UInt32 => integers!(UInt32Type),
            DataType::UInt64 => integers!(UInt64Type),
            DataType::Dictionary(_, value_type) => return self.append(&arrow::compute::cast(values, value_type)?, give),
            other => return Err(Error::job(format!("'{}' is {other}, which cannot be a category", self.column))),
        }
        Ok(())
    }

    fn each(&self, values: &dyn Array, mut give: impl FnMut(usize, u32), mut write: impl FnMut(usize, &mut Vec<u8>)) {
        let mut text = Vec::with_capacity(64);
        text.extend_from_slice(self.column.as_bytes());
        let null = self.coordinate(&text);
        text.push(b'=');
        let prefix = text.len();
        for row in 0..values.len() {
            if values.is_null(row) {
                give(row, null);
                continue;
            }
            text.truncate(prefix);
            write(row, &mut text);
            give(row, self.coordinate(&text));
        }
    }

    fn coordinate(&self, text: &[u8]) -> u32 {
        (xxh3_64(text) & self.mask) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{BooleanArray, Int32Array, Int64Array, StringArray, StringViewArray};
    use std::sync::Arc;

    fn coordinates(values: ArrayRef, bits: u32) -> Vec<u32> {
        let mut all = Vec::new();
        CategoryHash::new("c", bits).append(&values, |_, coordinate| all.push(coordinate)).expect("a category");
        all
    }

    #[test]
    fn the_coordinate_is_a_format() {
        let bits = 18;
        let expected = |text: &str| (xxh3_64(text.as_bytes()) & ((1 << bits) - 1)) as u32;
        assert_eq!(coordinates(Arc::new(StringArray::from(vec![Some("x"), None])), bits), [expected("c=x"), expected("c")]);
        assert_eq!(expected("c=x"), 178_438, "the coordinate of c=x changed: weights of old state would not be found");
    }

    #[test]
    fn types_of_one_meaning_meet() {
        let numbers = coordinates(Arc::new(Int64Array::from(vec![-7, 12])), 20);
        assert_eq!(numbers, coordinates(Arc::new(Int32Array::from(vec![-7, 12])), 20));
        assert_eq!(numbers, coordinates(Arc::new(StringArray::from(vec!["-7", "12"])), 20));
        assert_eq!(numbers, coordinates(Arc::new(StringViewArray::from(vec!["-7", "12"])), 20));
        let flags = coordinates(Arc::new(BooleanArray::from(vec![true, false])), 20);
        assert_eq!(flags, coordinates(Arc::new(StringArray::from(vec!["true", "false"])), 20));
    }

    #[test]
    fn times_are_no_categories() {
        let times: ArrayRef = Arc::new(arrow::array::TimestampMicrosecondArray::from(vec![1]));
        assert!(CategoryHash::new("at", 8).append(&times, |_, _| ()).is_err());
    }
}
