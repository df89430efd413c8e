//! What a graph computes: an algorithm of the registry with its settings.

use crate::algorithm::Plan;
use crate::algorithms::ALGORITHMS;
use crate::settings::{Setting, Settings};
use egret_core::{Error, Result, suggest};
use std::sync::Arc;

/// An algorithm with its settings.
///
/// ```
/// use egret_graph::Computation;
/// assert!(Computation::names().contains(&"components"));
/// let error = Computation::new("component", &[]).unwrap_err().to_string();
/// assert!(error.contains("did you mean 'components'?"), "{error}");
/// ```
#[derive(Clone, Debug)]
pub struct Computation {
    name: &'static str,
    plan: Arc<dyn Plan>,
}

impl Computation {
    /// The algorithm of this name.
    ///
    /// # Errors
    /// There is no such algorithm, or it has no such settings.
    pub fn new(name: &str, settings: &[(String, Setting)]) -> Result<Self> {
        let algorithm = ALGORITHMS.iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(name)).ok_or_else(|| {
            let help = match suggest(name, Self::names()) {
                Some(near) => format!("did you mean '{near}'?"),
                None => format!("there is: {}", Self::names().join(", ")),
            };
            Error::job(format!("there is no graph algorithm '{name}'")).help(help)
        })?;
        let mut settings = Settings::new(algorithm.name(), settings)?;
        let plan = algorithm.plan(&mut settings)?;
        settings.finish()?;
        Ok(Self { name: algorithm.name(), plan })
    }

    /// The names of all algorithms.
    pub fn names() -> Vec<&'static str> {
        ALGORITHMS.iter().map(|algorithm| algorithm.name()).collect()
    }

    /// The algorithm's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn plan(&self) -> &dyn Plan {
        &*self.plan
    }
}
