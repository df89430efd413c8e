//! `passive_aggressive_regressor`: a number as b + w.z, with steps as large as the row's loss needs (Crammer et al., JMLR 2006).
//!
//! | option | default | meaning |
//! | --- | --- | --- |
//! | `c` | 1 | how aggressive: the largest step of PA-I; of PA-II the step is loss / (\|z\|^2 + 1 / (2 c)) |
//! | `mode` | 1 | 1 for PA-I, 2 for PA-II |
//! | `epsilon` | 0.1 | errors up to this change nothing |
//! | `scale` | true | scale numeric features by their running mean and deviation |
//! | `hash_bits` | 18 | categories share 2^this weights |

use super::passive_aggressive::aggressiveness;
use crate::algorithm::{Algorithm, Recipe};
use crate::features::FeatureColumn;
use crate::linear::PassiveAggressiveNumber;
use crate::linear_recipe::LinearRecipe;
use crate::options::{Options, Range};
use egret_core::Result;

const NAME: &str = "passive_aggressive_regressor";

pub(crate) struct Registered;

impl Algorithm for Registered {
    fn name(&self) -> &'static str {
        NAME
    }

    fn recipe(&self, features: &[FeatureColumn], options: &mut Options<'_>) -> Result<Box<dyn Recipe>> {
        let (aggressiveness, words) = aggressiveness(options, 1.0)?;
        let epsilon = options.number("epsilon", 0.1, Range::from(0.0, 1e100))?;
        let title = format!("passive-aggressive regressor, {words}, epsilon {epsilon}");
        let loss = PassiveAggressiveNumber { aggressiveness, epsilon };
        Ok(Box::new(LinearRecipe::of_loss(NAME, title, loss, features, options)?))
    }
}
