//! Numbers keys densely.

pub(super) use super::integers::Expected;
use super::integers::{Integers, fits_i64};
use arrow::array::{Array, ArrayRef, UInt32Array};
use arrow::compute::{concat, interleave, take_arrays};
use arrow::datatypes::DataType;
use egret_core::floats::plain_column;
use egret_core::key::encode_key;
use egret_core::{Error, Result};
use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64;

/// Gives each new key the next number: 0, 1, 2, ...
///
/// A single integer column has a table of its own (see `integers`); other keys are compared by their canonical encoding.
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
    /// For keys of these types; `expected` sizes the tables.
    pub(super) fn new(types: &[DataType], expected: Expected) -> Self {
        let kind = match types {
            [] => Kind::Whole { seen: false },
            [one] if fits_i64(one) => Kind::Integer(Integers::new(one.clone(), expected)),
            _ => Kind::Encoded(Encoded { types: types.to_vec(), ..Encoded::default() }),
        };
        Self { kind }
    }

    pub(super) fn len(&self) -> usize {
        match &self.kind {
            Kind::Whole { seen } => usize::from(*seen),
            Kind::Integer(integers) => integers.len(),
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

    /// The expected number and range of keys for a similar part of the stream.
    pub(super) fn expected(&self) -> Expected {
        match &self.kind {
            Kind::Integer(integers) => integers.expected(),
            Kind::Whole { .. } | Kind::Encoded(_) => Expected { keys: self.len(), range: None },
        }
    }

    /// The numbers of known keys.
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
    /// Arrow cannot concatenate them.
    pub(super) fn columns(&self) -> Result<Vec<ArrayRef>> {
        match &self.kind {
            Kind::Whole { .. } => Ok(Vec::new()),
            Kind::Integer(integers) => Ok(vec![integers.column()?]),
            Kind::Encoded(encoded) => encoded.columns(),
        }
    }

    /// The columns of the keys with these numbers.
    ///
    /// # Errors
    /// Arrow cannot interleave them.
    pub(super) fn columns_of(&self, numbers: &[u32]) -> Result<Vec<ArrayRef>> {
        match &self.kind {
            Kind::Whole { .. } => Ok(Vec::new()),
            Kind::Integer(integers) => Ok(vec![integers.column_of(numbers)?]),
            Kind::Encoded(encoded) => encoded.columns_of(numbers),
        }
    }

    /// The memory used, in bytes, estimated.
    pub(super) fn size(&self) -> usize {
        match &self.kind {
            Kind::Whole { .. } => 0,
            Kind::Integer(integers) => integers.size(),
            Kind::Encoded(encoded) => encoded.bytes.capacity() * 2 + encoded.ends.capacity() * 16 + encoded.table.capacity() * 17,
        }
    }
}

/// The key columns with floats in canonical form: the key that is shown must not depend on which of several equal floats came
/// first.
pub(super) fn canonical(columns: Vec<ArrayRef>) -> Vec<ArrayRef> {
    columns.iter().map(plain_column).collect()
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

/// The number of parts at which they are concatenated.
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
