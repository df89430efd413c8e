//! The metrics by name.

use crate::options::nearest;
use egret_core::{Error, Result, Subject};

/// A metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MetricKind {
    /// The area under the ROC curve: how often a positive row scores above a negative one, ties counting half.
    RocAuc,
    /// The mean of -ln p(label), p kept within 1e-15 and 1 - 1e-15.
    LogLoss,
    /// The share of rows on the right side of 0.5.
    Accuracy,
    /// The share of positives among the rows at or above 0.5.
    Precision,
    /// The share of positives that are at or above 0.5.
    Recall,
    /// The harmonic mean of precision and recall.
    F1,
    /// The mean of the precision over the recall, step by step.
    AveragePrecision,
}

impl MetricKind {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::RocAuc, Self::LogLoss, Self::Accuracy, Self::Precision, Self::Recall, Self::F1, Self::AveragePrecision];

    /// Its name, which is also its column's.
    pub fn name(self) -> &'static str {
        match self {
            Self::RocAuc => "roc_auc",
            Self::LogLoss => "log_loss",
            Self::Accuracy => "accuracy",
            Self::Precision => "precision",
            Self::Recall => "recall",
            Self::F1 => "f1",
            Self::AveragePrecision => "average_precision",
        }
    }

    /// The metric of a name, in upper or lower case.
    ///
    /// # Errors
    /// There is none; the message suggests one.
    pub fn parse(name: &str) -> Result<Self> {
        let lower = name.to_lowercase();
        Self::ALL.into_iter().find(|kind| kind.name() == lower).ok_or_else(|| {
            let names = Self::ALL.map(Self::name);
            Error::job(format!("there is no metric '{name}'"))
                .help(nearest(&lower, &names, "the metrics are"))
                .about(Subject::Metric(name.to_owned()))
        })
    }

    /// Whether it needs the distribution of the scores.
    pub(crate) fn needs_curve(self) -> bool {
        matches!(self, Self::RocAuc | Self::AveragePrecision)
    }
}
