//! Every optimiser against its definition in a plain loop.

use super::random::Random;
use super::{labels, linear_config, model_of, option, read, rows_of};
use crate::ArgValue;
use crate::linear::{AdaGrad, Adam, Ftrl, OptimizerChoice, Sgd};
use arrow::array::{Array, ArrayRef, AsArray, Float64Array, RecordBatch, StringArray};
use arrow::datatypes::Float64Type;
use std::collections::BTreeMap;
use std::sync::Arc;

const NUMERIC: usize = 3;

fn random_rows(random: &mut Random, rows: usize) -> RecordBatch {
    let mut columns: Vec<(String, ArrayRef)> = Vec::new();
    for index in 0..NUMERIC {
        let spread = 10_f64.powi(index as i32 - 1);
        let values = (0..rows).map(|_| (!random.one_in(10)).then(|| 3.0 + spread * random.normal()));
        columns.push((format!("x{index}"), Arc::new(values.collect::<Float64Array>())));
    }
    for (name, many) in [("country", 5), ("merchant", 200)] {
        let values = (0..rows).map(|_| (!random.one_in(20)).then(|| format!("v{}", random.below(many))));
        columns.push((name.to_owned(), Arc::new(values.collect::<StringArray>())));
    }
    let labels = (0..rows).map(|_| f64::from(u8::from(random.one_in(3)))).collect();
    rows_of(columns, labels)
}

/// A row as names and values: a category is a name with value 1.
fn row_of(rows: &RecordBatch, row: usize, scale: impl Fn(usize, f64) -> f64) -> Vec<(String, f64)> {
    let number = |index: usize| {
        let column = rows.column(1 + index).as_primitive::<Float64Type>();
        if column.is_null(row) { 0.0 } else { scale(index, column.value(row)) }
    };
    let category = |index: usize| {
        let column = rows.column(1 + index).as_string::<i32>();
        if column.is_null(row) { format!("{index} is null") } else { format!("{index}={}", column.value(row)) }
    };
    let numeric = (0..NUMERIC).map(|index| (format!("x{index}"), number(index)));
    numeric.chain((NUMERIC..NUMERIC + 2).map(|index| (category(index), 1.0))).collect()
}

/// The mean and deviation of the values seen before row `end`, from scratch.
fn statistics(rows: &RecordBatch, index: usize, end: usize) -> (f64, f64) {
    let column = rows.column(1 + index).as_primitive::<Float64Type>();
    let seen: Vec<f64> = (0..end).filter(|row| column.is_valid(*row)).map(|row| column.value(row)).collect();
    let mean = seen.iter().sum::<f64>() / seen.len() as f64;
    let variance = seen.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / seen.len() as f64;
    (mean, variance.sqrt())
}

fn scaled(rows: &RecordBatch, row: usize, end: usize, is_scaled: bool) -> Vec<(String, f64)> {
    row_of(rows, row, |index, value| {
        let (mean, deviation) = if is_scaled { statistics(rows, index, end) } else { (0.0, 1.0) };
        if deviation > 0.0 { (value - mean) / deviation } else { 0.0 }
    })
}

/// What the definition remembers of a weight.
#[derive(Clone, Copy, Default)]
struct Plain {
    w: f64,
    z: f64,
    n: f64,
    steps: i32,
}

fn sign(value: f64) -> f64 {
    if value > 0.0 { 1.0 } else { -1.0 }
}

fn soft(value: f64, by: f64) -> f64 {
    if value.abs() <= by { 0.0 } else { value - sign(value) * by }
}

fn weight(plain: &Plain, optimizer: &OptimizerChoice) -> f64 {
    match optimizer {
        OptimizerChoice::Ftrl(Ftrl { alpha, beta, l1, l2, .. }) => {
            if plain.z.abs() <= *l1 {
                0.0
            } else {
                -(plain.z - sign(plain.z) * l1) / ((beta + plain.n.sqrt()) / alpha + l2)
            }
        }
        _ => plain.w,
    }
}

fn step(plain: &mut Plain, optimizer: &OptimizerChoice, g: f64) {
    match optimizer {
        OptimizerChoice::Sgd(Sgd { learning_rate, l1, l2, .. }) => {
            plain.w = soft(plain.w - learning_rate * (g + l2 * plain.w), learning_rate * l1);
        }
        OptimizerChoice::Adam(Adam { learning_rate, beta1, beta2, l1, l2, .. }) => {
            let g = g + l2 * plain.w;
            plain.steps += 1;
            plain.z = beta1 * plain.z + (1.0 - beta1) * g;
            plain.n = beta2 * plain.n + (1.0 - beta2) * g * g;
            let (mean, square) = (plain.z / (1.0 - beta1.powi(plain.steps)), plain.n / (1.0 - beta2.powi(plain.steps)));
            let rate = learning_rate / (square.sqrt() + 1e-8);
            plain.w = soft(plain.w - rate * mean, rate * l1);
        }
        OptimizerChoice::AdaGrad(AdaGrad { learning_rate, l1, l2, .. }) => {
            let g = g + l2 * plain.w;
            if g != 0.0 {
                plain.n += g * g;
                let rate = learning_rate / (plain.n + 1e-8).sqrt();
                plain.w = soft(plain.w - rate * g, rate * l1);
            }
        }
        OptimizerChoice::Ftrl(Ftrl { alpha, .. }) => {
            let s = ((plain.n + g * g).sqrt() - plain.n.sqrt()) / alpha;
            plain.z += g - s * weight(plain, optimizer);
            plain.n += g * g;
        }
    }
}

fn step_intercept(plain: &mut Plain, optimizer: &OptimizerChoice, g: f64) {
    match optimizer {
        OptimizerChoice::Sgd(Sgd { intercept_rate, .. })
        | OptimizerChoice::Adam(Adam { intercept_rate, .. })
        | OptimizerChoice::AdaGrad(AdaGrad { intercept_rate, .. }) => {
            plain.w -= intercept_rate * g;
        }
        OptimizerChoice::Ftrl(Ftrl { intercept_rate: Some(rate), .. }) => plain.w -= rate * g,
        OptimizerChoice::Ftrl(_) => step(plain, optimizer, g),
    }
}

fn check(seed: u64, options: &[(String, ArgValue)]) {
    let rows = random_rows(&mut Random(seed), 300);
    let model = model_of(&rows, options);
    let config = linear_config(&model, options);
    let (features, all_labels) = read(&model, &rows);

    let mut learner = model.learner();
    let (mut plain, mut intercept) = (BTreeMap::<String, Plain>::new(), Plain::default());
    let score = |plain: &BTreeMap<String, Plain>, intercept: &Plain, row: &[(String, f64)]| {
        let of = |name: &String| plain.get(name).map_or(0.0, |plain| weight(plain, &config.optimizer));
        let intercept = match config.optimizer {
            OptimizerChoice::Ftrl(Ftrl { intercept_rate: None, .. }) => weight(intercept, &config.optimizer),
            _ => intercept.w,
        };
        let sum = intercept + row.iter().map(|(name, x)| of(name) * x).sum::<f64>();
        1.0 / (1.0 + (-sum).exp())
    };
    for row in 0..rows.num_rows() {
        let mut found = Vec::new();
        learner.predict(features.slice(row, row + 1), &mut found);
        let expected = score(&plain, &intercept, &scaled(&rows, row, row, config.is_scaled));
        assert!((found[0] - expected).abs() < 1e-9, "seed {seed}, {options:?}, row {row}: {} not {expected}", found[0]);

        learner.learn(features.slice(row, row + 1), labels(&all_labels, row, row + 1));
        let values = scaled(&rows, row, row + 1, config.is_scaled);
        let g = score(&plain, &intercept, &values) - all_labels.flags[row];
        step_intercept(&mut intercept, &config.optimizer, g);
        values.iter().for_each(|(name, x)| step(plain.entry(name.clone()).or_default(), &config.optimizer, g * x));
    }
}

#[test]
fn optimisers_do_as_defined() {
    let penalties = [(0.0, 0.0), (0.05, 0.0), (0.0, 0.2), (0.02, 0.1)];
    for (seed, optimizer) in ["sgd", "adagrad", "ftrl", "adam"].into_iter().enumerate() {
        for (l1, l2) in penalties {
            for scale in [true, false] {
                let mut options = vec![option("optimizer", optimizer), option("l1", l1), option("l2", l2)];
                options.extend([option("scale", scale), option("hash_bits", 20.0)]);
                check(seed as u64, &options);
                options.push(option("intercept_rate", 0.03));
                check(seed as u64, &options);
            }
        }
    }
}
