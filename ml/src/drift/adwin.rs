//! ADWIN (Bifet and Gavaldà, SDM 2007): a window of the newest numbers that grows while nothing changes and lets go of its oldest part
//! when that has another mean.
//!
//! The window is an exponential histogram: row k has up to five buckets of 2^k numbers, of which their sum and their squared deviation
//! are kept. So a window of n numbers takes the memory of about five log2(n / 5) buckets, and only a longer row than ever takes more.

use super::detector::{DriftDetector, Verdict, is_value};
use serde::{Deserialize, Serialize};

/// How many buckets of one size there are at most.
const BUCKETS: usize = 5;

/// A part of the window has at least so many numbers.
const LEAST_PART: f64 = 5.0;

/// A window of at most so many numbers is not looked at.
const GRACE: u64 = 10;

/// How many rows of buckets there are at most: more numbers than anyone has.
const ROWS: usize = 48;

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Bucket {
    sum: f64,
    /// The sum of squared distances from the mean.
    squares: f64,
}

/// The buckets of one size, the oldest first. One more than stay, for a moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Row {
    buckets: [Bucket; BUCKETS + 1],
    length: u8,
}

impl Row {
    fn push(&mut self, bucket: Bucket) {
        self.buckets[usize::from(self.length)] = bucket;
        self.length += 1;
    }

    fn drop_oldest(&mut self, count: u8) {
        self.buckets.copy_within(usize::from(count)..usize::from(self.length), 0);
        self.length -= count;
    }

    fn all(&self) -> &[Bucket] {
        &self.buckets[..usize::from(self.length)]
    }
}

/// A window of the newest numbers with one mean.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Adwin {
    delta: f64,
    clock: u32,
    /// How many numbers more until the window is looked at.
    until_look: u32,
    length: u64,
    total: f64,
    squares: f64,
    rows: Vec<Row>,
    /// Whether [`DriftDetector::observe`] fired at the last number.
    has_fired: bool,
}

impl Adwin {
    /// A window that sees a change where there is none with a probability of about `delta` (usual is 0.002), and looks after every
    /// `clock` numbers (usual is 32).
    ///
    /// # Panics
    /// `delta` is not between 0 and 1, or `clock` is 0.
    pub fn new(delta: f64, clock: u32) -> Self {
        assert!(delta > 0.0 && delta < 1.0, "delta is between 0 and 1");
        assert!(clock > 0, "the clock ticks");
        let rows = vec![Row::default()];
        Self { delta, clock, until_look: clock, length: 0, total: 0.0, squares: 0.0, rows, has_fired: false }
    }

    /// How many numbers are in the window.
    pub fn len(&self) -> u64 {
        self.length
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The mean of the window; 0 if it is empty.
    pub fn mean(&self) -> f64 {
        if self.length == 0 { 0.0 } else { self.total / self.length as f64 }
    }

    /// Lets go of everything.
    pub fn clear(&mut self) {
        self.rows.truncate(1);
        self.rows[0].length = 0;
        (self.until_look, self.length, self.total, self.squares, self.has_fired) = (self.clock, 0, 0.0, 0.0, false);
    }

    /// Takes a number; whether the window let go of its oldest part. What is left stays, and the window goes on with it.
    #[inline]
    pub fn update(&mut self, value: f64) -> bool {
        if !is_value(value) {
            return false;
        }
        self.insert(value);
        self.until_look -= 1;
        if self.until_look > 0 {
            return false;
        }
        self.until_look = self.clock;
        self.shrink()
    }

    #[inline]
    fn insert(&mut self, value: f64) {
        if self.length > 0 {
            let before = self.length as f64;
            let away = value - self.total / before;
            self.squares += before * away * away / (before + 1.0);
        }
        self.length += 1;
        self.total += value;
        self.rows[0].push(Bucket { sum: value, squares: 0.0 });
        if usize::from(self.rows[0].length) > BUCKETS {
            self.merge();
        }
    }

    /// The two oldest buckets of a row that is too long become one of the next.
    fn merge(&mut self) {
        let mut at = 0;
        while at + 1 < ROWS && usize::from(self.rows[at].length) > BUCKETS {
            if at + 1 == self.rows.len() {
                self.rows.push(Row::default());
            }
            let size = (1_u64 << at) as f64;
            let [first, second, ..] = self.rows[at].buckets;
            let apart = (first.sum - second.sum) / size;
            let squares = first.squares + second.squares + size * apart * apart / 2.0;
            self.rows[at].drop_oldest(2);
            self.rows[at + 1].push(Bucket { sum: first.sum + second.sum, squares });
            at += 1;
        }
        if usize::from(self.rows[at].length) > BUCKETS {
            self.drop_oldest();
        }
    }

    /// Drops buckets while two parts of the window differ; whether any was.
    fn shrink(&mut self) -> bool {
        let mut is_shorter = false;
        while self.length > GRACE && self.has_cut() {
            self.drop_oldest();
            is_shorter = true;
        }
        is_shorter
    }

    /// Whether the window falls into two parts of different means, somewhere.
    fn has_cut(&self) -> bool {
        let all = self.length as f64;
        let confidence = libm::log(2.0 * libm::log(all) / self.delta);
        let (scaled, linear) = (2.0 * (self.squares / all).max(0.0) * confidence, 2.0 / 3.0 * confidence);
        let (mut older, mut older_sum) = (0.0, 0.0);
        for (at, row) in self.rows.iter().enumerate().rev() {
            let size = (1_u64 << at) as f64;
            for bucket in row.all() {
                older += size;
                older_sum += bucket.sum;
                let newer = all - older;
                if newer < LEAST_PART {
                    return false;
                }
                if older < LEAST_PART {
                    continue;
                }
                let apart = (older_sum / older - (self.total - older_sum) / newer).abs();
                let both = 1.0 / (older - LEAST_PART + 1.0) + 1.0 / (newer - LEAST_PART + 1.0);
                // |mean - mean| > sqrt(scaled both) + linear both, without the root.
                let beyond = apart - linear * both;
                if beyond > 0.0 && beyond * beyond > scaled * both {
                    return true;
                }
            }
        }
        false
    }

    fn drop_oldest(&mut self) {
        while self.rows.len() > 1 && self.rows.last().is_some_and(|row| row.length == 0) {
            self.rows.pop();
        }
        let at = self.rows.len() - 1;
        let (size, bucket) = (1_u64 << at, self.rows[at].buckets[0]);
        if self.length <= size {
            return self.clear();
        }
        self.rows[at].drop_oldest(1);
        self.length -= size;
        self.total -= bucket.sum;
        let (dropped, left) = (size as f64, self.length as f64);
        let apart = bucket.sum / dropped - self.total / left;
        self.squares -= bucket.squares + dropped * left * apart * apart / (dropped + left);
    }

    /// Gives a window that was read from a snapshot these settings; `false` if it is none.
    pub(crate) fn restore(&mut self, delta: f64, clock: u32) -> bool {
        (self.delta, self.clock, self.until_look) = (delta, clock, self.until_look.min(clock));
        let is_finite = |bucket: &Bucket| bucket.sum.is_finite() && bucket.squares.is_finite();
        let rows_fit = self.rows.iter().all(|row| usize::from(row.length) <= BUCKETS && row.all().iter().all(is_finite));
        let length = self.rows.iter().enumerate().map(|(at, row)| u128::from(row.length) << at.min(100)).sum::<u128>();
        self.until_look > 0
            && (1..=ROWS).contains(&self.rows.len())
            && rows_fit
            && length == u128::from(self.length)
            && self.total.is_finite()
            && self.squares.is_finite()
    }

    /// Bytes of memory.
    pub fn size_bytes(&self) -> usize {
        size_of::<Self>() + self.rows.len() * size_of::<Row>()
    }
}

impl DriftDetector for Adwin {
    /// As [`Adwin::update`], but after a drift the window is empty.
    fn observe(&mut self, value: f64) -> Verdict {
        if self.has_fired {
            self.clear();
        }
        self.has_fired = self.update(value);
        if self.has_fired { Verdict::Drift } else { Verdict::Steady }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_as_long_as_what_it_took_and_has_its_mean_and_variance() {
        let mut window = Adwin::new(1e-9, 32);
        let values: Vec<f64> = (0..10_000_u32).map(|at| f64::from(at.wrapping_mul(2_654_435_761) >> 20)).collect();
        values.iter().for_each(|value| assert!(!window.update(*value)));
        let mean = values.iter().sum::<f64>() / 1e4;
        let squares = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
        assert_eq!(window.len(), 10_000);
        assert!((window.mean() - mean).abs() < 1e-6 && (window.squares / squares - 1.0).abs() < 1e-9);
        assert!(window.rows.len() <= 12 && window.restore(1e-9, 32));
        window.length += 1;
        assert!(!window.restore(1e-9, 32));
    }

    #[test]
    fn a_change_is_seen_and_the_newest_part_stays() {
        let mut window = Adwin::new(0.002, 32);
        let zeros = (0..1000).filter(|_| window.update(0.0)).count();
        let first = (0..1000).position(|_| window.update(1.0)).expect("a change");
        assert_eq!((zeros, first + 1000), (0, 1023));
        (0..100).for_each(|_| _ = window.update(1.0));
        assert!(window.mean() > 0.9 && window.len() < 200, "{} of {}", window.mean(), window.len());
    }

    #[test]
    fn what_is_no_value_is_not_taken() {
        let mut window = Adwin::new(0.002, 1);
        for value in [f64::NAN, f64::INFINITY, -1e300] {
            assert_eq!(window.observe(value), Verdict::Steady);
        }
        assert!(window.is_empty() && window.mean() == 0.0);
        for at in 0..1000 {
            window.observe(if at % 7 == 0 { 1e100 } else { -1e100 });
        }
        assert!(window.mean().is_finite() && window.restore(0.002, 1));
    }
}
