//! FTRL-Proximal (McMahan et al., "Ad Click Prediction: a View from the Trenches", KDD 2013, algorithm 1).

use super::Optimizer;
use serde::{Deserialize, Serialize};

/// w = 0 while |z| <= L1, else -(z - sign(z) L1) / ((beta + sqrt(n)) / alpha + L2).
///
/// The intercept is a feature like any other, or has a constant learning rate: then it goes on following a share of positives that
/// drifts, while FTRL's own rate falls.
#[derive(Clone, Debug, PartialEq)]
pub struct Ftrl {
    /// The learning rate.
    pub alpha: f64,
    /// Slows the first steps; above 0.
    pub beta: f64,
    /// The L1 penalty: makes weights exactly zero.
    pub l1: f64,
    /// The L2 penalty: keeps weights small.
    pub l2: f64,
    /// The learning rate of the intercept; `None`: it is a feature with value 1.
    pub intercept_rate: Option<f64>,
}

/// What FTRL remembers of a coordinate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FtrlMemory {
    z: f64,
    n: f64,
    /// sqrt(n), kept to take one root a step instead of two.
    root: f64,
}

impl Optimizer for Ftrl {
    type Memory = FtrlMemory;

    /// The paper computes the weight before it is read; here it is computed when z and n change, which is the same weight.
    #[inline]
    fn step(&self, weight: &mut f64, memory: &mut FtrlMemory, gradient: f64) {
        memory.n += gradient * gradient;
        let root = memory.n.sqrt();
        memory.z += gradient - (root - memory.root) / self.alpha * *weight;
        memory.root = root;
        let beyond = memory.z - memory.z.clamp(-self.l1, self.l1);
        *weight = if beyond == 0.0 { 0.0 } else { -beyond / ((self.beta + root) / self.alpha + self.l2) };
    }

    #[inline]
    fn step_intercept(&self, weight: &mut f64, memory: &mut FtrlMemory, gradient: f64) {
        match self.intercept_rate {
            Some(rate) => *weight -= rate * gradient,
            None => self.step(weight, memory, gradient),
        }
    }
}
