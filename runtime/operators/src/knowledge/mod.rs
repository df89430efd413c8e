//! Knowledge: a value that changes with event time and that every worker reads to answer rows, such as a model's weights or a
//! graph's components. (Elsewhere: broadcast state, read by a temporal join.)
//!
//! Its maker (a learner, a graph operator) runs as one instance, works in event-time order in *steps* of event time, and emits
//! *updates*, which are broadcast. A [`KnowledgeReader`] is a replica on each instance of a [`KnowledgeJoin`], which applies the
//! updates and appends the reader's columns to the rows.
//!
//! # Contract
//! * A row at event time `t` has version `floor(t / step) * step` and reads exactly the updates with `version_time` below
//!   its version. So what it reads depends on the input alone, never on batching, parallelism, speed or restarts.
//! * The update for the step `[k, k + step)` has `version_time = k`. Before the maker forwards a watermark `w` it has emitted
//!   every update with `version_time + step <= w`. It forwards `floor(w / step) * step`, because later updates may still have
//!   that `version_time`. [`MakerSteps`] implements this arithmetic.
//! * Updates of one maker are applied in order of `version_time`, and those with the same `version_time` in the order of
//!   emission.
//! * A late row reads the version of the watermark it was behind, which depends on the input alone, too, and it stays late.

mod held;
mod join;
mod pending;
mod reading;

pub use join::{KnowledgeJoin, KnowledgeJoinFactory, MakeReader};
pub use reading::{Part, Reading, Segment};

use arrow::array::{ArrayRef, RecordBatch};
use egret_core::StateSize;
use egret_core::{Error, EventTime, Length, Result};
use reading::Answers;

/// The name of the event-time column of a stream of updates.
pub const VERSION_TIME: &str = "version_time";

/// The default length of a step of event time: a second.
pub const DEFAULT_STEP_US: i64 = 1_000_000;

/// A replica of a value that changes with event time.
pub trait KnowledgeReader {
    /// Applies updates: rows in order of `version_time`, of one or several versions.
    ///
    /// # Errors
    /// They do not decode.
    fn apply(&mut self, updates: &RecordBatch) -> Result<()>;

    /// The columns to add to these rows, each as long as the rows. A row's answer depends on the row and the replica alone.
    ///
    /// # Errors
    /// The rows cannot be read.
    fn enrich(&mut self, rows: &RecordBatch) -> Result<Vec<ArrayRef>>;

    /// Answers batches part by part: applies a part's updates, then answers its rows. Returns the columns to append to each
    /// batch.
    ///
    /// Steps of event time may be short and parts small. A reader with fixed costs per call, such as reading columns, can
    /// override this to pay them once for each batch. The answers must equal those of [`KnowledgeReader::apply`] and
    /// [`KnowledgeReader::enrich`].
    ///
    /// # Errors
    /// As for these.
    fn answer(&mut self, reading: &Reading<'_>) -> Result<Vec<Vec<ArrayRef>>> {
        let mut answers = Answers::new(reading.batches.len());
        for part in &reading.parts {
            for segment in reading.updates_before(part) {
                self.apply(&segment.of(&reading.updates))?;
            }
            answers.add(part.rows.batch, self.enrich(&part.rows.of(&reading.batches))?);
        }
        answers.into_columns()
    }

    /// Encodes the replica.
    ///
    /// # Errors
    /// It cannot be encoded.
    fn snapshot(&self) -> Result<Vec<u8>>;

    /// Restores what [`KnowledgeReader::snapshot`] encoded.
    ///
    /// # Errors
    /// It does not decode.
    fn restore(&mut self, state: &[u8]) -> Result<()>;

    /// The size of the state.
    fn state_size(&self) -> StateSize;

    /// The counts since the last call, for the operator's counters.
    fn take_counts(&mut self) -> Vec<(&'static str, i64)> {
        Vec::new()
    }
}

/// The arithmetic of a maker of knowledge: which steps are complete at a watermark.
///
/// ```
/// use egret_core::EventTime;
/// use egret_operators::knowledge::MakerSteps;
/// let steps = MakerSteps::new(1_000)?;
/// assert_eq!(steps.of(EventTime(2_345)), EventTime(2_000));
/// assert_eq!(steps.complete_below(EventTime(2_999)), EventTime(2_000)); // rows with time < 2000 can be worked off
/// assert_eq!(steps.output_watermark(EventTime(2_999)), EventTime(2_000)); // the step from 2000 is still to come
/// # Ok::<(), egret_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MakerSteps {
    step_us: i64,
}

impl MakerSteps {
    /// Steps of this length, in microseconds.
    ///
    /// # Errors
    /// It is not positive.
    pub fn new(step_us: i64) -> Result<Self> {
        if step_us <= 0 {
            return Err(
                Error::job(format!("a version step of {}", Length(step_us))).help("use a positive interval, such as '1' SECOND")
            );
        }
        Ok(Self { step_us })
    }

    /// The length of a step, in microseconds.
    pub fn step_us(self) -> i64 {
        self.step_us
    }

    /// The start of the step that a time lies in: the `version_time` of an update made from events of this time, and the version
    /// that a row of this time reads.
    pub fn of(self, time: EventTime) -> EventTime {
        time.floor_to(self.step_us)
    }

    /// Everything with event time below this is in a complete step. It is `MAX` when the input has ended: then all steps are
    /// complete.
    pub fn complete_below(self, watermark: EventTime) -> EventTime {
        watermark.floor_to(self.step_us)
    }

    /// The watermark that the maker forwards once it has emitted the updates of the complete steps.
    pub fn output_watermark(self, watermark: EventTime) -> EventTime {
        watermark.floor_to(self.step_us)
    }
}

#[cfg(test)]
mod tests;
