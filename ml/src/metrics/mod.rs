//! Test-then-train metrics of a binary classifier.
//!
//! [`Evaluation`] takes (score, label) pairs and computes metrics over all of them so far, in memory that does not grow with their
//! number; evaluations of different rows can be merged. Metrics that need a threshold use 0.5.

mod curve;
mod evaluation;
mod kind;

pub use curve::{BINS_MAX, ScoreCurve};
pub use evaluation::Evaluation;
pub use kind::MetricKind;
