//! The rows of a test, as sources in place of the program's.

use super::slice::Slice;
use super::value::{Clock, time, value};
use crate::memory::MemorySource;
use crate::planner::names::unknown_column;
use crate::planner::{self, Given as Planned};
use arrow::array::{ArrayRef, RecordBatch, TimestampMicrosecondArray, new_null_array};
use arrow::compute::concat;
use egret_connectors::Registry;
use egret_core::{EventTime, Source, StreamSchema};
use egret_dsl::{Diagnostic, Given, GivenRow, Program, Statement, Test, suggest};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The time between a row without a time and the row before it.
const PACE_US: i64 = 1_000_000;

/// The sources of a test's job: the given rows, and none for all other streams.
pub(super) type Sources = BTreeMap<String, MemorySource>;

/// The input of a test's job.
pub(super) struct GivenRows {
    pub(super) sources: Sources,
    /// The clock for the times in expectations.
    pub(super) clock: Clock,
    /// Whether the rows of the first clause have event time.
    pub(super) has_event_time: bool,
}

impl GivenRows {
    pub(super) fn as_sources(&self) -> BTreeMap<String, Arc<dyn Source>> {
        as_sources(&self.sources)
    }
}

fn as_sources(sources: &Sources) -> BTreeMap<String, Arc<dyn Source>> {
    sources.iter().map(|(name, source)| (name.clone(), Arc::new(source.clone()) as Arc<dyn Source>)).collect()
}

/// Makes the rows; streams that the test does not mention are empty.
pub(super) fn given(
    whole: &Program,
    slice: &Slice,
    target: &Statement,
    test: &Test,
    registry: &Registry,
) -> Result<GivenRows, Vec<Diagnostic>> {
    let (mut sources, mut wrong) = (Sources::new(), Vec::new());
    for statement in slice.statements() {
        if let Statement::CreateStream(stream) = statement {
            let schema = planner::sources::declared_schema(stream)?;
            sources.insert(stream.name.text.clone(), MemorySource::empty(schema));
        }
    }
    let mut clock = Clock::BEGINNING;
    let (mut latest, mut has_event_time) = (i64::MIN, true);
    let mut seen: Vec<String> = Vec::new();
    for (index, clause) in test.given.iter().enumerate() {
        let name = stream_of(clause, target, test)?;
        if seen.contains(&name) {
            let twice = Diagnostic::error(format!("the rows of `{name}` are given twice"));
            return Err(vec![twice.label(clause.span, "once more here").help("put all rows of a stream into one list")]);
        }
        let schema = schema_of(&name, (whole, slice), clause, &sources, registry)?;
        match rows(clause, &schema, &mut clock, index == 0) {
            Ok(rows) => {
                let source = MemorySource::new(schema.clone(), rows).map_err(planner::names::at(clause.span))?;
                sources.insert(name.clone(), source);
            }
            Err(more) => wrong.extend(more),
        }
        latest = latest.max(clock.last);
        has_event_time &= index > 0 || schema.event_time().is_some();
        seen.push(name);
    }
    clock.last = latest;
    if wrong.is_empty() { Ok(GivenRows { sources, clock, has_event_time }) } else { Err(wrong) }
}

/// The stream whose rows a clause gives.
fn stream_of(clause: &Given, target: &Statement, test: &Test) -> Result<String, Vec<Diagnostic>> {
    if let Some(stream) = &clause.stream {
        return Ok(stream.text.clone());
    }
    match target {
        Statement::CreatePattern(pattern) => {
            if let [only] = pattern.streams.as_slice() {
                return Ok(only.text.clone());
            }
        }
        other => {
            let read = planner::used::relations_of([other]);
            if let [only] = read.into_iter().collect::<Vec<_>>().as_slice() {
                return Ok(only.clone());
            }
        }
    }
    Err(vec![
        Diagnostic::error("whose rows are these?")
            .label(clause.span, format!("`{}` reads several streams", test.of))
            .help("name the stream: GIVEN txn (card, amount) (7, 5.0)"),
    ])
}

/// The schema of a stream: as declared, or that of its query.
fn schema_of(
    name: &str,
    (whole, slice): (&Program, &Slice),
    clause: &Given,
    sources: &Sources,
    registry: &Registry,
) -> Result<StreamSchema, Vec<Diagnostic>> {
    if let Some(source) = sources.get(name) {
        return Ok(source.schema().clone());
    }
    let given = Planned { sources: as_sources(sources), ..Planned::default() };
    let derived = slice.statements().iter().any(|statement| match statement {
        Statement::CreateStreamAs(stream) => stream.name.text == name,
        _ => false,
    });
    if derived && let Some(schema) = planner::schema_of(name, &slice.program(whole), registry, &given)? {
        return Ok(schema);
    }
    let place = clause.stream.as_ref().map_or(clause.span, |stream| stream.span);
    let is_pattern = |statement: &&Statement| matches!(statement, Statement::CreatePattern(pattern) if pattern.name.text == name);
    if let Some(pattern) = slice.statements().iter().find(is_pattern) {
        let read = streams_below(slice.statements(), pattern);
        let list = read.first().map_or("stream", String::as_str);
        return Err(vec![
            Diagnostic::error(format!("`{name}` is a pattern: its rows are its matches, which a test cannot give"))
                .label(place, format!("rows of `{name}`"))
                .help(format!("give rows of {}, which it reads: GIVEN {list} (columns) (values)", quoted(&read))),
        ]);
    }
    let names = slice.statements().iter().map(|statement| statement.name().text.as_str());
    Err(vec![
        Diagnostic::error(format!("`{name}` is no stream whose rows a test can give"))
            .label(place, "the pattern does not read it")
            .suggestion(suggest(name, names)),
    ])
}

/// The streams that a pattern reads, directly or through other patterns.
fn streams_below(statements: &[Statement], pattern: &Statement) -> Vec<String> {
    let mut found = Vec::new();
    let mut waiting = vec![pattern];
    while let Some(Statement::CreatePattern(pattern)) = waiting.pop() {
        for stream in &pattern.streams {
            match statements.iter().find(|statement| statement.name().text == stream.text) {
                Some(below @ Statement::CreatePattern(_)) => waiting.push(below),
                _ if !found.contains(&stream.text) => found.push(stream.text.clone()),
                _ => {}
            }
        }
    }
    found
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and ")
}

/// The rows of a clause; advances the clock.
fn rows(clause: &Given, schema: &StreamSchema, clock: &mut Clock, is_first: bool) -> Result<RecordBatch, Vec<Diagnostic>> {
    let names: Vec<String> = schema.arrow().fields().iter().map(|field| field.name().clone()).collect();
    let unknown: Vec<Diagnostic> = clause
        .columns
        .iter()
        .filter(|column| !names.contains(&column.text))
        .map(|column| unknown_column(&column.text, column.span, &names))
        .collect();
    if !unknown.is_empty() {
        return Err(unknown);
    }
    clock.last = clock.start;
    let (mut columns, mut wrong) = (vec![Vec::new(); names.len()], Vec::new());
    for (number, row) in clause.rows.iter().enumerate() {
        match values(row, clause, schema, clock, (is_first, number)) {
            Ok(values) => columns.iter_mut().zip(values).for_each(|(column, value)| column.push(value)),
            Err(fault) => wrong.push(fault),
        }
    }
    if !wrong.is_empty() {
        return Err(wrong);
    }
    let one_column = |values: Vec<ArrayRef>| concat(&values.iter().map(AsRef::as_ref).collect::<Vec<_>>());
    let rows = columns
        .into_iter()
        .map(one_column)
        .collect::<Result<Vec<_>, _>>()
        .and_then(|columns| RecordBatch::try_new(Arc::clone(schema.arrow()), columns));
    rows.map_err(|error| planner::names::at(clause.span)(error.into()))
}

/// The values of a row, one for each column of the stream.
fn values(
    row: &GivenRow,
    clause: &Given,
    schema: &StreamSchema,
    clock: &mut Clock,
    (is_first, number): (bool, usize),
) -> Result<Vec<ArrayRef>, Diagnostic> {
    let place = |name: &str| clause.columns.iter().position(|column| column.text == name);
    let at = schema.event_time().and_then(|column| place(schema.arrow().field(column).name()));
    let now = match at.and_then(|at| row.values.get(at)) {
        Some(written) => time(written, *clock)?,
        None if number == 0 => EventTime(clock.start),
        None => EventTime(clock.last + PACE_US),
    };
    if number == 0 && is_first {
        clock.start = now.0;
        clock.last = now.0;
    }
    let column = |(index, field): (usize, &Arc<arrow::datatypes::Field>)| {
        if schema.event_time() == Some(index) {
            return Ok(Arc::new(TimestampMicrosecondArray::from(vec![now.0])) as ArrayRef);
        }
        let written = place(field.name()).and_then(|place| row.values.get(place));
        let filled = match written {
            Some(written) => value(written, field.data_type(), *clock)?,
            None => new_null_array(field.data_type(), 1),
        };
        if filled.is_null(0) && !field.is_nullable() {
            let fault = Diagnostic::error(format!("the column `{}` cannot be null", field.name()));
            return Err(fault.label(written.map_or(row.span, egret_dsl::TestValue::span), "this row has no value for it"));
        }
        Ok(filled)
    };
    let filled = schema.arrow().fields().iter().enumerate().map(column).collect::<Result<Vec<_>, _>>()?;
    clock.last = now.0;
    Ok(filled)
}
