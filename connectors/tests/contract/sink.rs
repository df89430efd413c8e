//! What every sink must keep: `Sink` and `SinkWriter` of `egret_core`, tried from outside.

use crate::support::{Random, Waits, schema};
use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use egret_core::{Batch, Committable, Epoch, Readiness, Sink, SinkAttempt, SinkContext, SinkWriter, Step};
use std::sync::Arc;

/// A system that rows are written to.
pub(crate) trait SinkHarness {
    fn sink(&self) -> Arc<dyn Sink>;
    /// The ids of the rows that whoever reads it sees.
    fn shown(&self) -> Vec<i64>;
}

type Made = Box<dyn SinkHarness>;

fn batch(ids: std::ops::Range<i64>) -> Batch {
    let texts: StringArray = ids.clone().map(|id| Some(format!("row {id}"))).collect();
    let columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from_iter_values(ids)), Arc::new(texts)];
    let schema = schema();
    Batch::new(RecordBatch::try_new(schema.arrow().clone(), columns).unwrap(), &schema).unwrap()
}

/// The job as a checkpoint has it.
#[derive(Clone, Default)]
struct Saved {
    epoch: Option<u64>,
    rows: i64,
    committables: Vec<Committable>,
}

fn context(instance: usize, parallelism: usize, attempt: u64, from: &Saved) -> SinkContext {
    let attempt = SinkAttempt {
        job: "contract".into(),
        number: attempt,
        restored: from.epoch,
        committables: from.committables.clone(),
        ..SinkAttempt::new("0123456789abcdef")
    };
    SinkContext { uid: "out".into(), attempt: Some(attempt), ..SinkContext::new(instance, parallelism) }
}

/// Asks until the writer is ready.
fn ready(writer: &mut dyn SinkWriter, step: Step) {
    let mut waits = Waits::default();
    while writer.poll_ready(step).unwrap() != Readiness::Ready {
        waits.wait();
    }
}

fn write(writer: &mut dyn SinkWriter, ids: std::ops::Range<i64>) {
    ready(writer, Step::Write);
    writer.write(&batch(ids)).unwrap();
}

fn prepare(writer: &mut dyn SinkWriter, epoch: u64) -> Vec<Committable> {
    let epoch = Epoch(u32::try_from(epoch).unwrap());
    ready(writer, Step::Prepare(epoch));
    writer.prepare(epoch).unwrap()
}

/// Rows are there when they are committed, and not before; committed twice is committed once.
pub(crate) fn rows_show_with_their_commit(make: &dyn Fn() -> Made) {
    let harness = make();
    let sink = harness.sink();
    let start = Saved::default();
    sink.recover(&schema(), &context(0, 1, 1, &start), &[]).unwrap();
    let mut writer = sink.open(&schema(), &context(0, 1, 1, &start)).unwrap();
    write(&mut *writer, 0..10);
    write(&mut *writer, 10..20);
    assert_eq!(harness.shown(), [] as [i64; 0]);
    let first = prepare(&mut *writer, 1);
    assert_eq!(harness.shown(), [] as [i64; 0], "it is only prepared");
    write(&mut *writer, 20..30);
    writer.commit(&first).unwrap();
    writer.commit(&first).unwrap();
    let second = prepare(&mut *writer, 2);
    assert_eq!(harness.shown(), (0..20).collect::<Vec<_>>(), "when the next one is prepared, the first is shown");
    let empty = prepare(&mut *writer, 3);
    writer.commit(&second).unwrap();
    writer.commit(&empty).unwrap();
    ready(&mut *writer, Step::End);
    assert_eq!(harness.shown(), (0..30).collect::<Vec<_>>());
}

/// Without checkpoints all is shown at the end.
pub(crate) fn without_checkpoints_all_shows_at_the_end(make: &dyn Fn() -> Made) {
    let harness = make();
    let mut writer = harness.sink().open(&schema(), &SinkContext { uid: "out".into(), ..SinkContext::new(0, 1) }).unwrap();
    write(&mut *writer, 0..10);
    let all = prepare(&mut *writer, 0);
    assert_eq!(harness.shown(), [] as [i64; 0]);
    writer.commit(&all).unwrap();
    ready(&mut *writer, Step::End);
    assert_eq!(harness.shown(), (0..10).collect::<Vec<_>>());
}

/// What a checkpoint has prepared is published by the next attempt, also twice; what was written behind that never shows.
pub(crate) fn recovery_publishes_what_is_prepared_and_nothing_else(make: &dyn Fn() -> Made) {
    let harness = make();
    let sink = harness.sink();
    let mut writer = sink.open(&schema(), &context(0, 1, 1, &Saved::default())).unwrap();
    write(&mut *writer, 0..10);
    let saved = Saved { epoch: Some(1), rows: 10, committables: prepare(&mut *writer, 1) };
    write(&mut *writer, 10..15);
    prepare(&mut *writer, 2);
    write(&mut *writer, 15..17);
    drop(writer);
    for attempt in 2..4 {
        sink.recover(&schema(), &context(0, 1, attempt, &saved), &saved.committables).unwrap();
        assert_eq!(harness.shown(), (0..10).collect::<Vec<_>>());
    }
    let mut writer = sink.open(&schema(), &context(0, 1, 4, &saved)).unwrap();
    assert_eq!(harness.shown(), (0..10).collect::<Vec<_>>());
    write(&mut *writer, 10..12);
    let next = prepare(&mut *writer, 3);
    writer.commit(&next).unwrap();
    ready(&mut *writer, Step::End);
    assert_eq!(harness.shown(), (0..12).collect::<Vec<_>>());
}

/// Attempts die anywhere, again and again: in the end each row is there once.
pub(crate) fn each_row_shows_once_whatever_dies(make: &dyn Fn() -> Made) {
    const ROWS: i64 = 200;
    for seed in 0..25 {
        let mut random = Random::new(seed);
        let harness = make();
        let sink = harness.sink();
        let parallelism = if sink.wants_one_writer() { 1 } else { 2 };
        let (mut saved, mut epoch) = (Saved::default(), 0);
        for attempt in 1.. {
            assert!(attempt < 1_000, "seed {seed} comes to no end");
            let ended = run(&*sink, parallelism, attempt, &mut saved, &mut epoch, ROWS, &mut random);
            let mut shown = harness.shown();
            let in_order = shown.is_sorted();
            shown.sort_unstable();
            assert!(shown.windows(2).all(|pair| pair[0] < pair[1]), "seed {seed}: something is there twice");
            // Of two writers one may have committed what comes behind what the other has not.
            let is_whole = shown.last().is_none_or(|last| *last + 1 == shown.len() as i64);
            assert!(is_whole && in_order || parallelism > 1, "seed {seed}: {shown:?}");
            if ended {
                assert_eq!(shown.len() as i64, ROWS, "seed {seed}");
                break;
            }
        }
    }
}

/// An attempt, until it dies or has come to the end. Rows are written in order: of all that shows nothing is left out in between.
fn run(
    sink: &dyn Sink,
    parallelism: usize,
    attempt: u64,
    saved: &mut Saved,
    epoch: &mut u64,
    end: i64,
    random: &mut Random,
) -> bool {
    sink.recover(&schema(), &context(0, parallelism, attempt, saved), &saved.committables).unwrap();
    if random.below(8) == 0 {
        return false;
    }
    let open = |instance| sink.open(&schema(), &context(instance, parallelism, attempt, saved)).unwrap();
    let mut writers: Vec<_> = (0..parallelism).map(open).collect();
    let (mut rows, mut pending) = (saved.rows, Vec::new());
    loop {
        for _ in 0..random.below(5) {
            let to = end.min(rows + random.below(9) as i64);
            if to > rows {
                write(&mut *writers[random.below(parallelism)], rows..to);
                rows = to;
            }
        }
        *epoch += 1;
        for (instance, writer) in writers.iter_mut().enumerate() {
            let ready = prepare(&mut **writer, *epoch);
            pending.push((instance, ready));
            if random.below(20) == 0 {
                return false;
            }
        }
        if random.below(8) == 0 {
            // Declined: the next one has its rows, too.
            continue;
        }
        let committables = pending.iter().flat_map(|(_, committables)| committables.clone()).collect();
        *saved = Saved { epoch: Some(*epoch), rows, committables };
        if random.below(6) == 0 {
            return false;
        }
        for (instance, committables) in pending.drain(..) {
            if random.below(20) == 0 {
                return false;
            }
            writers[instance].commit(&committables).unwrap();
        }
        if rows == end {
            writers.iter_mut().for_each(|writer| ready(&mut **writer, Step::End));
            return true;
        }
    }
}

/// Writes so many rows and prepares them.
pub(crate) fn write_and_prepare(sink: &dyn Sink, ctx: &SinkContext, rows: i64) -> (Box<dyn SinkWriter>, Vec<Committable>) {
    let mut writer = sink.open(&schema(), ctx).unwrap();
    write(&mut *writer, 0..rows);
    let committables = prepare(&mut *writer, 1);
    (writer, committables)
}

/// Writes so many rows and commits them.
pub(crate) fn write_and_commit(sink: &dyn Sink, ctx: &SinkContext, rows: i64) {
    let (mut writer, committables) = write_and_prepare(sink, ctx, rows);
    writer.commit(&committables).unwrap();
    ready(&mut *writer, Step::End);
}
