//! How cases are fed, and their times.

use serde_json::Value;

/// Microseconds of a millisecond.
pub(crate) const MILLI: i64 = 1_000;

/// How the events of a case are fed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Decides the cuts; `None` is everything at once.
    pub(crate) seed: Option<u64>,
    /// Whether every event is a batch with a snapshot and a restore behind it.
    pub(crate) restores: bool,
}

/// A time or a length of time: cases have milliseconds.
pub(crate) fn millis(value: &Value) -> Option<i64> {
    value.as_i64().map(|millis| millis * MILLI)
}
