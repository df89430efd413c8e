//! Input that nobody should send.

use super::random::Random;
use super::{labels, labels_of, model_of, model_with, option, read, rows_of, variants};
use crate::features::FeatureView;
use crate::metrics::{Evaluation, MetricKind};
use crate::{Labels, Learner, ModelSpec, Scorer};
use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use egret_core::metrics::Counters;
use egret_core::{Batch, Context, EventTime, NoState, OperatorInfo, Snapshot};
use std::sync::Arc;

const NASTY: [f64; 14] = [
    0.0,
    -0.0,
    1.0,
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::MAX,
    f64::MIN,
    f64::MIN_POSITIVE,
    5e-324,
    1e100,
    -1e100,
    1e-200,
    1e16,
];

/// Two columns of numbers and one of names.
pub(super) fn nasty_columns(seed: u64, rows: usize) -> [ArrayRef; 3] {
    let mut random = Random(seed);
    let mut numbers = |_| -> ArrayRef {
        Arc::new((0..rows).map(|_| (!random.one_in(9)).then(|| NASTY[random.below(14) as usize])).collect::<Float64Array>())
    };
    let (a, b) = (numbers(0), numbers(1));
    let names: StringArray = (0..rows).map(|row| (row % 5 != 0).then(|| "ü=\u{0}\n".repeat(row % 40))).collect();
    [a, b, Arc::new(names)]
}

fn nasty_rows(seed: u64, rows: usize) -> RecordBatch {
    let [a, b, c] = nasty_columns(seed, rows);
    let labels = (0..rows).map(|row| f64::from(u8::from(row % 3 == 0))).collect();
    rows_of(vec![("a".into(), a), ("b".into(), b), ("c".into(), c)], labels)
}

#[test]
fn nothing_makes_a_score_that_is_no_probability() {
    for seed in 0..20 {
        for optimizer in ["sgd", "adagrad", "ftrl"] {
            for scale in [true, false] {
                for (l1, l2) in [(0.0, 0.0), (0.5, 0.001), (1e6, 0.0)] {
                    let rate = if optimizer == "ftrl" { "alpha" } else { "learning_rate" };
                    let options = [
                        option("optimizer", optimizer),
                        option(rate, if seed % 2 == 0 { 900.0 } else { 0.01 }),
                        option("scale", scale),
                        option("l1", l1),
                        option("l2", l2),
                        option("hash_bits", 4.0),
                    ];
                    let rows = nasty_rows(seed, 200);
                    let model = model_of(&rows, &options);
                    let (features, all_labels) = read(&model, &rows);
                    let mut learner = model.learner();
                    let mut scores = Vec::new();
                    for row in 0..features.len() {
                        learner.predict(features.slice(row, row + 1), &mut scores);
                        learner.learn(features.slice(row, row + 1), labels(&all_labels, row, row + 1));
                    }
                    assert!(scores.iter().all(|score| (0.0..=1.0).contains(score)), "seed {seed}, {options:?}");
                    let mut scorer = learner.scorer();
                    scorer.apply(&learner.take_delta()).unwrap();
                    let mut elsewhere = Vec::new();
                    scorer.predict(features.view(), &mut elsewhere);
                    assert!(elsewhere.iter().all(|score| (0.0..=1.0).contains(score)), "seed {seed}, {options:?}");
                }
            }
        }
    }
}

#[test]
fn labels_that_are_none_are_counted_and_left_out() {
    let columns: Vec<(String, ArrayRef)> = vec![("x".into(), Arc::new(Float64Array::from(vec![1.0; 6])))];
    let rows = rows_of(columns, vec![0.0, 1.0, 2.0, f64::NAN, -1.0, 0.5]);
    let model = model_of(&rows, &[]);
    let (info, counters, mut output, mut wake) = (OperatorInfo::alone("learner"), Counters::default(), Vec::new(), None);
    let mut state = NoState;
    let mut ctx = Context::new(&mut output, &info, &counters, &mut state, &mut wake, EventTime::MIN, 0);
    let mut learner = model.learner_factory().create(&info).unwrap();
    learner.process(0, Batch::from_parts(rows, Some(0), None), &mut ctx).unwrap();
    learner.on_watermark(EventTime::MAX, &mut ctx).unwrap();
    assert_eq!(counters.named()["labels that are neither 0 nor 1"], 4);
    assert_eq!(counters.named()["rows learned"], 2);
    assert_eq!(output.len(), 1);
}

#[test]
fn scores_that_are_none_do_not_reach_the_metrics() {
    let mut evaluation = Evaluation::new(&MetricKind::ALL);
    for score in [0.0, 1.0, -0.0] {
        evaluation.add(score, true);
        evaluation.add(score, false);
    }
    for metric in MetricKind::ALL {
        assert!(evaluation.value(metric).unwrap().is_finite(), "{}", metric.name());
    }
    assert_eq!(evaluation.value(MetricKind::RocAuc), Some(0.5));
}

/// Every cut and every changed byte of a state or a delta: an error or a model that works, never a panic.
#[test]
fn damaged_bytes_do_not_panic() {
    let rows = nasty_rows(1, 40);
    for (algorithm, options) in variants() {
        let model = model_with(algorithm, &rows, &options);
        let (features, all_labels) = read(&model, &rows);
        let mut learner = model.learner();
        learner.learn(features.view(), labels_of(&model, &all_labels, 0, 40));
        let (saved, delta) = (learner.save().unwrap(), learner.take_delta());
        let mut scorer = learner.scorer();
        scorer.apply(&delta).unwrap();
        let replica = scorer.save().unwrap();
        for at in 0..saved.len().max(delta.len()).max(replica.len()) {
            for damaged in
                [[cut(&saved, at), cut(&delta, at), cut(&replica, at)], [flip(&saved, at), flip(&delta, at), flip(&replica, at)]]
            {
                try_all(&model, damaged, features.view(), labels_of(&model, &all_labels, 0, 1));
            }
        }
    }
}

fn cut(bytes: &[u8], at: usize) -> Vec<u8> {
    bytes[..at.min(bytes.len())].to_vec()
}

fn flip(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let length = bytes.len();
    bytes[at % length] ^= 0xFF;
    bytes
}

fn try_all(model: &ModelSpec, [saved, delta, replica]: [Vec<u8>; 3], rows: FeatureView<'_>, label: Labels<'_>) {
    let mut learner: Box<dyn Learner> = model.learner();
    let mut scorer: Box<dyn Scorer> = learner.scorer();
    let mut scores = Vec::new();
    if learner.load(&saved).is_ok() {
        learner.learn(rows.one(0), label);
        learner.predict(rows, &mut scores);
        assert_eq!(scores.len(), rows.len() * learner.outputs().width());
        scores.clear();
    }
    let _ = scorer.apply(&delta);
    let _ = scorer.load(&replica);
    scorer.predict(rows, &mut scores);
    assert_eq!(scores.len(), rows.len() * scorer.outputs().width());
}

#[test]
fn damaged_snapshots_are_refused() {
    let rows = nasty_rows(2, 10);
    let model = model_of(&rows, &[]);
    let scored = model.scored_schema().unwrap();
    let factories = [model.learner_factory(), model.evaluator_factory(&scored, 5, 4).unwrap()];
    for factory in factories {
        for bytes in [vec![], vec![7], vec![1], vec![1, 255, 255, 255, 255, 255]] {
            let mut operator = factory.create(&OperatorInfo::alone("model")).unwrap();
            let part = Snapshot { first: vec![bytes], ..Snapshot::default() };
            assert!(!operator.restore(vec![part]).unwrap_err().may_retry(), "it would fail again");
        }
    }
    let mut small = model_of(&nasty_rows(2, 10), &[option("hash_bits", 2.0)]).learner();
    let mut large = model_of(&nasty_rows(2, 10), &[option("hash_bits", 10.0)]).learner();
    let (features, all_labels) = read(&model_of(&rows, &[option("hash_bits", 10.0)]), &rows);
    large.learn(features.view(), labels(&all_labels, 0, 10));
    assert!(!small.load(&large.save().unwrap()).unwrap_err().may_retry(), "a state of more coordinates than the model has");
}
