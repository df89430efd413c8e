//! Traces all starts in order, and applies the skips of matches.

use super::candidate::{Followed, Found, Moment};
use super::outcome::{self, End};
use super::world::World;
use super::{Trace, TracedMatch};
use crate::pattern::SkipMiss;
use crate::plan::automaton::{ConditionId, Target};
use crate::plan::pattern_plan::{Plan, Skip};
use crate::run::why::show_skip;
use arrow::array::RecordBatch;
use egret_core::{Error, Result};

/// A match that no other match has ended.
struct Accepted {
    moment: Moment,
    /// It ends other matches that start with `from` or later, before `to`.
    from: usize,
    to: usize,
}

/// The most steps that are traced; a step is the evaluation of one event for one partial match.
const STEPS_MAX: u64 = 20_000_000;

/// Traces a pattern over rows that are all the rows of one key.
pub(crate) fn traced(plan: &Plan, rows: &RecordBatch, until_us: Option<i64>) -> Result<Trace> {
    if plan.input.event_time().is_none() && (plan.within_us.is_some() || !plan.automaton.gaps.is_empty()) {
        return Err(Error::job("the pattern's windows follow the clock on the wall, so what they did cannot be traced")
            .help("give the stream event time: WATERMARK FOR <time column> AS <time column>"));
    }
    follow(&World::new(plan, rows)?, until_us, STEPS_MAX)
}

/// Follows every start up to a time, as long as steps are left.
fn follow(world: &World<'_>, until_us: Option<i64>, steps_max: u64) -> Result<Trace> {
    let automaton = &world.plan.automaton;
    let mut trace = Trace {
        variables: automaton
            .variables
            .iter()
            .filter(|variable| !variable.negated)
            .map(|variable| variable.name.clone())
            .collect(),
        events: world.traced_events()?,
        matches: Vec::new(),
        candidates: Vec::new(),
        not_starts: 0,
        near_starts: Vec::new(),
        untraced_from: None,
    };
    let distances = outcome::distances(automaton);
    let (mut accepted, mut steps, mut not_starts): (Vec<Accepted>, u64, Vec<usize>) = (Vec::new(), 0, Vec::new());
    for start in 0..world.len() {
        if until_us.is_some_and(|until| world.times[start] > until) || steps > steps_max {
            trace.untraced_from = Some(start);
            break;
        }
        let ends = accepted.iter().enumerate().filter(|(_, other)| (other.from..other.to).contains(&start));
        let end = ends.min_by_key(|(_, other)| other.moment).map(|(number, other)| End { number, moment: other.moment });
        let followed = Followed::follow(world, start, end.map(|end| end.moment))?;
        steps += followed.steps;
        if followed.partials.is_empty() {
            not_starts.push(start);
            continue;
        }
        let matches = match end {
            Some(_) => Vec::new(),
            None => accept(world, start, &followed.found, &mut accepted, &mut trace.matches)?,
        };
        trace.candidates.push(outcome::candidate(world, start, &followed, end, matches, &trace.matches, &distances)?);
    }
    trace.not_starts = not_starts.len();
    let starts: Vec<ConditionId> =
        automaton.start.edges.iter().filter(|edge| matches!(edge.target, Target::Take(_))).map(|edge| edge.condition).collect();
    trace.near_starts = outcome::nearest(world, &starts, &not_starts, &[])?;
    Ok(trace)
}

/// The matches of a start that no other match ends, by their places in `matches`, in the order of their completion.
fn accept(
    world: &World<'_>,
    start: usize,
    found: &[Found],
    accepted: &mut Vec<Accepted>,
    matches: &mut Vec<TracedMatch>,
) -> Result<Vec<usize>> {
    let mut found: Vec<&Found> = found.iter().collect();
    let events = |found: &Found| found.taken.iter().map(|taken| taken.event).collect::<Vec<_>>();
    found.sort_by_key(|found| (found.moment, events(found)));
    let mut places = Vec::new();
    for one in found {
        if places.iter().any(|&place: &usize| (accepted[place].from..accepted[place].to).contains(&start)) {
            continue;
        }
        let (from, to) = ends(world, one)?;
        places.push(matches.len());
        accepted.push(Accepted { moment: one.moment, from, to });
        let variables: Vec<usize> = one.taken.iter().map(|taken| taken.variable).collect();
        let has_time = world.plan.input.event_time().is_some();
        let times: Vec<Option<i64>> = one.taken.iter().map(|taken| has_time.then(|| world.times[taken.event])).collect();
        let skip = show_skip(world.plan, &variables, &times);
        matches.push(TracedMatch { steps: outcome::steps(world, &one.taken)?, decided_us: one.moment.0, skip });
    }
    Ok(places)
}

/// The starts that a match ends: from the first event returned on, before the second.
fn ends(world: &World<'_>, found: &Found) -> Result<(usize, usize)> {
    let (first, last) = (found.taken[0].event, found.taken[found.taken.len() - 1].event);
    let of = |variable: u16| found.taken.iter().filter(move |taken| taken.variable == usize::from(variable));
    let (variable, target) = match world.plan.skip {
        Skip::None => return Ok((0, 0)),
        Skip::ToNext => return Ok((first, first + 1)),
        Skip::PastLastEvent => return Ok((0, last + 1)),
        Skip::ToFirst(variable) => (variable, of(variable).next()),
        Skip::ToLast(variable) => (variable, of(variable).next_back()),
    };
    let name = world.name(usize::from(variable));
    match target {
        None if world.plan.skip_miss == SkipMiss::Error => {
            Err(Error::job(format!("a match has no event of '{name}' to skip to")))
        }
        Some(taken) if taken.event == first && world.plan.skip_miss == SkipMiss::Error => {
            Err(Error::job(format!("the event of '{name}' to skip to is the first of the match")))
        }
        None => Ok((0, 0)),
        Some(taken) => Ok((0, taken.event)),
    }
}
