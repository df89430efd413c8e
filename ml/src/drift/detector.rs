//! The contract of detectors.

use serde::{Deserialize, Serialize};

/// What a detector makes of a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// Nothing changed.
    #[default]
    Steady,
    /// Something may change.
    Warning,
    /// The stream changed. The next value is the first of a new stream: nothing from before it counts.
    Drift,
}

/// Watches a stream of numbers for a change of what it is drawn from.
pub trait DriftDetector {
    /// Takes a value. One that is not finite, or beyond [`LARGEST`], is no value: nothing is made of it.
    fn observe(&mut self, value: f64) -> Verdict;
}

/// Values beyond this are not taken: their squares would not stay finite.
pub const LARGEST: f64 = 1e100;

/// Whether a value is one.
pub(super) fn is_value(value: f64) -> bool {
    value.abs() <= LARGEST
}
