//! The operator before the exchange: computes masks, and drops rows that no part of the pattern can use.

use crate::plan::local::Masks;
use crate::plan::pattern_plan::Plan;
use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use egret_core::expr::Expression;
use egret_core::metrics::Counters;
use egret_core::{Batch, Context, Operator, OperatorFactory, OperatorInfo, Result, StateLayout};
use std::sync::Arc;

/// Makes prefilters.
pub(crate) struct PrefilterFactory(pub(crate) Arc<Plan>);

impl OperatorFactory for PrefilterFactory {
    fn create(&self, _info: &OperatorInfo) -> Result<Box<dyn Operator>> {
        Ok(Box::new(Prefilter(Arc::clone(&self.0))))
    }

    fn may_refuse(&self) -> bool {
        self.0.locals.iter().any(Expression::can_fail)
    }

    fn describe(&self) -> Vec<String> {
        self.0.describe_prefilter()
    }

    fn state_layouts(&self) -> Vec<StateLayout> {
        Vec::new()
    }
}

struct Prefilter(Arc<Plan>);

impl Operator for Prefilter {
    fn process(&mut self, _input: usize, batch: Batch, ctx: &mut Context<'_>) -> Result<()> {
        let plan = &self.0;
        if batch.late().is_some() {
            if plan.options.late_at_prefilter {
                Counters::add(&ctx.counters().late, batch.num_rows() as u64);
                ctx.emit_to(1, batch);
                return Ok(());
            }
            let masks = Masks::empty(plan.locals.len(), batch.num_rows());
            let rows = self.output(batch.rows(), masks, None)?;
            ctx.emit(batch.with_rows(rows, plan.rows.event_time()));
            return Ok(());
        }
        let (masks, rows, wrong) = Masks::of(&plan.locals, batch.rows())?;
        ctx.refuse(&wrong)?;
        let keep = masks.any().filter(|_| plan.drops_rows);
        let keep = keep.filter(|keep| keep.count_set_bits() < rows.num_rows());
        let rows = self.output(&rows, masks, keep.map(|keep| BooleanArray::new(keep, None)))?;
        ctx.emit(Batch::from_parts(rows, plan.rows.event_time(), None));
        Ok(())
    }
}

impl Prefilter {
    fn output(&self, rows: &RecordBatch, masks: Masks, keep: Option<BooleanArray>) -> Result<RecordBatch> {
        let given = |&column: &usize| rows.column(column).clone();
        let kept = self.0.kept.iter().map(given);
        let columns = kept.chain(masks.into_columns()).chain(self.0.judged.iter().map(given)).collect();
        let all = RecordBatch::try_new(Arc::clone(self.0.sent.arrow()), columns)?;
        Ok(match keep {
            None => all,
            Some(keep) => filter_record_batch(&all, &keep)?,
        })
    }
}
