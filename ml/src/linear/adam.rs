//! Adam (Kingma and Ba, ICLR 2015): each coordinate follows the running mean of its gradients, over the root of that of their squares.

use super::{Optimizer, shrink};
use serde::{Deserialize, Serialize};

/// Keeps the step finite where all gradients were 0.
const EPSILON: f64 = 1e-8;

/// m = beta1 m + (1 - beta1) g, v = beta2 v + (1 - beta2) g^2, both without their bias towards 0; then w -= rate m / (sqrt(v) + 1e-8).
///
/// A coordinate's steps are counted on its own: a rare category is not taken for one whose gradients were 0.
/// The penalties act as those of [`super::Sgd`], and the intercept has a learning rate of its own that does not fall.
#[derive(Clone, Debug, PartialEq)]
pub struct Adam {
    /// The size of a step.
    pub learning_rate: f64,
    /// How much of the mean of gradients is kept at a step.
    pub beta1: f64,
    /// How much of the mean of squared gradients is kept at a step.
    pub beta2: f64,
    /// The L1 penalty: makes weights exactly zero.
    pub l1: f64,
    /// The L2 penalty: keeps weights small.
    pub l2: f64,
    /// The learning rate of the intercept.
    pub intercept_rate: f64,
}

/// What Adam remembers of a coordinate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AdamMemory {
    mean: f64,
    square: f64,
    /// The shares of the two means that are made of gradients: 1 - beta^steps.
    mean_share: f64,
    square_share: f64,
}

impl Optimizer for Adam {
    type Memory = AdamMemory;

    #[inline]
    fn step(&self, weight: &mut f64, memory: &mut AdamMemory, gradient: f64) {
        let gradient = gradient + self.l2 * *weight;
        let (first, second) = (1.0 - self.beta1, 1.0 - self.beta2);
        memory.mean = self.beta1 * memory.mean + first * gradient;
        memory.square = self.beta2 * memory.square + second * gradient * gradient;
        memory.mean_share = self.beta1 * memory.mean_share + first;
        memory.square_share = self.beta2 * memory.square_share + second;
        let rate = self.learning_rate / ((memory.square / memory.square_share).sqrt() + EPSILON);
        *weight = shrink(*weight - rate * (memory.mean / memory.mean_share), rate * self.l1);
    }

    #[inline]
    fn step_intercept(&self, weight: &mut f64, _memory: &mut AdamMemory, gradient: f64) {
        *weight -= self.intercept_rate * gradient;
    }
}
