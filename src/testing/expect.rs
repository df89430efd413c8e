//! Compares what a test found with what it expected.
//!
//! Each expectation is satisfied by at most one match, and each match satisfies at most one expectation: they are paired so that
//! as few as possible are left over (augmenting paths; H. W. Kuhn, 1955). What is left over is shown with the most similar
//! counterpart.

use super::value::{Clock, same, time, value};
use crate::memory::MemorySink;
use crate::planner::names::unknown_column;
use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::TimestampMicrosecondType;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use egret_core::{EventTime, StreamSchema};
use egret_dsl::{Diagnostic, ExpectKind, ExpectedColumn, Program, Span, Test};
use std::fmt;

/// A difference from what a test expects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// A match or timeout that was expected was not found.
    Missing {
        /// `match` or `timeout`.
        what: &'static str,
        /// The line of the expectation, from one.
        line: usize,
        /// The values that were expected.
        expected: String,
        /// The differences from the most similar one found that satisfies no other expectation.
        nearest: Vec<Difference>,
    },
    /// A match or timeout was found that was not expected.
    Unexpected {
        /// `match` or `timeout`.
        what: &'static str,
        /// All its values.
        found: String,
    },
    /// A match was decided although there should have been none by that time.
    TooEarly {
        /// The line of the expectation, from one.
        line: usize,
        /// All its values.
        found: String,
        /// When it was decided, and the time by which there should be none.
        times: (EventTime, EventTime),
    },
    /// The job of the test failed.
    Failed(String),
}

/// A column whose value differs from the expected one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The column.
    pub column: String,
    /// What it should be.
    pub expected: String,
    /// What it is.
    pub found: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { what, line, expected, nearest } => {
                let expected = if expected.is_empty() { "of any kind" } else { expected };
                write!(f, "missing {what}, expected in line {line}: {expected}")?;
                let width = nearest.iter().map(|one| one.column.chars().count()).max().unwrap_or(0);
                for Difference { column, expected, found } in nearest {
                    write!(f, "\n  {column:width$}  expected {expected}, found {found}")?;
                }
                Ok(())
            }
            Self::Unexpected { what, found } => write!(f, "unexpected {what}: {found}"),
            Self::TooEarly { line, found, times: (at, by) } => {
                write!(f, "match decided at {at}, none was to be by {by} (line {line}): {found}")
            }
            Self::Failed(error) => write!(f, "the job failed: {error}"),
        }
    }
}

/// The output of a test's job.
pub(super) struct Found<'a> {
    pub(super) matches: Option<&'a MemorySink>,
    pub(super) timeouts: Option<&'a MemorySink>,
    pub(super) clock: Clock,
}

/// Checks that the expectations name columns of the matches, with values of their types.
pub(super) fn check(test: &Test, matches: &StreamSchema, clock: Clock) -> Result<(), Vec<Diagnostic>> {
    let table = Table::with_columns(matches);
    let wrong = test.expects.iter().filter_map(|expect| match &expect.kind {
        ExpectKind::Match(columns) | ExpectKind::Timeout(columns) => table.wanted(columns, clock, 0).err(),
        ExpectKind::NoMatch(Some(by)) => time(by, clock).err().map(|fault| vec![fault]),
        ExpectKind::NoMatch(None) | ExpectKind::NoTimeout => None,
    });
    let wrong: Vec<Diagnostic> = wrong.flatten().collect();
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

/// All differences from the expectations.
pub(super) fn compare(program: &Program, test: &Test, found: &Found<'_>) -> Result<Vec<Finding>, Vec<Diagnostic>> {
    let matches = Table::of(found.matches);
    let timeouts = Table::of(found.timeouts);
    let line = |span: Span| program.source.line_column(span.start).0;
    let (mut wanted, mut wanted_timeouts) = (Vec::new(), Vec::new());
    let (mut findings, mut wrong) = (Vec::new(), Vec::new());
    let mut timeouts_matter = false;
    for expect in &test.expects {
        let line = line(expect.span);
        match &expect.kind {
            ExpectKind::Match(columns) => keep(matches.wanted(columns, found.clock, line), &mut wanted, &mut wrong),
            ExpectKind::Timeout(columns) => {
                timeouts_matter = true;
                keep(timeouts.wanted(columns, found.clock, line), &mut wanted_timeouts, &mut wrong);
            }
            ExpectKind::NoTimeout => timeouts_matter = true,
            ExpectKind::NoMatch(None) => {}
            ExpectKind::NoMatch(Some(by)) => match time(by, found.clock) {
                Ok(by) => findings.extend(matches.decided_by(by, line)),
                Err(fault) => wrong.push(fault),
            },
        }
    }
    if !wrong.is_empty() {
        return Err(wrong);
    }
    // If a test asks only about a time or about timeouts, other matches do not matter.
    let asks = |kind: &ExpectKind| matches!(kind, ExpectKind::Match(_) | ExpectKind::NoMatch(None));
    if test.expects.iter().any(|expect| asks(&expect.kind)) {
        findings.extend(matches.differences("match", &wanted));
    }
    if timeouts_matter {
        findings.extend(timeouts.differences("timeout", &wanted_timeouts));
    }
    Ok(findings)
}

fn keep<T>(one: Result<T, Vec<Diagnostic>>, kept: &mut Vec<T>, wrong: &mut Vec<Diagnostic>) {
    match one {
        Ok(one) => kept.push(one),
        Err(more) => wrong.extend(more),
    }
}

/// The values that one expectation asks for.
struct Wanted {
    line: usize,
    /// Column indexes and their values.
    values: Vec<(usize, ArrayRef)>,
}

/// Rows that were found.
struct Table {
    names: Vec<String>,
    types: Vec<arrow::datatypes::DataType>,
    rows: Vec<Vec<ArrayRef>>,
    times: Vec<EventTime>,
}

impl Table {
    fn with_columns(schema: &StreamSchema) -> Self {
        let fields = schema.arrow().fields();
        Self {
            names: fields.iter().map(|field| field.name().clone()).collect(),
            types: fields.iter().map(|field| field.data_type().clone()).collect(),
            rows: Vec::new(),
            times: Vec::new(),
        }
    }

    fn of(sink: Option<&MemorySink>) -> Self {
        let empty = || Self { names: Vec::new(), types: Vec::new(), rows: Vec::new(), times: Vec::new() };
        let mut table = sink.and_then(MemorySink::schema).map_or_else(empty, |schema| Self::with_columns(&schema));
        for batch in sink.map(MemorySink::batches).unwrap_or_default() {
            let columns = batch.rows().columns();
            table.rows.extend((0..batch.num_rows()).map(|row| columns.iter().map(|column| column.slice(row, 1)).collect()));
            match batch.event_times() {
                Some(all) => table.times.extend(all.iter().map(|time| EventTime(*time))),
                None => table.times.extend(std::iter::repeat_n(EventTime::MIN, batch.num_rows())),
            }
        }
        table
    }

    fn wanted(&self, columns: &[ExpectedColumn], clock: Clock, line: usize) -> Result<Wanted, Vec<Diagnostic>> {
        let (mut values, mut wrong) = (Vec::new(), Vec::new());
        for ExpectedColumn { column, value: written } in columns {
            match self.names.iter().position(|name| *name == column.text) {
                None => wrong.push(unknown_column(&column.text, column.span, &self.names)),
                Some(place) => match value(written, &self.types[place], clock) {
                    Ok(value) => values.push((place, value)),
                    Err(fault) => wrong.push(fault),
                },
            }
        }
        if wrong.is_empty() { Ok(Wanted { line, values }) } else { Err(wrong) }
    }

    fn fits(&self, wanted: &Wanted, row: usize) -> bool {
        wanted.values.iter().all(|(column, value)| same(value, &self.rows[row][*column]))
    }

    fn decided_by(&self, by: EventTime, line: usize) -> Vec<Finding> {
        let early = (0..self.rows.len()).filter(|&row| self.times[row] <= by);
        early.map(|row| Finding::TooEarly { line, found: self.show(row), times: (self.times[row], by) }).collect()
    }

    /// The row that satisfies each expectation; `None` for those left over.
    fn pair(&self, wanted: &[Wanted]) -> Vec<Option<usize>> {
        let mut taken: Vec<Option<usize>> = vec![None; self.rows.len()];
        for one in 0..wanted.len() {
            self.settle(wanted, one, &mut taken, &mut vec![false; self.rows.len()]);
        }
        (0..wanted.len()).map(|one| taken.iter().position(|by| *by == Some(one))).collect()
    }

    /// Finds a row for an expectation, moving other expectations to other rows if needed.
    fn settle(&self, wanted: &[Wanted], one: usize, taken: &mut [Option<usize>], seen: &mut [bool]) -> bool {
        for row in 0..self.rows.len() {
            if seen[row] || !self.fits(&wanted[one], row) {
                continue;
            }
            seen[row] = true;
            if taken[row].is_none_or(|other| self.settle(wanted, other, taken, seen)) {
                taken[row] = Some(one);
                return true;
            }
        }
        false
    }

    fn differences(&self, what: &'static str, wanted: &[Wanted]) -> Vec<Finding> {
        let pairs = self.pair(wanted);
        let mut free: Vec<usize> = (0..self.rows.len()).filter(|row| !pairs.contains(&Some(*row))).collect();
        let mut findings = Vec::new();
        for (one, _) in wanted.iter().zip(&pairs).filter(|(_, row)| row.is_none()) {
            let differing =
                |row: usize| one.values.iter().filter(|(column, value)| !same(value, &self.rows[row][*column])).count();
            let nearest = free.iter().copied().min_by_key(|&row| (differing(row), row));
            free.retain(|row| Some(*row) != nearest);
            findings.push(Finding::Missing {
                what,
                line: one.line,
                expected: self.show_values(one.values.iter().map(|(column, value)| (*column, value))),
                nearest: nearest.map(|row| self.difference(one, row)).unwrap_or_default(),
            });
            findings.extend(nearest.map(|row| Finding::Unexpected { what, found: self.show(row) }));
        }
        findings.extend(free.into_iter().map(|row| Finding::Unexpected { what, found: self.show(row) }));
        findings
    }

    fn difference(&self, wanted: &Wanted, row: usize) -> Vec<Difference> {
        let differing = wanted.values.iter().filter(|(column, value)| !same(value, &self.rows[row][*column]));
        let shown = |(column, value): &(usize, ArrayRef)| Difference {
            column: self.names[*column].clone(),
            expected: show(value),
            found: show(&self.rows[row][*column]),
        };
        differing.map(shown).collect()
    }

    fn show(&self, row: usize) -> String {
        self.show_values(self.rows[row].iter().enumerate())
    }

    fn show_values<'a>(&self, values: impl Iterator<Item = (usize, &'a ArrayRef)>) -> String {
        values.map(|(column, value)| format!("{} = {}", self.names[column], show(value))).collect::<Vec<_>>().join(", ")
    }
}

/// A value in the language's syntax.
fn show(value: &ArrayRef) -> String {
    if value.is_null(0) {
        return "null".into();
    }
    if let Some(time) = value.as_primitive_opt::<TimestampMicrosecondType>() {
        return format!("'{}'", EventTime(time.value(0)));
    }
    let options = FormatOptions::default().with_timestamp_format(Some("%Y-%m-%d %H:%M:%S%.3f"));
    let shown = match ArrayFormatter::try_new(value.as_ref(), &options) {
        Ok(formatter) => formatter.value(0).to_string(),
        Err(error) => error.to_string(),
    };
    if value.data_type().is_numeric() || *value.data_type() == arrow::datatypes::DataType::Boolean {
        return shown;
    }
    format!("'{}'", shown.replace('\'', "''"))
}
