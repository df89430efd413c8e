//! One row: what it does to the partial matches of its key.

use super::evaluate::{Current, meets};
use super::partial::{Held, Run};
use super::slab::NONE;
use super::store::{Moment, Store};
use crate::plan::automaton::{ConditionId, Edge, EdgeLink, Node, NodeId, Target, guard_bit};
use crate::plan::pattern_plan::Plan;
use egret_core::Result;

/// The row being processed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At {
    pub(super) row: usize,
    pub(super) time: i64,
    pub(super) mask: u64,
    /// Its number among all rows.
    pub(super) number: u64,
}

/// Buffers for a step, and its results.
#[derive(Debug, Default)]
pub(super) struct Work {
    /// Complete matches; each is a holder of its chain.
    pub(super) complete: Vec<Held>,
    next: Vec<Run>,
    branches: Vec<Run>,
    targets: Vec<NodeId>,
    /// The row as an event, once a partial match took it.
    event: Option<u32>,
}

/// The inputs of a step.
pub(super) struct Step<'a> {
    pub(super) plan: &'a Plan,
    pub(super) store: &'a mut Store,
    pub(super) current: &'a mut Current,
    pub(super) work: &'a mut Work,
    pub(super) at: At,
}

impl Step<'_> {
    /// Advances the partial matches of a key, and starts new ones, which come last. Returns whether the list has changed.
    pub(super) fn run(mut self, runs: &mut Vec<Run>) -> Result<bool> {
        self.work.event = None;
        let mut changed = !runs.is_empty() && self.advance(runs)?;
        if self.at.mask & self.plan.automaton.start.interest != 0 {
            let before = runs.len();
            self.start(runs)?;
            changed |= runs.len() > before;
        }
        Ok(changed)
    }

    fn advance(&mut self, runs: &mut Vec<Run>) -> Result<bool> {
        let plan = self.plan;
        let mut changed = false;
        self.work.next.clear();
        for index in 0..runs.len() {
            let run = &runs[index];
            let node = &plan.automaton.nodes[run.node as usize];
            if self.at.mask & node.interest == 0 && node.gates.is_empty() {
                if changed {
                    self.work.next.push(run.clone());
                }
                continue;
            }
            let open = self.advance_one(node, run)?;
            let survives = open & node.edge_bits != 0;
            let stays = survives && self.work.branches.is_empty();
            if !changed && !stays {
                self.work.next.extend_from_slice(&runs[..index]);
                changed = true;
            }
            if !survives {
                self.store.release(run.chain);
            }
            if changed {
                self.work.next.append(&mut self.work.branches);
                self.work.next.extend(survives.then(|| Run { open, ..runs[index].clone() }));
            } else {
                runs[index].open = open;
            }
        }
        if changed {
            std::mem::swap(runs, &mut self.work.next);
        }
        Ok(changed)
    }

    /// Advances one partial match with the row. Its continuations are put into `branches`; returns the bits of itself that stay
    /// open.
    fn advance_one(&mut self, node: &Node, run: &Run) -> Result<u64> {
        self.work.branches.clear();
        self.work.targets.clear();
        let mut open = self.pass_guards(node, run.open, (run.chain, run.last_time))?;
        let mut edges = open & node.edge_bits;
        while edges != 0 {
            let index = edges.trailing_zeros() as usize;
            edges &= edges - 1;
            let edge = &node.edges[index];
            if self.any_holds(&edge.stops, run.chain)? {
                open &= !(1 << index);
                continue;
            }
            match edge.target {
                Target::AtDeadline => {}
                Target::AtNextEvent => {
                    self.store.hold(run.chain);
                    self.complete(run.chain, run.start);
                }
                Target::Take(target) => {
                    if !self.meets(edge.condition, run.chain)? {
                        continue;
                    }
                    if edge.link == EdgeLink::Relaxed {
                        open &= !(1 << index);
                    }
                    if !self.any_holds(&edge.blocks, run.chain)? && self.is_new(node, target) {
                        let next = self.take(target, run.chain, run.start, run.start_time);
                        self.work.branches.extend(next);
                    }
                }
            }
        }
        Ok(open & node.lasting)
    }

    /// Starts new partial matches with the row.
    fn start(&mut self, runs: &mut Vec<Run>) -> Result<()> {
        let node = &self.plan.automaton.start;
        self.work.targets.clear();
        let open = self.pass_guards(node, node.open, (NONE, self.at.time))?;
        for (_, edge) in node.edges.iter().enumerate().filter(|(index, _)| open >> index & 1 == 1) {
            let Edge { target: Target::Take(target), condition, ref blocks, .. } = *edge else { continue };
            if self.meets(condition, NONE)? && !self.any_holds(blocks, NONE)? && self.is_new(node, target) {
                let next = self.take(target, NONE, self.at.number, self.at.time);
                runs.extend(next);
            }
        }
        Ok(())
    }

    /// Closes the edges whose guards the row trips.
    fn pass_guards(&mut self, node: &Node, mut open: u64, (chain, last): (u32, i64)) -> Result<u64> {
        let behind = self.at.time.saturating_sub(last);
        for (index, guard) in node.guards.iter().enumerate() {
            if open & guard_bit(index) == 0 || open & guard.edges == 0 {
                continue;
            }
            match guard.release {
                Some(release) if self.meets(release, chain)? => open &= !guard_bit(index),
                _ if guard.is_in_force(behind) && self.meets(guard.condition, chain)? => open &= !guard.edges,
                _ => {}
            }
        }
        Ok(open)
    }

    /// Takes the row; returns the partial match that follows, if it waits for anything.
    fn take(&mut self, target: NodeId, chain: u32, start: u64, start_time: i64) -> Option<Run> {
        let node = &self.plan.automaton.nodes[target as usize];
        let At { row, time, number, .. } = self.at;
        let event = *self.work.event.get_or_insert_with(|| self.store.event(row, Moment { number, time }));
        let chain = self.store.extend(chain, event, node.variable as u16);
        let goes_on = !node.edges.is_empty();
        if node.accept {
            if goes_on {
                self.store.hold(chain);
            }
            self.complete(chain, start);
        }
        goes_on.then_some(Run { chain, node: target, open: node.open, start, start_time, last_time: time })
    }

    fn complete(&mut self, chain: u32, start: u64) {
        self.work.complete.push(Held { chain, start, time: self.at.time, moment: self.at.number });
    }

    /// Whether no other edge took the row to the same node.
    fn is_new(&mut self, node: &Node, target: NodeId) -> bool {
        if !node.has_twins {
            return true;
        }
        let new = !self.work.targets.contains(&target);
        self.work.targets.push(target);
        new
    }

    fn any_holds(&mut self, conditions: &[ConditionId], chain: u32) -> Result<bool> {
        for &condition in conditions {
            if self.meets(condition, chain)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    #[inline]
    fn meets(&mut self, condition: ConditionId, chain: u32) -> Result<bool> {
        meets(self.plan, self.store, self.current, condition, chain, self.at.row)
    }
}
