//! Rows with many ties in several splits, and jobs over them with random batching, workers and stops.

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field};
use egret::Program;
use egret::core::metrics::Counters;
use egret::core::{Poll, Result, Source, SourceReader, Split, StreamSchema, TIME_TYPE};
use egret::engine::{CheckpointConfig, Location, RunConfig, StopHandle, run};
use egret::memory::MemorySink;
use egret_testkit::Random;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

pub(super) const STREAM: &str = "
    CREATE STREAM t (id BIGINT NOT NULL, key BIGINT NOT NULL, kind STRING, v BIGINT, at TIMESTAMP,
      WATERMARK FOR at AS at - INTERVAL '5' SECOND) WITH (connector = 'memory');
    CREATE SINK out WITH (connector = 'memory');";

/// A row. Its split and its position there come first, so that rows of one time are ordered by them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Row {
    pub(super) second: i64,
    pub(super) split: usize,
    pub(super) number: usize,
    pub(super) id: i64,
    pub(super) key: i64,
    pub(super) kind: &'static str,
    pub(super) v: i64,
    /// The milliseconds within its second.
    pub(super) ms: i64,
}

/// Rows out of order by up to three seconds, many of them with the same time, none of them late. Ids are in no order.
pub(super) fn random_rows(random: &mut Random, splits: usize, keys: i64) -> Vec<Row> {
    let mut ids: Vec<i64> = (0..99).collect();
    random.shuffle(&mut ids);
    let mut numbers = vec![0; splits];
    let row = |(place, id): (usize, i64)| {
        let split = random.below(splits);
        numbers[split] += 1;
        let second = (place as i64 / 6 - random.between(0, 3)).max(0);
        let kind = ["a", "b", "a", "b", "c"][random.below(5)];
        Row { second, split, number: numbers[split], id, key: random.between(0, keys), kind, v: random.between(0, 3), ms: 0 }
    };
    ids.into_iter().enumerate().map(row).collect()
}

/// How a job is run.
#[derive(Clone, Copy, Debug)]
pub(super) struct How {
    pub(super) workers: usize,
    pub(super) batch_rows: usize,
    /// The job stops when this many rows of each split have been read, and resumes from its checkpoint.
    pub(super) stop: Option<usize>,
    pub(super) row_patterns: bool,
}

impl How {
    pub(super) const PLAIN: Self = Self { workers: 1, batch_rows: 1_000, stop: None, row_patterns: false };

    /// A random way; the stop is somewhere in the middle.
    pub(super) fn random(random: &mut Random) -> Self {
        let stop = random.chance(50).then(|| random.below(15));
        Self { workers: 1 + random.below(3), batch_rows: 1 + random.below(20), stop, row_patterns: random.chance(30) }
    }
}

/// The output of a program, sorted.
pub(super) fn lines(statements: &str, rows: &[Row], how: How) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    // Half of the runs have their checkpoints in a folder, the others in a store in memory.
    let in_memory = format!("memory:ties {}", folder.path().display());
    let place =
        if how.batch_rows.is_multiple_of(2) { in_memory.parse().unwrap() } else { Location::from(&folder.path().join("state")) };
    let out = MemorySink::new();
    for stop in how.stop.map(Some).into_iter().chain([None]) {
        let config = RunConfig { batch_rows: how.batch_rows, ..RunConfig::with_workers(how.workers) };
        let source = Splits::new(rows, stop.map(|stop| (stop, config.stop.clone())));
        let program = Program::new("ties", &format!("{STREAM}{statements}"))
            .with_source("t", Arc::new(source))
            .with_sink("out", Arc::new(out.clone()));
        let program = if how.row_patterns { program.with_row_patterns_only() } else { program };
        let plan = program.plan().unwrap_or_else(|errors| panic!("{errors}\n{statements}"));
        let checkpoints = CheckpointConfig::new(place.clone()).every(Duration::from_secs(3600));
        let checkpoints = how.stop.map(|_| CheckpointConfig { job: "ties".into(), ..checkpoints });
        run(&plan.job, &RunConfig { checkpoints, ..config }).unwrap_or_else(|error| panic!("{error}\n{statements}"));
    }
    out.sorted_lines()
}

/// The columns of `t`.
pub(super) fn schema() -> StreamSchema {
    let fields = vec![
        Field::new("id", DataType::Int64, false),
        Field::new("key", DataType::Int64, false),
        Field::new("kind", DataType::Utf8, true),
        Field::new("v", DataType::Int64, true),
        StreamSchema::time_field("at"),
    ];
    StreamSchema::new(fields, Some("at")).unwrap()
}

/// Several splits in memory. With a stop, each split gives this many rows, and when all have, the job is asked to stop.
struct Splits {
    schema: StreamSchema,
    splits: Vec<RecordBatch>,
    stop: Option<(usize, StopHandle)>,
    arrived: Arc<AtomicUsize>,
}

impl Splits {
    fn new(rows: &[Row], stop: Option<(usize, StopHandle)>) -> Self {
        let schema = schema();
        let count = rows.iter().map(|row| row.split + 1).max().unwrap_or(1);
        let of_split = |split: usize| {
            let rows: Vec<&Row> = rows.iter().filter(|row| row.split == split).collect();
            let ints = |of: fn(&Row) -> i64| Arc::new(rows.iter().map(|row| Some(of(row))).collect::<Int64Array>()) as ArrayRef;
            let times = ints(|row| row.second * 1_000 + row.ms);
            let millis = DataType::Timestamp(arrow::datatypes::TimeUnit::Millisecond, None);
            let times = arrow::compute::cast(&times, &millis).and_then(|times| arrow::compute::cast(&times, &TIME_TYPE)).unwrap();
            let kinds = Arc::new(rows.iter().map(|row| Some(row.kind)).collect::<StringArray>());
            let columns: Vec<ArrayRef> = vec![ints(|row| row.id), ints(|row| row.key), kinds, ints(|row| row.v), times];
            RecordBatch::try_new(Arc::clone(schema.arrow()), columns).unwrap()
        };
        Self { splits: (0..count).map(of_split).collect(), schema: schema.clone(), stop, arrived: Arc::default() }
    }
}

impl Source for Splits {
    fn schema(&self) -> &StreamSchema {
        &self.schema
    }

    fn is_bounded(&self) -> bool {
        true
    }

    fn splits(&self) -> Result<Vec<Split>> {
        Ok((0..self.splits.len()).map(|split| Split { id: format!("split {split}") }).collect())
    }

    fn open(&self, split: &Split, columns: &[usize], _counters: &Arc<Counters>) -> Result<Box<dyn SourceReader>> {
        let number: usize = split.id.strip_prefix("split ").unwrap().parse().unwrap();
        let rows = self.splits[number].project(columns)?;
        let halt =
            self.stop.clone().map(|(rows, stop)| Halt { rows, stop, arrived: Arc::clone(&self.arrived), of: self.splits.len() });
        Ok(Box::new(Reader { rows, next: 0, halt, has_arrived: false }))
    }

    fn describe(&self) -> String {
        "splits in memory".into()
    }
}

/// Where a split waits for the job to stop.
struct Halt {
    rows: usize,
    stop: StopHandle,
    arrived: Arc<AtomicUsize>,
    of: usize,
}

struct Reader {
    rows: RecordBatch,
    next: usize,
    halt: Option<Halt>,
    has_arrived: bool,
}

impl SourceReader for Reader {
    fn poll(&mut self, rows_max: usize) -> Result<Poll> {
        let all = self.rows.num_rows();
        let end = self.halt.as_ref().map_or(all, |halt| halt.rows.min(all));
        let count = rows_max.min(end - self.next);
        if count > 0 {
            let rows = self.rows.slice(self.next, count);
            self.next += count;
            return Ok(Poll::Rows(rows));
        }
        let Some(halt) = &self.halt else { return Ok(Poll::End) };
        if !std::mem::replace(&mut self.has_arrived, true) && halt.arrived.fetch_add(1, Ordering::SeqCst) + 1 == halt.of {
            halt.stop.stop();
        }
        Ok(Poll::Pending(Duration::from_millis(1)))
    }

    fn position(&self) -> Vec<u8> {
        (self.next as u64).to_le_bytes().to_vec()
    }

    fn seek(&mut self, position: &[u8]) -> Result<()> {
        self.next = u64::from_le_bytes(position.try_into().unwrap()) as usize;
        Ok(())
    }
}
