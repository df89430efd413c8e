//! The detectors of drift against where those of the references fire.

use super::conformance::{shared, text};
use crate::drift::{Adwin, Ddm, DriftDetector, Eddm, Fhddm, HddmA, HddmW, Kswin, PageHinkley, Verdict};
use serde_json::Value;

fn detector(name: &str) -> Option<Box<dyn DriftDetector>> {
    Some(match name {
        "adwin" => Box::new(Adwin::new(0.002, 32)),
        "adwin_001_c1" => Box::new(Adwin::new(0.001, 1)),
        "page_hinkley" => Box::new(PageHinkley::new(30, 0.005, 50.0, 0.9999)),
        "page_hinkley_25" => Box::new(PageHinkley::new(30, 0.1, 25.0, 0.9999)),
        "ddm" => Box::new(Ddm::new(30, 2.0, 3.0)),
        "eddm" => Box::new(Eddm::new(30, 0.95, 0.9)),
        "hddm_a" => Box::new(HddmA::new(0.001, 0.005)),
        "hddm_w" => Box::new(HddmW::new(0.05, 0.001, 0.005)),
        "fhddm" => Box::new(Fhddm::new(100, 1e-6)),
        _ => return None,
    })
}

fn series(name: &str) -> Vec<f64> {
    let csv = text(&shared().join("data/ml"), &format!("drift_{name}.csv"));
    csv.lines().skip(1).map(|line| line.parse().unwrap()).collect()
}

fn fired(detector: &mut dyn DriftDetector, values: &[f64]) -> (Vec<u64>, u64) {
    let (mut drifts, mut warnings) = (Vec::new(), 0);
    for (row, value) in (0..).zip(values) {
        match detector.observe(*value) {
            Verdict::Drift => drifts.push(row),
            Verdict::Warning => warnings += 1,
            Verdict::Steady => {}
        }
    }
    (drifts, warnings)
}

#[test]
fn detectors_fire_where_those_of_the_references_do() {
    let expected = text(&shared().join("conformance/ml/exact"), "drift_detections.json");
    let expected: Value = serde_json::from_str(&expected).unwrap();
    let mut compared = 0;
    for (name, of_series) in expected.as_object().unwrap() {
        let values = series(name);
        for (algorithm, expected) in of_series["detectors"].as_object().unwrap() {
            let Some(mut detector) = detector(algorithm) else { continue };
            let (drifts, warnings) = fired(detector.as_mut(), &values);
            let rows: Vec<u64> = expected["drifts"].as_array().unwrap().iter().map(|row| row.as_u64().unwrap()).collect();
            assert_eq!((drifts, Some(warnings)), (rows, expected["warnings"].as_u64()), "{algorithm} on {name}");
            compared += 1;
        }
    }
    assert_eq!(compared, 3 * 9 + 3 * 4, "all detectors on errors, four on numbers");
}

#[test]
fn kswin_seldom_fires_without_a_change_and_soon_after_one() {
    for seed in 0..5 {
        for name in ["gauss_none", "bern_none"] {
            let values = series(name);
            let (drifts, _) = fired(&mut Kswin::new(100, 30, 1e-4, seed), &values);
            assert!(drifts.len() <= values.len() / 5000, "{name}, seed {seed}: {drifts:?}");
        }
        let (drifts, _) = fired(&mut Kswin::new(100, 30, 1e-4, seed), &series("gauss_mean"));
        assert!(drifts.iter().any(|row| (6000..6100).contains(row)), "seed {seed}: {drifts:?}");
    }
}

#[test]
fn what_is_no_value_changes_no_detector() {
    for name in ["adwin", "page_hinkley", "ddm", "eddm", "hddm_a", "hddm_w", "fhddm"] {
        let (mut one, mut other) = (detector(name).unwrap(), detector(name).unwrap());
        for value in series("bern_abrupt") {
            let expected = one.observe(value);
            assert_eq!(other.observe(f64::NAN), Verdict::Steady, "{name}");
            other.observe(f64::INFINITY);
            assert_eq!(other.observe(value), expected, "{name}");
        }
    }
}
