//! Runs a job over a part of its input, changes its text, and resumes it.

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field};
use egret::core::metrics::Counters;
use egret::core::{Poll, Result, Source, SourceReader, Split, StreamSchema};
use egret::engine::{CheckpointConfig, Location, RunConfig, StopHandle, run};
use egret::memory::MemorySink;
use egret::prelude::*;
use std::sync::Arc;
use std::time::Duration;

/// A row of `txn`: id, card, amount, device, seconds.
pub(super) type Txn = (i64, i64, f64, &'static str, i64);

/// What a changed job does.
pub(super) enum Expected {
    /// It writes these rows, before and after the stop together, sorted.
    Rows(&'static [&'static str]),
    /// It does not start; the message contains this.
    Refused(&'static [&'static str]),
}

/// Rows of card 7 with the columns a and b: `1-5 2-5` stands for two rows.
pub(super) fn pairs(found: &str) -> Expected {
    let line = |pair: &str| -> &'static str {
        let (a, b) = pair.split_once('-').expect("a and b");
        format!("card=7 a={a} b={b}").leak()
    };
    let mut lines: Vec<&'static str> = found.split_whitespace().map(line).collect();
    lines.sort_unstable();
    Expected::Rows(lines.leak())
}

/// A job, a stop, and the same job under another text.
pub(super) struct Change {
    /// What is changed.
    pub(super) name: &'static str,
    /// The old statements, which follow the stream `txn`; they write to the sink `out`, and may write to `more` or `others`.
    pub(super) before: &'static str,
    /// The new statements.
    pub(super) after: &'static str,
    /// The rows before the stop.
    pub(super) first: &'static [Txn],
    /// The rows after it.
    pub(super) then: &'static [Txn],
    /// Whether state that the job no longer uses may be dropped.
    pub(super) may_drop: bool,
    pub(super) expected: Expected,
}

/// The start of every program.
pub(super) const TXN: &str =
    "CREATE STREAM txn (id BIGINT, card BIGINT, amount DOUBLE, device STRING, at TIMESTAMP, WATERMARK FOR at AS at)
  WITH (connector = 'memory');
CREATE SINK out WITH (connector = 'memory');
";

/// Runs all changes, on one worker and with a changing number of workers.
pub(super) fn check(changes: &[Change]) {
    let mut wrong = Vec::new();
    for change in changes {
        for workers in [(1, 2), (3, 1)] {
            if let Err(why) = check_one(change, workers) {
                wrong.push(format!("{} (workers {workers:?}): {why}", change.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), changes.len(), wrong.join("\n"));
}

fn check_one(change: &Change, workers: (usize, usize)) -> std::result::Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let rows: Vec<Txn> = change.first.iter().chain(change.then).copied().collect();
    let run = |text: &str, workers, until: Option<usize>, may_drop| {
        run_until(&format!("{TXN}{text}"), &rows, until, workers, folder.path(), may_drop)
    };
    let mut lines = run(change.before, workers.0, Some(change.first.len()), false).map_err(|why| format!("before: {why}"))?;
    match (run(change.after, workers.1, None, change.may_drop), &change.expected) {
        (Ok(more), Expected::Rows(expected)) => {
            lines.extend(more);
            lines.sort();
            let differs = lines != *expected;
            if differs { Err(format!("wrote {lines:#?} and not {expected:#?}")) } else { Ok(()) }
        }
        (Err(said), Expected::Refused(expected)) => match expected.iter().find(|words| !said.contains(*words)) {
            Some(words) => Err(format!("'{words}' is missing in: {said}")),
            None => Ok(()),
        },
        (Ok(more), Expected::Refused(_)) => Err(format!("it was not refused, and wrote {more:?}")),
        (Err(said), Expected::Rows(_)) => Err(format!("it was refused: {said}")),
    }
}

/// Runs a program over some rows; with a place to stop, it reads up to there and makes a checkpoint.
///
/// # Errors
/// The error that ended the job.
pub(super) fn run_until(
    text: &str,
    rows: &[Txn],
    until: Option<usize>,
    workers: usize,
    folder: &std::path::Path,
    may_drop: bool,
) -> std::result::Result<Vec<String>, String> {
    let config = RunConfig::with_workers(workers);
    let stop = until.map(|until| (until, config.stop.clone()));
    let source = Halting { schema: schema(), rows: batch(rows), stop };
    let (out, more, others) = (MemorySink::new(), MemorySink::new(), MemorySink::new());
    let plan = Program::new("changed", text)
        .with_source("txn", Arc::new(source))
        .with_sink("out", Arc::new(out.clone()))
        .with_sink("more", Arc::new(more.clone()))
        .with_sink("others", Arc::new(others.clone()))
        .plan()
        .map_err(|errors| errors.to_string())?;
    // With an even number of rows they are in a store in memory.
    let in_memory = format!("memory:changed {}", folder.display());
    let place = if rows.len().is_multiple_of(2) { in_memory.parse().unwrap() } else { Location::from(&folder.join("state")) };
    let checkpoints = CheckpointConfig::new(place).every(Duration::from_secs(3600));
    let checkpoints = CheckpointConfig { may_drop_state: may_drop, job: "changed".into(), ..checkpoints };
    run(&plan.job, &RunConfig { checkpoints: Some(checkpoints), ..config }).map_err(|error| error.to_string())?;
    let named = |name: &str, sink: &MemorySink| -> Vec<String> {
        sink.sorted_lines().into_iter().map(|line| format!("{name} {line}")).collect()
    };
    Ok([out.sorted_lines(), named("more", &more), named("others", &others)].concat())
}

fn schema() -> StreamSchema {
    let fields = vec![
        Field::new("id", DataType::Int64, true),
        Field::new("card", DataType::Int64, true),
        Field::new("amount", DataType::Float64, true),
        Field::new("device", DataType::Utf8, true),
        StreamSchema::time_field("at"),
    ];
    StreamSchema::new(fields, Some("at")).unwrap()
}

fn batch(rows: &[Txn]) -> RecordBatch {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(rows.iter().map(|row| row.0).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|row| row.1).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|row| row.2).collect::<Float64Array>()),
        Arc::new(rows.iter().map(|row| Some(row.3)).collect::<StringArray>()),
        Arc::new(TimestampMicrosecondArray::from_iter_values(rows.iter().map(|row| row.4 * 1_000_000))),
    ];
    RecordBatch::try_new(Arc::clone(schema().arrow()), columns).unwrap()
}

/// Rows in memory; the source asks the job to stop at some row, and returns nothing more until it does.
struct Halting {
    schema: StreamSchema,
    rows: RecordBatch,
    stop: Option<(usize, StopHandle)>,
}

impl Source for Halting {
    fn schema(&self) -> &StreamSchema {
        &self.schema
    }

    fn is_bounded(&self) -> bool {
        true
    }

    fn splits(&self) -> Result<Vec<Split>> {
        Ok(vec![Split { id: "memory".into() }])
    }

    fn open(&self, _split: &Split, columns: &[usize], _counters: &Arc<Counters>) -> Result<Box<dyn SourceReader>> {
        Ok(Box::new(Reader { rows: self.rows.project(columns)?, next: 0, stop: self.stop.clone() }))
    }

    fn describe(&self) -> String {
        "rows in memory".into()
    }
}

struct Reader {
    rows: RecordBatch,
    next: usize,
    stop: Option<(usize, StopHandle)>,
}

impl SourceReader for Reader {
    fn poll(&mut self, rows_max: usize) -> Result<Poll> {
        let end = self.stop.as_ref().map_or(self.rows.num_rows(), |(until, _)| *until);
        let count = rows_max.min(end - self.next);
        if count == 0 {
            let Some((_, stop)) = &self.stop else { return Ok(Poll::End) };
            stop.stop();
            return Ok(Poll::Pending(Duration::from_millis(1)));
        }
        let rows = self.rows.slice(self.next, count);
        self.next += count;
        Ok(Poll::Rows(rows))
    }

    fn position(&self) -> Vec<u8> {
        (self.next as u64).to_le_bytes().to_vec()
    }

    fn seek(&mut self, position: &[u8]) -> Result<()> {
        self.next = u64::from_le_bytes(position.try_into().unwrap()) as usize;
        Ok(())
    }
}
