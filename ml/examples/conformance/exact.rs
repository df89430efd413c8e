//! The exact tier: every row's prediction and the weights at the end.

use crate::data::{Argument, Value, model, prequential, table, text};
use crate::outcome::Outcome;
use egret_ml::{ModelSpec, Outputs};
use std::path::Path;

/// How the tier calls it, the algorithm, its options, how near predictions must be.
type Case = (&'static str, &'static str, &'static [Argument], f64);

const CASES: &[Case] = &[
    ("lr_sgd", "logistic_regression", &[], 1e-9),
    ("ftrl_l1", "logistic_regression", FTRL_L1, 1e-9),
    ("ftrl_l2", "logistic_regression", FTRL_L2, 1e-9),
    ("lin_sgd", "linear_regression", &[], 1e-9),
    ("pa1", "passive_aggressive", &[], 1e-9),
    ("gnb", "gaussian_nb", &[], 1e-9),
    ("knn5_w1000", "knn", &[], 1e-9),
    ("rls_0.999", "recursive_least_squares", &[], 1e-6),
];

const FTRL_L1: &[Argument] = &[("optimizer", Value::Text("ftrl")), ("scale", Value::Flag(false)), ("l1", Value::Number(0.5))];
const FTRL_L2: &[Argument] = &[("optimizer", Value::Text("ftrl")), ("scale", Value::Flag(false))];

/// Runs all files of the tier.
///
/// # Errors
/// They cannot be read.
pub(crate) fn run(folder: &Path, data: &Path, outcome: &mut Outcome) -> Result<(), String> {
    let folder = folder.join("exact");
    if !folder.is_dir() {
        return Ok(());
    }
    let weights = text(&folder, "exact.json")?;
    let weights: serde_json::Value = serde_json::from_str(&weights).map_err(|error| format!("exact.json: {error}"))?;
    let entries = std::fs::read_dir(&folder).map_err(|error| error.to_string())?;
    let name_of = |entry: std::io::Result<std::fs::DirEntry>| entry.ok()?.file_name().into_string().ok();
    let mut files: Vec<String> = entries.filter_map(name_of).filter(|name| name.contains("__")).collect();
    files.sort();
    for file in files {
        let name = file.trim_end_matches(".gz").trim_end_matches(".csv");
        outcome.note(&format!("exact {name}"), one(&folder, data, name, &weights[name]));
    }
    Ok(())
}

fn one(folder: &Path, data: &Path, name: &str, weights: &serde_json::Value) -> Result<bool, String> {
    let (case, data_name) = name.split_once("__").ok_or("a name has two underlines in the middle")?;
    let Some((_, algorithm, options, tolerance)) = CASES.iter().find(|known| known.0 == case) else { return Ok(false) };
    let rows = table(&text(data, &format!("{data_name}.csv"))?)?;
    let Some(model) = model(algorithm, options, &rows)? else { return Ok(false) };
    let expected = expected(&text(folder, &format!("{name}.csv"))?)?;
    if expected.len() != rows.num_rows() {
        return Err(format!("{} predictions of {} rows", expected.len(), rows.num_rows()));
    }
    let (mut miss, mut last_delta, last) = (None, Vec::new(), expected.len().saturating_sub(1));
    let is_margin = case.starts_with("pa");
    let see = |predicted: crate::data::Predicted<'_>| {
        let found =
            score(predicted.numbers, predicted.outputs).map(|score| if is_margin { (score / (1.0 - score)).ln() } else { score });
        let is_near = match (found, expected[predicted.row]) {
            (Some(found), Some(expected)) => (found - expected).abs() <= tolerance * expected.abs().max(1.0),
            (found, expected) => found.is_none() && expected.is_none(),
        };
        if !is_near && miss.is_none() {
            miss = Some(format!("row {} is {found:?}, not {:?}", predicted.row, expected[predicted.row]));
        }
    };
    // FTRL's weights are defined as they are computed before a prediction: the reference has those of the last one.
    let is_late = case.starts_with("ftrl");
    let keep = |row: usize, learner: &mut dyn egret_ml::Learner| {
        if is_late && row == last {
            last_delta = learner.take_delta();
        }
    };
    let mut learner = prequential(&model, &rows, see, keep)?;
    let delta = if is_late { last_delta } else { learner.take_delta() };
    match miss {
        Some(miss) => Err(miss),
        None => check_weights(&model, weights, &delta).map(|()| true),
    }
}

/// A prediction a row; none where there is no answer.
fn expected(csv: &str) -> Result<Vec<Option<f64>>, String> {
    let of_line = |line: &str| match line.split_once(',').map_or("", |(_, prediction)| prediction).trim() {
        "" => Ok(None),
        number => number.parse().map(Some).map_err(|_| format!("'{number}' is no prediction")),
    };
    csv.lines().skip(1).map(of_line).collect()
}

/// The probability of 1, or the number; none before there is an answer.
fn score(numbers: &[f64], outputs: Outputs<'_>) -> Option<f64> {
    match outputs {
        Outputs::Classes([]) => None,
        Outputs::Classes(names) => Some(names.iter().position(|name| name == "1").map_or(0.0, |at| numbers[at])),
        _ => numbers.first().copied(),
    }
}

/// Compares the weights of a linear model, which its delta has: see the format in `src/linear/delta.rs`.
fn check_weights(model: &ModelSpec, expected: &serde_json::Value, delta: &[u8]) -> Result<(), String> {
    let Some(weights) = expected["weights"].as_object() else { return Ok(()) };
    let number = |at: usize| -> Result<f64, String> {
        let bytes = delta.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).ok_or("an update is too short")?;
        Ok(f64::from_le_bytes(bytes))
    };
    let near = |what: &str, found: f64, expected: Option<f64>| match expected {
        Some(expected) if (found - expected).abs() <= 1e-6 => Ok(()),
        _ => Err(format!("{what} is {found}, not {expected:?}")),
    };
    near("the intercept", number(5)?, expected["intercept"].as_f64())?;
    for (index, feature) in model.features().iter().enumerate() {
        let expected = weights.get(&feature.name).and_then(serde_json::Value::as_f64);
        near(&format!("the weight of {}", feature.name), number(13 + 24 * index)?, expected)?;
    }
    Ok(())
}
