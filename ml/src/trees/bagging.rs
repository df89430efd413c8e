//! Bagging with a detector of drift (Bifet and others, 2009 and 2010): trees that see each row a random number of times. When the errors
//! of any tree become more, the one with the most begins anew.

use super::config::{Row, TreeConfig};
use super::method::Method;
use super::tree::{ROOT, Tree};
use super::voters::{Voter, Voters};
use crate::drift::Adwin;
use crate::random::{Poisson, Random};
use serde::{Deserialize, Serialize};

/// After how many numbers a window is looked at.
const CLOCK: u32 = 32;

/// An ensemble of trees.
#[derive(Clone, Debug)]
pub(crate) struct Bagging {
    pub(crate) tree: TreeConfig,
    pub(crate) trees: usize,
    pub(crate) seed: u64,
    /// How often a tree learns a row.
    pub(crate) times: Poisson,
    /// The confidence of a drift.
    pub(crate) drift: f64,
}

/// What is kept of a tree.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Member {
    random: Random,
    errors: Adwin,
}

impl Method for Bagging {
    type State = Vec<Member>;

    fn tree(&self) -> &TreeConfig {
        &self.tree
    }

    fn voters(&self) -> usize {
        self.trees
    }

    fn start(&self) -> (Voters, Vec<Member>) {
        let voter = |at: usize| Voter { weight: 1.0, tree: Tree::new(&self.tree, Random::new(self.seed, 2 * at as u64 + 1)) };
        let errors = Adwin::new(self.drift, CLOCK);
        let member = |at: usize| Member { random: Random::new(self.seed, 2 * at as u64), errors: errors.clone() };
        (Voters((0..self.trees).map(voter).collect()), (0..self.trees).map(member).collect())
    }

    fn learn(&self, voters: &mut Voters, members: &mut Vec<Member>, row: Row<'_>, class: usize) {
        let mut is_drift = false;
        for (voter, member) in voters.0.iter_mut().zip(&mut *members) {
            let is_error = voter.tree.guess(ROOT, row, &self.tree) != Some(class);
            let times = self.times.draw(&mut member.random);
            if times > 0 {
                voter.tree.learn(ROOT, row, class, f64::from(times), &self.tree);
            }
            let before = member.errors.mean();
            is_drift |= member.errors.update(f64::from(u8::from(is_error))) && member.errors.mean() > before;
        }
        if is_drift {
            let mean = |at: usize| members[at].errors.mean();
            let worst = (0..members.len()).fold(0, |worst, at| if mean(at) > mean(worst) { at } else { worst });
            let random = Random::new(members[worst].random.next(), 1);
            voters.0[worst].tree = Tree::new(&self.tree, random);
            members[worst].errors.clear();
        }
    }

    fn restore(&self, voters: &mut Voters, members: &mut Vec<Member>, classes: usize) -> bool {
        voters.0.len() == members.len()
            && members.iter_mut().all(|member| member.errors.restore(self.drift, CLOCK))
            && voters.0.iter_mut().all(|voter| voter.tree.restore(&[ROOT], &self.tree, classes))
    }

    fn state_bytes(&self, members: &Vec<Member>) -> usize {
        members.iter().map(|member| size_of::<Member>() + member.errors.size_bytes()).sum()
    }
}
