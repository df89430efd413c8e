//! What the linear algorithms have in common: their options, what `explain` says of them and what their state depends on.

use crate::Learner;
use crate::algorithm::{Recipe, names_of};
use crate::features::{FeatureColumn, FeatureKind, FeatureLayout, FeatureReader};
use crate::labels::Target;
use crate::linear::{AdaGrad, Adam, Ftrl, LinearConfig, Link, Loss, OptimizerChoice, Sgd};
use crate::options::{Options, Range, nearest};
use egret_core::{Error, Result, Subject};

/// A linear algorithm with its options.
#[derive(Debug)]
pub(crate) struct LinearRecipe<L> {
    /// What `explain` says first.
    title: String,
    /// What the state depends on: the algorithm, and its optimiser.
    algorithm: String,
    loss: L,
    pub(crate) config: LinearConfig,
    layout: FeatureLayout,
}

impl<L: Loss> LinearRecipe<L> {
    /// A recipe of an algorithm whose optimiser the user chooses.
    pub(crate) fn new(
        name: &str,
        title: &str,
        loss: L,
        optimizer: OptimizerChoice,
        features: &[FeatureColumn],
        options: &mut Options<'_>,
    ) -> Result<Self> {
        let (title, algorithm) = (format!("{title}, {}", describe_optimizer(&optimizer)), optimizer_fact(name, &optimizer));
        let (config, layout) = config(optimizer, features, options)?;
        Ok(Self { title, algorithm, loss, config, layout })
    }

    /// A recipe of an algorithm whose loss says how large a step is.
    pub(crate) fn of_loss(
        name: &str,
        title: String,
        loss: L,
        features: &[FeatureColumn],
        options: &mut Options<'_>,
    ) -> Result<Self> {
        let whole = OptimizerChoice::Sgd(Sgd { learning_rate: 1.0, l1: 0.0, l2: 0.0, intercept_rate: 1.0 });
        let (config, layout) = config(whole, features, options)?;
        Ok(Self { title, algorithm: name.to_owned(), loss, config, layout })
    }
}

impl<L: Loss> Recipe for LinearRecipe<L> {
    fn target(&self) -> Target {
        match L::LINK {
            Link::Logistic => Target::Flag,
            Link::Identity => Target::Number,
        }
    }

    fn layout(&self) -> FeatureLayout {
        self.layout
    }

    fn learner(&self) -> Box<dyn Learner> {
        self.config.learner(self.loss.clone())
    }

    fn describe(&self, features: &[FeatureColumn]) -> Vec<String> {
        describe(&self.title, &self.config, features)
    }

    /// Rates and penalties may change: they say how the next row is learned. FTRL's make the weights of what it remembers, so they may
    /// not.
    fn facts(&self) -> Vec<(String, String)> {
        facts(&self.algorithm, &self.config)
    }
}

/// What `explain` says.
pub(crate) fn describe(title: &str, config: &LinearConfig, features: &[FeatureColumn]) -> Vec<String> {
    let mut lines = vec![title.to_owned()];
    if let Some(numeric) = names_of(features, FeatureKind::Numeric) {
        lines.push(format!("numeric features{}: {numeric}", if config.is_scaled { ", scaled" } else { "" }));
    }
    if let Some(categories) = names_of(features, FeatureKind::Categorical) {
        lines.push(format!("categories, hashed into {} weights: {categories}", config.coordinates));
    }
    lines
}

/// What the state depends on.
pub(crate) fn facts(algorithm: &str, config: &LinearConfig) -> Vec<(String, String)> {
    let facts = [
        ("algorithm", algorithm.to_owned()),
        ("scale", config.is_scaled.to_string()),
        ("weights of categories", config.coordinates.to_string()),
    ];
    facts.map(|(name, value)| (name.to_owned(), value)).into()
}

/// Takes the options `scale` and `hash_bits`.
pub(crate) fn config(
    optimizer: OptimizerChoice,
    features: &[FeatureColumn],
    options: &mut Options<'_>,
) -> Result<(LinearConfig, FeatureLayout)> {
    let is_scaled = options.boolean("scale", true)?;
    let hash_bits = options.whole_number("hash_bits", 18, Range::from(1.0, 24.0))?;
    let layout = FeatureLayout { hash_bits: Some(hash_bits), has_texts: false };
    let reader = FeatureReader::new(features, layout);
    let config = LinearConfig { optimizer, is_scaled, numeric_width: reader.numeric_width(), coordinates: reader.coordinates() };
    Ok((config, layout))
}

pub(crate) fn optimizer_fact(name: &str, optimizer: &OptimizerChoice) -> String {
    match optimizer {
        OptimizerChoice::Sgd(_) => format!("{name}, sgd"),
        OptimizerChoice::Adam(_) => format!("{name}, adam"),
        OptimizerChoice::AdaGrad(_) => format!("{name}, adagrad"),
        OptimizerChoice::Ftrl(ftrl) => {
            let Ftrl { alpha, beta, l1, l2, intercept_rate } = ftrl;
            let rate = intercept_rate.map_or_else(|| "none".to_owned(), |rate| rate.to_string());
            format!("{name}, ftrl, alpha {alpha}, beta {beta}, l1 {l1}, l2 {l2}, intercept_rate {rate}")
        }
    }
}

pub(crate) fn describe_optimizer(optimizer: &OptimizerChoice) -> String {
    match optimizer {
        OptimizerChoice::Sgd(Sgd { learning_rate, l1, l2, .. }) => {
            format!("SGD (learning_rate {learning_rate}, l1 {l1}, l2 {l2})")
        }
        OptimizerChoice::Adam(Adam { learning_rate, beta1, beta2, l1, l2, .. }) => {
            format!("Adam (learning_rate {learning_rate}, beta1 {beta1}, beta2 {beta2}, l1 {l1}, l2 {l2})")
        }
        OptimizerChoice::AdaGrad(AdaGrad { learning_rate, l1, l2, .. }) => {
            format!("AdaGrad (learning_rate {learning_rate}, l1 {l1}, l2 {l2})")
        }
        OptimizerChoice::Ftrl(Ftrl { alpha, beta, l1, l2, .. }) => format!("FTRL (alpha {alpha}, beta {beta}, l1 {l1}, l2 {l2})"),
    }
}

/// The intercept's learning rate if the user gives none.
#[derive(Clone, Copy, Debug)]
pub(crate) enum InterceptRate {
    /// That of the weights; a tenth of it for AdaGrad, whose first steps are as long as its rate.
    AsWeights,
    /// A constant.
    Constant(f64),
}

impl InterceptRate {
    fn or(self, of_weights: f64) -> f64 {
        match self {
            Self::AsWeights => of_weights,
            Self::Constant(rate) => rate,
        }
    }
}

/// Takes the options of an optimiser.
pub(crate) fn optimizer(name: &str, options: &mut Options<'_>, intercept: InterceptRate) -> Result<OptimizerChoice> {
    const RATE_MAX: f64 = 1_000.0;
    const PENALTY_MAX: f64 = 1e6;
    let penalty = Range::from(0.0, PENALTY_MAX);
    let rate = Range::above(0.0, RATE_MAX);
    Ok(match options.text("optimizer")?.unwrap_or("sgd").to_lowercase().as_str() {
        "sgd" => {
            let learning_rate = options.number("learning_rate", 0.01, rate)?;
            let l1 = options.number("l1", 0.0, penalty)?;
            let l2 = options.number("l2", 0.0, penalty)?;
            if learning_rate * l2 >= 1.0 {
                return Err(oscillates(name));
            }
            let intercept_rate = options.number("intercept_rate", intercept.or(learning_rate), rate)?;
            OptimizerChoice::Sgd(Sgd { learning_rate, l1, l2, intercept_rate })
        }
        "adam" => {
            let learning_rate = options.number("learning_rate", 0.01, rate)?;
            OptimizerChoice::Adam(Adam {
                learning_rate,
                beta1: options.number("beta1", 0.9, Range::from(0.0, 0.9999))?,
                beta2: options.number("beta2", 0.999, Range::from(0.0, 0.999_999))?,
                l1: options.number("l1", 0.0, penalty)?,
                l2: options.number("l2", 0.0, penalty)?,
                intercept_rate: options.number("intercept_rate", intercept.or(learning_rate), rate)?,
            })
        }
        "adagrad" => {
            let learning_rate = options.number("learning_rate", 0.1, rate)?;
            OptimizerChoice::AdaGrad(AdaGrad {
                learning_rate,
                l1: options.number("l1", 0.0, penalty)?,
                l2: options.number("l2", 0.0, penalty)?,
                intercept_rate: options.number("intercept_rate", intercept.or(0.1 * learning_rate), rate)?,
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
            return Err(Error::job(format!("{name}: there is no optimizer '{other}'"))
                .help(nearest(other, &["sgd", "adam", "adagrad", "ftrl"], "the optimizers are"))
                .about(Subject::Option("optimizer".to_owned())));
        }
    })
}

fn oscillates(name: &str) -> Error {
    Error::job(format!("{name}: learning_rate times l2 is 1 or more, with which weights would oscillate"))
        .help("make one of them smaller")
        .about(Subject::Option("learning_rate".to_owned()))
}
