//! Numbers the keys of one integer column densely.
//!
//! Ids are often consecutive: 100,000 cards lie in a range of 100,000. Then an array with a slot for every integer of the range
//! is far smaller than a hash table, so it stays in the cache, and a look-up compares nothing. Keys start in a hash table, and
//! move to an array once there are enough of them and they lie close enough together.

use arrow::array::{Array, ArrayRef, AsArray, Int64Array};
use arrow::buffer::NullBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use egret_core::Result;
use hashbrown::HashTable;

/// The number of keys from which they can move to an array.
const KEYS_TO_MOVE: usize = 512;
/// The greatest number of slots for each key: 4 bytes each, while a hash table takes 17 to 34 bytes a key.
const PLACES_PER_KEY: usize = 6;
/// Marks a slot without a key.
const NONE: u32 = u32::MAX;

pub(super) fn fits_i64(data_type: &DataType) -> bool {
    use DataType::*;
    matches!(data_type, Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32)
}

/// The number of keys to expect, and the range of an array for them, if they lie close together.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Expected {
    pub(super) keys: usize,
    pub(super) range: Option<(i64, usize)>,
}

/// Keys of one integer column.
#[derive(Debug)]
pub(super) struct Integers {
    data_type: DataType,
    index: Index,
    values: Vec<i64>,
    null: Option<u32>,
    least: i64,
    greatest: i64,
}

#[derive(Debug)]
enum Index {
    Hashed(HashTable<(i64, u32)>),
    /// `numbers[value - base]`.
    Placed {
        base: i64,
        numbers: Vec<u32>,
    },
}

/// A hash for tables in memory only: a folded multiplication.
#[inline]
fn fold(value: i64) -> u64 {
    let wide = u128::from(value as u64 ^ 0x9E37_79B9_7F4A_7C15) * 0xD6E8_FEB8_6659_FD93;
    (wide as u64) ^ ((wide >> 64) as u64)
}

impl Integers {
    pub(super) fn new(data_type: DataType, expected: Expected) -> Self {
        let index = match expected.range {
            Some((base, places)) => Index::Placed { base, numbers: vec![NONE; places] },
            None => Index::Hashed(HashTable::with_capacity(expected.keys)),
        };
        let values = Vec::with_capacity(expected.keys);
        Self { data_type, index, values, null: None, least: i64::MAX, greatest: i64::MIN }
    }

    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    pub(super) fn expected(&self) -> Expected {
        let range = match &self.index {
            Index::Placed { base, numbers } => Some((*base, numbers.len())),
            Index::Hashed(_) => None,
        };
        Expected { keys: self.values.len(), range }
    }

    /// The memory used, in bytes, estimated.
    pub(super) fn size(&self) -> usize {
        let index = match &self.index {
            Index::Hashed(table) => table.capacity() * 17,
            Index::Placed { numbers, .. } => numbers.capacity() * 4,
        };
        self.values.capacity() * 8 + index
    }

    pub(super) fn intern(&mut self, column: &ArrayRef, numbers: &mut Vec<usize>) -> Result<()> {
        let column = wide(column)?;
        if column.null_count() == 0 {
            numbers.extend(column.values().iter().map(|&value| self.number(value) as usize));
        } else {
            for (row, &value) in column.values().iter().enumerate() {
                let number = if column.is_null(row) { self.null_number() } else { self.number(value) };
                numbers.push(number as usize);
            }
        }
        self.move_if_close();
        Ok(())
    }

    #[inline]
    fn number(&mut self, value: i64) -> u32 {
        if let Index::Placed { base, numbers } = &mut self.index
            && let Some(&number) = numbers.get(value.wrapping_sub(*base) as u64 as usize)
            && number != NONE
        {
            return number;
        }
        self.search(value)
    }

    /// The number of a key that is new, or that is in the hash table.
    fn search(&mut self, value: i64) -> u32 {
        let new = self.values.len() as u32;
        let number = match &mut self.index {
            Index::Hashed(table) => {
                table.entry(fold(value), |(key, _)| *key == value, |(key, _)| fold(*key)).or_insert((value, new)).get().1
            }
            Index::Placed { base, numbers } => match numbers.get_mut(value.wrapping_sub(*base) as u64 as usize) {
                Some(place) => {
                    *place = new;
                    new
                }
                None => return self.add_outside(value),
            },
        };
        if number == new {
            self.push(value);
        }
        number
    }

    fn push(&mut self, value: i64) {
        self.values.push(value);
        (self.least, self.greatest) = (self.least.min(value), self.greatest.max(value));
    }

    /// Adds a key outside the array: the array grows, or all keys go back to a hash table.
    fn add_outside(&mut self, value: i64) -> u32 {
        let number = self.values.len() as u32;
        self.push(value);
        let reserve = self.values.len() / 2;
        self.index = self.placed(reserve).unwrap_or_else(|| {
            let mut table = HashTable::with_capacity(self.values.len() * 2);
            for (number, value) in self.keys() {
                table.insert_unique(fold(value), (value, number), |(key, _)| fold(*key));
            }
            Index::Hashed(table)
        });
        number
    }

    fn move_if_close(&mut self) {
        if let Index::Hashed(_) = &self.index
            && self.values.len() >= KEYS_TO_MOVE
            && let Some(placed) = self.placed(self.values.len() / 2)
        {
            self.index = placed;
        }
    }

    /// An array for all keys with `reserve` spare slots on either side, if they lie close together.
    fn placed(&self, reserve: usize) -> Option<Index> {
        let most = (self.values.len() as u64).saturating_mul(PLACES_PER_KEY as u64);
        let range = self.greatest.wrapping_sub(self.least) as u64;
        if self.greatest < self.least || range >= most {
            return None;
        }
        let base = self.least.saturating_sub(reserve as i64);
        let end = self.greatest.saturating_add(reserve as i64);
        let mut numbers = vec![NONE; end.wrapping_sub(base) as usize + 1];
        for (number, value) in self.keys() {
            numbers[value.wrapping_sub(base) as usize] = number;
        }
        Some(Index::Placed { base, numbers })
    }

    /// The keys except null, with their numbers.
    fn keys(&self) -> impl Iterator<Item = (u32, i64)> {
        let null = self.null;
        self.values
            .iter()
            .enumerate()
            .map(|(number, &value)| (number as u32, value))
            .filter(move |(number, _)| Some(*number) != null)
    }

    fn null_number(&mut self) -> u32 {
        *self.null.get_or_insert_with(|| {
            self.values.push(0);
            (self.values.len() - 1) as u32
        })
    }

    /// The numbers of known keys.
    pub(super) fn find(&self, column: &ArrayRef) -> Result<Vec<Option<u32>>> {
        let column = wide(column)?;
        let one = |value: Option<i64>| match (value, &self.index) {
            (None, _) => self.null,
            (Some(value), Index::Hashed(table)) => table.find(fold(value), |(key, _)| *key == value).map(|(_, number)| *number),
            (Some(value), Index::Placed { base, numbers }) => {
                numbers.get(value.wrapping_sub(*base) as u64 as usize).copied().filter(|&number| number != NONE)
            }
        };
        Ok(column.iter().map(one).collect())
    }

    /// All keys, in order of their numbers.
    pub(super) fn column(&self) -> Result<ArrayRef> {
        self.column_from(self.values.clone(), |row| Some(row as u32) == self.null)
    }

    /// The keys with these numbers.
    pub(super) fn column_of(&self, numbers: &[u32]) -> Result<ArrayRef> {
        let values = numbers.iter().map(|&number| self.values[number as usize]).collect();
        self.column_from(values, |row| Some(numbers[row]) == self.null)
    }

    fn column_from(&self, values: Vec<i64>, is_null: impl Fn(usize) -> bool) -> Result<ArrayRef> {
        let nulls = self.null.map(|_| NullBuffer::from_iter((0..values.len()).map(|row| !is_null(row))));
        let column: ArrayRef = std::sync::Arc::new(Int64Array::new(values.into(), nulls));
        Ok(if self.data_type == DataType::Int64 { column } else { cast(&column, &self.data_type)? })
    }
}

fn wide(column: &ArrayRef) -> Result<Int64Array> {
    if let Some(column) = column.as_primitive_opt::<Int64Type>() {
        return Ok(column.clone());
    }
    Ok(cast(column, &DataType::Int64)?.as_primitive::<Int64Type>().clone())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::collections::HashMap;
    use std::sync::Arc;

    /// Keys are numbered in order of first occurrence, whatever the index is and however it changes.
    fn check(batches: &[Vec<Option<i64>>], expected: Expected) -> Integers {
        let mut integers = Integers::new(DataType::Int64, expected);
        let mut known: HashMap<Option<i64>, usize> = HashMap::new();
        for batch in batches {
            let column: ArrayRef = Arc::new(Int64Array::from(batch.clone()));
            let mut numbers = Vec::new();
            integers.intern(&column, &mut numbers).unwrap();
            for (key, number) in batch.iter().zip(&numbers) {
                let next = known.len();
                assert_eq!(*known.entry(*key).or_insert(next), *number, "{key:?}");
            }
            let found = integers.find(&column).unwrap();
            assert_eq!(found, numbers.iter().map(|&number| Some(number as u32)).collect::<Vec<_>>());
        }
        assert_eq!(integers.len(), known.len());
        let all = integers.column().unwrap();
        let all = all.as_primitive::<Int64Type>();
        known.iter().for_each(|(key, &number)| assert_eq!(*key, all.is_valid(number).then(|| all.value(number))));
        let absent: ArrayRef = Arc::new(Int64Array::from(vec![i64::MIN, i64::MAX, -77]));
        assert_eq!(integers.find(&absent).unwrap(), [None; 3]);
        integers
    }

    fn is_placed(integers: &Integers) -> bool {
        matches!(integers.index, Index::Placed { .. })
    }

    #[test]
    fn close_keys_get_places_and_far_ones_a_hash_table() {
        let shuffled =
            |count: i64, times: i64| -> Vec<Option<i64>> { (0..count).map(|n| Some(n * 7_919 % count * times)).collect() };
        assert!(is_placed(&check(
            &[shuffled(1_000, 1), shuffled(5_000, 1), vec![None, Some(-5), Some(9_000)]],
            Expected::default()
        )));
        assert!(!is_placed(&check(&[shuffled(1_000, 1), vec![Some(i64::MAX - 1)], shuffled(2_000, 1)], Expected::default())));
        assert!(!is_placed(&check(&[vec![None], shuffled(3_000, 100), vec![Some(i64::MIN + 1)]], Expected::default())));
        let again = Expected { keys: 10, range: Some((100, 50)) };
        assert!(is_placed(&check(&[vec![Some(149), Some(100), None], vec![Some(120)]], again)));
        assert!(!is_placed(&check(&[vec![Some(150), Some(99), None], vec![Some(120), Some(1 << 40)]], again)));
    }
}
