//! Waiting for the outside world without blocking the worker's thread.

use crate::Epoch;
use std::time::Duration;

/// The next step of a writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Take more rows.
    Write,
    /// Make everything that was written ready to commit, for the checkpoint of this number.
    Prepare(Epoch),
    /// End; everything that was committed is visible.
    End,
}

/// Whether a step can be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Readiness {
    /// Yes.
    Ready,
    /// No: ask again after this time.
    Later(Duration),
}
