//! EDDM (Baena-García and others, 2006): how many values there are from one error to the next.

use super::detector::{DriftDetector, Verdict, is_value};
use serde::{Deserialize, Serialize};

/// Watches the distance between errors: every value but 0 is one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Eddm {
    least_errors: u64,
    warning: f64,
    drift: f64,
    now: Distances,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Distances {
    values: u64,
    last_error: u64,
    errors: u64,
    mean: f64,
    squares: f64,
    most: f64,
    /// What was made of the last error; it holds until the next.
    verdict: Verdict,
}

impl Eddm {
    /// A detector that speaks after more than `least_errors` values and errors (usual is 30), warns when the distance is below `warning`
    /// (0.95) of its highest, and fires when it is below `drift` (0.9) of it.
    pub fn new(least_errors: u64, warning: f64, drift: f64) -> Self {
        Self { least_errors, warning, drift, now: Distances::default() }
    }
}

impl DriftDetector for Eddm {
    fn observe(&mut self, value: f64) -> Verdict {
        if !is_value(value) {
            return Verdict::Steady;
        }
        if self.now.verdict == Verdict::Drift {
            self.now = Distances::default();
        }
        self.now.values += 1;
        if value != 0.0 {
            self.now.verdict = self.at_error();
        }
        self.now.verdict
    }
}

impl Eddm {
    fn at_error(&mut self) -> Verdict {
        let now = &mut self.now;
        let distance = (now.values - now.last_error) as f64;
        (now.last_error, now.errors) = (now.values, now.errors + 1);
        let before = distance - now.mean;
        now.mean += before / now.errors as f64;
        now.squares += before * (distance - now.mean);
        if now.values <= self.least_errors {
            return Verdict::Steady;
        }
        let deviation = if now.errors > 1 { (now.squares / (now.errors - 1) as f64).sqrt() } else { 0.0 };
        let reach = now.mean + 2.0 * deviation;
        if reach > now.most {
            // Not closer than ever: says nothing new.
            now.most = reach;
            return now.verdict;
        }
        let is_below = |share: f64| now.errors > self.least_errors && reach / now.most < share;
        match (is_below(self.drift), is_below(self.warning)) {
            (true, _) => Verdict::Drift,
            (false, true) => Verdict::Warning,
            (false, false) => Verdict::Steady,
        }
    }
}
