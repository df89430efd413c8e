//! A Hoeffding tree (Domingos and Hulten, KDD 2000): a leaf becomes a split when it has seen enough to know which split is the best.
//!
//! Nodes lie in one arena, the two children of a split side by side, and leaves in another. A tree of a forest, or one that adapts,
//! has parts that come and go: what is free is used again.

use super::config::{Row, TreeConfig};
use super::leaf::{Leaf, Observed};
use super::split::{Split, Test, best_split};
use crate::random::Random;
use serde::{Deserialize, Serialize};

/// A node of a tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) enum Node {
    /// None.
    #[default]
    Free,
    /// A leaf, by its place.
    Leaf(u32),
    /// Whether a number is at most `threshold`. `first` is the node for those that are, the next that for others.
    Number { feature: u32, threshold: f64, first: u32, is_missing_first: bool },
    /// Whether a category has a value; as for a number.
    Category { feature: u32, code: u32, first: u32 },
}

/// A tree.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tree {
    nodes: Vec<Node>,
    leaves: Vec<Leaf>,
    /// The first nodes of pairs that are free.
    free_pairs: Vec<u32>,
    free_leaves: Vec<u32>,
    /// Bytes of memory.
    bytes: u64,
    /// How many leaves keep account of features.
    active: u32,
    random: Random,
    /// Nodes and leaves that changed since the last delta, and whether all have.
    changed_nodes: Vec<u32>,
    changed_leaves: Vec<u32>,
    is_new: bool,
}

/// The node where every tree begins.
pub(crate) const ROOT: u32 = 0;

impl Tree {
    /// A leaf. `random` draws the features that leaves look at.
    pub(crate) fn new(config: &TreeConfig, random: Random) -> Self {
        let mut tree = Self {
            nodes: vec![Node::Free; 2],
            leaves: Vec::new(),
            free_pairs: Vec::new(),
            free_leaves: Vec::new(),
            bytes: 2 * size_of::<Node>() as u64,
            active: 0,
            random,
            changed_nodes: Vec::new(),
            changed_leaves: Vec::new(),
            is_new: true,
        };
        tree.put_leaf(ROOT, 0, Vec::new(), config);
        tree
    }

    /// A tree for [`Tree::apply`] alone.
    pub(crate) fn empty() -> Self {
        let random = Random::new(0, 0);
        let (nodes, leaves, free_pairs, free_leaves) = (vec![Node::Free; 2], Vec::new(), Vec::new(), Vec::new());
        let (changed_nodes, changed_leaves) = (Vec::new(), Vec::new());
        Self { nodes, leaves, free_pairs, free_leaves, bytes: 0, active: 0, random, changed_nodes, changed_leaves, is_new: true }
    }

    /// Whether a node is a split.
    pub(crate) fn is_split(&self, node: u32) -> bool {
        matches!(self.nodes[node as usize], Node::Number { .. } | Node::Category { .. })
    }

    /// The node to which a row goes from a split; `None` from a leaf.
    #[inline]
    pub(crate) fn next(&self, node: u32, row: Row<'_>) -> Option<u32> {
        match self.nodes[node as usize] {
            Node::Number { feature, threshold, first, is_missing_first } => {
                let value = row.numbers[feature as usize];
                let is_first = value <= threshold || is_missing_first && value.is_nan();
                Some(first + u32::from(!is_first))
            }
            Node::Category { feature, code, first } => Some(first + u32::from(row.codes[feature as usize] != code)),
            Node::Leaf(_) | Node::Free => None,
        }
    }

    /// The leaf of a row; `None` if the tree has never been applied to.
    #[inline]
    pub(crate) fn find(&self, mut node: u32, row: Row<'_>) -> Option<u32> {
        while let Some(next) = self.next(node, row) {
            node = next;
        }
        match self.nodes[node as usize] {
            Node::Leaf(leaf) => Some(leaf),
            _ => None,
        }
    }

    /// Writes a probability a class; `false` if the leaf of the row knows nothing.
    pub(crate) fn predict(&self, row: Row<'_>, config: &TreeConfig, probabilities: &mut [f64]) -> bool {
        let leaf = self.find(ROOT, row);
        leaf.is_some_and(|leaf| self.leaves[leaf as usize].predict(row, config.leaf, probabilities))
    }

    /// The class that the tree predicts.
    pub(crate) fn guess(&self, root: u32, row: Row<'_>, config: &TreeConfig) -> Option<usize> {
        self.find(root, row).and_then(|leaf| self.leaves[leaf as usize].guess(row, config.leaf))
    }

    /// Learns a row from a node on. The node that became a split by that, if one did.
    pub(crate) fn learn(&mut self, root: u32, row: Row<'_>, class: usize, weight: f64, config: &TreeConfig) -> Option<u32> {
        let at = self.find(root, row)?;
        self.touch_leaf(at);
        let leaf = &mut self.leaves[at as usize];
        let before = leaf.bytes();
        leaf.learn(row, class, weight, config.leaf);
        let (after, total) = (leaf.bytes(), leaf.weight());
        let looks = leaf.observed.is_some() && total - leaf.looked_at >= config.grace;
        let node = leaf.node;
        self.bytes = self.bytes + after as u64 - before as u64;
        let is_split = looks && self.look(at, total, config);
        if (is_split || after != before) && self.bytes > config.max_bytes as u64 {
            self.forget(config.max_bytes as u64);
        }
        is_split.then_some(node)
    }

    /// Looks for a split of a leaf, and makes it.
    fn look(&mut self, at: u32, total: f64, config: &TreeConfig) -> bool {
        let leaf = &mut self.leaves[at as usize];
        leaf.looked_at = total;
        let most = total - leaf.promise();
        let Some(observed) = leaf.observed.as_ref().filter(|_| most <= config.max_share * total && leaf.depth < config.max_depth)
        else {
            return false;
        };
        match best_split(leaf, observed, config) {
            Some(split) => {
                self.split(at, split, config);
                true
            }
            None => false,
        }
    }

    fn split(&mut self, at: u32, split: Split, config: &TreeConfig) {
        let (node, depth) = (self.leaves[at as usize].node, self.leaves[at as usize].depth + 1);
        self.free_leaf(at);
        let first = self.pair();
        let is_missing_first = split.yes.iter().sum::<f64>() >= split.no.iter().sum();
        self.nodes[node as usize] = match split.test {
            Test::Number { feature, threshold } => Node::Number { feature, threshold, first, is_missing_first },
            Test::Category { feature, code } => Node::Category { feature, code, first },
        };
        self.touch_node(node);
        self.put_leaf(first, depth, split.yes, config);
        self.put_leaf(first + 1, depth, split.no, config);
    }

    /// Two free nodes side by side.
    fn pair(&mut self) -> u32 {
        self.free_pairs.pop().unwrap_or_else(|| {
            self.nodes.extend([Node::Free; 2]);
            self.bytes += 2 * size_of::<Node>() as u64;
            self.nodes.len() as u32 - 2
        })
    }

    fn put_leaf(&mut self, node: u32, depth: u32, weights: Vec<f64>, config: &TreeConfig) {
        let features = self.draw(config);
        let mut leaf = Leaf::new(node, depth, weights, Observed::new(config, features));
        self.bytes += leaf.bytes() as u64;
        self.active += 1;
        let at = match self.free_leaves.pop() {
            Some(at) => at,
            None => {
                self.leaves.push(Leaf::default());
                self.leaves.len() as u32 - 1
            }
        };
        leaf.is_changed = self.leaves[at as usize].is_changed;
        self.leaves[at as usize] = leaf;
        self.touch_leaf(at);
        self.nodes[node as usize] = Node::Leaf(at);
        self.touch_node(node);
    }

    /// The features that a new leaf looks at, in ascending order; none stands for all.
    fn draw(&mut self, config: &TreeConfig) -> Vec<u32> {
        let all = config.numbers + config.categories;
        let Some(count) = config.subset.filter(|count| *count < all) else { return Vec::new() };
        let mut features: Vec<u32> = (0..all as u32).collect();
        for at in 0..count {
            let chosen = at + self.random.below(all - at);
            features.swap(at, chosen);
        }
        features.truncate(count);
        features.sort_unstable();
        features
    }

    fn touch_node(&mut self, node: u32) {
        if !self.is_new {
            self.changed_nodes.push(node);
        }
    }

    fn touch_leaf(&mut self, at: u32) {
        if !std::mem::replace(&mut self.leaves[at as usize].is_changed, true) {
            self.changed_leaves.push(at);
        }
    }

    fn free_leaf(&mut self, at: u32) {
        self.touch_leaf(at);
        let leaf = std::mem::take(&mut self.leaves[at as usize]);
        self.leaves[at as usize].is_changed = true;
        self.bytes -= leaf.bytes() as u64;
        self.active -= u32::from(leaf.observed.is_some());
        self.free_leaves.push(at);
    }

    /// The leaves of least promise keep no account of features any more, until no more than `most` bytes are taken.
    fn forget(&mut self, most: u64) {
        while self.bytes > most && self.active > 0 {
            let is_active = |(_, leaf): &(usize, &Leaf)| leaf.observed.is_some();
            let promise = |(at, leaf): (usize, &Leaf)| (leaf.promise(), at);
            let all = self.leaves.iter().enumerate().filter(is_active).map(promise);
            let Some((_, at)) = all.reduce(|least, other| if other.0 < least.0 { other } else { least }) else { return };
            self.touch_leaf(at as u32);
            let leaf = &mut self.leaves[at];
            let before = leaf.bytes();
            leaf.observed = None;
            self.bytes = self.bytes + leaf.bytes() as u64 - before as u64;
            self.active -= 1;
        }
    }

    /// A new leaf that no split leads to: the root of a tree beside the others.
    pub(crate) fn plant(&mut self, depth: u32, config: &TreeConfig) -> u32 {
        let root = self.pair();
        self.put_leaf(root, depth, Vec::new(), config);
        root
    }

    /// Frees what is below a node and the node; each node freed is told to `freed`.
    pub(crate) fn clear(&mut self, node: u32, freed: &mut impl FnMut(u32)) {
        let mut open = vec![node];
        while let Some(node) = open.pop() {
            match std::mem::take(&mut self.nodes[node as usize]) {
                Node::Free => {}
                Node::Leaf(leaf) => self.free_leaf(leaf),
                Node::Number { first, .. } | Node::Category { first, .. } => {
                    open.extend([first, first + 1]);
                    self.free_pairs.push(first);
                }
            }
            self.touch_node(node);
            freed(node);
        }
    }

    /// Frees the root of a tree beside the others, and what is below.
    pub(crate) fn uproot(&mut self, root: u32, freed: &mut impl FnMut(u32)) {
        self.clear(root, freed);
        self.free_pairs.push(root);
    }

    /// Puts the tree below `root`, which stood beside the others, in the place of `node`.
    pub(crate) fn graft(&mut self, node: u32, root: u32, freed: &mut impl FnMut(u32)) {
        self.clear(node, freed);
        let grafted = std::mem::take(&mut self.nodes[root as usize]);
        self.nodes[node as usize] = grafted;
        if let Node::Leaf(leaf) = grafted {
            self.touch_leaf(leaf);
            self.leaves[leaf as usize].node = node;
        }
        self.free_pairs.push(root);
        self.touch_node(node);
        self.touch_node(root);
    }

    /// What changed since the last delta.
    pub(crate) fn take_delta(&mut self) -> TreeDelta {
        let is_new = std::mem::take(&mut self.is_new);
        let (mut nodes, mut leaves) = (std::mem::take(&mut self.changed_nodes), std::mem::take(&mut self.changed_leaves));
        nodes.sort_unstable();
        nodes.dedup();
        leaves.sort_unstable();
        leaves.iter().for_each(|leaf| self.leaves[*leaf as usize].is_changed = false);
        if is_new {
            nodes = (0..self.nodes.len() as u32).collect();
            leaves = (0..self.leaves.len() as u32).collect();
        }
        let lengths = (self.nodes.len() as u32, self.leaves.len() as u32);
        let nodes = nodes.into_iter().map(|node| (node, self.nodes[node as usize])).collect();
        let leaves = leaves.into_iter().map(|leaf| (leaf, self.leaves[leaf as usize].clone())).collect();
        TreeDelta { is_new, lengths, nodes, leaves }
    }

    /// Takes a delta in; `false` if it is not of such a tree, which then is as good as none.
    pub(crate) fn apply(&mut self, delta: TreeDelta, config: &TreeConfig, classes: usize) -> bool {
        if delta.is_new {
            *self = Self::empty();
        }
        let (nodes, leaves) = (delta.lengths.0 as usize, delta.lengths.1 as usize);
        // Of two nodes that are new at least one is told.
        let known = (self.nodes.len() + 2 * delta.nodes.len(), self.leaves.len() + delta.leaves.len());
        if nodes > known.0 || leaves > known.1 || nodes < self.nodes.len() || leaves < self.leaves.len() {
            return false;
        }
        self.nodes.resize(nodes, Node::Free);
        self.leaves.resize(leaves, Leaf::default());
        for (at, node) in delta.nodes {
            let Some(known) = self.nodes.get_mut(at as usize) else { return false };
            *known = node;
        }
        for (at, leaf) in delta.leaves {
            let is_sound = leaf.is_sound(config, classes);
            let Some(known) = self.leaves.get_mut(at as usize).filter(|_| is_sound) else { return false };
            *known = leaf;
        }
        let is_empty = || self.leaves.is_empty() && self.nodes.iter().all(|node| *node == Node::Free);
        self.reach(&[ROOT], config).is_some() || is_empty()
    }

    /// Which nodes and leaves are reached from these roots; `None` if what was read is no tree.
    fn reach(&self, roots: &[u32], config: &TreeConfig) -> Option<(Vec<bool>, Vec<bool>)> {
        let (mut nodes, mut leaves) = (vec![false; self.nodes.len()], vec![false; self.leaves.len()]);
        let mut open = roots.to_vec();
        while let Some(at) = open.pop() {
            if std::mem::replace(nodes.get_mut(at as usize)?, true) {
                return None;
            }
            let (fits, first) = match self.nodes[at as usize] {
                Node::Free => return None,
                Node::Leaf(leaf) => {
                    let is_twice = std::mem::replace(leaves.get_mut(leaf as usize)?, true);
                    (!is_twice && self.leaves[leaf as usize].node == at, None)
                }
                Node::Number { feature, first, .. } => ((feature as usize) < config.numbers, Some(first)),
                Node::Category { feature, first, .. } => ((feature as usize) < config.categories, Some(first)),
            };
            if !fits {
                return None;
            }
            if let Some(first) = first.filter(|first| first % 2 == 0) {
                open.extend([first, first.checked_add(1)?]);
            } else if first.is_some() {
                return None;
            }
        }
        Some((nodes, leaves))
    }

    /// Makes what was read from a snapshot whole; `false` if it is not of such a tree.
    pub(crate) fn restore(&mut self, roots: &[u32], config: &TreeConfig, classes: usize) -> bool {
        let Some((mut nodes, mut leaves)) = self.reach(roots, config).filter(|_| roots.iter().all(|root| root % 2 == 0)) else {
            return false;
        };
        let reached = leaves.clone();
        let is_free = |is_used: Option<&mut bool>| is_used.is_some_and(|is_used| !std::mem::replace(is_used, true));
        let pairs_fit = self.free_pairs.iter().all(|first| {
            let second = first.checked_add(1).filter(|_| first % 2 == 0);
            is_free(nodes.get_mut(*first as usize)) && second.is_some_and(|second| is_free(nodes.get_mut(second as usize)))
        });
        let leaves_fit = self.free_leaves.iter().all(|leaf| is_free(leaves.get_mut(*leaf as usize)));
        let changes_fit = self.changed_nodes.iter().all(|node| (*node as usize) < self.nodes.len())
            && self.changed_leaves.iter().all(|leaf| (*leaf as usize) < self.leaves.len());
        if !(pairs_fit && leaves_fit && changes_fit && self.leaves.iter().all(|leaf| leaf.is_sound(config, classes))) {
            return false;
        }
        let in_use = self.leaves.iter().zip(reached).filter(|(_, is_reached)| *is_reached);
        let (bytes, active) = in_use.fold((0, 0), |(bytes, active), (leaf, _)| {
            (bytes + leaf.bytes() as u64, active + u32::from(leaf.observed.is_some()))
        });
        for leaf in &self.changed_leaves {
            self.leaves[*leaf as usize].is_changed = true;
        }
        (self.bytes, self.active) == (bytes + (self.nodes.len() * size_of::<Node>()) as u64, active)
    }

    pub(crate) fn size_bytes(&self) -> usize {
        let leaves: usize = self.leaves.iter().map(Leaf::bytes).sum();
        size_of::<Self>() + self.nodes.len() * size_of::<Node>() + leaves
    }
}

/// What changed of a tree: nodes and leaves, with all that is known of each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct TreeDelta {
    /// Whether the tree before is forgotten.
    is_new: bool,
    /// How many nodes and leaves there are.
    lengths: (u32, u32),
    nodes: Vec<(u32, Node)>,
    leaves: Vec<(u32, Leaf)>,
}

impl TreeDelta {
    /// The whole of a tree.
    pub(crate) fn all(tree: &Tree) -> Self {
        let nodes = (0..).zip(tree.nodes.iter().copied()).collect();
        let leaves = (0..).zip(tree.leaves.iter().cloned()).collect();
        Self { is_new: true, lengths: (tree.nodes.len() as u32, tree.leaves.len() as u32), nodes, leaves }
    }
}
