//! The operator behind the exchange: puts rows in order and keeps the partial matches of every key.

mod compact;
mod count_window;
mod evaluate;
mod expire;
mod facts;
mod keys;
mod output;
mod probe;
mod run;
mod skip;
mod slab;
mod snapshot;
mod state;
mod step;
mod store;
mod values;

pub(crate) use compact::why_one_by_one;
pub(crate) use facts::ChainFacts;
pub(crate) use store::Store;

pub(crate) use keys::{Key, RowKeys};
pub(crate) use state::{RowTimes, Shared, State};

pub(crate) use probe::{Kept, Probe};

use crate::compiled::{MATCHES, Plan};
use arrow::array::RecordBatch;
use egret_core::metrics::Counters;
use egret_core::{
    Batch, Context, Epoch, EventTime, MAIN, Operator, OperatorFactory, OperatorInfo, Result, Snapshot, StateLayout, StateSize,
};
use std::sync::Arc;

/// Makes matchers.
pub(crate) struct MatcherFactory(pub(crate) Arc<Plan>);

impl OperatorFactory for MatcherFactory {
    fn create(&self, info: &OperatorInfo) -> Result<Box<dyn Operator>> {
        let state = State::new(&self.0);
        Ok(Box::new(Matcher { plan: Arc::clone(&self.0), state, info: info.clone(), timed_out: 0, dropped: 0 }))
    }

    fn describe(&self) -> Vec<String> {
        self.0.describe_matcher()
    }

    fn state_layouts(&self) -> Vec<StateLayout> {
        vec![self.0.state_layout(None)]
    }
}

struct Matcher {
    plan: Arc<Plan>,
    state: State,
    info: OperatorInfo,
    /// How many timed-out partial matches the counters know of.
    timed_out: u64,
    dropped: u64,
}

impl Operator for Matcher {
    fn process(&mut self, _input: usize, batch: Batch, ctx: &mut Context<'_>) -> Result<()> {
        if let Some(late) = batch.late() {
            Counters::add(&ctx.counters().late, batch.num_rows() as u64);
            let columns: Vec<usize> = (0..self.plan.kept.len()).collect();
            let rows = batch.rows().project(&columns)?;
            ctx.emit_to(1, Batch::from_parts(rows, self.plan.late.event_time(), Some(late)));
            return Ok(());
        }
        match self.plan.rows.event_time() {
            Some(time) => {
                self.state.order.add(batch.into_rows(), time);
                Ok(())
            }
            None => self.arrived(batch.into_rows(), ctx),
        }
    }

    fn on_watermark(&mut self, watermark: EventTime, ctx: &mut Context<'_>) -> Result<()> {
        let plan = &*self.plan;
        if let Some(time) = plan.rows.event_time() {
            if let Some(rows) = self.state.order.release(watermark.0, time, &plan.ties)? {
                self.state.work_on(plan, rows, None)?;
            }
            self.state.advance_to(plan, watermark.0)?;
        }
        if watermark == EventTime::MAX {
            self.state.end(plan)?;
        }
        self.send(ctx)
    }

    fn output_watermark(&self, input: EventTime) -> EventTime {
        self.state.held_since().map_or(input, |time| input.min(EventTime(time)))
    }

    fn on_processing_time(&mut self, now_ms: i64, ctx: &mut Context<'_>) -> Result<()> {
        if self.plan.rows.event_time().is_some() {
            return Ok(());
        }
        let now = self.state.clock_at(now_ms);
        self.state.advance_to(&self.plan, now.saturating_add(1))?;
        self.send(ctx)
    }

    fn snapshot(&mut self, _epoch: Epoch) -> Result<Snapshot> {
        self.state.snapshot(&self.plan, self.info.max_parallelism)
    }

    fn restore(&mut self, parts: Vec<Snapshot>) -> Result<()> {
        self.state.restore(&self.plan, parts, self.info.instance == 0)
    }

    fn open(&mut self, ctx: &mut Context<'_>) -> Result<()> {
        self.wake(ctx);
        Ok(())
    }

    fn state_size(&self) -> StateSize {
        self.state.size()
    }
}

impl Matcher {
    /// Rows of a stream without event time: they count when they come.
    fn arrived(&mut self, rows: RecordBatch, ctx: &mut Context<'_>) -> Result<()> {
        let now = self.state.clock_at(ctx.processing_time_ms());
        self.state.work_on(&self.plan, rows, Some(now))?;
        self.state.advance_to(&self.plan, now.saturating_add(1))?;
        self.send(ctx)
    }

    /// Asks to be woken at the next deadline in processing time.
    fn wake(&self, ctx: &mut Context<'_>) {
        if self.plan.rows.event_time().is_none()
            && let Some(next) = self.state.next_deadline()
        {
            ctx.wake_at(next);
        }
    }

    fn send(&mut self, ctx: &mut Context<'_>) -> Result<()> {
        for (port, batch) in self.state.take_output(&self.plan)? {
            if port == MAIN {
                ctx.counters().add_named(MATCHES, batch.num_rows() as i64);
            }
            ctx.emit_to(port, batch);
        }
        let timed_out = self.state.timed_out();
        if timed_out > self.timed_out {
            ctx.counters().add_named("partial matches timed out", (timed_out - self.timed_out) as i64);
            self.timed_out = timed_out;
        }
        let dropped = self.state.dropped;
        if dropped > self.dropped {
            ctx.counters().add_named("partial matches dropped, their key had too many", (dropped - self.dropped) as i64);
            self.dropped = dropped;
        }
        self.wake(ctx);
        Ok(())
    }
}
