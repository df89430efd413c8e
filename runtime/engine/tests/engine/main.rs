//! Whole jobs on the engine: ends, errors, panics, watermarks, partitioning, credit.
#![allow(clippy::unwrap_used)]

mod members;
mod numbers;

use egret_core::job::{NodeKind, Partitioning};
use egret_core::metrics::Counters;
use egret_core::{
    Batch, Committable, Context, Epoch, Error, EventTime, JobGraph, KeyColumns, Result, Sink, SinkContext, SinkWriter, Source,
    SourceReader, Split, StreamSchema,
};
use egret_engine::{CheckpointConfig, JobReport, ManualClock, RunConfig, StopHandle, run};
use numbers::{Collect, job, job_of, numbers, pass};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

fn run_with(job: &JobGraph, workers: usize) -> Result<JobReport> {
    run(job, &RunConfig { batch_rows: 100, ..RunConfig::with_workers(workers) })
}

#[test]
fn every_row_arrives_once_whatever_the_workers_and_the_partitioning() {
    let by_key = Partitioning::Hash(KeyColumns::new(vec![1]));
    for partitioning in [Partitioning::Forward, by_key, Partitioning::Gather] {
        for (workers, splits) in [(1, 1), (2, 1), (3, 5)] {
            let sink = Collect::default();
            let report = run_with(&job(5_000, splits, partitioning.clone(), &sink, pass), workers).unwrap();
            let mut ids: Vec<i64> = sink.0.lock().unwrap().iter().map(|(_, id)| *id).collect();
            ids.sort_unstable();
            assert_eq!(ids, (0..5_000).collect::<Vec<_>>(), "{partitioning:?}, {workers} workers");
            assert_eq!(report.node("middle").unwrap().watermark_us, EventTime::MAX.0);
            assert_eq!(report.node("middle").unwrap().rows_in, 5_000);
        }
    }
}

#[test]
fn a_key_lives_on_one_worker() {
    let sink = Collect::default();
    run_with(&job(5_000, 4, Partitioning::Hash(KeyColumns::new(vec![1])), &sink, pass), 3).unwrap();
    let mut owners: BTreeMap<i64, usize> = BTreeMap::new();
    for (instance, id) in sink.0.lock().unwrap().iter() {
        assert_eq!(*owners.entry(id % 97).or_insert(*instance), *instance, "key {}", id % 97);
    }
    assert!(owners.values().max() > owners.values().min(), "one worker got everything");
}

#[test]
fn broadcast_reaches_every_worker() {
    let sink = Collect::default();
    run_with(&job(1_000, 2, Partitioning::Broadcast, &sink, pass), 3).unwrap();
    for worker in 0..3 {
        let mut ids: Vec<i64> = sink.0.lock().unwrap().iter().filter(|(to, _)| *to == worker).map(|(_, id)| *id).collect();
        ids.sort_unstable();
        assert_eq!(ids, (0..1_000).collect::<Vec<_>>(), "worker {worker}");
    }
}

#[test]
fn an_error_ends_the_job_and_says_where() {
    for workers in [1, 2] {
        let fail = || {
            |batch: Batch, ctx: &mut Context<'_>| {
                if batch.event_times().unwrap().contains(&3_333) {
                    return Err(Error::data("row 3333 is bad"));
                }
                ctx.emit(batch);
                Ok(())
            }
        };
        let error =
            run_with(&job(1_000_000, 2, Partitioning::Forward, &Collect::default(), fail), workers).unwrap_err().to_string();
        assert!(error.contains("operator 'middle'") && error.contains("row 3333 is bad"), "{error}");
    }
}

#[test]
fn a_panic_ends_the_job_and_says_where() {
    let panic = || {
        |batch: Batch, _: &mut Context<'_>| {
            assert!(!batch.event_times().unwrap().contains(&3_333), "row 3333");
            Ok(())
        }
    };
    let error = run_with(&job(1_000_000, 2, Partitioning::Forward, &Collect::default(), panic), 2).unwrap_err().to_string();
    assert!(error.contains("operator 'middle'") && error.contains("panicked: row 3333"), "{error}");
}

#[test]
fn a_stopped_job_finishes_what_it_read() {
    let config = RunConfig { batch_rows: 10, ..RunConfig::with_workers(2) };
    let (stop, seen) = (config.stop.clone(), Arc::new(AtomicU64::new(0)));
    let (count, sink) = (Arc::clone(&seen), Collect::default());
    let each = move || {
        let (stop, seen) = (stop.clone(), Arc::clone(&count));
        move |batch: Batch, ctx: &mut Context<'_>| {
            if seen.fetch_add(batch.num_rows() as u64, Ordering::SeqCst) > 1_000 {
                stop.stop();
            }
            ctx.emit(batch);
            Ok(())
        }
    };
    let report = run(&job(i64::MAX, 2, Partitioning::Forward, &sink, each), &config).unwrap();
    assert!(report.stopped);
    assert_eq!(sink.0.lock().unwrap().len() as u64, report.node("numbers").unwrap().rows_out, "rows were lost on the way");
    assert!(report.node("middle").unwrap().watermark_us < EventTime::MAX.0, "a stopped input has not ended");
}

#[test]
fn checkpoints_go_on_when_the_clock_on_the_wall_is_set_back() {
    const DAY_MS: i64 = 86_400_000;
    let clock = ManualClock::default();
    let moving = clock.clone();
    let each = move || {
        let (clock, mut now_ms, mut batches) = (moving.clone(), 2 * DAY_MS, 0);
        move |batch: Batch, ctx: &mut Context<'_>| {
            batches += 1;
            now_ms += if batches == 100 { -DAY_MS } else { 10 };
            clock.set_ms(now_ms);
            ctx.emit(batch);
            Ok(())
        }
    };
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = CheckpointConfig::new(folder.path()).every(Duration::from_millis(20));
    let config =
        RunConfig { batch_rows: 10, clock: Arc::new(clock), checkpoints: Some(checkpoints), ..RunConfig::with_workers(1) };
    let report = run(&job(200_000, 1, Partitioning::Forward, &Collect::default(), each), &config).unwrap();
    let complete = report.checkpoints.complete;
    assert!(complete > 5, "20,000 batches of 10 ms, and only {complete} checkpoints: none since the clock was set back");
    assert!(report.checkpoints.longest_ms < DAY_MS, "one seems to have taken {} ms", report.checkpoints.longest_ms);
}

/// Says that it is gone.
struct Gone(Arc<AtomicBool>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn a_job_that_is_stopped_does_not_wait_for_ever_for_an_operator() {
    let (clock, stop) = (ManualClock::default(), StopHandle::new());
    let (entered, gone) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (stopping, is_gone) = (stop.clone(), Arc::clone(&gone));
    let each = move || {
        let (stop, entered, gone) = (stopping.clone(), Arc::clone(&entered), Gone(Arc::clone(&is_gone)));
        move |batch: Batch, ctx: &mut Context<'_>| {
            let is_stuck = ctx.info().instance == 1;
            entered.fetch_or(is_stuck, Ordering::SeqCst);
            while !(if is_stuck { &gone.0 } else { &entered }).load(Ordering::SeqCst) {
                std::thread::yield_now();
            }
            stop.stop();
            ctx.emit(batch);
            Ok(())
        }
    };
    let moving = clock.clone();
    let passes = std::thread::spawn(move || {
        let mut now_ms = 0;
        while !gone.load(Ordering::SeqCst) {
            now_ms += 100;
            moving.set_ms(now_ms);
            std::thread::yield_now();
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let config = RunConfig {
        batch_rows: 10,
        clock: Arc::new(clock),
        stop,
        checkpoints: Some(CheckpointConfig::new(folder.path())),
        ..RunConfig::with_workers(2)
    };
    let error = run(&job(1_000_000, 2, Partitioning::Forward, &Collect::default(), each), &config).unwrap_err().to_string();
    passes.join().unwrap();
    assert!(error.contains("stopped without a checkpoint") && error.contains("(worker 1)"), "{error}");
    assert!(error.contains("after 10 s") && error.contains("goes on from the last checkpoint"), "{error}");
}

#[test]
fn the_gate_bounds_what_an_expanding_operator_makes() {
    let waiting = Arc::new(AtomicU64::new(0));
    let most = Arc::new(AtomicU64::new(0));
    let (in_flight, peak) = (Arc::clone(&waiting), Arc::clone(&most));
    let expand = move || {
        let (in_flight, peak) = (Arc::clone(&in_flight), Arc::clone(&peak));
        move |batch: Batch, ctx: &mut Context<'_>| {
            for _ in 0..100 {
                let now = in_flight.fetch_add(batch.num_rows() as u64, Ordering::SeqCst) + batch.num_rows() as u64;
                peak.fetch_max(now, Ordering::SeqCst);
                ctx.emit(batch.clone());
            }
            Ok(())
        }
    };
    let sink = Drain(Arc::clone(&waiting));
    let mut job = job(20_000, 2, Partitioning::Forward, &Collect::default(), expand);
    let end = job.nodes().map(|(id, _)| id).last().unwrap();
    job.node_mut(end).kind = NodeKind::Sink(Arc::new(sink));
    let config = RunConfig { batch_rows: 100, in_flight_bytes: 16 << 10, ..RunConfig::with_workers(2) };
    let report = run(&job, &config).unwrap();
    assert_eq!(report.node("collect").unwrap().rows_in, 2_000_000);
    let batches_at_once = most.load(Ordering::SeqCst) / 10_000;
    assert!(batches_at_once <= 16, "{batches_at_once} expanded batches waited at once, the credit allows about 7 a worker");
}

/// Counts down what the expanding operator counted up.
struct Drain(Arc<AtomicU64>);

impl Sink for Drain {
    fn open(&self, _schema: &StreamSchema, _ctx: &SinkContext) -> Result<Box<dyn SinkWriter>> {
        Ok(Box::new(Self(Arc::clone(&self.0))))
    }
    fn describe(&self) -> String {
        "drain".into()
    }
}

impl SinkWriter for Drain {
    fn write(&mut self, batch: &Batch) -> Result<()> {
        self.0.fetch_sub(batch.num_rows() as u64, Ordering::SeqCst);
        Ok(())
    }
    fn prepare(&mut self, _epoch: Epoch) -> Result<Vec<Committable>> {
        Ok(Vec::new())
    }
    fn commit(&mut self, _committables: &[Committable]) -> Result<()> {
        Ok(())
    }
}

/// A source that has another split each time it is asked, in front of the others.
struct Growing {
    numbers: Arc<dyn Source>,
    asked: AtomicU64,
}

impl Source for Growing {
    fn schema(&self) -> &StreamSchema {
        self.numbers.schema()
    }
    fn is_bounded(&self) -> bool {
        true
    }
    fn splits(&self) -> Result<Vec<Split>> {
        let asked = self.asked.fetch_add(1, Ordering::SeqCst);
        let appeared = (0..asked).map(|number| Split { id: (1_000_000 + number).to_string() });
        Ok(appeared.chain(self.numbers.splits()?).collect())
    }
    fn open(&self, split: &Split, columns: &[usize], counters: &Arc<Counters>) -> Result<Box<dyn SourceReader>> {
        self.numbers.open(split, columns, counters)
    }
    fn describe(&self) -> String {
        "numbers, and more splits each time".into()
    }
}

#[test]
fn splits_are_listed_once_whatever_the_workers() {
    for workers in [1, 2, 3] {
        let growing = Arc::new(Growing { numbers: numbers(1_000, 5), asked: AtomicU64::new(0) });
        let collect = Collect::default();
        run_with(&job_of(growing.clone(), Partitioning::Forward, &collect, pass), workers).unwrap();
        let mut ids: Vec<i64> = collect.0.lock().unwrap().iter().map(|(_, id)| *id).collect();
        ids.sort_unstable();
        assert_eq!(ids, (0..1_000).collect::<Vec<_>>(), "{workers} workers");
        assert_eq!(growing.asked.load(Ordering::SeqCst), 1, "{workers} workers");
    }
}
