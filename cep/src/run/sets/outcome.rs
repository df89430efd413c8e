//! What happens to matches kept as sets: expiry, skip strategies, output.

use super::groups::{HeldSet, KeySets};
use crate::plan::options::Overflow;
use crate::plan::pattern_plan::{Plan, Skip};
use crate::run::evaluate::Current;
use crate::run::kept::Kept;
use crate::run::limits::limit;
use crate::run::limits::too_many;
use crate::run::partial::Run;
use crate::run::runs::Runs;
use crate::run::step::At;
use egret_core::key::RowKeys;
use egret_core::{Error, Result};
use std::cmp::Reverse;

/// The state of a key's sets after a row.
pub(in crate::run) enum Left {
    Something,
    /// They had expired before the row.
    Nothing,
    /// They exceed a limit: the key is to be put aside.
    TooMuch {
        sets: Box<KeySets>,
        limit: String,
    },
}

/// Changes the partial matches of a key into sets.
pub(in crate::run) fn change_to_sets(kept: &mut Kept, plan: &Plan, place: u32) {
    let mut runs: Vec<Run> = Vec::new();
    kept.keys.take_runs(place, &mut runs);
    kept.keys.put_runs(place, &mut Vec::new());
    let mut sets = Box::new(KeySets::of_runs(plan, &mut kept.store, runs));
    for held in kept.keys.states[place].held.take() {
        let (list, entry) = (
            sets.empty_list(),
            super::lists::Entry { least: held.start, most: held.start, what: super::lists::What::Chain(held.chain) },
        );
        let list = sets.sets.add(&mut kept.store, Some(list), entry);
        kept.store.release(held.chain);
        sets.held.push(HeldSet { list, time: held.time, moment: held.moment });
    }
    put_sets(kept, plan, place, sets);
    add_due(kept, place);
}

/// Processes a row of a key whose partial matches are kept as sets.
pub(in crate::run) fn row(
    kept: &mut Kept,
    plan: &Plan,
    current: &mut Current,
    keys: &RowKeys,
    at: At,
    place: u32,
) -> Result<Left> {
    let Some(mut sets) = take_sets(kept, place) else { return Ok(Left::Something) };
    expire_sets(kept, plan, &mut sets, at.time)?;
    if sets.is_empty() {
        // The sets end as if their deadline had been handled before the row.
        put_sets(kept, plan, place, sets);
        return Ok(Left::Nothing);
    }
    let complete = sets.step(plan, &mut kept.store, current, at);
    let too_large = sets.sets.entries > plan.options.runs_per_key_max;
    if too_large && plan.options.overflow == Overflow::Fail {
        return Err(too_many(plan, &keys.key(at.row)?));
    }
    let are_told = match complete {
        None => true,
        Some(list) if plan.skip == Skip::None => report_all(kept, plan, &mut sets, list, at.time)?,
        Some(list) => {
            *kept.held.entry(at.time).or_default() += 1;
            sets.held.push(HeldSet { list, time: at.time, moment: at.number });
            true
        }
    };
    if !are_told && plan.options.overflow == Overflow::Fail {
        return Err(too_many_at_once(plan, &keys.key(at.row)?.to_string()));
    }
    if !are_told {
        let limit = format!("completed more than {} matches with one event", plan.options.runs_per_key_max);
        return Ok(Left::TooMuch { sets, limit });
    }
    if too_large {
        return Ok(Left::TooMuch { sets, limit: limit(plan) });
    }
    resolve_sets(kept, plan, &mut sets);
    put_sets(kept, plan, place, sets);
    Ok(Left::Something)
}

/// Sends the matches that a row completes, and releases their list. Returns whether they are within the limit; otherwise none is
/// sent.
fn report_all(kept: &mut Kept, plan: &Plan, sets: &mut KeySets, list: u32, time: i64) -> Result<bool> {
    let (mut chains, most) = (Vec::new(), plan.options.runs_per_key_max);
    let listed = sets.sets.for_each(&mut kept.store, list, sets.floor, |_, chain| {
        chains.push(chain);
        if chains.len() > most { Err(()) } else { Ok(()) }
    });
    for chain in chains {
        if listed.is_err() {
            kept.store.release(chain);
            continue;
        }
        kept.output.matched(chain, time);
        kept.output.flush_if_full(plan, &mut kept.store)?;
    }
    sets.sets.release(&mut kept.store, list);
    Ok(listed.is_ok())
}

/// Handles the deadline of a key whose partial matches are kept as sets.
pub(in crate::run) fn time_has_come(kept: &mut Kept, plan: &Plan, place: u32, now: i64) -> Result<()> {
    let Some(mut sets) = take_sets(kept, place) else { return Ok(()) };
    expire_sets(kept, plan, &mut sets, now)?;
    if put_sets(kept, plan, place, sets) {
        add_due(kept, place);
    }
    Ok(())
}

/// For a restored key: sends the matches whose turn it is now.
pub(in crate::run) fn judge_sets(kept: &mut Kept, plan: &Plan, place: u32) -> Result<()> {
    let Some(mut sets) = take_sets(kept, place) else { return Ok(()) };
    if plan.skip == Skip::None {
        for HeldSet { list, time, .. } in std::mem::take(&mut sets.held) {
            let output = &mut kept.output;
            sets.sets.for_each(&mut kept.store, list, sets.floor, |store, chain| {
                output.matched(chain, time);
                output.flush_if_full(plan, store)
            })?;
            sets.sets.release(&mut kept.store, list);
            kept.release_held(time);
        }
    }
    resolve_sets(kept, plan, &mut sets);
    put_sets(kept, plan, place, sets);
    Ok(())
}

/// Ends the input for a key: open partial matches are dropped, held matches are decided.
pub(in crate::run) fn end_sets(kept: &mut Kept, plan: &Plan, place: u32) {
    let Some(mut sets) = take_sets(kept, place) else { return };
    let groups = std::mem::take(&mut sets.groups);
    groups.into_iter().for_each(|group| sets.sets.release(&mut kept.store, group.list));
    resolve_sets(kept, plan, &mut sets);
    put_sets(kept, plan, place, sets);
}

/// Schedules a key for the time when its first partial match may expire.
pub(in crate::run) fn add_due(kept: &mut Kept, place: u32) {
    let state = &kept.keys.states[place];
    if state.runs.sets().is_some() && state.deadline < i64::MAX {
        kept.sets_due.push(Reverse((state.deadline, place, state.generation)));
    }
}

fn take_sets(kept: &mut Kept, place: u32) -> Option<Box<KeySets>> {
    let sets = kept.keys.states[place].runs.take_sets()?;
    kept.sets_bytes -= sets.bytes();
    Some(sets)
}

/// Puts a key's sets back, or drops the key if they are empty. Returns whether they were put back.
pub(in crate::run) fn put_sets(kept: &mut Kept, plan: &Plan, place: u32, mut sets: Box<KeySets>) -> bool {
    if sets.is_empty() {
        sets.clear(&mut kept.store);
        kept.keys.remove(place);
        return false;
    }
    let state = &mut kept.keys.states[place];
    state.interest = sets.interest(plan);
    state.deadline = sets.deadline(plan);
    kept.sets_bytes += sets.bytes();
    state.runs = Runs::Sets(sets);
    true
}

/// Advances time to `now`. A held match is decided before time passes its own start.
fn expire_sets(kept: &mut Kept, plan: &Plan, sets: &mut KeySets, now: i64) -> Result<()> {
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
        let waiting = sets.held.iter().filter_map(|held| sets.sets.first_start(&kept.store, held.list, sets.floor)).min();
        let next = waiting.map_or(floor, |start| floor.min(start.max(sets.floor)));
        let is_stuck = next == sets.floor;
        sets.floor = next;
        let gone = sets.trim(&mut kept.store);
        kept.output.count_timed_out(gone as u64);
        resolve_sets(kept, plan, sets);
        if is_stuck && next == sets.floor {
            return Err(Error::bug("a match that waits is decided when nothing before it is open"));
        }
    }
    Ok(())
}

/// Sends the matches whose turn it is.
pub(in crate::run) fn resolve_sets(kept: &mut Kept, plan: &Plan, sets: &mut KeySets) {
    while let Some((start, place)) = first_held_set(kept, sets) {
        let floor = sets.floor;
        let before = |list: u32| sets.sets.first_start(&kept.store, list, floor).is_some_and(|open| open < start);
        if sets.groups.iter().any(|group| before(group.list)) {
            return;
        }
        let HeldSet { list, time, .. } = sets.held[place];
        let Some(chain) = sets.sets.earliest(&mut kept.store, list, start) else { return };
        sets.floor = match plan.skip {
            Skip::PastLastEvent => kept.store.number(kept.store.link(chain).event) + 1,
            _ => start + 1,
        };
        kept.output.matched(chain, time);
        sets.trim(&mut kept.store);
    }
}

/// The held match whose turn comes first: the number of its first event, and the place of its set. Sets without members are
/// dropped.
fn first_held_set(kept: &mut Kept, sets: &mut KeySets) -> Option<(u64, usize)> {
    let floor = sets.floor;
    let gone: Vec<HeldSet> =
        sets.held.extract_if(.., |held| sets.sets.first_start(&kept.store, held.list, floor).is_none()).collect();
    for held in gone {
        sets.sets.release(&mut kept.store, held.list);
        kept.release_held(held.time);
    }
    let starts = sets.held.iter().enumerate().filter_map(|(place, held)| {
        sets.sets.first_start(&kept.store, held.list, floor).map(|start| (start, held.moment, place))
    });
    starts.min().map(|(start, _, place)| (start, place))
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
