//! Standard scaling with running statistics: z = (x - mean) / sd, by Welford's method, with the population variance.
//!
//! A prediction uses the statistics of the rows learned before. Learning a row updates the statistics first and then scales the row
//! with them. Missing values (NaN) are not in the statistics and are 0 after scaling, as is every value while the deviation is 0.

use serde::{Deserialize, Serialize};

/// The mean and deviation of every numeric feature: all that scaling a row needs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Scaling {
    /// Means.
    pub mean: Vec<f64>,
    /// Standard deviations; 0 where nothing or one value was seen.
    pub deviation: Vec<f64>,
}

impl Scaling {
    /// Scaling of `width` features before any value was seen: every value becomes 0.
    pub fn unknown(width: usize) -> Self {
        Self { mean: vec![0.0; width], deviation: vec![0.0; width] }
    }

    /// Scaling that leaves values as they are, save that missing ones are 0.
    pub fn identity(width: usize) -> Self {
        Self { mean: vec![0.0; width], deviation: vec![1.0; width] }
    }

    /// A value of feature `index`, scaled.
    #[inline]
    pub fn scale(&self, index: usize, value: f64) -> f64 {
        scale(value, self.mean[index], self.deviation[index])
    }

    /// A row, scaled.
    #[inline]
    pub fn scale_row(&self, row: &[f64], scaled: &mut [f64]) {
        let statistics = self.mean.iter().zip(&self.deviation);
        for ((scaled, &value), (&mean, &deviation)) in scaled.iter_mut().zip(row).zip(statistics) {
            *scaled = scale(value, mean, deviation);
        }
    }
}

#[inline]
pub(crate) fn scale(value: f64, mean: f64, deviation: f64) -> f64 {
    let scaled = (value - mean) / deviation;
    if deviation > 0.0 && !value.is_nan() { scaled } else { 0.0 }
}

/// The running statistics of a stream of rows.
///
/// ```
/// use egret_ml::scaler::StandardScaler;
/// let mut scaler = StandardScaler::new(1);
/// assert_eq!(scaler.scaling().scale(0, 3.0), 0.0); // nothing was seen
/// scaler.learn(&[1.0]);
/// scaler.learn(&[f64::NAN]); // missing: not in the statistics
/// scaler.learn(&[5.0]);
/// assert_eq!(scaler.scaling().scale(0, 7.0), 2.0);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StandardScaler {
    scaling: Scaling,
    count: Vec<f64>,
    squares: Vec<f64>,
}

impl StandardScaler {
    /// A scaler of `width` features.
    pub fn new(width: usize) -> Self {
        Self { scaling: Scaling::unknown(width), count: vec![0.0; width], squares: vec![0.0; width] }
    }

    /// Updates the statistics with a row.
    #[inline]
    pub fn learn(&mut self, row: &[f64]) {
        let width = row.len();
        let (count, squares) = (&mut self.count[..width], &mut self.squares[..width]);
        let (mean, deviation) = (&mut self.scaling.mean[..width], &mut self.scaling.deviation[..width]);
        for index in 0..width {
            // Without branches, so that the compiler can vectorise the loop. A missing value adds nothing.
            let seen = !row[index].is_nan();
            let before = if seen { row[index] - mean[index] } else { 0.0 };
            count[index] += f64::from(u8::from(seen));
            mean[index] += before / count[index].max(1.0);
            squares[index] += if seen { before * (row[index] - mean[index]) } else { 0.0 };
            deviation[index] = (squares[index] / count[index].max(1.0)).sqrt();
        }
    }

    /// The statistics as they are now.
    pub fn scaling(&self) -> &Scaling {
        &self.scaling
    }

    /// How many features.
    pub fn width(&self) -> usize {
        self.count.len()
    }

    pub(crate) fn is_sound(&self, width: usize) -> bool {
        [self.count.len(), self.squares.len(), self.scaling.mean.len(), self.scaling.deviation.len()].iter().all(|w| *w == width)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_are_those_of_all_values_seen() {
        let rows: Vec<[f64; 2]> =
            (0..500).map(|i| [1e6 + f64::from(i * 7919 % 101), if i % 3 == 0 { f64::NAN } else { f64::from(i) }]).collect();
        let mut scaler = StandardScaler::new(2);
        rows.iter().for_each(|row| scaler.learn(row));
        for feature in 0..2 {
            let seen: Vec<f64> = rows.iter().map(|row| row[feature]).filter(|value| !value.is_nan()).collect();
            let mean = seen.iter().sum::<f64>() / seen.len() as f64;
            let variance = seen.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / seen.len() as f64;
            assert!((scaler.scaling().mean[feature] - mean).abs() < 1e-9 * mean.abs());
            assert!((scaler.scaling().deviation[feature] - variance.sqrt()).abs() < 1e-9 * variance.sqrt());
        }
    }

    #[test]
    fn a_constant_scales_to_zero() {
        let mut scaler = StandardScaler::new(1);
        (0..10).for_each(|_| scaler.learn(&[0.1]));
        assert_eq!(scaler.scaling().scale(0, 0.1), 0.0);
    }
}
