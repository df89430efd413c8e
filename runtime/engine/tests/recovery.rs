//! Jobs that fail repeatedly and resume from their checkpoints: in a folder, in memory and in an unreliable store, with any backend of
//! keyed state, and with a different number of workers each time. They publish what an undisturbed run publishes, each row once.
#![allow(clippy::unwrap_used)]

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Int64Type};
use egret_core::job::{Edge, Node, NodeKind, OutputPort, Parallelism, Partitioning};
use egret_core::key::encode_key;
use egret_core::metrics::Counters;
use egret_core::{
    BadRowRule, Batch, Committable, Context, Epoch, Error, JobGraph, KeyColumns, Operator, OperatorFactory, OperatorInfo, Poll,
    Result, Sink, SinkContext, SinkWriter, Source, SourceReader, Split, StateBackend, StateLayout, StreamSchema,
};
use egret_engine::{CheckpointConfig, JobReport, Location, ManualClock, RunConfig, run};
use egret_state::checkpoint::{Checkpoints, FaultKind, FaultyStore};
use egret_state::{MemoryBackend, OrderedBackend};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const ROWS: i64 = 6_000;
const SPLITS: i64 = 3;
/// A key's rows are of one split, so their order is known.
const KEYS: i64 = 30;
/// So many ids of a key are kept.
const KEPT: usize = 4;

fn schema() -> StreamSchema {
    let field = |name: &str| Field::new(name, DataType::Int64, false);
    StreamSchema::new(vec![field("id"), field("key"), field("said"), StreamSchema::time_field("at")], Some("at")).unwrap()
}

fn batch(ids: &[i64], said: &[i64]) -> RecordBatch {
    let keys: Vec<i64> = ids.iter().map(|id| id % KEYS).collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(ids.to_vec())),
        Arc::new(Int64Array::from(keys)),
        Arc::new(Int64Array::from(said.to_vec())),
        Arc::new(TimestampMicrosecondArray::from(ids.to_vec())),
    ];
    RecordBatch::try_new(schema().arrow().clone(), columns).unwrap()
}

/// Numbers, each split every third.
struct Numbers(StreamSchema);

impl Source for Numbers {
    fn schema(&self) -> &StreamSchema {
        &self.0
    }
    fn is_bounded(&self) -> bool {
        true
    }
    fn splits(&self) -> Result<Vec<Split>> {
        Ok((0..SPLITS).map(|split| Split { id: split.to_string() }).collect())
    }
    fn open(&self, split: &Split, _columns: &[usize], _counters: &Arc<Counters>) -> Result<Box<dyn SourceReader>> {
        Ok(Box::new(NumbersReader(split.id.parse().unwrap())))
    }
    fn describe(&self) -> String {
        "numbers".into()
    }
}

struct NumbersReader(i64);

impl SourceReader for NumbersReader {
    fn poll(&mut self, rows_max: usize) -> Result<Poll> {
        let ids: Vec<i64> = (0..rows_max as i64).map(|n| self.0 + n * SPLITS).take_while(|id| *id < ROWS).collect();
        let Some(last) = ids.last() else { return Ok(Poll::End) };
        self.0 = last + SPLITS;
        Ok(Poll::Rows(batch(&ids, &vec![0; ids.len()])))
    }
    fn position(&self) -> Vec<u8> {
        self.0.to_le_bytes().to_vec()
    }
    fn seek(&mut self, position: &[u8]) -> Result<()> {
        self.0 = i64::from_le_bytes(position.try_into().unwrap());
        Ok(())
    }
}

/// Adds to each row the number of rows of its key and the sum of its last ids, from keyed state. Fails after a number of rows.
struct Remembers {
    clock: ManualClock,
    until_failure: Arc<AtomicI64>,
}

impl Remembers {
    fn take(id: i64, key: &[u8], ctx: &mut Context<'_>) -> Result<i64> {
        let state = ctx.state();
        let count = state.get(0, key)?.map_or(0, |bytes| i64::from_le_bytes(bytes.try_into().unwrap())) + 1;
        state.put(0, key, &count.to_le_bytes())?;
        state.put_entry(1, key, &id.to_be_bytes(), &id.to_le_bytes())?;
        let mut ids = Vec::new();
        state.scan(1, key, &[], &mut |name, value| {
            assert_eq!(i64::from_be_bytes(name.try_into().unwrap()), i64::from_le_bytes(value.try_into().unwrap()));
            ids.push(i64::from_le_bytes(value.try_into().unwrap()));
            Ok(true)
        })?;
        if ids.len() > KEPT {
            state.remove_entry(1, key, &ids[0].to_be_bytes())?;
        }
        Ok(count * 1_000_000 + ids.iter().sum::<i64>())
    }
}

/// The output of [`Remembers`], from a plain loop.
fn expected() -> Vec<(i64, i64)> {
    let of_key = |id: i64| (id % KEYS..=id).step_by(KEYS as usize).collect::<Vec<i64>>();
    let said = |ids: Vec<i64>| ids.len() as i64 * 1_000_000 + ids.iter().rev().take(KEPT + 1).sum::<i64>();
    (0..ROWS).map(|id| (id, said(of_key(id)))).collect()
}

impl Operator for Remembers {
    fn process(&mut self, _input: usize, rows: Batch, ctx: &mut Context<'_>) -> Result<()> {
        self.clock.advance(Duration::from_millis(1));
        // Gives the thread that writes checkpoints a turn.
        std::thread::yield_now();
        let ids = rows.column(0).as_primitive::<Int64Type>().values().to_vec();
        let mut said = Vec::new();
        let (keys, mut key) = (KeyColumns::new(vec![1]).of(rows.rows()), Vec::new());
        for (row, id) in ids.iter().enumerate() {
            if self.until_failure.fetch_sub(1, Ordering::SeqCst) == 0 {
                return Err(Error::external("a failure that the test wants"));
            }
            key.clear();
            encode_key(&keys, row, &mut key)?;
            said.push(Self::take(*id, &key, ctx)?);
        }
        ctx.emit(rows.with_rows(batch(&ids, &said), Some(3)));
        Ok(())
    }
}

struct Factory {
    clock: ManualClock,
    until_failure: Arc<AtomicI64>,
}

impl OperatorFactory for Factory {
    fn create(&self, _info: &OperatorInfo) -> Result<Box<dyn Operator>> {
        Ok(Box::new(Remembers { clock: self.clock.clone(), until_failure: Arc::clone(&self.until_failure) }))
    }
    fn uses_keyed_state(&self) -> bool {
        true
    }
    fn state_layouts(&self) -> Vec<StateLayout> {
        StateLayout::own(vec![("state".to_owned(), "count, ids".to_owned())])
    }
}

/// Published rows by transaction. Publishing a transaction again changes nothing.
#[derive(Clone, Default)]
struct Published(Arc<Mutex<ByTransaction>>);

type ByTransaction = BTreeMap<Vec<u8>, Vec<(i64, i64)>>;

struct Transaction {
    published: Published,
    /// The attempt and the instance.
    whose: (u64, usize),
    rows: Vec<(i64, i64)>,
}

impl Sink for Published {
    fn open(&self, _schema: &StreamSchema, ctx: &SinkContext) -> Result<Box<dyn SinkWriter>> {
        let whose = (ctx.attempt.as_ref().unwrap().number, ctx.instance);
        Ok(Box::new(Transaction { published: self.clone(), whose, rows: Vec::new() }))
    }
    fn describe(&self) -> String {
        "transactions".into()
    }
}

impl SinkWriter for Transaction {
    fn write(&mut self, rows: &Batch) -> Result<()> {
        let of = |column: usize| rows.column(column).as_primitive::<Int64Type>().values().to_vec();
        self.rows.extend(of(0).into_iter().zip(of(2)));
        Ok(())
    }
    fn prepare(&mut self, epoch: Epoch) -> Result<Vec<Committable>> {
        let (attempt, instance) = self.whose;
        let rows = std::mem::take(&mut self.rows);
        let head = [attempt as i64, instance as i64, i64::from(epoch.0)];
        let numbers = head.into_iter().chain(rows.iter().flat_map(|(id, said)| [*id, *said]));
        Ok(vec![Committable(numbers.flat_map(i64::to_le_bytes).collect())])
    }
    fn commit(&mut self, committables: &[Committable]) -> Result<()> {
        let mut published = self.published.0.lock().unwrap();
        for Committable(bytes) in committables {
            let (id, rows) = bytes.split_at(24);
            let numbers: Vec<i64> = rows.chunks_exact(8).map(|bytes| i64::from_le_bytes(bytes.try_into().unwrap())).collect();
            published.insert(id.to_vec(), numbers.chunks_exact(2).map(|row| (row[0], row[1])).collect());
        }
        Ok(())
    }
}

fn job(clock: &ManualClock, until_failure: &Arc<AtomicI64>, sink: &Published) -> JobGraph {
    let mut job = JobGraph::new();
    let outputs = vec![OutputPort { name: None, schema: schema() }];
    let mut node = |name: &str, kind, outputs| {
        let (parallelism, bad_rows) = (Parallelism::EveryWorker, BadRowRule::default());
        job.add_node(Node { name: name.into(), uid: name.into(), kind, parallelism, outputs, bad_rows })
    };
    let source: Arc<dyn Source> = Arc::new(Numbers(schema()));
    let source =
        node("numbers", NodeKind::Source { source, watermark: None, columns: vec![0, 1, 2, 3], places: false }, outputs.clone());
    let factory = Factory { clock: clock.clone(), until_failure: Arc::clone(until_failure) };
    let remembers = node("remembers", NodeKind::Operator(Arc::new(factory)), outputs);
    let sink = node("published", NodeKind::Sink(Arc::new(sink.clone())), Vec::new());
    let by_key = Partitioning::Hash(KeyColumns::new(vec![1]));
    job.add_edge(source, remembers, Edge { port: 0, input: 0, partitioning: by_key }).unwrap();
    job.add_edge(remembers, sink, Edge { port: 0, input: 0, partitioning: Partitioning::Forward }).unwrap();
    job
}

/// A linear congruential generator: this crate knows no test kit.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// The outcome of a job that was run until it ended.
struct Ended {
    report: JobReport,
    failures: usize,
    restored: BTreeSet<u64>,
    checkpoints: u64,
}

/// Runs the job until it ends, and compares what it published.
fn run_to_the_end(seed: u64, place: impl Fn(&ManualClock) -> Location) -> Ended {
    let (clock, mut random, published) = (ManualClock::default(), Random(seed), Published::default());
    let mut location = place(&clock);
    let (mut failures, mut restored, mut checkpoints) = (0, BTreeSet::new(), 0);
    let report = loop {
        let backend: Arc<dyn StateBackend> =
            if random.below(2) == 0 { Arc::new(MemoryBackend) } else { Arc::new(OrderedBackend) };
        let until_failure = if failures < 4 { random.below(ROWS as u64 * 2 / 3) as i64 + 100 } else { i64::MAX };
        let until_failure = Arc::new(AtomicI64::new(until_failure));
        let config = RunConfig {
            batch_rows: 1 + random.below(10) as usize,
            clock: Arc::new(clock.clone()),
            state: backend,
            checkpoints: Some(CheckpointConfig::new(location.clone()).every(Duration::from_millis(1 + random.below(10)))),
            ..RunConfig::with_workers(1 + random.below(3) as usize)
        };
        let result = run(&job(&clock, &until_failure, &published), &config);
        checkpoints += location.read().and_then(|there| there.list()).map_or(0, |(listed, _)| listed.len() as u64);
        match result {
            Ok(report) => break report,
            Err(error) if error.to_string().contains("no checkpoint is intact") => {
                // The first checkpoint was torn, so nothing of it was published.
                assert!(published.0.lock().unwrap().is_empty(), "seed {seed}: {error}");
                location = place(&clock);
            }
            Err(error) => assert!(error.may_retry(), "seed {seed}: {error}"),
        }
        failures += 1;
        assert!(failures < 100, "seed {seed}: it does not come to its end");
        if let Ok(Some(last)) = location.read().and_then(|there| last_of(&there)) {
            restored.insert(last);
        }
    };
    let mut rows: Vec<(i64, i64)> = published.0.lock().unwrap().values().flatten().copied().collect();
    rows.sort_unstable();
    assert_eq!(rows.len() as i64, ROWS, "seed {seed}");
    let differs = rows.iter().zip(expected()).find(|(row, expected)| **row != *expected);
    assert_eq!(differs, None, "seed {seed}");
    Ended { report, failures, restored, checkpoints }
}

fn last_of(checkpoints: &Checkpoints) -> Result<Option<u64>> {
    Ok(checkpoints.list()?.0.last().map(|listed| listed.manifest.checkpoint))
}

#[test]
fn from_a_folder() {
    let mut failures = 0;
    for seed in 0..6 {
        let folder = tempfile::tempdir().unwrap();
        let ended = run_to_the_end(seed, |_| Location::from(folder.path()));
        assert!(ended.report.checkpoints.last.is_some(), "seed {seed}");
        failures += ended.failures;
    }
    assert!(failures > 6, "it hardly ever failed: {failures}");
}

#[test]
fn from_memory_by_url() {
    let mut restored = 0;
    for seed in 0..12 {
        let ended = run_to_the_end(seed, |_| format!("memory:recovery-{seed}").parse().unwrap());
        assert!(ended.checkpoints > 0, "seed {seed}");
        restored += ended.restored.len();
    }
    assert!(restored > 6, "it hardly ever went on from a checkpoint: {restored}");
}

#[test]
fn from_a_store_that_is_not_to_be_relied_on() {
    let mut seen: BTreeMap<FaultKind, u64> = BTreeMap::new();
    for seed in 0..40 {
        let stores = Mutex::new(Vec::new());
        let place = |clock: &ManualClock| {
            let clock = clock.clone();
            let number = stores.lock().unwrap().len() as u64;
            let store = FaultyStore::in_memory(seed * 100 + number, 10 + seed % 24 * 3);
            let store = store.waiting(move |time| clock.advance(time));
            stores.lock().unwrap().push(store.clone());
            Location::in_store(Arc::new(store), "jobs/recovery", "a faulty store")
        };
        run_to_the_end(seed, place);
        for (kind, count) in stores.lock().unwrap().iter().flat_map(FaultyStore::seen) {
            *seen.entry(kind).or_default() += count;
        }
    }
    assert!(seen.len() == 6 && seen.values().all(|count| *count > 3), "{seen:?}");
}

#[test]
fn what_one_process_has_alone_is_refused_to_several() {
    let (clock, until_failure) = (ManualClock::default(), Arc::new(AtomicI64::new(i64::MAX)));
    let location: Location = "memory:alone".parse().unwrap();
    let config = RunConfig { processes: 2, checkpoints: Some(CheckpointConfig::new(location)), ..RunConfig::with_workers(1) };
    let error = run(&job(&clock, &until_failure, &Published::default()), &config).unwrap_err().to_string();
    assert!(error.contains("memory:alone") && error.contains("one process has alone") && error.contains("help: "), "{error}");
}
