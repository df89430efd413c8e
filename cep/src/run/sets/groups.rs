//! The partial matches of a key, grouped by node and open edges, and what an event does to the groups.

use super::lists::{Entry, Items, Prefix, Sets, What};
use super::starts::Starts;
use crate::plan::automaton::{ConditionId, EdgeLink, Node, NodeId, Target, guard_bit};
use crate::plan::pattern_plan::Plan;
use crate::run::evaluate::Current;
use crate::run::partial::Run;
use crate::run::slab::NONE;
use crate::run::step::At;
use crate::run::store::{Moment, Store};
use std::collections::VecDeque;

/// Partial matches at the same node with the same edges and guards open.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Group {
    pub(crate) node: NodeId,
    /// The edges and guards of the node that are open.
    pub(crate) open: u64,
    /// The list of its members.
    pub(crate) list: u32,
}

/// Matches that were completed together and are held back until earlier ones are decided.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeldSet {
    pub(crate) list: u32,
    pub(crate) time: i64,
    pub(crate) moment: u64,
}

/// All sets of a key.
#[derive(Debug, Default)]
pub(crate) struct KeySets {
    pub(crate) sets: Sets,
    pub(crate) groups: Vec<Group>,
    /// Complete matches, in the order of their completion.
    pub(crate) held: Vec<HeldSet>,
    /// Partial matches and matches that begin before the event of this number are over.
    pub(crate) floor: u64,
    /// If the pattern has a window in time: when partial matches began.
    pub(crate) starts: Starts,
}

/// A transition: the members of a set go on to a node.
struct Branch {
    of: Prefix,
    target: NodeId,
}

impl KeySets {
    /// Takes over partial matches that were kept one by one.
    pub(crate) fn of_runs(plan: &Plan, store: &mut Store, runs: Vec<Run>) -> Self {
        let mut all = Self::default();
        for run in runs {
            if plan.within_us.is_some() {
                all.starts.push(run.start, run.start_time);
            }
            let link = store.link(run.chain);
            match (link.previous, link.event, link.variable) {
                (NONE, event, variable) => all.add_start_to_group(store, (run.node, run.open), event, variable),
                _ => {
                    let entry = Entry { least: run.start, most: run.start, what: What::Chain(run.chain) };
                    all.add_to_group(store, run.node, run.open, entry);
                }
            }
            store.release(run.chain);
        }
        all
    }

    /// The mask bits of rows that can change any group.
    pub(crate) fn interest(&self, plan: &Plan) -> u64 {
        self.groups.iter().fold(0, |bits, group| bits | plan.automaton.nodes[group.node as usize].interest)
    }

    /// When the first partial match may expire.
    pub(crate) fn deadline(&self, plan: &Plan) -> i64 {
        match (plan.within_us, self.starts.first()) {
            (Some(within), Some((_, time))) => time.saturating_add(within),
            _ => i64::MAX,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.groups.is_empty() && self.held.is_empty()
    }

    /// Bytes of memory.
    pub(crate) fn bytes(&self) -> usize {
        self.sets.bytes() + self.starts.bytes() + self.groups.capacity() * size_of::<Group>() + size_of::<Self>()
    }

    /// Advances all groups with a row, and starts new partial matches. Returns the list of the matches that the row completes,
    /// held by the caller.
    pub(crate) fn step(&mut self, plan: &Plan, store: &mut Store, current: &Current, at: At) -> Option<u32> {
        let holds = |condition: ConditionId| {
            let condition = &plan.conditions.list[condition as usize];
            !condition.never && current.local(condition, at.row)
        };
        let mut branches = Vec::new();
        let mut left = Vec::new();
        for mut group in std::mem::take(&mut self.groups) {
            let node = &plan.automaton.nodes[group.node as usize];
            if at.mask & node.interest != 0 {
                let of = self.sets.all_of(group.list);
                group.open = advance(node, group.open, holds, |target| branches.push(Branch { of, target }));
                if group.open & node.edge_bits == 0 {
                    left.push(group.list);
                    continue;
                }
            }
            self.put_group(store, group);
        }
        let mut taken = Taken { event: None, at, complete: None };
        for Branch { of, target } in branches {
            let event = taken.event(store);
            let entry = self.sets.longer(of, event, plan.automaton.nodes[target as usize].variable as u16);
            self.take(plan, store, target, &mut taken, entry);
        }
        if at.mask & plan.automaton.start.interest != 0 {
            self.start(plan, store, &mut taken, holds);
        }
        left.into_iter().for_each(|list| self.sets.release(store, list));
        taken.complete
    }

    fn start(&mut self, plan: &Plan, store: &mut Store, taken: &mut Taken, holds: impl Fn(ConditionId) -> bool) {
        let node = &plan.automaton.start;
        let mut targets = Vec::new();
        advance(node, node.open, holds, |target| targets.push(target));
        for target in targets {
            let event = taken.event(store);
            let of = &plan.automaton.nodes[target as usize];
            let variable = of.variable as u16;
            let number = taken.at.number;
            if of.accept {
                taken.complete = Some(self.sets.add_start(store, taken.complete, event, variable));
            }
            if of.edges.is_empty() {
                continue;
            }
            if plan.within_us.is_some() {
                self.starts.push(number, taken.at.time);
            }
            self.add_start_to_group(store, (target, of.open), event, variable);
        }
    }

    fn add_start_to_group(&mut self, store: &mut Store, (node, open): (NodeId, u64), event: u32, variable: u16) {
        match self.groups.iter().position(|group| (group.node, group.open) == (node, open)) {
            Some(place) => {
                let list = self.sets.add_start(store, Some(self.groups[place].list), event, variable);
                self.groups[place].list = list;
            }
            None => {
                let list = self.sets.add_start(store, None, event, variable);
                self.groups.push(Group { node, open, list });
            }
        }
    }

    /// Adds members that took the row to the complete matches, to the group at the target node, or to both.
    fn take(&mut self, plan: &Plan, store: &mut Store, target: NodeId, taken: &mut Taken, entry: Entry) {
        let of = &plan.automaton.nodes[target as usize];
        if of.accept {
            taken.complete = Some(self.sets.add(store, taken.complete, entry));
        }
        if !of.edges.is_empty() {
            self.add_to_group(store, target, of.open, entry);
        }
    }

    fn add_to_group(&mut self, store: &mut Store, node: NodeId, open: u64, entry: Entry) {
        match self.groups.iter().position(|group| (group.node, group.open) == (node, open)) {
            Some(place) => {
                let list = self.sets.add(store, Some(self.groups[place].list), entry);
                self.groups[place].list = list;
            }
            None => {
                let list = self.sets.add(store, None, entry);
                self.groups.push(Group { node, open, list });
            }
        }
    }

    /// Puts a group back; if another group has the same node and open edges by now, the two are merged.
    fn put_group(&mut self, store: &mut Store, group: Group) {
        match self.groups.iter().position(|other| (other.node, other.open) == (group.node, group.open)) {
            None => self.groups.push(group),
            Some(place) => {
                let of = self.sets.all_of(group.list);
                let list = self.sets.list(group.list);
                let all = Entry { least: list.least, most: list.most, what: What::All(of) };
                self.groups[place].list = self.sets.add(store, Some(self.groups[place].list), all);
                self.sets.release(store, group.list);
            }
        }
    }

    /// How many partial matches are open, and when the first of them began.
    pub(crate) fn open(&self, store: &mut Store) -> (u64, Option<i64>) {
        let lists = || self.groups.iter().map(|group| group.list);
        let count = lists().map(|list| self.sets.count(store, list, self.floor)).fold(0, u64::saturating_add);
        let starts = lists().filter_map(|list| Some((self.sets.first_start(store, list, self.floor)?, list)));
        let first = starts.min().and_then(|(start, list)| self.sets.earliest(store, list, start));
        let since = first.map(|chain| {
            let time = store.moment(store.first_of(chain)).time;
            store.release(chain);
            time
        });
        (count, since)
    }

    /// Releases all lists.
    pub(crate) fn clear(&mut self, store: &mut Store) {
        for list in self.groups.drain(..).map(|group| group.list).chain(self.held.drain(..).map(|held| held.list)) {
            self.sets.release(store, list);
        }
    }

    /// Drops members that begin before the floor. Returns how many list entries are gone: each is a partial match or a set of
    /// them.
    pub(crate) fn trim(&mut self, store: &mut Store) -> usize {
        let floor = self.floor;
        let mut count = 0;
        let sets = &mut self.sets;
        self.groups.retain(|group| {
            count += sets.trim(store, group.list, floor);
            let is_alive = sets.list(group.list).most >= floor;
            if !is_alive {
                count += sets.list(group.list).len();
                sets.release(store, group.list);
            }
            is_alive
        });
        self.starts.drop_before(floor);
        if self.groups.is_empty() {
            self.starts = Starts::default();
        }
        count
    }

    /// An empty list for entries of any kind, held by the caller.
    pub(crate) fn empty_list(&mut self) -> u32 {
        self.sets.new_list(Items::Mixed(VecDeque::new()))
    }
}

/// The row as an event once it is taken, and the list of matches it completes.
struct Taken {
    event: Option<u32>,
    at: At,
    complete: Option<u32>,
}

impl Taken {
    fn event(&mut self, store: &mut Store) -> u32 {
        let At { row, number, time, .. } = self.at;
        *self.event.get_or_insert_with(|| store.event(row, Moment { number, time }))
    }
}

/// Advances partial matches at a node with these edges and guards open by a row. `take` gets the nodes they go on to; returns the
/// bits that stay open.
fn advance(node: &Node, mut open: u64, holds: impl Fn(ConditionId) -> bool, mut take: impl FnMut(NodeId)) -> u64 {
    for (index, guard) in node.guards.iter().enumerate() {
        if open & guard_bit(index) == 0 || open & guard.edges == 0 {
            continue;
        }
        match guard.release {
            Some(release) if holds(release) => open &= !guard_bit(index),
            _ if holds(guard.condition) => open &= !guard.edges,
            _ => {}
        }
    }
    let mut targets: Vec<NodeId> = Vec::new();
    let mut edges = open & node.edge_bits;
    while edges != 0 {
        let index = edges.trailing_zeros() as usize;
        edges &= edges - 1;
        let edge = &node.edges[index];
        if edge.stops.iter().any(|&stop| holds(stop)) {
            open &= !(1 << index);
            continue;
        }
        let Target::Take(target) = edge.target else { continue };
        if !holds(edge.condition) {
            continue;
        }
        if edge.link == EdgeLink::Relaxed {
            open &= !(1 << index);
        }
        let is_twin = node.has_twins && targets.contains(&target);
        if !is_twin && !edge.blocks.iter().any(|&block| holds(block)) {
            targets.push(target);
            take(target);
        }
    }
    open & node.lasting
}
