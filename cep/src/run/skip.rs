//! After a match: which other matches end.
//!
//! Matches are taken in the order of their first events. A complete match is held back until every partial match that starts
//! earlier is decided. Among matches that start with the same event, those completed first come first; among those completed
//! together, the one whose events come earliest, compared position by position.

use super::partial::Held;
use super::state::State;
use crate::pattern::SkipMiss;
use crate::plan::pattern_plan::{Plan, Skip};
use egret_core::{Error, Result};
use std::cmp::Ordering;

/// Which starts a match ends.
enum Ends {
    Nothing,
    At(u64),
    UpTo(u64),
    Before(u64),
}

impl Ends {
    fn includes(&self, start: u64) -> bool {
        match *self {
            Self::Nothing => false,
            Self::At(number) => start == number,
            Self::UpTo(number) => start <= number,
            Self::Before(number) => start < number,
        }
    }
}

impl State {
    /// Sends the matches of a key whose turn it is.
    pub(super) fn resolve(&mut self, plan: &Plan, place: u32) -> Result<()> {
        while let Some(first) = self.first_held(place) {
            let state = &mut self.kept.keys.states[place];
            if state.runs.first().is_some_and(|run| run.start < state.held[first].start) {
                return Ok(());
            }
            let Some(found) = state.held.remove(first) else { return Ok(()) };
            let ends = self.ends(plan, &found)?;
            self.kept.release_held(found.time);
            self.kept.output.matched(found.chain, found.time);
            self.prune(place, &ends);
        }
        Ok(())
    }

    /// The held match whose turn comes first.
    fn first_held(&self, place: u32) -> Option<usize> {
        let held = &self.kept.keys.states[place].held;
        (0..held.len()).min_by(|&one, &other| {
            let (one, other) = (&held[one], &held[other]);
            (one.start, one.moment).cmp(&(other.start, other.moment)).then_with(|| self.by_events(one, other))
        })
    }

    fn by_events(&self, one: &Held, other: &Held) -> Ordering {
        let numbers = |held: &Held| {
            let mut events = Vec::new();
            self.kept.store.events_of(held.chain, None, &mut events);
            events.into_iter().map(|event| self.kept.store.number(event)).collect::<Vec<_>>()
        };
        numbers(one).cmp(&numbers(other))
    }

    fn ends(&self, plan: &Plan, found: &Held) -> Result<Ends> {
        let target = |variable: u16, last: bool| {
            let mut events = Vec::new();
            self.kept.store.events_of(found.chain, Some(variable), &mut events);
            let event = if last { events.last() } else { events.first() };
            event.map(|&event| self.kept.store.number(event))
        };
        let (variable, last) = match plan.skip {
            Skip::None => return Ok(Ends::Nothing),
            Skip::ToNext => return Ok(Ends::At(found.start)),
            Skip::PastLastEvent => return Ok(Ends::UpTo(self.kept.store.number(self.kept.store.link(found.chain).event))),
            Skip::ToFirst(variable) => (variable, false),
            Skip::ToLast(variable) => (variable, true),
        };
        let name = &plan.automaton.variables[usize::from(variable)].name;
        let help = "skip to a variable that every match takes and that is not its first event, or let such a match skip nothing";
        match target(variable, last) {
            None if plan.skip_miss == SkipMiss::Error => {
                Err(Error::job(format!("a match has no event of '{name}' to skip to")).help(help))
            }
            Some(number) if number == found.start && plan.skip_miss == SkipMiss::Error => {
                Err(Error::job(format!("the event of '{name}' to skip to is the first of the match")).help(help))
            }
            None => Ok(Ends::Nothing),
            Some(number) => Ok(Ends::Before(number)),
        }
    }

    /// Drops the partial and held matches that a match ends.
    fn prune(&mut self, place: u32, ends: &Ends) {
        let mut runs = Vec::new();
        self.kept.keys.take_runs(place, &mut runs);
        runs.retain(|run| {
            let stays = !ends.includes(run.start);
            if !stays {
                self.kept.store.release(run.chain);
            }
            stays
        });
        self.kept.keys.put_runs(place, &mut runs);
        for held in self.kept.keys.states[place].held.take_if(|held| ends.includes(held.start)) {
            self.kept.store.release(held.chain);
            self.kept.release_held(held.time);
        }
    }
}
