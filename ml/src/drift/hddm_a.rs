//! HDDM-A (Frías-Blanco and others, 2015): the mean against that of the best beginning, by Hoeffding's bound.

use super::detector::{DriftDetector, Verdict};
use serde::{Deserialize, Serialize};

/// Watches for a mean that rises. Values are between 0 and 1: others are none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HddmA {
    drift: f64,
    warning: f64,
    now: Means,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Means {
    values: u64,
    total: f64,
    best_values: u64,
    best_total: f64,
    has_fired: bool,
}

impl HddmA {
    /// A detector that fires with the confidence `drift` (usual is 0.001) and warns with `warning` (0.005).
    pub fn new(drift: f64, warning: f64) -> Self {
        Self { drift, warning, now: Means::default() }
    }
}

fn bound(values: u64, confidence: f64) -> f64 {
    (libm::log(1.0 / confidence) / (2.0 * values as f64)).sqrt()
}

impl DriftDetector for HddmA {
    fn observe(&mut self, value: f64) -> Verdict {
        if !(0.0..=1.0).contains(&value) {
            return Verdict::Steady;
        }
        if self.now.has_fired {
            self.now = Means::default();
        }
        let (now, drift) = (&mut self.now, self.drift);
        now.values += 1;
        now.total += value;
        let upper = |total: f64, values: u64| total / values as f64 + bound(values, drift);
        if now.best_values == 0 || upper(now.total, now.values) <= upper(now.best_total, now.best_values) {
            (now.best_values, now.best_total) = (now.values, now.total);
        }
        if now.best_values == now.values {
            return Verdict::Steady;
        }
        let (all, best) = (now.values as f64, now.best_values as f64);
        let above = now.total / all - now.best_total / best;
        let is_above = |confidence: f64| above >= ((all - best) / best / all / 2.0 * libm::log(2.0 / confidence)).sqrt();
        now.has_fired = is_above(drift);
        match is_above(self.warning) {
            _ if now.has_fired => Verdict::Drift,
            true => Verdict::Warning,
            false => Verdict::Steady,
        }
    }
}
