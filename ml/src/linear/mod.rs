//! Linear models that learn online: a score s = b + w.z + the weights of the row's categories.
//!
//! A [`Loss`] says what is learned: for a row with label y its slope in the score is g for the intercept and for a category's weight,
//! and g z for the weight of a scaled numeric feature z. Of [`Logistic`] regression g = sigma(s) - y and the prediction is sigma(s).
//! An optimiser turns gradients into changes, coordinate by coordinate: [`Sgd`], [`Adam`], [`AdaGrad`] or [`Ftrl`]. A weight whose feature is not in the row (a category the row is not of) does not change.

mod adagrad;
mod adam;
pub(crate) mod delta;
mod ftrl;
mod learner;
mod loss;
mod scorer;
mod sgd;

pub use adagrad::AdaGrad;
pub use adam::Adam;
pub use ftrl::Ftrl;
pub use learner::{LinearLearner, LogisticRegression};
pub use loss::{Aggressiveness, Link, Logistic, Loss, PassiveAggressive, PassiveAggressiveNumber, Squared, WrongSide};
pub use scorer::LinearScorer;
pub use sgd::Sgd;

use crate::Learner;
use crate::scaler::{Scaling, scale};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fmt::Debug;

/// An optimiser: how gradients change weights.
pub trait Optimizer: Clone + Send + Sync + 'static {
    /// What the optimiser remembers of each coordinate.
    type Memory: Copy + Debug + Default + PartialEq + Serialize + DeserializeOwned;

    /// Changes the weight of a feature.
    fn step(&self, weight: &mut f64, memory: &mut Self::Memory, gradient: f64);

    /// Changes the intercept.
    fn step_intercept(&self, weight: &mut f64, memory: &mut Self::Memory, gradient: f64);
}

/// An optimiser with its options.
#[derive(Clone, Debug, PartialEq)]
pub enum OptimizerChoice {
    /// Stochastic gradient descent.
    Sgd(Sgd),
    /// Adam: each coordinate follows the mean of its gradients.
    Adam(Adam),
    /// AdaGrad: a learning rate for each coordinate.
    AdaGrad(AdaGrad),
    /// FTRL-Proximal: follow the regularised leader.
    Ftrl(Ftrl),
}

/// The options of a linear model.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearConfig {
    /// The optimiser.
    pub optimizer: OptimizerChoice,
    /// Whether numeric features are scaled by their running mean and deviation.
    pub is_scaled: bool,
    /// How many numeric features.
    pub numeric_width: usize,
    /// How many coordinates categories are hashed into.
    pub coordinates: usize,
}

impl LinearConfig {
    /// A learner of a loss that has learned nothing.
    pub fn learner<L: Loss>(&self, loss: L) -> Box<dyn Learner> {
        match &self.optimizer {
            OptimizerChoice::Sgd(sgd) => Box::new(LinearLearner::of(loss, sgd.clone(), self)),
            OptimizerChoice::Adam(adam) => Box::new(LinearLearner::of(loss, adam.clone(), self)),
            OptimizerChoice::AdaGrad(adagrad) => Box::new(LinearLearner::of(loss, adagrad.clone(), self)),
            OptimizerChoice::Ftrl(ftrl) => Box::new(LinearLearner::of(loss, ftrl.clone(), self)),
        }
    }

    pub(crate) fn initial_scaling(&self) -> Scaling {
        if self.is_scaled { Scaling::unknown(self.numeric_width) } else { Scaling::identity(self.numeric_width) }
    }
}

/// The logistic function, the same bits on every machine: the standard library's `exp` depends on the CPU and the C library.
#[inline]
pub fn sigmoid(z: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-z))
}

/// Moves towards zero by `by`, not past it: the proximal step of an L1 penalty.
#[inline]
pub(crate) fn shrink(weight: f64, by: f64) -> f64 {
    if by == 0.0 { weight } else { weight.signum() * (weight.abs() - by).max(0.0) }
}

/// The weights of a linear model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Weights {
    pub(crate) intercept: f64,
    pub(crate) numeric: Vec<f64>,
    pub(crate) hashed: Vec<f64>,
}

impl Weights {
    pub(crate) fn zero(numeric_width: usize, coordinates: usize) -> Self {
        Self { intercept: 0.0, numeric: vec![0.0; numeric_width], hashed: vec![0.0; coordinates] }
    }

    /// b + w.z for a row as it was read.
    #[inline]
    pub(crate) fn score(&self, scaling: &Scaling, numeric: &[f64], hashed: &[u32]) -> f64 {
        let statistics = scaling.mean.iter().zip(&scaling.deviation);
        let mut sum = self.intercept;
        for ((value, weight), (mean, deviation)) in numeric.iter().zip(&self.numeric).zip(statistics) {
            sum += weight * scale(*value, *mean, *deviation);
        }
        for coordinate in hashed {
            sum += self.hashed[*coordinate as usize];
        }
        sum
    }

    /// b + w.z for a row whose numeric values are scaled; the same bits as [`Weights::score`].
    #[inline]
    pub(crate) fn score_scaled(&self, scaled: &[f64], hashed: &[u32]) -> f64 {
        let mut sum = self.intercept;
        for (value, weight) in scaled.iter().zip(&self.numeric) {
            sum += weight * value;
        }
        for coordinate in hashed {
            sum += self.hashed[*coordinate as usize];
        }
        sum
    }
}
