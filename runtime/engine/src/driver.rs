//! Calls one operator instance as its contract says: rows, watermarks, timers, close.
//!
//! Watermarks, idleness and the end of the input travel in band as [`ControlEvent`]s, one a sender; the driver takes the least over
//! the senders of an input and over the inputs.

use crate::shared::Failure;
use arrow::array::BooleanArray;
use arrow::buffer::BooleanBuffer;
use egret_core::metrics::Counters;
use egret_core::{
    Batch, Context, Epoch, Error, EventTime, KeyedState, MinWatermark, Operator, OperatorInfo, Output, Readiness, Result,
    Snapshot, SnapshotHandle, Step,
};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// What a sender sends about event time and epochs, in band with its rows (Flink's stream elements other than records).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ControlEvent {
    /// No more rows below this time come from the sender.
    Watermark(EventTime),
    /// The latest event time read, before the watermark that says that the input has ended.
    Latest(EventTime),
    /// The sender has no rows for now: its watermark does not count until it sends rows again.
    Idle,
    /// No more rows come from the sender. `complete`: the input was read to its end; otherwise the job was stopped.
    End { complete: bool },
    /// The sender's epoch ends here: the checkpoint of this number has everything sent before, and nothing sent after.
    Barrier(Epoch),
}

/// What leaves an operator instance, in order.
#[derive(Debug)]
pub(crate) enum Outgoing {
    Rows(usize, Batch),
    Event(ControlEvent),
}

/// The senders of one input.
struct Input {
    senders: MinWatermark,
    open: Vec<bool>,
    /// Which senders have ended the epoch.
    at_barrier: Vec<bool>,
}

impl Input {
    fn new(senders: &[bool]) -> Self {
        let mut watermark = MinWatermark::new(senders.len()).of_parts();
        senders.iter().enumerate().filter(|(_, is)| !**is).for_each(|(sender, _)| {
            watermark.set_ended(sender);
        });
        Self { senders: watermark, open: senders.to_vec(), at_barrier: vec![false; senders.len()] }
    }

    fn is_ended(&self) -> bool {
        !self.open.contains(&true)
    }

    /// Whether every sender that is open has ended the epoch.
    fn is_aligned(&self) -> bool {
        self.open.iter().zip(&self.at_barrier).all(|(open, at_barrier)| !open || *at_barrier)
    }
}

/// One operator instance and what the engine keeps for it.
pub(crate) struct Driver {
    operator: Box<dyn Operator>,
    state: Box<dyn KeyedState>,
    info: OperatorInfo,
    counters: Arc<Counters>,
    inputs: Vec<Input>,
    combined: MinWatermark,
    passed_on: EventTime,
    /// The latest event time that sources read, as far as senders have said.
    latest: EventTime,
    wake_at: Option<i64>,
    /// The wall clock's time when the driver last looked whether to wake the operator.
    looked_ms: i64,
    saw_idle: bool,
    /// Whether downstream operators know that this one is idle.
    said_idle: bool,
    complete: bool,
    closed: bool,
}

/// Collects what an operator emits during one call.
struct Collector<'a> {
    outgoing: &'a mut Vec<Outgoing>,
    rows: u64,
}

impl Output for Collector<'_> {
    fn emit(&mut self, port: usize, batch: Batch) {
        self.rows += batch.num_rows() as u64;
        self.outgoing.push(Outgoing::Rows(port, batch));
    }
}

/// The error of an instance that takes up state.
pub(crate) fn restoring(info: &OperatorInfo, error: Error) -> Error {
    error.context(format!("restoring operator '{}' (instance {})", info.name, info.instance))
}

impl Driver {
    /// `senders`: for each input, which of the instances upstream send to this one.
    pub(crate) fn new(
        operator: Box<dyn Operator>,
        state: Box<dyn KeyedState>,
        info: OperatorInfo,
        counters: Arc<Counters>,
        senders: &[Vec<bool>],
    ) -> Self {
        let combined = MinWatermark::new(senders.len());
        let combined = if operator.inputs_are_parts() { combined.of_parts() } else { combined };
        Self {
            operator,
            state,
            info,
            counters,
            inputs: senders.iter().map(|senders| Input::new(senders)).collect(),
            combined,
            passed_on: EventTime::MIN,
            latest: EventTime::MIN,
            wake_at: None,
            looked_ms: i64::MIN,
            saw_idle: false,
            said_idle: false,
            complete: true,
            closed: false,
        }
    }

    /// Gives the operator its own state back, before the first call. The backend was opened with the keyed state.
    pub(crate) fn restore(&mut self, own: Vec<Snapshot>) -> Result<()> {
        if own.is_empty() { Ok(()) } else { self.operator.restore(own) }
    }

    /// The operator's own state, and a handle on the keyed state: what has changed since the end of the epoch `base`, or all of it.
    pub(crate) fn snapshot(&mut self, epoch: Epoch, base: Option<Epoch>) -> Result<(Snapshot, SnapshotHandle)> {
        let operator = self.operator.as_mut();
        let own = catch_unwind(AssertUnwindSafe(|| operator.snapshot(epoch))).unwrap_or_else(|panic| Err(panic_error(&panic)));
        own.and_then(|own| Ok((own, self.state.snapshot_handle(epoch, base)?)))
            .map_err(|error| error.context(format!("operator '{}' (instance {})", self.info.name, self.info.instance)))
    }

    /// Whether the operator can do a step without waiting.
    pub(crate) fn poll_ready(&mut self, step: Step) -> Result<Readiness> {
        let operator = self.operator.as_mut();
        let ready = catch_unwind(AssertUnwindSafe(|| operator.poll_ready(step))).unwrap_or_else(|panic| Err(panic_error(&panic)));
        ready.map_err(|error| error.context(format!("operator '{}' (instance {})", self.info.name, self.info.instance)))
    }

    /// Whether the epoch is over here once this sender has ended its own.
    pub(crate) fn is_last_at_barrier(&self, input: usize, sender: usize) -> bool {
        let is_done = |of: usize, at: usize| {
            let input = &self.inputs[of];
            !input.open[at] || input.at_barrier[at]
        };
        self.all_but((input, sender), is_done)
    }

    /// Whether the input is over once this sender has ended.
    pub(crate) fn is_last_open(&self, input: usize, sender: usize) -> bool {
        self.all_but((input, sender), |of, at| !self.inputs[of].open[at])
    }

    fn all_but(&self, but: (usize, usize), holds: impl Fn(usize, usize) -> bool) -> bool {
        let senders = self.inputs.iter().enumerate().flat_map(|(of, input)| (0..input.open.len()).map(move |at| (of, at)));
        senders.filter(|sender| *sender != but).all(|(of, at)| holds(of, at))
    }

    /// A sender has ended its epoch. Returns whether all have: then the epoch is over here.
    pub(crate) fn barrier(&mut self, input: usize, sender: usize) -> bool {
        self.inputs[input].at_barrier[sender] = true;
        self.is_aligned()
    }

    /// Whether a barrier has come, and nothing of the epoch can come any more.
    pub(crate) fn is_aligned(&self) -> bool {
        let any = self.inputs.iter().any(|input| input.at_barrier.contains(&true));
        any && self.inputs.iter().all(Input::is_aligned)
    }

    /// The next epoch begins.
    pub(crate) fn next_epoch(&mut self) {
        self.inputs.iter_mut().for_each(|input| input.at_barrier.fill(false));
    }

    /// A checkpoint is complete.
    pub(crate) fn checkpoint_complete(&mut self, epoch: Epoch) -> Result<()> {
        self.operator
            .on_checkpoint_complete(epoch)
            .map_err(|error| error.context(format!("operator '{}' (instance {})", self.info.name, self.info.instance)))
    }

    /// The operator's first call. Inputs that nobody sends to end at once.
    pub(crate) fn open(&mut self, now_ms: i64, out: &mut Vec<Outgoing>) -> Result<()> {
        self.call(now_ms, out, |operator, ctx| operator.open(ctx))?;
        for input in 0..self.inputs.len() {
            if self.inputs[input].is_ended() {
                self.combined.set_ended(input);
            }
        }
        self.close_if_ended(now_ms, out)
    }

    /// Rows for an input.
    pub(crate) fn rows(&mut self, input: usize, batch: Batch, now_ms: i64, out: &mut Vec<Outgoing>) -> Result<()> {
        Counters::add(&self.counters.rows_in, batch.num_rows() as u64);
        if self.saw_idle && batch.late().is_none() {
            for part in split_behind(batch, self.combined.current())? {
                self.call(now_ms, out, |operator, ctx| operator.process(input, part, ctx))?;
            }
            return Ok(());
        }
        self.call(now_ms, out, |operator, ctx| operator.process(input, batch, ctx))
    }

    /// Takes a control event of a sender.
    pub(crate) fn event(
        &mut self,
        input: usize,
        sender: usize,
        event: ControlEvent,
        now_ms: i64,
        out: &mut Vec<Outgoing>,
    ) -> Result<()> {
        let senders = &mut self.inputs[input].senders;
        let moved = match event {
            ControlEvent::Watermark(watermark) => {
                let moved = senders.update(sender, watermark);
                self.combined.set_active(input);
                moved
            }
            ControlEvent::Idle => {
                self.saw_idle = true;
                senders.set_idle(sender)
            }
            ControlEvent::End { complete } => {
                self.inputs[input].open[sender] = false;
                self.complete &= complete;
                if complete { self.inputs[input].senders.set_ended(sender) } else { None }
            }
            ControlEvent::Latest(latest) => {
                self.latest = self.latest.max(latest);
                return Ok(());
            }
            ControlEvent::Barrier(_) => return Ok(()),
        };
        if let Some(watermark) = moved {
            self.call(now_ms, out, |operator, ctx| operator.on_input_watermark(input, watermark, ctx))?;
        }
        self.advance(input, moved, now_ms, out)?;
        self.close_if_ended(now_ms, out)
    }

    /// When the operator wants to be woken.
    pub(crate) fn wake_at(&self) -> Option<i64> {
        self.wake_at
    }

    /// Wakes the operator if its time has come. If the wall clock was set back, the operator is woken as well and can ask anew:
    /// otherwise a timer due in a second would fire a day late.
    pub(crate) fn wake(&mut self, now_ms: i64, out: &mut Vec<Outgoing>) -> Result<()> {
        let went_back = now_ms < std::mem::replace(&mut self.looked_ms, now_ms);
        if self.closed || self.wake_at.is_none_or(|at| at > now_ms && !went_back) {
            return Ok(());
        }
        self.wake_at = None;
        self.call(now_ms, out, |operator, ctx| operator.on_processing_time(now_ms, ctx))
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    fn advance(&mut self, input: usize, moved: Option<EventTime>, now_ms: i64, out: &mut Vec<Outgoing>) -> Result<()> {
        let by_update = moved.and_then(|watermark| self.combined.update(input, watermark));
        let senders = &self.inputs[input].senders;
        let by_rest = match (senders.is_ended(), senders.is_idle()) {
            (true, _) => self.combined.set_ended(input),
            (_, true) => self.combined.set_idle(input),
            _ => None,
        };
        if let Some(watermark) = by_rest.or(by_update) {
            self.call(now_ms, out, |operator, ctx| operator.on_watermark(watermark, ctx))?;
        }
        self.pass_on(out);
        let size = self.operator.state_size();
        let keyed = self.state.size();
        self.counters.set_state(self.info.instance, size.keys + keyed.keys, size.bytes + keyed.bytes);
        Ok(())
    }

    /// Sends the watermark on if it has moved, and idleness if it has changed. After idleness the watermark is sent again even if it
    /// has not moved.
    fn pass_on(&mut self, out: &mut Vec<Outgoing>) {
        let is_idle = self.combined.is_idle() && !self.inputs.iter().all(Input::is_ended);
        let wakes = self.said_idle && !is_idle;
        let passed_on = self.operator.output_watermark(self.combined.current()).max(self.passed_on);
        let says = passed_on > self.passed_on || wakes;
        if says {
            self.passed_on = passed_on;
            self.counters.set_watermark(passed_on);
            if passed_on == EventTime::MAX {
                out.push(Outgoing::Event(ControlEvent::Latest(self.latest)));
            }
            out.push(Outgoing::Event(ControlEvent::Watermark(passed_on)));
        }
        if is_idle && (says || !self.said_idle) {
            out.push(Outgoing::Event(ControlEvent::Idle));
        }
        self.said_idle = is_idle;
    }

    fn close_if_ended(&mut self, now_ms: i64, out: &mut Vec<Outgoing>) -> Result<()> {
        if self.closed || !self.inputs.iter().all(Input::is_ended) {
            return Ok(());
        }
        self.closed = true;
        self.call(now_ms, out, |operator, ctx| operator.close(ctx))?;
        let complete = self.complete;
        out.push(Outgoing::Event(ControlEvent::End { complete }));
        Ok(())
    }

    /// Calls the operator; a panic becomes an error like any other.
    fn call(
        &mut self,
        now_ms: i64,
        out: &mut Vec<Outgoing>,
        what: impl FnOnce(&mut dyn Operator, &mut Context<'_>) -> Result<()>,
    ) -> Result<()> {
        let mut collector = Collector { outgoing: out, rows: 0 };
        let mut ctx = Context::new(
            &mut collector,
            &self.info,
            &self.counters,
            self.state.as_mut(),
            &mut self.wake_at,
            self.combined.current(),
            now_ms,
        )
        .with_latest(self.latest);
        let operator = self.operator.as_mut();
        let result = catch_unwind(AssertUnwindSafe(|| what(operator, &mut ctx))).unwrap_or_else(|panic| Err(panic_error(&panic)));
        Counters::add(&self.counters.rows_out, collector.rows);
        result.map_err(|error| error.context(format!("operator '{}' (instance {})", self.info.name, self.info.instance)))
    }
}

/// The message of a panic, as an error.
pub(crate) fn panic_error(panic: &Box<dyn std::any::Any + Send>) -> Error {
    let message = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("without a message");
    Error::bug(format!("panicked: {message}"))
}

/// Runs `what`; keeps its error as the job's failure.
pub(crate) fn guard<T>(failure: &Failure, what: impl FnOnce() -> Result<T>) -> Option<T> {
    match what() {
        Ok(value) => Some(value),
        Err(error) => {
            failure.set(error);
            None
        }
    }
}

/// Marks the late rows of an input that was idle: those below the watermark that the other inputs have reached meanwhile.
fn split_behind(batch: Batch, watermark: EventTime) -> Result<Vec<Batch>> {
    let Some(times) = batch.event_times() else { return Ok(vec![batch]) };
    if times.iter().all(|&time| time >= watermark.0) {
        return Ok(vec![batch]);
    }
    let on_time = BooleanBuffer::collect_bool(times.len(), |row| times[row] >= watermark.0);
    let behind = BooleanArray::new(!&on_time, None);
    let parts = [batch.filter(&BooleanArray::new(on_time, None))?, batch.filter(&behind)?.with_late(Some(watermark))];
    Ok(parts.into_iter().filter(|part| part.num_rows() > 0).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use egret_core::NoState;

    /// Wants to be woken every second.
    struct Ticks;

    impl Operator for Ticks {
        fn open(&mut self, ctx: &mut Context<'_>) -> Result<()> {
            ctx.wake_at(ctx.processing_time_ms() + 1_000);
            Ok(())
        }
        fn process(&mut self, _input: usize, _batch: Batch, _ctx: &mut Context<'_>) -> Result<()> {
            Ok(())
        }
        fn on_processing_time(&mut self, now_ms: i64, ctx: &mut Context<'_>) -> Result<()> {
            ctx.wake_at(now_ms + 1_000);
            Ok(())
        }
    }

    #[test]
    fn a_clock_that_goes_back_does_not_put_off_what_is_due() {
        let info = OperatorInfo::alone("ticks");
        let mut driver = Driver::new(Box::new(Ticks), Box::new(NoState), info, Arc::default(), &[vec![true]]);
        let mut out = Vec::new();
        driver.open(86_400_000, &mut out).expect("it opens");
        for (now_ms, wakes_at) in
            [(86_400_500, 86_401_000), (86_401_000, 86_402_000), (7_000, 8_000), (7_900, 8_000), (8_000, 9_000)]
        {
            driver.wake(now_ms, &mut out).expect("it wakes");
            assert_eq!(driver.wake_at(), Some(wakes_at), "at {now_ms}");
        }
    }
}
