//! A whole job, scores and metrics, against a plain loop over event time: the same bits, however the job was run.

use super::job::{Input, Job};
use super::random::Random;
use super::{Variant, labels_of, option, target_of, variants};
use crate::answer::AnswerColumn;
use crate::labels::LabelRows;
use crate::metrics::{Errors, Evaluation, MetricKind};
use crate::{Answer, FeatureColumn, ModelSpec, Target};
use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type, Schema, TimestampMicrosecondType};
use egret_core::metrics::Counters;
use egret_core::{Batch, EventTime, StreamSchema};
use std::cmp::Ordering;
use std::sync::Arc;
use std::time::Duration;

const STEP_US: i64 = 20;
pub(super) const LABEL: usize = 5;
const EVERY: u64 = 50;

/// at, id, amount, hour, country, fraud: with nulls, NaNs, ties in time and rows out of order.
pub(super) fn random_split(random: &mut Random, first_id: i64, rows: usize) -> RecordBatch {
    let mut now = random.below(50) as i64;
    let (mut times, mut amounts, mut hours, mut countries, mut labels) = (vec![], vec![], vec![], vec![], vec![]);
    for _ in 0..rows {
        now += random.below(6) as i64;
        let is_fraud = random.one_in(5);
        let amount = if random.one_in(30) { f64::NAN } else { (random.normal() + if is_fraud { 2.0 } else { 0.0 }).round() };
        times.push(now - if random.one_in(4) { random.below(40) as i64 } else { 0 });
        amounts.push((!random.one_in(20)).then_some(amount));
        hours.push((!random.one_in(20)).then(|| random.below(3) as i64));
        countries.push((!random.one_in(20)).then(|| format!("c{}", random.below(4))));
        labels.push((!random.one_in(10)).then_some(is_fraud));
    }
    let ids = Int64Array::from_iter_values(first_id..first_id + rows as i64);
    let columns: Vec<(&str, ArrayRef, bool)> = vec![
        ("at", Arc::new(TimestampMicrosecondArray::from(times)), false),
        ("id", Arc::new(ids), true),
        ("amount", Arc::new(Float64Array::from(amounts)), true),
        ("hour", Arc::new(Int64Array::from(hours)), true),
        ("country", Arc::new(StringArray::from(countries)), true),
        ("fraud", Arc::new(BooleanArray::from(labels)), true),
    ];
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

/// The same with labels that an algorithm can learn.
pub(super) fn labelled_for(target: Target, rows: &RecordBatch) -> RecordBatch {
    let (mut fields, mut columns) = (rows.schema().fields().to_vec(), rows.columns().to_vec());
    if target == Target::Number {
        columns[LABEL] = arrow::compute::cast(&columns[LABEL], &DataType::Float64).unwrap();
        fields[LABEL] = Arc::new(Field::new("fraud", DataType::Float64, true));
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

pub(super) fn model(delay_us: u64, variant: &Variant) -> ModelSpec {
    let (algorithm, options) = variant;
    let rows = labelled_for(target_of(algorithm, options), &random_split(&mut Random(0), 0, 1));
    let metrics: Vec<&str> = MetricKind::of(target_of(algorithm, options)).iter().map(|metric| metric.name()).collect();
    let schema = StreamSchema::from_arrow(rows.schema(), Some(0)).unwrap();
    let features = (2..5).map(|column| FeatureColumn::of(&schema, column).unwrap()).collect();
    let label = target_of(algorithm, options).has_labels().then_some(LABEL);
    let model = ModelSpec::new("risk", &schema, features, label, Duration::from_micros(delay_us), algorithm, options);
    let model = model.unwrap().with_step_us(STEP_US).unwrap();
    if label.is_none() {
        return model;
    }
    model.with_evaluation(&metrics, EVERY).unwrap()
}

/// One row, as the plain loop sees it.
struct Row {
    id: i64,
    version: EventTime,
    due: EventTime,
    features: crate::features::FeatureRows,
    label: Option<bool>,
    labels: LabelRows,
}

fn plain_rows(input: &Input, model: &ModelSpec) -> Vec<Row> {
    let mut rows = Vec::new();
    for batch in input.batches() {
        for index in 0..batch.num_rows() {
            let one = batch.slice(index, 1);
            let mut features = model.reader().empty_rows();
            model.reader().read(one.rows(), &mut features).unwrap();
            let time = EventTime(one.event_times().unwrap()[0]);
            let flags = arrow::compute::cast(one.column(LABEL), &DataType::Boolean).unwrap();
            let flags = flags.as_boolean();
            rows.push(Row {
                id: one.column(1).as_primitive::<Int64Type>().value(0),
                version: batch.late().unwrap_or(time).floor_to(STEP_US),
                due: time.plus_us(model.delay_us()).max(batch.late().unwrap_or(EventTime::MIN)),
                features,
                label: flags.is_valid(0).then(|| flags.value(0)),
                labels: model.target().read(one.column(LABEL), &Counters::default()).unwrap(),
            });
        }
    }
    rows
}

fn by_content(a: &Row, b: &Row) -> Ordering {
    let ((numeric_a, hashed_a), (numeric_b, hashed_b)) = (a.features.view().row(0), b.features.view().row(0));
    let numbers = numeric_a.iter().zip(numeric_b).fold(Ordering::Equal, |order, (a, b)| order.then(a.total_cmp(b)));
    let texts = a.features.view().texts(0).iter().cmp(b.features.view().texts(0).iter());
    a.due.cmp(&b.due).then(numbers).then(hashed_a.cmp(hashed_b)).then(texts).then(a.label.cmp(&b.label))
}

/// Walks event time row by row: learns what is due before a row's version, then scores the row.
fn expected_scores(rows: &[Row], model: &ModelSpec) -> Vec<(i64, Option<u64>)> {
    let mut to_learn: Vec<&Row> = rows.iter().filter(|row| row.label.is_some()).collect();
    to_learn.sort_by(|a, b| by_content(a, b));
    let mut to_score: Vec<&Row> = rows.iter().collect();
    to_score.sort_by_key(|row| row.version);
    let (mut learner, mut learned, mut scores) = (model.learner(), 0, Vec::new());
    for row in to_score {
        while to_learn.get(learned).is_some_and(|due| due.due.floor_to(STEP_US) < row.version) {
            learner.learn(to_learn[learned].features.view(), labels_of(model, &to_learn[learned].labels, 0, 1));
            learned += 1;
        }
        let (mut prediction, mut score) = (Vec::new(), AnswerColumn::new(&Answer::Score, 1));
        learner.predict(row.features.view(), &mut prediction);
        score.extend(&Answer::Score, ["false", "true"], learner.outputs(), &prediction, 1);
        let score = score.finish();
        let score = score.is_valid(0).then(|| score.as_primitive::<Float64Type>().value(0).to_bits());
        scores.push((row.id, score));
    }
    scores.sort_unstable();
    scores
}

/// The metrics after every so many labelled rows, and at the end.
fn expected_metrics(rows: &[Row], scores: &[(i64, Option<u64>)], target: Target) -> Vec<(i64, i64, Vec<Option<u64>>)> {
    let score_of = |row: &Row| scores[scores.binary_search_by_key(&row.id, |score| score.0).unwrap()].1.map(f64::from_bits);
    let mut labelled: Vec<(EventTime, f64, bool)> =
        rows.iter().filter_map(|row| Some((row.due, score_of(row)?, row.label?))).collect();
    labelled.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)).then(a.2.cmp(&b.2)));
    let ends = (1..=labelled.len()).filter(|end| end % EVERY as usize == 0 || *end == labelled.len());
    ends.map(|end| {
        let (mut evaluation, mut errors) = (Evaluation::new(&MetricKind::ALL), Errors::default());
        for (_, score, label) in &labelled[..end] {
            evaluation.add(*score, *label);
            errors.add(*score, f64::from(u8::from(*label)));
        }
        let value = |metric: &MetricKind| match target {
            Target::Number => errors.value(*metric),
            _ => evaluation.value(*metric),
        };
        let values = MetricKind::of(target).iter().map(value).map(|value| value.map(f64::to_bits)).collect();
        (labelled[end - 1].0.0, end as i64, values)
    })
    .collect()
}

fn scores_of(batches: &[Batch]) -> Vec<(i64, Option<u64>)> {
    let mut scores = Vec::new();
    for batch in batches {
        let (ids, values) = (batch.column(1).as_primitive::<Int64Type>(), batch.column(LABEL + 1).as_primitive::<Float64Type>());
        scores.extend(ids.values().iter().zip(values).map(|(id, score)| (*id, score.map(f64::to_bits))));
    }
    scores.sort_unstable();
    scores
}

fn metrics_of(batches: &[Batch]) -> Vec<(i64, i64, Vec<Option<u64>>)> {
    let mut rows = Vec::new();
    for batch in batches {
        let (at, count) =
            (batch.column(0).as_primitive::<TimestampMicrosecondType>(), batch.column(1).as_primitive::<Int64Type>());
        rows.extend((0..batch.num_rows()).map(|row| {
            let value = |metric: usize| {
                let column = batch.column(2 + metric).as_primitive::<Float64Type>();
                column.is_valid(row).then(|| column.value(row).to_bits())
            };
            (at.value(row), count.value(row), (0..batch.rows().num_columns() - 2).map(value).collect())
        }));
    }
    rows
}

#[test]
fn a_job_with_delayed_labels_is_the_plain_loop() {
    let labelled = |(algorithm, options): &Variant| target_of(algorithm, options).has_labels();
    for (seed, variant) in (0..80).zip(variants().into_iter().filter(labelled).cycle()) {
        let mut random = Random(seed);
        let model = model([0, 7, 100, 5_000][random.below(4) as usize], &variant);
        let splits: Vec<RecordBatch> = (0..3).map(|split| random_split(&mut random, split * 1_000, 150)).collect();
        let splits: Vec<RecordBatch> = splits.iter().map(|split| labelled_for(model.target(), split)).collect();
        let input = Input::new(&splits, 10, 20);
        let rows = plain_rows(&input, &model);
        assert!(input.batches().any(|batch| batch.late().is_some()), "seed {seed}");
        let scores = expected_scores(&rows, &model);
        let metrics = expected_metrics(&rows, &scores, model.target());
        for parallelism in 1..=3 {
            let mut job = Job::new(&model, LABEL, parallelism);
            job.run(&input, &mut random);
            let place = format!("seed {seed}, {variant:?}, delay {}, parallelism {parallelism}", model.delay_us());
            assert_eq!(scores_of(&job.scored), scores, "{place}");
            assert_eq!(metrics_of(&job.metrics), metrics, "{place}");
            assert_eq!(job.waiting().0, 0, "{place}");
            let unlabelled = rows.iter().filter(|row| row.label.is_none()).count() as i64;
            assert_eq!(job.counters[0].named()["rows without a label"], unlabelled, "{place}");
            assert_eq!(job.counters[0].named()["rows learned"], rows.len() as i64 - unlabelled, "{place}");
            assert_eq!(
                job.counters[0].named()["feature values that are null"],
                job.counters[1].named()["feature values that are null"]
            );
        }
    }
}

#[test]
fn state_is_one_delay_of_rows_however_long_the_input() {
    let model = model(1_000, &("logistic_regression", vec![option("hash_bits", 8.0)]));
    let mut job = Job::new(&model, LABEL, 1);
    let rows_a_second = 400;
    let mut sizes = Vec::new();
    for second in 0..50_i64 {
        let mut columns = random_split(&mut Random(second as u64), 0, rows_a_second).columns().to_vec();
        let times = (0..rows_a_second as i64).map(|row| second * 1_000 + row * 1_000 / rows_a_second as i64);
        columns[0] = Arc::new(TimestampMicrosecondArray::from_iter_values(times));
        let rows = RecordBatch::try_new(random_split(&mut Random(0), 0, 1).schema(), columns).unwrap();
        job.learn_only(Batch::from_parts(rows, Some(0), None), EventTime((second + 1) * 1_000));
        sizes.push(job.waiting());
    }
    let (rows, bytes) = sizes.iter().copied().max().unwrap();
    assert!(rows <= 2 * rows_a_second as u64 && bytes < 200_000, "{rows} rows, {bytes} bytes");
    assert!(sizes[49].0 <= sizes[5].0 + 20);
}
