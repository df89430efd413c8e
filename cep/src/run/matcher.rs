//! The operator behind the exchange: puts rows in order and keeps the partial matches of every key.

use super::state::State;
use crate::plan::pattern_plan::Plan;
use arrow::array::RecordBatch;
use egret_core::matches::MATCHES;
use egret_core::metrics::Counters;
use egret_core::{
    Batch, Context, Epoch, Error, EventTime, MAIN, Operator, OperatorFactory, OperatorInfo, Result, Snapshot, StateLayout,
    StateSize,
};
use std::sync::Arc;

/// The counter of partial matches that ended without a match.
pub(crate) const TIMED_OUT: &str = "partial matches timed out";
/// The counter of partial matches that were dropped because their key had too many.
pub const DROPPED: &str = "partial matches dropped, their key had too many";

/// Makes matchers.
pub(crate) struct MatcherFactory(pub(crate) Arc<Plan>);

impl OperatorFactory for MatcherFactory {
    fn create(&self, info: &OperatorInfo) -> Result<Box<dyn Operator>> {
        Ok(Box::new(Matcher::new(&self.0, info, Box::new(Plainly))))
    }

    fn may_refuse(&self) -> bool {
        self.0.can_fail()
    }

    fn describe(&self) -> Vec<String> {
        self.0.describe_matcher()
    }

    fn state_layouts(&self) -> Vec<StateLayout> {
        vec![self.0.state_layout(None)]
    }
}

/// How matches leave a matcher, and how its state is saved.
pub(crate) trait Exit {
    /// Sends rows; `ended` tells whether the input has ended.
    ///
    /// # Errors
    /// A projection of the rows cannot be computed.
    fn send(&mut self, sent: Vec<(usize, Batch)>, ended: bool, ctx: &mut Context<'_>) -> Result<()>;

    /// The name of the pattern, if the operator's name does not tell it.
    fn name(&self) -> Option<&str> {
        None
    }

    /// Turns the state of the matcher into its saved form.
    fn saved(&self, state: Snapshot) -> Snapshot {
        state
    }

    /// Turns saved state back into the state of the matcher.
    ///
    /// # Errors
    /// The saved state is damaged.
    fn loaded(&self, parts: Vec<Snapshot>) -> Result<Vec<Snapshot>> {
        Ok(parts)
    }

    /// Names in an error about state the pattern that the state belongs to, if the operator's name does not tell it.
    fn unfit(&self, error: Error) -> Error {
        error
    }
}

/// The exit of a pattern that runs alone: each output is an output of the operator.
struct Plainly;

impl Exit for Plainly {
    fn send(&mut self, sent: Vec<(usize, Batch)>, _ended: bool, ctx: &mut Context<'_>) -> Result<()> {
        sent.into_iter().for_each(|(port, batch)| ctx.emit_to(port, batch));
        Ok(())
    }
}

/// The matcher of one pattern.
pub(crate) struct Matcher {
    plan: Arc<Plan>,
    state: State,
    info: OperatorInfo,
    exit: Box<dyn Exit>,
    ended: bool,
    /// How many partial matches that timed out have been added to the counters.
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
            if let Some(rows) = self.state.release(plan, watermark.0, time)? {
                self.state.work_on(plan, rows, None)?;
            }
            self.state.advance_to(plan, watermark.0)?;
        }
        if watermark == EventTime::MAX {
            self.state.end(plan)?;
            self.ended = true;
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
        Ok(self.exit.saved(self.state.snapshot(&self.plan, self.info.max_parallelism)?))
    }

    fn restore(&mut self, parts: Vec<Snapshot>) -> Result<()> {
        let parts = self.exit.loaded(parts)?;
        self.state.restore(&self.plan, parts).map_err(|error| self.exit.unfit(error))
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
    pub(crate) fn new(plan: &Arc<Plan>, info: &OperatorInfo, exit: Box<dyn Exit>) -> Self {
        Self { plan: Arc::clone(plan), state: State::new(plan), info: info.clone(), exit, ended: false, timed_out: 0, dropped: 0 }
    }

    /// Works on rows of a stream without event time: they are matched when they arrive.
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
            ctx.wake_at(EventTime(next).millis_up());
        }
    }

    fn send(&mut self, ctx: &mut Context<'_>) -> Result<()> {
        let sent = self.state.take_output(&self.plan)?;
        let matches: usize = sent.iter().filter(|(port, _)| *port == MAIN).map(|(_, batch)| batch.num_rows()).sum();
        if matches > 0 {
            ctx.counters().add_named(MATCHES, matches as i64);
        }
        ctx.refuse(&self.state.take_wrong())?;
        self.exit.send(sent, self.ended, ctx)?;
        let timed_out = self.state.timed_out();
        if timed_out > self.timed_out {
            ctx.counters().add_named(TIMED_OUT, (timed_out - self.timed_out) as i64);
            self.timed_out = timed_out;
        }
        let dropped = self.state.dropped;
        if dropped > self.dropped {
            ctx.counters().add_named(DROPPED, (dropped - self.dropped) as i64);
            self.dropped = dropped;
        }
        self.state.report(self.exit.name(), ctx.counters());
        self.wake(ctx);
        Ok(())
    }
}
