//! `hoeffding_tree`: a decision tree that learns each row once, for two and for more classes.
//!
//! The options are those of [`crate::trees::options`]; by default `grace` is 200, `delta` 1e-7, `tau` 0.05.

use crate::algorithm::{Algorithm, Recipe};
use crate::features::FeatureColumn;
use crate::options::Options;
use crate::trees::options::{Defaults, take};
use crate::trees::recipe::TreeRecipe;
use crate::trees::single::Single;
use egret_core::Result;

pub(crate) struct Registered;

impl Algorithm for Registered {
    fn name(&self) -> &'static str {
        "hoeffding_tree"
    }

    fn recipe(&self, features: &[FeatureColumn], options: &mut Options<'_>) -> Result<Box<dyn Recipe>> {
        let options = take(features, options, &Defaults { grace: 200.0, delta: 1e-7, trees: 1 })?;
        let (method, what) = (Single(options.config.clone()), "Hoeffding tree".to_owned());
        Ok(Box::new(TreeRecipe { algorithm: self.name(), options, method, what }))
    }
}
