//! Streams of changes: rows with a weight, which only nodes that know weights may read.

use arrow::array::{ArrayRef, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field};
use egret::core::weight::weight_field;
use egret::core::{Error, Result, Sink, StreamSchema, WatermarkStrategy};
use egret::memory::{MemorySink, MemorySource};
use egret::operators::Stream;
use egret::operators::stream::Job;
use egret::operators::window::{AggregateCall, WindowKind, WindowSpec};
use egret::prelude::*;
use std::sync::Arc;
use std::time::Duration;

/// Cards that were inserted, and two of them retracted.
fn changes(job: &Job) -> Stream {
    let fields = vec![Field::new("card", DataType::Int64, true), StreamSchema::time_field("at"), weight_field()];
    let schema = StreamSchema::new(fields, Some("at")).unwrap();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(vec![1, 2, 3, 2, 3])),
        Arc::new(TimestampMicrosecondArray::from(vec![10, 20, 30, 40, 50])),
        Arc::new(Int64Array::from(vec![1, 1, 1, -1, -1])),
    ];
    let rows = RecordBatch::try_new(Arc::clone(schema.arrow()), columns).unwrap();
    let source = Arc::new(MemorySource::new(schema, rows).unwrap());
    job.source("changes", source, Some(WatermarkStrategy::bounded_out_of_orderness(Duration::ZERO))).unwrap()
}

/// Runs a stream into memory.
fn lines(stream: &Stream) -> Result<Vec<String>> {
    let output = MemorySink::new();
    stream.sink("out", Arc::new(output.clone()))?;
    run(&stream.job().graph(), &RunConfig::with_workers(2))?;
    Ok(output.sorted_lines())
}

/// The error with which a job is refused.
fn refusal(stream: &Stream) -> Error {
    lines(stream).expect_err("it does not know weights")
}

#[test]
fn filters_projections_and_unions_pass_weights_on() {
    let job = Job::new();
    let rows = changes(&job);
    let projected = rows.filter("card > 1").unwrap().select(&["card * 10 AS tens"]).unwrap();
    let both = projected.union(&[&rows.filter("card = 1").unwrap().select(&["card AS tens"]).unwrap()]).unwrap();
    let wanted = ["tens=1 __weight=1", "tens=20 __weight=-1", "tens=20 __weight=1", "tens=30 __weight=-1", "tens=30 __weight=1"];
    assert_eq!(lines(&both).unwrap(), wanted);
}

#[test]
fn who_does_not_know_weights_is_refused() {
    let job = Job::new();
    let rows = changes(&job);
    let spec = WindowSpec {
        keys: egret::core::KeyColumns::new(vec![0]),
        kind: WindowKind::Tumbling { size_us: 100 },
        aggregates: vec![AggregateCall::parse("n", "count(*)", rows.schema()).unwrap()],
        allowed_lateness_us: 0,
    };
    let error = refusal(&rows.key_by(&["card"]).unwrap().window(spec).unwrap()).to_string();
    assert!(error.contains("reads 'changes', a stream of changes"), "{error}");
    assert!(error.contains("only filters, projections and unions"), "{error}");
}

#[test]
fn a_file_does_not_know_weights() {
    let job = Job::new();
    let rows = changes(&job);
    let options = egret::connectors::Options::new([("path", "out/never.csv".to_owned()), ("format", "csv".to_owned())]);
    let sink: Arc<dyn Sink> = egret::connectors::Registry::with_builtin().sink("file", &options, rows.schema()).unwrap();
    rows.sink("cards", sink).unwrap();
    let error = run(&job.graph(), &RunConfig::with_workers(1)).expect_err("a file has no weights").to_string();
    assert!(
        error.contains("'cards' reads 'changes', a stream of changes, and would take rows for there that are taken back"),
        "{error}"
    );
}
