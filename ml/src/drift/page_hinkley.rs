//! Page-Hinkley: sums of how far the values are from their mean, which forget a little at each value.

use super::detector::{DriftDetector, Verdict, is_value};
use serde::{Deserialize, Serialize};

/// Page-Hinkley's test, for a mean that rises or falls.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PageHinkley {
    least_values: u64,
    delta: f64,
    threshold: f64,
    alpha: f64,
    now: Sums,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Sums {
    values: u64,
    mean: f64,
    up: f64,
    down: f64,
    least_up: f64,
    most_down: f64,
    has_fired: bool,
}

impl Sums {
    fn new() -> Self {
        let (least_up, most_down) = (f64::INFINITY, f64::NEG_INFINITY);
        Self { values: 0, mean: 0.0, up: 0.0, down: 0.0, least_up, most_down, has_fired: false }
    }
}

impl PageHinkley {
    /// A test that fires after `least_values` values (usual is 30) when a sum of distances, less `delta` each (0.005) and forgotten with
    /// the factor `alpha` (0.9999), is further than `threshold` (50) from its extreme.
    pub fn new(least_values: u64, delta: f64, threshold: f64, alpha: f64) -> Self {
        Self { least_values, delta, threshold, alpha, now: Sums::new() }
    }
}

impl DriftDetector for PageHinkley {
    fn observe(&mut self, value: f64) -> Verdict {
        if !is_value(value) {
            return Verdict::Steady;
        }
        if self.now.has_fired {
            self.now = Sums::new();
        }
        let now = &mut self.now;
        now.values += 1;
        now.mean += (value - now.mean) / now.values as f64;
        let away = value - now.mean;
        now.up = self.alpha * now.up + away - self.delta;
        now.down = self.alpha * now.down + away + self.delta;
        now.least_up = now.least_up.min(now.up);
        now.most_down = now.most_down.max(now.down);
        let is_far = now.up - now.least_up > self.threshold || now.most_down - now.down > self.threshold;
        now.has_fired = now.values >= self.least_values && is_far;
        if now.has_fired { Verdict::Drift } else { Verdict::Steady }
    }
}
