//! `perceptron`: a linear classifier that learns from its mistakes alone.
//!
//! | option | default | meaning |
//! | --- | --- | --- |
//! | `scale` | true | scale numeric features by their running mean and deviation |
//! | `hash_bits` | 18 | categories share 2^this weights |
//!
//! A row on the wrong side is added to the weights, or taken from them. The score is sigma(b + w.z): an order, and no probability that
//! was fitted.

use crate::algorithm::{Algorithm, Recipe};
use crate::features::FeatureColumn;
use crate::linear::WrongSide;
use crate::linear_recipe::LinearRecipe;
use crate::options::Options;
use egret_core::Result;

const NAME: &str = "perceptron";

pub(crate) struct Registered;

impl Algorithm for Registered {
    fn name(&self) -> &'static str {
        NAME
    }

    fn recipe(&self, features: &[FeatureColumn], options: &mut Options<'_>) -> Result<Box<dyn Recipe>> {
        Ok(Box::new(LinearRecipe::of_loss(NAME, NAME.to_owned(), WrongSide, features, options)?))
    }
}
