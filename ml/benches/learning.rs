//! How many rows a second one thread learns and predicts: `cargo bench -p egret-ml --bench learning`, or with `-- ftrl` behind for one
//! optimiser or algorithm.
//!
//! Row by row: predict, then learn, as prequential evaluation does. As a job: the rows go through the learner, the join
//! that scores them, and the evaluator, with labels that come a minute late.

use arrow::array::{ArrayRef, AsArray, BooleanArray, Float64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use egret_core::metrics::Counters;
use egret_core::{Batch, Context, EventTime, NoState, Operator, OperatorFactory, OperatorInfo, Result, StreamSchema};
use egret_ml::{Answer, ArgValue, FeatureColumn, Labels, ModelSpec, Target, TextRows};
use std::sync::Arc;
use std::time::{Duration, Instant};

const ROWS: usize = 1_000_000;
const BATCH: usize = 8_192;

/// An algorithm, and its optimiser if it has one.
const ALGORITHMS: [(&str, Option<&str>); 4] = [
    ("logistic_regression", Some("sgd")),
    ("logistic_regression", Some("adagrad")),
    ("logistic_regression", Some("ftrl")),
    ("gaussian_nb", None),
];

fn main() -> Result<()> {
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    println!("{:<39} {:>16} {:>16} {:>16} {:>16}", "", "row by row", "job, 1 row/s", "job, 100 rows/s", "job, 10k rows/s");
    for (numeric, categories) in [(10, 0), (0, 5), (5, 5)] {
        let rows = rows(numeric, categories);
        for (algorithm, optimizer) in ALGORITHMS {
            if filter.as_deref().is_some_and(|filter| filter != optimizer.unwrap_or(algorithm)) {
                continue;
            }
            let model = model(&rows, algorithm, optimizer)?;
            let name = format!("{}, {numeric} numeric, {categories} categories", optimizer.unwrap_or(algorithm));
            let alone = row_by_row(&model, &rows)?;
            let (sparse, slow, fast) = (job(&model, &rows, 1)?, job(&model, &rows, 100)?, job(&model, &rows, 10_000)?);
            println!("{name:<39} {alone:>14.0}/s {sparse:>14.0}/s {slow:>14.0}/s {fast:>14.0}/s");
        }
    }
    Ok(())
}

/// A cheap generator of numbers between 0 and 1.
fn uniform(row: usize, column: usize) -> f64 {
    let mixed = (row as u64 * 31 + column as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    ((mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 11) as f64 / (1_u64 << 53) as f64
}

fn rows(numeric: usize, categories: usize) -> RecordBatch {
    let at: ArrayRef = Arc::new(TimestampMicrosecondArray::from_iter_values(0..ROWS as i64));
    let mut columns = vec![("at".to_owned(), at)];
    for column in 0..numeric {
        let values = Float64Array::from_iter_values((0..ROWS).map(|row| 100.0 * uniform(row, column)));
        columns.push((format!("x{column}"), Arc::new(values)));
    }
    for column in 0..categories {
        let values = (0..ROWS).map(|row| format!("value{}", (1_000.0 * uniform(row, 20 + column).powi(3)) as u32));
        columns.push((format!("c{column}"), Arc::new(StringArray::from_iter_values(values))));
    }
    let labels: BooleanArray = (0..ROWS).map(|row| Some(uniform(row, 0) + uniform(row, 20) > 1.5)).collect();
    columns.push(("y".to_owned(), Arc::new(labels)));
    RecordBatch::try_from_iter(columns).expect("columns of one length")
}

fn model(rows: &RecordBatch, algorithm: &str, optimizer: Option<&str>) -> Result<ModelSpec> {
    let schema = StreamSchema::from_arrow(rows.schema(), Some(0))?;
    let label = rows.num_columns() - 1;
    let features = (1..label).map(|column| FeatureColumn::of(&schema, column)).collect::<Result<_>>()?;
    let option = |optimizer: &str| ("optimizer".to_owned(), ArgValue::Text(optimizer.to_owned()));
    let options: Vec<_> = optimizer.map(option).into_iter().collect();
    ModelSpec::new("risk", &schema, features, label, Duration::from_secs(60), algorithm, &options)
}

fn row_by_row(model: &ModelSpec, rows: &RecordBatch) -> Result<f64> {
    let column = rows.column(model.label().expect("it learns from labels")).as_boolean();
    let flags: Vec<f64> = column.values().iter().map(|label| f64::from(u8::from(label))).collect();
    let mut names = TextRows::new(1);
    column.values().iter().for_each(|label| names.push(Some(if label { "true" } else { "false" })));
    let labels = |row: usize| match model.target() {
        Target::Flag | Target::Anomaly | Target::Cluster => Labels::Flags(&flags[row..=row]),
        Target::Class => Labels::Classes(names.slice(row, row + 1)),
        Target::Number => Labels::Numbers(&flags[row..=row]),
    };
    let start = Instant::now();
    let (mut learner, mut features, mut scores) = (model.learner(), model.reader().empty_rows(), Vec::with_capacity(ROWS));
    for batch in (0..ROWS).step_by(BATCH) {
        let length = BATCH.min(ROWS - batch);
        features.clear();
        model.reader().read(&rows.slice(batch, length), &mut features)?;
        for row in 0..length {
            learner.predict(features.slice(row, row + 1), &mut scores);
            learner.learn(features.slice(row, row + 1), labels(batch + row));
        }
    }
    Ok(ROWS as f64 / start.elapsed().as_secs_f64())
}

/// The rows spread over event time, so many a second.
fn job(model: &ModelSpec, rows: &RecordBatch, rows_a_second: i64) -> Result<f64> {
    let mut columns = rows.columns().to_vec();
    columns[0] =
        Arc::new(TimestampMicrosecondArray::from_iter_values((0..ROWS as i64).map(|row| row * 1_000_000 / rows_a_second)));
    let rows = RecordBatch::try_new(rows.schema(), columns)?;
    let scored = model.scored_schema()?;
    let score = scored.arrow().fields().len() - 1;
    let mut learner = Node::new(model.learner_factory().as_ref())?;
    let mut scorer = Node::new(model.scorer_factory(scored.clone(), &[Answer::Score])?.as_ref())?;
    let mut evaluator =
        Node::new(model.evaluator_factory(&scored, score, model.label().expect("it learns from labels"))?.as_ref())?;
    let start = Instant::now();
    let mut metrics = 0;
    for first in (0..ROWS).step_by(BATCH) {
        let batch = Batch::from_parts(rows.slice(first, BATCH.min(ROWS - first)), Some(0), None);
        let last = *batch.event_times().and_then(<[i64]>::last).expect("a batch has rows");
        let watermark = if first + BATCH >= ROWS { EventTime::MAX } else { EventTime(last) };
        let for_scorer = batch.clone();
        let updates = learner.call(|learner, ctx| {
            learner.process(0, batch, ctx)?;
            learner.on_watermark(watermark, ctx)
        })?;
        let made = learner.operator.output_watermark(watermark);
        let scored = scorer.call(|scorer, ctx| {
            scorer.process(0, for_scorer, ctx)?;
            updates.into_iter().try_for_each(|update| scorer.process(1, update, ctx))?;
            scorer.on_input_watermark(0, watermark, ctx)?;
            scorer.on_input_watermark(1, made, ctx)
        })?;
        let passed = scorer.operator.output_watermark(made);
        let reports = evaluator.call(|evaluator, ctx| {
            scored.into_iter().try_for_each(|batch| evaluator.process(0, batch, ctx))?;
            evaluator.on_watermark(passed, ctx)
        })?;
        metrics += reports.iter().map(Batch::num_rows).sum::<usize>();
    }
    // Rows that have no score, because no label had come yet, are not measured.
    assert!((1..=ROWS / 10_000).contains(&metrics));
    Ok(ROWS as f64 / start.elapsed().as_secs_f64())
}

struct Node {
    operator: Box<dyn Operator>,
    info: OperatorInfo,
    counters: Counters,
}

impl Node {
    fn new(factory: &dyn OperatorFactory) -> Result<Self> {
        let info = OperatorInfo::alone("model");
        Ok(Self { operator: factory.create(&info)?, info, counters: Counters::default() })
    }

    fn call(&mut self, call: impl FnOnce(&mut dyn Operator, &mut Context<'_>) -> Result<()>) -> Result<Vec<Batch>> {
        let (mut output, mut state, mut wake) = (Vec::new(), NoState, None);
        let mut ctx = Context::new(&mut output, &self.info, &self.counters, &mut state, &mut wake, EventTime::MIN, 0);
        call(self.operator.as_mut(), &mut ctx)?;
        Ok(output.into_iter().map(|(_, batch)| batch).collect())
    }
}
