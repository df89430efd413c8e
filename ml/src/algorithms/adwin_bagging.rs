//! `adwin_bagging`: Hoeffding trees that learn each row about once; when errors become more, the tree with the most begins anew. For
//! two and for more classes.
//!
//! The options of [`crate::trees::options`], with the defaults of `hoeffding_tree`, and these:
//!
//! | option | default | meaning |
//! | --- | --- | --- |
//! | `trees` | 10 | how many trees |
//! | `lambda` | 1 | how often a tree learns a row, on average |
//! | `drift` | 0.002 | how probable it may be that errors are taken for more where they are not |
//! | `seed` | 1 | what chance begins with |

use crate::algorithm::{Algorithm, Recipe};
use crate::features::FeatureColumn;
use crate::options::{Options, Range};
use crate::random::Poisson;
use crate::trees::bagging::Bagging;
use crate::trees::options::{Defaults, take};
use crate::trees::recipe::TreeRecipe;
use egret_core::Result;

pub(crate) struct Registered;

impl Algorithm for Registered {
    fn name(&self) -> &'static str {
        "adwin_bagging"
    }

    fn recipe(&self, features: &[FeatureColumn], options: &mut Options<'_>) -> Result<Box<dyn Recipe>> {
        let trees = options.whole_number("trees", 10, Range::from(1.0, 1000.0))? as usize;
        let lambda = options.number("lambda", 1.0, Range::above(0.0, 100.0))?;
        let drift = options.number("drift", 0.002, Range::above(0.0, 0.5))?;
        let seed = u64::from(options.whole_number("seed", 1, Range::from(0.0, 4e9))?);
        let options = take(features, options, &Defaults { grace: 200.0, delta: 1e-7, trees })?;
        let method = Bagging { tree: options.config.clone(), trees, seed, times: Poisson::new(lambda), drift };
        let what = format!("ADWIN bagging of {trees} Hoeffding trees, lambda {lambda}, drift {drift}, seed {seed}");
        Ok(Box::new(TreeRecipe { algorithm: self.name(), options, method, what }))
    }
}
