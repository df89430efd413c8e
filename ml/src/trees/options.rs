//! The options that all learners of trees have, and what `explain` says of them.
//!
//! | option | meaning |
//! | --- | --- |
//! | `grace` | a leaf looks for a split each time it has learned so many rows more |
//! | `delta` | how probable it may be that a split is not the best one |
//! | `tau` | splits that are closer than this are as good as each other: one of them is made |
//! | `leaf` | how a leaf predicts: `'majority'`, `'naive_bayes'`, or `'adaptive'`: whichever of the two was right more often there, naive Bayes if they are equal |
//! | `split_points` | how many thresholds are tried for a number |
//! | `max_share` | a leaf is not split while one class has more than this share of its rows |
//! | `max_depth` | leaves are not deeper |
//! | `max_bytes` | the memory of a model's trees: beyond it the leaves of least promise learn only how often each class comes |
//! | `max_categories` | how many different values of a category are told apart |

use super::config::{LeafKind, TreeConfig};
use super::order::FeatureOrder;
use crate::algorithm::names_of;
use crate::features::{FeatureColumn, FeatureKind};
use crate::options::{Options, Range, nearest};
use egret_core::{Error, Result, Subject};

/// What the options were taken for.
#[derive(Clone, Debug)]
pub(crate) struct TreeOptions {
    pub(crate) config: TreeConfig,
    pub(crate) order: FeatureOrder,
    pub(crate) max_categories: usize,
}

/// The options where the user gives none, and among how many trees the memory is shared.
pub(crate) struct Defaults {
    pub(crate) grace: f64,
    pub(crate) delta: f64,
    pub(crate) trees: usize,
}

const LEAVES: [(&str, LeafKind); 3] =
    [("adaptive", LeafKind::Adaptive), ("majority", LeafKind::Majority), ("naive_bayes", LeafKind::Bayes)];

pub(crate) fn take(features: &[FeatureColumn], options: &mut Options<'_>, defaults: &Defaults) -> Result<TreeOptions> {
    let of_kind = |kind| features.iter().filter(|feature| feature.kind == kind).count();
    let max_bytes = options.number("max_bytes", 100e6, Range::from(1.0, 1e15))?;
    let config = TreeConfig {
        numbers: of_kind(FeatureKind::Numeric),
        categories: of_kind(FeatureKind::Categorical),
        grace: options.number("grace", defaults.grace, Range::from(1.0, 1e9))?,
        delta: options.number("delta", defaults.delta, Range::above(0.0, 0.5))?,
        tau: options.number("tau", 0.05, Range::from(0.0, 1.0))?,
        leaf: take_leaf(options)?,
        split_points: options.whole_number("split_points", 10, Range::from(1.0, 1000.0))? as usize,
        max_share: options.number("max_share", 0.995, Range::above(0.0, 1.0))?,
        max_depth: options.whole_number("max_depth", 1000, Range::from(0.0, 1e6))?,
        subset: None,
        max_bytes: (max_bytes / defaults.trees as f64) as usize,
    };
    let max_categories = options.whole_number("max_categories", 10_000, Range::from(1.0, 1e7))? as usize;
    Ok(TreeOptions { config, order: FeatureOrder::of(features), max_categories })
}

fn take_leaf(options: &mut Options<'_>) -> Result<LeafKind> {
    let Some(name) = options.text("leaf")? else { return Ok(LeafKind::Adaptive) };
    let lower = name.to_lowercase();
    LEAVES.iter().find(|leaf| leaf.0 == lower).map(|leaf| leaf.1).ok_or_else(|| {
        let names = LEAVES.map(|leaf| leaf.0);
        Error::job(format!("there is no leaf '{name}'"))
            .help(nearest(&lower, &names, "the leaves are"))
            .about(Subject::Option("leaf".to_owned()))
    })
}

impl TreeOptions {
    /// What `explain` says: `what` first, then how trees grow, then what becomes of the features.
    pub(crate) fn describe(&self, what: String, features: &[FeatureColumn]) -> Vec<String> {
        let TreeConfig { grace, delta, tau, leaf, split_points, .. } = self.config;
        let leaf = LEAVES.iter().find(|known| known.1 == leaf).map_or("", |known| known.0);
        let mut lines = vec![what, format!("a leaf ({leaf}) looks for a split every {grace} rows, delta {delta}, tau {tau}")];
        if let Some(numbers) = names_of(features, FeatureKind::Numeric) {
            lines.push(format!("numeric features, split at one of {split_points} thresholds: {numbers}"));
        }
        if let Some(categories) = names_of(features, FeatureKind::Categorical) {
            lines.push(format!(
                "categories, split into one value and the others, {} values at most: {categories}",
                self.max_categories
            ));
        }
        lines
    }
}
