//! A Hoeffding adaptive tree (Bifet and Gavaldà, 2009): each split watches the errors below it. When they become more, a tree begins to
//! grow beside it, and takes its place once that is surely better.

use super::config::{Row, TreeConfig};
use super::method::Method;
use super::tree::{ROOT, Tree};
use super::voters::{Voter, Voters};
use crate::drift::Adwin;
use crate::random::Random;
use serde::{Deserialize, Serialize};

/// After how many numbers a window is looked at.
const CLOCK: u32 = 32;

/// A tree whose parts are replaced.
#[derive(Clone, Debug)]
pub(crate) struct Adaptive {
    pub(crate) tree: TreeConfig,
    /// The confidence of the windows.
    pub(crate) drift: f64,
    /// The confidence with which one tree is better than another.
    pub(crate) significance: f64,
    /// Both have seen more errors than this before they are compared.
    pub(crate) least_window: u64,
}

/// What watches the errors below a node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Watch {
    errors: Adwin,
    /// The root of the tree that grows beside the node.
    beside: Option<u32>,
}

/// What is kept besides the tree.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Watches {
    /// A watch a node.
    nodes: Vec<Option<Watch>>,
}

impl Adaptive {
    fn watch(&self) -> Watch {
        Watch { errors: Adwin::new(self.drift, CLOCK), beside: None }
    }

    /// Learns a row in the tree, and in those that grow beside its nodes.
    fn learn_all(&self, tree: &mut Tree, watches: &mut Watches, row: Row<'_>, class: usize) {
        let is_error = f64::from(u8::from(tree.guess(ROOT, row, &self.tree) != Some(class)));
        let mut at = Some(ROOT);
        while let Some(node) = at {
            self.observe(tree, watches, node, is_error);
            if let Some(beside) = watches.get(node).and_then(|watch| watch.beside) {
                self.learn_beside(tree, watches, beside, row, class);
            }
            at = tree.next(node, row);
        }
        if let Some(split) = tree.learn(ROOT, row, class, 1.0, &self.tree) {
            // What came before was that of a leaf.
            watches.put(split, None);
        }
    }

    /// Learns a row in a tree that grows beside: nothing grows beside its nodes.
    fn learn_beside(&self, tree: &mut Tree, watches: &mut Watches, root: u32, row: Row<'_>, class: usize) {
        let is_error = f64::from(u8::from(tree.guess(root, row, &self.tree) != Some(class)));
        let mut at = Some(root);
        while let Some(node) = at {
            watches.get_or(node, || self.watch()).errors.update(is_error);
            at = tree.next(node, row);
        }
        tree.learn(root, row, class, 1.0, &self.tree);
    }

    /// Takes an error of the tree at a node, and does what is to be done.
    fn observe(&self, tree: &mut Tree, watches: &mut Watches, node: u32, is_error: f64) {
        let is_split = tree.is_split(node);
        let watch = watches.get_or(node, || self.watch());
        let before = watch.errors.mean();
        let is_worse = watch.errors.update(is_error) && watch.errors.mean() > before;
        match watch.beside {
            None if is_worse && is_split => {
                let root = tree.plant(0, &self.tree);
                watches.get_or(node, || self.watch()).beside = Some(root);
            }
            Some(root) => self.compare(tree, watches, node, root),
            None => {}
        }
    }

    /// Puts the tree beside a node in its place if it is better, and ends it if it is worse.
    fn compare(&self, tree: &mut Tree, watches: &mut Watches, node: u32, root: u32) {
        let (Some(old), Some(new)) = (watches.get(node), watches.get(root)) else { return };
        let (old, new) = (&old.errors, &new.errors);
        if old.len() <= self.least_window || new.len() <= self.least_window {
            return;
        }
        let samples = 1.0 / old.len() as f64 + 1.0 / new.len() as f64;
        let spread = 2.0 * old.mean() * (1.0 - old.mean()) * libm::log(2.0 / self.significance) * samples;
        let (better, bound) = (old.mean() - new.mean(), spread.max(0.0).sqrt());
        if better > bound {
            let watch = watches.take(root);
            let mut freed = Vec::new();
            tree.graft(node, root, &mut |node| freed.push(node));
            self.forget(tree, watches, freed, root);
            watches.put(node, watch);
        } else if -better > bound {
            let mut freed = Vec::new();
            tree.uproot(root, &mut |node| freed.push(node));
            self.forget(tree, watches, freed, root);
            if let Some(watch) = watches.get_mut(node) {
                watch.beside = None;
            }
        }
    }

    /// Forgets the watches of nodes that were freed, and frees what grew beside them, except `done`, which was seen to.
    fn forget(&self, tree: &mut Tree, watches: &mut Watches, mut freed: Vec<u32>, done: u32) {
        while let Some(node) = freed.pop() {
            let beside = watches.take(node).and_then(|watch| watch.beside).filter(|root| *root != done);
            if let Some(root) = beside {
                tree.uproot(root, &mut |node| freed.push(node));
            }
        }
    }
}

impl Watches {
    fn get(&self, node: u32) -> Option<&Watch> {
        self.nodes.get(node as usize).and_then(Option::as_ref)
    }

    fn get_mut(&mut self, node: u32) -> Option<&mut Watch> {
        self.nodes.get_mut(node as usize).and_then(Option::as_mut)
    }

    fn get_or(&mut self, node: u32, watch: impl FnOnce() -> Watch) -> &mut Watch {
        if self.nodes.len() <= node as usize {
            self.nodes.resize(node as usize + 1, None);
        }
        self.nodes[node as usize].get_or_insert_with(watch)
    }

    fn take(&mut self, node: u32) -> Option<Watch> {
        self.nodes.get_mut(node as usize).and_then(Option::take)
    }

    fn put(&mut self, node: u32, watch: Option<Watch>) {
        if let Some(place) = self.nodes.get_mut(node as usize) {
            *place = watch;
        }
    }
}

impl Method for Adaptive {
    type State = Watches;

    fn tree(&self) -> &TreeConfig {
        &self.tree
    }

    fn voters(&self) -> usize {
        1
    }

    fn start(&self) -> (Voters, Watches) {
        let tree = Tree::new(&self.tree, Random::new(0, 0));
        (Voters(vec![Voter { weight: 1.0, tree }]), Watches { nodes: Vec::new() })
    }

    fn learn(&self, voters: &mut Voters, watches: &mut Watches, row: Row<'_>, class: usize) {
        self.learn_all(&mut voters.0[0].tree, watches, row, class);
    }

    fn restore(&self, voters: &mut Voters, watches: &mut Watches, classes: usize) -> bool {
        let beside = watches.nodes.iter().flatten().filter_map(|watch| watch.beside);
        let roots: Vec<u32> = std::iter::once(ROOT).chain(beside).collect();
        watches.nodes.iter_mut().flatten().all(|watch| watch.errors.restore(self.drift, CLOCK))
            && voters.0[0].tree.restore(&roots, &self.tree, classes)
    }

    fn state_bytes(&self, watches: &Watches) -> usize {
        let of_watch =
            |watch: &Option<Watch>| size_of::<Option<Watch>>() + watch.as_ref().map_or(0, |watch| watch.errors.size_bytes());
        watches.nodes.iter().map(of_watch).sum()
    }
}
