//! What learners of clusters have in common: the coordinates of rows, centres, and what replicas know of them.

use crate::algorithm::names_of;
use crate::features::{FeatureColumn, FeatureKind, FeatureLayout, FeatureView, LARGEST};
use crate::learner::other_state;
use crate::options::{Options, Range};
use crate::scaler::{Scaling, StandardScaler};
use crate::{Outputs, Scorer};
use egret_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// The options that all have.
#[derive(Clone, Debug)]
pub(crate) struct Choice {
    pub(crate) k: usize,
    is_scaled: bool,
    hash_bits: u32,
    space: Space,
}

impl Choice {
    /// Takes the options.
    ///
    /// # Errors
    /// One has a wrong type or value.
    pub(crate) fn take(features: &[FeatureColumn], options: &mut Options<'_>) -> Result<Self> {
        let k = options.whole_number("k", 5, Range::from(1.0, 1000.0))? as usize;
        let is_scaled = options.boolean("scale", false)?;
        let hash_bits = options.whole_number("hash_bits", 6, Range::from(1.0, 12.0))?;
        let numbers = features.iter().filter(|feature| feature.kind == FeatureKind::Numeric);
        let mut numbers: Vec<(usize, &str)> = numbers.map(|feature| feature.name.as_str()).enumerate().collect();
        numbers.sort_by_key(|(_, name)| *name);
        let by_name: Vec<usize> = numbers.into_iter().map(|(place, _)| place).collect();
        let hashed = if by_name.len() < features.len() { 1 << hash_bits } else { 0 };
        Ok(Self { k, is_scaled, hash_bits, space: Space { by_name, hashed } })
    }

    pub(crate) fn layout(&self) -> FeatureLayout {
        FeatureLayout { hash_bits: Some(self.hash_bits), has_texts: false }
    }

    /// The scaler of a learner, if numbers are scaled.
    pub(crate) fn scaler(&self) -> Option<StandardScaler> {
        self.is_scaled.then(|| StandardScaler::new(self.space.numbers()))
    }

    /// `what` learns, and what becomes of the features.
    pub(crate) fn describe(&self, what: &str, features: &[FeatureColumn]) -> Vec<String> {
        let mut lines = vec![what.to_owned()];
        if let Some(numbers) = names_of(features, FeatureKind::Numeric) {
            let scaled = if self.is_scaled { "scaled by mean and deviation" } else { "as they are" };
            lines.push(format!("numeric features, {scaled}: {numbers}"));
        }
        if let Some(categories) = names_of(features, FeatureKind::Categorical) {
            lines.push(format!("categories, hashed into {} coordinates: {categories}", self.space.hashed));
        }
        lines
    }

    pub(crate) fn facts(&self, algorithm: &str) -> Vec<(String, String)> {
        let scale = if self.is_scaled { "scaled" } else { "as they are" };
        let mut facts = vec![("algorithm", algorithm.to_owned()), ("k", self.k.to_string()), ("numbers", scale.to_owned())];
        if self.space.hashed > 0 {
            facts.push(("hash_bits", self.hash_bits.to_string()));
        }
        facts.into_iter().map(|(name, fact)| (name.to_owned(), fact)).collect()
    }
}

/// The coordinates of rows: numbers, in order of their features' names, then those of categories.
#[derive(Clone, Debug)]
pub(crate) struct Space {
    /// The places of the numbers in a row.
    by_name: Vec<usize>,
    hashed: usize,
}

impl Space {
    pub(crate) fn numbers(&self) -> usize {
        self.by_name.len()
    }

    pub(crate) fn dimensions(&self) -> usize {
        self.by_name.len() + self.hashed
    }

    /// Writes a row's coordinates; NaN where a number is missing.
    pub(crate) fn place(&self, row: (&[f64], &[u32]), scaling: Option<&Scaling>, point: &mut Vec<f64>) {
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
pub(crate) struct Cluster {
    pub(crate) rows: u64,
    /// NaN where no row had a value.
    pub(crate) centre: Vec<f64>,
}

impl Cluster {
    pub(crate) fn new(point: &[f64]) -> Self {
        Self { rows: 1, centre: point.to_vec() }
    }

    /// A centre that no row came to yet.
    pub(crate) fn at(point: &[f64]) -> Self {
        Self { rows: 0, centre: point.to_vec() }
    }

    pub(crate) fn learn(&mut self, point: &[f64]) {
        self.rows = self.rows.saturating_add(1);
        let rows = self.rows as f64;
        for (centre, &value) in self.centre.iter_mut().zip(point) {
            if centre.is_nan() || self.rows == 1 && !value.is_nan() {
                *centre = value;
            } else if !value.is_nan() {
                *centre += (value - *centre) / rows;
            }
        }
    }

    pub(crate) fn squared_distance(&self, point: &[f64]) -> f64 {
        let squares = self.centre.iter().zip(point).map(|(centre, value)| {
            let away = value - centre;
            if away.is_nan() { 0.0 } else { away * away }
        });
        squares.sum()
    }

    fn is_sound(&self, dimensions: usize) -> bool {
        self.rows > 0 && self.centre.len() == dimensions && self.centre.iter().all(is_usable)
    }
}

/// Whether a coordinate is one: missing, or of a size whose square stays finite.
pub(crate) fn is_usable(value: &f64) -> bool {
    value.is_nan() || value.abs() <= 2.0 * LARGEST
}

/// What the learner and its replicas know. The scaling is the learner's scaler's there, and here what a delta said.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) k: usize,
    pub(crate) space: Space,
    pub(crate) scaling: Option<Scaling>,
    pub(crate) clusters: Vec<Cluster>,
}

/// What changed: centres with their indexes, and the scaling, if numbers are scaled.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Delta {
    clusters: Vec<(u32, Cluster)>,
    pub(crate) scaling: Option<Scaling>,
}

impl Known {
    pub(crate) fn new(choice: &Choice) -> Self {
        let scaling = choice.is_scaled.then(|| Scaling::unknown(choice.space.numbers()));
        Self { k: choice.k, space: choice.space.clone(), scaling, clusters: Vec::new() }
    }

    /// Nothing learned, of the same sizes.
    pub(crate) fn empty(&self) -> Self {
        let scaling = self.scaling.as_ref().map(|_| Scaling::unknown(self.space.numbers()));
        Self { k: self.k, space: self.space.clone(), scaling, clusters: Vec::new() }
    }

    pub(crate) fn delta(&self, is_in: impl Fn(usize) -> bool) -> Delta {
        let clusters = self.clusters.iter().enumerate().filter(|(at, _)| is_in(*at));
        Delta { clusters: clusters.map(|(at, cluster)| (at as u32, cluster.clone())).collect(), scaling: self.scaling.clone() }
    }

    /// Takes a delta in; `false` if it is not of such a model.
    pub(crate) fn apply(&mut self, delta: Delta) -> bool {
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
    pub(crate) fn nearest(&self, point: &[f64]) -> Option<(usize, f64)> {
        let distances = self.clusters.iter().map(|cluster| cluster.squared_distance(point)).enumerate();
        distances.reduce(|best, next| if next.1 < best.1 { next } else { best })
    }

    pub(crate) fn predict(&self, rows: FeatureView<'_>, predictions: &mut Vec<f64>) {
        let mut point = Vec::with_capacity(self.space.dimensions());
        for row in 0..rows.len() {
            self.space.place(rows.row(row), self.scaling.as_ref(), &mut point);
            let nearest = self.nearest(&point);
            predictions.extend(nearest.into_iter().flat_map(|(at, square)| [at as f64, square.sqrt()]));
        }
    }

    pub(crate) fn size_bytes(&self) -> usize {
        let of_cluster = size_of::<Cluster>() + 8 * self.space.dimensions();
        size_of::<Self>() + self.clusters.len() * of_cluster + 24 * self.space.numbers()
    }
}

/// A replica of a model of clusters.
pub(crate) struct ClusterScorer {
    known: Known,
}

impl ClusterScorer {
    /// The empty replica of a model that knows this.
    pub(crate) fn new(known: &Known) -> Self {
        Self { known: known.empty() }
    }
}

impl Scorer for ClusterScorer {
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

/// The first byte of a delta, a saved learner, a saved replica.
pub(crate) const VERSION: u8 = 1;
