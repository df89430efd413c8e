//! `passive_aggressive`: a linear classifier whose every step is as large as the row's loss needs (Crammer et al., JMLR 2006).
//!
//! | option | default | meaning |
//! | --- | --- | --- |
//! | `c` | 0.01 | how aggressive: the largest step of PA-I; of PA-II the step is loss / (\|z\|^2 + 1 / (2 c)) |
//! | `mode` | 1 | 1 for PA-I, 2 for PA-II |
//! | `scale` | true | scale numeric features by their running mean and deviation |
//! | `hash_bits` | 18 | categories share 2^this weights |
//!
//! The loss is max(0, 1 - t (b + w.z)) with t = 1 or -1. The score is sigma(b + w.z): an order, and no probability that was fitted.

use crate::algorithm::{Algorithm, Recipe};
use crate::features::FeatureColumn;
use crate::linear::{Aggressiveness, PassiveAggressive};
use crate::linear_recipe::LinearRecipe;
use crate::options::{Options, Range};
use egret_core::Result;

const NAME: &str = "passive_aggressive";

pub(crate) struct Registered;

impl Algorithm for Registered {
    fn name(&self) -> &'static str {
        NAME
    }

    fn recipe(&self, features: &[FeatureColumn], options: &mut Options<'_>) -> Result<Box<dyn Recipe>> {
        let (aggressiveness, words) = aggressiveness(options, 0.01)?;
        let title = format!("passive-aggressive classifier, {words}");
        Ok(Box::new(LinearRecipe::of_loss(NAME, title, PassiveAggressive(aggressiveness), features, options)?))
    }
}

/// Takes the options `c` and `mode`; what was chosen, and in words.
pub(super) fn aggressiveness(options: &mut Options<'_>, default: f64) -> Result<(Aggressiveness, String)> {
    let c = options.number("c", default, Range::above(0.0, 1e6))?;
    Ok(match options.whole_number("mode", 1, Range::from(1.0, 2.0))? {
        1 => (Aggressiveness::AtMost(c), format!("PA-I (c {c})")),
        _ => (Aggressiveness::Damped(c), format!("PA-II (c {c})")),
    })
}
