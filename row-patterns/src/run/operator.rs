//! The operator: takes rows, gives the output of matches.

use super::state::RowState;
use crate::plan::row_plan::RowPlan;
use egret_core::matches::MATCHES;
use egret_core::metrics::Counters;
use egret_core::{
    Batch, Context, Epoch, EventTime, MAIN, Operator, OperatorFactory, OperatorInfo, Result, Snapshot, StateLayout, StateSize,
};
use std::sync::Arc;

/// The output of late rows.
const LATE: usize = 1;

/// The output of partitions in which a match could continue in too many ways.
const OVERFLOW: usize = 2;

/// Makes operators.
pub(crate) struct RowFactory(pub(crate) Arc<RowPlan>);

impl OperatorFactory for RowFactory {
    fn create(&self, info: &OperatorInfo) -> Result<Box<dyn Operator>> {
        Ok(Box::new(RowOperator { plan: Arc::clone(&self.0), state: RowState::new(&self.0), info: info.clone() }))
    }

    fn may_refuse(&self) -> bool {
        self.0.can_fail()
    }

    fn describe(&self) -> Vec<String> {
        self.0.describe()
    }

    fn state_layouts(&self) -> Vec<StateLayout> {
        vec![self.0.state_layout()]
    }
}

struct RowOperator {
    plan: Arc<RowPlan>,
    state: RowState,
    info: OperatorInfo,
}

impl Operator for RowOperator {
    fn process(&mut self, _input: usize, batch: Batch, ctx: &mut Context<'_>) -> Result<()> {
        if batch.late().is_some() {
            Counters::add(&ctx.counters().late, batch.num_rows() as u64);
            ctx.emit_to(LATE, batch);
            return Ok(());
        }
        if let Some(rows) = self.state.arrivals.add(&self.plan, batch.into_rows()) {
            self.state.work_on(&self.plan, &rows)?;
            self.send(ctx)?;
        }
        Ok(())
    }

    fn on_watermark(&mut self, watermark: EventTime, ctx: &mut Context<'_>) -> Result<()> {
        let Self { plan, state, .. } = self;
        if let Some(rows) = state.arrivals.release(plan, watermark.0)? {
            state.work_on(plan, &rows)?;
        }
        if watermark == EventTime::MAX {
            if let Some(rows) = state.arrivals.end(plan)? {
                state.work_on(plan, &rows)?;
            }
            state.end(plan)?;
        } else {
            state.advance_to(plan, watermark.0)?;
        }
        self.send(ctx)
    }

    fn output_watermark(&self, input: EventTime) -> EventTime {
        self.state.held_since().map_or(input, |time| input.min(EventTime(time)))
    }

    fn snapshot(&mut self, _epoch: Epoch) -> Result<Snapshot> {
        self.state.snapshot(&self.plan, self.info.max_parallelism)
    }

    fn restore(&mut self, parts: Vec<Snapshot>) -> Result<()> {
        self.state.restore(&self.plan, parts)
    }

    fn state_size(&self) -> StateSize {
        self.state.size()
    }
}

impl RowOperator {
    fn send(&mut self, ctx: &mut Context<'_>) -> Result<()> {
        ctx.refuse(&self.state.rendered.take_wrong())?;
        let (batches, matches) = self.state.rendered.take();
        if matches > 0 {
            ctx.counters().add_named(MATCHES, matches as i64);
        }
        for batch in batches {
            ctx.emit_to(MAIN, batch);
        }
        if let Some(batch) = self.state.overflows.take(&self.plan.overflow)? {
            ctx.emit_to(OVERFLOW, batch);
        }
        self.state.overflows.report(None, ctx.counters());
        Ok(())
    }
}
