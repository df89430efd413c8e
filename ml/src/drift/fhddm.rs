//! FHDDM (Pesaranghader and Viktor, 2016): the share of hits in a window against its highest.

use super::detector::{DriftDetector, Verdict, is_value};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Watches the share of hits: every value but 0 is one. It fires when the share falls.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fhddm {
    window: usize,
    least_fall: f64,
    values: VecDeque<bool>,
    hits: usize,
    most: f64,
    has_fired: bool,
}

impl Fhddm {
    /// A detector over the newest `window` values (usual is 100) that fires with the confidence `confidence` (1e-6).
    ///
    /// # Panics
    /// The window is empty.
    pub fn new(window: usize, confidence: f64) -> Self {
        assert!(window > 0, "a window of something");
        let least_fall = (libm::log(1.0 / confidence) / (2.0 * window as f64)).sqrt();
        Self { window, least_fall, values: VecDeque::new(), hits: 0, most: 0.0, has_fired: false }
    }
}

impl DriftDetector for Fhddm {
    fn observe(&mut self, value: f64) -> Verdict {
        if !is_value(value) {
            return Verdict::Steady;
        }
        if self.has_fired {
            self.values.clear();
            (self.hits, self.most, self.has_fired) = (0, 0.0, false);
        }
        if self.values.len() == self.window {
            self.hits -= usize::from(self.values.pop_front() == Some(true));
        }
        self.values.push_back(value != 0.0);
        self.hits += usize::from(value != 0.0);
        if self.values.len() < self.window {
            return Verdict::Steady;
        }
        let share = self.hits as f64 / self.window as f64;
        self.most = self.most.max(share);
        self.has_fired = self.most - share > self.least_fall;
        if self.has_fired { Verdict::Drift } else { Verdict::Steady }
    }
}
