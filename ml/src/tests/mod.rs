//! Whole models against definitions written as plainly as possible.

#![allow(clippy::unwrap_used)]

mod conformance;
mod hostile;
mod job;
mod law;
mod measures;
mod options;
mod random;
mod simulation;
mod twins;

use crate::{ArgValue, FeatureColumn, ModelSpec};
use arrow::array::{ArrayRef, Float64Array, RecordBatch, TimestampMicrosecondArray};
use egret_core::StreamSchema;
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

/// Rows `at`, the columns, and the label `y` behind.
fn rows_of(columns: Vec<(String, ArrayRef)>, labels: Vec<f64>) -> RecordBatch {
    let at: ArrayRef = Arc::new(TimestampMicrosecondArray::from_iter_values(0..labels.len() as i64));
    let label: ArrayRef = Arc::new(Float64Array::from(labels));
    let all = std::iter::once(("at".to_owned(), at)).chain(columns).chain([("y".to_owned(), label)]);
    RecordBatch::try_from_iter(all).unwrap()
}

/// A model of all columns between the first and the last.
fn model_of(rows: &RecordBatch, options: &[(String, ArgValue)]) -> ModelSpec {
    let schema = StreamSchema::from_arrow(rows.schema(), Some(0)).unwrap();
    let last = rows.num_columns() - 1;
    let features = (1..last).map(|column| FeatureColumn::of(&schema, column).unwrap()).collect();
    ModelSpec::new("risk", &schema, features, last, Duration::ZERO, "logistic_regression", options).unwrap()
}
