//! Metrics against brute force.

use super::random::Random;
use crate::metrics::{BINS_MAX, Evaluation, MetricKind, ScoreCurve};

/// All pairs.
fn area_of_pairs(rows: &[(f64, bool)]) -> Option<f64> {
    let of = |label: bool| rows.iter().filter(move |row| row.1 == label).map(|row| row.0);
    let pairs = of(true).count() * of(false).count();
    let wins = of(true).flat_map(|p| {
        of(false).map(move |n| {
            if p > n {
                1.0
            } else if p == n {
                0.5
            } else {
                0.0
            }
        })
    });
    (pairs > 0).then(|| wins.sum::<f64>() / pairs as f64)
}

/// By ranks, for many rows.
fn area_of_ranks(rows: &[(f64, bool)]) -> f64 {
    let mut sorted = rows.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut rank_sum, mut before) = (0.0, 0.0);
    for ties in sorted.chunk_by(|a, b| a.0 == b.0) {
        let positives = ties.iter().filter(|row| row.1).count() as f64;
        rank_sum += positives * (before + (ties.len() as f64 + 1.0) / 2.0);
        before += ties.len() as f64;
    }
    let positives = rows.iter().filter(|row| row.1).count() as f64;
    (rank_sum - positives * (positives + 1.0) / 2.0) / (positives * (before - positives))
}

/// Every different score as a threshold, from the top.
fn average_precision_of_thresholds(rows: &[(f64, bool)]) -> Option<f64> {
    let positives = rows.iter().filter(|row| row.1).count();
    let mut thresholds: Vec<f64> = rows.iter().map(|row| row.0).collect();
    thresholds.sort_by(|a, b| b.total_cmp(a));
    thresholds.dedup();
    let (mut sum, mut recall) = (0.0, 0.0);
    for threshold in thresholds {
        let taken = rows.iter().filter(|row| row.0 >= threshold);
        let hits = taken.clone().filter(|row| row.1).count();
        let now = hits as f64 / positives as f64;
        sum += (now - recall) * hits as f64 / taken.count() as f64;
        recall = now;
    }
    (positives > 0).then_some(sum)
}

fn random_rows(random: &mut Random, count: usize) -> Vec<(f64, bool)> {
    let with_ties = random.one_in(2);
    (0..count)
        .map(|_| {
            let label = random.one_in(4);
            let score = (random.unit() + if label { 0.3 } else { 0.0 }) / 1.3;
            (if with_ties { (score * 10.0).round() / 10.0 } else { score }, label)
        })
        .collect()
}

fn close(found: Option<f64>, expected: Option<f64>) -> bool {
    match (found, expected) {
        (Some(found), Some(expected)) => (found - expected).abs() < 1e-12,
        (found, expected) => found == expected,
    }
}

#[test]
fn metrics_are_as_defined() {
    for seed in 0..100 {
        let rows = random_rows(&mut Random(seed), seed as usize);
        let mut evaluation = Evaluation::new(&MetricKind::ALL);
        rows.iter().for_each(|(score, label)| evaluation.add(*score, *label));
        let count =
            |predicted: bool, label: bool| rows.iter().filter(|row| (row.0 >= 0.5, row.1) == (predicted, label)).count() as f64;
        let (tp, fp, tn, fne) = (count(true, true), count(true, false), count(false, false), count(false, true));
        let ratio = |part: f64, whole: f64| (whole > 0.0).then(|| part / whole);
        let loss = |(score, label): &(f64, bool)| -(if *label { *score } else { 1.0 - score }).clamp(1e-15, 1.0 - 1e-15).ln();
        for (metric, expected) in [
            (MetricKind::Accuracy, ratio(tp + tn, rows.len() as f64)),
            (MetricKind::Precision, ratio(tp, tp + fp)),
            (MetricKind::Recall, ratio(tp, tp + fne)),
            (MetricKind::F1, ratio(2.0 * tp, 2.0 * tp + fp + fne)),
            (MetricKind::LogLoss, ratio(rows.iter().map(loss).sum(), rows.len() as f64)),
            (MetricKind::RocAuc, area_of_pairs(&rows)),
            (MetricKind::AveragePrecision, average_precision_of_thresholds(&rows)),
        ] {
            let found = evaluation.value(metric);
            assert!(close(found, expected), "seed {seed}: {} is {found:?}, not {expected:?}", metric.name());
        }
    }
}

/// Scores as models give them: spread, near zero, all alike.
fn many_scores(random: &mut Random, shape: u64) -> Vec<(f64, bool)> {
    (0..400_000)
        .map(|_| {
            let label = random.one_in(50);
            let logit = random.normal() + if label { 1.0 } else { 0.0 };
            let logit = match shape {
                0 => logit,
                1 => 3.0 * logit - 12.0,
                2 => 0.01 * logit - 5.0,
                _ => 12.0 + 4.0 * logit,
            };
            (1.0 / (1.0 + (-logit).exp()), label)
        })
        .collect()
}

#[test]
fn the_area_over_many_scores_is_near_the_exact_one_and_its_error_is_known() {
    for shape in 0..4 {
        let rows = many_scores(&mut Random(shape), shape);
        let mut curve = ScoreCurve::default();
        rows.iter().for_each(|(score, label)| curve.add(*score, *label));
        let (found, exact, bound) = (curve.roc_auc().unwrap(), area_of_ranks(&rows), curve.roc_auc_error_max());
        assert!((found - exact).abs() <= bound + 1e-12, "shape {shape}: {found} and {exact} differ by more than {bound}");
        assert!(bound < 1e-3 && bound > 0.0, "shape {shape}: {bound}");
        assert!(curve.size_bytes() < 64 * BINS_MAX);
    }
}

#[test]
fn curves_depend_on_the_set_of_rows_alone() {
    let rows = many_scores(&mut Random(5), 1);
    let curve_of = |rows: &mut dyn Iterator<Item = &(f64, bool)>| {
        let mut curve = ScoreCurve::default();
        rows.for_each(|(score, label)| curve.add(*score, *label));
        curve
    };
    let whole = curve_of(&mut rows.iter());
    assert!(whole == curve_of(&mut rows.iter().rev()));
    let mut merged = curve_of(&mut rows[..1_000].iter());
    merged.merge(curve_of(&mut rows[1_000..300_000].iter()));
    merged.merge(curve_of(&mut rows[300_000..].iter()));
    assert!(whole == merged);
}

#[test]
fn merged_evaluations_are_the_evaluation_of_all_rows() {
    let rows = random_rows(&mut Random(3), 500);
    let of = |rows: &[(f64, bool)]| {
        let mut evaluation = Evaluation::new(&MetricKind::ALL);
        rows.iter().for_each(|(score, label)| evaluation.add(*score, *label));
        evaluation
    };
    let (mut whole, mut merged) = (of(&rows), of(&rows[..123]));
    merged.merge(of(&rows[123..]));
    for metric in MetricKind::ALL {
        assert!(close(whole.value(metric), merged.value(metric)), "{}", metric.name());
    }
}
