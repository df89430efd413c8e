//! The metrics by name.

use crate::labels::Target;
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
    /// The mean of the absolute errors of a regression.
    Mae,
    /// The root of the mean of the squared errors of a regression.
    Rmse,
    /// The share of the label's variance that a regression explains; below 0 if the mean of all labels would explain more.
    R2,
}

impl MetricKind {
    /// All that compare the score with a label that is true or false.
    pub const ALL: [Self; 7] =
        [Self::RocAuc, Self::LogLoss, Self::Accuracy, Self::Precision, Self::Recall, Self::F1, Self::AveragePrecision];

    /// All that compare a number with a number.
    pub const OF_NUMBERS: [Self; 3] = [Self::Mae, Self::Rmse, Self::R2];

    /// The metrics there are of an algorithm's labels.
    pub fn of(target: Target) -> &'static [Self] {
        match target {
            Target::Flag | Target::Class | Target::Anomaly | Target::Cluster => &Self::ALL,
            Target::Number => &Self::OF_NUMBERS,
        }
    }

    /// The metrics if a job names none.
    pub(crate) fn defaults(target: Target) -> &'static [Self] {
        match target {
            Target::Flag | Target::Class | Target::Anomaly | Target::Cluster => &[Self::RocAuc, Self::LogLoss],
            Target::Number => &Self::OF_NUMBERS,
        }
    }

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
            Self::Mae => "mae",
            Self::Rmse => "rmse",
            Self::R2 => "r2",
        }
    }

    /// The metric of a name, in upper or lower case, if there is such a one of these labels.
    ///
    /// # Errors
    /// There is none; the message suggests one.
    pub fn parse(name: &str, target: Target) -> Result<Self> {
        let lower = name.to_lowercase();
        let is_named = |kind: &Self| kind.name() == lower;
        if let Some(kind) = Self::of(target).iter().copied().find(is_named) {
            return Ok(kind);
        }
        let names: Vec<&str> = Self::of(target).iter().map(|kind| kind.name()).collect();
        let error = if Self::ALL.iter().chain(&Self::OF_NUMBERS).any(is_named) {
            let labels = if target == Target::Number { "true or false" } else { "numbers" };
            Error::job(format!("the metric '{name}' is of labels that are {labels}, and those of this model are not"))
                .help(format!("the metrics are {}", names.join(", ")))
        } else {
            Error::job(format!("there is no metric '{name}'")).help(nearest(&lower, &names, "the metrics are"))
        };
        Err(error.about(Subject::Metric(name.to_owned())))
    }

    /// Whether it needs the distribution of the scores.
    pub(crate) fn needs_curve(self) -> bool {
        matches!(self, Self::RocAuc | Self::AveragePrecision)
    }
}
