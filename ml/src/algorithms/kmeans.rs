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

use crate::algorithm::{Algorithm, Recipe};
use crate::clusters::{Choice, Cluster, ClusterScorer, Delta, Known, VERSION};
use crate::features::{FeatureColumn, FeatureLayout, FeatureView};
use crate::learner::other_state;
use crate::options::Options;
use crate::scaler::StandardScaler;
use crate::{Labels, Learner, Outputs, Scorer, Target};
use egret_core::Result;
use serde::{Deserialize, Serialize};

const NAME: &str = "kmeans";

pub(crate) struct Registered;

impl Algorithm for Registered {
    fn name(&self) -> &'static str {
        NAME
    }

    fn recipe(&self, features: &[FeatureColumn], options: &mut Options<'_>) -> Result<Box<dyn Recipe>> {
        Ok(Box::new(KMeansRecipe { choice: Choice::take(features, options)? }))
    }
}

#[derive(Clone, Debug)]
struct KMeansRecipe {
    choice: Choice,
}

impl Recipe for KMeansRecipe {
    fn target(&self) -> Target {
        Target::Cluster
    }

    fn layout(&self) -> FeatureLayout {
        self.choice.layout()
    }

    fn learner(&self) -> Box<dyn Learner> {
        let Choice { k, .. } = self.choice;
        let (known, scaler) = (Known::new(&self.choice), self.choice.scaler());
        Box::new(KMeansLearner { known, scaler, changed: vec![false; k], point: Vec::new() })
    }

    fn describe(&self, features: &[FeatureColumn]) -> Vec<String> {
        self.choice.describe(&format!("k-means, {} clusters", self.choice.k), features)
    }

    fn facts(&self) -> Vec<(String, String)> {
        self.choice.facts(NAME)
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
        Box::new(ClusterScorer::new(&self.known))
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

#[derive(Serialize, Deserialize)]
struct Saved {
    known: Delta,
    scaler: Option<StandardScaler>,
    changed: Vec<bool>,
}
