//! The gate: tells which starts are worth trying, by following all starts at once without the parts of definitions that depend on
//! the match.
//!
//! Where starts are tried one after the other, most of them fail, and every one would evaluate the same rows again. So each row
//! is first evaluated once: for every node, the gate keeps the oldest and the newest start that may have reached it. Parts of
//! definitions that depend on the match count as true, and only the newest start at a node is known to keep to WITHIN. So the
//! gate may let a useless start pass, but it never stops one that can match:
//!
//! * A start newer than all that may have reached the end of the pattern cannot match yet, and need not be tried.
//! * A start older than all that are still open is dead, and is skipped without a try.

use crate::kept::history::PartitionRows;
use crate::kept::store::RowStore;
use crate::plan::row_plan::RowPlan;

/// A node that some starts may have reached.
#[derive(Clone, Copy, Debug)]
struct Reached {
    node: u32,
    oldest: u64,
    newest: u64,
}

/// The state of all starts.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    /// The position of the next row to evaluate.
    position: u64,
    reached: Vec<Reached>,
    /// The newest start that may have reached the end of the pattern.
    ended: Option<u64>,
    /// Starts before this one can no longer keep to WITHIN.
    open_from: u64,
}

/// Buffers that are reused.
#[derive(Debug, Default)]
pub(crate) struct GateScratch {
    next: Vec<Reached>,
    /// For each node: the last step in which it was reached, and its place in `next`.
    places: Vec<(u64, u32)>,
    step: u64,
}

impl Gate {
    /// Restarts the gate at a start.
    pub(crate) fn start_over(&mut self, origin: u64) {
        *self = Self { position: origin, ..Self::default() };
    }

    /// Evaluates all rows there are. Starts before `origin` are ignored.
    pub(crate) fn advance(
        &mut self,
        plan: &RowPlan,
        store: &RowStore,
        rows: &PartitionRows,
        origin: u64,
        scratch: &mut GateScratch,
    ) {
        scratch.places.resize(plan.automaton.nodes.len(), (0, 0));
        self.position = self.position.max(origin);
        while self.position < rows.end() {
            self.step(plan, store, rows, origin, scratch);
        }
    }

    fn step(&mut self, plan: &RowPlan, store: &RowStore, rows: &PartitionRows, origin: u64, scratch: &mut GateScratch) {
        let Some(at) = rows.get(self.position) else { return };
        let position = self.position;
        self.position += 1;
        if let Some(within) = plan.spec.within_us {
            self.close_before(store.time(at), within, store, rows, origin);
        }
        scratch.step += 1;
        scratch.next.clear();
        let takes = |node: u32| {
            let define = &plan.defines.list[usize::from(plan.automaton.nodes[node as usize].variable)];
            !define.never && define.local.is_none_or(|local| store.bit(at, local))
        };
        let open_from = self.open_from.max(origin);
        for reached in self.reached.iter().filter(|reached| reached.newest >= open_from) {
            for &node in &plan.automaton.nodes[reached.node as usize].takes {
                scratch.reach(Reached { node, oldest: reached.oldest.max(open_from), ..*reached }, &takes);
            }
        }
        let start = if position == 0 { &plan.automaton.first } else { &plan.automaton.start };
        for &node in &start.takes {
            scratch.reach(Reached { node, oldest: position, newest: position }, &takes);
        }
        std::mem::swap(&mut self.reached, &mut scratch.next);
        let ends = self.reached.iter().filter(|reached| plan.automaton.nodes[reached.node as usize].accepts);
        let empty = start.accepts.then_some(position);
        self.ended = self.ended.max(ends.map(|reached| reached.newest).max()).max(empty);
        // A node without continuation is not open.
        self.reached.retain(|reached| plan.automaton.nodes[reached.node as usize].goes_on());
    }

    /// Advances time to `now`: closes the starts that can no longer keep to WITHIN.
    fn close_before(&mut self, now: i64, within: i64, store: &RowStore, rows: &PartitionRows, origin: u64) {
        self.open_from = self.open_from.max(origin);
        while rows.get(self.open_from).is_some_and(|at| now.saturating_sub(store.time(at)) >= within) {
            self.open_from += 1;
        }
    }

    /// Whether the start `origin` may have reached the end of the pattern; `is_last` tells that no more rows come.
    pub(crate) fn may_match(&self, plan: &RowPlan, origin: u64, is_last: bool) -> bool {
        let ends_here = |reached: &Reached| is_last && plan.automaton.nodes[reached.node as usize].accepts_at_end;
        let at_end = self.reached.iter().filter(|reached| ends_here(reached)).map(|reached| reached.newest).max();
        self.ended.max(at_end).is_some_and(|newest| newest >= origin)
    }

    /// The first start from `origin` on that may still match, if `origin` itself may not yet; future rows have the time `now` or
    /// a later one.
    pub(crate) fn first_open(&mut self, plan: &RowPlan, store: &RowStore, rows: &PartitionRows, origin: u64, now: i64) -> u64 {
        // A match that ends with the partition takes no more rows.
        if let (Some(within), false) = (plan.spec.within_us, plan.automaton.has_end_anchor) {
            self.close_before(now, within, store, rows, origin);
        }
        let open_from = self.open_from.max(origin);
        let open = self.reached.iter().filter(|reached| reached.newest >= open_from);
        open.map(|reached| reached.oldest.max(open_from)).min().unwrap_or(self.position).min(self.position)
    }

    /// Bytes of memory.
    pub(crate) fn bytes(&self) -> usize {
        self.reached.capacity() * size_of::<Reached>()
    }
}

impl GateScratch {
    /// Adds starts to a node, if it takes the row.
    fn reach(&mut self, reached: Reached, takes: &impl Fn(u32) -> bool) {
        let (step, place) = &mut self.places[reached.node as usize];
        if *step != self.step {
            *step = self.step;
            *place = u32::MAX;
            if takes(reached.node) {
                *place = self.next.len() as u32;
                self.next.push(reached);
            }
        } else if let Some(known) = self.next.get_mut(*place as usize) {
            known.oldest = known.oldest.min(reached.oldest);
            known.newest = known.newest.max(reached.newest);
        }
    }
}
