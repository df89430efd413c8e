//! Test-then-train metrics of a binary classifier and of a regression.
//!
//! [`Evaluation`] takes (score, label) pairs and computes metrics over all of them so far, in memory that does not grow with their
//! number; evaluations of different rows can be merged. Metrics that need a threshold use 0.5. [`Errors`] does the same for numbers.

mod curve;
mod errors;
mod evaluation;
mod kind;

pub use curve::{BINS_MAX, ScoreCurve};
pub use errors::Errors;
pub use evaluation::Evaluation;
pub use kind::MetricKind;
