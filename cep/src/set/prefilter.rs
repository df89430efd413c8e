//! The operator before the exchange: which conditions a row meets; rows that nobody can use are left out.

use super::hits;
use super::index::Index;
use super::plan::SetPlan;
use arrow::array::{ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::take;
use egret_core::metrics::Counters;
use egret_core::{Batch, Context, Operator, OperatorFactory, OperatorInfo, Result, StateLayout};
use std::sync::Arc;

/// Makes prefilters of sets.
pub(super) struct SetPrefilterFactory(pub(super) Arc<SetPlan>);

impl OperatorFactory for SetPrefilterFactory {
    fn create(&self, _info: &OperatorInfo) -> Result<Box<dyn Operator>> {
        let index = Index::new(Arc::clone(&self.0.predicates));
        Ok(Box::new(SetPrefilter { plan: Arc::clone(&self.0), index }))
    }

    fn describe(&self) -> Vec<String> {
        self.0.describe_prefilter()
    }

    fn state_layouts(&self) -> Vec<StateLayout> {
        Vec::new()
    }
}

struct SetPrefilter {
    plan: Arc<SetPlan>,
    index: Index,
}

impl Operator for SetPrefilter {
    fn process(&mut self, _input: usize, batch: Batch, ctx: &mut Context<'_>) -> Result<()> {
        if batch.late().is_some() {
            Counters::add(&ctx.counters().late, batch.num_rows() as u64);
            ctx.emit_to(1, batch);
            return Ok(());
        }
        let plan = &self.plan;
        let found = self.index.find(batch.rows())?;
        let count = batch.num_rows();
        let kept: Vec<u32> = match plan.need_all_rows.is_empty() {
            true => (0..count as u32).filter(|&row| !found.of(row as usize).is_empty()).collect(),
            false => (0..count as u32).collect(),
        };
        if kept.is_empty() {
            return Ok(());
        }
        let hits: ArrayRef = Arc::new(hits::encode(&found, kept.iter().map(|&row| row as usize))?);
        let is_whole = kept.len() == count;
        let kept = UInt32Array::from(kept);
        let column = |&column: &usize| {
            let column = batch.column(column);
            if is_whole { Ok(Arc::clone(column)) } else { Ok(take(column, &kept, None)?) }
        };
        let columns = plan.kept.iter().map(column).chain([Ok(hits)]).collect::<Result<Vec<_>>>()?;
        let rows = RecordBatch::try_new(Arc::clone(plan.rows.arrow()), columns)?;
        ctx.emit(Batch::from_parts(rows, plan.rows.event_time(), None));
        Ok(())
    }
}
