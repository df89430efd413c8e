//! `half_space_trees`: how unusual a row is, without labels. The trees are in [`crate::half_space`].
//!
//! The rows learned are counted at the leaves, window after window. A row's score is 1 less how usual its leaves were in the last whole
//! window, as a share of the most that could be: from 0 to 1, and 0 for every row before the first window is whole.
//!
//! | option | default | meaning |
//! | --- | --- | --- |
//! | `trees` | 25 | how many trees |
//! | `height` | 8 | how often each halves the space: it has 2^`height` leaves |
//! | `window` | 250 | after how many rows what was counted comes into use |
//! | `seed` | 42 | where the space is halved |
//!
//! # Formats
//! A delta is [`Delta`] behind a version, in postcard's encoding; what has changed is in it whole, so a delta replaces what was there. A
//! saved learner is [`Saved`] behind a version, a saved replica the [`Delta`] with everything.

use crate::algorithm::{Algorithm, Recipe, names_of};
use crate::features::{FeatureColumn, FeatureKind, FeatureLayout, FeatureView};
use crate::half_space::{Forest, HASH_BITS, Ranges, Usual};
use crate::learner::other_state;
use crate::options::{Options, Range};
use crate::{Labels, Learner, Outputs, Scorer, Target};
use egret_core::{Error, Result};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

const NAME: &str = "half_space_trees";

pub(crate) struct Registered;

impl Algorithm for Registered {
    fn name(&self) -> &'static str {
        NAME
    }

    fn recipe(&self, features: &[FeatureColumn], options: &mut Options<'_>) -> Result<Box<dyn Recipe>> {
        let trees = options.whole_number("trees", 25, Range::from(1.0, 500.0))?;
        let height = options.whole_number("height", 8, Range::from(1.0, 12.0))?;
        let window = options.whole_number("window", 250, Range::from(1.0, 1e6))?;
        let seed = options.whole_number("seed", 42, Range::from(0.0, f64::from(u32::MAX)))?;
        let forest = Arc::new(Forest::new(features, trees as usize, height, u64::from(seed)));
        Ok(Box::new(HalfSpaceRecipe { forest, window, seed }))
    }
}

#[derive(Clone, Debug)]
struct HalfSpaceRecipe {
    forest: Arc<Forest>,
    window: u32,
    seed: u32,
}

impl Recipe for HalfSpaceRecipe {
    fn target(&self) -> Target {
        Target::Anomaly
    }

    fn layout(&self) -> FeatureLayout {
        FeatureLayout { hash_bits: Some(HASH_BITS), has_texts: false }
    }

    fn learner(&self) -> Box<dyn Learner> {
        let nodes = self.forest.trees() * self.forest.leaves();
        Box::new(HalfSpaceLearner { known: Known::new(self), counted: vec![0; nodes], rows: 0, changed: Changed::default() })
    }

    fn describe(&self, features: &[FeatureColumn]) -> Vec<String> {
        let (trees, height) = (self.forest.trees(), self.forest.height());
        let mut lines = vec![format!("{trees} half-space trees of height {height}, windows of {} rows", self.window)];
        if let Some(numbers) = names_of(features, FeatureKind::Numeric) {
            lines.push(format!("numeric features, scaled by the least and the greatest value: {numbers}"));
        }
        if let Some(categories) = names_of(features, FeatureKind::Categorical) {
            lines.push(format!("categories, at other places in every tree: {categories}"));
        }
        lines
    }

    fn facts(&self) -> Vec<(String, String)> {
        let facts = [
            ("algorithm", NAME.to_owned()),
            ("trees", self.forest.trees().to_string()),
            ("height", self.forest.height().to_string()),
            ("window", self.window.to_string()),
            ("seed", self.seed.to_string()),
        ];
        facts.map(|(name, fact)| (name.to_owned(), fact)).to_vec()
    }
}

/// What the learner and its replicas know.
#[derive(Clone, Debug)]
struct Known {
    forest: Arc<Forest>,
    window: u32,
    ranges: Ranges,
    usual: Usual,
}

/// What changed, whole.
#[derive(Debug, Serialize, Deserialize)]
struct Delta {
    ranges: Option<Ranges>,
    /// The rows of the last whole window, at every leaf.
    leaves: Option<Vec<u32>>,
}

impl Known {
    fn new(recipe: &HalfSpaceRecipe) -> Self {
        let forest = Arc::clone(&recipe.forest);
        let (ranges, usual) = (Ranges::unknown(forest.numbers()), Usual::unknown(&forest));
        Self { window: recipe.window, ranges, usual, forest }
    }

    fn delta(&self, changed: Changed) -> Delta {
        let leaves = || self.usual.leaves().to_vec();
        Delta { ranges: changed.ranges.then(|| self.ranges.clone()), leaves: changed.usual.then(leaves) }
    }

    /// Everything.
    fn all(&self) -> Delta {
        self.delta(Changed { ranges: true, usual: !self.usual.leaves().is_empty() })
    }

    /// Takes a delta in; `false` if it is not of such a model.
    fn apply(&mut self, delta: Delta) -> bool {
        if delta.ranges.as_ref().is_some_and(|ranges| !ranges.is_sound(self.forest.numbers())) {
            return false;
        }
        if delta.leaves.as_ref().is_some_and(|leaves| !self.is_window(leaves, self.window)) {
            return false;
        }
        if let Some(ranges) = delta.ranges {
            self.ranges = ranges;
        }
        if let Some(leaves) = delta.leaves {
            self.usual = Usual::of(leaves, &self.forest, self.window);
        }
        true
    }

    /// Whether so many rows came to the leaves of every tree.
    fn is_window(&self, leaves: &[u32], rows: u32) -> bool {
        let sum = |leaves: &[u32]| leaves.iter().map(|rows| u64::from(*rows)).sum::<u64>();
        let of_tree = self.forest.leaves();
        leaves.len() == self.forest.trees() * of_tree && leaves.chunks_exact(of_tree).all(|tree| sum(tree) == u64::from(rows))
    }

    fn predict(&self, rows: FeatureView<'_>, predictions: &mut Vec<f64>) {
        let first = predictions.len();
        predictions.resize(first + rows.len(), 0.0);
        if self.usual.leaves().is_empty() {
            return;
        }
        let scores = &mut predictions[first..];
        // Sums of whole numbers below 2^53 are exact in any order.
        self.forest.descend(
            rows,
            &self.usual,
            |row, scaled| self.ranges.scale(row, scaled),
            |tree, row, leaf| scores[row] += self.usual.score(tree, leaf) as f64,
        );
        let most = (self.forest.trees() as u64 * u64::from(self.window) * (2 * self.forest.leaves() as u64 - 1)) as f64;
        scores.iter_mut().for_each(|score| *score = 1.0 - *score / most);
    }

    fn size_bytes(&self) -> usize {
        size_of::<Self>() + self.ranges.size_bytes() + self.usual.size_bytes() + self.forest.size_bytes()
    }
}

/// What the next delta has.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Changed {
    ranges: bool,
    usual: bool,
}

struct HalfSpaceLearner {
    known: Known,
    /// The rows of the window so far, at every leaf.
    counted: Vec<u32>,
    rows: u32,
    changed: Changed,
}

impl HalfSpaceLearner {
    /// Counts rows that do not go beyond the window.
    fn count(&mut self, rows: FeatureView<'_>) {
        let Self { known: Known { forest, ranges, usual, .. }, counted, rows: so_far, changed } = self;
        let of_tree = forest.leaves();
        let scale = |row: &[f64], scaled: &mut Vec<f32>| {
            changed.ranges |= ranges.learn(row);
            ranges.scale(row, scaled);
        };
        forest.descend(rows, usual, scale, |tree, _, leaf| counted[tree * of_tree + leaf] += 1);
        *so_far += rows.len() as u32;
    }
}

impl Learner for HalfSpaceLearner {
    fn learn(&mut self, rows: FeatureView<'_>, _labels: Labels<'_>) {
        let mut start = 0;
        while start < rows.len() {
            let end = rows.len().min(start + (self.known.window - self.rows) as usize);
            self.count(rows.slice(start, end));
            if self.rows == self.known.window {
                let nothing = vec![0; self.counted.len()];
                let leaves = std::mem::replace(&mut self.counted, nothing);
                self.known.usual = Usual::of(leaves, &self.known.forest, self.known.window);
                (self.rows, self.changed.usual) = (0, true);
            }
            start = end;
        }
    }

    fn predict(&self, rows: FeatureView<'_>, predictions: &mut Vec<f64>) {
        self.known.predict(rows, predictions);
    }

    fn outputs(&self) -> Outputs<'_> {
        Outputs::Score
    }

    fn take_delta(&mut self) -> Vec<u8> {
        let delta = self.known.delta(std::mem::take(&mut self.changed));
        postcard::to_extend(&delta, vec![VERSION]).expect("a buffer that grows takes any delta")
    }

    fn scorer(&self) -> Box<dyn Scorer> {
        let Known { forest, window, .. } = &self.known;
        let (ranges, usual) = (Ranges::unknown(forest.numbers()), Usual::unknown(forest));
        Box::new(HalfSpaceScorer { known: Known { forest: Arc::clone(forest), window: *window, ranges, usual } })
    }

    fn save(&self) -> Result<Vec<u8>> {
        let saved = Saved { known: self.known.all(), counted: self.counted.clone(), rows: self.rows, changed: self.changed };
        Ok(postcard::to_extend(&saved, vec![VERSION])?)
    }

    fn load(&mut self, state: &[u8]) -> Result<()> {
        let [VERSION, rest @ ..] = state else { return Err(other_state()) };
        let saved: Saved = postcard::from_bytes(rest).map_err(|_| other_state())?;
        let mut known = self.known.clone();
        known.usual = Usual::unknown(&known.forest);
        let is_sound = saved.rows < known.window && known.is_window(&saved.counted, saved.rows) && known.apply(saved.known);
        if !is_sound || saved.changed.usual && known.usual.leaves().is_empty() {
            return Err(other_state());
        }
        *self = Self { known, counted: saved.counted, rows: saved.rows, changed: saved.changed };
        Ok(())
    }

    fn size_bytes(&self) -> usize {
        self.known.size_bytes() + 4 * self.counted.len()
    }
}

struct HalfSpaceScorer {
    known: Known,
}

impl Scorer for HalfSpaceScorer {
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
        Outputs::Score
    }

    fn save(&self) -> Result<Vec<u8>> {
        Ok(postcard::to_extend(&self.known.all(), vec![VERSION])?)
    }

    fn load(&mut self, state: &[u8]) -> Result<()> {
        let [VERSION, rest @ ..] = state else { return Err(other_state()) };
        let delta: Delta = postcard::from_bytes(rest).map_err(|_| other_state())?;
        let mut known = self.known.clone();
        known.usual = Usual::unknown(&known.forest);
        if delta.ranges.is_none() || !known.apply(delta) {
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
const VERSION: u8 = 1;

#[derive(Serialize, Deserialize)]
struct Saved {
    known: Delta,
    /// The window that is not whole yet.
    counted: Vec<u32>,
    rows: u32,
    changed: Changed,
}
