//! The operator before the exchange: finds the conditions that rows meet, and drops rows that no pattern can use.

use super::hits::{self, Failed};
use super::index::Index;
use super::plan::{NAMES_SHOWN, SetPlan};
use arrow::array::{ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::take;
use egret_core::expr::Fault;
use egret_core::metrics::Counters;
use egret_core::{Batch, Context, Error, Operator, OperatorFactory, OperatorInfo, Result, StateLayout, Uncomputed};
use std::sync::Arc;

/// Makes prefilters of sets.
pub(crate) struct SetPrefilterFactory(pub(crate) Arc<SetPlan>);

impl OperatorFactory for SetPrefilterFactory {
    fn create(&self, _info: &OperatorInfo) -> Result<Box<dyn Operator>> {
        let index = Index::new(Arc::clone(&self.0.predicates));
        Ok(Box::new(SetPrefilter { plan: Arc::clone(&self.0), index }))
    }

    fn may_refuse(&self) -> bool {
        self.0.predicates.can_fail()
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

impl SetPrefilter {
    /// Reports rows for which a condition cannot be computed: each row once, with the patterns that have the first such
    /// condition. Returns all such conditions, by row.
    #[cold]
    fn refuse(&self, rows: &RecordBatch, mut faults: Vec<(usize, Fault)>, ctx: &mut Context<'_>) -> Result<Failed> {
        let plan = &self.plan;
        faults.sort_by_key(|(other, fault)| (fault.row, *other));
        let (mut failed, mut wrong) = (Failed::new(), Vec::new());
        for (other, fault) in faults {
            let Some(condition) = plan.predicates.condition_of(other) else {
                return Err(Error::bug("what may fail is a condition as a whole"));
            };
            let of_row: &mut Vec<u32> = failed.entry(fault.row).or_default();
            if of_row.is_empty() {
                let names: Vec<&str> =
                    plan.uses[condition as usize].iter().map(|used| plan.names[used.pattern as usize].as_str()).collect();
                let expression = &plan.predicates.others[other];
                wrong.push(Uncomputed::new(expression, rows, fault.row, &fault.reason).of(in_patterns(&names)));
            }
            of_row.push(condition);
        }
        ctx.refuse(&wrong)?;
        Ok(failed)
    }
}

/// Names several patterns, for a message.
fn in_patterns(names: &[&str]) -> String {
    let shown = names.iter().take(NAMES_SHOWN).copied().collect::<Vec<_>>().join(", ");
    match names.len() {
        1 => format!("pattern {shown}"),
        count if count > NAMES_SHOWN => format!("patterns {shown} and {} more", count - NAMES_SHOWN),
        _ => format!("patterns {shown}"),
    }
}

impl Operator for SetPrefilter {
    fn process(&mut self, _input: usize, batch: Batch, ctx: &mut Context<'_>) -> Result<()> {
        if batch.late().is_some() {
            Counters::add(&ctx.counters().late, batch.num_rows() as u64);
            ctx.emit_to(1, batch);
            return Ok(());
        }
        let (found, faults) = self.index.find(batch.rows())?;
        let failed = if faults.is_empty() { Failed::new() } else { self.refuse(batch.rows(), faults, ctx)? };
        let plan = &self.plan;
        let count = batch.num_rows();
        let kept: Vec<u32> = match plan.need_all_rows.is_empty() {
            true => (0..count as u32).filter(|&row| !found.of(row as usize).is_empty()).collect(),
            false => (0..count as u32).collect(),
        };
        if kept.is_empty() {
            return Ok(());
        }
        let hits: ArrayRef = Arc::new(hits::encode(&found, &failed, kept.iter().map(|&row| row as usize))?);
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
