//! Readers over splits that say when they have what, with a clock that is set.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::source_spec::SourceSpec;
use crate::splits::NextRank;
use arrow::array::{AsArray, Int64Array, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Int64Type};
use egret_core::BadRowRule;
use egret_core::ManualClock;
use egret_core::batch::micros;
use egret_core::{Source, SplitStart};
use egret_core::{SourceReader, Split, StreamSchema};
use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::sync::Mutex;

/// Event times of the batches to come; what is given out is numbered.
type Script = Arc<Mutex<VecDeque<Vec<i64>>>>;

struct Scripted {
    schema: StreamSchema,
    scripts: Vec<Script>,
    in_order: bool,
    refused: Arc<Mutex<Vec<String>>>,
}

struct ScriptedReader {
    schema: StreamSchema,
    script: Script,
    split: i64,
    refused: Arc<Mutex<Vec<String>>>,
}

impl Source for Scripted {
    fn schema(&self) -> &StreamSchema {
        &self.schema
    }
    fn is_bounded(&self) -> bool {
        true
    }
    fn is_read_in_order(&self) -> bool {
        self.in_order
    }
    fn splits(&self) -> Result<Vec<Split>> {
        Ok((0..self.scripts.len()).map(|split| Split { id: split.to_string() }).collect())
    }
    fn open(&self, split: &Split, _: &[usize], _: &Arc<Counters>) -> Result<Box<dyn SourceReader>> {
        let split: usize = split.id.parse().unwrap();
        let (schema, script) = (self.schema.clone(), Arc::clone(&self.scripts[split]));
        Ok(Box::new(ScriptedReader { schema, script, split: split as i64, refused: Arc::clone(&self.refused) }))
    }
    fn describe(&self) -> String {
        "a script".into()
    }
}

impl SourceReader for ScriptedReader {
    fn poll(&mut self, _: usize) -> Result<Poll> {
        let Some(times) = self.script.lock().unwrap().pop_front() else { return Ok(Poll::Pending(Duration::from_millis(10))) };
        if times.is_empty() {
            return Ok(Poll::End);
        }
        let split = Arc::new(Int64Array::from(vec![self.split; times.len()]));
        let at = Arc::new(TimestampMicrosecondArray::from(times));
        Ok(Poll::Rows(RecordBatch::try_new(Arc::clone(self.schema.arrow()), vec![split, at])?))
    }
    fn position(&self) -> Vec<u8> {
        Vec::new()
    }
    fn seek(&mut self, _: &[u8]) -> Result<()> {
        Ok(())
    }
    fn refuse(&mut self, _: &RecordBatch, bad: &[BadRow]) -> Result<()> {
        self.refused.lock().unwrap().extend(bad.iter().map(|bad| bad.value.clone()));
        Ok(())
    }
    fn place_of(&self, row: usize) -> Option<String> {
        Some(format!("row {row}"))
    }
}

/// What left, in words: `0:5` is a row of split 0 at 5, `late(9) 1:3` one that is late, `w7`, `idle` and `end` are control events.
fn said(out: &mut Vec<Outgoing>) -> Vec<String> {
    let mut all = Vec::new();
    for outgoing in out.drain(..) {
        match outgoing {
            Outgoing::Rows(_, batch) => {
                let late = batch.late().map_or(String::new(), |late| format!("late({}) ", late.0));
                let splits = batch.column(0).as_primitive::<Int64Type>().values().to_vec();
                let times = micros(batch.column(1)).to_vec();
                all.extend(splits.iter().zip(times).map(|(split, time)| format!("{late}{split}:{time}")));
            }
            Outgoing::Event(ControlEvent::Watermark(EventTime::MAX)) => all.push("end".into()),
            Outgoing::Event(ControlEvent::Watermark(at)) => all.push(format!("w{}", at.0)),
            Outgoing::Event(ControlEvent::Idle) => all.push("idle".into()),
            Outgoing::Event(_) => {}
        }
    }
    all
}

/// A source of so many splits, read by so many workers.
struct Bench {
    scripts: Vec<Script>,
    tasks: Vec<SourceTask>,
    counters: Arc<Counters>,
    others: Arc<Counters>,
    clock: Arc<ManualClock>,
    refused: Arc<Mutex<Vec<String>>>,
}

struct Setup {
    splits: usize,
    workers: usize,
    strategy: Option<WatermarkStrategy>,
    in_order: bool,
    restored: Option<BTreeMap<String, SplitPosition>>,
    places: bool,
}

impl Default for Setup {
    fn default() -> Self {
        let strategy = Some(WatermarkStrategy::ascending().idle_after(Duration::from_millis(100)));
        Self { splits: 2, workers: 1, strategy, in_order: false, restored: None, places: false }
    }
}

impl Setup {
    fn open(self) -> Bench {
        let fields = vec![Field::new("split", DataType::Int64, false), StreamSchema::time_field("at")];
        let scripts: Vec<Script> = (0..self.splits).map(|_| Script::default()).collect();
        let refused = Arc::default();
        let source: Arc<dyn Source> = Arc::new(Scripted {
            schema: StreamSchema::new(fields, Some("at")).unwrap(),
            scripts: scripts.clone(),
            in_order: self.in_order,
            refused: Arc::clone(&refused),
        });
        let splits: Vec<SplitStart> = source.splits().unwrap().into_iter().map(SplitStart::fresh).collect();
        let from = |start: SplitStart| SplitStart { goes_on_from: Some(start.split.id.clone()), ..start };
        let splits = if self.restored.is_some() { splits.into_iter().map(from).collect() } else { splits };
        let (counters, others) = (Arc::<Counters>::default(), Arc::<Counters>::default());
        let clock = Arc::new(ManualClock::default());
        let shared = SourceClock::new(self.splits, |_| true);
        let rule = BadRowRule::default();
        let spec = |worker| SourceSpec {
            name: "t".into(),
            source: &source,
            strategy: self.strategy,
            columns: &[0, 1],
            counters: Arc::clone(&counters),
            worker,
            workers: self.workers,
            splits: &splits,
            ranks: &[3, 1, 2],
            next_rank: NextRank::default(),
            letters: None,
            bad_rows: &rule,
            places: self.places,
            has_checkpoints: true,
            restored: self.restored.as_ref(),
            clock: shared.clone(),
            wall: clock.clone(),
            meets: vec![Arc::clone(&counters), Arc::clone(&others)],
        };
        let tasks = (0..self.workers).map(|worker| SourceTask::open(spec(worker)).unwrap()).collect();
        Bench { scripts, tasks, counters, others, clock, refused }
    }
}

impl Bench {
    fn give(&self, split: usize, batches: &[&[i64]]) {
        self.scripts[split].lock().unwrap().extend(batches.iter().map(|times| times.to_vec()));
    }

    /// All workers read what there is at a time; what each said.
    fn read_each(&mut self, now_ms: i64) -> Vec<Vec<String>> {
        self.clock.set_ms(now_ms);
        let mut all = Vec::new();
        for task in &mut self.tasks {
            let mut out = Vec::new();
            for _ in 0..100 {
                if task.poll(10, now_ms, &mut out).unwrap() != Next::Again {
                    break;
                }
            }
            all.push(said(&mut out));
        }
        all
    }

    fn read(&mut self, now_ms: i64) -> Vec<String> {
        self.read_each(now_ms).concat()
    }
}

#[test]
fn rows_of_a_split_that_was_idle_are_late_below_what_went_out_without_it() {
    for workers in [1, 2] {
        let mut bench = Setup { workers, ..Setup::default() }.open();
        bench.give(0, &[&[10]]);
        bench.give(1, &[&[5]]);
        bench.read(0);
        bench.read(10);
        // Split 1 has nothing; split 0 goes on.
        bench.give(0, &[&[600]]);
        bench.read(50);
        assert!(!bench.read(60).contains(&"idle".to_owned()));
        bench.give(0, &[&[700]]);
        assert!(bench.read(120).contains(&"0:700".to_owned()));
        bench.read(120);
        bench.give(1, &[&[300, 699, 700, 800]]);
        let said: Vec<String> = bench.read(130).into_iter().filter(|said| said.contains(':')).collect();
        assert_eq!(said, ["1:700", "1:800", "late(700) 1:300", "late(700) 1:699"], "{workers} workers");
        bench.give(0, &[&[900]]);
        let said = bench.read_each(131).concat();
        assert!(!said.contains(&"w900".to_owned()), "split 1 is waited for again: {said:?}");
    }
}

#[test]
fn when_all_splits_are_idle_the_greatest_watermark_goes_out() {
    for workers in [1, 2, 3] {
        let mut bench = Setup { workers, splits: 3, ..Setup::default() }.open();
        bench.give(0, &[&[70]]);
        bench.give(1, &[&[20]]);
        bench.give(2, &[&[90], &[]]);
        bench.read(0);
        bench.read(0);
        bench.read(99);
        let before = bench.tasks.iter().map(|task| task.sent).max().unwrap();
        assert_eq!(before, EventTime(20), "{workers} workers");
        bench.read(130);
        let said = bench.read_each(250);
        let open = bench.tasks.iter().filter(|task| !task.ended);
        assert!(open.clone().all(|task| task.sent == EventTime(90) && task.said_idle), "{workers} workers: {said:?}");
    }
}

#[test]
fn who_comes_back_is_waited_for_before_its_rows() {
    let mut bench = Setup::default().open();
    bench.give(0, &[&[70]]);
    bench.give(1, &[&[20]]);
    bench.read(0);
    bench.read(1);
    assert_eq!(bench.read(200), ["w70", "idle"]);
    bench.give(1, &[&[60, 75]]);
    assert_eq!(bench.read(300), ["w70", "1:75", "late(70) 1:60", "w75"]);
}

#[test]
fn a_split_that_is_not_asked_is_not_idle() {
    let mut bench = Setup::default().open();
    bench.give(0, &[&[10], &[20]]);
    bench.give(1, &[&[900], &[1_000]]);
    let mut out = Vec::new();
    bench.tasks[0].poll(10, 0, &mut out).unwrap();
    bench.tasks[0].poll(10, 1, &mut out).unwrap();
    // Nobody asks for long: there was no credit. Then split 0 has rows still, and split 1 is ahead and has to wait.
    bench.tasks[0].poll(10, 10_000, &mut out).unwrap();
    assert_eq!(said(&mut out), ["0:10", "1:900", "w10", "0:20", "w20"]);
    assert!(bench.tasks[0].splits.iter().all(|split| split.activity == Activity::Active));
    // What is quiet is quiet from the first time that it is asked.
    bench.read(20_000);
    assert_eq!(bench.tasks[0].sent, EventTime(20));
    bench.read(20_100);
    assert_eq!(bench.tasks[0].sent, EventTime(1_000));
}

#[test]
fn splits_without_a_watermark_take_turns_unless_they_are_read_in_order() {
    for (in_order, expected) in [(false, ["0:1", "1:4", "0:2", "1:5", "0:3"]), (true, ["0:1", "0:2", "0:3", "1:4", "1:5"])] {
        let mut bench = Setup { strategy: None, in_order, ..Setup::default() }.open();
        bench.give(0, &[&[1], &[2], &[3], &[]]);
        bench.give(1, &[&[4], &[5], &[]]);
        assert_eq!(bench.read(0)[..5], expected);
    }
}

#[test]
fn what_an_idle_split_may_not_fall_below_is_in_the_checkpoint() {
    let mut bench = Setup::default().open();
    bench.give(0, &[&[10]]);
    bench.give(1, &[&[5]]);
    bench.read(0);
    bench.read(1);
    bench.give(0, &[&[600]]);
    bench.read(100);
    bench.read(102);
    let positions = bench.tasks[0].end_epoch(Epoch(1)).unwrap();
    assert_eq!((positions[0].activity, positions[1].activity), (Activity::Active, Activity::Idle));
    let restored: BTreeMap<_, _> = positions.into_iter().map(|position| (position.id.clone(), position)).collect();
    for workers in [1, 2] {
        let mut bench = Setup { workers, restored: Some(restored.clone()), ..Setup::default() }.open();
        bench.give(1, &[&[300, 600]]);
        let rows: Vec<String> = bench.read(0).into_iter().filter(|said| said.contains(':')).collect();
        assert_eq!(rows, ["1:600", "late(600) 1:300"], "{workers} workers");
    }
}

#[test]
fn bad_times_go_to_the_reader_and_far_ones_are_named_once() {
    const DAY: i64 = 86_400_000_000;
    let mut bench = Setup { splits: 1, ..Setup::default() }.open();
    bench.give(0, &[&[0, i64::MAX, 5], &[i64::MIN], &[400 * DAY, 900 * DAY], &[7]]);
    let said = bench.read(0);
    let late = format!("late({}) 0:7", 900 * DAY);
    assert_eq!(
        said.iter().filter(|said| said.contains(':')).cloned().collect::<Vec<_>>(),
        ["0:0", "0:5", &format!("0:{}", 400 * DAY), &format!("0:{}", 900 * DAY), &late]
    );
    assert_eq!(*bench.refused.lock().unwrap(), [format!("{} us since 1970", i64::MAX), format!("{} us since 1970", i64::MIN)]);
    assert_eq!(
        bench.counters.notes(),
        ["0, row 0: 1971-02-05 00:00:00.000 is 399 days ahead of the latest row before it (1970-01-01 00:00:00.000005)"]
    );
    assert_eq!(Counters::read(&bench.counters.rows_out), 5);
    let strategy = Some(WatermarkStrategy::ascending().max_ahead(Duration::from_micros(100)));
    let mut bench = Setup { splits: 1, strategy, ..Setup::default() }.open();
    bench.give(0, &[&[0, 101, 50], &[150, 251]]);
    assert_eq!(bench.read(0), ["0:0", "0:50", "w50", "0:150", "w150"]);
    assert_eq!(bench.refused.lock().unwrap().len(), 2);
}

#[test]
fn who_holds_the_watermark_back_is_said() {
    let strategy = Some(WatermarkStrategy::ascending());
    let mut bench = Setup { strategy, ..Setup::default() }.open();
    bench.give(0, &[&[10]]);
    bench.give(1, &[&[20]]);
    bench.read(0);
    bench.read(200);
    bench.read(5_000);
    assert!(bench.counters.holds().is_empty());
    bench.read(20_000);
    let holds = bench.counters.holds();
    assert_eq!((holds.len(), holds[0].split.as_str(), holds[0].at, holds[0].reached), (1, "0", EventTime(10), EventTime(20)));
    assert_eq!(
        holds[0].to_string(),
        "held back at 1970-01-01 00:00:00.000010 by 0 since 1970-01-01 00:00:00.200; others are at 1970-01-01 00:00:00.000020"
    );
    bench.give(0, &[&[30]]);
    bench.read(30_000);
    bench.read(31_000);
    assert!(bench.counters.holds().is_empty(), "it goes on");
    // Another stream whose rows meet these is ahead.
    bench.give(1, &[&[30]]);
    bench.read(40_000);
    bench.others.set_reached(EventTime(31));
    bench.read(50_000);
    bench.read(70_000);
    assert_eq!(bench.counters.holds().len(), 1);
    bench.give(0, &[&[]]);
    bench.give(1, &[&[]]);
    bench.read(80_000);
    assert!(bench.counters.holds().is_empty(), "it has ended");
}

/// The places of all rows that leave, with the split that each is of.
fn places(bench: &mut Bench, now_ms: i64) -> Vec<(i64, i128)> {
    let mut out = Vec::new();
    for task in &mut bench.tasks {
        while task.poll(10, now_ms, &mut out).unwrap() == Next::Again {}
    }
    let mut all = Vec::new();
    for outgoing in out {
        let Outgoing::Rows(_, batch) = outgoing else { continue };
        let splits = batch.column(0).as_primitive::<Int64Type>().values().to_vec();
        all.extend(splits.into_iter().zip(egret_core::row_place::values(batch.column(2)).to_vec()));
    }
    all
}

#[test]
fn rows_have_places_by_rank_and_by_number_whatever_the_batches_and_restarts() {
    let times = |cuts: &[&[i64]]| -> Vec<Vec<i64>> { cuts.iter().map(|times| times.to_vec()).collect() };
    let strategy =
        Some(WatermarkStrategy::bounded_out_of_orderness(Duration::from_micros(3)).max_ahead(Duration::from_millis(60)));
    let setup = |restored| Setup { strategy, places: true, restored, ..Setup::default() };
    // The third row is late, and the fourth too far ahead: each has its number.
    let rows = [10, 20, 1, 9_000_000, 21, 21];
    let mut expected: Option<Vec<(i64, i128)>> = None;
    for cut in 1..=rows.len() {
        for stop in 0..=rows.len() {
            let mut bench = setup(None).open();
            let before: Vec<&[i64]> = rows[..stop].chunks(cut).collect();
            let of_both = |bench: &Bench, times: Vec<Vec<i64>>| {
                bench.scripts.iter().for_each(|script| script.lock().unwrap().extend(times.clone()))
            };
            of_both(&bench, times(&before));
            let mut found = places(&mut bench, 0);
            let restored =
                bench.tasks[0].end_epoch(Epoch(1)).unwrap().into_iter().map(|split| (split.id.clone(), split)).collect();
            let mut bench = setup(Some(restored)).open();
            of_both(&bench, times(&rows[stop..].chunks(cut).collect::<Vec<_>>()));
            found.extend(places(&mut bench, 0));
            // The first split has rank 3, the second 1.
            found.sort_by_key(|(_, place)| *place);
            assert_eq!(found.iter().map(|(split, _)| *split).collect::<Vec<_>>(), [1, 1, 1, 1, 1, 0, 0, 0, 0, 0]);
            assert_eq!(*expected.get_or_insert_with(|| found.clone()), found, "{cut} at a time, stopped behind {stop}");
        }
    }
}
