//! Running counts over scored and labelled rows, from which the metrics are computed.

use super::{MetricKind, ScoreCurve};
use serde::{Deserialize, Serialize};

/// Scores below this from 0 or 1 count as this in the log loss.
const CLIP: f64 = 1e-15;

/// Counts scored rows whose label is known.
///
/// ```
/// use egret_ml::metrics::{Evaluation, MetricKind};
/// let mut evaluation = Evaluation::new(&MetricKind::ALL);
/// for (score, label) in [(0.9, true), (0.6, false), (0.2, false), (0.4, true)] {
///     evaluation.add(score, label);
/// }
/// assert_eq!(evaluation.value(MetricKind::Accuracy), Some(0.5));
/// assert_eq!(evaluation.value(MetricKind::RocAuc), Some(0.75));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    true_positives: u64,
    false_positives: u64,
    true_negatives: u64,
    false_negatives: u64,
    loss: f64,
    curve: Option<ScoreCurve>,
}

impl Evaluation {
    /// An evaluation that can compute these metrics.
    pub fn new(metrics: &[MetricKind]) -> Self {
        Self {
            true_positives: 0,
            false_positives: 0,
            true_negatives: 0,
            false_negatives: 0,
            loss: 0.0,
            curve: metrics.iter().any(|metric| metric.needs_curve()).then(ScoreCurve::default),
        }
    }

    /// Adds a row: its score from before its label was learned, between 0 and 1, and the label.
    #[inline]
    pub fn add(&mut self, score: f64, is_positive: bool) {
        let count = match (score >= 0.5, is_positive) {
            (true, true) => &mut self.true_positives,
            (true, false) => &mut self.false_positives,
            (false, false) => &mut self.true_negatives,
            (false, true) => &mut self.false_negatives,
        };
        *count += 1;
        let score_of_label = if is_positive { score } else { 1.0 - score };
        self.loss -= libm::log(score_of_label.clamp(CLIP, 1.0 - CLIP));
        if let Some(curve) = &mut self.curve {
            curve.add(score, is_positive);
        }
    }

    /// How many rows.
    pub fn rows(&self) -> u64 {
        self.true_positives + self.false_positives + self.true_negatives + self.false_negatives
    }

    /// Adds the rows of another evaluation.
    pub fn merge(&mut self, other: Self) {
        self.true_positives += other.true_positives;
        self.false_positives += other.false_positives;
        self.true_negatives += other.true_negatives;
        self.false_negatives += other.false_negatives;
        self.loss += other.loss;
        if let (Some(curve), Some(other)) = (&mut self.curve, other.curve) {
            curve.merge(other);
        }
    }

    /// A metric over all rows so far; `None` while it is undefined, or if the evaluation was not made for it.
    pub fn value(&mut self, metric: MetricKind) -> Option<f64> {
        let ratio = |part: u64, whole: u64| (whole > 0).then(|| part as f64 / whole as f64);
        let (hits, rows) = (self.true_positives, self.rows());
        match metric {
            MetricKind::Accuracy => ratio(hits + self.true_negatives, rows),
            MetricKind::Precision => ratio(hits, hits + self.false_positives),
            MetricKind::Recall => ratio(hits, hits + self.false_negatives),
            MetricKind::F1 => ratio(2 * hits, 2 * hits + self.false_positives + self.false_negatives),
            MetricKind::LogLoss => (rows > 0).then(|| self.loss / rows as f64),
            MetricKind::RocAuc => self.curve.as_mut()?.roc_auc(),
            MetricKind::AveragePrecision => self.curve.as_mut()?.average_precision(),
            MetricKind::Mae | MetricKind::Rmse | MetricKind::R2 => None,
        }
    }

    /// Bytes of memory.
    pub fn size_bytes(&self) -> usize {
        size_of::<Self>() + self.curve.as_ref().map_or(0, ScoreCurve::size_bytes)
    }
}
