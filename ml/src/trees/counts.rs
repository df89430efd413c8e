//! What a leaf knows of a category: how much weight each of its values had, class by class.

use serde::{Deserialize, Serialize};

/// The values of a category in a leaf.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Counts {
    /// The values there were, in ascending order.
    codes: Vec<u32>,
    /// How many classes a value has weights for.
    classes: u32,
    /// Value after value, a weight a class.
    weights: Vec<f64>,
    /// A weight a class, of all values, those that the vocabulary does not have too.
    totals: Vec<f64>,
}

impl Counts {
    /// Learns a value; of one that is unknown only that there was one.
    pub(crate) fn learn(&mut self, code: u32, class: usize, weight: f64) {
        if class >= self.totals.len() {
            self.widen(class + 1);
        }
        self.totals[class] += weight;
        if code == super::config::UNKNOWN {
            return;
        }
        let classes = self.totals.len();
        let at = self.codes.binary_search(&code).unwrap_or_else(|at| {
            self.codes.insert(at, code);
            self.weights.splice(at * classes..at * classes, std::iter::repeat_n(0.0, classes));
            at
        });
        self.weights[at * classes + class] += weight;
    }

    fn widen(&mut self, classes: usize) {
        let before = self.totals.len();
        let mut weights = Vec::with_capacity(self.codes.len() * classes);
        for at in 0..self.codes.len() {
            weights.extend_from_slice(&self.weights[at * before..(at + 1) * before]);
            weights.resize((at + 1) * classes, 0.0);
        }
        self.weights = weights;
        self.totals.resize(classes, 0.0);
        self.classes = classes as u32;
    }

    /// The logarithm of how likely a value is in a class, with Laplace's correction.
    pub(crate) fn log_likelihood(&self, code: u32, class: usize) -> f64 {
        let Some(total) = self.totals.get(class) else { return 0.0 };
        let at = self.codes.binary_search(&code).ok();
        let weight = at.map_or(0.0, |at| self.weights[at * self.totals.len() + class]);
        libm::log((weight + 1.0) / (total + self.codes.len().max(1) as f64))
    }

    /// Every value, with a weight a class.
    pub(crate) fn values(&self) -> impl Iterator<Item = (u32, &[f64])> {
        self.codes.iter().copied().zip(self.weights.chunks(self.totals.len().max(1)))
    }

    /// A weight a class, of all values.
    pub(crate) fn totals(&self) -> &[f64] {
        &self.totals
    }

    pub(crate) fn is_sound(&self, classes: usize) -> bool {
        let is_weight = |weight: &f64| weight.is_finite() && *weight >= 0.0;
        self.totals.len() == self.classes as usize
            && self.totals.len() <= classes
            && Some(self.weights.len()) == self.codes.len().checked_mul(self.totals.len())
            && self.codes.is_sorted_by(|one, other| one < other)
            && self.weights.iter().chain(&self.totals).all(is_weight)
    }

    pub(crate) fn bytes(&self) -> usize {
        size_of::<Self>() + 4 * self.codes.len() + 8 * (self.weights.len() + self.totals.len())
    }
}

#[test]
fn values_and_classes_come_in_any_order() {
    let mut counts = Counts::default();
    for (code, class, weight) in [(7, 0, 1.0), (3, 2, 2.0), (7, 1, 1.0), (super::config::UNKNOWN, 2, 4.0), (5, 0, 1.0)] {
        counts.learn(code, class, weight);
    }
    let values: Vec<_> = counts.values().map(|(code, weights)| (code, weights.to_vec())).collect();
    assert_eq!(values, [(3, vec![0.0, 0.0, 2.0]), (5, vec![1.0, 0.0, 0.0]), (7, vec![1.0, 1.0, 0.0])]);
    assert_eq!(counts.totals(), [2.0, 1.0, 6.0]);
    assert!((counts.log_likelihood(3, 2) - (3.0_f64 / 9.0).ln()).abs() < 1e-15);
    assert!((counts.log_likelihood(4, 2) - (1.0_f64 / 9.0).ln()).abs() < 1e-15);
    assert!(counts.is_sound(3) && !counts.is_sound(2));
}
