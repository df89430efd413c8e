//! Losses: how far a score is from a label, and so what linear models differ in.

use crate::Outputs;
use crate::labels::Labels;
use std::fmt::Debug;

/// Slopes beyond this count as this: with labels and features that nobody should send weights stay finite.
const STEEPEST: f64 = 1e12;

/// What becomes of a score b + w.z when it is a prediction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// The probability sigma(score).
    Logistic,
    /// The score itself.
    Identity,
}

impl Link {
    /// The prediction of a score.
    #[inline]
    pub fn prediction(self, score: f64) -> f64 {
        match self {
            Self::Logistic => super::sigmoid(score),
            Self::Identity => score,
        }
    }

    /// What predictions are.
    pub fn outputs(self) -> Outputs<'static> {
        match self {
            Self::Logistic => Outputs::Score,
            Self::Identity => Outputs::Number,
        }
    }
}

/// A loss: the label and the score of a row say by how much the score should change.
pub trait Loss: Clone + Debug + Send + Sync + 'static {
    /// What becomes of a score; a loss over flags has [`Link::Logistic`], one over numbers [`Link::Identity`].
    const LINK: Link;

    /// The slope of the loss in the score, which an optimiser goes down. `squared_norm` is that of the row's scaled features; a
    /// category counts 1.
    fn slope(&self, score: f64, label: f64, squared_norm: impl FnOnce() -> f64) -> f64;

    /// The labels that the loss is about.
    fn labels(labels: Labels<'_>) -> &[f64] {
        match Self::LINK {
            Link::Logistic => labels.flags(),
            Link::Identity => labels.numbers(),
        }
    }
}

/// The logarithmic loss: a logistic regression.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Logistic;

impl Loss for Logistic {
    const LINK: Link = Link::Logistic;

    #[inline]
    fn slope(&self, score: f64, label: f64, _squared_norm: impl FnOnce() -> f64) -> f64 {
        super::sigmoid(score) - label
    }
}

/// The squared error: a linear regression.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Squared;

impl Loss for Squared {
    const LINK: Link = Link::Identity;

    #[inline]
    fn slope(&self, score: f64, label: f64, _squared_norm: impl FnOnce() -> f64) -> f64 {
        (2.0 * (score - label)).clamp(-STEEPEST, STEEPEST)
    }
}

/// How far a row is on the wrong side: a perceptron (Rosenblatt, 1958). A row on the right side changes nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct WrongSide;

impl Loss for WrongSide {
    const LINK: Link = Link::Logistic;

    #[inline]
    fn slope(&self, score: f64, label: f64, _squared_norm: impl FnOnce() -> f64) -> f64 {
        let side = 2.0 * label - 1.0;
        if side * score <= 0.0 { -side } else { 0.0 }
    }
}

/// How large the step of a passive-aggressive learner is (Crammer et al., JMLR 2006): as large as the row's loss needs, damped.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Aggressiveness {
    /// PA-I: at most C.
    AtMost(f64),
    /// PA-II: the loss over |z|^2 + 1 / (2 C).
    Damped(f64),
}

impl Aggressiveness {
    #[inline]
    fn step(self, loss: f64, squared_norm: impl FnOnce() -> f64) -> f64 {
        if loss == 0.0 {
            return 0.0;
        }
        let squared_norm = squared_norm();
        match self {
            Self::AtMost(_) if squared_norm == 0.0 => 0.0,
            Self::AtMost(most) => (loss / squared_norm).min(most),
            Self::Damped(c) => (loss / (squared_norm + 0.5 / c)).min(STEEPEST),
        }
    }
}

/// The hinge loss max(0, 1 - t score) with t = 1 or -1, whose steps are as large as it needs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PassiveAggressive(pub Aggressiveness);

impl Loss for PassiveAggressive {
    const LINK: Link = Link::Logistic;

    #[inline]
    fn slope(&self, score: f64, label: f64, squared_norm: impl FnOnce() -> f64) -> f64 {
        let side = 2.0 * label - 1.0;
        -side * self.0.step((1.0 - side * score).max(0.0), squared_norm)
    }
}

/// The error beyond `epsilon`, max(0, |score - y| - epsilon), whose steps are as large as it needs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PassiveAggressiveNumber {
    /// How large a step is.
    pub aggressiveness: Aggressiveness,
    /// Errors up to this change nothing.
    pub epsilon: f64,
}

impl Loss for PassiveAggressiveNumber {
    const LINK: Link = Link::Identity;

    #[inline]
    fn slope(&self, score: f64, label: f64, squared_norm: impl FnOnce() -> f64) -> f64 {
        let error = score - label;
        let loss = (error.abs() - self.epsilon).max(0.0);
        self.aggressiveness.step(loss, squared_norm).copysign(error)
    }
}
