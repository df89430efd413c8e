//! What happens to rows that cannot be read.

use super::JsonEncoder;
use super::column::{Fault, cut};
use super::dead_letters::{DeadLetters, LettersEnd};
use crate::options::{OptionError, Options};
use arrow::array::RecordBatch;
use egret_core::bad_rows::DeadLetter;
use egret_core::metrics::Counters;
use egret_core::{BadRow, Error, Result};
use std::path::PathBuf;
use std::sync::Arc;

/// Remarks a reader makes about single rows; the rest is only counted.
const NOTED_MAX: u64 = 3;

/// The policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BadRows {
    /// The job ends with an error that says where the row is.
    #[default]
    Fail,
    /// The row is counted and left out.
    Skip,
    /// The row is counted, left out and written to a file, one JSON object a line:
    /// `{"file", "line", "column", "value", "reason", "row"}`.
    DeadLetter,
    /// The row is counted, left out and given to the job, which has a sink for such rows.
    Sink,
}

impl BadRows {
    /// From the option `bad_rows`.
    ///
    /// # Errors
    /// It is none of `fail`, `skip`, `dead_letter`.
    pub fn from_options(options: &Options) -> Result<Self, OptionError> {
        let words = [("fail", Self::Fail), ("skip", Self::Skip), ("dead_letter", Self::DeadLetter), ("sink", Self::Sink)];
        Ok(options.choice("bad_rows", &words)?.unwrap_or_default())
    }
}

/// Deals with the bad rows of one reader.
pub(crate) struct BadRowHandler {
    policy: BadRows,
    /// What the input is: a file, a socket.
    kind: &'static str,
    file: String,
    counters: Arc<Counters>,
    count: u64,
    letters: DeadLetters,
    /// Of [`BadRows::Sink`]: what the job has not taken yet.
    given: Vec<DeadLetter>,
}

impl BadRowHandler {
    /// `file` names the input in messages; dead letters go to `dead_letter_path`.
    pub(crate) fn new(policy: BadRows, file: String, dead_letter_path: PathBuf, counters: Arc<Counters>) -> Self {
        Self { policy, kind: "file", file, counters, count: 0, letters: DeadLetters::new(dead_letter_path), given: Vec::new() }
    }

    /// With another word than `file` for what the input is.
    pub(crate) fn of_kind(self, kind: &'static str) -> Self {
        Self { kind, ..self }
    }

    /// What names the input in messages.
    pub(crate) fn file(&self) -> &str {
        &self.file
    }

    /// The counters of the source.
    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Called once before the first row: dead letters of an earlier run go, or, when the reader continues from a
    /// checkpoint, those that were written after it.
    pub(crate) fn start(&mut self, end: LettersEnd) -> Result<()> {
        if self.policy == BadRows::DeadLetter { self.letters.start(end) } else { Ok(()) }
    }

    /// Where the dead letters end that are there, whoever wrote them.
    pub(crate) fn letters_there(&self) -> Result<LettersEnd> {
        if self.policy == BadRows::DeadLetter { self.letters.there() } else { Ok(LettersEnd::default()) }
    }

    /// Where the dead letters end.
    pub(crate) fn letters_end(&self) -> LettersEnd {
        self.letters.end()
    }

    /// Deals with a bad row. `unit` is what `line` counts: "line", or "row" where there are no lines.
    pub(crate) fn handle(&mut self, unit: &str, line: u64, row: &[u8], fault: &Fault) -> Result<()> {
        if self.policy == BadRows::Fail {
            return Err(Error::data(describe(unit, line, row, fault))
                .context(format!("{} {}", self.kind, self.file))
                .help("mend the row, or set bad_rows = 'skip' or 'dead_letter' to go on without it"));
        }
        Counters::add(&self.counters.bad, 1);
        if self.count < NOTED_MAX {
            self.counters.note(format!("skipped: {} {}: {}", self.kind, self.file, describe(unit, line, row, fault)));
        }
        self.count += 1;
        match self.policy {
            BadRows::DeadLetter => self.letters.write(&letter(&self.file, line, row, fault)),
            BadRows::Sink => {
                self.given.push(DeadLetter {
                    place: format!("{} {}, {unit} {line}", self.kind, self.file),
                    column: fault.column.clone(),
                    value: fault.value.clone(),
                    reason: fault.reason.clone(),
                    row: String::from_utf8_lossy(row).into_owned(),
                });
                Ok(())
            }
            BadRows::Fail | BadRows::Skip => Ok(()),
        }
    }

    /// Deals with rows that were given and cannot be used after all; `line_of` says where each stands. The row itself is shown as JSON of
    /// the columns that were read.
    pub(crate) fn refuse(
        &mut self,
        unit: &str,
        rows: &RecordBatch,
        bad: &[BadRow],
        line_of: impl Fn(usize) -> u64,
    ) -> Result<()> {
        for bad in bad {
            let mut row = Vec::new();
            JsonEncoder::new(rows.schema_ref().fields()).encode(&rows.slice(bad.row, 1), &mut row)?;
            let BadRow { column, value, reason, .. } = bad.clone();
            let fault = Fault { column: Some(column), value: Some(value), reason };
            self.handle(unit, line_of(bad.row), row.trim_ascii_end(), &fault)?;
        }
        self.flush()
    }

    /// The bad rows for the job's sink since the last call.
    pub(crate) fn take_letters(&mut self) -> Vec<DeadLetter> {
        std::mem::take(&mut self.given)
    }

    /// Makes dead letters visible.
    pub(crate) fn flush(&mut self) -> Result<()> {
        self.letters.flush()
    }
}

/// `line 3, column 'amount': 'abc' (it is not a number of DOUBLE)`.
fn describe(unit: &str, line: u64, row: &[u8], fault: &Fault) -> String {
    let column = fault.column.as_ref().map(|name| format!(", column '{name}'")).unwrap_or_default();
    let value = match &fault.value {
        Some(value) => format!("'{value}': "),
        None if row.is_empty() => String::new(),
        None => format!("'{}': ", cut(row)),
    };
    format!("{unit} {line}{column}: {value}{}", fault.reason)
}

fn letter(file: &str, line: u64, row: &[u8], fault: &Fault) -> Vec<u8> {
    let mut out = Vec::with_capacity(row.len() + 200);
    let mut member = |name: &str, value: Option<&str>| {
        out.extend_from_slice(name.as_bytes());
        match value {
            Some(text) => JsonEncoder::write_string(text, &mut out),
            None => out.extend_from_slice(b"null"),
        }
    };
    member("{\"file\":", Some(file));
    member(&format!(",\"line\":{line},\"column\":"), fault.column.as_deref());
    member(",\"value\":", fault.value.as_deref());
    member(",\"reason\":", Some(&fault.reason));
    let row = String::from_utf8_lossy(row);
    member(",\"row\":", Some(&row));
    out.extend_from_slice(b"}\n");
    out
}
