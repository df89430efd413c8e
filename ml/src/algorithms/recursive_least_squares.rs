//! `recursive_least_squares`: the linear regression that has the least squared error over all rows, newer ones weighing more.
//!
//! With v the scaled numbers, a 1 for each category and a 1 for the intercept, P = 100 I and theta = 0 at first, a row is learned as
//! k = P v / (forgetting + v.P v), theta += k (y - theta.v), P = (P - k v^T P) / forgetting.
//!
//! | option | default | meaning |
//! | --- | --- | --- |
//! | `forgetting` | 0.999 | the weight of a row is this to the power of the rows since; 1 forgets nothing |
//! | `hash_bits` | 6 | categories share 2^this weights |
//!
//! A row costs the square of the number of weights, in time, and the model as much in memory: hence so few for categories.
//! A feature that never changes would make P grow without bound where rows are forgotten: P is not divided while it is [`LARGEST_P`].
//! Where rounding has made P useless (v.P v below 0) it starts anew.

use crate::algorithm::{Algorithm, Recipe};
use crate::features::{FeatureColumn, FeatureLayout, FeatureReader, FeatureView};
use crate::linear::{LinearConfig, LinearScorer, Link, OptimizerChoice, Sgd, Weights, delta};
use crate::linear_recipe;
use crate::options::{Options, Range};
use crate::scaler::StandardScaler;
use crate::{Labels, Learner, Outputs, Scorer, Target};
use egret_core::{Error, Result};
use serde::{Deserialize, Serialize};

const NAME: &str = "recursive_least_squares";

/// The diagonal of P at first.
const FIRST_P: f64 = 100.0;

/// Beyond this P does not grow any more.
const LARGEST_P: f64 = 1e8;

/// Errors beyond this count as this.
const LARGEST_ERROR: f64 = 1e110;

pub(crate) struct Registered;

impl Algorithm for Registered {
    fn name(&self) -> &'static str {
        NAME
    }

    fn recipe(&self, features: &[FeatureColumn], options: &mut Options<'_>) -> Result<Box<dyn Recipe>> {
        let forgetting = options.number("forgetting", 0.999, Range::above(0.5, 1.0))?;
        let hash_bits = options.whole_number("hash_bits", 6, Range::from(1.0, 10.0))?;
        let layout = FeatureLayout { hash_bits: Some(hash_bits), has_texts: false };
        let reader = FeatureReader::new(features, layout);
        let (numeric_width, coordinates) = (reader.numeric_width(), reader.coordinates());
        // Of an optimiser there is none; the replica does not ask for it.
        let optimizer = OptimizerChoice::Sgd(Sgd { learning_rate: 1.0, l1: 0.0, l2: 0.0, intercept_rate: 1.0 });
        let config = LinearConfig { optimizer, is_scaled: true, numeric_width, coordinates };
        Ok(Box::new(LeastSquaresRecipe { config, layout, forgetting }))
    }
}

#[derive(Debug)]
struct LeastSquaresRecipe {
    config: LinearConfig,
    layout: FeatureLayout,
    forgetting: f64,
}

impl Recipe for LeastSquaresRecipe {
    fn target(&self) -> Target {
        Target::Number
    }

    fn layout(&self) -> FeatureLayout {
        self.layout
    }

    fn learner(&self) -> Box<dyn Learner> {
        Box::new(LeastSquares::new(self.config.clone(), self.forgetting))
    }

    fn describe(&self, features: &[FeatureColumn]) -> Vec<String> {
        linear_recipe::describe(&format!("recursive least squares, forgetting {}", self.forgetting), &self.config, features)
    }

    fn facts(&self) -> Vec<(String, String)> {
        linear_recipe::facts(NAME, &self.config)
    }
}

struct LeastSquares {
    config: LinearConfig,
    forgetting: f64,
    weights: Weights,
    scaler: StandardScaler,
    /// P, row after row: numbers, coordinates of categories, the intercept.
    covariance: Vec<f64>,
    /// v of the row at hand, and P v.
    row: Vec<f64>,
    product: Vec<f64>,
}

/// 100 I.
fn first_covariance(size: usize) -> Vec<f64> {
    let mut covariance = vec![0.0; size * size];
    covariance.iter_mut().step_by(size + 1).for_each(|diagonal| *diagonal = FIRST_P);
    covariance
}

impl LeastSquares {
    fn new(config: LinearConfig, forgetting: f64) -> Self {
        let size = config.numeric_width + config.coordinates + 1;
        Self {
            forgetting,
            weights: Weights::zero(config.numeric_width, config.coordinates),
            scaler: StandardScaler::new(config.numeric_width),
            covariance: first_covariance(size),
            row: vec![0.0; size],
            product: vec![0.0; size],
            config,
        }
    }

    fn learn_row(&mut self, numeric: &[f64], hashed: &[u32], label: f64) {
        let width = numeric.len();
        self.scaler.learn(numeric);
        self.row.fill(0.0);
        self.scaler.scaling().scale_row(numeric, &mut self.row[..width]);
        hashed.iter().for_each(|coordinate| self.row[width + *coordinate as usize] += 1.0);
        if let Some(intercept) = self.row.last_mut() {
            *intercept = 1.0;
        }
        let error = label - self.weights.score_scaled(&self.row[..width], hashed);
        let error = error.clamp(-LARGEST_ERROR, LARGEST_ERROR);
        let size = self.row.len();
        for (product, line) in self.product.iter_mut().zip(self.covariance.chunks_exact(size)) {
            *product = line.iter().zip(&self.row).map(|(p, v)| p * v).sum();
        }
        let along: f64 = self.row.iter().zip(&self.product).map(|(v, product)| v * product).sum();
        if !(along >= 0.0 && along.is_finite()) {
            self.covariance = first_covariance(size);
            return;
        }
        let scale = 1.0 / (self.forgetting + along);
        self.step(error * scale);
        self.shrink_covariance(scale);
    }

    /// theta += P v by.
    fn step(&mut self, by: f64) {
        let Weights { intercept, numeric, hashed } = &mut self.weights;
        let weights = numeric.iter_mut().chain(hashed.iter_mut()).chain([intercept]);
        weights.zip(&self.product).for_each(|(weight, product)| *weight += product * by);
    }

    /// P = (P - scale P v (P v)^T) / forgetting: of one triangle, so that P stays symmetric.
    fn shrink_covariance(&mut self, scale: f64) {
        let size = self.row.len();
        let largest = self.covariance.iter().step_by(size + 1).copied().fold(0.0, f64::max);
        let growth = if largest < LARGEST_P { 1.0 / self.forgetting } else { 1.0 };
        for row in 0..size {
            let by = scale * self.product[row];
            for column in 0..=row {
                let value = (self.covariance[row * size + column] - by * self.product[column]) * growth;
                self.covariance[row * size + column] = value;
                self.covariance[column * size + row] = value;
            }
        }
    }
}

impl Learner for LeastSquares {
    fn learn(&mut self, rows: FeatureView<'_>, labels: Labels<'_>) {
        let labels = labels.numbers();
        assert_eq!(rows.len(), labels.len(), "a label a row");
        for (row, label) in labels.iter().enumerate() {
            let (numeric, hashed) = rows.row(row);
            self.learn_row(numeric, hashed, *label);
        }
    }

    fn predict(&self, rows: FeatureView<'_>, predictions: &mut Vec<f64>) {
        let scaling = self.scaler.scaling();
        predictions.extend((0..rows.len()).map(|row| {
            let (numeric, hashed) = rows.row(row);
            self.weights.score(scaling, numeric, hashed)
        }));
    }

    fn outputs(&self) -> Outputs<'_> {
        Outputs::Number
    }

    /// Every row changes every weight of a category that was ever seen.
    fn take_delta(&mut self) -> Vec<u8> {
        let coordinates = 0..self.weights.hashed.len() as u32;
        let seen: Vec<u32> = coordinates.filter(|at| self.weights.hashed[*at as usize] != 0.0).collect();
        delta::encode(&self.weights, self.scaler.scaling(), &seen)
    }

    fn scorer(&self) -> Box<dyn Scorer> {
        Box::new(LinearScorer::new(&self.config, Link::Identity))
    }

    fn save(&self) -> Result<Vec<u8>> {
        let saved = Saved { weights: self.weights.clone(), scaler: self.scaler.clone(), covariance: self.covariance.clone() };
        Ok(postcard::to_extend(&saved, vec![SAVED_VERSION])?)
    }

    fn load(&mut self, state: &[u8]) -> Result<()> {
        let other = || Error::state("the state of a model is damaged or of another model");
        let [SAVED_VERSION, rest @ ..] = state else { return Err(other()) };
        let saved: Saved = postcard::from_bytes(rest).map_err(|_| other())?;
        let is_of = saved.weights.numeric.len() == self.config.numeric_width
            && saved.weights.hashed.len() == self.config.coordinates
            && saved.scaler.is_sound(self.config.numeric_width)
            && saved.covariance.len() == self.covariance.len();
        if !is_of {
            return Err(other());
        }
        (self.weights, self.scaler, self.covariance) = (saved.weights, saved.scaler, saved.covariance);
        Ok(())
    }

    fn size_bytes(&self) -> usize {
        8 * (self.covariance.len() + 3 * self.row.len() + 4 * self.config.numeric_width)
    }
}

/// The first byte of a saved learner; [`Saved`] in postcard's encoding follows.
const SAVED_VERSION: u8 = 1;

#[derive(Serialize, Deserialize)]
struct Saved {
    weights: Weights,
    scaler: StandardScaler,
    covariance: Vec<f64>,
}
