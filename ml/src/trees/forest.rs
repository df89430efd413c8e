//! An adaptive random forest (Gomes and others, 2017): trees that see each row a random number of times and look at a random part of the
//! features. A tree whose errors may be becoming more gets a tree behind it, which takes its place when they surely are.

use super::config::{Row, TreeConfig};
use super::method::Method;
use super::tree::{ROOT, Tree};
use super::voters::{Voter, Voters, is_weight};
use crate::drift::Adwin;
use crate::random::{Poisson, Random};
use serde::{Deserialize, Serialize};

/// After how many numbers a window is looked at.
const CLOCK: u32 = 32;

/// A forest.
#[derive(Clone, Debug)]
pub(crate) struct Forest {
    pub(crate) tree: TreeConfig,
    pub(crate) trees: usize,
    pub(crate) seed: u64,
    /// How often a tree learns a row.
    pub(crate) times: Poisson,
    /// The confidence of a warning and of a drift.
    pub(crate) warning: f64,
    pub(crate) drift: f64,
}

/// What is kept of a tree of a forest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Member {
    random: Random,
    rows: u64,
    hits: u64,
    warning: Adwin,
    drift: Adwin,
    /// The tree behind it.
    behind: Option<Behind>,
}

/// A tree behind another. Its rows count from where it begins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Behind {
    tree: Tree,
    rows: u64,
    hits: u64,
}

impl Forest {
    fn member(&self, at: usize) -> Member {
        Member {
            random: Random::new(self.seed, 2 * at as u64),
            rows: 0,
            hits: 0,
            warning: Adwin::new(self.warning, CLOCK),
            drift: Adwin::new(self.drift, CLOCK),
            behind: None,
        }
    }

    fn learn_one(&self, voter: &mut Voter, member: &mut Member, row: Row<'_>, class: usize) {
        let is_hit = voter.tree.guess(ROOT, row, &self.tree) == Some(class);
        member.rows += 1;
        member.hits += u64::from(is_hit);
        let times = self.times.draw(&mut member.random);
        if times > 0 {
            voter.tree.learn(ROOT, row, class, f64::from(times), &self.tree);
            if let Some(behind) = &mut member.behind {
                behind.rows += 1;
                behind.hits += u64::from(behind.tree.guess(ROOT, row, &self.tree) == Some(class));
                behind.tree.learn(ROOT, row, class, 1.0, &self.tree);
            }
        }
        let is_error = f64::from(u8::from(!is_hit));
        if rises(&mut member.warning, is_error) {
            member.warning.clear();
            let random = Random::new(member.random.next(), 1);
            member.behind = Some(Behind { tree: Tree::new(&self.tree, random), rows: 0, hits: 0 });
        }
        if rises(&mut member.drift, is_error) {
            let behind = member.behind.take().unwrap_or_else(|| {
                let random = Random::new(member.random.next(), 1);
                Behind { tree: Tree::new(&self.tree, random), rows: 0, hits: 0 }
            });
            voter.tree = behind.tree;
            (member.rows, member.hits) = (behind.rows, behind.hits);
            member.warning.clear();
            member.drift.clear();
        }
        voter.weight = if member.hits > 0 { member.hits as f64 / member.rows as f64 } else { 1.0 };
    }
}

/// Takes an error; whether there are more of them than before.
fn rises(window: &mut Adwin, is_error: f64) -> bool {
    let before = window.mean();
    window.update(is_error) && window.mean() > before
}

impl Method for Forest {
    type State = Vec<Member>;

    fn tree(&self) -> &TreeConfig {
        &self.tree
    }

    fn voters(&self) -> usize {
        self.trees
    }

    fn start(&self) -> (Voters, Vec<Member>) {
        let voter = |at: usize| Voter { weight: 1.0, tree: Tree::new(&self.tree, Random::new(self.seed, 2 * at as u64 + 1)) };
        (Voters((0..self.trees).map(voter).collect()), (0..self.trees).map(|at| self.member(at)).collect())
    }

    fn learn(&self, voters: &mut Voters, members: &mut Vec<Member>, row: Row<'_>, class: usize) {
        for (voter, member) in voters.0.iter_mut().zip(members) {
            self.learn_one(voter, member, row, class);
        }
    }

    fn restore(&self, voters: &mut Voters, members: &mut Vec<Member>, classes: usize) -> bool {
        let mut is_sound = |(voter, member): (&mut Voter, &mut Member)| {
            member.hits <= member.rows
                && is_weight(voter.weight)
                && member.warning.restore(self.warning, CLOCK)
                && member.drift.restore(self.drift, CLOCK)
                && voter.tree.restore(&[ROOT], &self.tree, classes)
                && member
                    .behind
                    .as_mut()
                    .is_none_or(|behind| behind.hits <= behind.rows && behind.tree.restore(&[ROOT], &self.tree, classes))
        };
        voters.0.len() == members.len() && voters.0.iter_mut().zip(members).all(&mut is_sound)
    }

    fn state_bytes(&self, members: &Vec<Member>) -> usize {
        let of_member = |member: &Member| {
            let behind = member.behind.as_ref().map_or(0, |behind| behind.tree.size_bytes());
            size_of::<Member>() + member.warning.size_bytes() + member.drift.size_bytes() + behind
        };
        members.iter().map(of_member).sum()
    }
}
