//! Several patterns over one stream run as one operator, and each finds what it finds alone.

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field};
use egret::Program;
use egret::core::{JobGraph, StreamSchema};
use egret::engine::{RunConfig, run};
use egret::memory::{MemorySink, MemorySource};
use std::sync::Arc;

/// Patterns by name; each is inserted into `all`, and into a sink of its own.
const PATTERNS: [(&str, &str); 5] = [
    ("small", "MATCH a{2} -> b DEFINE a AS amount < 10, b AS amount > 80 WITHIN INTERVAL '1' MINUTE SELECT card, b.id AS id"),
    (
        "abroad",
        "MATCH a -> b DEFINE a AS amount > 90, b AS country <> a.country WITHIN INTERVAL '5' SECOND SELECT card, b.id AS id",
    ),
    ("silent", "MATCH a -> !b DEFINE a AS amount < 10, b AS amount > 20 WITHIN INTERVAL '2' SECOND SELECT card, a.id AS id"),
    ("strict", "MATCH a b DEFINE a AS amount < 50, b AS amount > 95 SELECT card, b.id AS id"),
    (
        "late",
        "MATCH a -> b DEFINE a AS amount > 50, b AS amount > 50 AND country = 'DE' WITHIN INTERVAL '1' SECOND
         AFTER MATCH SKIP PAST LAST EVENT SELECT card, b.id AS id",
    ),
];

fn rows() -> MemorySource {
    let schema = StreamSchema::new(
        vec![
            Field::new("card", DataType::Int64, false),
            Field::new("id", DataType::Int64, false),
            Field::new("amount", DataType::Float64, false),
            Field::new("country", DataType::Utf8, false),
            StreamSchema::time_field("at"),
        ],
        Some("at"),
    )
    .unwrap();
    let mut random = egret_testkit::Random::new(7);
    let count = 4_000_i64;
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values((0..count).map(|_| random.between(0, 20)))),
        Arc::new(Int64Array::from_iter_values(0..count)),
        Arc::new(Float64Array::from_iter_values((0..count).map(|_| random.between(0, 400) as f64 / 4.0))),
        Arc::new(StringArray::from_iter_values((0..count).map(|_| ["DE", "FR"][random.below(2)]))),
        Arc::new(TimestampMicrosecondArray::from_iter_values((0..count).map(|id| (id * 10 - random.between(0, 300)) * 1_000))),
    ];
    MemorySource::new(schema.clone(), RecordBatch::try_new(Arc::clone(schema.arrow()), columns).unwrap()).unwrap()
}

/// The job of some of the patterns, and its sinks: that of all, then each pattern's matches and time-outs, then late rows.
fn job(patterns: &[(&str, &str)]) -> (JobGraph, Vec<MemorySink>) {
    let mut text = "CREATE STREAM txn (card BIGINT, id BIGINT, amount DOUBLE, country STRING, at TIMESTAMP,
        WATERMARK FOR at AS at - INTERVAL '200' MILLISECOND) WITH (connector = 'stdin', format = 'json');
        CREATE SINK all_of_them WITH (connector = 'stdout'); CREATE SINK too_late WITH (connector = 'stdout');\n"
        .to_owned();
    let mut names = vec!["all_of_them".to_owned()];
    for (name, clauses) in patterns {
        text += &format!(
            "CREATE PATTERN {name} ON txn PARTITION BY card {clauses};
             CREATE SINK of_{name} WITH (connector = 'stdout'); CREATE SINK out_{name} WITH (connector = 'stdout');
             INSERT INTO all_of_them SELECT '{name}' AS name, card, id + 0 AS id, match_time AS at FROM {name};
             INSERT INTO of_{name} SELECT * FROM {name};
             INSERT INTO out_{name} SELECT card, match_time AS at FROM {name}.timed_out WHERE card > 2;\n"
        );
        names.extend([format!("of_{name}"), format!("out_{name}")]);
    }
    text += &format!("INSERT INTO too_late SELECT id FROM {}.late;", patterns[patterns.len() - 1].0);
    names.push("too_late".into());
    let sinks: Vec<MemorySink> = names.iter().map(|_| MemorySink::new()).collect();
    let mut program = Program::new("sets", &text).with_source("txn", Arc::new(rows()));
    for (name, sink) in names.iter().zip(&sinks) {
        program = program.with_sink(name, Arc::new(sink.clone()));
    }
    (program.plan().unwrap_or_else(|errors| panic!("{errors}")).job, sinks)
}

fn lines(patterns: &[(&str, &str)], workers: usize) -> Vec<Vec<String>> {
    let (job, sinks) = job(patterns);
    run(&job, &RunConfig { batch_rows: 100, ..RunConfig::with_workers(workers) }).unwrap();
    sinks.iter().map(MemorySink::sorted_lines).collect()
}

#[test]
fn each_finds_what_it_finds_alone() {
    let alone: Vec<Vec<Vec<String>>> = PATTERNS.iter().map(|pattern| lines(&[*pattern], 1)).collect();
    for workers in [1, 3] {
        let together = lines(&PATTERNS, workers);
        let mut all: Vec<String> = Vec::new();
        for (number, (name, _)) in PATTERNS.iter().enumerate() {
            let of_pattern = &alone[number];
            assert!(!of_pattern[1].is_empty(), "{name} finds nothing, so nothing is tested");
            assert_eq!(together[1 + 2 * number], of_pattern[1], "matches of {name}, {workers} workers");
            assert_eq!(together[2 + 2 * number], of_pattern[2], "time-outs of {name}, {workers} workers");
            all.extend(of_pattern[0].iter().cloned());
        }
        all.sort();
        assert_eq!(together[0], all, "what goes to one sink, {workers} workers");
        assert_eq!(together.last(), alone[0].last(), "late rows, {workers} workers");
        assert!(together.last().is_some_and(|late| !late.is_empty()));
    }
}

#[test]
fn they_are_one_operator() {
    let (job, _) = job(&PATTERNS);
    let explained = job.explain();
    let count = |what: &str| explained.lines().filter(|line| line.starts_with(what)).count();
    assert_eq!((count("patterns of txn by card: prefilter"), count("patterns of txn by card")), (1, 2), "{explained}");
    assert_eq!(count("pattern "), 0, "{explained}");
    assert!(explained.contains("5 patterns as one: small, abroad, silent, strict, late"), "{explained}");
    let (job, _) = job_of_two_streams();
    assert_eq!(job.explain().matches("patterns as one").count(), 0, "patterns over different keys stay apart");
}

fn job_of_two_streams() -> (JobGraph, MemorySink) {
    let sink = MemorySink::new();
    let text = "CREATE STREAM txn (card BIGINT, id BIGINT, amount DOUBLE, country STRING, at TIMESTAMP, WATERMARK FOR at AS at)
          WITH (connector = 'stdin', format = 'json');
        CREATE SINK out WITH (connector = 'stdout');
        CREATE PATTERN one ON txn PARTITION BY card MATCH a b DEFINE a AS amount > 1 SELECT a.id AS id;
        CREATE PATTERN two ON txn PARTITION BY country MATCH a b DEFINE a AS amount > 1 SELECT a.id AS id;
        INSERT INTO out SELECT id, match_time AS at FROM one; INSERT INTO out SELECT id, match_time AS at FROM two;";
    let program = Program::new("two", text).with_source("txn", Arc::new(rows())).with_sink("out", Arc::new(sink.clone()));
    (program.plan().unwrap_or_else(|errors| panic!("{errors}")).job, sink)
}
