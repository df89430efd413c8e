//! A replica of a linear model: its weights and its scaling, kept up to date by deltas.

use super::delta::Delta;
use super::{LinearConfig, Link, Weights};
use crate::features::FeatureView;
use crate::learner::{Outputs, Scorer};
use crate::scaler::Scaling;
use egret_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// Scores rows with the weights of a [`super::LinearLearner`].
#[derive(Clone, Debug, PartialEq)]
pub struct LinearScorer {
    weights: Weights,
    scaling: Scaling,
    link: Link,
}

impl LinearScorer {
    /// The replica of a model that has learned nothing: its score is 0.
    pub fn new(config: &LinearConfig, link: Link) -> Self {
        Self { weights: Weights::zero(config.numeric_width, config.coordinates), scaling: config.initial_scaling(), link }
    }

    fn width(&self) -> usize {
        self.weights.numeric.len()
    }
}

impl Scorer for LinearScorer {
    fn apply(&mut self, delta: &[u8]) -> Result<()> {
        let delta = Delta::parse(delta, self.width())?;
        delta.apply_dense(&mut self.weights, &mut self.scaling);
        delta.apply_changes(&mut self.weights)
    }

    /// Each delta replaces the whole dense part, so only that of the last one is applied.
    fn apply_all(&mut self, deltas: &mut dyn Iterator<Item = &[u8]>) -> Result<()> {
        let mut last = None;
        for bytes in deltas {
            let delta = Delta::parse(bytes, self.width())?;
            delta.apply_changes(&mut self.weights)?;
            last = Some(delta);
        }
        if let Some(last) = last {
            last.apply_dense(&mut self.weights, &mut self.scaling);
        }
        Ok(())
    }

    fn predict(&self, rows: FeatureView<'_>, predictions: &mut Vec<f64>) {
        predictions.extend((0..rows.len()).map(|row| {
            let (numeric, hashed) = rows.row(row);
            self.link.prediction(self.weights.score(&self.scaling, numeric, hashed))
        }));
    }

    fn outputs(&self) -> Outputs<'_> {
        self.link.outputs()
    }

    fn save(&self) -> Result<Vec<u8>> {
        let hashed = self.weights.hashed.iter().enumerate().filter(|(_, weight)| **weight != 0.0);
        let saved = Saved {
            intercept: self.weights.intercept,
            numeric: self.weights.numeric.clone(),
            scaling: self.scaling.clone(),
            hashed: hashed.map(|(coordinate, weight)| (coordinate as u32, *weight)).collect(),
        };
        Ok(postcard::to_extend(&saved, vec![SAVED_VERSION])?)
    }

    fn load(&mut self, state: &[u8]) -> Result<()> {
        let other = || Error::state("the state of a model's replica is damaged or of another model");
        let [SAVED_VERSION, rest @ ..] = state else { return Err(other()) };
        let saved: Saved = postcard::from_bytes(rest).map_err(|_| other())?;
        let (width, coordinates) = (self.width(), self.weights.hashed.len());
        let widths = [saved.numeric.len(), saved.scaling.mean.len(), saved.scaling.deviation.len()];
        if widths != [width; 3] || saved.hashed.iter().any(|(coordinate, _)| *coordinate as usize >= coordinates) {
            return Err(other());
        }
        let mut hashed = vec![0.0; coordinates];
        saved.hashed.iter().for_each(|(coordinate, weight)| hashed[*coordinate as usize] = *weight);
        self.weights = Weights { intercept: saved.intercept, numeric: saved.numeric, hashed };
        self.scaling = saved.scaling;
        Ok(())
    }

    fn size_bytes(&self) -> usize {
        8 * (1 + 3 * self.width() + self.weights.hashed.len())
    }
}

/// The first byte of a saved replica; [`Saved`] in postcard's encoding follows.
const SAVED_VERSION: u8 = 1;

#[derive(Serialize, Deserialize)]
struct Saved {
    intercept: f64,
    numeric: Vec<f64>,
    scaling: Scaling,
    /// The coordinates whose weight is not zero.
    hashed: Vec<(u32, f64)>,
}
