//! The effects of time: partial matches end, matches are decided, and the input is over.

use super::expire::{Expired, deadline, expire};
use super::kept::Kept;
use super::keys::KeyState;
use super::partial::{Held, Run};
use super::runs::Runs;
use super::sets;
use super::state::State;
use crate::plan::pattern_plan::Plan;
use egret_core::Result;
use std::cmp::Reverse;

/// The states of this many due keys are brought into the cache together.
const KEYS_WARMED: usize = 64;

impl State {
    /// Advances time to `now` for a key. Returns whether the key has state left.
    pub(super) fn expire_key(&mut self, plan: &Plan, place: u32, now: i64) -> Result<bool> {
        loop {
            let state = &mut self.kept.keys.states[place];
            let next = state.runs.iter().map(|run| deadline(plan, run)).min().unwrap_or(i64::MAX);
            state.deadline = next;
            if next > now || next == i64::MAX {
                return Ok(true);
            }
            self.number += 1;
            let mut runs = std::mem::take(&mut self.list);
            self.kept.keys.take_runs(place, &mut runs);
            self.expire_at(plan, &mut runs, next);
            self.kept.keys.put_runs(place, &mut runs);
            self.list = runs;
            self.settle_complete(plan, place)?;
            if self.remove_if_empty(place) {
                return Ok(false);
            }
        }
    }

    fn expire_at(&mut self, plan: &Plan, runs: &mut Vec<Run>, now: i64) {
        let Self { kept: Kept { store, output, .. }, work, number, not_before, .. } = self;
        let shown = now.max(*not_before);
        runs.retain_mut(|run| {
            if deadline(plan, run) > now {
                return true;
            }
            let end = (run.node, run.open);
            let expired = expire(plan, run, now, |held| {
                store.hold(held.chain);
                work.complete.push(Held { moment: *number, time: shown, ..held });
            });
            match expired {
                Expired::No => return true,
                Expired::Over => store.release(run.chain),
                Expired::TimedOut => output.timed_out(plan, store, run.chain, shown, end),
            }
            false
        });
    }

    /// Advances time for all keys: every event before `time` has been processed.
    pub(crate) fn advance_to(&mut self, plan: &Plan, time: i64) -> Result<()> {
        self.reached = self.reached.max(time);
        let mut due = std::mem::take(&mut self.due);
        while self.deadlines.pop_before(time, KEYS_WARMED, &mut due) {
            self.kept.keys.warm_places(&due);
            for (place, generation) in due.drain(..) {
                let is_due =
                    |state: &KeyState| state.generation == generation && state.deadline < time && !state.runs.are_apart();
                if self.kept.keys.states.get(place).is_some_and(is_due) {
                    self.expire_key(plan, place, time - 1)?;
                    self.kept.output.flush_if_full(plan, &mut self.kept.store)?;
                }
            }
        }
        self.due = due;
        while let Some(&Reverse((deadline, place, generation))) = self.kept.sets_due.peek()
            && deadline < time
        {
            self.kept.sets_due.pop();
            match self.kept.keys.states.get(place).filter(|state| state.generation == generation).map(|state| &state.runs) {
                Some(Runs::Sets(_)) => sets::time_has_come(&mut self.kept, plan, place, time - 1)?,
                Some(Runs::Aside(_)) => self.kept.keys.remove(place),
                _ => continue,
            }
            self.kept.output.flush_if_full(plan, &mut self.kept.store)?;
        }
        self.kept.output.flush(plan, &mut self.kept.store)?;
        self.kept.store.settle()
    }

    /// Ends the input: no open partial match can become a match.
    pub(crate) fn end(&mut self, plan: &Plan) -> Result<()> {
        self.advance_to(plan, i64::MAX)?;
        for place in self.kept.keys.live() {
            match self.kept.keys.states[place].runs {
                Runs::Sets(_) => {
                    sets::end_sets(&mut self.kept, plan, place);
                    continue;
                }
                Runs::Aside(_) => {
                    self.kept.keys.remove(place);
                    continue;
                }
                _ => {}
            }
            let mut runs = Vec::new();
            self.kept.keys.take_runs(place, &mut runs);
            runs.drain(..).for_each(|run| self.kept.store.release(run.chain));
            self.kept.keys.put_runs(place, &mut runs);
            self.resolve(plan, place)?;
            self.remove_if_empty(place);
        }
        self.kept.output.flush(plan, &mut self.kept.store)?;
        self.kept.store.settle()
    }
}
