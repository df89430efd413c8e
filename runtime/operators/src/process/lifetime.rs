//! How long a value of keyed state lives.

use egret_core::micros_of;
use std::time::Duration;

/// How long a value lives after it was written (or read). What is over is never given back, and is removed bit by bit while rows are
/// processed: each row pays for a look at two values or so.
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

/// By which clock state is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TtlClock {
    /// By the time of the row or timer at hand: the same input gives the same output. The stream must have event time.
    EventTime,
    /// By the clock on the wall.
    ProcessingTime,
}

/// What makes a value live on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// To be written.
    Write,
    /// To be written or read.
    ReadOrWrite,
}

impl Ttl {
    /// In event time, from when a value was written.
    pub const fn event_time(after: Duration) -> Self {
        Self { after_us: micros_of(after), clock: TtlClock::EventTime, renewal: Renewal::Write }
    }

    /// On the wall, from when a value was written.
    pub const fn processing_time(after: Duration) -> Self {
        Self { after_us: micros_of(after), clock: TtlClock::ProcessingTime, renewal: Renewal::Write }
    }

    /// Lives on when it is read, too.
    #[must_use]
    pub const fn renewed_by_reads(self) -> Self {
        Self { renewal: Renewal::ReadOrWrite, ..self }
    }
}
