//! Accumulators of many keys, and their states as columns.

use super::aggregate::{Aggregate, Arguments};
use super::keys::{Expected, Interner};
use arrow::array::{Array, ArrayRef, UInt32Array};
use arrow::compute::take_arrays;
use arrow::datatypes::DataType;
use datafusion_expr::{EmitTo, GroupsAccumulator};
use egret_core::Result;

/// The columns that the aggregates read from some rows: the key columns and, for each aggregate, its arguments.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) keys: Vec<ArrayRef>,
    pub(super) arguments: Vec<Arguments>,
    pub(super) rows: usize,
}

impl Prepared {
    pub(super) fn take(&self, rows: &UInt32Array) -> Result<Self> {
        let arguments = self.arguments.iter().map(|arguments| arguments.take(rows)).collect::<Result<_>>()?;
        Ok(Self { keys: take_arrays(&self.keys, rows, None)?, arguments, rows: rows.len() })
    }
}

/// The accumulators of one window or pane: one accumulator for each aggregate, each over the same groups.
///
/// # Contract
/// DataFusion's accumulators treat a group without rows as one that has seen a value. So each group below `total` must have had a
/// row (which a filter may hide) in this call or an earlier one.
pub(super) struct Accumulators {
    each: Vec<Box<dyn GroupsAccumulator>>,
}

impl Accumulators {
    pub(super) fn new(aggregates: &[Aggregate]) -> Result<Self> {
        Ok(Self { each: aggregates.iter().map(Aggregate::accumulator).collect::<Result<_>>()? })
    }

    pub(super) fn update(&mut self, arguments: &[Arguments], groups: &[usize], total: usize) -> Result<()> {
        for (accumulator, arguments) in self.each.iter_mut().zip(arguments) {
            accumulator.update_batch(&arguments.values, groups, arguments.filter.as_ref(), total)?;
        }
        Ok(())
    }

    pub(super) fn merge(&mut self, states: &[Vec<ArrayRef>], groups: &[usize], total: usize) -> Result<()> {
        for (accumulator, states) in self.each.iter_mut().zip(states) {
            accumulator.merge_batch(states, groups, total)?;
        }
        Ok(())
    }

    pub(super) fn evaluate(&mut self) -> Result<Vec<ArrayRef>> {
        self.each.iter_mut().map(|accumulator| Ok(accumulator.evaluate(EmitTo::All)?)).collect()
    }

    pub(super) fn states(&mut self) -> Result<Vec<Vec<ArrayRef>>> {
        self.each.iter_mut().map(|accumulator| Ok(accumulator.state(EmitTo::All)?)).collect()
    }

    pub(super) fn size(&self) -> usize {
        self.each.iter().map(|accumulator| accumulator.size()).sum()
    }
}

/// Accumulators by key.
pub(super) struct Groups {
    pub(super) keys: Interner,
    accumulators: Accumulators,
}

impl Groups {
    pub(super) fn new(key_types: &[DataType], aggregates: &[Aggregate], expected: Expected) -> Result<Self> {
        Ok(Self { keys: Interner::new(key_types, expected), accumulators: Accumulators::new(aggregates)? })
    }

    pub(super) fn update(&mut self, rows: &Prepared, scratch: &mut Vec<usize>) -> Result<()> {
        self.keys.intern(&rows.keys, rows.rows, scratch)?;
        self.accumulators.update(&rows.arguments, scratch, self.keys.len())
    }

    /// Adds all states of a chunk.
    pub(super) fn merge(&mut self, chunk: &Chunk, scratch: &mut Vec<usize>) -> Result<()> {
        self.merge_rows(&chunk.keys, &chunk.states, chunk.len, scratch)
    }

    /// Adds states of some keys.
    pub(super) fn merge_rows(
        &mut self,
        keys: &[ArrayRef],
        states: &[Vec<ArrayRef>],
        rows: usize,
        scratch: &mut Vec<usize>,
    ) -> Result<()> {
        self.keys.intern(keys, rows, scratch)?;
        self.accumulators.merge(states, scratch, self.keys.len())
    }

    /// Adds the states that some chunks have of some keys; within a chunk, each key occurs once.
    pub(super) fn merge_keys<'a>(
        &mut self,
        keys: &[ArrayRef],
        rows: usize,
        chunks: impl Iterator<Item = &'a Chunk>,
    ) -> Result<()> {
        for chunk in chunks {
            let (known, rows): (Vec<u32>, Vec<u32>) = chunk
                .index
                .find(keys, rows)?
                .into_iter()
                .enumerate()
                .filter_map(|(row, known)| known.map(|known| (row as u32, known)))
                .unzip();
            let (count, known, rows) = (rows.len(), UInt32Array::from(known), UInt32Array::from(rows));
            let keys = take_arrays(keys, &known, None)?;
            let states = chunk.states.iter().map(|states| take_arrays(states, &rows, None)).collect::<Result<Vec<_>, _>>()?;
            self.merge_rows(&keys, &states, count, &mut Vec::new())?;
        }
        Ok(())
    }

    /// The key columns and the results.
    pub(super) fn evaluate(mut self) -> Result<(Vec<ArrayRef>, Vec<ArrayRef>)> {
        Ok((self.keys.columns()?, self.accumulators.evaluate()?))
    }

    /// Turns the accumulators into columns of states.
    pub(super) fn freeze(mut self) -> Result<Chunk> {
        let states = self.accumulators.states()?;
        let keys = self.keys.columns()?;
        let bytes = self.keys.size() + states.iter().flatten().map(column_bytes).sum::<usize>();
        Ok(Chunk { keys, len: self.keys.len(), states, bytes, index: self.keys })
    }

    pub(super) fn size(&self) -> usize {
        self.keys.size() + self.accumulators.size()
    }
}

/// Immutable states of keys, each key once.
pub(super) struct Chunk {
    pub(super) keys: Vec<ArrayRef>,
    pub(super) len: usize,
    pub(super) states: Vec<Vec<ArrayRef>>,
    pub(super) bytes: usize,
    index: Interner,
}

impl Chunk {
    pub(super) fn expected(&self) -> Expected {
        self.index.expected()
    }
}

pub(super) fn column_bytes(column: &ArrayRef) -> usize {
    column.to_data().get_slice_memory_size().unwrap_or(0)
}
