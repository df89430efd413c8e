//! What became of the cases.

/// What became of the cases.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// How many were as they should be.
    pub(crate) passed: usize,
    /// Those that were not: what, and how far off.
    pub(crate) misses: Vec<String>,
    /// Those of which there is no learner.
    pub(crate) not_run: Vec<String>,
}

impl Outcome {
    /// Takes in the outcome of a case, which has a name.
    pub(crate) fn note(&mut self, name: &str, case: Result<bool, String>) {
        match case {
            Ok(true) => self.passed += 1,
            Ok(false) => self.not_run.push(name.to_owned()),
            Err(miss) => self.misses.push(format!("{name}: {miss}")),
        }
    }
}
