//! The state of a matcher: works on ordered rows key by key.

use super::count_window::{CountWindow, CountWindows};
use super::evaluate::{Current, bound};
use super::expire::{Deadlines, Expired, deadline, end_window};
use super::kept::Kept;
use super::keys::KeyState;
use super::partial::{Held, Run};
use super::sets::{self, Left};
use super::shared::{RowTimes, Shared};
use super::slab::NONE;
use super::step::{At, Step, Work};
use crate::plan::condition::gate::CLOSED;
use crate::plan::pattern_plan::{Plan, Skip};
use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use egret_core::TimeOrder;
use egret_core::batch::micros;
use egret_core::key::RowKeys;
use egret_core::metrics::Counters;
use egret_core::{Batch, EventTime, Result, StateSize, Uncomputed};
use std::cmp::Reverse;
use std::sync::Arc;

/// All state of a matcher.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) order: TimeOrder,
    pub(crate) kept: Kept,
    pub(super) deadlines: Deadlines,
    pub(super) work: Work,
    /// Numbers rows and deadlines, in the order in which they are processed.
    pub(super) number: u64,
    pub(super) generation: u32,
    /// The partial matches of the key being worked on; empty in between.
    pub(super) list: Vec<Run>,
    /// Keys whose deadlines have come; empty in between.
    pub(super) due: Vec<(u32, u32)>,
    /// The windows in events, by key.
    pub(super) windows: CountWindows,
    /// How many partial matches were dropped because their key had too many.
    pub(crate) dropped: u64,
    clock: i64,
    /// All events before this time have been processed.
    pub(crate) reached: i64,
    /// The failures of rows.
    pub(super) wrong: Vec<Uncomputed>,
    /// During a restore: matches and partial matches that the new plan ends get at least this time.
    pub(super) not_before: i64,
}

/// The states of the keys of this many rows are brought into the cache together.
const ROWS_WARMED: usize = 256;

impl State {
    pub(crate) fn new(plan: &Plan) -> Self {
        let fields: Vec<_> = plan.stored.iter().map(|&column| plan.rows.arrow().field(column).clone()).collect();
        Self {
            order: TimeOrder::default(),
            kept: Kept::new(Arc::new(Schema::new(fields))),
            deadlines: Deadlines::new(plan),
            work: Work::default(),
            number: 0,
            generation: 0,
            list: Vec::new(),
            due: Vec::new(),
            windows: CountWindows::default(),
            dropped: 0,
            clock: i64::MIN,
            reached: i64::MIN,
            wrong: Vec::new(),
            not_before: i64::MIN,
        }
    }

    /// The failures of rows and matches since the last call.
    pub(crate) fn take_wrong(&mut self) -> Vec<Uncomputed> {
        let mut wrong = std::mem::take(&mut self.wrong);
        wrong.append(&mut self.kept.output.wrong);
        wrong
    }

    /// The buffered rows before a watermark, in order; `time` is their column of event time.
    ///
    /// # Errors
    /// A column cannot be ordered.
    pub(crate) fn release(&mut self, plan: &Plan, watermark: i64, time: usize) -> Result<Option<RecordBatch>> {
        match plan.unread_place() {
            Some(place) => self.order.release_by_place(watermark, time, place, &plan.ties),
            None => self.order.release(watermark, time, &plan.ties),
        }
    }

    /// Processes rows that are in order; `now` is their time if they have no event time.
    pub(crate) fn work_on(&mut self, plan: &Plan, rows: RecordBatch, now: Option<i64>) -> Result<()> {
        let stored = rows.project(&plan.stored)?;
        let keys = RowKeys::of(&rows, &plan.keys)?;
        let time_column = plan.rows.event_time().filter(|_| now.is_none()).map(|column| rows.column(column).clone());
        let times = match time_column.as_ref().map(micros) {
            Some(times) => RowTimes::Own(times),
            None => RowTimes::Now(now.unwrap_or_default()),
        };
        let mut current = Current::new(rows, plan)?;
        self.kept.store.begin(stored);
        let count = current.rows.num_rows();
        for start in (0..count).step_by(ROWS_WARMED) {
            let some = start..count.min(start + ROWS_WARMED);
            self.kept.keys.warm(&keys, some.clone());
            self.rows(plan, &mut current, &keys, times, some)?;
        }
        self.wrong.append(&mut current.wrong);
        self.settle(plan)
    }

    /// Processes some rows of a batch that several patterns share, in the order in which they are given. `stored` has the stored
    /// columns of all rows of the batch; only the masks of the given rows are read.
    ///
    /// The pattern must not compare columns of the row with the match: [`Plan::reads_masks_alone`].
    pub(crate) fn work_on_some(
        &mut self,
        plan: &Plan,
        shared: Shared<'_>,
        rows: impl Iterator<Item = usize>,
    ) -> Result<Vec<Vec<u64>>> {
        self.kept.store.begin(shared.stored.clone());
        let mut current = Current::of_masks(shared.stored, shared.masks, plan);
        self.rows(plan, &mut current, shared.keys, shared.times, rows)?;
        self.wrong.append(&mut current.wrong);
        self.settle(plan)?;
        Ok(current.into_masks())
    }

    #[inline]
    fn rows(
        &mut self,
        plan: &Plan,
        current: &mut Current,
        keys: &RowKeys,
        times: RowTimes<'_>,
        rows: impl Iterator<Item = usize>,
    ) -> Result<()> {
        let mut scratch = Vec::new();
        for row in rows {
            let place = self.kept.keys.find(keys, row, &mut scratch)?;
            let mask = current.mask(row);
            if place.is_none() && mask & plan.automaton.start.interest == 0 {
                continue;
            }
            self.number += 1;
            let at = At { row, time: times.of(row), mask, number: self.number };
            self.row(plan, current, keys, at, place)?;
            self.kept.output.flush_if_full(plan, &mut self.kept.store)?;
        }
        Ok(())
    }

    /// Finishes a batch.
    fn settle(&mut self, plan: &Plan) -> Result<()> {
        self.kept.output.flush(plan, &mut self.kept.store)?;
        self.kept.store.settle()
    }

    #[inline]
    fn row(&mut self, plan: &Plan, current: &mut Current, keys: &RowKeys, at: At, place: Option<u32>) -> Result<()> {
        if let Some(place) = place
            && self.kept.keys.states[place].runs.are_apart()
        {
            let state = &self.kept.keys.states[place];
            if state.runs.aside().is_some() {
                return self.row_aside(plan, current, keys, at, place);
            }
            let can_change = at.mask & (state.interest | plan.automaton.start.interest) != 0 || state.deadline <= at.time;
            return if can_change { self.row_in_sets(plan, current, keys, at, place) } else { Ok(()) };
        }
        let place = match place {
            Some(place) if self.kept.keys.states[place].deadline <= at.time => {
                self.expire_key(plan, place, at.time)?.then_some(place)
            }
            place => place,
        };
        // A window in events counts every event of the key.
        if !self.matters(plan, current, at, place) && (plan.within_events.is_none() || place.is_none()) {
            return Ok(());
        }
        self.row_of_key(plan, current, keys, at, place)
    }

    /// Processes a row of a key whose partial matches are kept as sets.
    fn row_in_sets(&mut self, plan: &Plan, current: &mut Current, keys: &RowKeys, at: At, place: u32) -> Result<()> {
        match sets::row(&mut self.kept, plan, current, keys, at, place)? {
            Left::Something => Ok(()),
            Left::Nothing if at.mask & plan.automaton.start.interest == 0 => Ok(()),
            Left::Nothing => self.row_of_key(plan, current, keys, at, None),
            Left::TooMuch { sets, limit } => self.put_sets_aside(plan, sets, (place, at), &limit),
        }
    }

    /// Processes a row that can change the partial matches of a key.
    #[inline(never)]
    pub(super) fn row_of_key(
        &mut self,
        plan: &Plan,
        current: &mut Current,
        keys: &RowKeys,
        at: At,
        place: Option<u32>,
    ) -> Result<()> {
        let mut runs = std::mem::take(&mut self.list);
        if let Some(place) = place {
            self.kept.keys.take_runs(place, &mut runs);
        }
        let step = Step { plan, store: &mut self.kept.store, current, work: &mut self.work, at };
        let mut changed = step.run(&mut runs)?;
        let mut window = None;
        if let Some(events) = plan.within_events {
            let (of_key, ends) = self.count_event(plan, events, at, place, &mut runs);
            (window, changed) = (Some(of_key), changed | ends);
        }
        let mut left = place;
        if changed || !self.work.complete.is_empty() {
            let too_many = runs.len() > plan.options.runs_per_key_max;
            let is_aside = too_many && self.overflow(plan, keys.key(at.row)?, at, &mut runs)?;
            left = self.put_back(plan, keys, at, place, &mut runs)?;
            if is_aside {
                self.put_aside(plan, keys.key(at.row)?, at.time);
            }
        } else if let Some(place) = place {
            self.kept.keys.put_runs(place, &mut runs);
        }
        self.list = runs;
        if let (Some(place), Some(window)) = (left, window) {
            self.windows.put(place, window);
        }
        Ok(())
    }

    /// Counts an event of a key whose partial matches have a window in events, and ends those that have had all the events of
    /// theirs. Returns whether any were.
    #[inline(never)]
    fn count_event(&mut self, plan: &Plan, events: u64, at: At, place: Option<u32>, runs: &mut Vec<Run>) -> (CountWindow, bool) {
        let mut window = self.windows.take(place);
        let floor = window.advance(events, at.number, runs);
        let ends = self.end_before(plan, floor, (at.time, at.number), runs);
        (window, ends)
    }

    /// Ends the partial matches that began before the number `floor`, at a time and moment. Returns whether there were any.
    pub(super) fn end_before(&mut self, plan: &Plan, floor: u64, (time, moment): (i64, u64), runs: &mut Vec<Run>) -> bool {
        let over = runs.partition_point(|run| run.start < floor);
        let Self { kept: Kept { store, output, .. }, work, .. } = self;
        let mut ends = |run: &mut Run| {
            let end = (run.node, run.open);
            let expired = end_window(plan, run, time, |held| {
                store.hold(held.chain);
                work.complete.push(Held { moment, ..held });
            });
            match expired {
                Expired::No => return false,
                Expired::TimedOut => output.timed_out(plan, store, run.chain, time, end),
                Expired::Over => store.release(run.chain),
            }
            true
        };
        runs.extract_if(..over, |run| ends(run)).for_each(drop);
        over > 0
    }

    /// Whether a row can change the partial matches of a key.
    #[inline]
    fn matters(&self, plan: &Plan, current: &Current, at: At, place: Option<u32>) -> bool {
        let reaches = |state: &KeyState| at.mask & state.interest != 0 || current.reach(at.row) >= state.bound;
        at.mask & plan.automaton.start.interest != 0 || place.is_some_and(|place| reaches(&self.kept.keys.states[place]))
    }

    /// Stores the partial matches of a key after a row. Returns the key's number if it still has state.
    fn put_back(&mut self, plan: &Plan, keys: &RowKeys, at: At, place: Option<u32>, runs: &mut Vec<Run>) -> Result<Option<u32>> {
        let completes = !self.work.complete.is_empty() && plan.skip != Skip::None;
        if place.is_none() && runs.is_empty() && !completes {
            self.deliver_all();
            return Ok(None);
        }
        let place = match place {
            Some(place) => place,
            None => {
                self.generation = if self.generation >= NONE - 1 { 0 } else { self.generation + 1 };
                self.kept.keys.add(keys.key(at.row)?, self.generation)
            }
        };
        let state = &mut self.kept.keys.states[place];
        (state.interest, state.bound) = (0, CLOSED);
        for run in runs.iter() {
            let node = &plan.automaton.nodes[run.node as usize];
            state.interest |= node.interest;
            if !node.gates.is_empty() {
                state.bound = state.bound.min(bound(plan, &mut self.kept.store, &node.gates, run.chain)?);
            }
            if run.last_time == at.time {
                state.deadline = state.deadline.min(deadline(plan, run));
                self.deadlines.add(plan, run, place, state.generation);
            }
        }
        self.kept.keys.put_runs(place, runs);
        self.settle_complete(plan, place)?;
        if self.remove_if_empty(place) {
            return Ok(None);
        }
        if self.kept.keys.states[place].runs.len() > plan.sets_from {
            sets::change_to_sets(&mut self.kept, plan, place);
        }
        Ok(Some(place))
    }

    /// Sends the complete matches.
    fn deliver_all(&mut self) {
        for found in self.work.complete.drain(..) {
            self.kept.output.matched(found.chain, found.time);
        }
    }

    /// Holds the complete matches back until it is their turn.
    fn hold_all(&mut self, place: u32) {
        for found in self.work.complete.drain(..) {
            *self.kept.held.entry(found.time).or_default() += 1;
            self.kept.keys.states[place].held.push(found);
        }
    }

    /// Sends the complete matches, or holds them back and sends those whose turn it is.
    pub(super) fn settle_complete(&mut self, plan: &Plan, place: u32) -> Result<()> {
        if plan.skip == Skip::None {
            self.deliver_all();
            return Ok(());
        }
        self.hold_all(place);
        self.resolve(plan, place)
    }

    /// Drops a key that has no state left.
    pub(super) fn remove_if_empty(&mut self, place: u32) -> bool {
        let KeyState { runs, held, .. } = &self.kept.keys.states[place];
        let empty = runs.is_empty() && held.is_empty() && !runs.are_apart();
        if empty {
            self.windows.forget(place);
            self.kept.keys.remove(place);
        }
        empty
    }

    /// The time of the earliest match that is held back.
    pub(crate) fn held_since(&self) -> Option<i64> {
        self.kept.held.keys().next().copied()
    }

    /// The wall clock in microseconds; it never goes back.
    pub(super) fn clock_at(&mut self, now_ms: i64) -> i64 {
        self.clock = self.clock.max(EventTime::from_millis(now_ms).0);
        self.clock
    }

    pub(crate) fn next_deadline(&self) -> Option<i64> {
        let of_sets = self.kept.sets_due.peek().map(|&Reverse((deadline, ..))| deadline);
        self.deadlines.next().into_iter().chain(of_sets).min()
    }

    pub(crate) fn take_output(&mut self, plan: &Plan) -> Result<Vec<(usize, Batch)>> {
        self.kept.output.flush(plan, &mut self.kept.store)?;
        Ok(self.kept.output.take())
    }

    /// Whether a key had too many partial matches and this has not been reported yet.
    pub(crate) fn has_to_tell(&self) -> bool {
        self.kept.output.overflows.are_untold()
    }

    /// Reports the keys that had too many partial matches.
    pub(crate) fn report(&mut self, pattern: Option<&str>, counters: &Counters) {
        self.kept.output.overflows.report(pattern, counters);
    }

    pub(crate) fn timed_out(&self) -> u64 {
        self.kept.output.timed_out_count()
    }

    pub(crate) fn size(&self) -> StateSize {
        let held = self.kept.held.values().sum::<usize>() * size_of::<Held>();
        let bytes = self.order.bytes()
            + self.kept.store.bytes()
            + self.kept.keys.bytes()
            + self.deadlines.bytes()
            + held
            + self.kept.sets_bytes
            + self.windows.bytes();
        StateSize { keys: self.kept.keys.len() as u64, bytes: bytes as u64 }
    }
}
