//! The exact tier and the reference bands of the conformance data, which is in the folder `EGRET_SHARED`.

use super::{labels, labels_of, linear_config, model_of, model_with, option, read, rows_labelled};
use crate::ArgValue;
use crate::answer::AnswerColumn;
use crate::features::FeatureRows;
use crate::labels::LabelRows;
use crate::linear::{LinearConfig, LogisticRegression, Optimizer, OptimizerChoice};
use crate::metrics::{Errors, Evaluation, MetricKind};
use crate::{Answer, Learner, ModelSpec, Outputs};
use arrow::array::{Array, ArrayRef, AsArray, Float64Array, RecordBatch, StringArray};
use arrow::datatypes::Float64Type;
use serde_json::Value;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

/// The folder of shared files: `EGRET_SHARED`, or `shared` beside the workspace.
///
/// # Panics
/// The conformance data is not there: nothing would be compared.
pub(super) fn shared() -> PathBuf {
    let default = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let folder = std::env::var_os("EGRET_SHARED").map_or_else(default, PathBuf::from);
    let is_there = folder.join("conformance/ml/exact").is_dir();
    assert!(is_there, "there is no conformance data in {}; set EGRET_SHARED to the folder of shared files", folder.display());
    folder
}

pub(super) fn text(folder: &std::path::Path, name: &str) -> String {
    let (plain, packed) = (folder.join(name), folder.join(format!("{name}.gz")));
    let mut text = String::new();
    if plain.exists() {
        return std::fs::read_to_string(plain).unwrap();
    }
    flate2::read::GzDecoder::new(std::fs::File::open(packed).unwrap()).read_to_string(&mut text).unwrap();
    text
}

/// A CSV whose last column is the label; columns of numbers are numbers.
pub(super) fn table(csv: &str) -> RecordBatch {
    let mut lines = csv.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let names = lines.next().unwrap();
    let cells: Vec<Vec<&str>> = lines.collect();
    let column = |index: usize| -> ArrayRef {
        match cells.iter().map(|row| row[index].parse()).collect::<Result<Vec<f64>, _>>() {
            Ok(numbers) => Arc::new(Float64Array::from(numbers)),
            Err(_) => Arc::new(StringArray::from_iter_values(cells.iter().map(|row| row[index]))),
        }
    };
    let last = names.len() - 1;
    rows_labelled((0..last).map(|index| (names[index].to_owned(), column(index))).collect(), column(last))
}

struct Prequential {
    features: FeatureRows,
    labels: LabelRows,
}

impl Prequential {
    fn new(model: &ModelSpec, rows: &RecordBatch) -> Self {
        let (features, labels) = read(model, rows);
        Self { features, labels }
    }

    /// Predict, then learn, one row at a time.
    fn run(&self, learner: &mut dyn Learner) -> Vec<f64> {
        let mut predictions = Vec::new();
        for row in 0..self.features.len() {
            let one = self.features.slice(row, row + 1);
            learner.predict(one, &mut predictions);
            learner.learn(one, labels(&self.labels, row, row + 1));
        }
        predictions
    }
}

const BINARY: [&str; 2] = ["phishing", "kddcup_guess_passwd_vs_satan"];

#[test]
fn exact_tier_of_sgd() {
    let options = [option("learning_rate", 0.01)];
    BINARY.iter().for_each(|data| exact("lr_sgd", data, &options));
}

#[test]
fn exact_tier_of_ftrl() {
    for (name, l1) in [("ftrl_l1", 0.5), ("ftrl_l2", 0.0)] {
        let options = [option("optimizer", "ftrl"), option("scale", false), option("l1", l1)];
        BINARY.iter().for_each(|data| exact(name, data, &options));
    }
}

fn exact(name: &str, data: &str, options: &[(String, ArgValue)]) {
    let shared = shared();
    let rows = table(&text(&shared.join("data/ml"), &format!("{data}.csv")));
    let model = model_of(&rows, options);
    let folder = shared.join("conformance/ml/exact");
    let expected: Vec<f64> = text(&folder, &format!("{name}__{data}.csv"))
        .lines()
        .skip(1)
        .map(|line| line.split_once(',').unwrap().1.parse().unwrap())
        .collect();
    let weights: Value = serde_json::from_str(&text(&folder, "exact.json")).unwrap();
    let weights = &weights[format!("{name}__{data}")];
    let config = &linear_config(&model, options);
    let (predictions, intercept, found) = match &config.optimizer {
        OptimizerChoice::Sgd(sgd) => learned(sgd, config, &model, &rows),
        OptimizerChoice::Adam(adam) => learned(adam, config, &model, &rows),
        OptimizerChoice::AdaGrad(adagrad) => learned(adagrad, config, &model, &rows),
        OptimizerChoice::Ftrl(ftrl) => learned(ftrl, config, &model, &rows),
    };
    assert_eq!(predictions.len(), expected.len());
    for (row, (found, expected)) in predictions.iter().zip(&expected).enumerate() {
        assert!((found - expected).abs() <= 1e-9 * expected.abs().max(1.0), "{name} {data} row {row}: {found}, not {expected}");
    }
    // FTRL's weights are defined as they are computed before a prediction: the reference has those of the last one.
    assert!((intercept - weights["intercept"].as_f64().unwrap()).abs() <= 1e-6);
    assert_eq!(found.len(), model.features().len(), "{name} {data}");
    for (feature, found) in model.features().iter().zip(found) {
        let expected = weights["weights"][&feature.name].as_f64().unwrap();
        assert!((found - expected).abs() <= 1e-6, "{name} {data} {}: {found}, not {expected}", feature.name);
    }
}

fn learned<O: Optimizer>(
    optimizer: &O,
    config: &LinearConfig,
    model: &ModelSpec,
    rows: &RecordBatch,
) -> (Vec<f64>, f64, Vec<f64>) {
    let mut learner = LogisticRegression::new(optimizer.clone(), config);
    let prequential = Prequential::new(model, rows);
    let mut predictions = prequential.run(&mut learner);
    if matches!(config.optimizer, OptimizerChoice::Ftrl(_)) {
        learner = LogisticRegression::new(optimizer.clone(), config);
        let last = prequential.features.len() - 1;
        learner.learn(prequential.features.slice(0, last), labels(&prequential.labels, 0, last));
        learner.predict(prequential.features.slice(last, last + 1), &mut predictions);
        assert_eq!(predictions.pop(), predictions.last().copied());
    }
    (predictions, learner.intercept(), learner.numeric_weights().to_vec())
}

#[test]
fn exact_tier_of_gaussian_nb() {
    for data in ["bananas", "breast_cancer"] {
        let shared = shared();
        let rows = table(&text(&shared.join("data/ml"), &format!("{data}.csv")));
        let model = model_with("gaussian_nb", &rows, &[]);
        let expected = text(&shared.join("conformance/ml/exact"), &format!("gnb__{data}.csv"));
        let expected: Vec<Option<f64>> =
            expected.lines().skip(1).map(|line| line.split_once(',').unwrap().1.parse().ok()).collect();
        let (prequential, mut learner, answer) = (Prequential::new(&model, &rows), model.learner(), Answer::Score);
        assert_eq!(
            (prequential.features.len(), expected.iter().filter(|expected| expected.is_none()).count()),
            (expected.len(), 1)
        );
        for (row, expected) in expected.into_iter().enumerate() {
            let (one, mut prediction, mut score) =
                (prequential.features.slice(row, row + 1), Vec::new(), AnswerColumn::new(&answer, 1));
            learner.predict(one, &mut prediction);
            score.extend(&answer, model.two_classes().unwrap(), learner.outputs(), &prediction, 1);
            let found = score.finish().as_primitive::<Float64Type>().iter().next().unwrap();
            let is_near = match (found, expected) {
                (Some(found), Some(expected)) => (found - expected).abs() <= 1e-9 * expected.abs().max(1.0),
                (found, expected) => found == expected,
            };
            assert!(is_near, "{data} row {row}: {found:?}, not {expected:?}");
            learner.learn(one, labels(&prequential.labels, row, row + 1));
        }
    }
}

/// Accuracy and log loss of a model of classes, and how many rows had no prediction.
pub(super) fn measure_classes(model: &ModelSpec, rows: &RecordBatch) -> (f64, f64, usize) {
    let (prequential, mut learner) = (Prequential::new(model, rows), model.learner());
    let (mut hits, mut loss, mut none) = (0, 0.0, 0);
    for row in 0..rows.num_rows() {
        let (one, label) = (prequential.features.slice(row, row + 1), labels(&prequential.labels, row, row + 1));
        let (mut prediction, name) = (Vec::new(), label.classes().get(0).unwrap());
        learner.predict(one, &mut prediction);
        let Outputs::Classes(names) = learner.outputs() else { panic!("{name} is a class") };
        if names.is_empty() {
            none += 1;
        } else {
            let best = (0..names.len()).fold(0, |best, at| if prediction[at] > prediction[best] { at } else { best });
            hits += usize::from(names[best] == name);
            let of_label = names.iter().position(|known| known == name).map_or(0.0, |at| prediction[at]);
            loss -= of_label.clamp(1e-15, 1.0 - 1e-15).ln();
        }
        learner.learn(one, label);
    }
    let scored = (rows.num_rows() - none) as f64;
    (hits as f64 / scored, loss / scored, none)
}

#[test]
fn reference_bands_of_gaussian_nb() {
    let shared = shared();
    let reference: Value = serde_json::from_str(&text(&shared.join("conformance/ml"), "reference.json")).unwrap();
    let all = reference["results"].as_array().unwrap().iter().filter(|result| result["algorithm"] == "gnb");
    let mut compared = 0;
    for result in all {
        let data = result["data"].as_str().unwrap();
        let rows = table(&text(&shared.join("data/ml"), &format!("{data}.csv")));
        let (accuracy, loss, none) = measure_classes(&model_with("gaussian_nb", &rows, &[]), &rows);
        let value = |metric: &str| result[metric].as_f64().unwrap();
        assert!(accuracy >= value("accuracy") - 0.003, "{data}: accuracy {accuracy}, reference {}", value("accuracy"));
        assert!(loss <= value("logloss") + 0.01, "{data}: log loss {loss}, reference {}", value("logloss"));
        assert_eq!(none as f64, value("rows_without_prediction"), "{data}");
        compared += 1;
    }
    assert_eq!(compared, 10, "two and more classes");
}

/// What a model predicts, row by row, and the labels.
fn prequential(algorithm: &str, data: &str, options: &[(String, ArgValue)]) -> (Vec<f64>, Vec<f64>) {
    let rows = table(&text(&shared().join("data/ml"), &format!("{data}.csv")));
    let model = model_with(algorithm, &rows, options);
    let prequential = Prequential::new(&model, &rows);
    let (mut learner, mut predictions) = (model.learner(), Vec::new());
    for row in 0..prequential.features.len() {
        let one = prequential.features.slice(row, row + 1);
        learner.predict(one, &mut predictions);
        learner.learn(one, labels_of(&model, &prequential.labels, row, row + 1));
    }
    (predictions, prequential.labels.flags)
}

/// The predictions of the exact tier.
fn expected(name: &str, data: &str) -> Vec<f64> {
    let text = text(&shared().join("conformance/ml/exact"), &format!("{name}__{data}.csv"));
    text.lines().skip(1).map(|line| line.split_once(',').unwrap().1.parse().unwrap()).collect()
}

fn check_exact(name: &str, data: &str, found: &[f64], tolerance: f64) {
    let expected = expected(name, data);
    assert_eq!(found.len(), expected.len());
    for (row, (found, expected)) in found.iter().zip(expected).enumerate() {
        let is_near = (found - expected).abs() <= tolerance * expected.abs().max(1.0);
        assert!(is_near, "{name} {data} row {row}: {found}, not {expected}");
    }
}

#[test]
fn exact_tier_of_passive_aggressive() {
    for data in BINARY {
        let (scores, _) = prequential("passive_aggressive", data, &[]);
        let margins: Vec<f64> = scores.iter().map(|score| (score / (1.0 - score)).ln()).collect();
        check_exact("pa1", data, &margins, 1e-9);
    }
}

#[test]
fn exact_tier_of_regressions() {
    for data in ["diabetes", "trump_approval"] {
        check_exact("lin_sgd", data, &prequential("linear_regression", data, &[]).0, 1e-9);
        check_exact("rls_0.999", data, &prequential("recursive_least_squares", data, &[]).0, 1e-6);
    }
}

/// The reference's name, the algorithm here, its options.
type Compared<'a> = (&'a str, &'a str, &'a [(String, ArgValue)]);

#[test]
fn reference_bands_of_regressions() {
    let adam = [option("optimizer", "adam"), option("learning_rate", 0.1)];
    let bands: [Compared<'_>; 3] = [
        ("lin_sgd", "linear_regression", &[]),
        ("lin_adam", "linear_regression", &adam),
        ("pa_reg", "passive_aggressive_regressor", &[]),
    ];
    let mut misses = Vec::new();
    for (name, algorithm, options) in bands {
        for result in references("reg", name) {
            let data = result["data"].as_str().unwrap();
            let (found, labels) = prequential(algorithm, data, options);
            let mut errors = Errors::default();
            found.iter().zip(&labels).for_each(|(found, label)| errors.add(*found, *label));
            let (found, reference) = (errors.value(MetricKind::Mae).unwrap(), result["mae"].as_f64().unwrap());
            if found > 1.02 * reference {
                misses.push(format!("{name} {data}: mean absolute error {found}, reference {reference}"));
            }
        }
    }
    assert!(misses.is_empty(), "{misses:#?}");
}

#[test]
fn reference_bands_of_linear_classifiers() {
    let damped = [option("mode", 2.0)];
    let bands: [Compared<'_>; 3] =
        [("perceptron", "perceptron", &[]), ("pa1", "passive_aggressive", &[]), ("pa2", "passive_aggressive", &damped)];
    let mut misses = Vec::new();
    for (name, algorithm, options) in bands {
        for result in references("bin", name) {
            let data = result["data"].as_str().unwrap();
            let (found, labels) = prequential(algorithm, data, options);
            let mut evaluation = Evaluation::new(&MetricKind::ALL);
            found.iter().zip(&labels).for_each(|(score, label)| evaluation.add(*score, *label == 1.0));
            let value = |metric: &str| result[metric].as_f64().unwrap();
            let (accuracy, loss) =
                (evaluation.value(MetricKind::Accuracy).unwrap(), evaluation.value(MetricKind::LogLoss).unwrap());
            if accuracy < value("accuracy") - 0.003 || loss > value("logloss") + 0.01 {
                misses.push(format!("{name} {data}: {accuracy} {loss}, reference {} {}", value("accuracy"), value("logloss")));
            }
        }
    }
    assert!(misses.is_empty(), "{misses:#?}");
}

/// The reference's results of an algorithm.
fn references(task: &str, algorithm: &str) -> Vec<Value> {
    let reference: Value = serde_json::from_str(&text(&shared().join("conformance/ml"), "reference.json")).unwrap();
    let is_of = |result: &&Value| result["task"] == task && result["algorithm"] == algorithm;
    let found: Vec<Value> = reference["results"].as_array().unwrap().iter().filter(is_of).cloned().collect();
    assert!(!found.is_empty(), "the reference has {algorithm}");
    found
}

/// Algorithm, its options here, how much accuracy may be below the reference.
type Band = (&'static str, Vec<(String, ArgValue)>, f64);

#[test]
fn reference_bands_of_binary_data() {
    let bands: [Band; 4] = [
        ("lr_sgd", vec![option("learning_rate", 0.01)], 0.003),
        ("lr_adam", vec![option("optimizer", "adam"), option("learning_rate", 0.01)], 0.003),
        ("lr_adagrad", vec![option("optimizer", "adagrad"), option("learning_rate", 0.1)], 0.003),
        ("lr_ftrl", vec![option("optimizer", "ftrl"), option("intercept_rate", 0.01)], 0.01),
    ];
    let found = compare("bin", &bands);
    assert_eq!(found.len(), 32, "each algorithm on each data set");
    for (name, reference, mut evaluation, slack) in found {
        let value = |metric: &str| reference[metric].as_f64().unwrap();
        let (accuracy, loss) = (evaluation.value(MetricKind::Accuracy).unwrap(), evaluation.value(MetricKind::LogLoss).unwrap());
        assert!(accuracy >= value("accuracy") - slack, "{name}: accuracy {accuracy}, reference {}", value("accuracy"));
        assert!(loss <= value("logloss") + slack.max(0.01), "{name}: log loss {loss}, reference {}", value("logloss"));
    }
}

#[test]
fn reference_bands_of_categories() {
    let ftrl = [option("optimizer", "ftrl"), option("intercept_rate", 0.01)];
    let bands: [Band; 3] = [
        ("lr_sgd", vec![option("learning_rate", 0.05)], 0.01),
        ("lr_ftrl", ftrl.to_vec(), 0.01),
        ("hash_lr_ftrl_2e10", [&ftrl[..], &[option("hash_bits", 10.0)]].concat(), 0.01),
    ];
    let found = compare("cat", &bands);
    assert_eq!(found.len(), 3, "each algorithm on each data set");
    for (name, reference, mut evaluation, slack) in found {
        let value = |metric: &str| reference[metric].as_f64().unwrap();
        let (area, loss) = (evaluation.value(MetricKind::RocAuc).unwrap(), evaluation.value(MetricKind::LogLoss).unwrap());
        assert!(area >= value("rocauc") - slack, "{name}: area {area}, reference {}", value("rocauc"));
        assert!(loss <= value("logloss") + slack, "{name}: log loss {loss}, reference {}", value("logloss"));
    }
}

/// Runs the algorithms on every data set the reference has for them.
fn compare(task: &str, bands: &[Band]) -> Vec<(String, Value, Evaluation, f64)> {
    let shared = shared();
    let reference: Value = serde_json::from_str(&text(&shared.join("conformance/ml"), "reference.json")).unwrap();
    let mut compared = Vec::new();
    for result in reference["results"].as_array().unwrap().iter().filter(|result| result["task"] == task) {
        let Some((_, options, slack)) = bands.iter().find(|band| result["algorithm"] == band.0) else { continue };
        let data = result["data"].as_str().unwrap();
        let rows = table(&text(&shared.join("data/ml"), &format!("{data}.csv")));
        let model = model_of(&rows, options);
        let prequential = Prequential::new(&model, &rows);
        let mut evaluation = Evaluation::new(&MetricKind::ALL);
        let predictions = prequential.run(model.learner().as_mut());
        predictions.iter().zip(&prequential.labels.flags).for_each(|(score, label)| evaluation.add(*score, *label == 1.0));
        compared.push((format!("{} {data}", result["algorithm"]), result.clone(), evaluation, *slack));
    }
    compared
}

#[test]
fn the_table_reader_tells_numbers_from_names() {
    let rows = table("a,b,y\n1,x,0\n2,3,1\n");
    assert_eq!(rows.column(1).data_type(), &arrow::datatypes::DataType::Float64);
    assert_eq!(rows.column(2).data_type(), &arrow::datatypes::DataType::Utf8);
    assert_eq!(rows.column(3).len(), 2);
}
