#![allow(clippy::unwrap_used)]

use super::*;
use arrow::array::{AsArray, Int64Array, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Int64Type};
use egret_core::metrics::Counters;
use egret_core::{
    Batch, Context, Epoch, NoState, Operator, OperatorInfo, Snapshot, SplitWatermark, StreamSchema, WatermarkStrategy,
};
use std::sync::Arc;
use std::time::Duration;

const STEP_US: i64 = 10;
const SPLITS: usize = 4;
const ROUNDS: usize = 30;

/// A seeded generator (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % n
    }
}

/// A value for which the order of updates matters: a polynomial in them.
struct Chain(i64);

impl KnowledgeReader for Chain {
    fn apply(&mut self, updates: &RecordBatch) -> Result<()> {
        for &value in updates.column(1).as_primitive::<Int64Type>().values() {
            self.0 = self.0.wrapping_mul(31).wrapping_add(value);
        }
        Ok(())
    }
    fn enrich(&mut self, rows: &RecordBatch) -> Result<Vec<ArrayRef>> {
        Ok(vec![Arc::new(Int64Array::from(vec![self.0; rows.num_rows()]))])
    }
    fn snapshot(&self) -> Result<Vec<u8>> {
        Ok(self.0.to_le_bytes().to_vec())
    }
    fn restore(&mut self, state: &[u8]) -> Result<()> {
        self.0 = i64::from_le_bytes(state.try_into().unwrap());
        Ok(())
    }
    fn state_size(&self) -> StateSize {
        StateSize { keys: 1, bytes: 8 }
    }
}

fn pairs(name: &str, times: Vec<i64>, values: Vec<i64>) -> RecordBatch {
    let at: ArrayRef = Arc::new(TimestampMicrosecondArray::from(times));
    RecordBatch::try_from_iter([(name, at), ("value", Arc::new(Int64Array::from(values)) as ArrayRef)]).unwrap()
}

/// The output of one split in one round: batches, then the split's watermark.
type Round = (Vec<Batch>, EventTime);

struct Script {
    /// For each split, its rounds.
    splits: Vec<Vec<Round>>,
    /// Step and value of each update, in order.
    updates: Vec<(i64, i64)>,
}

impl Script {
    fn random(random: &mut Random) -> Self {
        let strategy = WatermarkStrategy::bounded_out_of_orderness(Duration::from_micros(15));
        let mut id = 0;
        let splits = (0..SPLITS)
            .map(|_| {
                let (mut watermark, mut now) = (SplitWatermark::new(&strategy), -50_i64);
                let mut round = || {
                    let mut batches = Vec::new();
                    let (mut times, mut ids) = (Vec::new(), Vec::new());
                    for _ in 0..random.below(6) {
                        now += random.below(9) as i64;
                        times.push(now - random.below(25) as i64);
                        ids.push(id);
                        id += 1;
                    }
                    watermark.split(pairs("at", times, ids), 0, |batch| batches.push(batch)).unwrap();
                    (batches, watermark.current())
                };
                (0..ROUNDS).map(|_| round()).collect()
            })
            .collect();
        let updates =
            (-6..60).flat_map(|step| (0..random.below(3)).map(move |n| (step * STEP_US, step * 7 + n as i64))).collect();
        Self { splits, updates }
    }

    /// The expected answers by definition: for every row a new replica.
    fn expected(&self) -> Vec<(i64, bool, i64)> {
        let mut rows: Vec<_> = self
            .splits
            .iter()
            .flatten()
            .flat_map(|(batches, _)| batches)
            .flat_map(|batch| {
                let times = batch.event_times().unwrap().iter();
                times.zip(batch.column(1).as_primitive::<Int64Type>().values()).map(|(&time, &id)| {
                    let version = EventTime(batch.late().map_or(time, |late| late.0)).floor_to(STEP_US).0;
                    let seen = self.updates.iter().filter(|(step, _)| *step < version);
                    (id, batch.late().is_some(), seen.fold(0_i64, |sum, (_, value)| sum.wrapping_mul(31).wrapping_add(*value)))
                })
            })
            .collect();
        rows.sort_unstable();
        rows
    }

    fn watermark(&self, round: usize, splits: impl Iterator<Item = usize>) -> EventTime {
        splits.map(|split| self.splits[split][round].1).min().unwrap_or(EventTime::MAX)
    }
}

struct Run<'a> {
    script: &'a Script,
    joins: Vec<KnowledgeJoin>,
    sent_updates: usize,
    made: EventTime,
    passed: Vec<EventTime>,
    output: Vec<(usize, Batch)>,
}

fn make(parallelism: usize) -> Vec<KnowledgeJoin> {
    let at = StreamSchema::new(
        vec![
            StreamSchema::time_field("at"),
            Field::new("value", DataType::Int64, true),
            Field::new("sum", DataType::Int64, true),
        ],
        Some("at"),
    )
    .unwrap();
    (0..parallelism).map(|_| KnowledgeJoin::new(Box::new(Chain(0)), at.clone(), STEP_US).unwrap()).collect()
}

impl<'a> Run<'a> {
    fn new(script: &'a Script, parallelism: usize) -> Self {
        let passed = vec![EventTime::MIN; parallelism];
        Self { script, joins: make(parallelism), sent_updates: 0, made: EventTime::MIN, passed, output: Vec::new() }
    }

    fn call(&mut self, instance: usize, call: impl Fn(&mut KnowledgeJoin, &mut Context<'_>) -> Result<()>) {
        let (info, counters, mut wake) = (OperatorInfo::alone("join"), Counters::default(), None);
        let (mut state, before) = (NoState, self.output.len());
        let mut ctx = Context::new(&mut self.output, &info, &counters, &mut state, &mut wake, EventTime::MIN, 0);
        call(&mut self.joins[instance], &mut ctx).unwrap();
        assert!(counters.named().is_empty());
        for (_, batch) in &self.output[before..] {
            let least = batch.late().map_or_else(|| *batch.event_times().unwrap().iter().min().unwrap(), |late| late.0);
            assert!(least >= self.passed[instance].0, "a row at {least} behind the watermark {}", self.passed[instance]);
        }
    }

    fn watermarks(&mut self, instance: usize, rows: EventTime, updates: EventTime) {
        self.call(instance, |join, ctx| join.on_input_watermark(0, rows, ctx));
        self.call(instance, |join, ctx| join.on_input_watermark(1, updates, ctx));
        self.call(instance, |join, ctx| join.on_watermark(rows.min(updates), ctx));
        let output = self.joins[instance].output_watermark(rows.min(updates));
        assert!(output >= self.passed[instance]);
        self.passed[instance] = output;
    }

    fn round(&mut self, round: usize, updates_behind: usize, one_by_one: bool) {
        let parallelism = self.joins.len();
        let made = match round.checked_sub(updates_behind) {
            Some(round) => self.script.watermark(round, 0..SPLITS).floor_to(STEP_US),
            None => EventTime::MIN,
        };
        self.made = made.max(self.made);
        let made = self.made;
        self.updates(made);
        for split in 0..SPLITS {
            for batch in &self.script.splits[split][round].0 {
                let parts = if one_by_one { batch.num_rows() } else { 1 };
                for part in 0..parts {
                    let part = if one_by_one { batch.slice(part, 1) } else { batch.clone() };
                    self.call(split % parallelism, |join, ctx| join.process(0, part.clone(), ctx));
                }
            }
        }
        for instance in 0..parallelism {
            let rows = self.script.watermark(round, (0..SPLITS).filter(|split| split % parallelism == instance));
            self.watermarks(instance, rows, made);
        }
    }

    fn updates(&mut self, below: EventTime) {
        let new: Vec<_> = self.script.updates[self.sent_updates..].iter().take_while(|(step, _)| *step < below.0).collect();
        self.sent_updates += new.len();
        let rows = pairs(VERSION_TIME, new.iter().map(|u| u.0).collect(), new.iter().map(|u| u.1).collect());
        for instance in 0..self.joins.len() {
            self.call(instance, |join, ctx| join.process(1, Batch::from_parts(rows.clone(), Some(0), None), ctx));
        }
    }

    fn restore_at(&mut self, parallelism: usize) {
        let parts: Vec<Snapshot> = self.joins.iter_mut().map(|join| join.snapshot(Epoch(1)).unwrap()).collect();
        self.joins = make(parallelism);
        let mut parts = parts;
        for (instance, join) in self.joins.iter_mut().enumerate() {
            let mine = Snapshot::deal(&mut parts, &OperatorInfo { instance, parallelism, ..OperatorInfo::alone("join") });
            let replicas = mine.iter().filter(|part| part.replicated.is_some()).count();
            assert_eq!((replicas, mine.iter().map(|part| part.first.len()).sum()), (1, 0_usize), "one copy, whatever there was");
            join.restore(mine).unwrap();
        }
        self.passed = vec![EventTime::MIN; parallelism];
    }

    fn finish(mut self) -> Vec<(i64, bool, i64)> {
        self.updates(EventTime::MAX);
        (0..self.joins.len()).for_each(|instance| self.watermarks(instance, EventTime::MAX, EventTime::MAX));
        assert!(self.joins.iter().all(|join| join.state_size().bytes == 8));
        let mut rows = Vec::new();
        for (_, batch) in &self.output {
            let (ids, sums) = (batch.column(1).as_primitive::<Int64Type>(), batch.column(2).as_primitive::<Int64Type>());
            rows.extend(ids.values().iter().zip(sums.values()).map(|(&id, &sum)| (id, batch.late().is_some(), sum)));
        }
        rows.sort_unstable();
        rows
    }
}

#[test]
fn rows_read_the_version_of_their_time_whatever_the_batching_parallelism_and_restores() {
    for seed in 0..300 {
        let mut random = Random(seed);
        let script = Script::random(&mut random);
        let expected = script.expected();
        assert!(expected.len() > 100 && expected.iter().any(|row| row.1), "seed {seed}");
        for parallelism in 1..=3 {
            let mut run = Run::new(&script, parallelism);
            let (one_by_one, restore_round) = (random.below(2) == 0, random.below(ROUNDS as u64) as usize);
            for round in 0..ROUNDS {
                run.round(round, random.below(6) as usize, one_by_one);
                if round == restore_round {
                    run.restore_at(1 + random.below(3) as usize);
                }
            }
            assert_eq!(run.finish(), expected, "seed {seed}, parallelism {parallelism}");
        }
    }
}

#[test]
fn state_that_is_damaged_is_refused() {
    let mut join = make(1).remove(0);
    let replica = Some(egret_core::Replicated { version: 0, bytes: vec![9, 9, 9] });
    for part in [
        Snapshot { replicated: replica, ..Snapshot::default() },
        Snapshot { split: vec![vec![9, 9, 9]], ..Snapshot::default() },
        Snapshot { first: vec![vec![1, 9, 9]], ..Snapshot::default() },
    ] {
        assert!(!join.restore(vec![part]).unwrap_err().may_retry());
    }
    assert!(MakerSteps::new(0).unwrap_err().to_string().contains("positive interval"));
}
