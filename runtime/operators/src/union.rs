//! Union: the rows of several streams with the same columns. The engine takes the least of their watermarks.

use arrow::array::RecordBatch;
use egret_core::{Batch, Context, Operator, OperatorFactory, OperatorInfo, Result, StateLayout, StreamSchema};
use std::any::Any;
use std::sync::Arc;

/// Passes the rows of all inputs on, with one schema.
#[derive(Clone, Debug)]
pub struct UnionFactory {
    schema: StreamSchema,
}

impl UnionFactory {
    /// A union with this output schema: the inputs' columns, nullable where one of the inputs' is.
    pub fn new(schema: StreamSchema) -> Self {
        Self { schema }
    }
}

impl OperatorFactory for UnionFactory {
    fn create(&self, _info: &OperatorInfo) -> Result<Box<dyn Operator>> {
        Ok(Box::new(Union(self.schema.clone())))
    }

    fn state_layouts(&self) -> Vec<StateLayout> {
        Vec::new()
    }

    fn takes_weights(&self) -> bool {
        true
    }

    fn describe(&self) -> Vec<String> {
        vec!["rows of all inputs".into()]
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

struct Union(StreamSchema);

impl Operator for Union {
    fn inputs_are_parts(&self) -> bool {
        true
    }

    fn process(&mut self, _input: usize, batch: Batch, ctx: &mut Context<'_>) -> Result<()> {
        if Arc::ptr_eq(batch.rows().schema_ref(), self.0.arrow()) {
            ctx.emit(batch);
            return Ok(());
        }
        let rows = RecordBatch::try_new(Arc::clone(self.0.arrow()), batch.rows().columns().to_vec())?;
        ctx.emit(batch.with_rows(rows, self.0.event_time()));
        Ok(())
    }
}
