//! `CREATE MODEL`: a model that learns from a stream.

use crate::{DurationLit, Literal, Name, Options, SelectItem, Span, Sql};

/// `CREATE MODEL name ON stream FEATURES ... [LABEL ... DELAYED BY ...] USING ... [EVALUATE ...] [VERSION EVERY ...] [WITH (uid = '...')]`.
#[derive(Debug, Clone)]
pub struct CreateModel {
    /// The model's name.
    pub name: Name,
    /// The stream it learns from.
    pub stream: Name,
    /// The values of a row that it learns from, at least one.
    pub features: Vec<SelectItem>,
    /// What it learns to predict; `None` if it learns without labels.
    pub label: Option<Label>,
    /// The learning algorithm.
    pub using: Algorithm,
    /// The metrics to report.
    pub evaluate: Vec<Name>,
    /// After how many rows to report them, at least one.
    pub every: Option<u64>,
    /// How often, in event time, readers see a new version; greater than zero.
    pub step: Option<DurationLit>,
    /// `WITH (uid = '...')`, if given.
    pub options: Options,
    /// All of the statement.
    pub span: Span,
}

/// `LABEL fraud DELAYED BY INTERVAL '1' DAY`.
#[derive(Debug, Clone)]
pub struct Label {
    /// The value that the model learns to predict.
    pub value: Sql,
    /// How long after the row it is known.
    pub delay: DurationLit,
}

/// `logistic_regression(learning_rate => 0.05)`.
#[derive(Debug, Clone)]
pub struct Algorithm {
    /// Its name.
    pub algorithm: Name,
    /// Its settings; no name comes twice.
    pub args: Vec<Argument>,
    /// All of it.
    pub span: Span,
}

/// `learning_rate => 0.05`.
#[derive(Debug, Clone)]
pub struct Argument {
    /// The setting.
    pub name: Name,
    /// Its value.
    pub value: Literal,
}
