//! Clusters.

use super::conformance::{shared, table, text};
use super::random::Random;
use super::unlabelled::{ordinary, prequential, references};
use super::{labels, model_with, option, read, rows_labelled};
use arrow::array::{ArrayRef, AsArray, BooleanArray, Float64Array};
use arrow::datatypes::Float64Type;
use serde_json::Value;
use std::sync::Arc;

#[test]
fn exact_tier_of_sequential_kmeans() {
    let rows = table(&text(&shared().join("data/ml"), "clusters_10k.csv"));
    let model = model_with("kmeans", &rows, &[option("k", 5.0)]);
    let folder = shared().join("conformance/ml/exact");
    let expected = text(&folder, "seq_kmeans5__clusters_10k.csv");
    let expected: Vec<f64> = expected.lines().skip(1).map(|line| line.split_once(',').unwrap().1.parse().unwrap()).collect();
    let ((features, all_labels), mut learner) = (read(&model, &rows), model.learner());
    assert_eq!(features.len(), expected.len());
    for (row, expected) in expected.into_iter().enumerate() {
        let one = features.slice(row, row + 1);
        // The first rows are the centres, so each is in its own cluster once it was learned.
        let mut nearest = Vec::new();
        if row >= 5 {
            learner.predict(one, &mut nearest);
        }
        learner.learn(one, labels(&all_labels, row, row + 1));
        if row < 5 {
            learner.predict(one, &mut nearest);
        }
        assert_eq!(nearest[0], expected, "row {row}");
    }
    let weights: Value = serde_json::from_str(&text(&folder, "exact.json")).unwrap();
    for centre in weights["seq_kmeans5__clusters_10k"]["weights"].as_array().unwrap() {
        let coordinates = centre.as_array().unwrap().iter().map(|number| Some(number.as_f64().unwrap()));
        let columns = coordinates
            .zip(model.features())
            .map(|(number, feature)| (feature.name.clone(), Arc::new(Float64Array::from(vec![number])) as ArrayRef));
        let at_centre = rows_labelled(columns.collect(), Arc::new(Float64Array::from(vec![0.0])));
        let mut nearest = Vec::new();
        learner.predict(read(&model, &at_centre).0.view(), &mut nearest);
        assert!(nearest[1] < 1e-6, "a final centre is {} away", nearest[1]);
    }
}

/// The adjusted Rand index of two partitions.
fn adjusted_rand_index(one: &[i64], other: &[i64]) -> f64 {
    use std::collections::BTreeMap;
    let pairs = |count: f64| count * (count - 1.0) / 2.0;
    let (mut both, mut of_one, mut of_other) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for (a, b) in one.iter().zip(other) {
        *both.entry((a, b)).or_insert(0.0) += 1.0;
        *of_one.entry(a).or_insert(0.0) += 1.0;
        *of_other.entry(b).or_insert(0.0) += 1.0;
    }
    let sum = |counts: Vec<f64>| counts.into_iter().map(pairs).sum::<f64>();
    let (both, a, b) =
        (sum(both.into_values().collect()), sum(of_one.into_values().collect()), sum(of_other.into_values().collect()));
    let expected = a * b / pairs(one.len() as f64);
    (both - expected) / ((a + b) / 2.0 - expected)
}

#[test]
fn clusters_are_those_of_the_data() {
    assert_eq!(adjusted_rand_index(&[0, 0, 1, 1], &[5, 5, 3, 3]), 1.0);
    let rows = table(&text(&shared().join("data/ml"), "clusters_10k.csv"));
    let truth = rows.column(rows.num_columns() - 1).as_primitive::<Float64Type>();
    let truth: Vec<i64> = truth.values()[1000..].iter().map(|class| *class as i64).collect();
    let mut compared = 0;
    for result in references("clu") {
        let algorithm = match result["algorithm"].as_str().unwrap() {
            "kmeans5" => "kmeans",
            "mbkmeans5" => "mini_batch_kmeans",
            _ => continue,
        };
        let found = prequential(&model_with(algorithm, &rows, &[option("k", 5.0)]), &rows);
        let found: Vec<i64> = found[1000..].iter().map(|prediction| prediction[0] as i64).collect();
        let (index, reference) = (adjusted_rand_index(&found, &truth), result["ari_after_1000"].as_f64().unwrap());
        assert!(index >= (reference - 0.1).max(0.9), "{}: {index}, reference {reference}", result["algorithm"]);
        compared += 1;
    }
    assert_eq!(compared, 2);
}

#[test]
fn a_missing_number_is_in_no_distance_and_moves_no_centre() {
    let rows = |values: &[Option<f64>]| {
        let columns: Vec<(String, ArrayRef)> = vec![
            ("x".into(), Arc::new(Float64Array::from(values.to_vec()))),
            ("y".into(), Arc::new(Float64Array::from(vec![2.0; values.len()]))),
        ];
        rows_labelled(columns, Arc::new(BooleanArray::from(vec![false; values.len()])))
    };
    let all = rows(&[Some(0.0), Some(10.0), None, Some(4.0), Some(3.0)]);
    let found = prequential(&model_with("kmeans", &all, &[option("k", 2.0)]), &all);
    assert_eq!(found[0], Vec::<f64>::new(), "there is no cluster yet");
    // The third row is as near to both, and comes to the first, whose mean it does not move; the fourth moves it by a third.
    assert_eq!(found[2..], [vec![0.0, 0.0], vec![0.0, 4.0], vec![0.0, 3.0 - 4.0 / 3.0]]);
}

#[test]
fn numbers_are_scaled_if_that_is_asked_for() {
    let rows = ordinary(&mut Random(2), 400);
    let distance = |scale: bool| {
        let found = prequential(&model_with("kmeans", &rows, &[option("k", 3.0), option("scale", scale)]), &rows);
        found.iter().skip(3).map(|nearest| nearest[1]).fold(0.0, f64::max)
    };
    assert!(distance(true) < 20.0 && distance(false) > 1e5);
}

#[test]
fn of_rows_that_are_alike_there_are_fewer_clusters() {
    let values = Float64Array::from_iter_values((0..40).map(|row| f64::from(row % 2)));
    let rows = rows_labelled(vec![("x".into(), Arc::new(values) as ArrayRef)], Arc::new(BooleanArray::from(vec![false; 40])));
    let options = [option("k", 5.0), option("start", 10.0), option("batch", 3.0)];
    let found = prequential(&model_with("mini_batch_kmeans", &rows, &options), &rows);
    assert!(found[..10].iter().all(Vec::is_empty), "the first centres are chosen among ten rows");
    assert!(found[10..].iter().all(|nearest| nearest[0] < 2.0 && nearest[1] == 0.0), "{found:?}");
}
