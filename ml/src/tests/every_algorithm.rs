//! What holds for every algorithm of the registry: each was broken in some implementation of some learner.

use super::random::Random;
use super::{Variant, labels_of, model_with, read, rows_labelled, target_of, variants};
use crate::features::FeatureRows;
use crate::labels::LabelRows;
use crate::{Labels, Learner, ModelSpec, Outputs, Scorer, Target};
use arrow::array::{ArrayRef, BooleanArray, Float64Array, RecordBatch, StringArray};
use std::sync::Arc;

/// Rows with missing values, constants and categories that come late, labelled as the algorithm wants it.
fn rows(random: &mut Random, count: usize, target: Target) -> RecordBatch {
    let classes: Vec<usize> = (0..count).map(|row| random.below(1 + (row as u64 / 20).min(3)) as usize).collect();
    let numbers = |random: &mut Random, spread: f64| -> ArrayRef {
        let value = |class: &usize| (!random.one_in(10)).then(|| *class as f64 + spread * random.normal());
        Arc::new(classes.iter().map(value).collect::<Float64Array>())
    };
    let constant: ArrayRef = Arc::new(Float64Array::from(vec![0.1; count]));
    let nothing: ArrayRef = Arc::new(Float64Array::new_null(count));
    let countries = (0..count).map(|row| (!random.one_in(20)).then(|| format!("c{}", random.below(1 + row as u64 / 10))));
    let countries: ArrayRef = Arc::new(countries.collect::<StringArray>());
    let columns = vec![
        ("a".to_owned(), numbers(random, 0.1)),
        ("b".to_owned(), numbers(random, 100.0)),
        ("constant".to_owned(), constant),
        ("country".to_owned(), countries),
        ("nothing".to_owned(), nothing),
    ];
    let label: ArrayRef = match target {
        Target::Flag | Target::Anomaly | Target::Cluster => {
            Arc::new(classes.iter().map(|class| Some(*class > 1)).collect::<BooleanArray>())
        }
        Target::Number => {
            Arc::new(classes.iter().map(|class| Some(40.0 + 3.0 * *class as f64 + random.normal())).collect::<Float64Array>())
        }
        Target::Class => Arc::new(StringArray::from_iter_values(classes.iter().map(|class| format!("class {class}")))),
    };
    rows_labelled(columns, label)
}

/// A model of a variant and rows for it.
fn model_and_rows(variant: &Variant, seed: u64, count: usize) -> (ModelSpec, FeatureRows, LabelRows) {
    let (algorithm, options) = variant;
    let rows = rows(&mut Random(seed), count, target_of(algorithm, options));
    let model = model_with(algorithm, &rows, options);
    let (features, labels) = read(&model, &rows);
    (model, features, labels)
}

fn bits(predict: impl FnOnce(&mut Vec<f64>)) -> Vec<u64> {
    let mut predictions = Vec::new();
    predict(&mut predictions);
    predictions.into_iter().map(f64::to_bits).collect()
}

#[test]
fn rows_at_once_or_one_by_one_saved_or_scored_elsewhere_are_the_same_bits() {
    for variant in variants() {
        let (model, features, all_labels) = model_and_rows(&variant, 7, 400);
        let (mut whole, mut parts) = (model.learner(), model.learner());
        let (mut scorer, mut reloaded) = (parts.scorer(), parts.scorer());
        whole.learn(features.view(), labels_of(&model, &all_labels, 0, 400));
        let mut random = Random(11);
        let (mut start, mut deltas) = (0, Vec::new());
        while start < 400 {
            let end = (start + 1 + random.below(30) as usize).min(400);
            parts.learn(features.slice(start, end), labels_of(&model, &all_labels, start, end));
            if random.one_in(3) {
                let saved = parts.save().unwrap();
                parts = model.learner();
                parts.load(&saved).unwrap();
            }
            if random.one_in(2) || end == 400 {
                deltas.push(parts.take_delta());
            }
            start = end;
        }
        let (first, rest) = deltas.split_at(deltas.len() / 2);
        scorer.apply_all(&mut first.iter().map(Vec::as_slice)).unwrap();
        reloaded.load(&scorer.save().unwrap()).unwrap();
        rest.iter().for_each(|delta| reloaded.apply(delta).unwrap());
        scorer.apply_all(&mut rest.iter().map(Vec::as_slice)).unwrap();

        let expected = bits(|into| whole.predict(features.view(), into));
        assert_eq!(bits(|into| parts.predict(features.view(), into)), expected, "{variant:?}");
        assert_eq!(bits(|into| scorer.predict(features.view(), into)), expected, "{variant:?}");
        assert_eq!(bits(|into| reloaded.predict(features.view(), into)), expected, "{variant:?}");
        assert_eq!([scorer.outputs(), reloaded.outputs(), parts.outputs()], [whole.outputs(); 3], "{variant:?}");
        whole.take_delta();
        assert_eq!(whole.save().unwrap(), parts.save().unwrap(), "{variant:?}");
        assert!(whole.size_bytes() > 0 && scorer.size_bytes() > 0);
    }
}

#[test]
fn a_prediction_changes_nothing_and_reads_the_newest_row() {
    for variant in variants() {
        let (model, features, all_labels) = model_and_rows(&variant, 3, 200);
        let mut learner = model.learner();
        learner.learn(features.slice(0, 199), labels_of(&model, &all_labels, 0, 199));
        let (before, first) = (learner.save().unwrap(), bits(|into| learner.predict(features.view(), into)));
        assert_eq!(bits(|into| learner.predict(features.view(), into)), first, "{variant:?}");
        assert_eq!(learner.save().unwrap(), before, "{variant:?}");
        // A label that was not predicted: some learners change nothing when they were right.
        let mut predicted = Vec::new();
        learner.predict(features.slice(199, 200), &mut predicted);
        let other = match model.target() {
            Target::Number => predicted[0] + 10.0,
            _ => f64::from(u8::from(predicted[0] < 0.5)),
        };
        let label = match model.target() {
            Target::Flag | Target::Anomaly | Target::Cluster => Labels::Flags(std::slice::from_ref(&other)),
            Target::Number => Labels::Numbers(std::slice::from_ref(&other)),
            // A class that is known, because the first row was of it.
            Target::Class => labels_of(&model, &all_labels, 0, 1),
        };
        learner.learn(features.slice(199, 200), label);
        assert_ne!(learner.save().unwrap(), before, "{variant:?}");
        // A leaf that has seen one class alone is as sure after one more row of that class.
        let is_sure = variant.1.iter().any(|(name, _)| name == "grace");
        assert!(is_sure || bits(|into| learner.predict(features.view(), into)) != first, "{variant:?}");
    }
}

/// Each prediction is of probabilities, and those of classes make one; or it is a number.
fn check_predictions(outputs: Outputs<'_>, predictions: &[f64], place: &str) {
    if let Outputs::Clusters(clusters) = outputs {
        let is_sound = |row: &[f64]| row[0].fract() == 0.0 && (0.0..clusters as f64).contains(&row[0]) && row[1] >= 0.0;
        assert!(predictions.chunks(2).all(|row| is_sound(row) && row[1].is_finite()), "{place}: {predictions:?}");
        return;
    }
    if outputs == Outputs::Number {
        return assert!(predictions.iter().all(|number| number.is_finite()), "{place}: {predictions:?}");
    }
    assert!(predictions.iter().all(|number| (0.0..=1.0).contains(number)), "{place}");
    if let Outputs::Classes(names) = outputs {
        let sums = predictions.chunks(names.len().max(1)).map(|row| row.iter().sum::<f64>());
        sums.for_each(|sum| assert!((sum - 1.0).abs() < 1e-9, "{place}: {sum}"));
    }
}

#[test]
fn features_that_nobody_should_send_make_no_prediction_that_is_none() {
    for (seed, variant) in (0..10).flat_map(|seed| variants().into_iter().map(move |variant| (seed, variant))) {
        let (model, _, all_labels) = model_and_rows(&variant, seed, 200);
        let hostile = super::hostile::nasty_columns(seed, 200);
        let none: ArrayRef = Arc::new(Float64Array::new_null(200));
        let columns = model.features().iter().map(|feature| {
            let column =
                if feature.name == "country" { Arc::clone(&hostile[2]) } else { Arc::clone(&hostile[seed as usize % 2]) };
            (feature.name.clone(), column)
        });
        let (features, _) = read(&model, &rows_labelled(columns.collect(), none));
        let mut learner = model.learner();
        for row in 0..200 {
            let mut predictions = Vec::new();
            learner.predict(features.slice(row, row + 1), &mut predictions);
            check_predictions(learner.outputs(), &predictions, &format!("{variant:?}, seed {seed}, row {row}"));
            learner.learn(features.slice(row, row + 1), labels_of(&model, &all_labels, row, row + 1));
        }
        let mut scorer = learner.scorer();
        scorer.apply(&learner.take_delta()).unwrap();
        let mut predictions = Vec::new();
        scorer.predict(features.view(), &mut predictions);
        check_predictions(scorer.outputs(), &predictions, &format!("{variant:?}, seed {seed}, elsewhere"));
    }
}

#[test]
fn what_was_not_learned_is_predicted_too() {
    for variant in variants() {
        let (model, features, _) = model_and_rows(&variant, 1, 5);
        let learner = model.learner();
        let (learned, elsewhere) = (bits(|into| learner.predict(features.view(), into)), learner.scorer());
        assert_eq!(learned.len(), 5 * learner.outputs().width(), "{variant:?}");
        assert_eq!(bits(|into| elsewhere.predict(features.view(), into)), learned, "{variant:?}");
    }
}

#[test]
fn the_state_of_another_model_is_refused() {
    for variant in variants() {
        let (model, features, all_labels) = model_and_rows(&variant, 5, 30);
        let mut learner = model.learner();
        learner.learn(features.view(), labels_of(&model, &all_labels, 0, 30));
        let mut scorer = learner.scorer();
        let delta = learner.take_delta();
        scorer.apply(&delta).unwrap();
        let one = rows_labelled(
            vec![("a".into(), Arc::new(Float64Array::from(vec![1.0])) as ArrayRef)],
            match model.target() {
                Target::Number => Arc::new(Float64Array::from(vec![1.0])),
                _ => Arc::new(BooleanArray::from(vec![true])) as ArrayRef,
            },
        );
        let other = model_with(variant.0, &one, &variant.1);
        let (mut narrow, mut narrow_scorer): (Box<dyn Learner>, Box<dyn Scorer>) = (other.learner(), other.learner().scorer());
        assert!(!narrow.load(&learner.save().unwrap()).unwrap_err().may_retry(), "{variant:?}");
        assert!(!narrow_scorer.load(&scorer.save().unwrap()).unwrap_err().may_retry(), "{variant:?}");
        assert!(narrow_scorer.apply(&delta).is_err(), "{variant:?}");
    }
}

#[test]
fn every_algorithm_says_what_it_does() {
    for variant in variants() {
        let (model, ..) = model_and_rows(&variant, 5, 10);
        let text = model.describe().join("\n");
        assert!(text.contains("constant") && text.contains("country") && text.contains("a version every"), "{text}");
        let learns = if model.target().has_labels() { "learns y" } else { "learns without labels" };
        assert!(text.contains(learns), "{text}");
        let facts = model.learner_facts();
        let algorithm = facts.iter().find(|(name, _)| name == "algorithm").unwrap();
        assert!(algorithm.1.starts_with(variant.0), "{algorithm:?}");
    }
}
