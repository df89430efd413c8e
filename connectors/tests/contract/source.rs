//! What every source must keep: `Source` and `SourceReader` of `egret_core`, tried from outside.

use crate::support::{Random, Waits, lines, schema};
use egret_core::metrics::Counters;
use egret_core::{Epoch, Error, Poll, RestoredSplit, Source, SourceReader, Split};
use std::sync::Arc;

/// A system that rows are read from.
pub(crate) trait SourceHarness {
    /// Adds rows, each the JSON object of one, to a split.
    fn give(&self, split: usize, rows: &[String]);
    /// No more rows come.
    fn finish(&self);
    /// The source of `splits` splits, with more options.
    fn source(&self, splits: usize, options: &[(&str, &str)]) -> Arc<dyn Source>;
    /// The other side goes away when it is asked for this row, and comes back; false where there is no other side.
    fn goes_away_at(&self, row: u64) -> bool;
    /// How many rows of a split the other side was told may be forgotten, each time; none where nobody is told.
    fn told(&self, split: usize) -> Option<Vec<u64>>;
    /// The dead letters of a split, with the option `bad_rows = 'dead_letter'`.
    fn letters(&self, split: usize) -> String;
    /// How many rows have left the other side; none where that cannot be said.
    fn sent(&self) -> Option<u64>;
    /// So much time passes.
    fn pass(&self, time: std::time::Duration);
}

type Made = Box<dyn SourceHarness>;

pub(crate) fn row(id: u64) -> String {
    format!("{{\"id\":{id},\"text\":\"row {id}\"}}")
}

fn rows(from: u64, to: u64) -> Vec<String> {
    (from..to).map(row).collect()
}

fn open(source: &Arc<dyn Source>, split: &Split) -> Box<dyn SourceReader> {
    source.open(split, &[0, 1], &Arc::<Counters>::default()).unwrap()
}

/// Reads until `enough`, or to the end; says whether it was that.
fn read(
    harness: &dyn SourceHarness,
    reader: &mut dyn SourceReader,
    mut rows_max: impl FnMut() -> usize,
    into: &mut Vec<String>,
    enough: usize,
) -> Result<bool, Error> {
    let mut waits = Waits::default();
    while into.len() < enough {
        match reader.poll(rows_max())? {
            Poll::Rows(batch) => into.extend(lines(&batch)),
            Poll::Pending(wait) => {
                waits.wait();
                harness.pass(wait);
            }
            Poll::End => return Ok(true),
        }
    }
    Ok(false)
}

fn read_all(harness: &dyn SourceHarness, reader: &mut dyn SourceReader) -> Vec<String> {
    let mut got = Vec::new();
    assert!(read(harness, reader, || 100, &mut got, usize::MAX).unwrap());
    got
}

/// The splits are the same each time, and each has its own rows, in their order, to its end.
pub(crate) fn splits_have_their_rows_in_order(make: &dyn Fn() -> Made) {
    let harness = make();
    for split in 0..3 {
        harness.give(split, &rows(split as u64 * 1_000, split as u64 * 1_000 + 100 * split as u64 + 1));
    }
    harness.finish();
    let source = harness.source(3, &[]);
    let splits = source.splits().unwrap();
    assert_eq!((splits.len(), &splits), (3, &source.splits().unwrap()));
    for (number, split) in splits.iter().enumerate() {
        let from = number as u64 * 1_000;
        let mut reader = open(&source, split);
        assert_eq!(read_all(&*harness, &mut *reader), rows(from, from + 100 * number as u64 + 1));
        assert!(matches!(reader.poll(10).unwrap(), Poll::End), "the end stays the end");
        reader.close().unwrap();
    }
}

/// From any position a new reader, and the same one, gives just the rows behind it.
pub(crate) fn reading_goes_on_from_any_position(make: &dyn Fn() -> Made) {
    for seed in 0..12 {
        let mut random = Random::new(seed);
        let harness = make();
        harness.give(0, &rows(0, 300));
        harness.finish();
        let source = harness.source(1, &[]);
        let split = source.splits().unwrap().remove(0);
        let (mut reader, mut got) = (open(&source, &split), Vec::new());
        // A checkpoint, as the engine makes them: the position, and what was read until then.
        let mut saved = (reader.position(), 0);
        loop {
            let enough = got.len() + random.below(80);
            let ended = read(&*harness, &mut *reader, || 1 + random.below(40), &mut got, enough).unwrap();
            if ended {
                break;
            }
            match random.below(4) {
                0 => saved = (reader.position(), got.len()),
                1 => {
                    let restored = RestoredSplit { id: split.id.clone(), position: saved.0.clone(), ended: false };
                    let start = source.resume(&[restored]).unwrap().remove(0);
                    assert_eq!((start.goes_on_from.as_ref(), start.ended), (Some(&split.id), false));
                    reader = open(&source, &start.split);
                    reader.seek(&saved.0).unwrap();
                    got.truncate(saved.1);
                }
                2 => {
                    reader.seek(&saved.0).unwrap();
                    got.truncate(saved.1);
                }
                _ => {}
            }
        }
        assert_eq!(got, rows(0, 300), "seed {seed}");
    }
}

/// A position that is not one of this source's is refused, and nothing panics.
pub(crate) fn foreign_positions_are_refused(make: &dyn Fn() -> Made) {
    let harness = make();
    harness.give(0, &rows(0, 3));
    let source = harness.source(1, &[]);
    let split = source.splits().unwrap().remove(0);
    for position in [&b""[..], b"x", b"\xff\xff\xff", b"\0"] {
        assert!(open(&source, &split).seek(position).is_err(), "{position:?}");
    }
}

/// Who reads slowly is not given more than it asks for, and what waits for it is bounded.
pub(crate) fn a_slow_reader_is_not_flooded(make: &dyn Fn() -> Made) {
    let harness = make();
    let long = "x".repeat(2_000);
    let all: Vec<String> = (0..20_000).map(|id| format!("{{\"id\":{id},\"text\":\"{long}\"}}")).collect();
    harness.give(0, &all);
    harness.finish();
    let source = harness.source(1, &[]);
    let (mut reader, mut got, mut waits) = (open(&source, &source.splits().unwrap().remove(0)), Vec::new(), Waits::default());
    while got.len() < 200 {
        match reader.poll(1).unwrap() {
            Poll::Rows(batch) => {
                assert_eq!(batch.num_rows(), 1);
                got.extend(lines(&batch));
            }
            Poll::Pending(wait) => {
                waits.wait();
                harness.pass(wait);
            }
            Poll::End => panic!("there is more"),
        }
    }
    // 40 MB are there.
    assert!(harness.sent().is_none_or(|sent| sent < 10_000), "{:?} rows wait for somebody", harness.sent());
    assert!(read(&*harness, &mut *reader, || 1_000, &mut got, usize::MAX).unwrap());
    assert!(got == all, "all rows come, in order");
}

/// The other side goes away in the middle of a row and comes back: nothing is lost or read twice.
pub(crate) fn a_peer_may_go_and_come_back(make: &dyn Fn() -> Made) {
    for at in [0, 1, 57, 299] {
        let harness = make();
        harness.give(0, &rows(0, 300));
        harness.finish();
        if !harness.goes_away_at(at) {
            return;
        }
        let source = harness.source(1, &[]);
        let mut reader = open(&source, &source.splits().unwrap().remove(0));
        assert_eq!(read_all(&*harness, &mut *reader), rows(0, 300), "it went away at row {at}");
    }
}

/// Rows that come later are read later, and those that are there are not held back for them.
pub(crate) fn rows_are_read_as_they_come(make: &dyn Fn() -> Made) {
    let harness = make();
    harness.give(0, &rows(0, 5));
    let source = harness.source(1, &[]);
    if source.is_bounded() {
        return;
    }
    let (mut reader, mut got) = (open(&source, &source.splits().unwrap().remove(0)), Vec::new());
    assert!(!read(&*harness, &mut *reader, || 100, &mut got, 5).unwrap());
    harness.give(0, &rows(5, 9));
    assert!(!read(&*harness, &mut *reader, || 100, &mut got, 9).unwrap());
    assert_eq!(got, rows(0, 9));
}

/// The other side is told of complete checkpoints, in order, and never of more than was read.
pub(crate) fn complete_checkpoints_are_told(make: &dyn Fn() -> Made) {
    let harness = make();
    harness.give(0, &rows(0, 100));
    let source = harness.source(1, &[]);
    if harness.told(0).is_none() {
        assert!(!source.is_told_of_checkpoints());
        return;
    }
    assert!(source.is_told_of_checkpoints());
    let split = source.splits().unwrap().remove(0);
    let (mut reader, mut got) = (open(&source, &split), Vec::new());
    let told = |count: usize| {
        let mut waits = Waits::default();
        while harness.told(0).is_some_and(|told| told.len() < count) {
            waits.wait();
        }
        harness.told(0).unwrap_or_default()
    };
    read(&*harness, &mut *reader, || 1, &mut got, 30).unwrap();
    let first = reader.position();
    read(&*harness, &mut *reader, || 1, &mut got, 60).unwrap();
    assert_eq!(harness.told(0), Some(vec![]), "nothing is complete");
    reader.checkpoint_complete(Epoch(1), &first).unwrap();
    assert_eq!(told(1), [30]);
    let second = reader.position();
    reader.checkpoint_complete(Epoch(2), &second).unwrap();
    assert_eq!(told(2), [30, 60]);
    drop(reader);
    // The job was killed, and goes on from the first: of that it is sure, and says so again.
    let mut reader = open(&source, &split);
    reader.seek(&first).unwrap();
    got.truncate(30);
    read(&*harness, &mut *reader, || 1, &mut got, 100).unwrap();
    assert_eq!(told(3), [30, 60, 30]);
    assert_eq!(got, rows(0, 100));
    let end = reader.position();
    harness.finish();
    assert!(read(&*harness, &mut *reader, || 1, &mut got, usize::MAX).unwrap());
    reader.checkpoint_complete(Epoch(3), &end).unwrap();
    reader.close().unwrap();
    assert_eq!(told(4), [30, 60, 30, 100], "it hears of the last one, too");
}

/// A bad row ends the job, is left out, or becomes a dead letter, once, also when the job goes on from a checkpoint.
pub(crate) fn bad_rows_become_letters_once(make: &dyn Fn() -> Made) {
    let bad = |id: u64| id % 10 == 7;
    let all: Vec<String> = (0..100).map(|id| if bad(id) { format!("{{\"id\":\"x{id}\"}}") } else { row(id) }).collect();
    let good: Vec<String> = (0..100).filter(|id| !bad(*id)).map(row).collect();
    let make = || {
        let harness = make();
        harness.give(0, &all);
        harness.finish();
        harness
    };
    let harness = make();
    let source = harness.source(1, &[]);
    let (mut reader, mut got) = (open(&source, &source.splits().unwrap().remove(0)), Vec::new());
    let error = read(&*harness, &mut *reader, || 100, &mut got, usize::MAX).unwrap_err();
    assert_eq!(got, rows(0, 7), "the rows before it come first");
    assert!(error.to_string().contains("x7") && error.to_string().contains("bad_rows = 'skip'"), "{error}");

    let harness = make();
    let source = harness.source(1, &[("bad_rows", "dead_letter")]);
    let split = source.splits().unwrap().remove(0);
    let (mut reader, mut got) = (open(&source, &split), Vec::new());
    read(&*harness, &mut *reader, || 10, &mut got, 30).unwrap();
    let saved = (reader.position(), got.len());
    read(&*harness, &mut *reader, || 10, &mut got, 60).unwrap();
    drop(reader);
    let mut reader = open(&source, &split);
    reader.seek(&saved.0).unwrap();
    got.truncate(saved.1);
    assert!(read(&*harness, &mut *reader, || 10, &mut got, usize::MAX).unwrap());
    assert_eq!(got, good);
    let letters = harness.letters(0);
    let expected: Vec<String> = (0..100).filter(|id| bad(*id)).map(|id| format!("x{id}")).collect();
    let value = |letter: &str| serde_json::from_str::<serde_json::Value>(letter).unwrap()["value"].as_str().unwrap().to_owned();
    assert_eq!(letters.lines().map(value).collect::<Vec<_>>(), expected);
}

/// Only the columns that are wanted are given.
pub(crate) fn columns_are_chosen(make: &dyn Fn() -> Made) {
    let harness = make();
    harness.give(0, &rows(0, 3));
    harness.finish();
    let source = harness.source(1, &[]);
    assert_eq!(source.schema().arrow(), schema().arrow());
    let split = source.splits().unwrap().remove(0);
    let mut reader = source.open(&split, &[1], &Arc::<Counters>::default()).unwrap();
    assert_eq!(read_all(&*harness, &mut *reader), ["{\"text\":\"row 0\"}", "{\"text\":\"row 1\"}", "{\"text\":\"row 2\"}"]);
}
