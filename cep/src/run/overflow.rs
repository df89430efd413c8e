//! Keys that have more partial matches than they may have.
//!
//! One such key must not end the job for all others. By default it is *put aside*: its partial matches are dropped, its complete
//! matches are sent, and its events are ignored for one window of the pattern, counted from the event that was one too many;
//! whatever the dropped partial matches could have become is over by then. Meanwhile only the key and the end of that time are
//! kept. A pattern without a window has no such time: its key starts afresh with its next event.

use super::aside::{Aside, put_aside_in_words};
use super::evaluate::Current;
use super::limits::{limit, too_many};
use super::partial::Run;
use super::runs::Runs;
use super::sets::{self, KeySets};
use super::slab::NONE;
use super::state::State;
use super::step::At;
use crate::plan::options::Overflow;
use crate::plan::pattern_plan::Plan;
use egret_core::key::{Key, RowKeys};
use egret_core::overflow::Overflowed;
use egret_core::{EventTime, Result};
use std::cmp::Reverse;

impl State {
    /// A row gave a key too many partial matches, which are kept one by one. Returns whether the key is to be put aside.
    #[cold]
    pub(super) fn overflow(&mut self, plan: &Plan, key: Key, at: At, runs: &mut Vec<Run>) -> Result<bool> {
        let (most, open) = (plan.options.runs_per_key_max, runs.len());
        let since = runs.first().map(|run| run.start_time);
        let (outcome, dropped) = match plan.options.overflow {
            Overflow::Fail => return Err(too_many(plan, &key)),
            Overflow::PutAside => ("put_aside", runs.drain(..)),
            Overflow::DropOldest => ("drop_oldest", runs.drain(..open - most)),
            Overflow::DropNew => ("drop_new", runs.drain(most..)),
        };
        let count = dropped.len() as u64;
        dropped.for_each(|run| self.kept.store.release(run.chain));
        let first = runs.first().map(|run| EventTime(run.start_time).to_string()).unwrap_or_default();
        let last = runs.last().map(|run| EventTime(run.start_time).to_string()).unwrap_or_default();
        let aside = Aside::since(plan, at.time);
        let note = match plan.options.overflow {
            Overflow::DropOldest => {
                format!(
                    "{count} that began first are dropped: a match that follows begins at {first} or later, and may be shorter than it was"
                )
            }
            Overflow::DropNew => {
                format!("{count} that began last are dropped: of what began after {last} there may be no match")
            }
            _ => put_aside_in_words(aside.as_ref()),
        };
        let is_aside = plan.options.overflow == Overflow::PutAside;
        if !is_aside {
            self.dropped += count;
        }
        let until = aside.filter(|aside| is_aside && aside.until < i64::MAX).map(|aside| aside.until);
        let one = Overflowed { key, open: open as u64, since, at: Some(at.time), dropped: count, until, outcome, note };
        self.kept.output.overflows.add(one, &limit(plan));
        Ok(is_aside)
    }

    /// The same for partial matches kept as sets, or for too many matches of such sets completed by one row: matches that are
    /// held back are sent, open partial matches are dropped, and the key is put aside.
    #[cold]
    pub(in crate::run) fn put_sets_aside(
        &mut self,
        plan: &Plan,
        mut sets: Box<KeySets>,
        (place, at): (u32, At),
        limit: &str,
    ) -> Result<()> {
        let (open, since) = sets.open(&mut self.kept.store);
        let groups = std::mem::take(&mut sets.groups);
        groups.into_iter().for_each(|group| sets.sets.release(&mut self.kept.store, group.list));
        sets::resolve_sets(&mut self.kept, plan, &mut sets);
        let key = self.kept.keys.states[place].key.clone();
        if sets::put_sets(&mut self.kept, plan, place, sets) {
            return Err(egret_core::Error::bug("a match that waits is decided when nothing before it is open"));
        }
        let aside = Aside::since(plan, at.time);
        let until = aside.as_ref().map(|aside| aside.until).filter(|until| *until < i64::MAX);
        let note = put_aside_in_words(aside.as_ref());
        let (outcome, at) = ("put_aside", Some(at.time));
        let one = Overflowed { key: key.clone(), open, since, at, dropped: open, until, outcome, note };
        self.kept.output.overflows.add(one, limit);
        if let Some(aside) = aside {
            self.add_aside(key, aside);
        }
        Ok(())
    }

    /// Puts a key without state aside, because of an event at `time`.
    #[cold]
    pub(super) fn put_aside(&mut self, plan: &Plan, key: Key, time: i64) {
        if let Some(aside) = Aside::since(plan, time) {
            self.add_aside(key, aside);
        }
    }

    /// Restores a key that was put aside.
    pub(super) fn load_aside(&mut self, plan: &Plan, key: Key, aside: Aside) {
        if let Some(aside) = aside.under(plan) {
            self.add_aside(key, aside);
        }
    }

    fn add_aside(&mut self, key: Key, aside: Aside) {
        if aside.left == Some(0) {
            return;
        }
        self.generation = if self.generation >= NONE - 1 { 0 } else { self.generation + 1 };
        let place = self.kept.keys.add(key, self.generation);
        let state = &mut self.kept.keys.states[place];
        state.deadline = aside.until;
        state.runs = Runs::Aside(Box::new(aside));
        if state.deadline < i64::MAX {
            self.kept.sets_due.push(Reverse((state.deadline, place, state.generation)));
        }
    }

    /// Handles a row of a key that is put aside: the row is ignored, unless the key's time is over.
    #[cold]
    pub(super) fn row_aside(&mut self, plan: &Plan, current: &mut Current, keys: &RowKeys, at: At, place: u32) -> Result<()> {
        let Runs::Aside(aside) = &mut self.kept.keys.states[place].runs else { return Ok(()) };
        let is_over = aside.until <= at.time || aside.left == Some(0);
        if !is_over {
            aside.left = aside.left.map(|left| left - 1);
            return Ok(());
        }
        self.kept.keys.remove(place);
        match at.mask & plan.automaton.start.interest {
            0 => Ok(()),
            _ => self.row_of_key(plan, current, keys, at, None),
        }
    }
}
