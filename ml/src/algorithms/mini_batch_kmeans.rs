//! `mini_batch_kmeans`: clusters without labels, by mini-batch k-means (Sculley 2010).
//!
//! The first centres are chosen among the first `start` rows by greedy k-means++ (Arthur and Vassilvitskii 2007): each next one is drawn
//! with a probability by its squared distance from those chosen, and of several draws the one is taken that leaves the rows nearest to
//! some centre. Then rows are learned in batches: all rows of a batch are given to the centres as they were before it, and each centre
//! becomes the mean of the rows that came to it.
//!
//! The options are those of [`kmeans`](super::kmeans), and
//!
//! | option | default | meaning |
//! | --- | --- | --- |
//! | `start` | 500 | among how many rows the first centres are chosen, at least `k`; there is no answer before |
//! | `batch` | 100 | how many rows are learned at once |
//! | `seed` | 42 | decides the draws |
//!
//! # Formats
//! A delta and a saved replica are those of [`crate::clusters`]; a saved learner is [`Saved`] behind the version.

use crate::algorithm::{Algorithm, Recipe};
use crate::clusters::{Choice, Cluster, ClusterScorer, Delta, Known, VERSION, is_usable};
use crate::features::{FeatureColumn, FeatureLayout, FeatureView};
use crate::learner::other_state;
use crate::options::{Options, Range};
use crate::random::Random;
use crate::scaler::StandardScaler;
use crate::{Labels, Learner, Outputs, Scorer, Target};
use egret_core::{Error, Result, Subject};
use serde::{Deserialize, Serialize};

const NAME: &str = "mini_batch_kmeans";

pub(crate) struct Registered;

impl Algorithm for Registered {
    fn name(&self) -> &'static str {
        NAME
    }

    fn recipe(&self, features: &[FeatureColumn], options: &mut Options<'_>) -> Result<Box<dyn Recipe>> {
        let choice = Choice::take(features, options)?;
        let start = options.whole_number("start", 500, Range::from(1.0, 1e5))? as usize;
        let batch = options.whole_number("batch", 100, Range::from(1.0, 1e5))? as usize;
        let seed = options.whole_number("seed", 42, Range::from(0.0, f64::from(u32::MAX)))?;
        if start < choice.k {
            return Err(Error::job(format!("{NAME}: option 'start' is {start}, and there are {} clusters", choice.k))
                .help("choose the first centres among more rows than there are clusters")
                .about(Subject::Option("start".to_owned())));
        }
        Ok(Box::new(MiniBatchRecipe { choice, sizes: Sizes { start, batch, seed } }))
    }
}

#[derive(Clone, Debug)]
struct MiniBatchRecipe {
    choice: Choice,
    sizes: Sizes,
}

#[derive(Clone, Copy, Debug)]
struct Sizes {
    start: usize,
    batch: usize,
    seed: u32,
}

impl Recipe for MiniBatchRecipe {
    fn target(&self) -> Target {
        Target::Cluster
    }

    fn layout(&self) -> FeatureLayout {
        self.choice.layout()
    }

    fn learner(&self) -> Box<dyn Learner> {
        let (known, scaler) = (Known::new(&self.choice), self.choice.scaler());
        let changed = vec![false; self.choice.k];
        Box::new(MiniBatchLearner { sizes: self.sizes, known, scaler, changed, waiting: Vec::new(), point: Vec::new() })
    }

    fn describe(&self, features: &[FeatureColumn]) -> Vec<String> {
        let Sizes { start, batch, .. } = self.sizes;
        let k = self.choice.k;
        self.choice
            .describe(&format!("mini-batch k-means, {k} clusters, chosen among {start} rows, batches of {batch} rows"), features)
    }

    fn facts(&self) -> Vec<(String, String)> {
        self.choice.facts(NAME)
    }
}

struct MiniBatchLearner {
    sizes: Sizes,
    known: Known,
    scaler: Option<StandardScaler>,
    /// Which centres are in the next delta.
    changed: Vec<bool>,
    /// The rows of the batch so far.
    waiting: Vec<Vec<f64>>,
    /// The coordinates of the row at hand.
    point: Vec<f64>,
}

impl MiniBatchLearner {
    /// How many rows are learned at once.
    fn size(&self) -> usize {
        if self.known.clusters.is_empty() { self.sizes.start } else { self.sizes.batch }
    }

    fn learn_batch(&mut self) {
        let Self { known, waiting, changed, sizes, .. } = self;
        if known.clusters.is_empty() {
            known.clusters = first_centres(waiting, known.k, u64::from(sizes.seed));
        }
        let nearest: Vec<usize> = waiting.iter().filter_map(|point| Some(known.nearest(point)?.0)).collect();
        for (point, at) in waiting.drain(..).zip(nearest) {
            known.clusters[at].learn(&point);
            changed[at] = true;
        }
    }
}

/// Chooses centres among rows; fewer than `k` if there are not so many different ones. They have no rows yet.
fn first_centres(points: &[Vec<f64>], k: usize, seed: u64) -> Vec<Cluster> {
    let mut random = Random::of(seed);
    let first = Cluster::at(&points[(random.unit() * points.len() as f64) as usize]);
    let mut distances: Vec<f64> = points.iter().map(|point| first.squared_distance(point)).collect();
    let (mut centres, draws) = (vec![first], 2 + k.ilog2() as usize);
    while centres.len() < k {
        let sum: f64 = distances.iter().sum();
        if sum <= 0.0 {
            break;
        }
        let drawn = (0..draws).map(|_| draw(&distances, random.unit() * sum)).map(|at| {
            let centre = Cluster::at(&points[at]);
            let nearer = |(point, distance): (&Vec<f64>, &f64)| centre.squared_distance(point).min(*distance);
            let left: Vec<f64> = points.iter().zip(&distances).map(nearer).collect();
            (left.iter().sum::<f64>(), left, centre)
        });
        let Some((_, left, centre)) = drawn.reduce(|best, next| if next.0 < best.0 { next } else { best }) else { break };
        distances = left;
        centres.push(centre);
    }
    centres
}

/// The row at which the sum of distances goes beyond `part`; one whose distance is not 0.
fn draw(distances: &[f64], mut part: f64) -> usize {
    let mut last = 0;
    for (at, distance) in distances.iter().enumerate().filter(|(_, distance)| **distance > 0.0) {
        (last, part) = (at, part - distance);
        if part < 0.0 {
            break;
        }
    }
    last
}

impl Learner for MiniBatchLearner {
    fn learn(&mut self, rows: FeatureView<'_>, _labels: Labels<'_>) {
        for row in 0..rows.len() {
            let row = rows.row(row);
            self.scaler.iter_mut().for_each(|scaler| scaler.learn(row.0));
            self.known.space.place(row, self.scaler.as_ref().map(StandardScaler::scaling), &mut self.point);
            self.waiting.push(self.point.clone());
            if self.waiting.len() >= self.size() {
                self.learn_batch();
            }
        }
        self.known.scaling = self.scaler.as_ref().map(|scaler| scaler.scaling().clone());
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
        let (known, scaler) = (self.known.delta(|_| true), self.scaler.clone());
        let saved = Saved { known, scaler, changed: self.changed.clone(), waiting: self.waiting.clone() };
        Ok(postcard::to_extend(&saved, vec![VERSION])?)
    }

    fn load(&mut self, state: &[u8]) -> Result<()> {
        let [VERSION, rest @ ..] = state else { return Err(other_state()) };
        let saved: Saved = postcard::from_bytes(rest).map_err(|_| other_state())?;
        let mut known = self.known.empty();
        let (width, dimensions) = (known.space.numbers(), known.space.dimensions());
        let is_sound = saved.scaler.is_some() == self.scaler.is_some()
            && saved.scaler.iter().all(|scaler| scaler.is_sound(width))
            && saved.changed.len() == known.k
            && saved.waiting.iter().all(|point| point.len() == dimensions && point.iter().all(is_usable))
            && known.apply(saved.known);
        if !is_sound {
            return Err(other_state());
        }
        (self.known, self.scaler, self.changed, self.waiting) = (known, saved.scaler, saved.changed, saved.waiting);
        Ok(())
    }

    fn size_bytes(&self) -> usize {
        let waiting = self.waiting.len() * (size_of::<Vec<f64>>() + 8 * self.known.space.dimensions());
        self.known.size_bytes() + self.changed.len() + waiting
    }
}

#[derive(Serialize, Deserialize)]
struct Saved {
    known: Delta,
    scaler: Option<StandardScaler>,
    changed: Vec<bool>,
    waiting: Vec<Vec<f64>>,
}
