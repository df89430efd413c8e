//! An operator made of a closure over batches: map, filter and flat map of the Rust API.

use arrow::array::RecordBatch;
use egret_core::{Batch, Context, Operator, OperatorFactory, OperatorInfo, Result, StateLayout, StreamSchema};
use std::sync::Arc;

type Function = dyn Fn(&RecordBatch) -> Result<RecordBatch> + Send + Sync;

/// Applies a closure to every batch. The closure must treat each row by itself (the result for a row may not depend on its
/// batch), and may not change event times.
#[derive(Clone)]
pub struct BatchFunction {
    function: Arc<Function>,
    output: StreamSchema,
    what: &'static str,
}

impl BatchFunction {
    /// `what` is the operator's name in the plan: "map", "flat map".
    pub fn new(
        what: &'static str,
        output: StreamSchema,
        function: impl Fn(&RecordBatch) -> Result<RecordBatch> + Send + Sync + 'static,
    ) -> Self {
        Self { function: Arc::new(function), output, what }
    }
}

impl OperatorFactory for BatchFunction {
    fn create(&self, _info: &OperatorInfo) -> Result<Box<dyn Operator>> {
        Ok(Box::new(self.clone()))
    }

    fn state_layouts(&self) -> Vec<StateLayout> {
        Vec::new()
    }

    fn describe(&self) -> Vec<String> {
        vec![format!("{} by a closure", self.what)]
    }
}

impl Operator for BatchFunction {
    fn process(&mut self, _input: usize, batch: Batch, ctx: &mut Context<'_>) -> Result<()> {
        let rows = (self.function)(batch.rows())?;
        ctx.emit(batch.with_rows(rows, self.output.event_time()));
        Ok(())
    }
}
