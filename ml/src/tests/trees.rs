//! What trees do with features in another order, and with little memory.

use super::random::Random;
use super::{ArgValue, labels, model_with, option, read, rows_labelled};
use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use std::sync::Arc;

const ALGORITHMS: [&str; 5] =
    ["adaptive_random_forest", "adwin_bagging", "hoeffding_adaptive_tree", "hoeffding_tree", "leveraging_bagging"];

/// Three numbers and a category, of which two say what the class is; the other way round after `turn` rows.
fn columns(count: usize, turn: usize) -> (Vec<(String, ArrayRef)>, ArrayRef) {
    let mut random = Random(17);
    let (mut numbers, mut places, mut classes) = (vec![Vec::new(); 3], Vec::new(), Vec::new());
    for row in 0..count {
        numbers.iter_mut().for_each(|numbers: &mut Vec<f64>| numbers.push(random.unit()));
        let place = random.below(4);
        let is_it = (numbers[1][row] > 0.5) == (place == 2);
        places.push(format!("p{place}"));
        classes.push(if is_it == (row < turn) { "yes" } else { "no" });
    }
    let mut columns: Vec<(String, ArrayRef)> = Vec::new();
    for (name, numbers) in ["b", "c", "a"].into_iter().zip(numbers) {
        columns.push((name.to_owned(), Arc::new(Float64Array::from(numbers))));
    }
    columns.push(("place".to_owned(), Arc::new(StringArray::from(places))));
    (columns, Arc::new(StringArray::from(classes)))
}

fn quick() -> Vec<(String, ArgValue)> {
    vec![option("grace", 50.0), option("delta", 0.01)]
}

/// The share of the rows, from `first` on, whose class was predicted before it was learned.
fn accuracy(algorithm: &str, options: &[(String, ArgValue)], rows: &RecordBatch, first: usize) -> f64 {
    let model = model_with(algorithm, rows, options);
    let (features, all_labels) = read(&model, rows);
    let (mut learner, mut hits) = (model.learner(), 0);
    for row in 0..rows.num_rows() {
        let (one, label) = (features.slice(row, row + 1), labels(&all_labels, row, row + 1));
        let mut prediction = Vec::new();
        learner.predict(one, &mut prediction);
        let best = (0..prediction.len()).reduce(|best, at| if prediction[at] > prediction[best] { at } else { best });
        if let (crate::Outputs::Classes(names), Some(best)) = (learner.outputs(), best) {
            hits += usize::from(row >= first && Some(names[best].as_str()) == label.classes().get(0));
        }
        learner.learn(one, label);
    }
    hits as f64 / (rows.num_rows() - first) as f64
}

#[test]
fn trees_split_by_numbers_and_by_categories() {
    let (columns, classes) = columns(4000, 4000);
    let rows = rows_labelled(columns, classes);
    for algorithm in ALGORITHMS {
        let accuracy = accuracy(algorithm, &[quick(), vec![option("tau", 0.2)]].concat(), &rows, 2000);
        assert!(accuracy > 0.9, "{algorithm}: {accuracy}");
    }
}

#[test]
fn trees_that_adapt_forget_what_is_no_longer_so() {
    let (columns, classes) = columns(8000, 4000);
    let rows = rows_labelled(columns, classes);
    let options = [quick(), vec![option("tau", 0.2)]].concat();
    for algorithm in ["adaptive_random_forest", "hoeffding_adaptive_tree", "leveraging_bagging"] {
        let adapted = accuracy(algorithm, &options, &rows, 6000);
        assert!(adapted > 0.9, "{algorithm}: {adapted}");
    }
}

#[test]
fn the_order_of_the_features_does_not_matter() {
    let (columns, classes) = columns(1500, 1500);
    let mut turned = columns.clone();
    turned.reverse();
    let (rows, turned) = (rows_labelled(columns, Arc::clone(&classes)), rows_labelled(turned, classes));
    for algorithm in ALGORITHMS {
        let predicted = |rows: &RecordBatch| {
            let model = model_with(algorithm, rows, &quick());
            let (features, all_labels) = read(&model, rows);
            let (mut learner, mut predictions) = (model.learner(), Vec::new());
            learner.learn(features.view(), labels(&all_labels, 0, 1500));
            learner.predict(features.view(), &mut predictions);
            predictions.into_iter().map(f64::to_bits).collect::<Vec<_>>()
        };
        assert_eq!(predicted(&rows), predicted(&turned), "{algorithm}");
    }
}

#[test]
fn memory_is_bounded_and_what_is_left_predicts() {
    let (columns, classes) = columns(4000, 4000);
    let rows = rows_labelled(columns, classes);
    for algorithm in ALGORITHMS {
        for most in [1.0, 1024.0, 20_000.0] {
            let options = [quick(), vec![option("tau", 0.5), option("max_bytes", most)]].concat();
            let model = model_with(algorithm, &rows, &options);
            let (features, all_labels) = read(&model, &rows);
            let mut learner = model.learner();
            learner.learn(features.view(), labels(&all_labels, 0, 4000));
            let mut predictions = Vec::new();
            learner.predict(features.view(), &mut predictions);
            assert!(predictions.iter().all(|share| (0.0..=1.0).contains(share)), "{algorithm}, {most}");
            // What a tree without leaves that look at features takes, and the windows of the detectors, are beyond the option.
            let size = learner.size_bytes() as f64;
            assert!(size < most.max(1024.0) * 1.5 + 60_000.0, "{algorithm}, {most}: {size}");
        }
    }
}

#[test]
fn a_delta_is_as_long_as_what_changed() {
    let (columns, classes) = columns(4000, 4000);
    let rows = rows_labelled(columns, classes);
    let model = model_with("hoeffding_tree", &rows, &[quick(), vec![option("tau", 0.5)]].concat());
    let (features, all_labels) = read(&model, &rows);
    let mut learner = model.learner();
    learner.learn(features.slice(0, 3999), labels(&all_labels, 0, 3999));
    let all = learner.take_delta().len();
    learner.learn(features.slice(3999, 4000), labels(&all_labels, 3999, 4000));
    let one = learner.take_delta().len();
    assert!(one * 5 < all, "{one} of {all}");
    assert!(learner.take_delta().len() < 40, "nothing changed");
}
