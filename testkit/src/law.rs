//! The law: same input, same output.

use crate::harness::Harness;
use crate::heard::Senders;
use crate::input::{Input, InputSplit};
use crate::random::Random;
use crate::table::row_texts;
use arrow::array::{AsArray, Float64Array, RecordBatch};
use arrow::compute::take_record_batch;
use arrow::datatypes::{DataType, Float64Type};
use egret_core::metrics::Counters;
use egret_core::{Batch, EventTime, OperatorFactory, Result, StateBackend};
use egret_state::{MemoryBackend, OrderedBackend};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// The environment variable that reruns one seed.
const SEED_VARIABLE: &str = "EGRET_LAW_SEED";

/// An operator and an input for it.
#[derive(Clone)]
pub struct Case {
    name: String,
    factory: Arc<dyn OperatorFactory>,
    inputs: Vec<Input>,
    seeds: u64,
    float_digits: Option<i32>,
}

impl Case {
    /// An operator, with a name for messages.
    pub fn new(name: &str, factory: Arc<dyn OperatorFactory>) -> Self {
        Self { name: name.to_owned(), factory, inputs: Vec::new(), seeds: 40, float_digits: None }
    }

    /// Adds the next input.
    #[must_use]
    pub fn input(mut self, input: Input) -> Self {
        self.inputs.push(input);
        self
    }

    /// Sets the number of random runs; the default is 40.
    #[must_use]
    pub fn seeds(mut self, seeds: u64) -> Self {
        self.seeds = seeds;
        self
    }

    /// Compares floats in this many significant digits, for operators whose sums depend on the order of rows in their last bits.
    /// The default is an exact comparison.
    #[must_use]
    pub fn float_digits(mut self, digits: i32) -> Self {
        self.float_digits = Some(digits);
        self
    }
}

/// Checks that an operator keeps the law, and returns what it sends to its main output when it gets everything at once.
///
/// The plainest run (one instance, every split in one batch, no watermark before the end) gives the expected rows. Random runs
/// follow: other batch boundaries, other interleavings of splits, one to three instances with as many senders or one, senders
/// with several splits (some of which are idle for a while) or none, watermarks after every row or rarely, snapshots and restores
/// at any point, at another parallelism and with another backend of keyed state. Each run must send the same rows to each output,
/// in any order, and count the same number of late rows.
///
/// # Panics
/// A run differs or fails; the message names the case, the seed, the run and the first difference.
/// Set the environment variable `EGRET_LAW_SEED` to run that seed alone.
pub fn check_law(case: &Case) -> Vec<Batch> {
    let inputs: Vec<Input> = case.inputs.iter().map(Input::finished).collect();
    let plain = run(case, &inputs, 0, &Shape::plain());
    let expected = texts(case, &plain.output);
    let repeat: Option<u64> = std::env::var(SEED_VARIABLE).ok().and_then(|seed| seed.parse().ok());
    for seed in repeat.map_or(1..=case.seeds, |seed| seed..=seed) {
        let shape = Shape::random(seed);
        let got = run(case, &inputs, seed, &shape);
        let place = format!("the law is broken: case '{}', {SEED_VARIABLE}={seed}: {shape}", case.name);
        if let Some(difference) = first_difference(&expected, &texts(case, &got.output)) {
            panic!("{place}\n{difference}");
        }
        assert_eq!(got.late, plain.late, "{place}\nthe number of late rows that were counted differs");
    }
    plain.output.into_iter().filter(|(port, _)| *port == egret_core::MAIN).map(|(_, batch)| batch).collect()
}

/// The output of an operator that gets everything at once: the rows of every output, as sorted texts.
///
/// # Panics
/// The run fails.
pub fn plain_run(case: &Case) -> BTreeMap<usize, Vec<String>> {
    let inputs: Vec<Input> = case.inputs.iter().map(Input::finished).collect();
    texts(case, &run(case, &inputs, 0, &Shape::plain()).output)
}

/// How a run differs from the plainest run.
#[derive(Clone, Debug)]
struct Shape {
    parallelism_max: usize,
    rows_max: usize,
    interleaved: bool,
    watermark_percent: usize,
    snapshot_percent: usize,
    /// How often an input comes from one instance, and how often one of a sender's splits is idle for a while, in percent.
    one_sender_percent: usize,
    pause_percent: usize,
    /// How often the ordered backend keeps the keyed state rather than the default one, in percent.
    ordered_percent: usize,
}

impl Shape {
    fn plain() -> Self {
        Self {
            parallelism_max: 1,
            rows_max: usize::MAX,
            interleaved: false,
            watermark_percent: 0,
            snapshot_percent: 0,
            one_sender_percent: 0,
            pause_percent: 0,
            ordered_percent: 0,
        }
    }

    fn random(seed: u64) -> Self {
        let random = &mut Random::new(seed.wrapping_mul(0x5851_F42D_4C95_7F2D));
        let mut one_of = |choices: &[usize]| choices[random.below(choices.len())];
        Self {
            parallelism_max: one_of(&[1, 2, 3]),
            rows_max: one_of(&[1, 2, 7, 64, 1_000_000]),
            interleaved: one_of(&[0, 1, 1]) == 1,
            watermark_percent: one_of(&[0, 5, 50, 100]),
            snapshot_percent: one_of(&[0, 2, 10, 30]),
            one_sender_percent: one_of(&[0, 50]),
            pause_percent: one_of(&[0, 30]),
            ordered_percent: one_of(&[0, 50, 100]),
        }
    }

    fn backend(&self, random: &mut Random) -> Arc<dyn StateBackend> {
        if random.chance(self.ordered_percent) { Arc::new(OrderedBackend) } else { Arc::new(MemoryBackend) }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { parallelism_max, rows_max, interleaved, watermark_percent, snapshot_percent, .. } = self;
        write!(f, "at most {parallelism_max} instances, at most {rows_max} rows a batch, interleaved: {interleaved}, ")?;
        write!(f, "after a batch a watermark in {watermark_percent} % and a snapshot in {snapshot_percent} % of all cases, ")?;
        write!(f, "one sender in {} %, a split that pauses in {} %, ", self.one_sender_percent, self.pause_percent)?;
        write!(f, "keyed state in order in {} %", self.ordered_percent)
    }
}

struct Outcome {
    output: Vec<(usize, Batch)>,
    late: u64,
}

fn run(case: &Case, inputs: &[Input], seed: u64, shape: &Shape) -> Outcome {
    Run::new(case, inputs, seed, shape)
        .and_then(Run::finish)
        .unwrap_or_else(|error| panic!("case '{}', {SEED_VARIABLE}={seed} ({shape}) failed: {error}", case.name))
}

/// One pass over the input.
struct Run<'a> {
    harness: Harness,
    inputs: &'a [Input],
    shape: &'a Shape,
    random: Random,
    /// For every input and split, how many rows were fed.
    fed: Vec<Vec<usize>>,
}

impl<'a> Run<'a> {
    fn new(case: &Case, inputs: &'a [Input], seed: u64, shape: &'a Shape) -> Result<Self> {
        let mut random = Random::new(seed);
        let senders = |random: &mut Random| if random.chance(shape.one_sender_percent) { Senders::One } else { Senders::Every };
        let partitioning = inputs.iter().map(|input| (input.partitioning.clone(), senders(&mut random))).collect();
        let parallelism = 1 + random.below(shape.parallelism_max);
        let backend = shape.backend(&mut random);
        let harness = Harness::with_backend(Arc::clone(&case.factory), partitioning, parallelism, backend)?;
        let fed = inputs.iter().map(|input| vec![0; input.splits.len()]).collect();
        let mut run = Self { harness, inputs, shape, random, fed };
        run.end_senders_without_splits()?;
        Ok(run)
    }

    fn finish(mut self) -> Result<Outcome> {
        while let Some((input, split)) = self.choose_split() {
            self.feed_some(input, split)?;
            if self.random.chance(self.shape.watermark_percent) {
                self.send_watermark(input)?;
            }
            if self.random.chance(self.shape.snapshot_percent) {
                self.snapshot()?;
            }
        }
        self.harness.finish()?;
        let late = Counters::read(&self.harness.counters().late);
        Ok(Outcome { output: self.harness.take_all(), late })
    }

    fn choose_split(&mut self) -> Option<(usize, usize)> {
        let inputs = self.inputs;
        let open: Vec<(usize, usize)> = inputs
            .iter()
            .enumerate()
            .flat_map(|(input, of)| of.splits.iter().enumerate().map(move |(split, rows)| (input, split, rows.rows.num_rows())))
            .filter(|&(input, split, rows)| self.fed[input][split] < rows)
            .map(|(input, split, _)| (input, split))
            .collect();
        if open.is_empty() {
            return None;
        }
        let choice = if self.shape.interleaved { self.random.below(open.len()) } else { 0 };
        Some(open[choice])
    }

    fn feed_some(&mut self, input: usize, split: usize) -> Result<()> {
        let rows = &self.inputs[input].splits[split];
        let from = self.fed[input][split];
        let left = rows.rows.num_rows() - from;
        let count = 1 + self.random.below(left.min(self.shape.rows_max));
        let count = if self.shape.rows_max == usize::MAX { left } else { count };
        let in_order = self.random.chance(50);
        for batch in batches(rows, self.inputs[input].schema.event_time(), from..from + count, in_order) {
            self.harness.feed_from(input, split % self.harness.senders(input), batch)?;
        }
        self.fed[input][split] = from + count;
        Ok(())
    }

    /// Ends senders without splits at once.
    fn end_senders_without_splits(&mut self) -> Result<()> {
        for (input, of) in self.inputs.iter().enumerate().filter(|(_, of)| !of.splits.is_empty()) {
            for sender in of.splits.len()..self.harness.senders(input) {
                self.harness.watermark_from(input, sender, EventTime::MAX)?;
            }
        }
        Ok(())
    }

    /// Sends the watermark of each sender of an input: the least of its splits.
    fn send_watermark(&mut self, input: usize) -> Result<()> {
        let (senders, splits) = (self.harness.senders(input), self.inputs[input].splits.len());
        for sender in 0..senders.min(splits) {
            let mine: Vec<usize> = (sender..splits).step_by(senders).collect();
            let marks: Vec<Option<EventTime>> = mine.iter().map(|&split| self.split_watermark(input, split)).collect();
            let Some(least) = marks.iter().flatten().min().copied() else {
                self.harness.idle_from(input, sender)?;
                continue;
            };
            let least = self.without_one(input, &mine, &marks).unwrap_or(least);
            if least > EventTime::MIN {
                self.harness.watermark_from(input, sender, least)?;
            }
        }
        Ok(())
    }

    /// The watermark of a split; `None` if it is idle.
    fn split_watermark(&mut self, input: usize, split: usize) -> Option<EventTime> {
        let (rows, fed) = (&self.inputs[input].splits[split], self.fed[input][split]);
        let ended = fed == rows.rows.num_rows();
        match fed {
            _ if ended && rows.idle => None,
            _ if ended && self.random.chance(50) => Some(EventTime::MAX),
            0 => Some(EventTime::MIN),
            _ => Some(rows.watermark[fed - 1]),
        }
    }

    /// The least watermark of a sender if the split furthest behind is idle for a while. The remaining rows of that split must
    /// not become late by this, because the law does not cover how long an input is idle.
    fn without_one(&mut self, input: usize, mine: &[usize], marks: &[Option<EventTime>]) -> Option<EventTime> {
        let (slowest, _) =
            marks.iter().enumerate().filter_map(|(at, mark)| Some((at, (*mark)?))).min_by_key(|(_, mark)| *mark)?;
        let others = marks.iter().enumerate().filter(|(at, _)| *at != slowest).filter_map(|(_, mark)| *mark).min()?;
        let of = &self.inputs[input];
        let rest = of.splits[mine[slowest]].bound_from(&of.schema, self.fed[input][mine[slowest]]);
        (rest >= others && self.random.chance(self.shape.pause_percent)).then_some(others)
    }

    fn snapshot(&mut self) -> Result<()> {
        let snapshot = self.harness.snapshot()?;
        if self.random.chance(70) {
            let parallelism = 1 + self.random.below(self.shape.parallelism_max);
            let backend = self.shape.backend(&mut self.random);
            self.harness.restore_on(&snapshot, parallelism, backend)?;
            self.end_senders_without_splits()?;
        }
        Ok(())
    }
}

/// Rows as the engine sends them: those on time first, then the late ones by the watermark they were behind; or in order of
/// arrival, as other engines might.
fn batches(split: &InputSplit, event_time: Option<usize>, range: std::ops::Range<usize>, in_order: bool) -> Vec<Batch> {
    let mut rows: Vec<usize> = range.collect();
    if !in_order {
        rows.sort_by_key(|&row| split.late[row].is_some());
    }
    rows.chunk_by(|&a, &b| split.late[a] == split.late[b])
        .map(|run| {
            let indexes = arrow::array::UInt32Array::from_iter_values(run.iter().map(|&row| row as u32));
            let part = take_record_batch(&split.rows, &indexes).expect("the rows are there");
            Batch::from_parts(part, event_time, split.late[run[0]])
        })
        .collect()
}

/// The rows of every output as sorted texts.
fn texts(case: &Case, output: &[(usize, Batch)]) -> BTreeMap<usize, Vec<String>> {
    let mut ports: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for (port, batch) in output {
        let batch = match case.float_digits {
            None => batch.clone(),
            Some(digits) => batch.with_rows(rounded(batch.rows(), digits), batch.event_time_column()),
        };
        ports.entry(*port).or_default().extend(row_texts(&batch).into_iter().map(|row| row.join("  ")));
    }
    ports.values_mut().for_each(|rows| rows.sort());
    ports
}

fn rounded(rows: &RecordBatch, digits: i32) -> RecordBatch {
    let round = |value: f64| {
        let text = format!("{value:.*e}", usize::try_from(digits - 1).expect("at least one digit"));
        text.parse::<f64>().unwrap_or(value)
    };
    let columns = rows
        .columns()
        .iter()
        .map(|column| match column.data_type() {
            DataType::Float64 => {
                Arc::new(column.as_primitive::<Float64Type>().unary::<_, Float64Type>(round)) as Arc<Float64Array> as _
            }
            _ => column.clone(),
        })
        .collect();
    RecordBatch::try_new(rows.schema(), columns).expect("the types stay")
}

fn first_difference(expected: &BTreeMap<usize, Vec<String>>, got: &BTreeMap<usize, Vec<String>>) -> Option<String> {
    let ports: std::collections::BTreeSet<usize> = expected.keys().chain(got.keys()).copied().collect();
    let none = Vec::new();
    ports.into_iter().find_map(|port| {
        let (expected, got) = (expected.get(&port).unwrap_or(&none), got.get(&port).unwrap_or(&none));
        let (missing, surplus) = (without(expected, got), without(got, expected));
        let first = |rows: &[String]| rows.first().cloned().unwrap_or_else(|| "-".into());
        (!missing.is_empty() || !surplus.is_empty()).then(|| {
            format!(
                "output {port}: {} rows expected, {} came; {} are missing, {} too many\n  first missing:  {}\n  first too many: {}",
                expected.len(),
                got.len(),
                missing.len(),
                surplus.len(),
                first(&missing),
                first(&surplus)
            )
        })
    })
}

/// The rows of a sorted list without those of another, as multisets.
fn without(rows: &[String], other: &[String]) -> Vec<String> {
    let mut other = other.iter().peekable();
    let mut left = Vec::new();
    for row in rows {
        while other.next_if(|there| *there < row).is_some() {}
        if other.next_if_eq(&row).is_none() {
            left.push(row.clone());
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::table;
    use egret_core::{Context, Operator, OperatorInfo};

    fn case(operator: impl Fn() -> Box<dyn Operator> + Send + Sync + 'static) -> Case {
        let txn = table("card:int at:time\n 1 1\n 2 5\n 1 9\n 3 2\n 2 12\n 3 20");
        let factory = move |_: &OperatorInfo| -> Result<Box<dyn Operator>> { Ok(operator()) };
        Case::new("test", Arc::new(factory)).input(Input::of(&txn).keyed_by(&["card"]).out_of_order_by(3))
    }

    /// Sends one row of every batch, so its output depends on batching.
    struct FirstOfBatch;
    impl Operator for FirstOfBatch {
        fn process(&mut self, _input: usize, batch: Batch, ctx: &mut Context<'_>) -> Result<()> {
            ctx.emit(batch.slice(0, 1));
            Ok(())
        }
    }

    #[test]
    #[should_panic(expected = "the law is broken: case 'test'")]
    fn what_depends_on_batches_is_found() {
        check_law(&case(|| Box::new(FirstOfBatch)));
    }

    /// Holds rows until the watermark, and forgets them in a restart.
    #[derive(Default)]
    struct Forgetful(Vec<Batch>);
    impl Operator for Forgetful {
        fn process(&mut self, _input: usize, batch: Batch, _ctx: &mut Context<'_>) -> Result<()> {
            self.0.push(batch);
            Ok(())
        }
        fn on_watermark(&mut self, watermark: EventTime, ctx: &mut Context<'_>) -> Result<()> {
            if watermark == EventTime::MAX {
                self.0.drain(..).for_each(|batch| ctx.emit(batch));
            }
            Ok(())
        }
        fn output_watermark(&self, input: EventTime) -> EventTime {
            if self.0.is_empty() { input } else { EventTime::MIN }
        }
    }

    #[test]
    #[should_panic(expected = "are missing")]
    fn what_forgets_is_found() {
        check_law(&case(|| Box::<Forgetful>::default()));
    }

    /// Sends rows behind the watermark that it passed on.
    #[derive(Default)]
    struct TooLate(Option<Batch>);
    impl Operator for TooLate {
        fn process(&mut self, _input: usize, batch: Batch, ctx: &mut Context<'_>) -> Result<()> {
            self.0.replace(batch).into_iter().for_each(|held| ctx.emit(held));
            Ok(())
        }
        fn close(&mut self, ctx: &mut Context<'_>) -> Result<()> {
            self.0.take().into_iter().for_each(|held| ctx.emit(held));
            Ok(())
        }
    }

    #[test]
    #[should_panic(expected = "behind the watermark")]
    fn what_sends_behind_its_watermark_is_found() {
        check_law(&case(|| Box::<TooLate>::default()));
    }

    #[test]
    fn late_rows_are_decided_row_by_row() {
        let txn = table("at:time\n 10\n 3\n 8\n 20\n 16\n 17");
        let input = Input::of(&txn).out_of_order_by(3).finished();
        let late: Vec<Option<i64>> = input.splits[0].late.iter().map(|late| late.map(|watermark| watermark.0)).collect();
        assert_eq!(late, [None, Some(7), None, None, Some(17), None]);
        let watermark: Vec<i64> = input.splits[0].watermark.iter().map(|watermark| watermark.0).collect();
        assert_eq!(watermark, [7, 7, 7, 17, 17, 17]);
    }
}
