//! Rows for which something cannot be computed: a sum that its type does not hold, a division by zero, a cast that fails.
//!
//! What becomes of them is up to the owner of the stream that a statement reads, as it is for rows that cannot be read. Operators find
//! them ([`crate::expr::compute`]) and say of each what could not be computed ([`Uncomputed`]); [`Context::refuse`] does what was
//! chosen.
//!
//! [`Context::refuse`]: crate::Context::refuse

use crate::expr::{Expression, Fault, OUT_OF_RANGE, show};
use crate::{Batch, Error, Result, StreamSchema};
use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field};
use std::sync::{Arc, LazyLock};

/// The name of an operator's side output with what is written of its bad rows.
pub const LETTERS: &str = "bad rows";

/// Remarks that an operator makes about single rows; the rest is only counted.
pub(crate) const NOTED_MAX: u64 = 3;

/// So many characters of a row are shown in messages.
const ROW_MAX: usize = 300;

/// What becomes of bad rows: from the mildest to the strictest, which is what counts where several streams come together.
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

/// What becomes of the bad rows of a node of the job graph.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BadRowRule {
    /// What becomes of them.
    pub policy: BadRows,
    /// The stream whose owner chose that.
    pub stream: Option<Arc<str>>,
    /// The statement that the node is of, for messages.
    pub statement: Arc<str>,
}

impl BadRowRule {
    /// The stricter of two.
    #[must_use]
    pub fn or_stricter(&self, other: &Self) -> Self {
        if other.policy > self.policy { other.clone() } else { self.clone() }
    }
}

/// Something that could not be computed of a row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Uncomputed {
    /// What it belongs to, where its operator is about several things: `pattern a`.
    pub of: Option<String>,
    /// The expression, as it was written.
    pub expression: String,
    /// The values that it reads: `amount = 'n/a'`.
    pub values: String,
    /// Why it could not be computed.
    pub reason: String,
    /// The row, as JSON.
    pub row: String,
}

impl Uncomputed {
    /// Of an expression over some rows.
    pub fn new(expression: &Expression, rows: &RecordBatch, row: usize, reason: &str) -> Self {
        Self {
            of: None,
            expression: expression.text(),
            values: expression.values_read(rows, row),
            reason: reason.to_owned(),
            row: show::json(rows, row),
        }
    }

    /// Of rows for which expressions could not be computed.
    pub fn of_faults(faults: &[Fault], expressions: &[&Expression], rows: &RecordBatch) -> Vec<Self> {
        faults.iter().map(|fault| Self::new(expressions[fault.expression], rows, fault.row, &fault.reason)).collect()
    }

    /// The same, of a row as it came.
    #[must_use]
    pub fn with_row(self, rows: &RecordBatch, row: usize) -> Self {
        Self { row: show::json(rows, row), ..self }
    }

    /// The same, as a part of something.
    #[must_use]
    pub fn of(self, of: impl Into<String>) -> Self {
        Self { of: Some(of.into()), ..self }
    }

    /// The error of a job that ends with it.
    pub(crate) fn error(&self, rule: &BadRowRule) -> Error {
        let error = Error::data(format!("{} (row {})", self.text(), cut(&self.row)));
        let error = if rule.statement.is_empty() { error } else { error.context(rule.statement.to_string()) };
        let stream = rule.stream.as_ref().map_or_else(|| "of the stream".to_owned(), |stream| format!("of `{stream}`"));
        error.help(format!("{}, or set bad_rows = 'skip' or 'dead_letter' {stream} to go on without such rows", self.remedy()))
    }

    /// `cents + cents` cannot be computed where cents = 3: why.
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

/// The columns of what is written of bad rows.
pub fn letters_schema() -> &'static StreamSchema {
    static SCHEMA: LazyLock<StreamSchema> = LazyLock::new(|| {
        let text = |name: &str| Field::new(name, DataType::Utf8, false);
        let columns = ["statement", "operator", "expression", "values", "reason", "row"].map(text).to_vec();
        StreamSchema::new(columns, None).expect("the names are different")
    });
    &SCHEMA
}

/// What is written of bad rows.
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
