//! Patterns that run together: the factories of the operators that run them.

use super::CompiledPattern;
use crate::many::matcher::SetMatcherFactory;
use crate::many::plan::SetPlan;
use crate::many::prefilter::SetPrefilterFactory;
use crate::many::routes::{OutputRoute, OutputRoutes, PORTS};
use crate::run::prefilter::PrefilterFactory;
use egret_core::{Error, KeyColumns, OperatorFactory, Result, StreamSchema};
use std::sync::Arc;

/// Patterns that run together. Cheap to clone.
///
/// # The two operators
/// They work like those of a [`CompiledPattern`]: [`PatternSet::prefilter_factory`] stands before the exchange and sends late
/// rows, with all their columns, to its output 1; [`PatternSet::matcher_factory`] stands behind it and must get all rows of a
/// key. Its outputs are numbered by [`PatternSet::matches_port`], [`PatternSet::timed_out_port`] and
/// [`PatternSet::overflow_port`].
///
/// # State
/// Every pattern's state is saved separately, under its id (its name by default). Between a savepoint and a restart patterns may
/// be added to a set, removed or reordered: new ones start without state, and the saved state of removed ones is ignored.
#[derive(Clone)]
pub struct PatternSet {
    plan: Arc<SetPlan>,
    routes: Arc<OutputRoutes>,
}

impl PatternSet {
    /// How many outputs a pattern has: matches, an unused one, partial matches that timed out, and keys that had too many partial
    /// matches.
    pub const PORTS: usize = PORTS;

    /// A set of patterns, given with their names.
    ///
    /// # Errors
    /// There are no patterns; they are not bound to one stream, or differ in their partition columns; two have the same name.
    pub fn new(patterns: Vec<(String, CompiledPattern)>) -> Result<Self> {
        let (names, patterns): (Vec<String>, Vec<CompiledPattern>) = patterns.into_iter().unzip();
        let (Some(first), Some(name)) = (patterns.first(), names.first()) else {
            return Err(Error::job("a set of patterns has no pattern"));
        };
        for (other, its_name) in patterns.iter().zip(&names).skip(1) {
            if !first.can_run_with(other) {
                return Err(Error::job(format!("the patterns '{name}' and '{its_name}' cannot run as one set"))
                    .help("patterns of a set read one stream and are partitioned by the same columns"));
            }
        }
        if let Some(twice) = names.iter().enumerate().find(|(at, name)| names[..*at].contains(name)) {
            return Err(Error::job(format!("two patterns of a set are called '{}'", twice.1)));
        }
        let plans = patterns.into_iter().map(|pattern| pattern.plan).collect();
        Ok(Self { plan: Arc::new(SetPlan::new(names, plans)?), routes: Arc::default() })
    }

    /// Lets rows leave by other outputs than one for each pattern and kind: by the outputs that the routes lead to, which have
    /// these columns. Rows without a route are not sent.
    #[must_use]
    pub fn with_routes(mut self, routes: Vec<OutputRoute>, outputs: Vec<StreamSchema>) -> Self {
        self.routes = Arc::new(OutputRoutes::new(routes, outputs));
        self
    }

    /// How many patterns there are.
    pub fn len(&self) -> usize {
        self.plan.names.len()
    }

    /// Whether the set has no patterns: never.
    pub fn is_empty(&self) -> bool {
        self.plan.names.is_empty()
    }

    /// The matcher's output that a pattern's matches go to; patterns are numbered as they were given.
    pub fn matches_port(pattern: usize) -> usize {
        pattern * Self::PORTS
    }

    /// The matcher's output that a pattern's partial matches go to when they time out, if they were asked for.
    pub fn timed_out_port(pattern: usize) -> usize {
        pattern * Self::PORTS + 2
    }

    /// The matcher's output that says which keys had too many partial matches of a pattern.
    pub fn overflow_port(pattern: usize) -> usize {
        pattern * Self::PORTS + 3
    }

    /// Makes the operators before the exchange.
    pub fn prefilter_factory(&self) -> Arc<dyn OperatorFactory> {
        match self.plan.alone() {
            Some((_, plan)) => Arc::new(PrefilterFactory(Arc::clone(plan))),
            None => Arc::new(SetPrefilterFactory(Arc::clone(&self.plan))),
        }
    }

    /// The columns between prefilter and matcher.
    pub fn prefilter_schema(&self) -> &StreamSchema {
        self.plan.alone().map_or(&self.plan.rows, |(_, plan)| &plan.sent)
    }

    /// The partition columns among those between prefilter and matcher. If there are none, all rows must go to one matcher.
    pub fn key_columns_after_prefilter(&self) -> KeyColumns {
        KeyColumns::new(self.plan.alone().map_or(&self.plan.keys, |(_, plan)| &plan.keys).clone())
    }

    /// Makes the operators behind the exchange.
    pub fn matcher_factory(&self) -> Arc<dyn OperatorFactory> {
        Arc::new(SetMatcherFactory { plan: Arc::clone(&self.plan), routes: Arc::clone(&self.routes) })
    }

    /// How the set runs, for `explain`: first what the prefilter does, then what the matcher does.
    pub fn describe(&self) -> Vec<String> {
        self.plan.describe_prefilter().into_iter().chain(self.plan.describe_matcher()).collect()
    }
}
