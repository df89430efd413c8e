//! The contract of operators: a small, synchronous state machine that the engine calls from one thread.

use crate::bad_rows::{BadRows, NOTED_MAX, Uncomputed, letters};
use crate::metrics::Counters;
use crate::{Batch, Epoch, EventTime, KeyedState, OperatorInfo, Readiness, Result, Snapshot, StateLayout, StateSize, Step};
use std::any::Any;

/// The main output of every operator.
pub const MAIN: usize = 0;

/// An operator: batches and watermarks in, batches out.
///
/// # Contract
/// The engine calls, from one thread and in this order: `restore` (if there is a snapshot), `open`, then any number of
/// `process`, `on_watermark`, `on_processing_time` and `snapshot`, then `close`.
///
/// * *Same input, same output*, however the rows were cut into batches, at whatever parallelism, with a snapshot and restore
///   anywhere, even at another parallelism. Results that depend on order wait for the watermark, in a
///   [`TimeOrder`](crate::TimeOrder); order among keys is free.
/// * It owns no threads, never blocks, reads no clock: processing time comes from [`Context::processing_time_ms`].
/// * Rows it emits have event times at or after the last watermark that it passed on ([`Operator::output_watermark`]), or are
///   marked late.
/// * Stateless operators pass late batches ([`Batch::late`]) on; other operators count them, use them or send them to a side
///   output. No operator drops them silently.
pub trait Operator {
    /// Called once before the first row, after `restore`.
    ///
    /// # Errors
    /// Something that the operator needs is not available.
    fn open(&mut self, _ctx: &mut Context<'_>) -> Result<()> {
        Ok(())
    }

    /// Rows arrived on input `input` (0 for operators with one).
    ///
    /// # Errors
    /// The job ends and reports the error with the operator's name.
    fn process(&mut self, input: usize, batch: Batch, ctx: &mut Context<'_>) -> Result<()>;

    /// Whether the operator can do a step now without waiting for the outside world. Only sinks wait.
    ///
    /// # Errors
    /// As [`Operator::process`].
    fn poll_ready(&mut self, _step: Step) -> Result<Readiness> {
        Ok(Readiness::Ready)
    }

    /// No more rows with event time below `watermark` will come on any input. It is the least watermark of the inputs; idle
    /// inputs do not count. [`EventTime::MAX`] says that the input has ended. The engine passes the watermark on after this call.
    ///
    /// # Errors
    /// As [`Operator::process`].
    fn on_watermark(&mut self, _watermark: EventTime, _ctx: &mut Context<'_>) -> Result<()> {
        Ok(())
    }

    /// Input `input` has reached `watermark`; only operators whose inputs play different roles (a knowledge join) need it. Called
    /// before `on_watermark`.
    ///
    /// # Errors
    /// As [`Operator::process`].
    fn on_input_watermark(&mut self, _input: usize, _watermark: EventTime, _ctx: &mut Context<'_>) -> Result<()> {
        Ok(())
    }

    /// Whether the inputs are parts of one stream, like those of a union. When all of them are idle the greatest of their
    /// watermarks counts, as for the splits of a source.
    fn inputs_are_parts(&self) -> bool {
        false
    }

    /// The watermark to pass on when the inputs have reached `input`; an operator that holds rows back returns less.
    fn output_watermark(&self, input: EventTime) -> EventTime {
        input
    }

    /// A processing-time timer asked for by [`Context::wake_at`] is due.
    ///
    /// # Errors
    /// As [`Operator::process`].
    fn on_processing_time(&mut self, _now_ms: i64, _ctx: &mut Context<'_>) -> Result<()> {
        Ok(())
    }

    /// The state that must survive a restart. Stateless operators return [`Snapshot::default`].
    ///
    /// # Errors
    /// The state cannot be encoded.
    fn snapshot(&mut self, _epoch: Epoch) -> Result<Snapshot> {
        Ok(Snapshot::default())
    }

    /// The checkpoint of this epoch is complete: the job will never restart from an earlier one. If several checkpoints complete,
    /// it may be called for the latest one only.
    ///
    /// # Errors
    /// As [`Operator::process`].
    fn on_checkpoint_complete(&mut self, _epoch: Epoch) -> Result<()> {
        Ok(())
    }

    /// Restores state. `parts` are the snapshots of all former instances, each reduced to the share of this instance (see
    /// [`Snapshot::deal`]).
    ///
    /// # Errors
    /// The state does not decode.
    fn restore(&mut self, parts: Vec<Snapshot>) -> Result<()> {
        if parts.iter().any(|part| !part.is_empty()) {
            return Err(crate::Error::bug("an operator without state was given some to restore"));
        }
        Ok(())
    }

    /// All inputs have ended and everything was processed: the last chance to emit rows.
    ///
    /// # Errors
    /// As [`Operator::process`].
    fn close(&mut self, _ctx: &mut Context<'_>) -> Result<()> {
        Ok(())
    }

    /// The current size of the state, for the live display. It must be cheap; an estimate will do.
    fn state_size(&self) -> StateSize {
        StateSize::default()
    }
}

/// Receives an operator's rows; the engine implements it.
pub trait Output {
    /// Sends rows to output `port` ([`MAIN`], or a named side output's number).
    fn emit(&mut self, port: usize, batch: Batch);
}

impl Output for Vec<(usize, Batch)> {
    fn emit(&mut self, port: usize, batch: Batch) {
        self.push((port, batch));
    }
}

/// The services of the engine that an operator may use during a call.
pub struct Context<'a> {
    output: &'a mut dyn Output,
    info: &'a OperatorInfo,
    counters: &'a Counters,
    state: &'a mut dyn KeyedState,
    watermark: EventTime,
    latest: EventTime,
    processing_time_ms: i64,
    wake_at: &'a mut Option<i64>,
}

impl<'a> Context<'a> {
    /// The engine and the test harness make one for each call.
    pub fn new(
        output: &'a mut dyn Output,
        info: &'a OperatorInfo,
        counters: &'a Counters,
        state: &'a mut dyn KeyedState,
        wake_at: &'a mut Option<i64>,
        watermark: EventTime,
        processing_time_ms: i64,
    ) -> Self {
        Self { output, info, counters, state, watermark, latest: EventTime::MIN, processing_time_ms, wake_at }
    }

    /// Sets the latest event time of the input.
    #[must_use]
    pub fn with_latest(mut self, latest: EventTime) -> Self {
        self.latest = latest;
        self
    }

    /// Sends rows to the main output. Empty batches are dropped.
    pub fn emit(&mut self, batch: Batch) {
        self.emit_to(MAIN, batch);
    }

    /// Sends rows to an output by number.
    pub fn emit_to(&mut self, port: usize, batch: Batch) {
        if batch.num_rows() > 0 {
            self.output.emit(port, batch);
        }
    }

    /// Applies the policy of their stream to rows for which something cannot be computed, and which the operator leaves out.
    ///
    /// # Errors
    /// The policy is to end the job.
    pub fn refuse(&mut self, rows: &[Uncomputed]) -> Result<()> {
        let info = self.info;
        let Some(first) = rows.first() else { return Ok(()) };
        if info.bad_rows.policy == BadRows::Fail {
            return Err(first.error(&info.bad_rows));
        }
        let before = self.counters.add_bad(rows.len() as u64);
        for row in rows.iter().take(usize::try_from(NOTED_MAX.saturating_sub(before)).unwrap_or_default()) {
            self.counters.note(format!("left out: {}", row.text()));
        }
        if let Some(port) = info.letters {
            self.emit_to(port, letters(rows, &info.bad_rows, &info.name)?);
        }
        Ok(())
    }

    /// Which operator and instance this is.
    pub fn info(&self) -> &OperatorInfo {
        self.info
    }

    /// The operator's counters, shown in the summary.
    pub fn counters(&self) -> &Counters {
        self.counters
    }

    /// The input's watermark before this call.
    pub fn watermark(&self) -> EventTime {
        self.watermark
    }

    /// Once the input has ended: the latest event time read from any source upstream. Unlike the last watermark before the end it
    /// depends on the input alone.
    pub fn latest(&self) -> EventTime {
        self.latest
    }

    /// The wall-clock time, injected: milliseconds since 1970.
    pub fn processing_time_ms(&self) -> i64 {
        self.processing_time_ms
    }

    /// Asks for a call of `on_processing_time` at or after this time; the earliest request counts.
    pub fn wake_at(&mut self, processing_time_ms: i64) {
        *self.wake_at = Some(self.wake_at.map_or(processing_time_ms, |earlier| earlier.min(processing_time_ms)));
    }

    /// Keyed state in the engine's backend, for operators that keep no state of their own.
    pub fn state(&mut self) -> &mut dyn KeyedState {
        self.state
    }
}

/// Makes the instances of an operator. A factory is immutable and shared by all workers: it is the *plan*, an operator is the
/// *state*.
pub trait OperatorFactory: Send + Sync {
    /// One instance.
    ///
    /// # Errors
    /// The operator cannot be made.
    fn create(&self, info: &OperatorInfo) -> Result<Box<dyn Operator>>;

    /// Whether instances use [`Context::state`].
    fn uses_keyed_state(&self) -> bool {
        false
    }

    /// Facts about the operator for `explain`, one on each line.
    fn describe(&self) -> Vec<String> {
        Vec::new()
    }

    /// Whether instances may fail to compute something for a row, which they then [refuse](Context::refuse).
    fn may_refuse(&self) -> bool {
        false
    }

    /// What the state of instances depends on. It is empty for an operator without state, whose snapshots must then be empty.
    /// State is restored if all layouts are unchanged; else the checkpoint is refused, with what differs.
    ///
    /// An operator that runs several things as one returns a layout for each, so that one can be added or dropped.
    ///
    /// # Contract
    /// The text stays the same as long as the state means the same, in every version of Egret and of the libraries it uses. So it
    /// is never the debug output of a syntax tree, and never depends on a position in a program.
    fn state_layouts(&self) -> Vec<StateLayout>;

    /// Whether instances accept retracted rows of a stream of changes (see [`crate::weight`]) and pass their weights on.
    fn takes_weights(&self) -> bool {
        false
    }

    /// The factory itself, for optimiser passes that look for one kind.
    fn as_any(&self) -> Option<&dyn Any> {
        None
    }
}

/// A closure makes operators that keep no state.
impl<F> OperatorFactory for F
where
    F: Fn(&OperatorInfo) -> Result<Box<dyn Operator>> + Send + Sync,
{
    fn create(&self, info: &OperatorInfo) -> Result<Box<dyn Operator>> {
        self(info)
    }

    fn state_layouts(&self) -> Vec<StateLayout> {
        Vec::new()
    }
}
