//! Models that learn without labels.

use super::conformance::{shared, table, text};
use super::random::Random;
use super::{Variant, labels, model_with, option, read, rows_labelled};
use crate::metrics::{Evaluation, MetricKind};
use crate::{Answer, ArgValue, FeatureColumn, ModelSpec};
use arrow::array::{ArrayRef, AsArray, BooleanArray, Float64Array, RecordBatch, StringArray};
use arrow::datatypes::Float64Type;
use egret_core::StreamSchema;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// Predict, then learn, one row at a time; the numbers of every row that had any.
pub(super) fn prequential(model: &ModelSpec, rows: &RecordBatch) -> Vec<Vec<f64>> {
    let ((features, all_labels), mut learner) = (read(model, rows), model.learner());
    let mut predictions = Vec::new();
    for row in 0..rows.num_rows() {
        let (one, mut prediction) = (features.slice(row, row + 1), Vec::new());
        learner.predict(one, &mut prediction);
        learner.learn(one, labels(&all_labels, row, row + 1));
        predictions.push(prediction);
    }
    predictions
}

pub(super) fn references(task: &str) -> Vec<Value> {
    let reference: Value = serde_json::from_str(&text(&shared().join("conformance/ml"), "reference.json")).unwrap();
    let results = reference["results"].as_array().unwrap().iter();
    results.filter(|result| result["task"] == task).cloned().collect()
}

fn data(result: &Value) -> RecordBatch {
    table(&text(&shared().join("data/ml"), &format!("{}.csv", result["data"].as_str().unwrap())))
}

#[test]
fn reference_bands_of_half_space_trees() {
    let mut compared = 0;
    for result in references("ano") {
        let trees = match result["algorithm"].as_str().unwrap() {
            "hst25" => 25.0,
            "hst10" => 10.0,
            _ => continue,
        };
        let rows = data(&result);
        let warmup = if rows.num_rows() < 5000 { 300 } else { 1000 };
        let truth = rows.column(rows.num_columns() - 1).as_primitive::<Float64Type>();
        for seed in [42.0, 7.0] {
            let model = model_with("half_space_trees", &rows, &[option("trees", trees), option("seed", seed)]);
            let mut evaluation = Evaluation::new(&[MetricKind::RocAuc]);
            let scores = prequential(&model, &rows);
            (warmup..rows.num_rows()).for_each(|row| evaluation.add(scores[row][0], truth.value(row) == 1.0));
            let area = evaluation.value(MetricKind::RocAuc).unwrap();
            let least = result["rocauc_after_warmup_min"].as_f64().unwrap() - 0.02;
            assert!(area >= least, "{} {} seed {seed}: {area}, at least {least}", result["algorithm"], result["data"]);
        }
        compared += 1;
    }
    assert_eq!(compared, 3);
}

/// Most rows near one place, of three countries.
pub(super) fn ordinary(random: &mut Random, rows: usize) -> RecordBatch {
    let near = |random: &mut Random, spread: f64| -> ArrayRef {
        Arc::new((0..rows).map(|_| Some(spread * random.normal())).collect::<Float64Array>())
    };
    let countries: StringArray = (0..rows).map(|_| Some(format!("c{}", random.below(3)))).collect();
    let columns = vec![
        ("a".into(), near(random, 1.0)),
        ("b".into(), near(random, 1e6)),
        ("country".into(), Arc::new(countries) as ArrayRef),
    ];
    rows_labelled(columns, Arc::new(BooleanArray::from(vec![false; rows])))
}

/// One row.
fn one(a: Option<f64>, b: Option<f64>, country: &str) -> RecordBatch {
    let columns: Vec<(String, ArrayRef)> = vec![
        ("a".into(), Arc::new(Float64Array::from(vec![a]))),
        ("b".into(), Arc::new(Float64Array::from(vec![b]))),
        ("country".into(), Arc::new(StringArray::from(vec![country]))),
    ];
    rows_labelled(columns, Arc::new(BooleanArray::from(vec![false])))
}

#[test]
fn a_row_is_the_more_unusual_the_fewer_are_like_it() {
    let rows = ordinary(&mut Random(5), 1000);
    let model = model_with("half_space_trees", &rows, &[option("trees", 100.0)]);
    let ((features, all_labels), mut learner) = (read(&model, &rows), model.learner());
    let score = |learner: &dyn crate::Learner, row: RecordBatch| {
        let mut scores = Vec::new();
        learner.predict(read(&model, &row).0.view(), &mut scores);
        scores[0]
    };
    learner.learn(features.slice(0, 249), labels(&all_labels, 0, 249));
    assert_eq!(score(learner.as_ref(), one(Some(0.0), Some(0.0), "c1")), 0.0, "no window is whole");
    learner.learn(features.slice(249, 1000), labels(&all_labels, 249, 1000));
    let usual = score(learner.as_ref(), one(Some(0.0), Some(0.0), "c1"));
    let far = score(learner.as_ref(), one(Some(30.0), Some(0.0), "c1"));
    let abroad = score(learner.as_ref(), one(Some(0.0), Some(0.0), "never seen"));
    let missing = score(learner.as_ref(), one(None, Some(0.0), "c1"));
    assert!(usual < far && far <= 1.0, "{usual} {far}");
    assert!(usual < abroad && abroad <= 1.0, "{usual} {abroad}");
    assert!(missing < far, "{missing} {far}: what is missing is taken for what is usual");
}

/// The rows with their features in another order.
fn turned(rows: &RecordBatch) -> RecordBatch {
    let schema = rows.schema();
    let columns = (1..rows.num_columns() - 1).rev().map(|at| (schema.field(at).name().clone(), Arc::clone(rows.column(at))));
    rows_labelled(columns.collect(), Arc::clone(rows.column(rows.num_columns() - 1)))
}

/// Every algorithm that learns without labels, with its defaults.
fn all() -> Vec<Variant> {
    let unlabelled = |(algorithm, options): &Variant| !super::target_of(algorithm, options).has_labels();
    super::variants().into_iter().filter(unlabelled).collect()
}

#[test]
fn the_order_of_the_features_does_not_matter() {
    let rows = ordinary(&mut Random(9), 300);
    assert!(!all().is_empty());
    for (algorithm, options) in all() {
        let predictions = |rows: &RecordBatch| prequential(&model_with(algorithm, rows, &options), rows);
        assert_eq!(predictions(&rows), predictions(&turned(&rows)), "{algorithm}, {options:?}");
    }
}

#[test]
fn a_seed_decides_what_is_random() {
    let rows = ordinary(&mut Random(9), 600);
    let scores = |options: &[(String, ArgValue)]| prequential(&model_with("half_space_trees", &rows, options), &rows);
    assert_eq!(scores(&[]), scores(&[option("seed", 42.0)]));
    assert_ne!(scores(&[]), scores(&[option("seed", 43.0)]));
}

#[test]
fn a_label_is_there_exactly_if_it_is_learned() {
    let rows = ordinary(&mut Random(1), 3);
    let schema = StreamSchema::from_arrow(rows.schema(), Some(0)).unwrap();
    let new = |label: Option<usize>, algorithm: &str| {
        let features = vec![FeatureColumn::of(&schema, 1).unwrap()];
        ModelSpec::new("m", &schema, features, label, Duration::ZERO, algorithm, &[])
    };
    let of_label = new(Some(4), "half_space_trees").unwrap_err().to_string();
    assert!(of_label.contains("half_space_trees learns without labels"), "{of_label}");
    assert!(of_label.contains("leave LABEL and DELAYED BY out"), "{of_label}");
    let without = new(None, "logistic_regression").unwrap_err().to_string();
    assert!(without.contains("logistic_regression learns from labels, and the model has none"), "{without}");
    let model = new(None, "half_space_trees").unwrap();
    let measured = model.clone().with_evaluation(&["roc_auc"], 5).unwrap_err().to_string();
    assert!(measured.contains("no metrics of a model that learns without labels"), "{measured}");
    let output = schema.with_fields([arrow::datatypes::Field::new("c", arrow::datatypes::DataType::Utf8, true)]).unwrap();
    let class = model.scorer_factory(output, &[Answer::Class]).map(|_| ()).unwrap_err().to_string();
    assert!(class.contains("has no classes"), "{class}");
}
