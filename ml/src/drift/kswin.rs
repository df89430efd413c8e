//! KSWIN (Raab and others, 2020): the newest values of a window against some of the others, by the test of Kolmogorov and Smirnov.

use super::detector::{DriftDetector, Verdict, is_value};
use crate::random::Random;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// A difference of distributions that is not larger than this is none, however sure it is.
const LEAST_STATISTIC: f64 = 0.1;

/// Watches how values are distributed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kswin {
    window: usize,
    sample: usize,
    /// The least difference that fires, in values of a sample.
    least: usize,
    values: VecDeque<f64>,
    random: Random,
}

impl Kswin {
    /// A detector that compares the newest `sample` values (usual is 30) of `window` (100) with as many of the others, drawn from `seed`,
    /// and fires with the confidence `alpha` (0.0001).
    ///
    /// # Panics
    /// There are not two samples in a window.
    pub fn new(window: usize, sample: usize, alpha: f64, seed: u64) -> Self {
        assert!(sample > 0 && window >= 2 * sample, "two samples fit into a window");
        let fires = |apart: &usize| *apart as f64 / sample as f64 > LEAST_STATISTIC && probability(sample, *apart) <= alpha;
        let least = (1..=sample).find(fires).unwrap_or(sample + 1);
        Self { window, sample, least, values: VecDeque::new(), random: Random::new(seed, 0) }
    }

    /// How far the two samples are apart, in values.
    fn apart(&mut self) -> usize {
        let others = self.values.len() - self.sample;
        let mut newest: Vec<f64> = self.values.range(others..).copied().collect();
        let mut older: Vec<f64> = self.values.range(..others).copied().collect();
        for at in 0..self.sample {
            let chosen = at + self.random.below(others - at);
            older.swap(at, chosen);
        }
        older.truncate(self.sample);
        newest.sort_by(f64::total_cmp);
        older.sort_by(f64::total_cmp);
        let (mut at_newest, mut at_older, mut apart) = (0, 0, 0_usize);
        while at_newest < self.sample && at_older < self.sample {
            let value = newest[at_newest].min(older[at_older]);
            at_newest += newest[at_newest..].iter().take_while(|other| **other <= value).count();
            at_older += older[at_older..].iter().take_while(|other| **other <= value).count();
            apart = apart.max(at_newest.abs_diff(at_older));
        }
        apart
    }
}

/// The probability that two samples of `sample` values from one distribution are at least `apart` values apart, exactly: of all
/// orders in which the values of both can stand, the share that leaves the band. As a sum of reflected paths.
fn probability(sample: usize, apart: usize) -> f64 {
    // 2 sum_j (-1)^(j-1) C(2n, n - j d) / C(2n, n)
    let mut sum = 0.0;
    for reflection in 1..=sample / apart {
        let shift = reflection * apart;
        // C(2n, n - s) / C(2n, n) = prod_{i=1..s} (n - s + i) / (n + i)
        let share: f64 = (1..=shift).map(|at| (sample - shift + at) as f64 / (sample + at) as f64).product();
        sum += if reflection % 2 == 1 { share } else { -share };
    }
    (2.0 * sum).clamp(0.0, 1.0)
}

impl DriftDetector for Kswin {
    fn observe(&mut self, value: f64) -> Verdict {
        if !is_value(value) {
            return Verdict::Steady;
        }
        if self.values.len() == self.window {
            self.values.pop_front();
        }
        self.values.push_back(value);
        if self.values.len() < self.window || self.apart() < self.least {
            return Verdict::Steady;
        }
        self.values.drain(..self.window - self.sample);
        Verdict::Drift
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_probability_is_exact() {
        // Of the C(4, 2) = 6 orders of two and two values, 2 are two apart and 6 at least one.
        assert!((probability(2, 2) - 2.0 / 6.0).abs() < 1e-12 && (probability(2, 1) - 1.0).abs() < 1e-12);
        assert_eq!(Kswin::new(100, 30, 1e-4, 1).least, 17);
        assert_eq!(Kswin::new(4, 2, 1e-4, 1).least, 3, "two values can never be as sure");
    }
}
