//! `hoeffding_adaptive_tree`: a Hoeffding tree whose parts are replaced when they get worse, for two and for more classes.
//!
//! The options of [`crate::trees::options`], with the defaults of `hoeffding_tree`, and these:
//!
//! | option | default | meaning |
//! | --- | --- | --- |
//! | `drift` | 0.002 | how probable it may be that a part is taken for worse where it is not |
//! | `significance` | 0.05 | how probable it may be that what replaces a part is not better |
//! | `least_window` | 200 | a part and what grows beside it are compared once both have so many rows |

use crate::algorithm::{Algorithm, Recipe};
use crate::features::FeatureColumn;
use crate::options::{Options, Range};
use crate::trees::adaptive::Adaptive;
use crate::trees::options::{Defaults, take};
use crate::trees::recipe::TreeRecipe;
use egret_core::Result;

pub(crate) struct Registered;

impl Algorithm for Registered {
    fn name(&self) -> &'static str {
        "hoeffding_adaptive_tree"
    }

    fn recipe(&self, features: &[FeatureColumn], options: &mut Options<'_>) -> Result<Box<dyn Recipe>> {
        let drift = options.number("drift", 0.002, Range::above(0.0, 0.5))?;
        let significance = options.number("significance", 0.05, Range::above(0.0, 0.5))?;
        let least_window = u64::from(options.whole_number("least_window", 200, Range::from(1.0, 1e9))?);
        let options = take(features, options, &Defaults { grace: 200.0, delta: 1e-7, trees: 1 })?;
        let method = Adaptive { tree: options.config.clone(), drift, significance, least_window };
        let what = format!("Hoeffding adaptive tree, parts replaced by ADWIN with drift {drift}, significance {significance}");
        Ok(Box::new(TreeRecipe { algorithm: self.name(), options, method, what }))
    }
}
