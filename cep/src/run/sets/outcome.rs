//! What becomes of matches kept as sets: time, skip strategies, the way out.

use super::groups::{HeldSet, KeySets};
use crate::plan::options::Overflow;
use crate::plan::pattern_plan::{Plan, Skip};
use crate::run::evaluate::Current;
use crate::run::limits::limit;
use crate::run::limits::too_many;
use crate::run::partial::Run;
use crate::run::runs::Runs;
use crate::run::state::State;
use crate::run::step::At;
use egret_core::key::RowKeys;
use egret_core::{Error, Result};
use std::cmp::Reverse;

impl State {
    /// Keeps the partial matches of a key as sets from now on.
    pub(in crate::run) fn change_to_sets(&mut self, plan: &Plan, place: u32) {
        let mut runs: Vec<Run> = Vec::new();
        self.keys.take_runs(place, &mut runs);
        self.keys.put_runs(place, &mut Vec::new());
        let mut sets = Box::new(KeySets::of_runs(plan, &mut self.store, runs));
        for held in self.keys.states[place].held.take() {
            let (list, entry) = (
                sets.empty_list(),
                super::lists::Entry { least: held.start, most: held.start, what: super::lists::What::Chain(held.chain) },
            );
            let list = sets.sets.add(&mut self.store, Some(list), entry);
            self.store.release(held.chain);
            sets.held.push(HeldSet { list, time: held.time, moment: held.moment });
        }
        self.put_sets(plan, place, sets);
        self.add_due(place);
    }

    /// A row of a key whose partial matches are kept as sets; says whether anything is left of it.
    pub(in crate::run) fn row_in_sets(
        &mut self,
        plan: &Plan,
        current: &mut Current,
        keys: &RowKeys,
        at: At,
        place: u32,
    ) -> Result<()> {
        let Some(mut sets) = self.take_sets(place) else { return Ok(()) };
        self.expire_sets(plan, &mut sets, at.time)?;
        if sets.is_empty() {
            // As if time had come for them before the row.
            self.put_sets(plan, place, sets);
            let can_start = at.mask & plan.automaton.start.interest != 0;
            return if can_start { self.row_of_key(plan, current, keys, at, None) } else { Ok(()) };
        }
        let complete = sets.step(plan, &mut self.store, current, at);
        let too_large = sets.sets.entries > plan.options.runs_per_key_max;
        if too_large && plan.options.overflow == Overflow::Fail {
            return Err(too_many(plan, &keys.key(at.row)?));
        }
        let are_told = match complete {
            None => true,
            Some(list) if plan.skip == Skip::None => self.tell_all(plan, &mut sets, list, at.time)?,
            Some(list) => {
                *self.held.entry(at.time).or_default() += 1;
                sets.held.push(HeldSet { list, time: at.time, moment: at.number });
                true
            }
        };
        if !are_told && plan.options.overflow == Overflow::Fail {
            return Err(too_many_at_once(plan, &keys.key(at.row)?.to_string()));
        }
        if !are_told {
            let limit = format!("completed more than {} matches with one event", plan.options.runs_per_key_max);
            return self.put_sets_aside(plan, sets, (place, at), &limit);
        }
        if too_large {
            return self.put_sets_aside(plan, sets, (place, at), &limit(plan));
        }
        self.resolve_sets(plan, &mut sets);
        self.put_sets(plan, place, sets);
        Ok(())
    }

    /// Sends the matches that a row completes, and lets go of their list. Says whether these are not too many; else none is sent.
    fn tell_all(&mut self, plan: &Plan, sets: &mut KeySets, list: u32, time: i64) -> Result<bool> {
        let (mut chains, most) = (Vec::new(), plan.options.runs_per_key_max);
        let listed = sets.sets.for_each(&mut self.store, list, sets.floor, |_, chain| {
            chains.push(chain);
            if chains.len() > most { Err(()) } else { Ok(()) }
        });
        for chain in chains {
            if listed.is_err() {
                self.store.release(chain);
                continue;
            }
            self.output.matched(chain, time);
            self.output.flush_if_full(plan, &mut self.store)?;
        }
        sets.sets.release(&mut self.store, list);
        Ok(listed.is_ok())
    }

    /// Time has come for a key whose partial matches are kept as sets.
    pub(in crate::run) fn sets_due(&mut self, plan: &Plan, place: u32, now: i64) -> Result<()> {
        let Some(mut sets) = self.take_sets(place) else { return Ok(()) };
        self.expire_sets(plan, &mut sets, now)?;
        if self.put_sets(plan, place, sets) {
            self.add_due(place);
        }
        Ok(())
    }

    /// Of a key that was restored: sends the matches whose turn it is now.
    pub(in crate::run) fn judge_sets(&mut self, plan: &Plan, place: u32) -> Result<()> {
        let Some(mut sets) = self.take_sets(place) else { return Ok(()) };
        if plan.skip == Skip::None {
            for HeldSet { list, time, .. } in std::mem::take(&mut sets.held) {
                let output = &mut self.output;
                sets.sets.for_each(&mut self.store, list, sets.floor, |store, chain| {
                    output.matched(chain, time);
                    output.flush_if_full(plan, store)
                })?;
                sets.sets.release(&mut self.store, list);
                self.release_held(time);
            }
        }
        self.resolve_sets(plan, &mut sets);
        self.put_sets(plan, place, sets);
        Ok(())
    }

    /// The input has ended for a key: what is open is over, what is held is decided.
    pub(in crate::run) fn end_sets(&mut self, plan: &Plan, place: u32) {
        let Some(mut sets) = self.take_sets(place) else { return };
        let groups = std::mem::take(&mut sets.groups);
        groups.into_iter().for_each(|group| sets.sets.release(&mut self.store, group.list));
        self.resolve_sets(plan, &mut sets);
        self.put_sets(plan, place, sets);
    }

    /// Asks to be called when the first partial match of a key may expire.
    pub(in crate::run) fn add_due(&mut self, place: u32) {
        let state = &self.keys.states[place];
        if state.runs.sets().is_some() && state.deadline < i64::MAX {
            self.sets_due.push(Reverse((state.deadline, place, state.generation)));
        }
    }

    fn take_sets(&mut self, place: u32) -> Option<Box<KeySets>> {
        let sets = self.keys.states[place].runs.take_sets()?;
        self.sets_bytes -= sets.bytes();
        Some(sets)
    }

    /// Puts a key's sets back, or forgets the key if nothing is left. Says whether something is.
    pub(in crate::run) fn put_sets(&mut self, plan: &Plan, place: u32, mut sets: Box<KeySets>) -> bool {
        if sets.is_empty() {
            sets.clear(&mut self.store);
            self.keys.remove(place);
            return false;
        }
        let state = &mut self.keys.states[place];
        state.interest = sets.interest(plan);
        state.deadline = sets.deadline(plan);
        self.sets_bytes += sets.bytes();
        state.runs = Runs::Sets(sets);
        true
    }

    /// Lets time reach `now`. A match that waits is decided before its own beginning is past.
    fn expire_sets(&mut self, plan: &Plan, sets: &mut KeySets, now: i64) -> Result<()> {
        let Some(within) = plan.within_us else { return Ok(()) };
        let mut floor = sets.floor;
        while let Some((number, time)) = sets.starts.first() {
            if time.saturating_add(within) > now {
                break;
            }
            floor = floor.max(number + 1);
            sets.starts.pop();
        }
        while floor > sets.floor {
            let waiting = sets.held.iter().filter_map(|held| sets.sets.first_start(&self.store, held.list, sets.floor)).min();
            let next = waiting.map_or(floor, |start| floor.min(start.max(sets.floor)));
            let is_stuck = next == sets.floor;
            sets.floor = next;
            let gone = sets.trim(&mut self.store);
            self.output.count_timed_out(gone as u64);
            self.resolve_sets(plan, sets);
            if is_stuck && next == sets.floor {
                return Err(Error::bug("a match that waits is decided when nothing before it is open"));
            }
        }
        Ok(())
    }

    /// Sends the matches whose turn it is.
    pub(in crate::run) fn resolve_sets(&mut self, plan: &Plan, sets: &mut KeySets) {
        while let Some((start, place)) = self.first_held_set(sets) {
            let floor = sets.floor;
            let before = |list: u32| sets.sets.first_start(&self.store, list, floor).is_some_and(|open| open < start);
            if sets.groups.iter().any(|group| before(group.list)) {
                return;
            }
            let HeldSet { list, time, .. } = sets.held[place];
            let Some(chain) = sets.sets.earliest(&mut self.store, list, start) else { return };
            sets.floor = match plan.skip {
                Skip::PastLastEvent => self.store.number(self.store.link(chain).event) + 1,
                _ => start + 1,
            };
            self.output.matched(chain, time);
            sets.trim(&mut self.store);
        }
    }

    /// The match whose turn is first: its beginning, and the place of its set. Sets of which nothing is left are dropped.
    fn first_held_set(&mut self, sets: &mut KeySets) -> Option<(u64, usize)> {
        let floor = sets.floor;
        let gone: Vec<HeldSet> =
            sets.held.extract_if(.., |held| sets.sets.first_start(&self.store, held.list, floor).is_none()).collect();
        for held in gone {
            sets.sets.release(&mut self.store, held.list);
            self.release_held(held.time);
        }
        let starts = sets.held.iter().enumerate().filter_map(|(place, held)| {
            sets.sets.first_start(&self.store, held.list, floor).map(|start| (start, held.moment, place))
        });
        starts.min().map(|(start, _, place)| (start, place))
    }
}

fn too_many_at_once(plan: &Plan, key: &str) -> Error {
    Error::job(format!(
        "one event of {key} completes more than {} matches of the pattern {}",
        plan.options.runs_per_key_max, plan.text
    ))
    .help(
        "give the pattern a (shorter) window with WITHIN, let a match skip others with AFTER MATCH, or raise max_partial_matches",
    )
}
