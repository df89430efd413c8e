//! Exact sums and averages, rounded once.
//!
//! The last bits of a plain sum of floats depend on the order of addition, and that order changes with batching, parallelism, the
//! merging of panes, and with which partial matches share a prefix. An [`ExactSum`] is the exact sum of the values, in any order.
//! It is kept as two floats, the rounded sum and the rounding error (Knuth's two-sum; T. Ogita, S. Rump, S. Oishi, *Accurate sum
//! and dot product*, 2005), as long as these hold it exactly, which they do for the values met in practice. Where they do not, it
//! becomes a wide fixed-point number (U. Kulisch, *Very fast and exact accumulation of products*, 2011).

mod broad;
mod totals;
mod wide;

pub use broad::Broad;
use std::fmt;
pub use totals::{sum_of_integers, total_of_call};
pub use wide::Wide;

/// The exact sum of some floats.
///
/// ```
/// use egret_core::exact::ExactSum;
/// let sum: ExactSum = [1e300, 0.1, -1e300, 1e150, 0.2, -1e150].into_iter().collect();
/// assert_eq!(sum.value(), 0.1 + 0.2);
/// assert_eq!([3.0, 4.0].into_iter().collect::<ExactSum>().average(2), 3.5);
/// ```
#[derive(Clone, Default, PartialEq)]
pub struct ExactSum {
    two: TwoFloats,
    wide: Option<Box<Wide>>,
}

impl fmt::Debug for ExactSum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ExactSum({:?})", self.value())
    }
}

impl ExactSum {
    /// Adds a value.
    #[inline]
    pub fn add(&mut self, value: f64) {
        if !self.two.add(value) {
            self.add_wide(value);
        }
    }

    #[cold]
    fn add_wide(&mut self, value: f64) {
        let two = std::mem::replace(&mut self.two, TwoFloats::ELSEWHERE);
        self.wide.get_or_insert_with(|| Box::new(two.widened())).add(value);
    }

    /// The sum, rounded.
    pub fn value(&self) -> f64 {
        self.wide.as_ref().map_or_else(|| self.two.value(), |wide| wide.value())
    }

    /// The sum divided by a number of values, rounded once.
    pub fn average(&self, count: u64) -> f64 {
        self.wide.as_ref().map_or_else(|| self.two.average(count), |wide| wide.average(count))
    }

    /// A hash: sums with the same representation have the same hash.
    pub fn hash(&self) -> u64 {
        let two = self.two.high.to_bits() ^ self.two.low.to_bits().rotate_left(32);
        self.wide.as_ref().map_or(two, |wide| wide.hash())
    }

    /// Whether two sums have the same representation, bit by bit: then they stay equal whatever is added to both.
    pub fn is_same(&self, other: &Self) -> bool {
        let bits = |sum: &Self| (sum.two.high.to_bits(), sum.two.low.to_bits());
        match (&self.wide, &other.wide) {
            (None, None) => bits(self) == bits(other),
            (Some(one), Some(other)) => one.is_same(other),
            _ => false,
        }
    }
}

impl FromIterator<f64> for ExactSum {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        let mut sum = Self::default();
        values.into_iter().for_each(|value| sum.add(value));
        sum
    }
}

/// A number as the sum of two floats.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TwoFloats {
    /// The number, rounded.
    pub high: f64,
    /// The rounding error of `high`.
    pub low: f64,
}

impl TwoFloats {
    /// Marks a number that is kept elsewhere: nothing can be added to it.
    pub const ELSEWHERE: Self = Self { high: 0.0, low: f64::NAN };

    /// Adds a value; returns false, and changes nothing, if two floats cannot hold the sum exactly.
    #[inline]
    #[must_use]
    pub fn add(&mut self, value: f64) -> bool {
        let (high, lost) = two_sum(self.high, value);
        let low = self.low + lost;
        // The difference from the larger of the two is exact, and so tells whether the sum is exact; there is no need to know
        // which is larger.
        let is_exact = (low - self.low == lost) & (low - lost == self.low);
        if is_exact {
            *self = Self { high, low };
        }
        is_exact
    }

    /// The same number, with room for any sum.
    pub fn widened(self) -> Wide {
        let mut wide = Wide::default();
        wide.add(self.high);
        wide.add(self.low);
        wide
    }

    /// The nearest float.
    #[inline]
    pub fn value(self) -> f64 {
        self.high + self.low
    }

    /// Divides with one rounding.
    #[inline]
    pub fn average(self, count: u64) -> f64 {
        if self.low == 0.0 && count <= 1 << 53 {
            // Both are floats, and a division of floats is rounded once. Adding 0.0 makes a negative zero positive.
            return self.high / count as i64 as f64 + 0.0;
        }
        self.average_of_both(count)
    }

    /// Computes with floats, and estimates the error. If the error leaves the rounding in doubt, which is rare, it computes with
    /// the wide number.
    fn average_of_both(self, count: u64) -> f64 {
        const SAFE: std::ops::Range<f64> = 1e-250..1e250;
        let (sum, rest) = two_sum(self.high, self.low);
        if sum == 0.0 {
            return 0.0;
        }
        if count > 1 << 53 || !SAFE.contains(&sum.abs()) {
            return self.widened().average(count);
        }
        let divisor = count as f64;
        let first = sum / divisor;
        if rest == 0.0 {
            return first;
        }
        let (product, error) = product(first, divisor);
        let more = ((sum - product) - error + rest) / divisor;
        let quotient = first + more;
        let left = more - (quotient - first);
        let doubt = more.abs() * (1.0 / (1_u64 << 47) as f64);
        if quotient + (left + doubt) == quotient && quotient + (left - doubt) == quotient {
            return quotient;
        }
        self.widened().average(count)
    }
}

/// The sum of two floats, and the rounding error.
#[inline]
fn two_sum(one: f64, other: f64) -> (f64, f64) {
    let sum = one + other;
    let back = sum - one;
    (sum, (one - (sum - back)) + (other - back))
}

/// The product of two floats, and the rounding error (Dekker).
#[inline]
fn product(one: f64, other: f64) -> (f64, f64) {
    const SPLITTER: f64 = 134_217_729.0; // 2^27 + 1
    let split = |value: f64| {
        let far = SPLITTER * value;
        let high = far - (far - value);
        (high, value - high)
    };
    let product = one * other;
    let ((one_high, one_low), (other_high, other_low)) = (split(one), split(other));
    (product, ((one_high * other_high - product) + one_high * other_low + one_low * other_high) + one_low * other_low)
}

/// The sum of `count` integers divided by `count`, rounded once.
///
/// ```
/// assert_eq!(egret_core::exact::average_of_integers(i128::from(i64::MAX) * 3, 3), i64::MAX as f64);
/// ```
pub fn average_of_integers(sum: i128, count: u64) -> f64 {
    const EXACT: u128 = 1 << 53;
    let (size, count_wide) = (sum.unsigned_abs(), u128::from(count));
    if count == 0 {
        return f64::NAN;
    }
    let positive = if size <= EXACT && count_wide <= EXACT {
        size as f64 / count as f64
    } else {
        let shift = size.leading_zeros();
        let (quotient, rest) = ((size << shift) / count_wide, (size << shift) % count_wide);
        // The quotient has at least 63 bits, so all that matters of the remainder is whether it is zero.
        (quotient | u128::from(rest != 0)) as f64 * 0.5_f64.powi(shift as i32)
    };
    if sum < 0 { -positive } else { positive }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers of all magnitudes up to the ends of the range, with mantissas of all lengths.
    fn values(seed: u64, count: usize) -> Vec<f64> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) ^ (state << 20)
        };
        let mut value = || match next() % 8 {
            0 => f64::from_bits(next() % 1_000),
            1 => f64::MAX / (1 + next() % 3) as f64,
            2 => -f64::MAX,
            3 => (next() % 1_000_000) as f64 / 100.0,
            4 => -((next() % 1_000_000) as f64 / 100.0),
            5 => 2_f64.powi((next() % 2_000) as i32 - 1_000),
            _ => Some(f64::from_bits(next())).filter(|value| value.is_finite()).unwrap_or(1.5),
        };
        (0..count).map(|_| value()).collect()
    }

    /// The same sum by the wide number alone.
    fn oracle(values: &[f64]) -> Wide {
        let mut wide = Wide::default();
        values.iter().for_each(|&value| wide.add(value));
        wide
    }

    #[test]
    fn any_order_gives_the_same_bits() {
        for seed in 0..300 {
            let mut values = values(seed, 1 + seed as usize % 50);
            let expected = oracle(&values);
            for _ in 0..4 {
                let by = seed as usize % values.len();
                values.rotate_left(by);
                values.reverse();
                let sum: ExactSum = values.iter().copied().collect();
                assert_eq!(sum.value().to_bits(), expected.value().to_bits(), "{values:?}");
                for count in [1, 3, 7, values.len() as u64] {
                    assert_eq!(sum.average(count).to_bits(), expected.average(count).to_bits(), "{values:?} / {count}");
                }
            }
        }
    }

    #[test]
    fn amounts_stay_two_floats_and_their_averages_are_rounded_once() {
        for seed in 0..200_u64 {
            let amounts: Vec<f64> = (0..500_u64).map(|n| ((seed * 7_919 + n * 104_729) % 10_000_000) as f64 / 100.0).collect();
            let sum: ExactSum = amounts.iter().copied().collect();
            assert!(sum.wide.is_none());
            let count = amounts.len() as u64;
            assert_eq!(sum.average(count).to_bits(), oracle(&amounts).average(count).to_bits());
        }
    }

    #[test]
    fn what_is_known_by_hand() {
        let sum = |values: &[f64]| values.iter().copied().collect::<ExactSum>().value();
        assert_eq!(sum(&[1e100, 1.0, -1e100]), 1.0);
        assert_eq!(sum(&[f64::MAX, f64::MAX, -f64::MAX]), f64::MAX, "what is too large in between is not at the end");
        assert_eq!(sum(&[f64::MAX, f64::MAX]), f64::INFINITY);
        assert_eq!(sum(&[f64::INFINITY, 1.0]), f64::INFINITY);
        assert!(sum(&[f64::INFINITY, f64::NEG_INFINITY]).is_nan() && sum(&[1.0, f64::NAN]).is_nan());
        assert_eq!(sum(&[1.0, 2_f64.powi(-53), 5e-324]), 1.0 + f64::EPSILON, "just above the middle");
        assert_eq!(sum(&[1.0, 2_f64.powi(-53)]), 1.0, "in the middle, to the even one");
        assert_eq!(sum(&[0.1; 10]), 1.0);
        let average = |values: &[f64]| values.iter().copied().collect::<ExactSum>().average(values.len() as u64);
        assert_eq!(average(&[f64::MAX, f64::MAX]), f64::MAX);
        assert_eq!(average(&[5e-324, 0.0, 0.0]), 0.0);
        assert_eq!(average(&[5e-324, 5e-324, 0.0]), 5e-324);
        assert_eq!(average(&[1.0, 1.0, 2.0]), 4.0 / 3.0);
    }

    #[test]
    fn averages_of_integers_are_rounded_once() {
        assert_eq!(average_of_integers(7, 2), 3.5);
        assert_eq!(average_of_integers(-(1 << 60) - 1, 1), -(2_f64.powi(60)));
        assert_eq!(average_of_integers((1 << 54) + 3, 1), ((1_i64 << 54) + 4) as f64);
        // Rounding twice would give the even neighbour.
        assert_eq!(average_of_integers(((1 << 53) + 1) * 3 + 1, 3), 9_007_199_254_740_994.0);
        assert_eq!(average_of_integers(i128::from(i64::MIN) * 4, 4), i64::MIN as f64);
        for seed in 1..2_000_i64 {
            let sum = i128::from(seed.wrapping_mul(0x5851_F42D_4C95_7F2D)) * i128::from(seed % 90 + 1);
            let count = seed.unsigned_abs() % 1_000 + 1;
            let mut exact = Wide::default();
            // The high and the low half of the sum are each exact as floats.
            let (high, low) = (sum >> 40 << 40, sum - (sum >> 40 << 40));
            exact.add(high as f64);
            exact.add((high - (high as f64) as i128) as f64);
            exact.add(low as f64);
            assert_eq!(average_of_integers(sum, count).to_bits(), exact.average(count).to_bits(), "{sum} / {count}");
        }
    }
}
