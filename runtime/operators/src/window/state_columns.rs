//! The format in which states of keys travel from local aggregation to the window operator.

use super::aggregate::Aggregate;
use super::groups::{Chunk, Groups};
use super::keys::Expected;
use super::spec::Plan;
use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Int64Type};
use egret_core::{Batch, Result, StreamSchema};
use std::sync::Arc;

/// States of keys in panes, as columns of a stream: the pane's start, the key, then the states of each aggregate.
#[derive(Debug)]
pub(super) struct StateColumns {
    schema: StreamSchema,
    keys: usize,
    widths: Vec<usize>,
}

impl StateColumns {
    pub(super) fn of(plan: &Plan) -> Result<Self> {
        let empty = Groups::new(&plan.key_types, &[], Expected::default())?.freeze()?;
        let states = plan.aggregates.iter().map(Aggregate::state_types).collect::<Result<Vec<_>>>()?;
        let mut types = vec![DataType::Int64];
        types.extend(empty.keys.iter().map(|column| column.data_type().clone()));
        types.extend(states.iter().flatten().cloned());
        let names =
            types.into_iter().enumerate().map(|(number, data_type)| Field::new(format!("state_{number}"), data_type, true));
        let schema = StreamSchema::new(names.collect(), None)?;
        Ok(Self { schema, keys: empty.keys.len(), widths: states.iter().map(Vec::len).collect() })
    }

    /// Packs the states of a pane's keys.
    pub(super) fn pack(&self, start: i64, chunk: &Chunk) -> Result<Batch> {
        let starts: ArrayRef = Arc::new(Int64Array::from(vec![start; chunk.len]));
        let columns = std::iter::once(&starts).chain(&chunk.keys).chain(chunk.states.iter().flatten()).cloned().collect();
        Batch::new(RecordBatch::try_new(Arc::clone(self.schema.arrow()), columns)?, &self.schema)
    }

    /// The schema of the stream.
    pub(super) fn schema(&self) -> &StreamSchema {
        &self.schema
    }

    /// The number of key columns.
    pub(super) fn keys(&self) -> usize {
        self.keys
    }

    /// Unpacks the panes' starts, the keys and the states.
    pub(super) fn unpack<'a>(&self, rows: &'a RecordBatch) -> (&'a [i64], Vec<ArrayRef>, Vec<Vec<ArrayRef>>) {
        let starts = rows.column(0).as_primitive::<Int64Type>().values();
        let keys = rows.columns()[1..=self.keys].to_vec();
        let mut states = rows.columns()[self.keys + 1..].iter().cloned();
        let states = self.widths.iter().map(|&width| states.by_ref().take(width).collect()).collect();
        (starts, keys, states)
    }
}
