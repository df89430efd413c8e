//! HDDM-W (Frías-Blanco and others, 2015): as HDDM-A, with means in which new values weigh more.

use super::detector::{DriftDetector, Verdict};
use serde::{Deserialize, Serialize};

/// Watches for a mean that rises. Values are between 0 and 1: others are none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HddmW {
    lambda: f64,
    drift: f64,
    warning: f64,
    now: Samples,
}

/// A mean that forgets, and the sum of its squared weights.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Mean {
    /// `None` before the first value.
    mean: Option<f64>,
    spread: f64,
}

impl Mean {
    const NONE: Self = Self { mean: None, spread: 1.0 };

    fn add(&mut self, value: f64, lambda: f64) -> f64 {
        let mean = self.mean.map_or(value, |mean| lambda * value + (1.0 - lambda) * mean);
        self.spread = lambda * lambda + (1.0 - lambda) * (1.0 - lambda) * self.spread;
        self.mean = Some(mean);
        mean
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Samples {
    total: Mean,
    before: Mean,
    after: Mean,
    cut: f64,
    has_fired: bool,
}

impl Samples {
    fn new() -> Self {
        Self { total: Mean::NONE, before: Mean::NONE, after: Mean::NONE, cut: f64::INFINITY, has_fired: false }
    }
}

impl HddmW {
    /// A detector whose means take a share `lambda` (usual is 0.05) of each value; it fires with the confidence `drift` (0.001) and
    /// warns with `warning` (0.005).
    pub fn new(lambda: f64, drift: f64, warning: f64) -> Self {
        Self { lambda, drift, warning, now: Samples::new() }
    }
}

impl DriftDetector for HddmW {
    fn observe(&mut self, value: f64) -> Verdict {
        if !(0.0..=1.0).contains(&value) {
            return Verdict::Steady;
        }
        if self.now.has_fired {
            self.now = Samples::new();
        }
        let now = &mut self.now;
        let mean = now.total.add(value, self.lambda);
        let upper = mean + (now.total.spread * libm::log(1.0 / self.drift) / 2.0).sqrt();
        if upper < now.cut {
            (now.cut, now.before, now.after) = (upper, now.total, Mean::NONE);
        } else {
            now.after.add(value, self.lambda);
        }
        let (Some(before), Some(after)) = (now.before.mean, now.after.mean) else { return Verdict::Steady };
        let spread = now.before.spread + now.after.spread;
        let is_above = |confidence: f64| after - before > (spread * libm::log(1.0 / confidence) / 2.0).sqrt();
        now.has_fired = is_above(self.drift);
        match is_above(self.warning) {
            _ if now.has_fired => Verdict::Drift,
            true => Verdict::Warning,
            false => Verdict::Steady,
        }
    }
}
