//! `docs/patterns.md` agrees with the engine: its examples are run, and the results are compared with those on the page.
//! `EGRET_BLESS=1` writes the results into the file.
//!
//! An example is a block that begins with `events`, or with `timeouts` to show the partial matches that timed out as well, and
//! the events: `a1` has the kind a and the time 1 s, `b4=7` also the value 7. Each other line is the text after `MATCH` in a
//! pattern, ` => ` and the result. A variable of one letter takes the events of its kind unless the line defines it otherwise.

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Int64Type, TimestampMicrosecondType};
use arrow::record_batch::RecordBatch;
use egret::core::StreamSchema;
use egret::dsl::{PatternItem, PatternNode, Statement, parse};
use egret::memory::MemorySource;
use egret::prelude::*;
use std::sync::Arc;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/patterns.md");
const BEGIN: &str = "```text\n";

#[test]
fn the_examples_find_what_the_page_says() {
    let page = std::fs::read_to_string(FILE).unwrap();
    let (mut now, mut rest, mut lines) = (String::new(), page.as_str(), 0);
    while let Some((before, after)) = rest.split_once(BEGIN) {
        let (block, behind) = after.split_once("```").expect("a block that ends");
        now.push_str(before);
        now.push_str(BEGIN);
        match block.starts_with("events") || block.starts_with("timeouts") {
            true => {
                lines += block.matches(" =>").count();
                now.push_str(&example(block));
            }
            false => now.push_str(block),
        }
        now.push_str("```");
        rest = behind;
    }
    now.push_str(rest);
    assert!(lines > 40, "{lines} examples");
    if std::env::var_os("EGRET_BLESS").is_some() {
        std::fs::write(FILE, now).unwrap();
        return;
    }
    for (says, is) in page.lines().zip(now.lines()) {
        assert_eq!(says, is, "docs/patterns.md differs from what the engine finds; EGRET_BLESS=1 corrects it");
    }
    assert_eq!(page, now);
}

/// A block with the results of its examples.
fn example(block: &str) -> String {
    let mut lines = block.lines();
    let head = lines.next().expect("a block has lines");
    let (word, events) = head.split_once(' ').expect("events");
    let events: Vec<Event> = events.split_whitespace().map(Event::read).collect();
    let patterns: Vec<&str> = lines.map(|line| line.split(" =>").next().expect("a pattern").trim_end()).collect();
    let width = patterns.iter().map(|pattern| pattern.chars().count()).max().unwrap_or(0);
    let mut text = format!("{head}\n");
    for pattern in patterns {
        if pattern.is_empty() {
            text.push('\n');
            continue;
        }
        let found = find(pattern, &events, word == "timeouts");
        text.push_str(&format!("{pattern:width$} => {found}\n"));
    }
    text
}

struct Event {
    name: String,
    kind: String,
    at: i64,
    value: Option<f64>,
}

impl Event {
    fn read(text: &str) -> Self {
        let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
        let digits = name.find(|c: char| c.is_ascii_digit()).expect("an event has a time");
        Self {
            name: name.to_owned(),
            kind: name[..digits].to_owned(),
            at: name[digits..].parse().unwrap(),
            value: value.map(|value| value.parse().unwrap()),
        }
    }
}

const STREAM: &str = "CREATE STREAM t (kind STRING, v DOUBLE, at TIMESTAMP, WATERMARK FOR at AS at) WITH (connector = 'memory');
    CREATE SINK found WITH (connector = 'memory'); CREATE SINK timeouts WITH (connector = 'memory');";

/// The result of a pattern, in words.
fn find(pattern: &str, events: &[Event], timeouts: bool) -> String {
    // Options stand after SELECT.
    let (pattern, options) = pattern.split_at(pattern.find(" WITH (").unwrap_or(pattern.len()));
    let (clauses, variables) = completed(pattern);
    let columns: Vec<String> = variables.iter().map(|name| format!("array_agg({name}.at) AS {name}")).collect();
    let text = format!(
        "{STREAM} CREATE PATTERN p ON t MATCH {clauses} SELECT {}, match_time AS decided {options};
         INSERT INTO found SELECT * FROM p; INSERT INTO timeouts SELECT * FROM p.timed_out;",
        columns.join(", ")
    );
    let (found, timed_out) = (MemorySink::new(), MemorySink::new());
    let program = Program::new(pattern, &text)
        .with_source("t", Arc::new(source(events)))
        .with_sink("found", Arc::new(found.clone()))
        .with_sink("timeouts", Arc::new(timed_out.clone()));
    let plan = program.plan().unwrap_or_else(|errors| panic!("{errors}"));
    run(&plan.job, &RunConfig::with_workers(1)).unwrap();
    let mut shown = show(&found, events, "nothing");
    if timeouts {
        shown = format!("{shown}; timed out: {}", show(&timed_out, events, "none"));
    }
    shown
}

fn source(events: &[Event]) -> MemorySource {
    let schema = StreamSchema::new(
        vec![Field::new("kind", DataType::Utf8, true), Field::new("v", DataType::Float64, true), StreamSchema::time_field("at")],
        Some("at"),
    );
    let schema = schema.unwrap();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(events.iter().map(|event| &event.kind))),
        Arc::new(Float64Array::from_iter(events.iter().map(|event| event.value))),
        Arc::new(TimestampMicrosecondArray::from_iter_values(events.iter().map(|event| event.at * 1_000_000))),
    ];
    MemorySource::new(schema.clone(), RecordBatch::try_new(Arc::clone(schema.arrow()), columns).unwrap()).unwrap()
}

/// The clauses with a condition for every variable of one letter, and the variables that take events.
fn completed(pattern: &str) -> (String, Vec<String>) {
    let text = format!("CREATE PATTERN p ON t MATCH {pattern} SELECT x;");
    let (program, wrong) = parse(&text);
    assert!(wrong.is_empty(), "{pattern}: {wrong:?}");
    let Some(Statement::CreatePattern(statement)) = program.statements.first() else { panic!("{pattern}") };
    let own = |name: &str| statement.defines.iter().any(|define| define.variable.text == name);
    let given = statement.defines.iter().map(|define| define.span().of(&text).to_owned());
    let by_kind = statement.pattern.variables().map(|name| name.text.as_str()).filter(|name| name.len() == 1 && !own(name));
    let defines: Vec<String> = given.chain(by_kind.map(|name| format!("{name} AS kind = '{name}'"))).collect();
    let end = statement.defines.last().map_or(statement.pattern.span.end, |define| define.span().end);
    let behind = text[end..].split(" SELECT x;").next().unwrap_or_default();
    let define = if defines.is_empty() { String::new() } else { format!("DEFINE {}", defines.join(", ")) };
    (format!("{} {define} {behind}", statement.pattern.span.of(&text)), taking(&statement.pattern))
}

fn taking(node: &PatternNode) -> Vec<String> {
    match &node.item {
        _ if node.negated => Vec::new(),
        PatternItem::Variable(name) => vec![name.text.clone()],
        item => item.sequences().iter().flatten().flat_map(taking).collect(),
    }
}

/// The matches in the order in which they were decided, with the time if it is not that of the last event.
fn show(sink: &MemorySink, events: &[Event], none: &str) -> String {
    let mut matches: Vec<(i64, Vec<i64>)> = Vec::new();
    for batch in sink.batches() {
        let (decided, variables) = batch.rows().columns().split_last().expect("the time is a column");
        for row in 0..batch.num_rows() {
            let mut times: Vec<i64> = variables.iter().flat_map(|column| list(column, row)).map(|us| us / 1_000_000).collect();
            times.sort_unstable();
            matches.push((decided.as_primitive::<TimestampMicrosecondType>().value(row) / 1_000_000, times));
        }
    }
    matches.sort();
    let name = |time: &i64| events.iter().find(|event| event.at == *time).map_or("?", |event| event.name.as_str());
    let one = |(decided, times): &(i64, Vec<i64>)| {
        let names: Vec<&str> = times.iter().map(name).collect();
        let at = if times.last() == Some(decided) { String::new() } else { format!(" at {decided}") };
        names.join(" ") + &at
    };
    if matches.is_empty() { none.to_owned() } else { matches.iter().map(one).collect::<Vec<_>>().join(", ") }
}

fn list(column: &ArrayRef, row: usize) -> Vec<i64> {
    let lists = column.as_list::<i32>();
    if lists.is_null(row) {
        return Vec::new();
    }
    let times = arrow::compute::cast(&lists.value(row), &DataType::Int64).unwrap();
    times.as_primitive::<Int64Type>().iter().flatten().collect()
}
