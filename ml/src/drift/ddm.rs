//! DDM (Gama and others, 2004): the share of errors against its least, in standard deviations.

use super::detector::{DriftDetector, Verdict, is_value};
use serde::{Deserialize, Serialize};

/// Watches the share of errors: every value but 0 is one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ddm {
    least_values: u64,
    warning: f64,
    drift: f64,
    now: Shares,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Shares {
    values: u64,
    errors: u64,
    least: f64,
    least_share: f64,
    least_deviation: f64,
    has_fired: bool,
}

impl Shares {
    fn new() -> Self {
        let none = f64::INFINITY;
        Self { values: 0, errors: 0, least: none, least_share: none, least_deviation: none, has_fired: false }
    }
}

impl Ddm {
    /// A detector that speaks after more than `least_values` values (usual is 30), warns `warning` standard deviations (2) above the least
    /// share of errors, and fires `drift` (3) above it.
    pub fn new(least_values: u64, warning: f64, drift: f64) -> Self {
        Self { least_values, warning, drift, now: Shares::new() }
    }
}

impl DriftDetector for Ddm {
    fn observe(&mut self, value: f64) -> Verdict {
        if !is_value(value) {
            return Verdict::Steady;
        }
        if self.now.has_fired {
            self.now = Shares::new();
        }
        let now = &mut self.now;
        now.values += 1;
        now.errors += u64::from(value != 0.0);
        if now.values <= self.least_values {
            return Verdict::Steady;
        }
        let share = now.errors as f64 / now.values as f64;
        let deviation = (share * (1.0 - share) / now.values as f64).sqrt();
        if share + deviation <= now.least {
            (now.least, now.least_share, now.least_deviation) = (share + deviation, share, deviation);
        }
        let is_above = |times: f64| share + deviation > now.least_share + times * now.least_deviation;
        now.has_fired = is_above(self.drift);
        match is_above(self.warning) {
            _ if now.has_fired => Verdict::Drift,
            true => Verdict::Warning,
            false => Verdict::Steady,
        }
    }
}
