//! The trees of a model, which vote together.

use super::config::{Row, TreeConfig};
use super::tree::{Tree, TreeDelta};
use serde::{Deserialize, Serialize};

/// A tree and what its vote counts for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Voter {
    pub(crate) weight: f64,
    pub(crate) tree: Tree,
}

/// The trees of a model: all that it predicts by.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Voters(pub(crate) Vec<Voter>);

/// What changed: of every tree the weight, and what of it changed.
pub(crate) type VotersDelta = Vec<(f64, TreeDelta)>;

impl Voters {
    /// Trees for [`Voters::apply`] alone.
    pub(crate) fn empty(count: usize) -> Self {
        Self(vec![Voter { weight: 1.0, tree: Tree::empty() }; count])
    }

    /// Appends a probability for each of `classes` classes.
    pub(crate) fn predict(&self, row: Row<'_>, config: &TreeConfig, classes: usize, predictions: &mut Vec<f64>) {
        let first = predictions.len();
        predictions.resize(first + classes, 0.0);
        if classes == 0 {
            return;
        }
        let is_known = match &self.0[..] {
            [one] => one.tree.predict(row, config, &mut predictions[first..]),
            all => vote(all, row, config, classes, first, predictions),
        };
        if !is_known {
            predictions[first..].fill(1.0 / classes as f64);
        }
    }

    pub(crate) fn take_delta(&mut self) -> VotersDelta {
        self.0.iter_mut().map(|voter| (voter.weight, voter.tree.take_delta())).collect()
    }

    /// Everything, as a delta from nothing.
    pub(crate) fn all(&self) -> VotersDelta {
        self.0.iter().map(|voter| (voter.weight, TreeDelta::all(&voter.tree))).collect()
    }

    /// Takes a delta in; `false` if it is not of such trees, which then are as good as none.
    pub(crate) fn apply(&mut self, delta: VotersDelta, config: &TreeConfig, classes: usize) -> bool {
        self.0.len() == delta.len()
            && self.0.iter_mut().zip(delta).all(|(voter, (weight, tree))| {
                voter.weight = weight;
                is_weight(weight) && voter.tree.apply(tree, config, classes)
            })
    }

    pub(crate) fn size_bytes(&self) -> usize {
        self.0.iter().map(|voter| voter.tree.size_bytes()).sum()
    }
}

/// Whether what was read from a snapshot can be what a vote counts for.
pub(crate) fn is_weight(weight: f64) -> bool {
    weight > 0.0 && weight <= 1.0
}

/// The mean of what the trees predict, by their weights; `false` if none knows anything.
fn vote(voters: &[Voter], row: Row<'_>, config: &TreeConfig, classes: usize, first: usize, predictions: &mut Vec<f64>) -> bool {
    predictions.resize(first + 2 * classes, 0.0);
    let (sums, one) = predictions[first..].split_at_mut(classes);
    let mut total = 0.0;
    for voter in voters {
        if voter.tree.predict(row, config, one) {
            total += voter.weight;
            sums.iter_mut().zip(&*one).for_each(|(sum, one)| *sum += voter.weight * one);
        }
    }
    sums.iter_mut().for_each(|sum| *sum = (*sum / total).min(1.0));
    predictions.truncate(first + classes);
    total > 0.0
}
