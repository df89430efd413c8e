//! The time to live of values in keyed state.

use egret_core::micros_of;
use std::time::Duration;

/// How long a value lives after it was written (or read). An expired value is never returned, and expired values are removed
/// gradually while rows are processed: for each row about two values are checked.
///
/// ```
/// use egret_operators::process::{Ttl, TtlClock, ValueState};
/// use std::time::Duration;
/// const LAST: ValueState<String> = ValueState::new(0).with_ttl(Ttl::event_time(Duration::from_secs(3_600)));
/// # let _ = LAST;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ttl {
    pub(super) after_us: i64,
    pub(super) clock: TtlClock,
    pub(super) renewal: Renewal,
}

/// The clock by which values expire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TtlClock {
    /// The event time of the current row or timer: the same input gives the same output. The stream must have event time.
    EventTime,
    /// The wall clock.
    ProcessingTime,
}

/// What renews a value's time to live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// Writing it.
    Write,
    /// Writing or reading it.
    ReadOrWrite,
}

impl Ttl {
    /// A time to live in event time, from the last write.
    pub const fn event_time(after: Duration) -> Self {
        Self { after_us: micros_of(after), clock: TtlClock::EventTime, renewal: Renewal::Write }
    }

    /// A time to live on the wall clock, from the last write.
    pub const fn processing_time(after: Duration) -> Self {
        Self { after_us: micros_of(after), clock: TtlClock::ProcessingTime, renewal: Renewal::Write }
    }

    /// Reading a value renews its time to live, too.
    #[must_use]
    pub const fn renewed_by_reads(self) -> Self {
        Self { renewal: Renewal::ReadOrWrite, ..self }
    }
}
