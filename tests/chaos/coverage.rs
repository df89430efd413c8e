//! What happened in all runs together: a step or an ending that none of many runs reaches is not tested.

use egret::engine::FAIL_POINTS;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;

/// This many seeds reach everything.
const ENOUGH: u64 = 1_000;

/// What must have happened, besides a death at every step.
const EXPECTED: [&str; 9] = [
    "a job that came to its own end",
    "a job that was interrupted",
    "a job that was killed from outside",
    "a job that failed for its store",
    "a job that lost one of its processes",
    "a job that its supervisor started again",
    ONE_AND_NONE,
    TWICE_NONE,
    MANY_DEATHS,
];
/// Histories that are hard on sinks.
pub(crate) const ONE_AND_NONE: &str = "a run that completed one checkpoint, then one that died with its next one prepared";
pub(crate) const TWICE_NONE: &str = "two runs in a row that died with a checkpoint prepared";
pub(crate) const MANY_DEATHS: &str = "several deaths under one supervisor";

/// How often each thing happened.
#[derive(Default)]
pub(crate) struct Coverage(Mutex<BTreeMap<String, usize>>);

impl Coverage {
    pub(crate) fn add(&self, what: impl Into<String>) {
        *self.0.lock().unwrap().entry(what.into()).or_default() += 1;
    }

    /// # Errors
    /// This many seeds should have reached more; the error says what is missing.
    pub(crate) fn check(&self, seeds: u64) -> Result<(), String> {
        let found = self.0.lock().unwrap();
        let expected = FAIL_POINTS.iter().map(|point| format!("a death at '{point}'"));
        let expected = expected.chain(EXPECTED.iter().map(|&what| what.to_owned()));
        let missing: Vec<String> = expected.filter(|what| !found.contains_key(what)).collect();
        if seeds < ENOUGH || missing.is_empty() { Ok(()) } else { Err(missing.join("\n")) }
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.lock().unwrap().iter().try_for_each(|(what, times)| writeln!(f, "{times:6} times {what}"))
    }
}
