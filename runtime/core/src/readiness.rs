//! Waiting for what is outside of a job, without blocking the thread that the other operators share.

use crate::Epoch;
use std::time::Duration;

/// What a writer is to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Take rows.
    Write,
    /// Make ready all that was written, for the checkpoint of this number.
    Prepare(Epoch),
    /// End: all that was committed is visible.
    End,
}

/// Whether something can be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Readiness {
    /// It can.
    Ready,
    /// Not now: ask again after this long.
    Later(Duration),
}
