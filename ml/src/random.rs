//! Chance that is the same in every run: a seeded generator (splitmix64), whose state is a number.

use serde::{Deserialize, Serialize};

/// A generator of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Random(u64);

impl Random {
    /// The generator of a seed.
    pub(crate) fn of(seed: u64) -> Self {
        Self(seed)
    }

    /// The generator of a seed, one of many: `stream` tells those of one seed apart.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut mixed = Self(seed ^ stream.wrapping_mul(0xD134_2543_DE82_EF95));
        Self(mixed.next())
    }

    /// The next 64 bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// From 0 on, below 1.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Below `n`, which is above 0.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.next()) * n as u128) >> 64) as usize
    }
}

/// A Poisson distribution.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Poisson {
    /// The probability of at most so many.
    at_most: Vec<f64>,
}

impl Poisson {
    /// The distribution with this mean, which is above 0 and not large.
    pub(crate) fn new(mean: f64) -> Self {
        let (mut probability, mut sum, mut at_most) = (libm::exp(-mean), 0.0, Vec::new());
        for count in 1.. {
            sum += probability;
            at_most.push(sum);
            probability *= mean / f64::from(count);
            if f64::from(count) > mean && probability < 1e-17 {
                break;
            }
        }
        Self { at_most }
    }

    /// A number drawn from it.
    pub(crate) fn draw(&self, random: &mut Random) -> u32 {
        let unit = random.unit();
        self.at_most.iter().position(|at_most| unit < *at_most).unwrap_or(self.at_most.len()) as u32
    }
}

#[test]
fn a_poisson_distribution_has_its_mean_and_variance() {
    for mean in [0.5, 1.0, 6.0, 30.0] {
        let (poisson, mut random, count) = (Poisson::new(mean), Random::new(1, 2), 200_000);
        let drawn: Vec<f64> = (0..count).map(|_| f64::from(poisson.draw(&mut random))).collect();
        let average = drawn.iter().sum::<f64>() / f64::from(count);
        let variance = drawn.iter().map(|x| (x - average).powi(2)).sum::<f64>() / f64::from(count);
        assert!((average - mean).abs() < 0.02 * mean.max(1.0), "{mean}: {average}");
        assert!((variance - mean).abs() < 0.03 * mean.max(1.0), "{mean}: {variance}");
    }
    let mut random = Random::new(3, 4);
    assert!((0..1000).all(|_| random.below(3) < 3));
}
