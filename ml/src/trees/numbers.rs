//! What a leaf knows of numbers: for every class and feature a normal distribution (Welford), and the least and the highest.

use serde::{Deserialize, Serialize};

/// What is known of a feature in a class: how much was seen, the mean, the squared distances from it, the least, the highest.
const FIELDS: usize = 5;

/// Squared distances below this are none: their reciprocal would not stay finite.
const LEAST_SQUARES: f64 = 1e-290;

/// The numbers of a leaf. Class after class there is a block of [`FIELDS`] rows of `width` numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Numbers {
    width: u32,
    blocks: Vec<f64>,
}

/// What is known of the numbers of one feature in one class.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moments {
    pub(crate) seen: f64,
    pub(crate) mean: f64,
    pub(crate) deviation: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Numbers {
    pub(crate) fn new(width: usize) -> Self {
        Self { width: width as u32, blocks: Vec::new() }
    }

    pub(crate) fn width(&self) -> usize {
        self.width as usize
    }

    fn block_length(&self) -> usize {
        FIELDS * self.width()
    }

    /// How many classes have a block.
    pub(crate) fn classes(&self) -> usize {
        self.blocks.len().checked_div(self.block_length()).unwrap_or(0)
    }

    /// Learns the numbers of a row; `value` gives that of a feature, NaN if it is missing.
    #[inline]
    pub(crate) fn learn(&mut self, class: usize, weight: f64, value: impl Fn(usize) -> f64) {
        let (width, length) = (self.width(), self.block_length());
        while self.blocks.len() < (class + 1) * length {
            self.blocks.resize(self.blocks.len() + 3 * width, 0.0);
            self.blocks.resize(self.blocks.len() + width, f64::INFINITY);
            self.blocks.resize(self.blocks.len() + width, f64::NEG_INFINITY);
        }
        let block = &mut self.blocks[class * length..(class + 1) * length];
        let (seen, block) = block.split_at_mut(width);
        let (mean, block) = block.split_at_mut(width);
        let (squares, block) = block.split_at_mut(width);
        let (least, most) = block.split_at_mut(width);
        for at in 0..width {
            let value = value(at);
            if value.is_nan() {
                continue;
            }
            seen[at] += weight;
            let before = value - mean[at];
            mean[at] += before * weight / seen[at];
            squares[at] += (before * weight * (value - mean[at])).max(0.0);
            least[at] = least[at].min(value);
            most[at] = most[at].max(value);
        }
    }

    /// The logarithm of how likely the numbers of a row are in a class. A number that is missing, or of a feature that had less than two
    /// different values, says nothing.
    #[inline]
    pub(crate) fn log_likelihood(&self, class: usize, value: impl Fn(usize) -> f64) -> f64 {
        let (width, length) = (self.width(), self.block_length());
        let Some(block) = self.blocks.get(class * length..(class + 1) * length) else { return 0.0 };
        let (seen, block) = block.split_at(width);
        let (mean, block) = block.split_at(width);
        let squares = &block[..width];
        let (mut away, mut precisions, mut used) = (0.0, Product::ONE, 0_u32);
        for at in 0..width {
            let (value, others) = (value(at), seen[at] - 1.0);
            if value.is_nan() || others <= 0.0 || squares[at] < LEAST_SQUARES {
                continue;
            }
            let (distance, precision) = (value - mean[at], others / squares[at]);
            away += distance * distance * precision;
            precisions.times(precision);
            used += 1;
        }
        const LOG_TAU: f64 = 1.837_877_066_409_345_3;
        0.5 * (precisions.log() - away.min(1e300) - f64::from(used) * LOG_TAU)
    }

    pub(crate) fn moments(&self, class: usize, at: usize) -> Moments {
        let block = &self.blocks[class * self.block_length()..];
        let field = |field: usize| block[field * self.width() + at];
        let (seen, squares) = (field(0), field(2));
        let deviation = if seen > 1.0 { (squares / (seen - 1.0)).sqrt() } else { 0.0 };
        Moments { seen, mean: field(1), deviation, least: field(3), most: field(4) }
    }

    pub(crate) fn is_sound(&self, width: usize, classes: usize) -> bool {
        let fits = |(at, number): (usize, &f64)| match at / width % FIELDS {
            0 | 2 => number.is_finite() && *number >= 0.0,
            1 => number.is_finite(),
            _ => !number.is_nan(),
        };
        self.width() == width
            && self.blocks.len() == self.classes() * self.block_length()
            && self.classes() <= classes
            && self.blocks.iter().enumerate().all(fits)
    }

    pub(crate) fn bytes(&self) -> usize {
        size_of::<f64>() * self.blocks.len()
    }
}

/// A product of positive numbers that may leave the range of one: its mantissa and its exponent apart. So there is one logarithm to
/// take, not one a number.
struct Product {
    mantissa: f64,
    exponent: i64,
    count: u32,
}

impl Product {
    const ONE: Self = Self { mantissa: 1.0, exponent: 0, count: 0 };

    #[inline]
    fn times(&mut self, number: f64) {
        let bits = number.to_bits();
        self.exponent += (bits >> 52 & 0x7FF) as i64 - 1023;
        self.mantissa *= f64::from_bits(bits & 0x000F_FFFF_FFFF_FFFF | 1023 << 52);
        self.count += 1;
        if self.count == 512 {
            let whole = std::mem::replace(self, Self::ONE);
            self.exponent = whole.exponent;
            self.times(whole.mantissa);
        }
    }

    fn log(&self) -> f64 {
        libm::log(self.mantissa) + self.exponent as f64 * std::f64::consts::LN_2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_is_a_sum_of_logarithms() {
        let numbers: Vec<f64> = (1..3000).map(|at| 1e-150 * f64::from(at).powi(90)).collect();
        let (mut product, mut sum) = (Product::ONE, 0.0);
        for number in numbers.iter().filter(|number| number.is_normal()) {
            product.times(*number);
            sum += libm::log(*number);
        }
        assert!((product.log() / sum - 1.0).abs() < 1e-12, "{} {sum}", product.log());
    }

    #[test]
    fn a_likelihood_is_that_of_the_normal_distribution() {
        let mut numbers = Numbers::new(2);
        for (weight, value) in [(1.0, 1.0), (2.0, 2.0), (1.0, 5.0), (3.0, f64::NAN)] {
            numbers.learn(1, weight, |at| if at == 0 { value } else { 7.0 });
        }
        let (mean, variance) = (2.5, (2.25 + 2.0 * 0.25 + 6.25) / 3.0_f64);
        let expected = -0.5 * ((4.0_f64 - mean).powi(2) / variance + (std::f64::consts::TAU * variance).ln());
        let found = numbers.log_likelihood(1, |at| if at == 0 { 4.0 } else { 9.0 });
        assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        assert_eq!((numbers.log_likelihood(0, |_| 1.0), numbers.log_likelihood(5, |_| 1.0)), (0.0, 0.0));
        let Moments { seen, least, most, .. } = numbers.moments(1, 0);
        assert!((seen, least, most) == (4.0, 1.0, 5.0) && numbers.is_sound(2, 2) && !numbers.is_sound(2, 1));
    }
}
