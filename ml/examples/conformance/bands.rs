//! The bands: metrics of whole runs, which may be a little worse than the reference's.

use crate::data::{Argument, Predicted, Value, model, prequential, table, text};
use crate::outcome::Outcome;
use egret_ml::Outputs;
use egret_ml::metrics::{Errors, Evaluation, MetricKind};
use std::path::Path;

/// How the reference calls its task and its algorithm, the algorithm, its options, what it may lack.
type Case = (&'static str, &'static str, &'static str, &'static [Argument], Band);

/// What a run may lack of the reference.
#[derive(Clone, Copy)]
enum Band {
    /// So much accuracy, and so much more log loss.
    Classes(f64, f64),
    /// 0.01 of area and of log loss.
    Categories,
    /// So many times the mean absolute error.
    Number(f64),
}

const OPTIMIZER: &str = "optimizer";
const ADAM: &[Argument] = &[(OPTIMIZER, Value::Text("adam"))];
const ADAM_FAST: &[Argument] = &[(OPTIMIZER, Value::Text("adam")), ("learning_rate", Value::Number(0.1))];
const ADAGRAD: &[Argument] = &[(OPTIMIZER, Value::Text("adagrad"))];
const FTRL: &[Argument] = &[(OPTIMIZER, Value::Text("ftrl")), ("intercept_rate", Value::Number(0.01))];
const FTRL_FEW: &[Argument] =
    &[(OPTIMIZER, Value::Text("ftrl")), ("intercept_rate", Value::Number(0.01)), ("hash_bits", Value::Number(10.0))];
const FASTER: &[Argument] = &[("learning_rate", Value::Number(0.05))];
const DAMPED: &[Argument] = &[("mode", Value::Number(2.0))];
const WEIGHTED: &[Argument] = &[("weighted", Value::Flag(true))];
const NEAR: Band = Band::Classes(0.003, 0.01);

const CASES: &[Case] = &[
    ("bin", "lr_sgd", "logistic_regression", &[], NEAR),
    ("bin", "lr_adam", "logistic_regression", ADAM, NEAR),
    ("bin", "lr_adagrad", "logistic_regression", ADAGRAD, NEAR),
    ("bin", "lr_ftrl", "logistic_regression", FTRL, Band::Classes(0.01, 0.01)),
    ("bin", "perceptron", "perceptron", &[], NEAR),
    ("bin", "pa1", "passive_aggressive", &[], NEAR),
    ("bin", "pa2", "passive_aggressive", DAMPED, NEAR),
    ("bin", "gnb", "gaussian_nb", &[], NEAR),
    ("bin", "knn5_w1000", "knn", &[], NEAR),
    ("mul", "softmax_sgd", "softmax_regression", &[], NEAR),
    ("mul", "gnb", "gaussian_nb", &[], NEAR),
    ("mul", "knn5_w1000", "knn", WEIGHTED, NEAR),
    ("cat", "lr_sgd", "logistic_regression", FASTER, Band::Categories),
    ("cat", "lr_ftrl", "logistic_regression", FTRL, Band::Categories),
    ("cat", "hash_lr_ftrl_2e10", "logistic_regression", FTRL_FEW, Band::Categories),
    ("reg", "lin_sgd", "linear_regression", &[], Band::Number(1.02)),
    ("reg", "lin_adam", "linear_regression", ADAM_FAST, Band::Number(1.02)),
    ("reg", "pa_reg", "passive_aggressive_regressor", &[], Band::Number(1.02)),
];

/// Runs all results of the reference that an algorithm is held to.
///
/// # Errors
/// They cannot be read.
pub(crate) fn run(folder: &Path, data: &Path, outcome: &mut Outcome) -> Result<(), String> {
    if !folder.join("reference.json").is_file() {
        return Ok(());
    }
    let reference = text(folder, "reference.json")?;
    let reference: serde_json::Value = serde_json::from_str(&reference).map_err(|error| format!("reference.json: {error}"))?;
    for result in reference["results"].as_array().ok_or("reference.json has no results")? {
        let word = |name: &str| result[name].as_str().unwrap_or_default();
        let (task, algorithm, file) = (word("task"), word("algorithm"), word("data"));
        let case = CASES.iter().find(|case| (case.0, case.1) == (task, algorithm));
        let found = case.map_or(Ok(false), |case| one(case, data, file, result));
        outcome.note(&format!("{task} {algorithm} {file}"), found);
    }
    Ok(())
}

fn one(case: &Case, data: &Path, file: &str, reference: &serde_json::Value) -> Result<bool, String> {
    let (_, _, algorithm, options, band) = case;
    let rows = table(&text(data, &format!("{file}.csv"))?)?;
    let Some(model) = model(algorithm, options, &rows)? else { return Ok(false) };
    let mut measures = Measures::new();
    prequential(&model, &rows, |predicted| measures.add(&predicted), |_, _| ())?;
    let least =
        |name: &str, found: Option<f64>, slack: f64| within(name, found, reference, |found, value| found >= value - slack);
    let most = |name: &str, found: Option<f64>, slack: f64| within(name, found, reference, |found, value| found <= value + slack);
    match *band {
        Band::Classes(accuracy, loss) => {
            least("accuracy", measures.accuracy(), accuracy)?;
            most("logloss", measures.log_loss(), loss)?;
        }
        Band::Categories => {
            least("rocauc", measures.flags.value(MetricKind::RocAuc), 0.01)?;
            most("logloss", measures.log_loss(), 0.01)?;
        }
        Band::Number(times) => {
            within("mae", measures.errors.value(MetricKind::Mae), reference, |found, value| found <= times * value)?;
        }
    }
    Ok(true)
}

fn within(
    name: &str,
    found: Option<f64>,
    reference: &serde_json::Value,
    is_within: impl Fn(f64, f64) -> bool,
) -> Result<(), String> {
    let value = reference[name].as_f64().ok_or(format!("the reference has no {name}"))?;
    match found {
        Some(found) if is_within(found, value) => Ok(()),
        found => Err(format!("{name} is {found:?}, the reference's {value}")),
    }
}

/// What is measured of a run.
struct Measures {
    flags: Evaluation,
    errors: Errors,
    rows: f64,
    hits: f64,
    loss: f64,
}

impl Measures {
    fn new() -> Self {
        Self { flags: Evaluation::new(&MetricKind::ALL), errors: Errors::default(), rows: 0.0, hits: 0.0, loss: 0.0 }
    }

    /// Rows without an answer are left out.
    fn add(&mut self, predicted: &Predicted<'_>) {
        match predicted.outputs {
            Outputs::Classes([]) | Outputs::Clusters(_) => {}
            Outputs::Number => self.errors.add(predicted.numbers[0], predicted.label),
            Outputs::Score => {
                let score = predicted.numbers[0];
                self.flags.add(score, predicted.label == 1.0);
                self.count((score >= 0.5) == (predicted.label == 1.0), if predicted.label == 1.0 { score } else { 1.0 - score });
            }
            Outputs::Classes(names) => {
                let of = |name: &str| names.iter().position(|known| known == name).map_or(0.0, |at| predicted.numbers[at]);
                let better = |best: usize, at: usize| if predicted.numbers[at] > predicted.numbers[best] { at } else { best };
                let best = (0..names.len()).fold(0, better);
                self.flags.add(of("1"), predicted.label == 1.0);
                self.count(names[best] == predicted.class, of(predicted.class));
            }
        }
    }

    fn count(&mut self, is_hit: bool, probability: f64) {
        self.rows += 1.0;
        self.hits += f64::from(u8::from(is_hit));
        self.loss -= probability.clamp(1e-15, 1.0 - 1e-15).ln();
    }

    fn accuracy(&self) -> Option<f64> {
        (self.rows > 0.0).then(|| self.hits / self.rows)
    }

    fn log_loss(&self) -> Option<f64> {
        (self.rows > 0.0).then(|| self.loss / self.rows)
    }
}
