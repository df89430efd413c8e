//! One start, followed separately: all its partial matches, event by event.

use super::world::{Taken, World};
use crate::plan::automaton::{ConditionId, Edge, EdgeLink, Node, Target, guard_bit};
use egret_core::{Error, Result};

/// The most partial matches of one start that are followed.
const PARTIALS_MAX: usize = 10_000;

/// When something happens: a time and an event's number. At one time the passing of time (`None`) comes first, then the events in
/// order.
pub(super) type Moment = (i64, Option<usize>);

/// Why an edge is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closed {
    /// The edge took an event, and takes no other.
    Took,
    /// The very next event did not meet the condition.
    Strict { event: usize },
    /// An event met the condition of a guard.
    Guarded { condition: ConditionId, event: usize },
    /// An event met an `until`.
    Until { condition: ConditionId, event: usize },
    /// The pattern's window was over.
    Within { time: i64 },
    /// The window between two events was over.
    Gap { time: i64 },
}

/// A partial match, still open or not.
#[derive(Clone, Debug)]
pub(super) struct Partial {
    pub(super) node: usize,
    pub(super) taken: Vec<Taken>,
    /// For every edge of the node that is closed: the reason.
    pub(super) closed: Vec<Option<Closed>>,
    /// When the last edge was closed.
    pub(super) ended: Option<Moment>,
    open: u64,
}

/// A match of the start, before the skips of other matches are applied.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) taken: Vec<Taken>,
    pub(super) moment: Moment,
}

/// The result of following a start.
#[derive(Debug, Default)]
pub(super) struct Followed {
    pub(super) partials: Vec<Partial>,
    pub(super) found: Vec<Found>,
    /// The last event that was evaluated.
    pub(super) last: usize,
    pub(super) steps: u64,
}

impl Followed {
    /// Follows a start until `until`, or to the end. An event that cannot start a match has no partial matches and no matches.
    pub(super) fn follow(world: &World<'_>, start: usize, until: Option<Moment>) -> Result<Self> {
        let mut all = Self { last: start, ..Self::default() };
        all.begin(world, start)?;
        all.count(world, start, start);
        for event in start + 1..world.len() {
            let time = world.times[event];
            all.expire(world, time, until);
            if all.is_over() || until.is_some_and(|until| (time, Some(event)) >= until) {
                return Ok(all);
            }
            all.last = event;
            for index in 0..all.partials.len() {
                if all.partials[index].ended.is_none() {
                    all.step(world, index, event)?;
                }
            }
            all.count(world, start, event);
            if all.partials.len() > PARTIALS_MAX {
                return Err(Error::job(format!(
                    "the matches that start with the event at {} cannot be traced: there are more than {PARTIALS_MAX} partial ones",
                    crate::plan::words::show_time(world.times[start])
                ))
                .help("the pattern allows very many combinations (->>, ANY); trace one with narrower conditions or a shorter WITHIN"));
            }
        }
        all.expire(world, i64::MAX, until);
        Ok(all)
    }

    fn is_over(&self) -> bool {
        self.partials.iter().all(|partial| partial.ended.is_some())
    }

    fn begin(&mut self, world: &World<'_>, event: usize) -> Result<()> {
        let node = &world.plan.automaton.start;
        let mut open = node.open;
        for (index, guard) in node.guards.iter().enumerate() {
            match guard.release {
                _ if open & guard.edges == 0 => {}
                Some(release) if world.meets(release, event, &[])? => open &= !guard_bit(index),
                _ if world.meets(guard.condition, event, &[])? => open &= !guard.edges,
                _ => {}
            }
        }
        let mut targets = Vec::new();
        for (index, edge) in node.edges.iter().enumerate() {
            let Target::Take(target) = edge.target else { continue };
            let can =
                open >> index & 1 == 1 && world.meets(edge.condition, event, &[])? && !any(world, &edge.blocks, event, &[])?;
            if can && !targets.contains(&target) {
                targets.push(target);
                self.take(world, target as usize, event, Vec::new());
            }
        }
        Ok(())
    }

    /// Lets a partial match take an event: adds its continuation, and the match if it is complete.
    fn take(&mut self, world: &World<'_>, target: usize, event: usize, mut taken: Vec<Taken>) {
        let node = &world.plan.automaton.nodes[target];
        taken.push(Taken { variable: node.variable, event });
        let moment = (world.times[event], Some(event));
        if node.accept {
            self.found.push(Found { taken: taken.clone(), moment });
        }
        let ended = node.edges.is_empty().then_some(moment);
        self.partials.push(Partial { node: target, taken, closed: vec![None; node.edges.len()], ended, open: node.open });
    }

    /// Advances a partial match by an event.
    fn step(&mut self, world: &World<'_>, index: usize, event: usize) -> Result<()> {
        self.steps += 1;
        let node = &world.plan.automaton.nodes[self.partials[index].node];
        let mut partial = self.partials[index].clone();
        let mut children: Vec<usize> = Vec::new();
        partial.pass_guards(world, node, event)?;
        for (number, edge) in node.edges.iter().enumerate() {
            if !partial.is_open(number) {
                continue;
            }
            if let Some(condition) = first(world, &edge.stops, event, &partial.taken)? {
                partial.close(number, Closed::Until { condition, event });
                continue;
            }
            match edge.target {
                Target::AtDeadline => {}
                Target::AtNextEvent => {
                    self.found.push(Found { taken: partial.taken.clone(), moment: (world.times[event], Some(event)) });
                    partial.close(number, Closed::Took);
                }
                Target::Take(target) => children.extend(partial.try_edge(world, edge, number, event)?.then_some(target as usize)),
            }
        }
        partial.pass(node, event);
        if partial.open & node.edge_bits == 0 {
            partial.ended = Some((world.times[event], Some(event)));
        }
        let taken = partial.taken.clone();
        self.partials[index] = partial;
        let mut seen: Vec<usize> = Vec::new();
        for target in children {
            if !seen.contains(&target) {
                seen.push(target);
                self.take(world, target, event, taken.clone());
            }
        }
        Ok(())
    }

    /// Ends all partial matches at the last event of a window in events.
    fn count(&mut self, world: &World<'_>, start: usize, event: usize) {
        if world.plan.within_events.is_none_or(|events| ((event - start + 1) as u64) < events) {
            return;
        }
        let moment = (world.times[event], Some(event));
        for partial in self.partials.iter_mut().filter(|partial| partial.ended.is_none()) {
            if partial.end_at(world, moment, true) {
                self.found.push(Found { taken: partial.taken.clone(), moment });
            }
        }
    }

    /// Advances time to `now`.
    fn expire(&mut self, world: &World<'_>, now: i64, until: Option<Moment>) {
        for index in 0..self.partials.len() {
            while self.partials[index].ended.is_none() {
                let partial = &mut self.partials[index];
                let deadline = partial.deadline(world);
                if deadline > now || deadline == i64::MAX || until.is_some_and(|until| (deadline, None) >= until) {
                    break;
                }
                if partial.expire_at(world, deadline) {
                    let taken = partial.taken.clone();
                    self.found.push(Found { taken, moment: (deadline, None) });
                }
            }
        }
    }
}

impl Partial {
    fn is_open(&self, edge: usize) -> bool {
        self.open >> edge & 1 == 1
    }

    fn close(&mut self, edge: usize, why: Closed) {
        self.open &= !(1 << edge);
        self.closed[edge] = Some(why);
    }

    fn pass_guards(&mut self, world: &World<'_>, node: &Node, event: usize) -> Result<()> {
        for (index, guard) in node.guards.iter().enumerate() {
            if self.open & guard_bit(index) == 0 || self.open & guard.edges == 0 {
                continue;
            }
            let behind = world.times[event].saturating_sub(self.last_time(world));
            match guard.release {
                Some(release) if world.meets(release, event, &self.taken)? => self.open &= !guard_bit(index),
                _ if guard.is_in_force(behind) && world.meets(guard.condition, event, &self.taken)? => {
                    for edge in (0..node.edges.len()).filter(|edge| guard.edges >> edge & 1 == 1) {
                        if self.is_open(edge) {
                            self.close(edge, Closed::Guarded { condition: guard.condition, event });
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether an edge takes an event. A relaxed edge is closed by the first event that meets its condition, even if an `until`
    /// blocks it.
    fn try_edge(&mut self, world: &World<'_>, edge: &Edge, number: usize, event: usize) -> Result<bool> {
        if !world.meets(edge.condition, event, &self.taken)? {
            return Ok(false);
        }
        let block = first(world, &edge.blocks, event, &self.taken)?;
        match block {
            Some(condition) if edge.link == EdgeLink::Relaxed => self.close(number, Closed::Until { condition, event }),
            Some(_) => {}
            None if edge.link == EdgeLink::Any => {}
            None => self.close(number, Closed::Took),
        }
        Ok(block.is_none())
    }

    /// Closes the edges that waited for the very next event.
    fn pass(&mut self, node: &Node, event: usize) {
        for edge in (0..node.edges.len()).filter(|edge| node.lasting >> edge & 1 == 0) {
            if self.is_open(edge) {
                self.close(edge, Closed::Strict { event });
            }
        }
        self.open &= node.lasting;
    }

    /// The time of the last event taken.
    fn last_time(&self, world: &World<'_>) -> i64 {
        world.times[self.taken[self.taken.len() - 1].event]
    }

    fn deadline(&self, world: &World<'_>) -> i64 {
        let (first, last) = (world.times[self.taken[0].event], self.last_time(world));
        let node = &world.plan.automaton.nodes[self.node];
        let whole = match self.open & node.over_bit() {
            0 => world.plan.within_us.map_or(i64::MAX, |within| first.saturating_add(within)),
            _ => i64::MIN,
        };
        let open = node.edges.iter().enumerate().filter(|(number, _)| self.is_open(*number));
        open.map(|(_, edge)| edge.deadline(whole, last)).min().unwrap_or(whole)
    }

    /// Advances time to the deadline. Returns whether that completes a match.
    fn expire_at(&mut self, world: &World<'_>, deadline: i64) -> bool {
        let first = world.times[self.taken[0].event];
        let over = world.plan.within_us.is_some_and(|within| first.saturating_add(within) <= deadline);
        self.end_at(world, (deadline, None), over)
    }

    /// Closes the edges whose time is over: the window of the pattern, if `over`, or one between two events. Returns whether that
    /// completes a match.
    fn end_at(&mut self, world: &World<'_>, moment: Moment, over: bool) -> bool {
        let (time, last) = (moment.0, self.last_time(world));
        let node = &world.plan.automaton.nodes[self.node];
        if over {
            self.open |= node.over_bit();
        }
        let whole = if self.open & node.over_bit() == 0 { i64::MAX } else { i64::MIN };
        let mut completes = false;
        for (number, edge) in node.edges.iter().enumerate() {
            if !self.is_open(number) || edge.deadline(whole, last) > time {
                continue;
            }
            let is_match = edge.target == Target::AtDeadline;
            completes |= is_match;
            self.close(
                number,
                match (is_match, over) {
                    (true, _) => Closed::Took,
                    (false, true) => Closed::Within { time },
                    (false, false) => Closed::Gap { time },
                },
            );
        }
        if self.open & node.edge_bits == 0 {
            self.ended = Some(moment);
        }
        completes
    }
}

fn any(world: &World<'_>, conditions: &[ConditionId], event: usize, taken: &[Taken]) -> Result<bool> {
    Ok(first(world, conditions, event, taken)?.is_some())
}

/// The first of some conditions that an event meets.
fn first(world: &World<'_>, conditions: &[ConditionId], event: usize, taken: &[Taken]) -> Result<Option<ConditionId>> {
    for &condition in conditions {
        if world.meets(condition, event, taken)? {
            return Ok(Some(condition));
        }
    }
    Ok(None)
}
