//! Whole models against definitions written as plainly as possible.

#![allow(clippy::unwrap_used)]

mod clusters;
mod conformance;
mod detectors;
mod every_algorithm;
mod hostile;
mod job;
mod law;
mod measures;
mod naive_bayes;
mod options;
mod random;
mod simulation;
mod tree_bands;
mod trees;
mod twins;
mod unlabelled;

use crate::algorithms::logistic_regression;
use crate::features::FeatureRows;
use crate::labels::LabelRows;
use crate::linear::LinearConfig;
use crate::options::Options;
use crate::{ArgValue, FeatureColumn, Labels, ModelSpec, Target};
use arrow::array::{ArrayRef, Float64Array, RecordBatch, TimestampMicrosecondArray};
use egret_core::StreamSchema;
use egret_core::metrics::Counters;
use std::sync::Arc;
use std::time::Duration;

/// An option.
fn option(name: &str, value: impl Into<ArgValue>) -> (String, ArgValue) {
    (name.to_owned(), value.into())
}

impl From<f64> for ArgValue {
    fn from(value: f64) -> Self {
        Self::Number(value)
    }
}

impl From<&str> for ArgValue {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<bool> for ArgValue {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

/// An algorithm with options.
type Variant = (&'static str, Vec<(String, ArgValue)>);

/// Every algorithm of the registry, with its defaults or with options under which it does other things.
fn variants() -> Vec<Variant> {
    let all_options = |name: &str| -> Vec<Vec<(String, ArgValue)>> {
        let few = option("hash_bits", 6.0);
        match name {
            "logistic_regression" => vec![
                vec![few.clone()],
                vec![few.clone(), option("l1", 0.01), option("scale", false)],
                vec![few.clone(), option("optimizer", "adam")],
                vec![few.clone(), option("optimizer", "adagrad")],
                vec![few, option("optimizer", "ftrl")],
            ],
            "half_space_trees" => {
                let small = |window| vec![option("trees", 3.0), option("height", 4.0), option("window", window)];
                vec![small(10.0), [small(40.0), vec![option("seed", 7.0)]].concat()]
            }
            "kmeans" => {
                let few = |k| vec![option("k", k), option("hash_bits", 3.0)];
                vec![few(3.0), [few(7.0), vec![option("scale", true)]].concat()]
            }
            "mini_batch_kmeans" => {
                let few = |k| vec![option("k", k), option("hash_bits", 3.0), option("start", 20.0), option("batch", 10.0)];
                vec![few(3.0), [few(7.0), vec![option("scale", true)]].concat()]
            }
            "linear_regression" => vec![
                vec![few.clone()],
                vec![few.clone(), option("scale", false), option("l2", 0.01), option("learning_rate", 0.1)],
                vec![few.clone(), option("optimizer", "adam")],
                vec![few.clone(), option("optimizer", "adagrad"), option("scale", false)],
                vec![few, option("optimizer", "ftrl")],
            ],
            "passive_aggressive" | "passive_aggressive_regressor" => {
                vec![vec![few.clone()], vec![few, option("mode", 2.0), option("c", 10.0), option("scale", false)]]
            }
            "knn" => vec![vec![option("window", 60.0)], vec![option("window", 3.0), option("k", 7.0), option("weighted", true)]],
            "softmax_regression" => vec![
                vec![few.clone()],
                vec![few.clone(), option("max_classes", 2.0), option("scale", false), option("l1", 0.01)],
                vec![few, option("optimizer", "ftrl")],
            ],
            "perceptron" => vec![vec![few.clone()], vec![few, option("scale", false)]],
            "recursive_least_squares" => {
                vec![vec![option("hash_bits", 3.0)], vec![option("hash_bits", 3.0), option("forgetting", 0.6)]]
            }
            "adaptive_random_forest" | "adwin_bagging" | "leveraging_bagging" => {
                vec![vec![option("trees", 3.0), option("grace", 5.0), option("delta", 0.4), option("tau", 0.5)]]
            }
            "hoeffding_tree" | "hoeffding_adaptive_tree" => {
                let quick = [option("grace", 5.0), option("delta", 0.4), option("tau", 0.5)];
                let with = |more: &[(String, ArgValue)]| [&quick[..], more].concat();
                vec![
                    Vec::new(),
                    with(&[]),
                    with(&[option("leaf", "majority"), option("max_bytes", 3000.0)]),
                    with(&[option("leaf", "naive_bayes"), option("max_categories", 3.0)]),
                ]
            }
            _ => vec![Vec::new()],
        }
    };
    let of = |name: &'static str| all_options(name).into_iter().map(move |options| (name, options));
    crate::algorithms::ALGORITHMS.iter().flat_map(|algorithm| of(algorithm.name())).collect()
}

/// Rows `at`, the columns, and the label `y` behind.
fn rows_of(columns: Vec<(String, ArrayRef)>, labels: Vec<f64>) -> RecordBatch {
    rows_labelled(columns, Arc::new(Float64Array::from(labels)))
}

fn rows_labelled(columns: Vec<(String, ArrayRef)>, label: ArrayRef) -> RecordBatch {
    let at: ArrayRef = Arc::new(TimestampMicrosecondArray::from_iter_values(0..label.len() as i64));
    let all = std::iter::once(("at".to_owned(), at)).chain(columns).chain([("y".to_owned(), label)]);
    RecordBatch::try_from_iter(all).unwrap()
}

/// A logistic regression of all columns between the first and the last.
fn model_of(rows: &RecordBatch, options: &[(String, ArgValue)]) -> ModelSpec {
    model_with("logistic_regression", rows, options)
}

/// What the labels of an algorithm are.
fn target_of(algorithm: &str, options: &[(String, ArgValue)]) -> Target {
    let mut options = Options::new(algorithm, options).unwrap();
    crate::algorithms::find(algorithm).unwrap().recipe(&[], &mut options).unwrap().target()
}

/// A model of all columns between the first and the last.
fn model_with(algorithm: &str, rows: &RecordBatch, options: &[(String, ArgValue)]) -> ModelSpec {
    let schema = StreamSchema::from_arrow(rows.schema(), Some(0)).unwrap();
    let last = rows.num_columns() - 1;
    let features = (1..last).map(|column| FeatureColumn::of(&schema, column).unwrap()).collect();
    let label = target_of(algorithm, options).has_labels().then_some(last);
    ModelSpec::new("risk", &schema, features, label, Duration::ZERO, algorithm, options).unwrap()
}

/// What a logistic regression of the model's features is made from.
fn linear_config(model: &ModelSpec, options: &[(String, ArgValue)]) -> LinearConfig {
    let mut options = Options::new("logistic_regression", options).unwrap();
    logistic_regression::recipe(model.features(), &mut options).unwrap().config
}

/// The features and labels of rows whose last column is the label.
fn read(model: &ModelSpec, rows: &RecordBatch) -> (FeatureRows, LabelRows) {
    let mut features = model.reader().empty_rows();
    model.reader().read(rows, &mut features).unwrap();
    let labels = model.target().read(rows.column(rows.num_columns() - 1), &Counters::default()).unwrap();
    (features, labels)
}

/// The labels of some rows.
fn labels(all: &LabelRows, start: usize, end: usize) -> Labels<'_> {
    match all.names.width() {
        0 => Labels::Flags(&all.flags[start..end]),
        _ => Labels::Classes(all.names.slice(start, end)),
    }
}

/// The labels of some rows, of a model.
fn labels_of<'a>(model: &ModelSpec, all: &'a LabelRows, start: usize, end: usize) -> Labels<'a> {
    match model.target() {
        Target::Flag | Target::Anomaly | Target::Cluster => Labels::Flags(&all.flags[start..end]),
        Target::Class => Labels::Classes(all.names.slice(start, end)),
        Target::Number => Labels::Numbers(&all.flags[start..end]),
    }
}
