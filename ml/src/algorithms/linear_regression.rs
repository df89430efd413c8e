//! `linear_regression`: a number as b + w.z, by the squared error.
//!
//! The options are those of `logistic_regression`, with one other default: the intercept's learning rate is 0.1 (FTRL: none), because it
//! has the whole way from 0 to the labels to go.

use crate::algorithm::{Algorithm, Recipe};
use crate::features::FeatureColumn;
use crate::linear::Squared;
use crate::linear_recipe::{InterceptRate, LinearRecipe, optimizer};
use crate::options::Options;
use egret_core::Result;

const NAME: &str = "linear_regression";

pub(crate) struct Registered;

impl Algorithm for Registered {
    fn name(&self) -> &'static str {
        NAME
    }

    fn recipe(&self, features: &[FeatureColumn], options: &mut Options<'_>) -> Result<Box<dyn Recipe>> {
        let optimizer = optimizer(NAME, options, InterceptRate::Constant(0.1))?;
        Ok(Box::new(LinearRecipe::new(NAME, "linear regression", Squared, optimizer, features, options)?))
    }
}
