//! `adaptive_random_forest`: Hoeffding trees that see rows and features at random and are replaced when they get worse, for two and for
//! more classes.
//!
//! The options of [`crate::trees::options`], where by default `grace` is 50 and `delta` 0.01, and these:
//!
//! | option | default | meaning |
//! | --- | --- | --- |
//! | `trees` | 10 | how many trees |
//! | `lambda` | 6 | how often a tree learns a row, on average |
//! | `features` | the square root of how many there are | how many features a leaf looks at |
//! | `warning`, `drift` | 0.01, 0.001 | how probable it may be that errors are taken for more where they are not: then a tree grows behind, then it takes the place |
//! | `seed` | 1 | what chance begins with |

use crate::algorithm::{Algorithm, Recipe};
use crate::features::FeatureColumn;
use crate::options::{Options, Range};
use crate::random::Poisson;
use crate::trees::forest::Forest;
use crate::trees::options::{Defaults, take};
use crate::trees::recipe::TreeRecipe;
use egret_core::Result;

pub(crate) struct Registered;

impl Algorithm for Registered {
    fn name(&self) -> &'static str {
        "adaptive_random_forest"
    }

    fn recipe(&self, features: &[FeatureColumn], options: &mut Options<'_>) -> Result<Box<dyn Recipe>> {
        let trees = options.whole_number("trees", 10, Range::from(1.0, 1000.0))? as usize;
        let lambda = options.number("lambda", 6.0, Range::above(0.0, 100.0))?;
        let root = (features.len() as f64).sqrt().round().max(1.0) as u32;
        let subset = options.whole_number("max_features", root, Range::from(1.0, 1e6))? as usize;
        let warning = options.number("warning", 0.01, Range::above(0.0, 0.5))?;
        let drift = options.number("drift", 0.001, Range::above(0.0, 0.5))?;
        let seed = u64::from(options.whole_number("seed", 1, Range::from(0.0, 4e9))?);
        // A tree may have one behind it.
        let mut options = take(features, options, &Defaults { grace: 50.0, delta: 0.01, trees: 2 * trees })?;
        options.config.subset = Some(subset);
        let method = Forest { tree: options.config.clone(), trees, seed, times: Poisson::new(lambda), warning, drift };
        let what = format!(
            "adaptive random forest of {trees} trees, {subset} features a leaf, lambda {lambda}, warning {warning}, drift {drift}, seed {seed}"
        );
        Ok(Box::new(TreeRecipe { algorithm: self.name(), options, method, what }))
    }
}
