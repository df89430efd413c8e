//! Trees and their ensembles against the reference bands.

use super::conformance::{measure_classes, shared, table, text};
use super::{Variant, model_with, option};
use serde_json::Value;

/// The reference's name, the algorithm here with its options, and whether the reference is a range over seeds.
fn band((name, (algorithm, options), is_range): (&str, Variant, bool), sets: usize) {
    let shared = shared();
    let reference: Value = serde_json::from_str(&text(&shared.join("conformance/ml"), "reference.json")).unwrap();
    let is_asked = |result: &&Value| result["algorithm"] == name && result["task"] != "reg";
    let mut compared = 0;
    for result in reference["results"].as_array().unwrap().iter().filter(is_asked) {
        let data = result["data"].as_str().unwrap();
        let rows = table(&text(&shared.join("data/ml"), &format!("{data}.csv")));
        let (accuracy, loss, none) = measure_classes(&model_with(algorithm, &rows, &options), &rows);
        let value = |metric: &str, bound: &str| {
            let bounded = result[format!("{metric}{bound}")].as_f64();
            bounded.or(result[metric].as_f64()).unwrap()
        };
        let least = value("accuracy", if is_range { "_min" } else { "" }) - 0.015;
        assert!(accuracy >= least, "{name} {data}: accuracy {accuracy}, at least {least}");
        let most = value("logloss", "_max") + 0.03;
        assert!(!is_range || loss <= most, "{name} {data}: log loss {loss}, at most {most}");
        assert_eq!(none as f64, result["rows_without_prediction"].as_f64().unwrap(), "{name} {data}");
        compared += 1;
    }
    assert_eq!(compared, sets, "{name}");
}

#[test]
fn reference_bands_of_the_hoeffding_tree() {
    band(("ht", ("hoeffding_tree", vec![]), false), 10);
}

#[test]
fn reference_bands_of_the_fast_hoeffding_tree() {
    band(("ht_fast", ("hoeffding_tree", vec![option("grace", 50.0), option("delta", 0.01)]), false), 10);
}

#[test]
fn reference_bands_of_the_hoeffding_adaptive_tree() {
    band(("hat", ("hoeffding_adaptive_tree", vec![]), false), 10);
}

#[test]
fn reference_bands_of_the_adaptive_random_forest() {
    band(("arf10", ("adaptive_random_forest", vec![]), true), 7);
}

#[test]
fn reference_bands_of_leveraging_bagging() {
    band(("levbag10_ht", ("leveraging_bagging", vec![option("seed", 3.0)]), true), 5);
}
