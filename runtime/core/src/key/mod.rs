//! Keys, their hash, and key groups, the unit in which state is distributed.
//!
//! # Format
//! The hash is part of the on-disk format: xxh3 (64 bit, seed 0) over the canonical encodings of the key's columns, one after the
//! other. A non-null value is a byte `1`, followed by: for integers, dates, timestamps and lengths of time 8 bytes, little
//! endian, sign extended; for booleans one byte; for floats 8 bytes, the bits of the f64, little endian (-0.0 as 0.0, every NaN
//! as the one of bits 0x7ff8000000000000); for strings and binaries their length in 8 bytes, little endian, then their bytes. A
//! null is a byte `0`. The hash of an integer key does not depend on the width of its column, so a stream of `INT` and one of
//! `BIGINT` can be joined.

mod rows;

pub use rows::{Key, KeyBytes, RowKeys};

use crate::floats::plain;
use crate::{Error, Result};
use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, Float32Array, Float64Array, Int64Array, LargeStringArray,
    RecordBatch, StringArray, StringViewArray, UInt64Array, new_null_array,
};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Date32Type, Date64Type, DurationMicrosecondType, DurationMillisecondType, DurationNanosecondType,
    DurationSecondType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64;

/// How many key groups a job has by default. The number cannot change during the life of its state.
pub const DEFAULT_MAX_PARALLELISM: u16 = 128;

/// The unit in which keyed state moves between workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct KeyGroup(pub u16);

impl KeyGroup {
    /// The key group of a key's hash.
    #[inline]
    pub fn of(hash: u64, max_parallelism: u16) -> Self {
        Self((hash % u64::from(max_parallelism)) as u16)
    }

    /// The worker that owns this key group when there are `workers`.
    #[inline]
    pub fn worker(self, workers: usize, max_parallelism: u16) -> usize {
        usize::from(self.0) * workers / usize::from(max_parallelism)
    }
}

/// Appends the canonical encoding of row `row` of `column`.
fn encode_value(column: &ArrayRef, row: usize, out: &mut Vec<u8>) -> Result<()> {
    if column.is_null(row) {
        out.push(0);
        return Ok(());
    }
    out.push(1);
    match column.data_type() {
        DataType::Utf8 => encode_bytes(column.as_string::<i32>().value(row).as_bytes(), out),
        DataType::LargeUtf8 => encode_bytes(column.as_string::<i64>().value(row).as_bytes(), out),
        DataType::Utf8View => encode_bytes(column.as_string_view().value(row).as_bytes(), out),
        DataType::Binary => encode_bytes(column.as_binary::<i32>().value(row), out),
        DataType::Boolean => out.push(u8::from(column.as_boolean().value(row))),
        _ => out.extend_from_slice(&fixed_value(column, row)?.to_le_bytes()),
    }
    Ok(())
}

fn encode_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
    out.extend_from_slice(bytes);
}

/// The 64 bits of a fixed-width value.
fn fixed_value(column: &ArrayRef, row: usize) -> Result<u64> {
    macro_rules! at {
        ($type:ty) => {
            column.as_primitive::<$type>().value(row) as i64 as u64
        };
    }
    Ok(match column.data_type() {
        DataType::Int64 => at!(Int64Type),
        DataType::Int32 => at!(Int32Type),
        DataType::Int16 => at!(Int16Type),
        DataType::Int8 => at!(Int8Type),
        DataType::UInt64 => at!(UInt64Type),
        DataType::UInt32 => at!(UInt32Type),
        DataType::UInt16 => at!(UInt16Type),
        DataType::UInt8 => at!(UInt8Type),
        DataType::Date32 => at!(Date32Type),
        DataType::Date64 => at!(Date64Type),
        DataType::Timestamp(TimeUnit::Second, _) => at!(TimestampSecondType),
        DataType::Timestamp(TimeUnit::Millisecond, _) => at!(TimestampMillisecondType),
        DataType::Timestamp(TimeUnit::Microsecond, _) => at!(TimestampMicrosecondType),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => at!(TimestampNanosecondType),
        DataType::Duration(TimeUnit::Second) => at!(DurationSecondType),
        DataType::Duration(TimeUnit::Millisecond) => at!(DurationMillisecondType),
        DataType::Duration(TimeUnit::Microsecond) => at!(DurationMicrosecondType),
        DataType::Duration(TimeUnit::Nanosecond) => at!(DurationNanosecondType),
        DataType::Float64 => plain(column.as_primitive::<Float64Type>().value(row)).to_bits(),
        DataType::Float32 => plain(f64::from(column.as_primitive::<Float32Type>().value(row))).to_bits(),
        other => return Err(key_type_error(other)),
    })
}

fn key_type_error(data_type: &DataType) -> Error {
    Error::job(format!("a column of type {data_type} cannot be a key"))
        .help("use an integer, a string, a boolean, a float, a timestamp or a length of time")
}

/// Checks that a column of this type can be part of a key.
///
/// # Errors
/// It cannot; the message says which types can.
pub fn check_key_type(data_type: &DataType) -> Result<()> {
    match data_type {
        t if t.is_integer() => Ok(()),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Binary | DataType::Boolean => Ok(()),
        DataType::Date32 | DataType::Date64 | DataType::Timestamp(..) | DataType::Duration(_) => Ok(()),
        DataType::Float32 | DataType::Float64 => Ok(()),
        other => Err(key_type_error(other)),
    }
}

/// The canonical encoding of the key of row `row`, appended to `out`.
///
/// # Errors
/// A column's type cannot be a key.
#[inline]
pub fn encode_key(columns: &[ArrayRef], row: usize, out: &mut Vec<u8>) -> Result<()> {
    columns.iter().try_for_each(|column| encode_value(column, row, out))
}

/// Decodes an encoded key into columns of one row; `types` are those of the key's columns.
///
/// # Errors
/// The bytes do not encode such columns.
pub fn decode_key(encoded: &[u8], types: &[DataType]) -> Result<Vec<ArrayRef>> {
    let mut rest = encoded;
    let columns = types.iter().map(|data_type| decode_value(data_type, &mut rest)).collect::<Option<Vec<_>>>();
    columns
        .filter(|_| rest.is_empty())
        .ok_or_else(|| Error::state("a key cannot be read: it is not of the columns it should be of"))
}

/// Decodes the first value of an encoding; `None` if it is not of this type.
fn decode_value(data_type: &DataType, rest: &mut &[u8]) -> Option<ArrayRef> {
    let is_there = take(rest, 1)?[0];
    if is_there == 0 {
        return Some(new_null_array(data_type, 1));
    }
    Some(match data_type {
        DataType::Utf8 => Arc::new(StringArray::from(vec![decode_text(rest)?])),
        DataType::LargeUtf8 => Arc::new(LargeStringArray::from(vec![decode_text(rest)?])),
        DataType::Utf8View => Arc::new(StringViewArray::from(vec![decode_text(rest)?])),
        DataType::Binary => Arc::new(BinaryArray::from_vec(vec![decode_bytes(rest)?])),
        DataType::Boolean => Arc::new(BooleanArray::from(vec![take(rest, 1)?[0] != 0])),
        DataType::Float64 => Arc::new(Float64Array::from(vec![f64::from_bits(decode_fixed(rest)?)])),
        DataType::Float32 => Arc::new(Float32Array::from(vec![f64::from_bits(decode_fixed(rest)?) as f32])),
        DataType::UInt64 => Arc::new(UInt64Array::from(vec![decode_fixed(rest)?])),
        DataType::Date32 => Arc::new(Date32Array::from(vec![decode_fixed(rest)? as i64 as i32])),
        other => cast(&Int64Array::from(vec![decode_fixed(rest)? as i64]), other).ok()?,
    })
}

fn decode_fixed(rest: &mut &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(take(rest, 8)?.try_into().ok()?))
}

fn decode_bytes<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(decode_fixed(rest)?).ok()?;
    take(rest, length)
}

fn decode_text<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    std::str::from_utf8(decode_bytes(rest)?).ok()
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(count)?;
    *rest = left;
    Some(taken)
}

/// The hash of one encoded key.
#[inline]
pub fn hash_key(encoded: &[u8]) -> u64 {
    xxh3_64(encoded)
}

/// The hash of a key of a single, non-null integer.
#[inline]
pub fn hash_i64(value: i64) -> u64 {
    hash_fixed(value as u64)
}

/// xxh3 of a byte `1` and eight more, little endian: its algorithm for 9 to 16 bytes, written out so that it is inlined in loops.
#[inline]
fn hash_fixed(bits: u64) -> u64 {
    // Words of xxh3's secret, combined with xor in pairs.
    const FLIP_LOW: u64 = 0x1f67_b3b7_a4a4_4072 ^ 0x78e5_c0cc_4ee6_79cb;
    const FLIP_HIGH: u64 = 0x2172_ffcc_7dd0_5a82 ^ 0x8e24_43f7_7446_08b8;
    const LENGTH: u64 = 9;
    let low = ((bits << 8) | 1) ^ FLIP_LOW;
    let high = bits ^ FLIP_HIGH;
    let product = u128::from(low) * u128::from(high);
    let folded = product as u64 ^ (product >> 64) as u64;
    let mixed = LENGTH.wrapping_add(low.swap_bytes()).wrapping_add(high).wrapping_add(folded);
    let mixed = (mixed ^ (mixed >> 37)).wrapping_mul(0x1656_6791_9E37_79F9);
    mixed ^ (mixed >> 32)
}

/// The hash of every row's key.
///
/// # Errors
/// A column's type cannot be a key.
pub fn hash_keys(columns: &[ArrayRef], rows: usize, hashes: &mut Vec<u64>) -> Result<()> {
    hashes.clear();
    hashes.reserve(rows);
    if let [column] = columns
        && column.null_count() == 0
        && hash_integers(column, hashes)
    {
        return Ok(());
    }
    let mut encoded = Vec::new();
    for row in 0..rows {
        encoded.clear();
        encode_key(columns, row, &mut encoded)?;
        hashes.push(hash_key(&encoded));
    }
    Ok(())
}

/// Hashes a column of signed integers without nulls; returns false for any other column.
fn hash_integers(column: &ArrayRef, hashes: &mut Vec<u64>) -> bool {
    macro_rules! hash {
        ($type:ty) => {
            hashes.extend(column.as_primitive::<$type>().values().iter().map(|&value| hash_i64(i64::from(value))))
        };
    }
    match column.data_type() {
        DataType::Int64 => hash!(Int64Type),
        DataType::Int32 => hash!(Int32Type),
        DataType::Int16 => hash!(Int16Type),
        DataType::Int8 => hash!(Int8Type),
        _ => return false,
    }
    true
}

/// Which columns are a stream's key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeyColumns(Vec<usize>);

impl KeyColumns {
    /// The columns with these indexes.
    pub fn new(columns: Vec<usize>) -> Self {
        Self(columns)
    }

    /// The indexes.
    pub fn indexes(&self) -> &[usize] {
        &self.0
    }

    /// The key's columns of these rows.
    pub fn of(&self, rows: &RecordBatch) -> Vec<ArrayRef> {
        self.0.iter().map(|&column| rows.column(column).clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Int32Array, TimestampMillisecondArray, UInt8Array};

    #[test]
    fn the_hash_is_a_format() {
        assert_eq!(
            hash_i64(42),
            0x3D8E_917A_3BB2_A06C,
            "the hash of 42 changed to {:#x}: old state would not be found",
            hash_i64(42)
        );
    }

    #[test]
    fn the_inlined_hash_is_xxh3() {
        for value in (0..1_000).map(|n: i64| n.wrapping_mul(0x9E37_79B9_7F4A_7C15_u64 as i64)) {
            let mut encoded = vec![1];
            encoded.extend_from_slice(&value.to_le_bytes());
            assert_eq!(hash_i64(value), hash_key(&encoded), "{value}");
        }
    }

    #[test]
    fn widths_of_integers_meet_and_nulls_have_a_hash() {
        let wide: ArrayRef = Arc::new(Int64Array::from(vec![7, -1]));
        let narrow: ArrayRef = Arc::new(Int32Array::from(vec![Some(7), Some(-1), None]));
        let (mut a, mut b) = (Vec::new(), Vec::new());
        hash_keys(&[wide], 2, &mut a).expect("hashes");
        hash_keys(&[narrow], 3, &mut b).expect("hashes");
        assert_eq!(a[..], b[..2]);
        let text: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None]));
        hash_keys(&[text.clone(), text], 2, &mut a).expect("hashes");
        assert_ne!(a[0], a[1]);
    }

    #[test]
    fn a_key_is_read_back() {
        let times = TimestampMillisecondArray::from(vec![Some(86_400_001), None]).with_timezone("UTC");
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from(vec![Some("a b"), None])),
            Arc::new(Int32Array::from(vec![-7, i32::MIN])),
            Arc::new(UInt64Array::from(vec![u64::MAX, 0])),
            Arc::new(UInt8Array::from(vec![255, 0])),
            Arc::new(Float32Array::from(vec![1.5, f32::MAX])),
            Arc::new(Float64Array::from(vec![f64::MIN, 0.1])),
            Arc::new(BooleanArray::from(vec![true, false])),
            Arc::new(Date32Array::from(vec![-1, 20_000])),
            Arc::new(BinaryArray::from_vec(vec![b"", b"xy"])),
            Arc::new(times),
        ];
        let types: Vec<DataType> = columns.iter().map(|column| column.data_type().clone()).collect();
        for row in 0..2 {
            let mut encoded = Vec::new();
            encode_key(&columns, row, &mut encoded).expect("encodes");
            let slices: Vec<ArrayRef> = columns.iter().map(|column| column.slice(row, 1)).collect();
            assert_eq!(decode_key(&encoded, &types).expect("decodes"), slices);
            assert!(decode_key(&encoded[1..], &types).is_err() && decode_key(&encoded, &types[1..]).is_err());
        }
    }

    #[test]
    fn every_worker_owns_a_range_of_key_groups() {
        for workers in 1..=128 {
            let owners: Vec<usize> = (0..128).map(|group| KeyGroup(group).worker(workers, 128)).collect();
            assert!(owners.is_sorted());
            assert_eq!(owners.last(), Some(&(workers - 1)));
        }
    }
}
