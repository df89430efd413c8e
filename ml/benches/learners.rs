//! How many rows a second one thread scores and learns, and how much memory that takes:
//! `cargo bench -p egret-ml --bench learners -- hoeffding_tree --rows 1000000`. Without a name, all that learn classes.
//!
//! The rows have ten numbers; the class is on which side of a plane a row lies, with one label in twenty wrong, and the plane turns slowly.

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use egret_core::metrics::Counters;
use egret_core::{Error, Result, StreamSchema};
use egret_ml::drift::{Adwin, DriftDetector};
use egret_ml::{FeatureColumn, ModelSpec, Outputs};
use std::sync::Arc;
use std::time::{Duration, Instant};

const NAMES: [&str; 6] =
    ["adaptive_random_forest", "adwin_bagging", "gaussian_nb", "hoeffding_adaptive_tree", "hoeffding_tree", "leveraging_bagging"];

const FEATURES: usize = 10;
const BATCH: usize = 1024;

fn main() -> Result<()> {
    let (mut names, mut rows) = (Vec::new(), 100_000);
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    while let Some(argument) = arguments.next() {
        if argument == "--rows" {
            let number = arguments.next().and_then(|number| number.parse().ok());
            rows = number.ok_or_else(|| Error::job("--rows without a number").help("write --rows 1000000"))?;
        } else {
            names.push(argument);
        }
    }
    if names.is_empty() {
        names = NAMES.map(str::to_owned).to_vec();
        names.push("adwin".to_owned());
    }
    let data = data(rows);
    for name in names {
        if name == "adwin" { adwin(rows) } else { learner(&name, &data)? }
    }
    Ok(())
}

/// A cheap generator of numbers between 0 and 1.
fn uniform(row: usize, column: usize) -> f64 {
    let mixed = (row as u64 * 31 + column as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    ((mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 11) as f64 / (1_u64 << 53) as f64
}

fn data(rows: usize) -> RecordBatch {
    let at: ArrayRef = Arc::new(TimestampMicrosecondArray::from_iter_values(0..rows as i64));
    let mut columns = vec![("at".to_owned(), at)];
    for column in 0..FEATURES {
        let values = Float64Array::from_iter_values((0..rows).map(|row| uniform(row, column)));
        columns.push((format!("x{column}"), Arc::new(values)));
    }
    let class = |row: usize| {
        let turned = row as f64 / 1e6;
        let weight = |column: usize| (column as f64 - 4.5) / 5.0 + if column < 2 { turned } else { 0.0 };
        let side: f64 = (0..FEATURES).map(|column| weight(column) * (uniform(row, column) - 0.5)).sum();
        (side > 0.0) != (uniform(row, FEATURES) < 0.05)
    };
    let labels = (0..rows).map(|row| if class(row) { "fraud" } else { "good" });
    columns.push(("y".to_owned(), Arc::new(StringArray::from_iter_values(labels))));
    RecordBatch::try_from_iter(columns).expect("columns of one length")
}

fn learner(name: &str, rows: &RecordBatch) -> Result<()> {
    let schema = StreamSchema::from_arrow(rows.schema(), Some(0))?;
    let label = rows.num_columns() - 1;
    let features = (1..label).map(|column| FeatureColumn::of(&schema, column)).collect::<Result<_>>()?;
    let model = ModelSpec::new("risk", &schema, features, label, Duration::ZERO, name, &[])?;
    let labels: Vec<&str> = arrow::array::AsArray::as_string::<i32>(rows.column(label)).iter().flatten().collect();
    let start = Instant::now();
    let (mut learner, mut features, mut prediction) = (model.learner(), model.reader().empty_rows(), Vec::new());
    let (mut hits, counters) = (0, Counters::default());
    for first in (0..rows.num_rows()).step_by(BATCH) {
        let batch = rows.slice(first, BATCH.min(rows.num_rows() - first));
        features.clear();
        model.reader().read(&batch, &mut features)?;
        let all = model.read_labels(&batch, &counters)?;
        for row in 0..batch.num_rows() {
            let one = features.slice(row, row + 1);
            prediction.clear();
            learner.predict(one, &mut prediction);
            hits += usize::from(guess(learner.outputs(), &prediction) == Some(labels[first + row]));
            learner.learn(one, all.slice(model.target(), row, row + 1));
        }
    }
    let (rows, bytes) = (rows.num_rows() as f64, learner.size_bytes());
    let rate = rows / start.elapsed().as_secs_f64();
    println!("{name:<26} {rate:>12.0} rows/s {bytes:>12} bytes {:>8.4} accuracy", hits as f64 / rows);
    Ok(())
}

fn guess<'a>(outputs: Outputs<'a>, prediction: &[f64]) -> Option<&'a str> {
    let Outputs::Classes(names) = outputs else { return None };
    let best = (0..names.len()).reduce(|best, at| if prediction[at] > prediction[best] { at } else { best });
    best.map(|at| names[at].as_str())
}

fn adwin(count: usize) {
    let values: Vec<f64> = (0..count).map(|row| uniform(row, 0)).collect();
    let (start, mut detector, mut drifts) = (Instant::now(), Adwin::new(0.002, 32), 0);
    values.iter().for_each(|value| drifts += usize::from(detector.observe(*value) == egret_ml::drift::Verdict::Drift));
    let (rate, bytes) = (count as f64 / start.elapsed().as_secs_f64(), detector.size_bytes());
    println!("{:<26} {rate:>12.0} values/s {bytes:>10} bytes {drifts:>8} drifts", "adwin");
}
