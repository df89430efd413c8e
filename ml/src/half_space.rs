//! Half-space trees (Tan, Ting and Liu, "Fast anomaly detection for streaming data", IJCAI 2011): the trees, and how a row goes down
//! them. The learner and its replicas are in `algorithms::half_space_trees`.
//!
//! Every tree halves the space of the features at random, again and again; its leaves are boxes. Where they are is decided by the seed
//! before the first row comes. What is learned is only how many rows came to each leaf.
//!
//! A number is scaled by the least and the greatest value learned, so that the space is that from 0 to 1 in each direction. A category
//! is a place between 0 and 1, another one in every tree, so that a value that is rare is seldom in one box with the frequent ones.

use crate::features::{FeatureColumn, FeatureKind, FeatureView};
use crate::random::Random;
use serde::{Deserialize, Serialize};

/// Categories are hashed into so many bits.
pub(crate) const HASH_BITS: u32 = 24;

/// A cut lies at least this share of a box's width away from its ends.
const PADDING: f64 = 0.15;

/// Rows are taken down the trees in blocks of so many.
const BLOCK: usize = 256;

/// A place where a box is cut in two: values below `at` go left.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Cut {
    at: f32,
    /// Which of the places of a row.
    feature: u32,
}

/// The shapes of trees of one height.
#[derive(Debug)]
pub(crate) struct Forest {
    height: u32,
    /// The inner nodes of one tree after the other, each as a heap: the children of node i are 2 i + 1 and 2 i + 2.
    cuts: Vec<Cut>,
    /// Gives categories their places in each tree.
    salts: Vec<u64>,
    numbers: usize,
    categories: usize,
}

impl Forest {
    /// Trees over these features. The order of the features does not matter: they are taken by name.
    pub(crate) fn new(features: &[FeatureColumn], trees: usize, height: u32, seed: u64) -> Self {
        let of_kind = |kind| features.iter().filter(move |feature| feature.kind == kind);
        let numbers = of_kind(FeatureKind::Numeric).count();
        let in_row = of_kind(FeatureKind::Numeric).chain(of_kind(FeatureKind::Categorical));
        let mut places: Vec<(usize, &str)> = in_row.map(|feature| feature.name.as_str()).enumerate().collect();
        places.sort_by_key(|(_, name)| *name);
        let by_name: Vec<u32> = places.into_iter().map(|(place, _)| place as u32).collect();
        let mut random = Random::of(seed);
        let mut forest = Self { height, cuts: Vec::new(), salts: Vec::new(), numbers, categories: features.len() - numbers };
        for _ in 0..trees {
            forest.salts.push(random.next() | 1);
            forest.grow(&by_name, &mut random);
        }
        forest
    }

    /// Adds a tree.
    fn grow(&mut self, by_name: &[u32], random: &mut Random) {
        let whole: Vec<(f64, f64)> = vec![(0.0, 1.0); by_name.len()];
        let mut level = vec![whole];
        for _ in 0..self.height {
            let mut below = Vec::with_capacity(2 * level.len());
            for bounds in level {
                let on = choose(&bounds, random);
                let (low, high) = bounds.get(on).copied().unwrap_or((0.0, 1.0));
                let padding = PADDING * (high - low);
                let at = low + padding + random.unit() * (high - low - 2.0 * padding);
                self.cuts.push(Cut { at: at as f32, feature: by_name.get(on).copied().unwrap_or_default() });
                for half in [(low, at), (at, high)] {
                    let mut bounds = bounds.clone();
                    bounds.iter_mut().skip(on).take(1).for_each(|bound| *bound = half);
                    below.push(bounds);
                }
            }
            level = below;
        }
    }

    pub(crate) fn trees(&self) -> usize {
        self.salts.len()
    }

    /// How many leaves a tree has.
    pub(crate) fn leaves(&self) -> usize {
        1 << self.height
    }

    pub(crate) fn height(&self) -> u32 {
        self.height
    }

    /// How many numbers a row has.
    pub(crate) fn numbers(&self) -> usize {
        self.numbers
    }

    fn width(&self) -> usize {
        self.numbers + self.categories
    }

    /// Calls `at_leaf(tree, row, leaf)` for every row in every tree, rows in blocks, those of a block in order tree after tree.
    /// `scale` appends the scaled numbers of a row.
    pub(crate) fn descend(
        &self,
        rows: FeatureView<'_>,
        usual: &Usual,
        mut scale: impl FnMut(&[f64], &mut Vec<f32>),
        mut at_leaf: impl FnMut(usize, usize, usize),
    ) {
        let width = self.width();
        let mut places = Vec::with_capacity(width * rows.len().min(BLOCK));
        for start in (0..rows.len()).step_by(BLOCK) {
            let end = (start + BLOCK).min(rows.len());
            places.clear();
            for row in start..end {
                scale(rows.row(row).0, &mut places);
                places.resize((row + 1 - start) * width, 0.0);
            }
            for tree in 0..self.trees() {
                if self.categories > 0 {
                    self.place_categories(tree, rows, start, &mut places);
                }
                for row in start..end {
                    let places = &places[(row - start) * width..(row + 1 - start) * width];
                    at_leaf(tree, row, self.leaf(tree, places, usual));
                }
            }
        }
    }

    /// Gives the categories of a block of rows their places in a tree.
    fn place_categories(&self, tree: usize, rows: FeatureView<'_>, start: usize, places: &mut [f32]) {
        for (row, places) in places.chunks_exact_mut(self.width()).enumerate() {
            let hashed = rows.row(start + row).1;
            for (place, &coordinate) in places[self.numbers..].iter_mut().zip(hashed) {
                // The upper bits of a product with an odd number are mixed well enough.
                let mixed = (u64::from(coordinate) + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_mul(self.salts[tree]);
                *place = (mixed >> 40) as f32 / (1_u32 << 24) as f32;
            }
        }
    }

    /// The leaf of a tree to which a row comes.
    #[inline]
    fn leaf(&self, tree: usize, places: &[f32], usual: &Usual) -> usize {
        let inner = self.leaves() - 1;
        let cuts = &self.cuts[tree * inner..(tree + 1) * inner];
        let mut node = 0;
        while let Some(cut) = cuts.get(node) {
            let place = places[cut.feature as usize];
            let is_right = if place.is_nan() { usual.is_right(tree, node, cut.at) } else { place >= cut.at };
            node = 2 * node + 1 + usize::from(is_right);
        }
        node - inner
    }

    /// Bytes of memory of the shapes, which all learners and replicas of a model share.
    pub(crate) fn size_bytes(&self) -> usize {
        self.cuts.len() * size_of::<Cut>() + self.salts.len() * 8
    }
}

/// The direction that is cut: the wider a box is in it, the likelier.
fn choose(bounds: &[(f64, f64)], random: &mut Random) -> usize {
    let sum: f64 = bounds.iter().map(|(low, high)| high - low).sum();
    let mut left = random.unit() * sum;
    for (at, (low, high)) in bounds.iter().enumerate() {
        left -= high - low;
        if left < 0.0 {
            return at;
        }
    }
    bounds.len().saturating_sub(1)
}

/// What the last whole window of rows says: how usual each leaf is. A missing value goes with most rows of the window; while there was
/// none, it is taken for the middle of its range.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Usual {
    /// The rows at every leaf, tree after tree; none before the first window is whole.
    leaves: Vec<u32>,
    /// The rows at every inner node, likewise.
    inner: Vec<u32>,
    /// How usual every leaf is: the sum, over the nodes on the way to it, of the rows there times 2 to the power of the depth, down to the
    /// first node with few rows.
    scores: Vec<u64>,
    /// The nodes of a tree, one less the leaves twice.
    leaves_of_tree: usize,
}

impl Usual {
    /// Nothing is known.
    pub(crate) fn unknown(forest: &Forest) -> Self {
        Self { leaves: Vec::new(), inner: Vec::new(), scores: Vec::new(), leaves_of_tree: forest.leaves() }
    }

    /// What a window says that had so many rows at every leaf. A node has few rows if they are less than a tenth of the window.
    pub(crate) fn of(leaves: Vec<u32>, forest: &Forest, window: u32) -> Self {
        let of_tree = forest.leaves();
        let (mut inner, mut scores) = (Vec::with_capacity(leaves.len()), Vec::with_capacity(leaves.len()));
        for leaves in leaves.chunks_exact(of_tree) {
            // The tree as a heap, from the leaves up, then down.
            let mut rows = vec![0_u32; of_tree - 1];
            rows.extend_from_slice(leaves);
            for node in (0..of_tree - 1).rev() {
                rows[node] = rows[2 * node + 1].saturating_add(rows[2 * node + 2]);
            }
            let mut sums: Vec<(u64, bool)> = vec![(0, true); rows.len()];
            for node in 0..rows.len() {
                let (above, goes_on) = if node == 0 { (0, true) } else { sums[(node - 1) / 2] };
                let depth = (node + 1).ilog2();
                let own = u64::from(rows[node]) << depth;
                sums[node] =
                    if goes_on { (above + own, 10 * u64::from(rows[node]) >= u64::from(window)) } else { (above, false) };
            }
            scores.extend(sums[of_tree - 1..].iter().map(|(sum, _)| *sum));
            rows.truncate(of_tree - 1);
            inner.extend(rows);
        }
        Self { leaves, inner, scores, leaves_of_tree: of_tree }
    }

    /// The rows at every leaf; none before the first window is whole.
    pub(crate) fn leaves(&self) -> &[u32] {
        &self.leaves
    }

    /// How usual a leaf is; 0 while nothing is known.
    #[inline]
    pub(crate) fn score(&self, tree: usize, leaf: usize) -> u64 {
        self.scores[tree * self.leaves_of_tree + leaf]
    }

    /// Whether more rows went right than left at an inner node.
    #[cold]
    fn is_right(&self, tree: usize, node: usize, cut: f32) -> bool {
        let inner = self.leaves_of_tree - 1;
        let rows = |node: usize| match node.checked_sub(inner) {
            None => self.inner.get(tree * inner + node),
            Some(leaf) => self.leaves.get(tree * self.leaves_of_tree + leaf),
        };
        match (rows(2 * node + 1), rows(2 * node + 2)) {
            (Some(left), Some(right)) if left != right => right > left,
            _ => cut <= 0.5,
        }
    }

    pub(crate) fn size_bytes(&self) -> usize {
        4 * (self.leaves.len() + self.inner.len()) + 8 * self.scores.len()
    }
}

/// The least and the greatest value of every number learned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ranges {
    least: Vec<f64>,
    greatest: Vec<f64>,
}

impl Ranges {
    /// No value was learned.
    pub(crate) fn unknown(width: usize) -> Self {
        Self { least: vec![f64::INFINITY; width], greatest: vec![f64::NEG_INFINITY; width] }
    }

    /// Takes a row in; whether that changed anything.
    pub(crate) fn learn(&mut self, row: &[f64]) -> bool {
        let mut is_changed = false;
        for ((value, least), greatest) in row.iter().zip(&mut self.least).zip(&mut self.greatest) {
            // A missing value, NaN, is neither below nor above.
            if *value < *least {
                (*least, is_changed) = (*value, true);
            }
            if *value > *greatest {
                (*greatest, is_changed) = (*value, true);
            }
        }
        is_changed
    }

    /// Appends a row, scaled: 0 is the least value learned and 1 the greatest; 0 if they are one. A missing value stays NaN.
    #[inline]
    pub(crate) fn scale(&self, row: &[f64], scaled: &mut Vec<f32>) {
        let ranges = self.least.iter().zip(&self.greatest);
        scaled.extend(row.iter().zip(ranges).map(|(value, (least, greatest))| {
            let scaled = if greatest > least { (value - least) / (greatest - least) } else { 0.0 };
            if value.is_nan() { f32::NAN } else { scaled as f32 }
        }));
    }

    pub(crate) fn is_sound(&self, width: usize) -> bool {
        let is_usable = |values: &[f64]| values.len() == width && values.iter().all(|value| !value.is_nan());
        is_usable(&self.least) && is_usable(&self.greatest)
    }

    pub(crate) fn size_bytes(&self) -> usize {
        16 * self.least.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forest(names: &[&str], height: u32) -> Forest {
        let feature = |(column, name): (usize, &&str)| FeatureColumn { name: (*name).into(), column, kind: FeatureKind::Numeric };
        Forest::new(&names.iter().enumerate().map(feature).collect::<Vec<_>>(), 2, height, 7)
    }

    #[test]
    fn cuts_lie_inside_their_box_and_not_near_its_ends() {
        let forest = forest(&["x"], 3);
        let first = &forest.cuts[..7];
        let inside = |at: f32, low: f32, high: f32| (0.15..=0.85).contains(&((at - low) / (high - low)));
        assert!(inside(first[0].at, 0.0, 1.0));
        assert!(inside(first[1].at, 0.0, first[0].at) && inside(first[2].at, first[0].at, 1.0), "{first:?}");
        assert!(inside(first[6].at, first[2].at, 1.0));
        assert_ne!(first[0], forest.cuts[7], "trees differ");
    }

    #[test]
    fn features_are_taken_by_name() {
        let (one, other) = (forest(&["a", "b"], 4), forest(&["b", "a"], 4));
        let turned: Vec<Cut> = other.cuts.iter().map(|cut| Cut { feature: 1 - cut.feature, ..*cut }).collect();
        assert_eq!(one.cuts, turned);
    }

    #[test]
    fn a_leaf_is_as_usual_as_the_nodes_on_the_way_to_it() {
        let forest = forest(&["x"], 2);
        let mut leaves = vec![0_u32; 8];
        leaves[..4].copy_from_slice(&[90, 0, 4, 6]);
        let usual = Usual::of(leaves, &forest, 100);
        // The root, then twice the rows of the half, then four times those of the leaf.
        assert_eq!([usual.score(0, 0), usual.score(0, 1)], [100 + 2 * 90 + 4 * 90, 100 + 2 * 90]);
        assert_eq!([usual.score(0, 2), usual.score(0, 3)], [100 + 2 * 10 + 4 * 4, 100 + 2 * 10 + 4 * 6], "a tenth is not few");
        let usual = Usual::of([vec![91, 0, 4, 5], vec![0; 4]].concat(), &forest, 100);
        assert_eq!([usual.score(0, 2), usual.score(0, 3)], [100 + 2 * 9; 2], "the half has few rows: its leaves do not count");
        assert_eq!(usual.score(1, 3), 0);
    }

    #[test]
    fn values_are_scaled_by_what_was_learned() {
        let mut ranges = Ranges::unknown(2);
        let scaled = |ranges: &Ranges, row: [f64; 2]| {
            let mut scaled = Vec::new();
            ranges.scale(&row, &mut scaled);
            scaled
        };
        assert_eq!(scaled(&ranges, [3.0, -1.0]), [0.0, 0.0]);
        assert!(ranges.learn(&[1.0, f64::NAN]) && ranges.learn(&[5.0, 7.0]) && !ranges.learn(&[2.0, 7.0]));
        assert_eq!(scaled(&ranges, [2.0, 9.0]), [0.25, 0.0], "a constant is 0");
        assert_eq!(scaled(&ranges, [9.0, 7.0]), [2.0, 0.0], "beyond the range is not cut off");
        assert!(scaled(&ranges, [f64::NAN, 7.0])[0].is_nan());
    }
}
