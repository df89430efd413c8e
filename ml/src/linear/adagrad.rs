//! AdaGrad (Duchi, Hazan, Singer, JMLR 2011): each coordinate has a learning rate, which falls as its gradients add up.

use super::{Optimizer, shrink};

/// Keeps the rate finite before the first gradient.
const EPSILON: f64 = 1e-8;

/// n += g^2, then w -= rate / sqrt(n + 1e-8) g, with g including L2 w; then w moves towards zero by its rate times L1.
///
/// The penalties act on the weights of a row's features when the row is learned, and not on the intercept.
/// The intercept has a learning rate of its own, which does not fall, because the share of positives that it follows drifts.
#[derive(Clone, Debug, PartialEq)]
pub struct AdaGrad {
    /// The learning rate of a coordinate's first step.
    pub learning_rate: f64,
    /// The L1 penalty: makes weights exactly zero.
    pub l1: f64,
    /// The L2 penalty: keeps weights small.
    pub l2: f64,
    /// The learning rate of the intercept.
    pub intercept_rate: f64,
}

impl Optimizer for AdaGrad {
    /// The sum of squared gradients.
    type Memory = f64;

    #[inline]
    fn step(&self, weight: &mut f64, squares: &mut f64, gradient: f64) {
        let gradient = gradient + self.l2 * *weight;
        if gradient == 0.0 {
            return;
        }
        *squares += gradient * gradient;
        let rate = self.learning_rate / (*squares + EPSILON).sqrt();
        *weight = shrink(*weight - rate * gradient, rate * self.l1);
    }

    #[inline]
    fn step_intercept(&self, weight: &mut f64, _squares: &mut f64, gradient: f64) {
        *weight -= self.intercept_rate * gradient;
    }
}
