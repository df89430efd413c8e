//! `logistic_regression`: [`crate::linear`], from options.
//!
//! | option | default | meaning |
//! | --- | --- | --- |
//! | `optimizer` | `'sgd'` | `'sgd'`, `'adagrad'` or `'ftrl'` |
//! | `learning_rate` | 0.01 (SGD), 0.1 (AdaGrad) | the size of a step; FTRL calls it `alpha` |
//! | `alpha`, `beta` | 0.1, 1 | FTRL's learning rate and what slows its first steps |
//! | `intercept_rate` | `learning_rate` (SGD), a tenth of it (AdaGrad), none (FTRL) | the intercept's own learning rate; without one it is a feature of FTRL |
//! | `l1`, `l2` | 0, 0; FTRL 0, 1 | penalties: exactly zero weights, small weights |
//! | `scale` | true | scale numeric features by their running mean and deviation |
//! | `hash_bits` | 18 | categories share 2^this weights |

use crate::Learner;
use crate::algorithm::{Algorithm, Recipe, names_of};
use crate::features::{FeatureColumn, FeatureKind, FeatureLayout, FeatureReader};
use crate::labels::Target;
use crate::linear::{AdaGrad, Ftrl, LinearConfig, OptimizerChoice, Sgd};
use crate::options::{Options, Range, nearest};
use egret_core::{Error, Result, Subject};

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

/// A logistic regression with its options.
#[derive(Debug)]
pub(crate) struct LogisticRecipe {
    pub(crate) config: LinearConfig,
    layout: FeatureLayout,
}

impl Recipe for LogisticRecipe {
    fn target(&self) -> Target {
        Target::Flag
    }

    fn layout(&self) -> FeatureLayout {
        self.layout
    }

    fn learner(&self) -> Box<dyn Learner> {
        self.config.learner()
    }

    fn describe(&self, features: &[FeatureColumn]) -> Vec<String> {
        let mut lines = vec![format!("logistic regression, {}", describe_optimizer(&self.config.optimizer))];
        if let Some(numeric) = names_of(features, FeatureKind::Numeric) {
            lines.push(format!("numeric features{}: {numeric}", if self.config.is_scaled { ", scaled" } else { "" }));
        }
        if let Some(categories) = names_of(features, FeatureKind::Categorical) {
            lines.push(format!("categories, hashed into {} weights: {categories}", self.config.coordinates));
        }
        lines
    }

    /// Rates and penalties may change: they say how the next row is learned. FTRL's make the weights of what it remembers, so they may
    /// not.
    fn facts(&self) -> Vec<(String, String)> {
        let algorithm = match &self.config.optimizer {
            OptimizerChoice::Sgd(_) => format!("{NAME}, sgd"),
            OptimizerChoice::AdaGrad(_) => format!("{NAME}, adagrad"),
            OptimizerChoice::Ftrl(ftrl) => {
                let Ftrl { alpha, beta, l1, l2, intercept_rate } = ftrl;
                let rate = intercept_rate.map_or_else(|| "none".to_owned(), |rate| rate.to_string());
                format!("{NAME}, ftrl, alpha {alpha}, beta {beta}, l1 {l1}, l2 {l2}, intercept_rate {rate}")
            }
        };
        let facts = [
            ("algorithm", algorithm),
            ("scale", self.config.is_scaled.to_string()),
            ("weights of categories", self.config.coordinates.to_string()),
        ];
        facts.map(|(name, value)| (name.to_owned(), value)).into()
    }
}

fn describe_optimizer(optimizer: &OptimizerChoice) -> String {
    match optimizer {
        OptimizerChoice::Sgd(Sgd { learning_rate, l1, l2, .. }) => {
            format!("SGD (learning_rate {learning_rate}, l1 {l1}, l2 {l2})")
        }
        OptimizerChoice::AdaGrad(AdaGrad { learning_rate, l1, l2, .. }) => {
            format!("AdaGrad (learning_rate {learning_rate}, l1 {l1}, l2 {l2})")
        }
        OptimizerChoice::Ftrl(Ftrl { alpha, beta, l1, l2, .. }) => format!("FTRL (alpha {alpha}, beta {beta}, l1 {l1}, l2 {l2})"),
    }
}

/// Takes the options.
pub(crate) fn recipe(features: &[FeatureColumn], options: &mut Options<'_>) -> Result<LogisticRecipe> {
    let optimizer = optimizer(options)?;
    if let OptimizerChoice::Sgd(Sgd { learning_rate, l2, .. }) = &optimizer
        && learning_rate * l2 >= 1.0
    {
        return Err(Error::job(format!("{NAME}: learning_rate times l2 is 1 or more, with which weights would oscillate"))
            .help("make one of them smaller")
            .about(Subject::Option("learning_rate".to_owned())));
    }
    let is_scaled = options.boolean("scale", true)?;
    let hash_bits = options.whole_number("hash_bits", 18, Range::from(1.0, 24.0))?;
    let layout = FeatureLayout { hash_bits: Some(hash_bits), has_texts: false };
    let reader = FeatureReader::new(features, layout);
    let config = LinearConfig { optimizer, is_scaled, numeric_width: reader.numeric_width(), coordinates: reader.coordinates() };
    Ok(LogisticRecipe { config, layout })
}

fn optimizer(options: &mut Options<'_>) -> Result<OptimizerChoice> {
    const RATE_MAX: f64 = 1_000.0;
    const PENALTY_MAX: f64 = 1e6;
    let penalty = Range::from(0.0, PENALTY_MAX);
    let rate = Range::above(0.0, RATE_MAX);
    Ok(match options.text("optimizer")?.unwrap_or("sgd").to_lowercase().as_str() {
        "sgd" => {
            let learning_rate = options.number("learning_rate", 0.01, rate)?;
            OptimizerChoice::Sgd(Sgd {
                learning_rate,
                l1: options.number("l1", 0.0, penalty)?,
                l2: options.number("l2", 0.0, penalty)?,
                intercept_rate: options.number("intercept_rate", learning_rate, rate)?,
            })
        }
        "adagrad" => {
            let learning_rate = options.number("learning_rate", 0.1, rate)?;
            OptimizerChoice::AdaGrad(AdaGrad {
                learning_rate,
                l1: options.number("l1", 0.0, penalty)?,
                l2: options.number("l2", 0.0, penalty)?,
                intercept_rate: options.number("intercept_rate", 0.1 * learning_rate, rate)?,
            })
        }
        "ftrl" => OptimizerChoice::Ftrl(Ftrl {
            alpha: options.number("alpha", 0.1, rate)?,
            beta: options.number("beta", 1.0, Range::above(0.0, PENALTY_MAX))?,
            l1: options.number("l1", 0.0, penalty)?,
            l2: options.number("l2", 1.0, penalty)?,
            intercept_rate: options.optional_number("intercept_rate", rate)?,
        }),
        other => {
            return Err(Error::job(format!("{NAME}: there is no optimizer '{other}'"))
                .help(nearest(other, &["sgd", "adagrad", "ftrl"], "the optimizers are"))
                .about(Subject::Option("optimizer".to_owned())));
        }
    })
}
