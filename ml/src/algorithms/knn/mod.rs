//! `knn`: the share of each class among the rows most like this one, of the last `window` rows.
//!
//! The distance of two rows is the squared Euclidean one of their scaled numbers, plus 1 for every category that differs. Numbers are
//! scaled by the statistics at the time at which the row was learned; a missing one counts as the mean. Of rows at one distance the
//! older comes first.
//!
//! | option | default | meaning |
//! | --- | --- | --- |
//! | `k` | 5 | how many of the nearest rows are counted |
//! | `window` | 1000 | among how many of the last rows they are looked for |
//! | `weighted` | false | count each by 1 over its distance; if some are at distance 0, only these |
//!
//! # Formats
//! A delta is [`Delta`] behind a version, in postcard's encoding: the names of all classes, the scaling, and the rows learned since the
//! last one, at most a window of them. A saved replica is the delta from nothing; a saved learner is [`Saved`] behind a version.

mod window;

use crate::algorithm::{Algorithm, Recipe, names_of};
use crate::features::{FeatureColumn, FeatureKind, FeatureLayout, FeatureView};
use crate::learner::other_state;
use crate::options::{Options, Range};
use crate::scaler::{Scaling, StandardScaler};
use crate::{Labels, Learner, Outputs, Scorer, Target};
use egret_core::{Error, Result};
use serde::{Deserialize, Serialize};
use window::{Rows, Window};

const NAME: &str = "knn";

/// Categories are told apart by a hash of so many bits.
const HASH_BITS: u32 = 31;

pub(crate) struct Registered;

impl Algorithm for Registered {
    fn name(&self) -> &'static str {
        NAME
    }

    fn recipe(&self, features: &[FeatureColumn], options: &mut Options<'_>) -> Result<Box<dyn Recipe>> {
        let of_kind = |kind| features.iter().filter(|feature| feature.kind == kind).count();
        Ok(Box::new(NeighbourRecipe {
            nearest: options.whole_number("k", 5, Range::from(1.0, 1_000.0))? as usize,
            window: options.whole_number("window", 1_000, Range::from(1.0, 1e6))? as usize,
            is_weighted: options.boolean("weighted", false)?,
            numbers: of_kind(FeatureKind::Numeric),
            categories: of_kind(FeatureKind::Categorical),
        }))
    }
}

/// The options, and how many features there are of each kind.
#[derive(Clone, Copy, Debug)]
struct NeighbourRecipe {
    nearest: usize,
    window: usize,
    is_weighted: bool,
    numbers: usize,
    categories: usize,
}

impl NeighbourRecipe {
    /// What a row counts, by its squared distance and that of the nearest.
    fn weight(&self, distance: f64, first: f64) -> f64 {
        match self.is_weighted {
            false => 1.0,
            true if first == 0.0 => f64::from(u8::from(distance == 0.0)),
            true => 1.0 / distance.sqrt(),
        }
    }
}

impl Recipe for NeighbourRecipe {
    fn target(&self) -> Target {
        Target::Class
    }

    fn layout(&self) -> FeatureLayout {
        FeatureLayout { hash_bits: Some(HASH_BITS), has_texts: false }
    }

    fn learner(&self) -> Box<dyn Learner> {
        let (known, scaler) = (Known::new(self), StandardScaler::new(self.numbers));
        Box::new(NeighbourLearner { known, scaler, scaled: vec![0.0; self.numbers], fresh: 0 })
    }

    fn describe(&self, features: &[FeatureColumn]) -> Vec<String> {
        let mut lines = vec![format!(
            "the {} nearest of the last {} rows{}",
            self.nearest,
            self.window,
            if self.is_weighted { ", by their distance" } else { "" }
        )];
        if let Some(numbers) = names_of(features, FeatureKind::Numeric) {
            lines.push(format!("numeric features, scaled: {numbers}"));
        }
        if let Some(categories) = names_of(features, FeatureKind::Categorical) {
            lines.push(format!("categories, equal or not: {categories}"));
        }
        lines
    }

    /// How many are counted may change, and how long the window is, too: a longer one fills up.
    fn facts(&self) -> Vec<(String, String)> {
        vec![("algorithm".to_owned(), NAME.to_owned())]
    }
}

/// What the learner and its replicas know, apart from the statistics of the numbers.
#[derive(Clone, Debug)]
struct Known {
    recipe: NeighbourRecipe,
    names: Vec<String>,
    window: Window,
}

impl Known {
    fn new(recipe: &NeighbourRecipe) -> Self {
        let window = Window::new(recipe.window, recipe.numbers, recipe.categories);
        Self { recipe: *recipe, names: Vec::new(), window }
    }

    fn class(&mut self, name: &str) -> u32 {
        let known = self.names.iter().position(|known| known == name);
        known.unwrap_or_else(|| {
            self.names.push(name.to_owned());
            self.names.len() - 1
        }) as u32
    }

    /// The last rows that were learned, as a delta.
    fn delta(&self, rows: usize, scaling: &Scaling) -> Delta {
        Delta { names: self.names.clone(), scaling: scaling.clone(), rows: self.window.last(rows) }
    }

    /// Takes a delta in; `None` if it is not of such a model, otherwise the scaling.
    fn apply(&mut self, delta: Delta) -> Option<Scaling> {
        let Delta { names, scaling, rows } = delta;
        let NeighbourRecipe { numbers, categories, .. } = self.recipe;
        let is_sound = names.starts_with(&self.names)
            && [scaling.mean.len(), scaling.deviation.len()] == [numbers; 2]
            && rows.is_sound(numbers, categories, names.len());
        if !is_sound {
            return None;
        }
        self.names = names;
        self.window.extend(&rows);
        Some(scaling)
    }

    /// Appends a probability a class for every row.
    fn predict(&self, scaling: &Scaling, rows: FeatureView<'_>, predictions: &mut Vec<f64>) {
        let (mut scaled, mut nearest) = (vec![0.0; self.recipe.numbers], Vec::with_capacity(self.recipe.nearest + 1));
        for row in 0..rows.len() {
            let (numbers, categories) = rows.row(row);
            scaling.scale_row(numbers, &mut scaled);
            self.window.nearest(&scaled, categories, self.recipe.nearest, &mut nearest);
            let first = predictions.len();
            predictions.resize(first + self.names.len(), 0.0);
            let shares = &mut predictions[first..];
            let first = nearest.first().map_or(0.0, |first| first.0);
            let mut all = 0.0;
            for (distance, class) in &nearest {
                let weight = self.recipe.weight(*distance, first);
                shares[*class as usize] += weight;
                all += weight;
            }
            shares.iter_mut().filter(|_| all > 0.0).for_each(|share| *share /= all);
        }
    }

    fn size_bytes(&self) -> usize {
        size_of::<Self>() + self.window.size_bytes() + self.names.iter().map(|name| name.len() + 24).sum::<usize>()
    }
}

struct NeighbourLearner {
    known: Known,
    scaler: StandardScaler,
    /// The numbers of the row at hand.
    scaled: Vec<f64>,
    /// How many rows were learned since the last delta, if not more than a window of them.
    fresh: usize,
}

impl Learner for NeighbourLearner {
    fn learn(&mut self, rows: FeatureView<'_>, labels: Labels<'_>) {
        assert_eq!(rows.len(), labels.len(), "a label a row");
        for (row, name) in labels.classes().iter().enumerate() {
            let Some(name) = name else { continue };
            let (numbers, categories) = rows.row(row);
            self.scaler.learn(numbers);
            self.scaler.scaling().scale_row(numbers, &mut self.scaled);
            let class = self.known.class(name);
            self.known.window.push(&self.scaled, categories, class);
            self.fresh = (self.fresh + 1).min(self.known.recipe.window);
        }
    }

    fn predict(&self, rows: FeatureView<'_>, predictions: &mut Vec<f64>) {
        self.known.predict(self.scaler.scaling(), rows, predictions);
    }

    fn outputs(&self) -> Outputs<'_> {
        Outputs::Classes(&self.known.names)
    }

    fn take_delta(&mut self) -> Vec<u8> {
        let delta = self.known.delta(std::mem::take(&mut self.fresh), self.scaler.scaling());
        postcard::to_extend(&delta, vec![VERSION]).expect("a buffer that grows takes any delta")
    }

    fn scorer(&self) -> Box<dyn Scorer> {
        let (known, scaling) = (Known::new(&self.known.recipe), Scaling::unknown(self.known.recipe.numbers));
        Box::new(NeighbourScorer { known, scaling })
    }

    fn save(&self) -> Result<Vec<u8>> {
        let known = self.known.delta(self.known.window.len(), self.scaler.scaling());
        let saved = Saved { known, scaler: self.scaler.clone(), fresh: self.fresh as u64 };
        Ok(postcard::to_extend(&saved, vec![VERSION])?)
    }

    fn load(&mut self, state: &[u8]) -> Result<()> {
        let [VERSION, rest @ ..] = state else { return Err(other_state()) };
        let saved: Saved = postcard::from_bytes(rest).map_err(|_| other_state())?;
        let mut known = Known::new(&self.known.recipe);
        if !saved.scaler.is_sound(known.recipe.numbers) || known.apply(saved.known).is_none() {
            return Err(other_state());
        }
        self.fresh = usize::try_from(saved.fresh).unwrap_or(usize::MAX).min(known.window.len());
        (self.known, self.scaler) = (known, saved.scaler);
        Ok(())
    }

    fn size_bytes(&self) -> usize {
        self.known.size_bytes() + 5 * 8 * self.scaled.len()
    }
}

struct NeighbourScorer {
    known: Known,
    scaling: Scaling,
}

impl Scorer for NeighbourScorer {
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
        let known = self.known.delta(self.known.window.len(), &self.scaling);
        Ok(postcard::to_extend(&known, vec![VERSION])?)
    }

    fn load(&mut self, state: &[u8]) -> Result<()> {
        let [VERSION, rest @ ..] = state else { return Err(other_state()) };
        let mut known = Known::new(&self.known.recipe);
        self.scaling = known.apply(postcard::from_bytes(rest).map_err(|_| other_state())?).ok_or_else(other_state)?;
        self.known = known;
        Ok(())
    }

    fn size_bytes(&self) -> usize {
        self.known.size_bytes() + 2 * 8 * self.known.recipe.numbers
    }
}

/// The first byte of a delta, a saved learner, a saved replica.
const VERSION: u8 = 1;

/// All names of classes, how numbers are scaled, and the rows learned since the last delta.
#[derive(Debug, Serialize, Deserialize)]
struct Delta {
    names: Vec<String>,
    scaling: Scaling,
    rows: Rows,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    known: Delta,
    scaler: StandardScaler,
    /// How many of the rows the next delta has.
    fresh: u64,
}
