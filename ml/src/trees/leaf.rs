//! A leaf: what it has learned of the rows that came to it, and what it predicts from that.

use super::config::{LeafKind, Row, TreeConfig};
use super::counts::Counts;
use super::numbers::Numbers;
use serde::{Deserialize, Serialize};

/// A leaf of a tree.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Leaf {
    /// Its node.
    pub(crate) node: u32,
    pub(crate) depth: u32,
    /// A weight a class. It begins with those that the split which made it has foretold.
    pub(crate) weights: Vec<f64>,
    /// How much weight there was when it last looked for a split.
    pub(crate) looked_at: f64,
    majority_hits: f64,
    bayes_hits: f64,
    /// What it knows of the features; `None` if it keeps no account of them, and so never splits.
    pub(crate) observed: Option<Observed>,
    /// Whether it is among the changes already.
    #[serde(skip)]
    pub(crate) is_changed: bool,
}

/// What is known of features.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Observed {
    /// Which features, numbers first; empty for all.
    features: Vec<u32>,
    pub(crate) numbers: Numbers,
    pub(crate) categories: Vec<Counts>,
}

impl Observed {
    /// Nothing known of all features, or of those drawn, in ascending order.
    pub(crate) fn new(config: &TreeConfig, features: Vec<u32>) -> Self {
        let numbers = match features.len() {
            0 => config.numbers,
            _ => features.iter().filter(|feature| (**feature as usize) < config.numbers).count(),
        };
        let all = if features.is_empty() { config.numbers + config.categories } else { features.len() };
        Self { features, numbers: Numbers::new(numbers), categories: vec![Counts::default(); all - numbers] }
    }

    /// The feature of a place: its number among the numbers, or among the categories behind them.
    pub(crate) fn feature(&self, place: usize) -> usize {
        self.features.get(place).map_or(place, |feature| *feature as usize)
    }

    fn learn(&mut self, row: Row<'_>, class: usize, weight: f64) {
        if self.features.is_empty() {
            self.numbers.learn(class, weight, |at| row.numbers[at]);
        } else {
            let features = &self.features;
            self.numbers.learn(class, weight, |at| row.numbers[features[at] as usize]);
        }
        for at in 0..self.categories.len() {
            let code = row.codes[self.feature(self.numbers.width() + at) - row.numbers.len()];
            self.categories[at].learn(code, class, weight);
        }
    }

    fn log_likelihood(&self, row: Row<'_>, class: usize) -> f64 {
        let mut sum = if self.features.is_empty() {
            self.numbers.log_likelihood(class, |at| row.numbers[at])
        } else {
            self.numbers.log_likelihood(class, |at| row.numbers[self.features[at] as usize])
        };
        for (at, counts) in self.categories.iter().enumerate() {
            let code = row.codes[self.feature(self.numbers.width() + at) - row.numbers.len()];
            sum += counts.log_likelihood(code, class);
        }
        sum
    }

    fn is_sound(&self, config: &TreeConfig, classes: usize) -> bool {
        let all = config.numbers + config.categories;
        let features_fit =
            self.features.iter().all(|feature| (*feature as usize) < all) && self.features.is_sorted_by(|one, other| one < other);
        features_fit && {
            let other = Self::new(config, self.features.clone());
            self.numbers.is_sound(other.numbers.width(), classes)
                && self.categories.len() == other.categories.len()
                && self.categories.iter().all(|counts| counts.is_sound(classes))
        }
    }

    fn bytes(&self) -> usize {
        let categories: usize = self.categories.iter().map(Counts::bytes).sum();
        4 * self.features.len() + self.numbers.bytes() + categories
    }
}

/// The first of the largest; `None` of nothing.
pub(crate) fn largest(numbers: &[f64]) -> Option<usize> {
    (0..numbers.len()).reduce(|best, at| if numbers[at] > numbers[best] { at } else { best })
}

impl Leaf {
    pub(crate) fn new(node: u32, depth: u32, weights: Vec<f64>, observed: Observed) -> Self {
        let looked_at = weights.iter().sum();
        Self { node, depth, weights, looked_at, observed: Some(observed), ..Self::default() }
    }

    /// How much it has learned.
    pub(crate) fn weight(&self) -> f64 {
        self.weights.iter().sum()
    }

    /// How much of that was not of the commonest class.
    pub(crate) fn promise(&self) -> f64 {
        self.weight() - self.weights.iter().copied().fold(0.0, f64::max)
    }

    /// Learns a row.
    pub(crate) fn learn(&mut self, row: Row<'_>, class: usize, weight: f64, kind: LeafKind) {
        if let (LeafKind::Adaptive, Some(observed)) = (kind, &self.observed) {
            let is_right = |guess: Option<usize>| guess == Some(class);
            if self.weights.is_empty() || is_right(largest(&self.weights)) {
                self.majority_hits += weight;
            }
            if is_right(self.likeliest(observed, row)) {
                self.bayes_hits += weight;
            }
        }
        if class >= self.weights.len() {
            self.weights.resize(class + 1, 0.0);
        }
        self.weights[class] += weight;
        if let Some(observed) = &mut self.observed {
            observed.learn(row, class, weight);
        }
    }

    /// The logarithm of how likely a class and the row are, up to what all classes share.
    fn joint(&self, observed: &Observed, row: Row<'_>, class: usize) -> f64 {
        match self.weights[class] {
            weight if weight > 0.0 => libm::log(weight) + observed.log_likelihood(row, class),
            _ => f64::NEG_INFINITY,
        }
    }

    /// The class that naive Bayes guesses.
    fn likeliest(&self, observed: &Observed, row: Row<'_>) -> Option<usize> {
        let mut best = None;
        for class in 0..self.weights.len() {
            let joint = self.joint(observed, row, class);
            if best.is_none_or(|(_, most)| joint > most) {
                best = Some((class, joint));
            }
        }
        best.map(|(class, _)| class)
    }

    /// What is known of the features, if it predicts by that.
    fn bayes(&self, kind: LeafKind) -> Option<&Observed> {
        let is_bayes = match kind {
            LeafKind::Majority => false,
            LeafKind::Bayes => true,
            LeafKind::Adaptive => self.bayes_hits >= self.majority_hits,
        };
        self.observed.as_ref().filter(|_| is_bayes)
    }

    /// The class it predicts; `None` before it has learned anything.
    pub(crate) fn guess(&self, row: Row<'_>, kind: LeafKind) -> Option<usize> {
        match self.bayes(kind) {
            Some(observed) => self.likeliest(observed, row),
            None => largest(&self.weights),
        }
    }

    /// Writes a probability a class; `false`, and nothing is written, before it has learned anything.
    pub(crate) fn predict(&self, row: Row<'_>, kind: LeafKind, probabilities: &mut [f64]) -> bool {
        let weight = self.weight();
        if weight <= 0.0 {
            return false;
        }
        let probabilities = &mut probabilities[..];
        let (known, others) = probabilities.split_at_mut(self.weights.len());
        others.fill(0.0);
        if let Some(observed) = self.bayes(kind) {
            (0..known.len()).for_each(|class| known[class] = self.joint(observed, row, class));
            let most = known.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            known.iter_mut().for_each(|joint| *joint = libm::exp(*joint - most));
            let sum: f64 = known.iter().sum();
            known.iter_mut().for_each(|share| *share /= sum);
        } else {
            known.iter_mut().zip(&self.weights).for_each(|(share, one)| *share = one / weight);
        }
        true
    }

    pub(crate) fn is_sound(&self, config: &TreeConfig, classes: usize) -> bool {
        let is_weight = |weight: &f64| weight.is_finite() && *weight >= 0.0;
        self.weights.len() <= classes
            && self.weights.iter().all(is_weight)
            && [self.looked_at, self.majority_hits, self.bayes_hits].iter().all(is_weight)
            && self.observed.as_ref().is_none_or(|observed| observed.is_sound(config, classes))
    }

    pub(crate) fn bytes(&self) -> usize {
        size_of::<Self>() + 8 * self.weights.len() + self.observed.as_ref().map_or(0, Observed::bytes)
    }
}
