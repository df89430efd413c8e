//! Keys to dense numbers.

use crate::key::encode_key;
use crate::{Error, Result};
use arrow::array::{Array, ArrayRef, AsArray, Float32Array, Float64Array, Int64Array, UInt32Array};
use arrow::buffer::NullBuffer;
use arrow::compute::{cast, concat, interleave, take_arrays};
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int64Type};
use hashbrown::HashTable;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64;

/// Gives each key it sees the next number: 0, 1, 2, ...
///
/// A single integer column has a table of its own; other keys are compared by their canonical encoding.
#[derive(Debug)]
pub(super) struct Interner {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// No key: all rows are one group.
    Whole {
        seen: bool,
    },
    Integer(Integers),
    Encoded(Encoded),
}

impl Interner {
    /// For keys of these types; `capacity` keys are expected.
    pub(super) fn new(types: &[DataType], capacity: usize) -> Self {
        let kind = match types {
            [] => Kind::Whole { seen: false },
            [one] if fits_i64(one) => Kind::Integer(Integers::new(one.clone(), capacity)),
            _ => Kind::Encoded(Encoded { types: types.to_vec(), ..Encoded::default() }),
        };
        Self { kind }
    }

    pub(super) fn len(&self) -> usize {
        match &self.kind {
            Kind::Whole { seen } => usize::from(*seen),
            Kind::Integer(integers) => integers.values.len(),
            Kind::Encoded(encoded) => encoded.ends.len(),
        }
    }

    /// The numbers of the keys of `rows` rows, put into `numbers`.
    ///
    /// # Errors
    /// A column's type cannot be a key.
    pub(super) fn intern(&mut self, keys: &[ArrayRef], rows: usize, numbers: &mut Vec<usize>) -> Result<()> {
        numbers.clear();
        numbers.reserve(rows);
        match &mut self.kind {
            Kind::Whole { seen } => {
                *seen |= rows > 0;
                numbers.resize(rows, 0);
                Ok(())
            }
            Kind::Integer(integers) => integers.intern(&keys[0], numbers),
            Kind::Encoded(encoded) => encoded.intern(keys, rows, numbers),
        }
    }

    /// The numbers of keys that were seen.
    ///
    /// # Errors
    /// A column's type cannot be a key.
    pub(super) fn find(&self, keys: &[ArrayRef], rows: usize) -> Result<Vec<Option<u32>>> {
        match &self.kind {
            Kind::Whole { seen } => Ok(vec![seen.then_some(0); rows]),
            Kind::Integer(integers) => integers.find(&keys[0]),
            Kind::Encoded(encoded) => encoded.find(keys, rows),
        }
    }

    /// The columns of all keys, in order of their numbers.
    ///
    /// # Errors
    /// Arrow cannot put them together.
    pub(super) fn columns(&self) -> Result<Vec<ArrayRef>> {
        match &self.kind {
            Kind::Whole { .. } => Ok(Vec::new()),
            Kind::Integer(integers) => {
                Ok(vec![integers.column(integers.values.clone(), |row| Some(row as u32) == integers.null)?])
            }
            Kind::Encoded(encoded) => encoded.columns(),
        }
    }

    /// The columns of the keys with these numbers.
    ///
    /// # Errors
    /// Arrow cannot put them together.
    pub(super) fn columns_of(&self, numbers: &[u32]) -> Result<Vec<ArrayRef>> {
        match &self.kind {
            Kind::Whole { .. } => Ok(Vec::new()),
            Kind::Integer(integers) => {
                let values = numbers.iter().map(|&number| integers.values[number as usize]).collect();
                Ok(vec![integers.column(values, |row| Some(numbers[row]) == integers.null)?])
            }
            Kind::Encoded(encoded) => encoded.columns_of(numbers),
        }
    }

    /// Bytes of memory, estimated.
    pub(super) fn size(&self) -> usize {
        match &self.kind {
            Kind::Whole { .. } => 0,
            Kind::Integer(integers) => integers.values.capacity() * 8 + integers.table.capacity() * 17,
            Kind::Encoded(encoded) => encoded.bytes.capacity() * 2 + encoded.ends.capacity() * 16 + encoded.table.capacity() * 17,
        }
    }
}

/// The key columns with one form for equal floats: what is shown must not depend on which came first.
pub(super) fn canonical(columns: Vec<ArrayRef>) -> Vec<ArrayRef> {
    let plain =
        |column: ArrayRef| -> ArrayRef {
            match column.data_type() {
                DataType::Float64 => Arc::new(column.as_primitive::<Float64Type>().unary::<_, Float64Type>(|value| value + 0.0))
                    as Arc<Float64Array>,
                DataType::Float32 => Arc::new(column.as_primitive::<Float32Type>().unary::<_, Float32Type>(|value| value + 0.0))
                    as Arc<Float32Array>,
                _ => column,
            }
        };
    columns.into_iter().map(plain).collect()
}

fn fits_i64(data_type: &DataType) -> bool {
    use DataType::*;
    matches!(data_type, Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32)
}

/// Keys of one integer column.
#[derive(Debug)]
struct Integers {
    data_type: DataType,
    table: HashTable<(i64, u32)>,
    values: Vec<i64>,
    null: Option<u32>,
}

/// A hash for tables in memory only: a folded multiplication.
#[inline]
fn fold(value: i64) -> u64 {
    let wide = u128::from(value as u64 ^ 0x9E37_79B9_7F4A_7C15) * 0xD6E8_FEB8_6659_FD93;
    (wide as u64) ^ ((wide >> 64) as u64)
}

impl Integers {
    fn new(data_type: DataType, capacity: usize) -> Self {
        Self { data_type, table: HashTable::with_capacity(capacity), values: Vec::with_capacity(capacity), null: None }
    }

    fn intern(&mut self, column: &ArrayRef, numbers: &mut Vec<usize>) -> Result<()> {
        let column = wide(column)?;
        if column.null_count() == 0 {
            numbers.extend(column.values().iter().map(|&value| self.number(value) as usize));
            return Ok(());
        }
        for (row, &value) in column.values().iter().enumerate() {
            let number = if column.is_null(row) { self.null_number() } else { self.number(value) };
            numbers.push(number as usize);
        }
        Ok(())
    }

    #[inline]
    fn number(&mut self, value: i64) -> u32 {
        let Self { table, values, .. } = self;
        let entry = table.entry(fold(value), |(key, _)| *key == value, |(key, _)| fold(*key));
        entry
            .or_insert_with(|| {
                values.push(value);
                (value, (values.len() - 1) as u32)
            })
            .get()
            .1
    }

    fn null_number(&mut self) -> u32 {
        *self.null.get_or_insert_with(|| {
            self.values.push(0);
            (self.values.len() - 1) as u32
        })
    }

    fn find(&self, column: &ArrayRef) -> Result<Vec<Option<u32>>> {
        let column = wide(column)?;
        let one = |value: Option<i64>| match value {
            None => self.null,
            Some(value) => self.table.find(fold(value), |(key, _)| *key == value).map(|(_, number)| *number),
        };
        Ok(column.iter().map(one).collect())
    }

    fn column(&self, values: Vec<i64>, is_null: impl Fn(usize) -> bool) -> Result<ArrayRef> {
        let nulls = self.null.map(|_| NullBuffer::from_iter((0..values.len()).map(|row| !is_null(row))));
        let column: ArrayRef = Arc::new(Int64Array::new(values.into(), nulls));
        Ok(if self.data_type == DataType::Int64 { column } else { cast(&column, &self.data_type)? })
    }
}

fn wide(column: &ArrayRef) -> Result<Int64Array> {
    if let Some(column) = column.as_primitive_opt::<Int64Type>() {
        return Ok(column.clone());
    }
    Ok(cast(column, &DataType::Int64)?.as_primitive::<Int64Type>().clone())
}

/// Keys of any columns, by their encoding.
#[derive(Debug, Default)]
struct Encoded {
    types: Vec<DataType>,
    table: HashTable<(u64, u32)>,
    ends: Vec<usize>,
    bytes: Vec<u8>,
    /// The keys' columns, in parts: each holds the keys that were new in one batch.
    parts: Vec<Vec<ArrayRef>>,
    places: Vec<(u32, u32)>,
    scratch: Vec<u8>,
}

/// Parts are put together when there are this many.
const PARTS_MAX: usize = 64;

impl Encoded {
    fn intern(&mut self, keys: &[ArrayRef], rows: usize, numbers: &mut Vec<usize>) -> Result<()> {
        let mut new_rows: Vec<u32> = Vec::new();
        for row in 0..rows {
            self.scratch.clear();
            encode_key(keys, row, &mut self.scratch)?;
            let before = self.ends.len();
            numbers.push(self.number());
            if self.ends.len() > before {
                new_rows.push(row as u32);
            }
        }
        if new_rows.is_empty() {
            return Ok(());
        }
        let part = self.parts.len() as u32;
        self.places.extend((0..new_rows.len() as u32).map(|row| (part, row)));
        self.parts.push(take_arrays(keys, &UInt32Array::from(new_rows), None)?);
        if self.parts.len() >= PARTS_MAX {
            self.parts = vec![self.columns()?];
            self.places = (0..self.ends.len() as u32).map(|row| (0, row)).collect();
        }
        Ok(())
    }

    /// The number of the key in `scratch`.
    fn number(&mut self) -> usize {
        let Self { table, ends, bytes, scratch, .. } = self;
        let hash = xxh3_64(scratch);
        let is = |&(other, number): &(u64, u32)| other == hash && encoding(bytes, ends, number) == scratch.as_slice();
        if let Some(&(_, number)) = table.find(hash, is) {
            return number as usize;
        }
        let number = ends.len();
        bytes.extend_from_slice(scratch);
        ends.push(bytes.len());
        table.insert_unique(hash, (hash, number as u32), |&(hash, _)| hash);
        number
    }

    fn find(&self, keys: &[ArrayRef], rows: usize) -> Result<Vec<Option<u32>>> {
        let mut scratch = Vec::new();
        let one = |row: usize| {
            scratch.clear();
            encode_key(keys, row, &mut scratch)?;
            let hash = xxh3_64(&scratch);
            let is =
                |&(other, number): &(u64, u32)| other == hash && encoding(&self.bytes, &self.ends, number) == scratch.as_slice();
            Ok(self.table.find(hash, is).map(|(_, number)| *number))
        };
        (0..rows).map(one).collect()
    }

    fn columns(&self) -> Result<Vec<ArrayRef>> {
        if let [part] = self.parts.as_slice() {
            return Ok(part.clone());
        }
        let column = |(index, data_type): (usize, &DataType)| {
            let parts: Vec<&dyn Array> = self.parts.iter().map(|part| part[index].as_ref()).collect();
            if parts.is_empty() { Ok(arrow::array::new_empty_array(data_type)) } else { concat(&parts).map_err(Error::from) }
        };
        self.types.iter().enumerate().map(column).collect()
    }

    fn columns_of(&self, numbers: &[u32]) -> Result<Vec<ArrayRef>> {
        let places: Vec<(usize, usize)> =
            numbers.iter().map(|&number| self.places[number as usize]).map(|(p, r)| (p as usize, r as usize)).collect();
        let column = |(index, data_type): (usize, &DataType)| {
            let parts: Vec<&dyn Array> = self.parts.iter().map(|part| part[index].as_ref()).collect();
            if parts.is_empty() {
                Ok(arrow::array::new_empty_array(data_type))
            } else {
                interleave(&parts, &places).map_err(Error::from)
            }
        };
        self.types.iter().enumerate().map(column).collect()
    }
}

fn encoding<'a>(bytes: &'a [u8], ends: &[usize], number: u32) -> &'a [u8] {
    let from = if number == 0 { 0 } else { ends[number as usize - 1] };
    &bytes[from..ends[number as usize]]
}
