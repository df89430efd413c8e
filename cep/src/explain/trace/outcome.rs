//! The outcome of a start: the partial match that came furthest, and what kept it from going on.

use super::candidate::{Closed, Followed, Moment, Partial};
use super::world::{Taken, World};
use super::{Candidate, Fate, NearMiss, Reason, Stop, TracedMatch, TracedStep};
use crate::plan::automaton::condition_of;
use crate::plan::automaton::{Automaton, ConditionId, Edge, Target};
use egret_core::Result;

/// The most near misses that are reported.
const NEAR_MAX: usize = 3;

/// The most events that are examined for near misses.
const LOOKS_MAX: usize = 10_000;

/// The match whose skip ends a start, and when.
#[derive(Clone, Copy)]
pub(super) struct End {
    pub(super) number: usize,
    pub(super) moment: Moment,
}

/// For each node: the least number of events that a match takes after it.
pub(super) fn distances(automaton: &Automaton) -> Vec<usize> {
    let ends = |edge: &Edge| !matches!(edge.target, Target::Take(_));
    let mut distances: Vec<usize> =
        automaton.nodes.iter().map(|node| if node.accept || node.edges.iter().any(ends) { 0 } else { usize::MAX }).collect();
    loop {
        let mut changed = false;
        for (index, node) in automaton.nodes.iter().enumerate() {
            let next = node.edges.iter().filter_map(|edge| match edge.target {
                Target::Take(to) => distances[to as usize].checked_add(1),
                _ => None,
            });
            if let Some(least) = next.min()
                && least < distances[index]
            {
                distances[index] = least;
                changed = true;
            }
        }
        if !changed {
            return distances;
        }
    }
}

/// The outcome of a start that has partial matches.
pub(super) fn candidate(
    world: &World<'_>,
    start: usize,
    followed: &Followed,
    end: Option<End>,
    matches: Vec<usize>,
    all: &[TracedMatch],
    distances: &[usize],
) -> Result<Candidate> {
    let mut candidate = Candidate {
        start,
        fate: Fate::Matched,
        matches,
        discarded_by: None,
        steps: Vec::new(),
        steps_missing: 0,
        last: followed.last,
        ended_us: None,
        stops: Vec::new(),
    };
    if let Some(&first) = candidate.matches.first() {
        candidate.steps.clone_from(&all[first].steps);
        candidate.ended_us = Some(all[first].decided_us);
        candidate.last = candidate.steps.last().map_or(start, |step| step.event);
        return Ok(candidate);
    }
    let rank = |partial: &&Partial| (distances[partial.node], usize::MAX - partial.taken.len());
    // Among those that came equally far, take the one that was created last.
    let Some(furthest) = followed.partials.iter().rev().min_by_key(rank) else { return Ok(candidate) };
    let alive = followed.partials.iter().any(|partial| partial.ended.is_none());
    let cut = end.filter(|_| alive || !followed.found.is_empty());
    candidate.steps = steps(world, &furthest.taken)?;
    candidate.steps_missing = distances[furthest.node];
    candidate.discarded_by = cut.map(|end| end.number);
    candidate.ended_us = cut.map(|end| end.moment.0).or(furthest.ended.map(|(time, _)| time));
    candidate.stops = stops(world, furthest, followed.last, cut)?;
    let timed_out = furthest.closed.iter().any(|closed| matches!(closed, Some(Closed::Within { .. } | Closed::Gap { .. })));
    candidate.fate = match (cut, furthest.ended) {
        (Some(_), _) => Fate::Discarded,
        (None, None) => Fate::Waiting,
        (None, Some((_, Some(_)))) if !timed_out => Fate::Stopped,
        (None, Some(_)) => Fate::TimedOut,
    };
    Ok(candidate)
}

/// The events taken, and which conditions they met.
pub(super) fn steps(world: &World<'_>, taken: &[Taken]) -> Result<Vec<TracedStep>> {
    let step = |(index, one): (usize, &Taken)| {
        let because = match condition_of(&world.plan.sources, one.variable) {
            Some(condition) => world.shown.show(condition, &mut world.facts(Some(one.event), &taken[..index]))?,
            None => Vec::new(),
        };
        Ok(TracedStep { variable: world.name(one.variable), event: one.event, because })
    };
    taken.iter().enumerate().map(step).collect()
}

/// The reasons why the edges out of a partial match's node were not taken.
fn stops(world: &World<'_>, partial: &Partial, last: usize, cut: Option<End>) -> Result<Vec<Stop>> {
    let node = &world.plan.automaton.nodes[partial.node];
    let mut stops: Vec<Stop> = Vec::new();
    for (edge, closed) in node.edges.iter().zip(&partial.closed) {
        if *closed == Some(Closed::Took) {
            continue;
        }
        let stop = stop(world, partial, edge, *closed, last, cut)?;
        let same = |other: &Stop| (&other.variable, other.reason, other.event) == (&stop.variable, stop.reason, stop.event);
        if !stops.iter().any(same) {
            stops.push(stop);
        }
    }
    Ok(stops)
}

fn stop(
    world: &World<'_>,
    partial: &Partial,
    edge: &Edge,
    closed: Option<Closed>,
    last: usize,
    cut: Option<End>,
) -> Result<Stop> {
    let taken = &partial.taken;
    let after = taken[taken.len() - 1].event;
    let (reason, event, at_us, by) = match closed {
        None | Some(Closed::Took) => match cut {
            Some(end) => (Reason::Skip, end.moment.1, Some(end.moment.0), None),
            None => (Reason::EndOfInput, None, None, None),
        },
        Some(Closed::Strict { event }) => (Reason::Strict, Some(event), None, None),
        Some(Closed::Until { condition, event }) => (Reason::Until, Some(event), None, Some(condition)),
        Some(Closed::Guarded { condition, event }) => {
            let source = &world.plan.sources[condition as usize];
            let negated = source.variable.is_some_and(|variable| world.plan.automaton.variables[variable].negated);
            (if negated { Reason::Negation } else { Reason::Greedy }, Some(event), None, Some(condition))
        }
        Some(Closed::Within { time }) => (Reason::Within, None, Some(time), None),
        Some(Closed::Gap { time }) => (Reason::Gap, None, Some(time), None),
    };
    let mut stop = Stop {
        variable: None,
        reason,
        event,
        at_us,
        by: by.map(|condition| world.plan.condition_name(condition).to_owned()),
        conditions: Vec::new(),
        wanted: Vec::new(),
        near: Vec::new(),
        looked_at: 0,
    };
    if let (Some(condition), Some(event)) = (by, event) {
        stop.conditions = world.shown.show(condition, &mut world.facts(Some(event), taken))?;
    }
    let Target::Take(target) = edge.target else { return Ok(stop) };
    stop.variable = Some(world.name(world.plan.automaton.nodes[target as usize].variable));
    stop.wanted = world.shown.show(edge.condition, &mut world.facts(None, taken))?;
    if let (Reason::Strict, Some(event)) = (reason, event) {
        stop.conditions = miss(world, edge.condition, event, taken)?.failed;
        return Ok(stop);
    }
    let seen: Vec<usize> = (after + 1..=event.unwrap_or(last).min(last)).take(LOOKS_MAX).collect();
    let mut unfit = Vec::new();
    for event in seen {
        if !world.is_elsewhere(edge.condition, event) && !world.meets(edge.condition, event, taken)? {
            unfit.push(event);
        }
    }
    stop.looked_at = unfit.len();
    stop.near = nearest(world, &[edge.condition], &unfit, taken)?;
    Ok(stop)
}

/// The events that fail the fewest parts of a condition; among equals the earliest.
pub(super) fn nearest(world: &World<'_>, conditions: &[ConditionId], events: &[usize], taken: &[Taken]) -> Result<Vec<NearMiss>> {
    let mut ranked: Vec<(usize, usize, ConditionId)> = Vec::new();
    for &event in events.iter().take(LOOKS_MAX) {
        let mut best: Option<(usize, usize, ConditionId)> = None;
        for &condition in conditions.iter().filter(|&&condition| !world.is_elsewhere(condition, event)) {
            let mut failed = 0;
            for part in 0..world.shown.parts(condition).len() {
                failed += usize::from(!world.part_holds(condition, part, event, taken).unwrap_or(false));
            }
            best = best.filter(|best| best.0 <= failed).or(Some((failed, event, condition)));
        }
        ranked.extend(best);
    }
    ranked.sort_by_key(|&(failed, event, _)| (failed, event));
    ranked.truncate(NEAR_MAX);
    ranked.sort_by_key(|&(_, event, _)| event);
    ranked.into_iter().map(|(_, event, condition)| miss(world, condition, event, taken)).collect()
}

/// Which parts of a condition an event meets, and which it does not.
fn miss(world: &World<'_>, condition: ConditionId, event: usize, taken: &[Taken]) -> Result<NearMiss> {
    let mut miss = NearMiss { event, failed: Vec::new(), held: Vec::new() };
    let is_elsewhere = world.is_elsewhere(condition, event);
    for (number, part) in world.shown.parts(condition).iter().enumerate() {
        // Of an event of another stream only the stream is compared.
        if is_elsewhere && !part.is_of_stream {
            continue;
        }
        let text = part.show(&mut world.facts(Some(event), taken))?;
        let holds = world.part_holds(condition, number, event, taken).unwrap_or(false);
        if holds { miss.held.push(text) } else { miss.failed.push(text) }
    }
    Ok(miss)
}
