//! The learner: weights, what the optimiser remembers, running statistics, and which coordinates changed.

use super::{LinearConfig, LinearScorer, Logistic, Loss, Optimizer, Weights, delta};
use crate::features::FeatureView;
use crate::labels::Labels;
use crate::learner::{Learner, Outputs, Scorer};
use crate::scaler::{Scaling, StandardScaler};
use egret_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// Logistic regression with an optimiser.
pub type LogisticRegression<O> = LinearLearner<Logistic, O>;

/// A linear model with a loss and an optimiser.
///
/// ```
/// use egret_ml::features::{FeatureLayout, FeatureReader};
/// use egret_ml::linear::{LinearConfig, LogisticRegression, OptimizerChoice, Sgd};
/// use egret_ml::{FeatureColumn, Labels, Learner};
/// use arrow::array::{ArrayRef, Float64Array, RecordBatch};
/// use arrow::datatypes::DataType;
///
/// let sgd = Sgd { learning_rate: 0.5, l1: 0.0, l2: 0.0, intercept_rate: 0.5 };
/// let config =
///     LinearConfig { optimizer: OptimizerChoice::Sgd(sgd.clone()), is_scaled: true, numeric_width: 1, coordinates: 0 };
/// let mut model = LogisticRegression::new(sgd, &config);
/// let values = Float64Array::from_iter_values((0..200).map(|i| f64::from(i % 2) * 10.0));
/// let rows = RecordBatch::try_from_iter([("x", std::sync::Arc::new(values) as ArrayRef)])?;
/// let reader = FeatureReader::new(&[FeatureColumn::new("x", 0, &DataType::Float64)?], FeatureLayout::default());
/// let mut features = reader.empty_rows();
/// reader.read(&rows, &mut features)?;
/// let labels: Vec<f64> = (0..200).map(|i| f64::from(i % 2)).collect();
/// model.learn(features.view(), Labels::Flags(&labels));
///
/// let mut predictions = Vec::new();
/// model.predict(features.slice(0, 2), &mut predictions);
/// assert!(predictions[0] < 0.1 && predictions[1] > 0.9);
/// # Ok::<(), egret_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct LinearLearner<L: Loss, O: Optimizer> {
    loss: L,
    optimizer: O,
    config: LinearConfig,
    weights: Weights,
    memory: Memory<O::Memory>,
    /// `None` if numeric features are taken as they are.
    scaler: Option<StandardScaler>,
    /// The scaling if there is no scaler.
    identity: Scaling,
    changed: Changed,
    scaled: Vec<f64>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Memory<M> {
    intercept: M,
    numeric: Vec<M>,
    hashed: Vec<M>,
}

impl<O: Optimizer> LogisticRegression<O> {
    /// A model that has learned nothing. The optimiser in `config` is ignored.
    pub fn new(optimizer: O, config: &LinearConfig) -> Self {
        Self::of(Logistic, optimizer, config)
    }
}

impl<L: Loss, O: Optimizer> LinearLearner<L, O> {
    /// A model of a loss that has learned nothing. The optimiser in `config` is ignored.
    pub fn of(loss: L, optimizer: O, config: &LinearConfig) -> Self {
        let (width, coordinates) = (config.numeric_width, config.coordinates);
        let memory = |count| vec![O::Memory::default(); count];
        Self {
            loss,
            optimizer,
            config: config.clone(),
            weights: Weights::zero(width, coordinates),
            memory: Memory { intercept: O::Memory::default(), numeric: memory(width), hashed: memory(coordinates) },
            scaler: config.is_scaled.then(|| StandardScaler::new(width)),
            identity: Scaling::identity(width),
            changed: Changed::new(coordinates),
            scaled: vec![0.0; width],
        }
    }

    /// The intercept.
    pub fn intercept(&self) -> f64 {
        self.weights.intercept
    }

    /// The weights of the numeric features: of the scaled values if the model scales.
    pub fn numeric_weights(&self) -> &[f64] {
        &self.weights.numeric
    }

    fn scaling(&self) -> &Scaling {
        self.scaler.as_ref().map_or(&self.identity, StandardScaler::scaling)
    }

    #[inline]
    fn learn_row(&mut self, numeric: &[f64], hashed: &[u32], label: f64) {
        if let Some(scaler) = &mut self.scaler {
            scaler.learn(numeric);
            scaler.scaling().scale_row(numeric, &mut self.scaled);
        } else {
            self.identity.scale_row(numeric, &mut self.scaled);
        }
        let squared_norm = || self.scaled.iter().map(|value| value * value).sum::<f64>() + hashed.len() as f64;
        let gradient = self.loss.slope(self.weights.score_scaled(&self.scaled, hashed), label, squared_norm);
        let (weights, memory) = (&mut self.weights, &mut self.memory);
        self.optimizer.step_intercept(&mut weights.intercept, &mut memory.intercept, gradient);
        for ((weight, memory), value) in weights.numeric.iter_mut().zip(&mut memory.numeric).zip(&self.scaled) {
            self.optimizer.step(weight, memory, gradient * value);
        }
        for &coordinate in hashed {
            let at = coordinate as usize;
            self.optimizer.step(&mut weights.hashed[at], &mut memory.hashed[at], gradient);
            self.changed.mark(coordinate);
        }
    }
}

impl<L: Loss, O: Optimizer> Learner for LinearLearner<L, O> {
    fn learn(&mut self, rows: FeatureView<'_>, labels: Labels<'_>) {
        let labels = L::labels(labels);
        assert_eq!(rows.len(), labels.len(), "a label a row");
        for (row, label) in labels.iter().enumerate() {
            let (numeric, hashed) = rows.row(row);
            self.learn_row(numeric, hashed, *label);
        }
    }

    fn predict(&self, rows: FeatureView<'_>, predictions: &mut Vec<f64>) {
        let scaling = self.scaling();
        predictions.extend((0..rows.len()).map(|row| {
            let (numeric, hashed) = rows.row(row);
            L::LINK.prediction(self.weights.score(scaling, numeric, hashed))
        }));
    }

    fn outputs(&self) -> Outputs<'_> {
        L::LINK.outputs()
    }

    fn take_delta(&mut self) -> Vec<u8> {
        let delta = delta::encode(&self.weights, self.scaling(), &self.changed.coordinates);
        self.changed.clear();
        delta
    }

    fn scorer(&self) -> Box<dyn Scorer> {
        Box::new(LinearScorer::new(&self.config, L::LINK))
    }

    fn save(&self) -> Result<Vec<u8>> {
        let (weights, memory) = (&self.weights.hashed, &self.memory.hashed);
        let known = |at: &usize| weights[*at] != 0.0 || memory[*at] != O::Memory::default();
        let saved = Saved {
            intercept: (self.weights.intercept, self.memory.intercept),
            numeric: self.weights.numeric.iter().copied().zip(self.memory.numeric.iter().copied()).collect(),
            hashed: (0..weights.len()).filter(known).map(|at| (at as u32, weights[at], memory[at])).collect(),
            scaler: self.scaler.clone(),
            changed: self.changed.coordinates.clone(),
        };
        Ok(postcard::to_extend(&saved, vec![SAVED_VERSION])?)
    }

    fn load(&mut self, state: &[u8]) -> Result<()> {
        let other = || Error::state("the state of a model is damaged or of another model");
        let [SAVED_VERSION, rest @ ..] = state else { return Err(other()) };
        let saved: Saved<O::Memory> = postcard::from_bytes(rest).map_err(|_| other())?;
        if !saved.is_of(&self.config) {
            return Err(other());
        }
        *self = Self::of(self.loss.clone(), self.optimizer.clone(), &self.config);
        (self.weights.intercept, self.memory.intercept) = saved.intercept;
        (self.weights.numeric, self.memory.numeric) = saved.numeric.into_iter().unzip();
        for (at, weight, memory) in saved.hashed {
            (self.weights.hashed[at as usize], self.memory.hashed[at as usize]) = (weight, memory);
        }
        self.scaler = saved.scaler;
        saved.changed.into_iter().for_each(|coordinate| self.changed.mark(coordinate));
        Ok(())
    }

    fn size_bytes(&self) -> usize {
        let coordinate = size_of::<f64>() + size_of::<O::Memory>();
        (coordinate + 4 * 8) * self.weights.numeric.len() + (coordinate + 1) * self.weights.hashed.len()
    }
}

/// The coordinates whose weight changed since the last delta, in the order they first did.
#[derive(Clone, Debug)]
struct Changed {
    coordinates: Vec<u32>,
    is_changed: Vec<bool>,
}

impl Changed {
    fn new(coordinates: usize) -> Self {
        Self { coordinates: Vec::new(), is_changed: vec![false; coordinates] }
    }

    #[inline]
    fn mark(&mut self, coordinate: u32) {
        let flag = &mut self.is_changed[coordinate as usize];
        if !*flag {
            *flag = true;
            self.coordinates.push(coordinate);
        }
    }

    fn clear(&mut self) {
        for coordinate in self.coordinates.drain(..) {
            self.is_changed[coordinate as usize] = false;
        }
    }
}

/// The first byte of a saved learner; [`Saved`] in postcard's encoding follows.
const SAVED_VERSION: u8 = 1;

#[derive(Serialize, Deserialize)]
struct Saved<M> {
    intercept: (f64, M),
    numeric: Vec<(f64, M)>,
    /// The coordinates that were ever learned.
    hashed: Vec<(u32, f64, M)>,
    scaler: Option<StandardScaler>,
    changed: Vec<u32>,
}

impl<M> Saved<M> {
    fn is_of(&self, config: &LinearConfig) -> bool {
        let is_coordinate = |coordinate: u32| (coordinate as usize) < config.coordinates;
        let scaler_fits = match &self.scaler {
            Some(scaler) => config.is_scaled && scaler.is_sound(config.numeric_width),
            None => !config.is_scaled,
        };
        scaler_fits
            && self.numeric.len() == config.numeric_width
            && self.hashed.iter().all(|(coordinate, ..)| is_coordinate(*coordinate))
            && self.changed.iter().all(|coordinate| is_coordinate(*coordinate))
    }
}
