//! What a tree is grown by, and what it reads.

/// A category that the vocabulary does not have.
pub(crate) const UNKNOWN: u32 = u32::MAX;

/// A row as trees read it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row<'a> {
    /// NaN where missing.
    pub(crate) numbers: &'a [f64],
    /// Categories by the vocabulary.
    pub(crate) codes: &'a [u32],
}

/// How a leaf predicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LeafKind {
    /// By how often each class came.
    Majority,
    /// By naive Bayes.
    Bayes,
    /// By whichever of the two was right more often in this leaf; by naive Bayes if they are equal.
    Adaptive,
}

/// How a tree grows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TreeConfig {
    /// How many numbers a row has.
    pub(crate) numbers: usize,
    /// How many categories a row has.
    pub(crate) categories: usize,
    /// A leaf looks for a split each time it has learned this much weight.
    pub(crate) grace: f64,
    /// The probability that a split is not the one that all rows would have made.
    pub(crate) delta: f64,
    /// Splits that are closer than this are as good as each other.
    pub(crate) tau: f64,
    pub(crate) leaf: LeafKind,
    /// How many thresholds are tried between the least and the highest number.
    pub(crate) split_points: usize,
    /// A leaf in which one class has more than this share is not split.
    pub(crate) max_share: f64,
    /// No leaf is deeper.
    pub(crate) max_depth: u32,
    /// How many features a leaf looks at, drawn when it begins; `None` for all.
    pub(crate) subset: Option<usize>,
    /// Bytes of memory a tree may take.
    pub(crate) max_bytes: usize,
}
