//! The search in one partition: threads in order of preference.
//!
//! A thread is a beginning of a match: the node that took the last row, and the path that led there. With every row each thread
//! becomes those that its node prefers, in order. A thread that reaches the end of the pattern cuts off all less preferred
//! threads; its match is final once all more preferred threads have died. (This is Pike's algorithm for regular expressions with
//! submatches.) Of threads with the same future only the first is kept, so no pattern takes exponential time unless its
//! definitions tell all its paths apart. For that case there is a limit: a partition that exceeds it is put aside (see `aside`).
//!
//! Where no definition reads the match so far and there is no WITHIN, threads of different starts can have the same future, too:
//! then every row adds a new start after all other threads, and each row is evaluated once. Otherwise starts are tried one after
//! the other, as far as the gate lets them pass (see `gate`).

use super::gate::{Gate, GateScratch};
use crate::kept::evaluate::SoFar;
use crate::kept::history::{History, NOTHING, PartitionRows};
use crate::kept::store::RowStore;
use crate::plan::row_plan::{Equivalence, RowPlan, Skip};
use crate::show::render::Rendered;
use egret_core::key::Key;
use egret_core::overflow::Overflows;
use egret_core::{Error, Result};
use hashbrown::HashMap;
use std::collections::BTreeSet;

/// A beginning of a match that may still continue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Thread {
    pub(super) start: u64,
    node: u32,
    link: u32,
}

/// The best match so far: preferred to all others except those that threads may still become.
#[derive(Clone, Copy, Debug)]
pub(super) struct Best {
    start: u64,
    /// The position after its last row.
    end: u64,
    link: u32,
}

/// A partition.
#[derive(Debug)]
pub(crate) struct Partition {
    pub(crate) key: Key,
    pub(crate) rows: PartitionRows,
    /// The first row at which a match may still start.
    pub(crate) origin: u64,
    /// The position of the next row to evaluate.
    pub(super) position: u64,
    /// Whether the start at `origin` is being tried, if starts are tried one after the other.
    pub(super) started: bool,
    pub(super) threads: Vec<Thread>,
    pub(super) best: Option<Best>,
    pub(super) history: History,
    gate: Gate,
    /// Rows before this position have been output, or never will be.
    pub(crate) shown: u64,
    /// Rows from the start of the last match up to this position belong to the match.
    pub(crate) matched_to: u64,
    /// How many matches have been found.
    pub(crate) matches: u64,
    /// Whether rows have been added since the last search.
    pub(crate) is_touched: bool,
    /// If it had too many threads: rows before this time are ignored.
    pub(crate) aside: Option<i64>,
    /// Set while it is not known whether the partition is to be put aside.
    pub(super) crowded: Option<Crowded>,
    /// The positions of those stored rows that were reported as bad rows.
    reported: BTreeSet<u64>,
}

/// What the search needs besides the partition.
pub(crate) struct Search<'a> {
    pub(crate) plan: &'a RowPlan,
    pub(crate) store: &'a RowStore,
    pub(crate) scratch: &'a mut Scratch,
    pub(crate) rendered: &'a mut Rendered,
    pub(crate) overflows: &'a mut Overflows,
    /// Whether no more rows come.
    pub(crate) ended: bool,
    /// Future rows have this time or a later one.
    pub(crate) now: i64,
}

/// Buffers that are reused.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    next: Vec<Thread>,
    /// For each node: the last step in which a thread reached it.
    seen: Vec<u64>,
    step: u64,
    /// For each node and hash of the tracked values: the threads in `next`.
    same: HashMap<(u32, u64), Vec<u32>>,
    gate: GateScratch,
}

/// A start that had too many threads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Crowded {
    pub(super) open: u64,
    /// The oldest start among the threads, and the row that made them too many.
    pub(super) since: u64,
    pub(super) at: u64,
}

impl Partition {
    pub(crate) fn new(key: Key) -> Self {
        Self {
            key,
            rows: PartitionRows::default(),
            origin: 0,
            position: 0,
            started: false,
            threads: Vec::new(),
            best: None,
            history: History::default(),
            gate: Gate::default(),
            shown: 0,
            matched_to: 0,
            matches: 0,
            is_touched: false,
            aside: None,
            crowded: None,
            reported: BTreeSet::new(),
        }
    }

    /// Restarts the search at `origin`, so that a restored partition recovers its threads. Its bad rows were reported before.
    pub(crate) fn start_over(&mut self) {
        self.reported = (self.rows.base..self.rows.end()).collect();
        self.position = self.origin;
        self.gate.start_over(self.origin);
    }

    /// Evaluates all rows there are.
    pub(crate) fn search(&mut self, search: &mut Search<'_>) -> Result<()> {
        loop {
            if self.is_apart() && !(self.is_crowd_decided(search) && self.is_looked_at_again(search)) {
                break;
            }
            if self.threads.is_empty() {
                match self.best {
                    Some(best) if self.must_wait(search, best) => break,
                    Some(best) => {
                        self.matched(search, best)?;
                        continue;
                    }
                    None if self.started => self.next_start(),
                    None if search.plan.is_shared() => {
                        self.origin = self.position;
                        self.history.clear();
                    }
                    None => {}
                }
                if !search.plan.is_shared() && !self.started && !self.may_start(search) {
                    break;
                }
            }
            let end = self.rows.end();
            if self.position < end && (search.ended || self.position + search.plan.define_ahead < end) {
                if self.is_over(search, self.position) {
                    self.threads.clear();
                } else {
                    self.step(search)?;
                }
            } else if self.position == end && !self.threads.is_empty() && self.no_row_helps(search) {
                self.end_threads(search);
            } else {
                break;
            }
        }
        if search.plan.is_shared()
            && let Some(first) = self.threads.first().map(|thread| thread.start).or(self.best.map(|best| best.start))
        {
            self.origin = first;
        }
        self.show_unmatched(search, self.origin)
    }

    /// Whether it is put aside, or may have to be.
    #[inline]
    fn is_apart(&self) -> bool {
        self.aside.is_some() || self.crowded.is_some()
    }

    /// Whether a measure reads rows that have not arrived yet.
    fn must_wait(&self, search: &Search<'_>, best: Best) -> bool {
        let last = best.end.max(best.start + 1) - 1;
        !search.ended && last + search.plan.measure_ahead >= self.rows.end()
    }

    /// The start at `origin` has failed: moves on to the next.
    pub(super) fn next_start(&mut self) {
        self.started = false;
        self.origin += 1;
        self.position = self.origin;
        self.history.clear();
    }

    /// Whether the start at `origin` is worth trying; skips starts that can no longer match.
    fn may_start(&mut self, search: &mut Search<'_>) -> bool {
        let Search { plan, store, scratch, ended, now, .. } = search;
        self.gate.advance(plan, store, &self.rows, self.origin, &mut scratch.gate);
        let may_match = self.gate.may_match(plan, self.origin, *ended);
        if !may_match {
            let end = self.rows.end();
            self.origin = if *ended { end } else { self.gate.first_open(plan, store, &self.rows, self.origin, *now) };
            self.position = self.origin;
        }
        may_match
    }

    /// Whether WITHIN ends the match before the row at a position.
    pub(super) fn is_over(&self, search: &Search<'_>, position: u64) -> bool {
        let (Some(within), true) = (search.plan.spec.within_us, self.started) else { return false };
        let time = |position: u64| self.rows.get(position).map_or(i64::MAX, |at| search.store.time(at));
        time(position).saturating_sub(time(self.origin)) >= within
    }

    /// Whether threads can take no more rows, even though all rows have been evaluated.
    fn no_row_helps(&self, search: &Search<'_>) -> bool {
        search.ended || self.deadline(search).is_some_and(|time| time <= search.now)
    }

    /// The time at which WITHIN ends the current start, or a partition that is put aside resumes. If matches may have to end with
    /// the partition, only the partition's end decides.
    pub(crate) fn deadline(&self, search: &Search<'_>) -> Option<i64> {
        if self.aside.is_some() {
            return self.aside;
        }
        let within = search.plan.spec.within_us.filter(|_| !search.plan.automaton.has_end_anchor)?;
        Some(search.store.time(self.rows.get(self.origin)?).saturating_add(within))
    }

    /// Ends all threads, as they get no more rows.
    fn end_threads(&mut self, search: &Search<'_>) {
        let ends = |thread: &&Thread| search.ended && search.plan.automaton.nodes[thread.node as usize].accepts_at_end;
        if let Some(thread) = self.threads.iter().find(ends) {
            self.best = Some(Best { start: thread.start, end: self.position, link: thread.link });
        }
        self.threads.clear();
    }

    /// Evaluates one row.
    fn step(&mut self, search: &mut Search<'_>) -> Result<()> {
        let plan = search.plan;
        search.scratch.begin(plan);
        let threads = std::mem::take(&mut self.threads);
        let is_cut = self.advance(search, &threads)?;
        let starts = if plan.is_shared() { true } else { !self.started && self.position == self.origin };
        if !is_cut && self.best.is_none() && starts {
            self.started = !plan.is_shared();
            self.begin(search)?;
        }
        self.threads = std::mem::replace(&mut search.scratch.next, threads);
        self.position += 1;
        if self.threads.len() > plan.options.threads_per_key_max {
            return self.has_too_many_threads(search);
        }
        if self.history.is_littered() {
            let held =
                self.threads.iter_mut().map(|thread| &mut thread.link).chain(self.best.as_mut().map(|best| &mut best.link));
            self.history.sweep(plan, held);
        }
        Ok(())
    }

    /// Lets threads take the row. Returns whether one of them has found a match.
    fn advance(&mut self, search: &mut Search<'_>, threads: &[Thread]) -> Result<bool> {
        for thread in threads {
            for &node in &search.plan.automaton.nodes[thread.node as usize].takes {
                if self.take(search, thread.start, thread.link, node)? {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Starts a match with the row.
    fn begin(&mut self, search: &mut Search<'_>) -> Result<()> {
        let automaton = &search.plan.automaton;
        let start = if self.position == 0 { &automaton.first } else { &automaton.start };
        for &node in &start.takes {
            if self.take(search, self.position, NOTHING, node)? {
                return Ok(());
            }
        }
        if start.accepts {
            self.best = Some(Best { start: self.position, end: self.position, link: NOTHING });
        }
        Ok(())
    }

    /// Lets a node take the row, if the row meets the definition and no thread with the same future has reached the node. Returns
    /// whether that makes a match.
    fn take(&mut self, search: &mut Search<'_>, start: u64, previous: u32, node: u32) -> Result<bool> {
        let plan = search.plan;
        if plan.equivalence == Equivalence::Place && search.scratch.comes_again(node) {
            return Ok(false);
        }
        let of_node = &plan.automaton.nodes[node as usize];
        let define = &plan.defines.list[usize::from(of_node.variable)];
        let Some(at) = self.rows.get(self.position) else { return Err(Error::bug("a row that is looked at is kept")) };
        if define.never || define.local.is_some_and(|local| !search.store.bit(at, local)) {
            return Ok(false);
        }
        let link = self.history.push(plan, search.store, &self.rows, (previous, node, self.position))?;
        if !define.terms.is_empty() {
            let (store, rows, history, current) = (search.store, &self.rows, &self.history, self.position);
            let so_far = SoFar { plan, store, rows, history, start, current, link, match_number: self.matches + 1 };
            let mut wrong = None;
            let is_met = so_far.meets(&define.terms, &mut wrong)?;
            if let Some(wrong) = wrong
                && self.reported.insert(self.position)
            {
                search.rendered.refuse(wrong);
            }
            if !is_met {
                self.history.pop(plan);
                return Ok(false);
            }
        }
        if plan.equivalence != Equivalence::Place && search.scratch.has_same(plan, &self.history, node, link) {
            self.history.pop(plan);
            return Ok(false);
        }
        if of_node.goes_on() {
            search.scratch.next.push(Thread { start, node, link });
        }
        if of_node.accepts {
            self.best = Some(Best { start, end: self.position + 1, link });
        }
        Ok(of_node.accepts)
    }

    /// Outputs a match, and continues where the clause says.
    fn matched(&mut self, search: &mut Search<'_>, best: Best) -> Result<()> {
        self.show_unmatched(search, best.start)?;
        self.matches += 1;
        let nodes = self.nodes(&best);
        search.rendered.matched(search.plan, search.store, &self.rows, (best.start, &nodes), self.matches)?;
        let next = self.resume(search.plan, &best, &nodes)?;
        self.matched_to = self.matched_to.max(best.end);
        self.origin = next;
        self.shown = next;
        self.position = next;
        self.started = false;
        self.best = None;
        self.history.clear();
        Ok(())
    }

    /// The nodes that took the rows of a match.
    fn nodes(&self, best: &Best) -> Vec<u32> {
        let mut nodes = vec![0; (best.end - best.start) as usize];
        let mut at = best.link;
        for node in nodes.iter_mut().rev() {
            let link = self.history.get(at);
            *node = link.node;
            at = link.previous;
        }
        nodes
    }

    /// Where the search continues after a match.
    fn resume(&self, plan: &RowPlan, best: &Best, nodes: &[u32]) -> Result<u64> {
        if best.end == best.start {
            return Ok(best.start + 1);
        }
        let belongs =
            |set: u16| move |node: &u32| plan.variables.contains(Some(set), plan.automaton.nodes[*node as usize].variable);
        let (set, place) = match plan.skip {
            Skip::PastLastRow => return Ok(best.end),
            Skip::ToNextRow => return Ok(best.start + 1),
            Skip::ToFirst(set) => (set, nodes.iter().position(belongs(set))),
            Skip::ToLast(set) => (set, nodes.iter().rposition(belongs(set))),
        };
        let name = &plan.variables.names[usize::from(set)];
        let help = "skip to a variable that every match has and that is not its first row, or AFTER MATCH SKIP TO NEXT ROW";
        let key = &self.key;
        match place {
            None => Err(Error::job(format!("{key}: a match has no row of '{name}' to skip to")).help(help)),
            Some(0) => Err(Error::job(format!("{key}: the row of '{name}' to skip to is the first of the match")).help(help)),
            Some(place) => Ok(best.start + place as u64),
        }
    }

    /// Outputs the rows before `end` that belong to no match.
    fn show_unmatched(&mut self, search: &mut Search<'_>, end: u64) -> Result<()> {
        if search.plan.shows_unmatched() {
            for position in self.shown.max(self.matched_to)..end {
                if let Some(at) = self.rows.get(position) {
                    search.rendered.unmatched(search.plan, search.store, at)?;
                }
            }
        }
        self.shown = self.shown.max(end);
        Ok(())
    }

    /// Drops the rows that are not needed any more.
    pub(crate) fn forget(&mut self, plan: &RowPlan, store: &mut RowStore) {
        let keep = self.origin.saturating_sub(plan.behind);
        if !self.reported.is_empty() {
            self.reported = self.reported.split_off(&keep);
        }
        while self.rows.base < keep
            && let Some(at) = self.rows.list.pop_front()
        {
            store.release(at);
            self.rows.base += 1;
        }
    }

    /// Whether the partition has no state left.
    pub(crate) fn is_done(&self, plan: &RowPlan) -> bool {
        self.rows.list.is_empty() && self.aside.is_none() && !plan.remembers
    }

    /// A lower bound on the times of the stored rows that this partition may still output.
    pub(crate) fn held_since(&self, plan: &RowPlan, store: &RowStore) -> Option<i64> {
        let time = |position: u64| self.rows.get(position).map(|at| store.time(at));
        let one_row = plan.spec.rows_per_match == crate::plan::spec::RowsPerMatch::One;
        if one_row && plan.is_shared() && plan.skip == Skip::PastLastRow {
            let best = self.best.and_then(|best| time(best.end.max(best.start + 1) - 1));
            // A match that ends with the partition may end with the last row evaluated.
            let last = self.position.checked_sub(1).filter(|_| plan.automaton.has_end_anchor && !self.threads.is_empty());
            return best.into_iter().chain(time(self.position)).chain(last.and_then(time)).min();
        }
        time(self.origin)
    }

    /// Bytes of memory, without the rows.
    pub(crate) fn bytes(&self) -> usize {
        self.threads.capacity() * size_of::<Thread>() + self.history.bytes() + self.gate.bytes() + self.rows.list.capacity() * 8
    }
}

impl Scratch {
    /// Prepares for the next row.
    fn begin(&mut self, plan: &RowPlan) {
        self.step += 1;
        self.next.clear();
        self.same.clear();
        self.seen.resize(plan.automaton.nodes.len(), 0);
    }

    /// Whether a thread has reached a node before, in this step.
    fn comes_again(&mut self, node: u32) -> bool {
        std::mem::replace(&mut self.seen[node as usize], self.step) == self.step
    }

    /// Whether a thread at this node has the same future; if not, remembers this one.
    fn has_same(&mut self, plan: &RowPlan, history: &History, node: u32, link: u32) -> bool {
        let links = self.same.entry((node, history.hash(plan, link))).or_default();
        let found = links.iter().any(|&other| history.same(plan, other, link));
        if !found {
            links.push(link);
        }
        found
    }
}
