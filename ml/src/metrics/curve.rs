//! How positives and negatives are distributed over the scores: a histogram that is exact while there are few different
//! scores and becomes coarser, evenly, as there are more.
//!
//! A score is a bin by the bits of its floating-point number, those above 0.5 by their distance to 1, so that scores near 0
//! and near 1 are told apart as well as others: a fraud model's scores lie there. When there are more than [`BINS_MAX`] bins,
//! the lowest bit is dropped and neighbours fall together (as UDDSketch does for quantiles; Epicoco et al., 2020).
//!
//! # Contract
//! The bins are a function of the *set* of scored rows: the number of dropped bits is the least at which [`BINS_MAX`] bins
//! suffice. So neither order nor batching matters, and merging two curves gives exactly the curve of all rows.

use serde::{Deserialize, Serialize};

/// The most bins there are: up to so many different scores the curve is exact.
pub const BINS_MAX: usize = 1 << 16;

/// So many scores are buffered before they are sorted into the bins together.
const RECENT_MAX: usize = 1 << 14;

/// The distribution of the scores, of positives and of negatives.
///
/// ```
/// use egret_ml::metrics::ScoreCurve;
/// let mut curve = ScoreCurve::default();
/// for (score, label) in [(0.1, false), (0.4, false), (0.35, true), (0.8, true)] {
///     curve.add(score, label);
/// }
/// assert_eq!(curve.roc_auc(), Some(0.75));
/// ```
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ScoreCurve {
    /// How many low bits of the keys are dropped.
    dropped_bits: u32,
    /// In order of their keys.
    bins: Vec<Bin>,
    /// Rows that are not in the bins yet: the key without dropped bits, times two, plus the label.
    recent: Vec<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Bin {
    key: u64,
    positives: u64,
    negatives: u64,
}

impl Bin {
    fn take_in(&mut self, other: Self) {
        self.positives += other.positives;
        self.negatives += other.negatives;
    }
}

/// A number of 63 bits that grows with the score and differs for different scores.
fn key(score: f64) -> u64 {
    const HALF: u64 = 0.5_f64.to_bits();
    let score = score.clamp(0.0, 1.0) + 0.0;
    if score <= 0.5 { score.to_bits() } else { 2 * HALF - (1.0 - score).to_bits() }
}

impl ScoreCurve {
    /// Adds a row.
    #[inline]
    pub fn add(&mut self, score: f64, is_positive: bool) {
        self.recent.push(key(score) << 1 | u64::from(is_positive));
        if self.recent.len() == RECENT_MAX {
            self.settle();
        }
    }

    /// Adds the rows of another curve.
    pub fn merge(&mut self, mut other: Self) {
        self.settle();
        other.settle();
        let bits = self.dropped_bits.max(other.dropped_bits);
        self.drop_bits_to(bits);
        other.drop_bits_to(bits);
        self.sort_in(&other.bins);
    }

    /// The area under the ROC curve; `None` while one class is missing.
    pub fn roc_auc(&mut self) -> Option<f64> {
        let (positives, negatives) = self.totals()?;
        let (mut below, mut area) = (0.0, 0.0);
        for bin in &self.bins {
            area += bin.positives as f64 * (below + 0.5 * bin.negatives as f64);
            below += bin.negatives as f64;
        }
        Some(area / (positives * negatives))
    }

    /// The largest error that [`ScoreCurve::roc_auc`] can have: half the share of pairs within a bin; 0 while it is exact.
    pub fn roc_auc_error_max(&mut self) -> f64 {
        let Some((positives, negatives)) = self.totals() else { return 0.0 };
        let within: f64 = self.bins.iter().map(|bin| bin.positives as f64 * bin.negatives as f64).sum();
        if self.dropped_bits == 0 { 0.0 } else { 0.5 * within / (positives * negatives) }
    }

    /// The average precision; `None` while there are no positives.
    pub fn average_precision(&mut self) -> Option<f64> {
        self.settle();
        let positives: u64 = self.bins.iter().map(|bin| bin.positives).sum();
        let (mut found, mut taken, mut sum) = (0, 0, 0.0);
        for bin in self.bins.iter().rev() {
            found += bin.positives;
            taken += bin.positives + bin.negatives;
            sum += bin.positives as f64 * (found as f64 / taken as f64);
        }
        (positives > 0).then(|| sum / positives as f64)
    }

    /// Bytes of memory.
    pub fn size_bytes(&self) -> usize {
        self.bins.capacity() * size_of::<Bin>() + self.recent.capacity() * size_of::<u64>()
    }

    fn totals(&mut self) -> Option<(f64, f64)> {
        self.settle();
        let positives: u64 = self.bins.iter().map(|bin| bin.positives).sum();
        let negatives: u64 = self.bins.iter().map(|bin| bin.negatives).sum();
        (positives > 0 && negatives > 0).then_some((positives as f64, negatives as f64))
    }

    fn settle(&mut self) {
        let mut recent = std::mem::take(&mut self.recent);
        recent.sort_unstable();
        let one = |entry: &u64| {
            let positives = entry & 1;
            Bin { key: entry >> 1 >> self.dropped_bits, positives, negatives: 1 - positives }
        };
        let bins: Vec<Bin> = recent.iter().map(one).collect();
        self.sort_in(&bins);
        recent.clear();
        self.recent = recent;
    }

    /// Merges bins that are in order of key, with the same bits dropped; then drops bits while there are too many bins.
    fn sort_in(&mut self, more: &[Bin]) {
        if more.is_empty() {
            return;
        }
        let mut merged: Vec<Bin> = Vec::with_capacity(self.bins.len() + more.len());
        let mut left = self.bins.iter().peekable();
        let mut right = more.iter().peekable();
        while let Some(bin) = match (left.peek(), right.peek()) {
            (Some(a), Some(b)) if b.key < a.key => right.next(),
            (Some(_), _) => left.next(),
            (None, _) => right.next(),
        } {
            match merged.last_mut() {
                Some(last) if last.key == bin.key => last.take_in(*bin),
                _ => merged.push(*bin),
            }
        }
        self.bins = merged;
        while self.bins.len() > BINS_MAX {
            self.drop_bits_to(self.dropped_bits + 1);
        }
        self.bins.shrink_to(BINS_MAX);
    }

    fn drop_bits_to(&mut self, bits: u32) {
        let by = bits - self.dropped_bits;
        if by == 0 {
            return;
        }
        self.bins.iter_mut().for_each(|bin| bin.key >>= by);
        self.bins.dedup_by(|next, kept| {
            let is_same = next.key == kept.key;
            if is_same {
                kept.take_in(*next);
            }
            is_same
        });
        self.dropped_bits = bits;
    }
}

impl PartialEq for ScoreCurve {
    fn eq(&self, other: &Self) -> bool {
        let settled = |curve: &Self| {
            let mut curve = curve.clone();
            curve.settle();
            (curve.dropped_bits, curve.bins)
        };
        settled(self) == settled(other)
    }
}
