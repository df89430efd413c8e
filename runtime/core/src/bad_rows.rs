//! Bad rows: rows for which an expression cannot be computed, such as a sum that overflows its type, a division by zero or a
//! failed cast.
//!
//! The owner of a stream chooses the policy for them, as for rows that cannot be read. Operators find bad rows
//! ([`crate::expr::compute`]) and describe each of them ([`Uncomputed`]); [`Context::refuse`] applies the policy.
//!
//! [`Context::refuse`]: crate::Context::refuse

use crate::expr::{Expression, Fault, OUT_OF_RANGE, show};
use crate::{Batch, Error, Result, StreamSchema};
use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field};
use std::sync::{Arc, LazyLock};

/// The name of the side output to which an operator writes its bad rows.
pub const LETTERS: &str = "bad rows";

/// How many remarks an operator makes about single rows; all further rows are only counted.
pub(crate) const NOTED_MAX: u64 = 3;

/// How many characters of a row messages show.
const ROW_MAX: usize = 300;

/// What happens to bad rows, from the mildest policy to the strictest. Where several streams come together the strictest applies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BadRows {
    /// The row is counted and left out.
    Skip,
    /// The row is counted, left out and written to the side output [`LETTERS`] of its operator.
    DeadLetter,
    /// The job ends with an error that says what could not be computed.
    #[default]
    Fail,
}

/// The policy for the bad rows of a node of the job graph.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BadRowRule {
    /// The policy.
    pub policy: BadRows,
    /// The stream whose owner chose the policy.
    pub stream: Option<Arc<str>>,
    /// The statement that the node belongs to, for messages.
    pub statement: Arc<str>,
}

impl BadRowRule {
    /// The stricter of two rules.
    #[must_use]
    pub fn or_stricter(&self, other: &Self) -> Self {
        if other.policy > self.policy { other.clone() } else { self.clone() }
    }
}

/// An expression that could not be computed for a row, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Uncomputed {
    /// The part that the expression belongs to, where its operator has several: `pattern a`.
    pub of: Option<String>,
    /// The expression, as it was written.
    pub expression: String,
    /// The values that the expression reads: `amount = 'n/a'`.
    pub values: String,
    /// Why it could not be computed.
    pub reason: String,
    /// The row, as JSON.
    pub row: String,
}

impl Uncomputed {
    /// An expression that failed for row `row` of `rows`.
    pub fn new(expression: &Expression, rows: &RecordBatch, row: usize, reason: &str) -> Self {
        Self {
            of: None,
            expression: expression.text(),
            values: expression.values_read(rows, row),
            reason: reason.to_owned(),
            row: show::json(rows, row),
        }
    }

    /// The faults of `expressions` over `rows`.
    pub fn of_faults(faults: &[Fault], expressions: &[&Expression], rows: &RecordBatch) -> Vec<Self> {
        faults.iter().map(|fault| Self::new(expressions[fault.expression], rows, fault.row, &fault.reason)).collect()
    }

    /// The same failure, with the row as the operator received it.
    #[must_use]
    pub fn with_row(self, rows: &RecordBatch, row: usize) -> Self {
        Self { row: show::json(rows, row), ..self }
    }

    /// The same failure, of a part of the operator such as `pattern a`.
    #[must_use]
    pub fn of(self, of: impl Into<String>) -> Self {
        Self { of: Some(of.into()), ..self }
    }

    /// The error with which the job ends if the policy says so.
    pub(crate) fn error(&self, rule: &BadRowRule) -> Error {
        let error = Error::data(format!("{} (row {})", self.text(), cut(&self.row)));
        let error = if rule.statement.is_empty() { error } else { error.context(rule.statement.to_string()) };
        let stream = rule.stream.as_ref().map_or_else(|| "of the stream".to_owned(), |stream| format!("of `{stream}`"));
        error.help(format!("{}, or set bad_rows = 'skip' or 'dead_letter' {stream} to go on without such rows", self.remedy()))
    }

    /// As `cents + cents` cannot be computed where cents = 3: why.
    pub(crate) fn text(&self) -> String {
        let of = self.of.as_ref().map(|of| format!("{of}: ")).unwrap_or_default();
        let values = if self.values.is_empty() { String::new() } else { format!(" where {}", self.values) };
        format!("{of}`{}` cannot be computed{values}: {}", self.expression, self.reason)
    }

    fn remedy(&self) -> &'static str {
        let reason = self.reason.to_ascii_lowercase();
        if reason.contains(OUT_OF_RANGE) || reason.contains("overflow") {
            "compute in a wider type, such as CAST(... AS BIGINT) or CAST(... AS DOUBLE)"
        } else if reason.contains("zero") {
            "guard it, as in x / nullif(n, 0), which is null where n is 0"
        } else if reason.contains("cast") || reason.contains("pars") {
            "write TRY_CAST, which gives null where there is no such value"
        } else {
            "guard it with a condition"
        }
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(ROW_MAX) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}...", &text[..end]),
    }
}

/// The columns of the side output [`LETTERS`].
pub fn letters_schema() -> &'static StreamSchema {
    static SCHEMA: LazyLock<StreamSchema> = LazyLock::new(|| {
        let text = |name: &str| Field::new(name, DataType::Utf8, false);
        let columns = ["statement", "operator", "expression", "values", "reason", "row"].map(text).to_vec();
        StreamSchema::new(columns, None).expect("the names are different")
    });
    &SCHEMA
}

/// A row that a source could not read, on its way to a sink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Where it stands: `file txn.csv, line 3`.
    pub place: String,
    /// The column that is wrong, if it is one.
    pub column: Option<String>,
    /// What stands there.
    pub value: Option<String>,
    /// What is wrong.
    pub reason: String,
    /// The row as it was read.
    pub row: String,
}

/// The rows of the side output [`LETTERS`] of a source: `operator` is where the row stands, `expression` the column.
///
/// # Errors
/// Never: the columns are those of the schema.
pub fn letters_of_source(all: &[DeadLetter], rule: &BadRowRule) -> Result<Batch> {
    let column =
        |of: &dyn Fn(&DeadLetter) -> String| Arc::new(all.iter().map(|one| Some(of(one))).collect::<StringArray>()) as ArrayRef;
    let columns = vec![
        column(&|_| rule.statement.to_string()),
        column(&|one| one.place.clone()),
        column(&|one| one.column.clone().unwrap_or_default()),
        column(&|one| one.value.clone().unwrap_or_default()),
        column(&|one| one.reason.clone()),
        column(&|one| one.row.clone()),
    ];
    let schema = letters_schema();
    Batch::new(RecordBatch::try_new(Arc::clone(schema.arrow()), columns)?, schema)
}

/// The rows of the side output [`LETTERS`].
pub(crate) fn letters(all: &[Uncomputed], rule: &BadRowRule, operator: &str) -> Result<Batch> {
    let column =
        |of: &dyn Fn(&Uncomputed) -> String| Arc::new(all.iter().map(|one| Some(of(one))).collect::<StringArray>()) as ArrayRef;
    let statement = |one: &Uncomputed| match &one.of {
        Some(of) => of.clone(),
        None => rule.statement.to_string(),
    };
    let columns = vec![
        column(&statement),
        column(&|_| operator.to_owned()),
        column(&|one| one.expression.clone()),
        column(&|one| one.values.clone()),
        column(&|one| one.reason.clone()),
        column(&|one| one.row.clone()),
    ];
    let schema = letters_schema();
    Batch::new(RecordBatch::try_new(Arc::clone(schema.arrow()), columns)?, schema)
}
