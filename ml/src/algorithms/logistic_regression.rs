//! `logistic_regression`: [`crate::linear`], from options.
//!
//! | option | default | meaning |
//! | --- | --- | --- |
//! | `optimizer` | `'sgd'` | `'sgd'`, `'adam'`, `'adagrad'` or `'ftrl'` |
//! | `learning_rate` | 0.01 (SGD, Adam), 0.1 (AdaGrad) | the size of a step; FTRL calls it `alpha` |
//! | `beta1`, `beta2` | 0.9, 0.999 | how much of its running means Adam keeps at a step |
//! | `alpha`, `beta` | 0.1, 1 | FTRL's learning rate and what slows its first steps |
//! | `intercept_rate` | `learning_rate` (SGD, Adam), a tenth of it (AdaGrad), none (FTRL) | the intercept's own learning rate; without one it is a feature of FTRL |
//! | `l1`, `l2` | 0, 0; FTRL 0, 1 | penalties: exactly zero weights, small weights |
//! | `scale` | true | scale numeric features by their running mean and deviation |
//! | `hash_bits` | 18 | categories share 2^this weights |

use crate::algorithm::{Algorithm, Recipe};
use crate::features::FeatureColumn;
use crate::linear::Logistic;
use crate::linear_recipe::{InterceptRate, LinearRecipe, optimizer};
use crate::options::Options;
use egret_core::Result;

const NAME: &str = "logistic_regression";

pub(crate) struct Registered;

impl Algorithm for Registered {
    fn name(&self) -> &'static str {
        NAME
    }

    fn recipe(&self, features: &[FeatureColumn], options: &mut Options<'_>) -> Result<Box<dyn Recipe>> {
        Ok(Box::new(recipe(features, options)?))
    }
}

/// Takes the options.
pub(crate) fn recipe(features: &[FeatureColumn], options: &mut Options<'_>) -> Result<LinearRecipe<Logistic>> {
    let optimizer = optimizer(NAME, options, InterceptRate::AsWeights)?;
    LinearRecipe::new(NAME, "logistic regression", Logistic, optimizer, features, options)
}
