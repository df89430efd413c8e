//! `softmax_regression`: logistic regression for two and more classes, p(c) = exp(s_c) / sum of exp(s), s_c = b_c + w_c.z.
//!
//! Every class has weights of its own. For a row the gradient of class c is p(c) less 1 if the row is of it, less 0 if not, and is learned
//! as that of a logistic regression is. A class begins with weights of 0 when it is first seen. Of `max_classes` classes rows are learned,
//! rows of others are left out.
//!
//! The options are those of `logistic_regression`, and `max_classes` (100).
//!
//! # Formats
//! A delta is [`Delta`] behind a version, in postcard's encoding: what belongs to numbers as a whole, and the coordinates that changed. A
//! saved replica is the delta from nothing; a saved learner is [`Saved`] behind a version.

use crate::algorithm::{Algorithm, Recipe};
use crate::features::{FeatureColumn, FeatureLayout, FeatureView};
use crate::learner::other_state;
use crate::linear::{LinearConfig, Optimizer, OptimizerChoice, Weights};
use crate::linear_recipe::{self, InterceptRate, describe_optimizer, optimizer, optimizer_fact};
use crate::options::{Options, Range};
use crate::scaler::{Scaling, StandardScaler};
use crate::{Labels, Learner, Outputs, Scorer, Target};
use egret_core::{Error, Result};
use serde::{Deserialize, Serialize};

const NAME: &str = "softmax_regression";

pub(crate) struct Registered;

impl Algorithm for Registered {
    fn name(&self) -> &'static str {
        NAME
    }

    fn recipe(&self, features: &[FeatureColumn], options: &mut Options<'_>) -> Result<Box<dyn Recipe>> {
        let optimizer = optimizer(NAME, options, InterceptRate::AsWeights)?;
        let max_classes = options.whole_number("max_classes", 100, Range::from(1.0, 1e5))? as usize;
        let (config, layout) = linear_recipe::config(optimizer, features, options)?;
        Ok(Box::new(SoftmaxRecipe { config, layout, max_classes }))
    }
}

#[derive(Debug)]
struct SoftmaxRecipe {
    config: LinearConfig,
    layout: FeatureLayout,
    max_classes: usize,
}

impl Recipe for SoftmaxRecipe {
    fn target(&self) -> Target {
        Target::Class
    }

    fn layout(&self) -> FeatureLayout {
        self.layout
    }

    fn learner(&self) -> Box<dyn Learner> {
        match &self.config.optimizer {
            OptimizerChoice::Sgd(sgd) => Box::new(Softmax::new(sgd.clone(), &self.config, self.max_classes)),
            OptimizerChoice::Adam(adam) => Box::new(Softmax::new(adam.clone(), &self.config, self.max_classes)),
            OptimizerChoice::AdaGrad(adagrad) => Box::new(Softmax::new(adagrad.clone(), &self.config, self.max_classes)),
            OptimizerChoice::Ftrl(ftrl) => Box::new(Softmax::new(ftrl.clone(), &self.config, self.max_classes)),
        }
    }

    fn describe(&self, features: &[FeatureColumn]) -> Vec<String> {
        let title =
            format!("softmax regression, {}, at most {} classes", describe_optimizer(&self.config.optimizer), self.max_classes);
        linear_recipe::describe(&title, &self.config, features)
    }

    fn facts(&self) -> Vec<(String, String)> {
        linear_recipe::facts(&optimizer_fact(NAME, &self.config.optimizer), &self.config)
    }
}

/// What a prediction needs.
#[derive(Clone, Debug)]
struct Known {
    names: Vec<String>,
    /// Weights a class.
    classes: Vec<Weights>,
    numbers: usize,
    coordinates: usize,
}

impl Known {
    fn new(config: &LinearConfig) -> Self {
        Self { names: Vec::new(), classes: Vec::new(), numbers: config.numeric_width, coordinates: config.coordinates }
    }

    fn add(&mut self, name: String) {
        self.names.push(name);
        self.classes.push(Weights::zero(self.numbers, self.coordinates));
    }

    /// Appends a probability a class for every row.
    fn predict(&self, scaling: &Scaling, rows: FeatureView<'_>, predictions: &mut Vec<f64>) {
        let mut scaled = vec![0.0; self.numbers];
        for row in 0..rows.len() {
            let (numbers, hashed) = rows.row(row);
            scaling.scale_row(numbers, &mut scaled);
            let first = predictions.len();
            predictions.extend(self.classes.iter().map(|weights| weights.score_scaled(&scaled, hashed)));
            softmax(&mut predictions[first..]);
        }
    }

    fn delta(&self, scaling: &Scaling, changed: impl Iterator<Item = u32>) -> Delta {
        let weights_at = |coordinate: u32| self.classes.iter().map(|class| class.hashed[coordinate as usize]).collect();
        Delta {
            names: self.names.clone(),
            dense: self.classes.iter().map(|class| (class.intercept, class.numeric.clone())).collect(),
            scaling: scaling.clone(),
            hashed: changed.map(|coordinate| (coordinate, weights_at(coordinate))).collect(),
        }
    }

    /// The coordinates with a weight.
    fn used(&self) -> impl Iterator<Item = u32> {
        let is_used = |at: &u32| self.classes.iter().any(|class| class.hashed[*at as usize] != 0.0);
        (0..self.coordinates as u32).filter(is_used)
    }

    /// Takes a delta in; `None` if it is not of such a model, otherwise the scaling.
    fn apply(&mut self, delta: Delta) -> Option<Scaling> {
        let Delta { names, dense, scaling, hashed } = delta;
        let is_sound = names.starts_with(&self.names)
            && dense.len() == names.len()
            && dense.iter().all(|(_, numbers)| numbers.len() == self.numbers)
            && [scaling.mean.len(), scaling.deviation.len()] == [self.numbers; 2]
            && hashed.iter().all(|(at, weights)| (*at as usize) < self.coordinates && weights.len() == names.len());
        if !is_sound {
            return None;
        }
        names.into_iter().skip(self.names.len()).for_each(|name| self.add(name));
        for (class, (intercept, numbers)) in self.classes.iter_mut().zip(dense) {
            (class.intercept, class.numeric) = (intercept, numbers);
        }
        for (at, weights) in hashed {
            self.classes.iter_mut().zip(weights).for_each(|(class, weight)| class.hashed[at as usize] = weight);
        }
        Some(scaling)
    }

    fn size_bytes(&self) -> usize {
        size_of::<Self>() + self.names.iter().map(|name| name.len() + 8 * (1 + self.numbers + self.coordinates)).sum::<usize>()
    }
}

/// Turns scores into shares of the sum of their exponentials, so that nothing overflows.
fn softmax(scores: &mut [f64]) {
    let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    scores.iter_mut().for_each(|score| *score = libm::exp(*score - most));
    let sum: f64 = scores.iter().sum();
    scores.iter_mut().for_each(|share| *share /= sum);
}

/// What the optimiser remembers of the weights of a class.
#[derive(Clone, Debug)]
struct Memory<M> {
    intercept: M,
    numeric: Vec<M>,
    hashed: Vec<M>,
}

struct Softmax<O: Optimizer> {
    optimizer: O,
    config: LinearConfig,
    max_classes: usize,
    known: Known,
    memory: Vec<Memory<O::Memory>>,
    scaler: Option<StandardScaler>,
    /// The scaling if there is no scaler.
    identity: Scaling,
    /// The coordinates that changed since the last delta, in the order in which they first did.
    changed: Vec<u32>,
    is_changed: Vec<bool>,
    /// Of the row at hand: scaled numbers, and what its classes are learned by.
    scaled: Vec<f64>,
    gradients: Vec<f64>,
}

impl<O: Optimizer> Softmax<O> {
    fn new(optimizer: O, config: &LinearConfig, max_classes: usize) -> Self {
        Self {
            optimizer,
            max_classes,
            known: Known::new(config),
            memory: Vec::new(),
            scaler: config.is_scaled.then(|| StandardScaler::new(config.numeric_width)),
            identity: Scaling::identity(config.numeric_width),
            changed: Vec::new(),
            is_changed: vec![false; config.coordinates],
            scaled: vec![0.0; config.numeric_width],
            gradients: Vec::new(),
            config: config.clone(),
        }
    }

    fn scaling(&self) -> &Scaling {
        self.scaler.as_ref().map_or(&self.identity, StandardScaler::scaling)
    }

    /// The place of a class, which is new here or known; `None` if there are too many.
    fn class(&mut self, name: &str) -> Option<usize> {
        let place = self.known.names.iter().position(|known| known == name);
        if place.is_none() && self.known.names.len() < self.max_classes {
            self.known.add(name.to_owned());
            self.memory.push(self.no_memory());
            return Some(self.known.names.len() - 1);
        }
        place
    }

    fn no_memory(&self) -> Memory<O::Memory> {
        let memory = |count| vec![O::Memory::default(); count];
        let (numeric, hashed) = (memory(self.config.numeric_width), memory(self.config.coordinates));
        Memory { intercept: O::Memory::default(), numeric, hashed }
    }

    fn learn_row(&mut self, numbers: &[f64], hashed: &[u32], class: usize) {
        if let Some(scaler) = &mut self.scaler {
            scaler.learn(numbers);
            scaler.scaling().scale_row(numbers, &mut self.scaled);
        } else {
            self.identity.scale_row(numbers, &mut self.scaled);
        }
        self.gradients.clear();
        self.gradients.extend(self.known.classes.iter().map(|weights| weights.score_scaled(&self.scaled, hashed)));
        softmax(&mut self.gradients);
        self.gradients[class] -= 1.0;
        for ((weights, memory), gradient) in self.known.classes.iter_mut().zip(&mut self.memory).zip(&self.gradients) {
            self.optimizer.step_intercept(&mut weights.intercept, &mut memory.intercept, *gradient);
            for ((weight, memory), value) in weights.numeric.iter_mut().zip(&mut memory.numeric).zip(&self.scaled) {
                self.optimizer.step(weight, memory, gradient * value);
            }
            for coordinate in hashed {
                let at = *coordinate as usize;
                self.optimizer.step(&mut weights.hashed[at], &mut memory.hashed[at], *gradient);
            }
        }
        hashed.iter().for_each(|coordinate| self.mark(*coordinate));
    }

    fn mark(&mut self, coordinate: u32) {
        if !std::mem::replace(&mut self.is_changed[coordinate as usize], true) {
            self.changed.push(coordinate);
        }
    }
}

impl<O: Optimizer> Learner for Softmax<O> {
    fn learn(&mut self, rows: FeatureView<'_>, labels: Labels<'_>) {
        assert_eq!(rows.len(), labels.len(), "a label a row");
        for (row, name) in labels.classes().iter().enumerate() {
            let Some(class) = name.and_then(|name| self.class(name)) else { continue };
            let (numbers, hashed) = rows.row(row);
            self.learn_row(numbers, hashed, class);
        }
    }

    fn predict(&self, rows: FeatureView<'_>, predictions: &mut Vec<f64>) {
        self.known.predict(self.scaling(), rows, predictions);
    }

    fn outputs(&self) -> Outputs<'_> {
        Outputs::Classes(&self.known.names)
    }

    fn take_delta(&mut self) -> Vec<u8> {
        let delta = self.known.delta(self.scaling(), self.changed.iter().copied());
        self.changed.drain(..).for_each(|coordinate| self.is_changed[coordinate as usize] = false);
        postcard::to_extend(&delta, vec![VERSION]).expect("a buffer that grows takes any delta")
    }

    fn scorer(&self) -> Box<dyn Scorer> {
        Box::new(SoftmaxScorer {
            known: Known::new(&self.config),
            scaling: self.config.initial_scaling(),
            config: self.config.clone(),
        })
    }

    fn save(&self) -> Result<Vec<u8>> {
        let saved = Saved {
            known: self.known.delta(self.scaling(), self.known.used()),
            memory: self.memory.iter().map(SavedMemory::of).collect(),
            scaler: self.scaler.clone(),
            changed: self.changed.clone(),
        };
        Ok(postcard::to_extend(&saved, vec![VERSION])?)
    }

    fn load(&mut self, state: &[u8]) -> Result<()> {
        let [VERSION, rest @ ..] = state else { return Err(other_state()) };
        let saved: Saved<O::Memory> = postcard::from_bytes(rest).map_err(|_| other_state())?;
        let (numbers, coordinates) = (self.config.numeric_width, self.config.coordinates);
        let mut new = Self::new(self.optimizer.clone(), &self.config, self.max_classes);
        let scaler_fits = match &saved.scaler {
            Some(scaler) => self.config.is_scaled && scaler.is_sound(numbers),
            None => !self.config.is_scaled,
        };
        let is_of = |memory: &SavedMemory<O::Memory>| {
            memory.numeric.len() == numbers && memory.hashed.iter().all(|(at, _)| (*at as usize) < coordinates)
        };
        let is_sound = scaler_fits
            && saved.memory.len() == saved.known.names.len()
            && saved.memory.iter().all(is_of)
            && saved.changed.iter().all(|coordinate| (*coordinate as usize) < coordinates)
            && new.known.apply(saved.known).is_some();
        if !is_sound {
            return Err(other_state());
        }
        new.memory = saved.memory.into_iter().map(|memory| memory.into_memory(coordinates)).collect();
        new.scaler = saved.scaler;
        saved.changed.into_iter().for_each(|coordinate| new.mark(coordinate));
        *self = new;
        Ok(())
    }

    fn size_bytes(&self) -> usize {
        let memory = size_of::<O::Memory>() * (1 + self.config.numeric_width + self.config.coordinates);
        self.known.size_bytes() + self.memory.len() * memory + self.is_changed.len()
    }
}

struct SoftmaxScorer {
    config: LinearConfig,
    known: Known,
    scaling: Scaling,
}

impl Scorer for SoftmaxScorer {
    fn apply(&mut self, delta: &[u8]) -> Result<()> {
        let damaged = || Error::bug("an update of a model is damaged or of another model");
        let [VERSION, rest @ ..] = delta else { return Err(damaged()) };
        self.scaling = self.known.apply(postcard::from_bytes(rest).map_err(|_| damaged())?).ok_or_else(damaged)?;
        Ok(())
    }

    fn predict(&self, rows: FeatureView<'_>, predictions: &mut Vec<f64>) {
        self.known.predict(&self.scaling, rows, predictions);
    }

    fn outputs(&self) -> Outputs<'_> {
        Outputs::Classes(&self.known.names)
    }

    fn save(&self) -> Result<Vec<u8>> {
        Ok(postcard::to_extend(&self.known.delta(&self.scaling, self.known.used()), vec![VERSION])?)
    }

    fn load(&mut self, state: &[u8]) -> Result<()> {
        let [VERSION, rest @ ..] = state else { return Err(other_state()) };
        let mut known = Known::new(&self.config);
        self.scaling = known.apply(postcard::from_bytes(rest).map_err(|_| other_state())?).ok_or_else(other_state)?;
        self.known = known;
        Ok(())
    }

    fn size_bytes(&self) -> usize {
        self.known.size_bytes() + 2 * 8 * self.config.numeric_width
    }
}

/// The first byte of a delta, a saved learner, a saved replica.
const VERSION: u8 = 1;

#[derive(Debug, Serialize, Deserialize)]
struct Delta {
    names: Vec<String>,
    /// The intercept and the weights of the numbers, a class.
    dense: Vec<(f64, Vec<f64>)>,
    scaling: Scaling,
    /// The coordinates that changed: a weight a class.
    hashed: Vec<(u32, Vec<f64>)>,
}

#[derive(Serialize, Deserialize)]
struct Saved<M> {
    known: Delta,
    memory: Vec<SavedMemory<M>>,
    scaler: Option<StandardScaler>,
    changed: Vec<u32>,
}

/// A [`Memory`] without the coordinates of which nothing is remembered.
#[derive(Serialize, Deserialize)]
struct SavedMemory<M> {
    intercept: M,
    numeric: Vec<M>,
    hashed: Vec<(u32, M)>,
}

impl<M: Copy + Default + PartialEq> SavedMemory<M> {
    fn of(memory: &Memory<M>) -> Self {
        let hashed = memory.hashed.iter().enumerate().filter(|(_, memory)| **memory != M::default());
        let hashed = hashed.map(|(at, memory)| (at as u32, *memory)).collect();
        Self { intercept: memory.intercept, numeric: memory.numeric.clone(), hashed }
    }

    fn into_memory(self, coordinates: usize) -> Memory<M> {
        let mut hashed = vec![M::default(); coordinates];
        self.hashed.iter().for_each(|(at, memory)| hashed[*at as usize] = *memory);
        Memory { intercept: self.intercept, numeric: self.numeric, hashed }
    }
}
