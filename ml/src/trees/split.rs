//! Which split a leaf would make: the one of most information gained, and by how much it is better than that of another feature.

use super::config::TreeConfig;
use super::counts::Counts;
use super::leaf::{Leaf, Observed};
use super::numbers::{Moments, Numbers};

/// What a split asks of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Test {
    /// Whether a number is at most this.
    Number { feature: u32, threshold: f64 },
    /// Whether a category has this value.
    Category { feature: u32, code: u32 },
}

/// A split, and the weights of the classes on its two sides.
#[derive(Clone, Debug)]
pub(crate) struct Split {
    pub(crate) test: Test,
    pub(crate) yes: Vec<f64>,
    pub(crate) no: Vec<f64>,
}

/// A side of a split has at least this share of the weight.
const LEAST_SHARE: f64 = 0.01;

/// The best split of a leaf, if it is worth making.
pub(crate) fn best_split(leaf: &Leaf, observed: &Observed, config: &TreeConfig) -> Option<Split> {
    let mut search = Search { entropy: 0.0, best: (0.0, None), second: 0.0, feature: 0.0, split: None };
    let mut sides = (Vec::new(), Vec::new());
    for at in 0..observed.numbers.width() {
        let feature = observed.feature(at) as u32;
        search.numbers(&observed.numbers, at, feature, config.split_points, &mut sides);
        search.end_feature();
    }
    for (at, counts) in observed.categories.iter().enumerate() {
        let feature = (observed.feature(observed.numbers.width() + at) - config.numbers) as u32;
        search.category(counts, feature, &mut sides);
        search.end_feature();
    }
    let classes = leaf.weights.iter().filter(|weight| **weight > 0.0).count().max(2);
    let range = libm::log2(classes as f64);
    let bound = range * (libm::log(1.0 / config.delta) / (2.0 * leaf.weight())).sqrt();
    let is_better = search.best.0 - search.second > bound || bound < config.tau;
    search.best.1.filter(|_| is_better)
}

/// The best so far. No split at all gains nothing, and is what others are measured by.
struct Search {
    /// That of the rows in which the feature was not missing.
    entropy: f64,
    best: (f64, Option<Split>),
    /// What the best of another feature gains.
    second: f64,
    /// What the best of this feature gains.
    feature: f64,
    split: Option<Split>,
}

type Sides = (Vec<f64>, Vec<f64>);

impl Search {
    fn consider(&mut self, test: Test, (yes, no): &Sides) {
        let gain = self.entropy - entropy_of_sides(yes, no);
        if gain > self.feature {
            (self.feature, self.split) = (gain, Some(Split { test, yes: yes.clone(), no: no.clone() }));
        }
    }

    fn end_feature(&mut self) {
        let (gain, split) = (std::mem::replace(&mut self.feature, 0.0), self.split.take());
        if gain > self.best.0 {
            self.second = self.best.0;
            self.best = (gain, split);
        } else {
            self.second = self.second.max(gain);
        }
    }

    fn numbers(&mut self, numbers: &Numbers, at: usize, feature: u32, points: usize, sides: &mut Sides) {
        let moments: Vec<Moments> = (0..numbers.classes()).map(|class| numbers.moments(class, at)).collect();
        self.entropy = entropy(moments.iter().map(|moments| moments.seen));
        let seen = || moments.iter().filter(|moments| moments.seen > 0.0);
        let least = seen().map(|moments| moments.least).fold(f64::INFINITY, f64::min);
        let most = seen().map(|moments| moments.most).fold(f64::NEG_INFINITY, f64::max);
        let step = (most - least) / (points + 1) as f64;
        for point in 1..=points {
            let threshold = least + step * point as f64;
            if threshold <= least || threshold >= most || threshold.is_nan() {
                continue;
            }
            sides.0.clear();
            sides.1.clear();
            for moments in &moments {
                let below = moments.seen * share_below(moments, threshold);
                sides.0.push(below);
                sides.1.push(moments.seen - below);
            }
            self.consider(Test::Number { feature, threshold }, sides);
        }
    }

    fn category(&mut self, counts: &Counts, feature: u32, sides: &mut Sides) {
        self.entropy = entropy(counts.totals().iter().copied());
        for (code, weights) in counts.values() {
            sides.0.clear();
            sides.1.clear();
            sides.0.extend_from_slice(weights);
            sides.1.extend(counts.totals().iter().zip(weights).map(|(all, this)| (all - this).max(0.0)));
            self.consider(Test::Category { feature, code }, sides);
        }
    }
}

/// The share of a class's numbers that are at most `threshold`.
fn share_below(moments: &Moments, threshold: f64) -> f64 {
    if moments.seen <= 0.0 || threshold < moments.least {
        0.0
    } else if threshold >= moments.most || moments.deviation <= 0.0 {
        1.0
    } else {
        let away = (moments.mean - threshold) / moments.deviation;
        0.5 * libm::erfc(away * std::f64::consts::FRAC_1_SQRT_2)
    }
}

/// In bits.
fn entropy(weights: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut scaled) = (0.0, 0.0);
    for weight in weights.filter(|weight| *weight > 0.0) {
        sum += weight;
        scaled += weight * libm::log2(weight);
    }
    if sum > 0.0 { libm::log2(sum) - scaled / sum } else { 0.0 }
}

/// The entropy that is left behind a split; infinite if almost everything is on one side.
fn entropy_of_sides(yes: &[f64], no: &[f64]) -> f64 {
    let (left, right): (f64, f64) = (yes.iter().sum(), no.iter().sum());
    let all = left + right;
    if left <= LEAST_SHARE * all || right <= LEAST_SHARE * all {
        return f64::INFINITY;
    }
    (left * entropy(yes.iter().copied()) + right * entropy(no.iter().copied())) / all
}
