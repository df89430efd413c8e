//! Gaussian naive Bayes against its definition, from scratch for every row.

use super::random::Random;
use super::{labels, model_with, option, read, rows_labelled};
use crate::{Outputs, Texts};
use arrow::array::{Array, ArrayRef, AsArray, Float64Array, RecordBatch, StringArray};
use arrow::datatypes::Float64Type;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Two numbers and two categories with missing values, of four classes.
fn rows(seed: u64, count: usize) -> RecordBatch {
    let mut random = Random(seed);
    let classes: Vec<u64> = (0..count).map(|_| random.below(4)).collect();
    let mut numbers = |spread: f64| -> ArrayRef {
        let value = |class: &u64| (!random.one_in(8)).then(|| *class as f64 + spread * random.normal());
        Arc::new(classes.iter().map(value).collect::<Float64Array>())
    };
    let (a, b) = (numbers(0.5), numbers(20.0));
    let mut names = |many: u64| -> ArrayRef {
        let value = |class: &u64| (!random.one_in(8)).then(|| format!("v{}", random.below(many) + class / 2));
        Arc::new(classes.iter().map(value).collect::<StringArray>())
    };
    let (c, d) = (names(3), names(30));
    let label = classes.iter().map(|class| ["late", "never", "early", "ü"][*class as usize]);
    let columns = [("a", a), ("b", b), ("c", c), ("d", d)].map(|(name, column)| (name.to_owned(), column)).into();
    rows_labelled(columns, Arc::new(StringArray::from_iter_values(label)))
}

/// The logarithm of p(value of the row | class), of rows before `row`.
fn of_number(rows: &RecordBatch, column: usize, row: usize, is_of_class: &dyn Fn(usize) -> bool) -> f64 {
    let column = rows.column(column).as_primitive::<Float64Type>();
    if column.is_null(row) {
        return 0.0;
    }
    let seen: Vec<f64> = (0..row).filter(|at| is_of_class(*at) && column.is_valid(*at)).map(|at| column.value(at)).collect();
    let mean = seen.iter().sum::<f64>() / seen.len() as f64;
    let variance = seen.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / seen.len() as f64;
    let exponent = -(column.value(row) - mean).powi(2) / (2.0 * variance);
    let density = if variance > 0.0 { exponent.exp() / (2.0 * std::f64::consts::PI * variance).sqrt() } else { 0.0 };
    (1e-9 + density).ln()
}

/// Of the first `most` values; others are as if never seen.
fn of_category(rows: &RecordBatch, column: usize, row: usize, most: usize, is_of_class: &dyn Fn(usize) -> bool) -> f64 {
    let column = rows.column(column).as_string::<i32>();
    let value = |at: usize| column.is_valid(at).then(|| column.value(at));
    let mut counted = BTreeSet::new();
    for at in 0..row {
        if counted.len() < most {
            counted.insert(value(at));
        }
    }
    let of_class = (0..row).filter(|at| is_of_class(*at));
    let hits = of_class.clone().filter(|at| value(*at) == value(row) && counted.contains(&value(row))).count();
    ((hits + 1) as f64 / (of_class.count() + counted.len()) as f64).ln()
}

fn expected(rows: &RecordBatch, row: usize, most: usize, names: &[String]) -> Vec<f64> {
    let label = rows.column(5).as_string::<i32>();
    let joint = |name: &String| {
        let is_of_class = |at: usize| label.value(at) == name;
        let share = (0..row).filter(|at| is_of_class(*at)).count() as f64 / row as f64;
        let numbers = (1..3).map(|column| of_number(rows, column, row, &is_of_class)).sum::<f64>();
        share.ln() + numbers + (3..5).map(|column| of_category(rows, column, row, most, &is_of_class)).sum::<f64>()
    };
    let joints: Vec<f64> = names.iter().map(joint).collect();
    let most = joints.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = joints.iter().map(|joint| (joint - most).exp()).sum();
    joints.iter().map(|joint| (joint - most).exp() / sum).collect()
}

#[test]
fn several_classes_with_numbers_and_categories_are_as_defined() {
    for (seed, most) in [(1, 100_000), (2, 100_000), (3, 4)] {
        let rows = rows(seed, 300);
        let model = model_with("gaussian_nb", &rows, &[option("max_categories", f64::from(most))]);
        let (features, all_labels) = read(&model, &rows);
        let mut learner = model.learner();
        for row in 0..300 {
            let mut found = Vec::new();
            learner.predict(features.slice(row, row + 1), &mut found);
            let Outputs::Classes(names) = learner.outputs() else { panic!("classes") };
            for (name, (found, expected)) in names.iter().zip(found.iter().zip(expected(&rows, row, most as usize, names))) {
                assert!((found - expected).abs() < 1e-9, "seed {seed}, row {row}, {name}: {found}, not {expected}");
            }
            learner.learn(features.slice(row, row + 1), labels(&all_labels, row, row + 1));
        }
        let mut seen: Vec<&str> = Vec::new();
        let all: Texts<'_> = labels(&all_labels, 0, 300).classes();
        all.iter().flatten().for_each(|name| {
            if !seen.contains(&name) {
                seen.push(name)
            }
        });
        assert_eq!(learner.outputs(), Outputs::Classes(&seen.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()));
    }
}

/// A delta has what changed, not all that is known.
#[test]
fn deltas_grow_with_what_changed() {
    let rows = rows(1, 300);
    let model = model_with("gaussian_nb", &rows, &[]);
    let (features, all_labels) = read(&model, &rows);
    let mut learner = model.learner();
    learner.learn(features.slice(0, 299), labels(&all_labels, 0, 299));
    let (all, size) = (learner.take_delta(), learner.size_bytes());
    assert_eq!(learner.take_delta().len(), 3, "a version and no changes");
    learner.learn(features.slice(299, 300), labels(&all_labels, 299, 300));
    let one = learner.take_delta();
    assert!(all.len() > 5 * one.len() && size > all.len(), "{} {} {size}", all.len(), one.len());
}
