//! `kmeans`: clusters without labels, by sequential k-means (MacQueen 1967).
//!
//! The first k rows are the centres. Every later row moves the centre that is nearest to it, the first of equals, towards it: the centre
//! is the mean of the rows that came to it. A row's answer is the index of the nearest centre, and the Euclidean distance from it.
//!
//! A number is a coordinate. A category adds 1 to one of 2^`hash_bits` coordinates that all categories share. A missing number is passed
//! over: it is in no distance, and moves no centre.
//!
//! | option | default | meaning |
//! | --- | --- | --- |
//! | `k` | 5 | how many clusters |
//! | `scale` | false | scale numbers by their running mean and deviation |
//! | `hash_bits` | 6 | categories share 2^`hash_bits` coordinates |
//!
//! # Formats
//! A delta is [`Delta`] behind a version, in postcard's encoding: the centres that changed, whole, so a delta replaces what was there. A
//! saved learner is [`Saved`] behind a version, a saved replica the [`Delta`] with everything.

use crate::algorithm::{Algorithm, Recipe, names_of};
use crate::features::{FeatureColumn, FeatureKind, FeatureLayout, FeatureView, LARGEST};
use crate::options::{Options, Range};
use crate::scaler::{Scaling, StandardScaler};
use crate::{Labels, Learner, Outputs, Scorer, Target};
use egret_core::{Error, Result};
use serde::{Deserialize, Serialize};

const NAME: &str = "kmeans";

pub(crate) struct Registered;

impl Algorithm for Registered {
    fn name(&self) -> &'static str {
        NAME
    }

    fn recipe(&self, features: &[FeatureColumn], options: &mut Options<'_>) -> Result<Box<dyn Recipe>> {
        let k = options.whole_number("k", 5, Range::from(1.0, 1000.0))? as usize;
        let is_scaled = options.boolean("scale", false)?;
        let hash_bits = options.whole_number("hash_bits", 6, Range::from(1.0, 12.0))?;
        let mut numbers: Vec<(usize, &str)> = features
            .iter()
            .filter(|feature| feature.kind == FeatureKind::Numeric)
            .map(|feature| feature.name.as_str())
            .enumerate()
            .collect();
        numbers.sort_by_key(|(_, name)| *name);
        let by_name: Vec<usize> = numbers.into_iter().map(|(place, _)| place).collect();
        let hashed = if by_name.len() < features.len() { 1 << hash_bits } else { 0 };
        Ok(Box::new(KMeansRecipe { k, is_scaled, hash_bits, space: Space { by_name, hashed } }))
    }
}

#[derive(Clone, Debug)]
struct KMeansRecipe {
    k: usize,
    is_scaled: bool,
    hash_bits: u32,
    space: Space,
}

impl Recipe for KMeansRecipe {
    fn target(&self) -> Target {
        Target::Cluster
    }

    fn layout(&self) -> FeatureLayout {
        FeatureLayout { hash_bits: Some(self.hash_bits), has_texts: false }
    }

    fn learner(&self) -> Box<dyn Learner> {
        let scaler = self.is_scaled.then(|| StandardScaler::new(self.space.numbers()));
        Box::new(KMeansLearner { known: Known::new(self), scaler, changed: vec![false; self.k], point: Vec::new() })
    }

    fn describe(&self, features: &[FeatureColumn]) -> Vec<String> {
        let mut lines = vec![format!("k-means, {} clusters", self.k)];
        if let Some(numbers) = names_of(features, FeatureKind::Numeric) {
            let scaled = if self.is_scaled { "scaled by mean and deviation" } else { "as they are" };
            lines.push(format!("numeric features, {scaled}: {numbers}"));
        }
        if let Some(categories) = names_of(features, FeatureKind::Categorical) {
            lines.push(format!("categories, hashed into {} coordinates: {categories}", self.space.hashed));
        }
        lines
    }

    fn facts(&self) -> Vec<(String, String)> {
        let scale = if self.is_scaled { "scaled" } else { "as they are" };
        let mut facts = vec![("algorithm", NAME.to_owned()), ("k", self.k.to_string()), ("numbers", scale.to_owned())];
        if self.space.hashed > 0 {
            facts.push(("hash_bits", self.hash_bits.to_string()));
        }
        facts.into_iter().map(|(name, fact)| (name.to_owned(), fact)).collect()
    }
}

/// The coordinates of rows: numbers, in order of their features' names, then those of categories.
#[derive(Clone, Debug)]
struct Space {
    /// The places of the numbers in a row.
    by_name: Vec<usize>,
    hashed: usize,
}

impl Space {
    fn numbers(&self) -> usize {
        self.by_name.len()
    }

    fn dimensions(&self) -> usize {
        self.by_name.len() + self.hashed
    }

    /// Writes a row's coordinates; NaN where a number is missing.
    fn place(&self, row: (&[f64], &[u32]), scaling: Option<&Scaling>, point: &mut Vec<f64>) {
        let (numbers, coordinates) = row;
        point.clear();
        point.extend(self.by_name.iter().map(|&at| match (scaling, numbers[at]) {
            (Some(scaling), value) if !value.is_nan() => scaling.scale(at, value).clamp(-LARGEST, LARGEST),
            (_, value) => value,
        }));
        point.resize(self.dimensions(), 0.0);
        coordinates.iter().for_each(|&at| point[self.numbers() + at as usize] += 1.0);
    }
}

/// A cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Cluster {
    rows: u64,
    /// NaN where no row had a value.
    centre: Vec<f64>,
}

impl Cluster {
    fn new(point: &[f64]) -> Self {
        Self { rows: 1, centre: point.to_vec() }
    }

    fn learn(&mut self, point: &[f64]) {
        self.rows = self.rows.saturating_add(1);
        let rows = self.rows as f64;
        for (centre, &value) in self.centre.iter_mut().zip(point) {
            if centre.is_nan() {
                *centre = value;
            } else if !value.is_nan() {
                *centre += (value - *centre) / rows;
            }
        }
    }

    fn squared_distance(&self, point: &[f64]) -> f64 {
        let squares = self.centre.iter().zip(point).map(|(centre, value)| {
            let away = value - centre;
            if away.is_nan() { 0.0 } else { away * away }
        });
        squares.sum()
    }

    fn is_sound(&self, dimensions: usize) -> bool {
        let is_usable = |value: &f64| value.is_nan() || value.abs() <= 2.0 * LARGEST;
        self.rows > 0 && self.centre.len() == dimensions && self.centre.iter().all(is_usable)
    }
}

/// What the learner and its replicas know. The scaling is the learner's scaler's there, and here what a delta said.
#[derive(Clone, Debug)]
struct Known {
    k: usize,
    space: Space,
    scaling: Option<Scaling>,
    clusters: Vec<Cluster>,
}

/// What changed: centres with their indexes, and the scaling, if numbers are scaled.
#[derive(Debug, Serialize, Deserialize)]
struct Delta {
    clusters: Vec<(u32, Cluster)>,
    scaling: Option<Scaling>,
}

impl Known {
    fn new(recipe: &KMeansRecipe) -> Self {
        let scaling = recipe.is_scaled.then(|| Scaling::unknown(recipe.space.numbers()));
        Self { k: recipe.k, space: recipe.space.clone(), scaling, clusters: Vec::new() }
    }

    /// Nothing learned, of the same sizes.
    fn empty(&self) -> Self {
        let scaling = self.scaling.as_ref().map(|_| Scaling::unknown(self.space.numbers()));
        Self { k: self.k, space: self.space.clone(), scaling, clusters: Vec::new() }
    }

    fn delta(&self, is_in: impl Fn(usize) -> bool) -> Delta {
        let clusters = self.clusters.iter().enumerate().filter(|(at, _)| is_in(*at));
        Delta { clusters: clusters.map(|(at, cluster)| (at as u32, cluster.clone())).collect(), scaling: self.scaling.clone() }
    }

    /// Takes a delta in; `false` if it is not of such a model.
    fn apply(&mut self, delta: Delta) -> bool {
        let width = self.space.numbers();
        let is_sound = |scaling: &Scaling| {
            let is_usable = |values: &[f64]| values.len() == width && values.iter().all(|value| value.is_finite());
            is_usable(&scaling.mean) && is_usable(&scaling.deviation)
        };
        if delta.scaling.is_some() != self.scaling.is_some() || !delta.scaling.iter().all(is_sound) {
            return false;
        }
        self.scaling = delta.scaling;
        for (at, cluster) in delta.clusters {
            let at = at as usize;
            if at >= self.k || at > self.clusters.len() || !cluster.is_sound(self.space.dimensions()) {
                return false;
            }
            match self.clusters.get_mut(at) {
                Some(known) => *known = cluster,
                None => self.clusters.push(cluster),
            }
        }
        true
    }

    /// The nearest cluster, and the square of the distance from it; `None` if there is none.
    fn nearest(&self, point: &[f64]) -> Option<(usize, f64)> {
        let distances = self.clusters.iter().map(|cluster| cluster.squared_distance(point)).enumerate();
        distances.reduce(|best, next| if next.1 < best.1 { next } else { best })
    }

    fn predict(&self, rows: FeatureView<'_>, predictions: &mut Vec<f64>) {
        let mut point = Vec::with_capacity(self.space.dimensions());
        for row in 0..rows.len() {
            self.space.place(rows.row(row), self.scaling.as_ref(), &mut point);
            let nearest = self.nearest(&point);
            predictions.extend(nearest.into_iter().flat_map(|(at, square)| [at as f64, square.sqrt()]));
        }
    }

    fn size_bytes(&self) -> usize {
        let of_cluster = size_of::<Cluster>() + 8 * self.space.dimensions();
        size_of::<Self>() + self.clusters.len() * of_cluster + 24 * self.space.numbers()
    }
}

struct KMeansLearner {
    known: Known,
    /// Its scaling is copied to what is known when rows were learned.
    scaler: Option<StandardScaler>,
    /// Which centres are in the next delta.
    changed: Vec<bool>,
    /// The coordinates of the row at hand.
    point: Vec<f64>,
}

impl Learner for KMeansLearner {
    fn learn(&mut self, rows: FeatureView<'_>, _labels: Labels<'_>) {
        let Self { known, scaler, changed, point } = self;
        for row in 0..rows.len() {
            let row = rows.row(row);
            scaler.iter_mut().for_each(|scaler| scaler.learn(row.0));
            known.space.place(row, scaler.as_ref().map(StandardScaler::scaling), point);
            let at = match known.nearest(point) {
                Some((nearest, _)) if known.clusters.len() == known.k => {
                    known.clusters[nearest].learn(point);
                    nearest
                }
                _ => {
                    known.clusters.push(Cluster::new(point));
                    known.clusters.len() - 1
                }
            };
            changed[at] = true;
        }
        known.scaling = scaler.as_ref().map(|scaler| scaler.scaling().clone());
    }

    fn predict(&self, rows: FeatureView<'_>, predictions: &mut Vec<f64>) {
        self.known.predict(rows, predictions);
    }

    fn outputs(&self) -> Outputs<'_> {
        Outputs::Clusters(self.known.clusters.len())
    }

    fn take_delta(&mut self) -> Vec<u8> {
        let delta = self.known.delta(|at| self.changed[at]);
        self.changed.fill(false);
        postcard::to_extend(&delta, vec![VERSION]).expect("a buffer that grows takes any delta")
    }

    fn scorer(&self) -> Box<dyn Scorer> {
        Box::new(KMeansScorer { known: self.known.empty() })
    }

    fn save(&self) -> Result<Vec<u8>> {
        let saved = Saved { known: self.known.delta(|_| true), scaler: self.scaler.clone(), changed: self.changed.clone() };
        Ok(postcard::to_extend(&saved, vec![VERSION])?)
    }

    fn load(&mut self, state: &[u8]) -> Result<()> {
        let [VERSION, rest @ ..] = state else { return Err(other_state()) };
        let saved: Saved = postcard::from_bytes(rest).map_err(|_| other_state())?;
        let mut known = self.known.empty();
        let width = known.space.numbers();
        let is_sound = saved.scaler.is_some() == self.scaler.is_some()
            && saved.scaler.iter().all(|scaler| scaler.is_sound(width))
            && saved.changed.len() == known.k
            && known.apply(saved.known);
        if !is_sound {
            return Err(other_state());
        }
        (self.known, self.scaler, self.changed) = (known, saved.scaler, saved.changed);
        Ok(())
    }

    fn size_bytes(&self) -> usize {
        self.known.size_bytes() + self.changed.len() + 8 * self.point.capacity()
    }
}

struct KMeansScorer {
    known: Known,
}

impl Scorer for KMeansScorer {
    fn apply(&mut self, delta: &[u8]) -> Result<()> {
        let damaged = || Error::bug("an update of a model is damaged or of another model");
        let [VERSION, rest @ ..] = delta else { return Err(damaged()) };
        let delta: Delta = postcard::from_bytes(rest).map_err(|_| damaged())?;
        if self.known.apply(delta) { Ok(()) } else { Err(damaged()) }
    }

    fn predict(&self, rows: FeatureView<'_>, predictions: &mut Vec<f64>) {
        self.known.predict(rows, predictions);
    }

    fn outputs(&self) -> Outputs<'_> {
        Outputs::Clusters(self.known.clusters.len())
    }

    fn save(&self) -> Result<Vec<u8>> {
        Ok(postcard::to_extend(&self.known.delta(|_| true), vec![VERSION])?)
    }

    fn load(&mut self, state: &[u8]) -> Result<()> {
        let [VERSION, rest @ ..] = state else { return Err(other_state()) };
        let mut known = self.known.empty();
        if !known.apply(postcard::from_bytes(rest).map_err(|_| other_state())?) {
            return Err(other_state());
        }
        self.known = known;
        Ok(())
    }

    fn size_bytes(&self) -> usize {
        self.known.size_bytes()
    }
}

fn other_state() -> Error {
    Error::state("the state of a model is damaged or of another model")
}

/// The first byte of a delta, a saved learner, a saved replica.
const VERSION: u8 = 1;

#[derive(Serialize, Deserialize)]
struct Saved {
    known: Delta,
    scaler: Option<StandardScaler>,
    changed: Vec<bool>,
}
