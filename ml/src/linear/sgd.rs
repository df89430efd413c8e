//! Stochastic gradient descent: one learning rate for all weights.

use super::{Optimizer, shrink};

/// w -= rate (g + L2 w), then w moves towards zero by rate L1 (Langford et al., 2009, with truncation at every step).
///
/// The penalties act on the weights of a row's features when the row is learned, and not on the intercept.
#[derive(Clone, Debug, PartialEq)]
pub struct Sgd {
    /// The learning rate.
    pub learning_rate: f64,
    /// The L1 penalty: makes weights exactly zero.
    pub l1: f64,
    /// The L2 penalty: keeps weights small. The learning rate times this must be below 1.
    pub l2: f64,
    /// The learning rate of the intercept.
    pub intercept_rate: f64,
}

impl Optimizer for Sgd {
    type Memory = ();

    #[inline]
    fn step(&self, weight: &mut f64, (): &mut (), gradient: f64) {
        *weight -= self.learning_rate * (gradient + self.l2 * *weight);
        *weight = shrink(*weight, self.learning_rate * self.l1);
    }

    #[inline]
    fn step_intercept(&self, weight: &mut f64, (): &mut (), gradient: f64) {
        *weight -= self.intercept_rate * gradient;
    }
}
