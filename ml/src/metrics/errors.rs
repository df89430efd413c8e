//! Running sums over the errors of a regression.

use super::MetricKind;
use serde::{Deserialize, Serialize};

/// Sums over predictions of numbers whose label is known.
///
/// ```
/// use egret_ml::metrics::{Errors, MetricKind};
/// let mut errors = Errors::default();
/// for (prediction, label) in [(1.0, 2.0), (3.0, 2.0), (8.0, 8.0)] {
///     errors.add(prediction, label);
/// }
/// assert_eq!(errors.value(MetricKind::Mae), Some(2.0 / 3.0));
/// assert_eq!(errors.value(MetricKind::R2), Some(1.0 - 2.0 / 24.0));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Errors {
    rows: u64,
    absolute: f64,
    squared: f64,
    /// The mean of the labels, and the sum of their squared distances from it (Welford).
    mean: f64,
    spread: f64,
}

impl Errors {
    /// Adds a row: what was predicted before its label was learned, and the label.
    #[inline]
    pub fn add(&mut self, prediction: f64, label: f64) {
        let error = prediction - label;
        self.rows += 1;
        self.absolute += error.abs();
        self.squared += error * error;
        let before = label - self.mean;
        self.mean += before / self.rows as f64;
        self.spread += before * (label - self.mean);
    }

    /// How many rows.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// A metric over all rows so far; `None` while it is undefined, as the R2 of labels that are all equal, and for metrics of other
    /// labels.
    pub fn value(&self, metric: MetricKind) -> Option<f64> {
        let rows = self.rows as f64;
        let value = match metric {
            MetricKind::Mae => self.absolute / rows,
            MetricKind::Rmse => (self.squared / rows).sqrt(),
            MetricKind::R2 => 1.0 - self.squared / self.spread,
            _ => return None,
        };
        value.is_finite().then_some(value)
    }
}
