//! One tree that learns every row once.

use super::config::{Row, TreeConfig};
use super::method::Method;
use super::tree::{ROOT, Tree};
use super::voters::{Voter, Voters};
use crate::random::Random;

/// One tree.
#[derive(Clone, Debug)]
pub(crate) struct Single(pub(crate) TreeConfig);

impl Method for Single {
    type State = ();

    fn tree(&self) -> &TreeConfig {
        &self.0
    }

    fn voters(&self) -> usize {
        1
    }

    fn start(&self) -> (Voters, ()) {
        (Voters(vec![Voter { weight: 1.0, tree: Tree::new(&self.0, Random::new(0, 0)) }]), ())
    }

    fn learn(&self, voters: &mut Voters, (): &mut (), row: Row<'_>, class: usize) {
        voters.0[0].tree.learn(ROOT, row, class, 1.0, &self.0);
    }

    fn restore(&self, voters: &mut Voters, (): &mut (), classes: usize) -> bool {
        voters.0[0].tree.restore(&[ROOT], &self.0, classes)
    }

    fn state_bytes(&self, (): &()) -> usize {
        0
    }
}
