//! Streams whose rows have their places as a column: for planners.

use super::job::Stream;
use crate::BatchFunction;
use arrow::array::{ArrayRef, RecordBatch};
use egret_core::Result;
use egret_core::job::NodeKind;
use egret_core::row_place::{of_branch, place_field};
use std::sync::Arc;

impl Stream {
    /// If this is a source: its rows with their places as an additional column, by which operators can order rows of one event
    /// time. Any other stream is returned as it is.
    ///
    /// # Errors
    /// A column of the source already has that name.
    pub fn with_places(&self) -> Result<Self> {
        let schema = self.schema.with_fields([place_field()])?;
        let is_source = self.job.edit(|graph| {
            let node = graph.node_mut(self.node);
            let NodeKind::Source { places, .. } = &mut node.kind else { return false };
            *places = true;
            node.outputs[0].schema = schema.clone();
            true
        });
        Ok(if is_source { Self { schema, ..self.clone() } } else { self.clone() })
    }

    /// The rows as branch `branch` of several that are derived from the same rows: their places differ from those of the other
    /// branches.
    ///
    /// # Errors
    /// The operator cannot be added.
    pub fn in_branch(&self, branch: u64) -> Result<Self> {
        let Some(place) = self.schema.place() else { return Ok(self.clone()) };
        self.with_column("branch", place, move |rows| Ok(of_branch(rows.column(place), branch)))
    }

    /// Replaces a column by another of the same type: for planners.
    ///
    /// # Errors
    /// The operator cannot be added.
    pub fn with_column(
        &self,
        name: &'static str,
        column: usize,
        compute: impl Fn(&RecordBatch) -> Result<ArrayRef> + Send + Sync + 'static,
    ) -> Result<Self> {
        let schema = self.schema.clone();
        let function = move |rows: &RecordBatch| -> Result<RecordBatch> {
            let mut columns = rows.columns().to_vec();
            columns[column] = compute(rows)?;
            Ok(RecordBatch::try_new(rows.schema(), columns)?)
        };
        self.forward(name, Arc::new(BatchFunction::new(name, schema.clone(), function)), schema)
    }
}
