//! Test-then-train metrics of a binary classifier.
//!
//! [`Evaluation`] takes (score, label) pairs and answers for all of them so far, in memory that does not grow with their
//! number; two evaluations of different rows can be merged. What needs a threshold takes 0.5.

mod curve;
mod evaluation;
mod kind;

pub use curve::{BINS_MAX, ScoreCurve};
pub use evaluation::Evaluation;
pub use kind::MetricKind;
