//! The subject of an error, as data: callers with the statement's text find the place by it, however the message is worded.

/// A part of a statement that an error is about, by the name that the statement's description uses.
///
/// Of nested parts an error has several, the innermost first: see [`crate::Error::about`].
///
/// ```
/// use egret_core::{Error, Subject};
/// let error = Error::job("it is a value of type Int64, not a condition").about(Subject::Define("b".into()));
/// assert_eq!(error.subjects(), [Subject::Define("b".into())]);
/// assert_eq!(error.to_string(), "it is a value of type Int64, not a condition", "only code reads it");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A column of a stream.
    Column(String),
    /// A column of `PARTITION BY`.
    Partition(String),
    /// `ORDER BY`.
    Order,
    /// `WITHIN`.
    Within,
    /// `AFTER MATCH`.
    AfterMatch,
    /// A variable where it stands in a pattern.
    Variable(String),
    /// The condition of a variable.
    Define(String),
    /// A condition that ends a repetition, as text.
    Until(String),
    /// A name for several variables.
    Subset(String),
    /// A measure, by the name of its column.
    Measure(String),
    /// A feature of a model.
    Feature(String),
    /// The label of a model.
    Label,
    /// A metric of a model.
    Metric(String),
    /// An option, or an argument given by name.
    Option(String),
    /// A stream, by its name.
    Stream(String),
    /// A sink, by its name.
    Sink(String),
}
