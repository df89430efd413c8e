//! A model's operators wired as in a job, called by hand: rounds of batches and watermarks, restored anywhere.

use super::random::Random;
use crate::{Answer, ModelSpec};
use arrow::array::RecordBatch;
use egret_core::metrics::Counters;
use egret_core::{
    Batch, Context, Epoch, EventTime, NoState, Operator, OperatorFactory, OperatorInfo, Result, Snapshot, SplitWatermark,
    WatermarkStrategy,
};
use std::sync::Arc;
use std::time::Duration;

/// Rows of every split, in rounds: batches, late ones apart, and the split's watermark behind.
pub(super) struct Input {
    pub(super) splits: Vec<Vec<(Vec<Batch>, EventTime)>>,
}

impl Input {
    /// Cuts every split's rows into rounds of so many rows; `delay_us` is how far rows may be out of order.
    pub(super) fn new(splits: &[RecordBatch], rows_a_round: usize, delay_us: u64) -> Self {
        let strategy = WatermarkStrategy::bounded_out_of_orderness(Duration::from_micros(delay_us));
        let cut = |rows: &RecordBatch| {
            let mut watermark = SplitWatermark::new(&strategy);
            let starts = (0..rows.num_rows()).step_by(rows_a_round);
            starts
                .map(|start| {
                    let (mut batches, length) = (Vec::new(), rows_a_round.min(rows.num_rows() - start));
                    watermark.split(rows.slice(start, length), 0, |batch| batches.push(batch)).unwrap();
                    (batches, watermark.current())
                })
                .collect()
        };
        Self { splits: splits.iter().map(cut).collect() }
    }

    pub(super) fn batches(&self) -> impl Iterator<Item = &Batch> {
        self.splits.iter().flatten().flat_map(|(batches, _)| batches)
    }

    fn rounds(&self) -> usize {
        self.splits.iter().map(Vec::len).max().unwrap_or(0)
    }

    fn watermark(&self, round: usize, splits: impl Iterator<Item = usize>) -> EventTime {
        splits.map(|split| self.splits[split].get(round).map_or(EventTime::MAX, |round| round.1)).min().unwrap_or(EventTime::MAX)
    }
}

/// An operator and what it let pass.
struct Node {
    operator: Box<dyn Operator>,
    info: OperatorInfo,
    passed: EventTime,
}

pub(super) struct Job {
    factories: [Arc<dyn OperatorFactory>; 3],
    learner: Node,
    scorers: Vec<Node>,
    evaluator: Node,
    pub(super) scored: Vec<Batch>,
    pub(super) metrics: Vec<Batch>,
    pub(super) counters: [Counters; 3],
}

fn node(factory: &Arc<dyn OperatorFactory>, instance: usize, parallelism: usize) -> Node {
    let info = OperatorInfo { instance, parallelism, ..OperatorInfo::alone("model") };
    Node { operator: factory.create(&info).unwrap(), info, passed: EventTime::MIN }
}

impl Node {
    /// Calls the operator and checks that what it emits is not behind what it let pass.
    fn call(&mut self, counters: &Counters, call: impl FnOnce(&mut dyn Operator, &mut Context<'_>) -> Result<()>) -> Vec<Batch> {
        let (mut output, mut state, mut wake) = (Vec::new(), NoState, None);
        let mut ctx = Context::new(&mut output, &self.info, counters, &mut state, &mut wake, self.passed, 0);
        call(self.operator.as_mut(), &mut ctx).unwrap();
        for (_, batch) in &output {
            let least = batch.late().map_or_else(|| *batch.event_times().unwrap().iter().min().unwrap(), |late| late.0);
            assert!(least >= self.passed.0, "a row at {least} behind the watermark {}", self.passed);
        }
        output.into_iter().map(|(_, batch)| batch).collect()
    }

    fn pass(&mut self, input: EventTime) -> EventTime {
        let output = self.operator.output_watermark(input);
        assert!(output >= self.passed && output <= input);
        self.passed = output;
        output
    }
}

impl Job {
    pub(super) fn new(spec: &ModelSpec, label: usize, parallelism: usize) -> Self {
        let scored = spec.scored_schema().unwrap();
        let score = scored.arrow().fields().len() - 1;
        let evaluator = spec.evaluator_factory(&scored, score, label).unwrap();
        let factories = [spec.learner_factory(), spec.scorer_factory(scored, &[Answer::Score]).unwrap(), evaluator];
        Self {
            learner: node(&factories[0], 0, 1),
            scorers: (0..parallelism).map(|instance| node(&factories[1], instance, parallelism)).collect(),
            evaluator: node(&factories[2], 0, 1),
            factories,
            scored: Vec::new(),
            metrics: Vec::new(),
            counters: Default::default(),
        }
    }

    /// Runs the input to its end, cutting batches, holding watermarks back and restoring at random.
    pub(super) fn run(&mut self, input: &Input, random: &mut Random) {
        let restore_round = random.below(2 * input.rounds() as u64) as usize;
        for round in 0..input.rounds() {
            self.round(input, round, random);
            if round == restore_round {
                self.restore(1 + random.below(3) as usize);
            }
        }
        self.watermarks(EventTime::MAX, |_| EventTime::MAX);
    }

    fn round(&mut self, input: &Input, round: usize, random: &mut Random) {
        let workers = self.scorers.len();
        for (split, rounds) in input.splits.iter().enumerate() {
            for batch in rounds.get(round).into_iter().flat_map(|(batches, _)| batches) {
                let step = if random.one_in(2) { batch.num_rows() } else { 1 + random.below(batch.num_rows() as u64) as usize };
                for start in (0..batch.num_rows()).step_by(step) {
                    self.rows(split % workers, batch.slice(start, step.min(batch.num_rows() - start)));
                }
            }
        }
        if random.one_in(3) {
            return;
        }
        let all = input.watermark(round, 0..input.splits.len());
        self.watermarks(all, |worker| input.watermark(round, (0..input.splits.len()).filter(|split| split % workers == worker)));
    }

    fn rows(&mut self, worker: usize, batch: Batch) {
        let for_scorer = batch.clone();
        let none = self.learner.call(&self.counters[0], |learner, ctx| learner.process(0, batch, ctx));
        assert!(none.is_empty());
        let scored = self.scorers[worker].call(&self.counters[1], |scorer, ctx| scorer.process(0, for_scorer, ctx));
        self.evaluate(scored);
    }

    fn evaluate(&mut self, scored: Vec<Batch>) {
        for batch in scored {
            self.scored.push(batch.clone());
            let none = self.evaluator.call(&self.counters[2], |evaluator, ctx| evaluator.process(0, batch, ctx));
            assert!(none.is_empty());
        }
    }

    fn watermarks(&mut self, all: EventTime, of_worker: impl Fn(usize) -> EventTime) {
        let updates = self.learner.call(&self.counters[0], |learner, ctx| learner.on_watermark(all, ctx));
        let made = self.learner.pass(all);
        let mut least = EventTime::MAX;
        for worker in 0..self.scorers.len() {
            let rows = of_worker(worker);
            let scored = self.scorers[worker].call(&self.counters[1], |scorer, ctx| {
                updates.iter().try_for_each(|update| scorer.process(1, update.clone(), ctx))?;
                scorer.on_input_watermark(0, rows, ctx)?;
                scorer.on_input_watermark(1, made, ctx)?;
                scorer.on_watermark(rows.min(made), ctx)
            });
            self.evaluate(scored);
            least = least.min(self.scorers[worker].pass(rows.min(made)));
        }
        let metrics = self.evaluator.call(&self.counters[2], |evaluator, ctx| evaluator.on_watermark(least, ctx));
        self.metrics.extend(metrics);
        self.evaluator.pass(least);
    }

    fn restore(&mut self, parallelism: usize) {
        let snapshot = |node: &mut Node| node.operator.snapshot(Epoch(1)).unwrap();
        let (learner, evaluator) = (snapshot(&mut self.learner), snapshot(&mut self.evaluator));
        let mut scorers: Vec<Snapshot> = self.scorers.iter_mut().map(snapshot).collect();
        self.learner = node(&self.factories[0], 0, 1);
        self.learner.operator.restore(vec![learner]).unwrap();
        self.evaluator = node(&self.factories[2], 0, 1);
        self.evaluator.operator.restore(vec![evaluator]).unwrap();
        self.scorers = (0..parallelism).map(|instance| node(&self.factories[1], instance, parallelism)).collect();
        for (instance, scorer) in self.scorers.iter_mut().enumerate() {
            let info = OperatorInfo { instance, parallelism, ..OperatorInfo::alone("score") };
            scorer.operator.restore(Snapshot::deal(&mut scorers, &info)).unwrap();
        }
    }

    /// Rows that still wait, and bytes of the learner's and evaluator's state.
    pub(super) fn waiting(&self) -> (u64, u64) {
        let (learner, evaluator) = (self.learner.operator.state_size(), self.evaluator.operator.state_size());
        (learner.keys + evaluator.keys, learner.bytes + evaluator.bytes)
    }

    /// Only feeds the learner and the evaluator's time, to look at the state on the way.
    pub(super) fn learn_only(&mut self, batch: Batch, watermark: EventTime) {
        self.learner.call(&self.counters[0], |learner, ctx| {
            learner.process(0, batch, ctx)?;
            learner.on_watermark(watermark, ctx)
        });
        self.learner.pass(watermark);
    }
}
