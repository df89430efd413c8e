//! The value of `why()`: a match, or a partial match that timed out, as JSON.

use super::facts::ChainFacts;
use super::store::Store;
use crate::plan::automaton::condition_of;
use crate::plan::automaton::{Automaton, Node, Target};
use crate::plan::known::Facts;
use crate::plan::pattern_plan::{Plan, Skip};
use crate::plan::shown::{ShownConditions, plain};
use crate::plan::words::{show_duration, show_time};
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use egret_core::{Error, Result};
use serde::Serialize;
use serde_json::{Map, Number, Value};

/// How a match ended, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Outcome {
    /// It is complete.
    Matched {
        /// When it was decided.
        time: i64,
    },
    /// It timed out at a node, with these edges open.
    TimedOut {
        /// When it timed out.
        time: i64,
        node: u32,
        open: u64,
    },
}

#[derive(Serialize)]
struct Report {
    events: Vec<TakenEvent>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    absent: Vec<Absent>,
    #[serde(skip_serializing_if = "Option::is_none")]
    within: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    skip: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timed_out: Option<TimedOut>,
}

#[derive(Serialize)]
struct TakenEvent {
    variable: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<String>,
    values: Map<String, Value>,
    because: Vec<String>,
}

/// A negation that held: an event that did not come.
#[derive(Serialize)]
struct Absent {
    variable: String,
    condition: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<String>,
}

#[derive(Serialize)]
struct TimedOut {
    at: String,
    /// The last step reached.
    reached: String,
    missing: Vec<Missing>,
}

/// A step that would have come next.
#[derive(Serialize)]
struct Missing {
    variable: String,
    /// The conditions that an event would have had to meet.
    conditions: Vec<String>,
}

/// The report of `why()`; `chain` has the events taken.
pub(crate) fn report(plan: &Plan, store: &mut Store, chain: u32, outcome: Outcome) -> Result<String> {
    let shown = plan.shown.clone().ok_or_else(|| Error::bug("nobody asked why when the pattern was compiled"))?;
    let links = store.links_of(chain);
    let mut times = Vec::new();
    let mut events = Vec::new();
    for link in &links {
        let variable = usize::from(link.variable);
        let mut facts = ChainFacts::new(plan, store, link.previous, Some(link.event));
        let time = time_of(plan, &mut facts)?;
        events.push(TakenEvent {
            variable: plan.automaton.variables[variable].name.clone(),
            at: time.map(show_time),
            values: values_of(plan, &shown, &mut facts)?,
            because: match condition_of(&plan.sources, variable) {
                Some(condition) => shown.show(condition, &mut facts)?,
                None => Vec::new(),
            },
        });
        times.push(time);
    }
    let variables: Vec<usize> = links.iter().map(|link| usize::from(link.variable)).collect();
    let (within, skip, timed_out) = match outcome {
        Outcome::Matched { .. } => (show_within(plan, &times), Some(show_skip(plan, &variables, &times)), None),
        Outcome::TimedOut { time, node, open } => {
            let missing = missing(plan, &shown, store, chain, &plan.automaton.nodes[node as usize], open)?;
            let reached = events.last().map(|event| event.variable.clone()).unwrap_or_default();
            (whole_window(plan), None, Some(TimedOut { at: show_time(time), reached, missing }))
        }
    };
    let absent = match outcome {
        Outcome::Matched { time } => absences(plan, &variables, &times, time),
        Outcome::TimedOut { .. } => Vec::new(),
    };
    let report = Report { events, absent, within, skip, timed_out };
    serde_json::to_string(&report).map_err(|error| Error::bug(format!("a report is written as JSON: {error}")))
}

/// The window of the pattern.
fn whole_window(plan: &Plan) -> Option<String> {
    let events = plan.within_events.map(|count| format!("{count} events"));
    let windows: Vec<String> = plan.within_us.map(show_duration).into_iter().chain(events).collect();
    (!windows.is_empty()).then(|| windows.join(" and "))
}

/// The time of the event at hand.
fn time_of(plan: &Plan, facts: &mut dyn Facts) -> Result<Option<i64>> {
    let Some(column) = plan.input.event_time() else { return Ok(None) };
    Ok(facts.column(column)?.map(|cell| egret_core::batch::micros(&cell)[0]))
}

/// The columns of the event at hand that conditions read, as JSON.
pub(crate) fn values_of(plan: &Plan, shown: &ShownConditions, facts: &mut dyn Facts) -> Result<Map<String, Value>> {
    let mut values = Map::new();
    for column in shown.columns() {
        if let Some(streams) = &plan.streams
            && !streams.shows(column, facts)?
        {
            continue;
        }
        if let Some(cell) = facts.column(column)? {
            values.insert(plan.shown_name(column), json(&cell, 0)?);
        }
    }
    Ok(values)
}

/// A value as JSON: numbers and booleans as such, all else as text.
pub(crate) fn json(values: &ArrayRef, row: usize) -> Result<Value> {
    if values.is_null(row) {
        return Ok(Value::Null);
    }
    Ok(match values.data_type() {
        DataType::Boolean => Value::Bool(values.as_boolean().value(row)),
        DataType::UInt64 => plain(values, row)?.parse::<u64>().map_or(Value::Null, Value::from),
        t if t.is_integer() => {
            let whole = arrow::compute::cast(&values.slice(row, 1), &DataType::Int64)?;
            Value::from(whole.as_primitive::<Int64Type>().value(0))
        }
        t if t.is_floating() => {
            let float = arrow::compute::cast(&values.slice(row, 1), &DataType::Float64)?;
            Number::from_f64(float.as_primitive::<Float64Type>().value(0)).map_or(Value::Null, Value::Number)
        }
        _ => Value::String(plain(values, row)?),
    })
}

/// The steps that were still possible, and the conditions that an event would have had to meet.
fn missing(plan: &Plan, shown: &ShownConditions, store: &mut Store, chain: u32, node: &Node, open: u64) -> Result<Vec<Missing>> {
    let mut missing: Vec<Missing> = Vec::new();
    for (_, edge) in node.edges.iter().enumerate().filter(|(index, _)| open >> index & 1 == 1) {
        let Target::Take(target) = edge.target else { continue };
        let variable = plan.automaton.variables[plan.automaton.nodes[target as usize].variable].name.clone();
        if missing.iter().all(|other| other.variable != variable) {
            let conditions = shown.show(edge.condition, &mut ChainFacts::new(plan, store, chain, None))?;
            missing.push(Missing { variable, conditions });
        }
    }
    Ok(missing)
}

/// The negations between and after the events taken, all of which held.
fn absences(plan: &Plan, variables: &[usize], times: &[Option<i64>], decided: i64) -> Vec<Absent> {
    let automaton = &plan.automaton;
    if automaton.variables.iter().all(|variable| !variable.negated) {
        return Vec::new();
    }
    let path = path(automaton, variables);
    let mut absent: Vec<Absent> = Vec::new();
    for (index, &from) in path.iter().enumerate() {
        let node = &automaton.nodes[from];
        let leads_on = |target: Target| match (target, path.get(index + 1)) {
            (Target::Take(to), Some(&next)) => to as usize == next,
            (Target::Take(_), None) | (_, Some(_)) => false,
            (_, None) => !node.accept,
        };
        let Some(edge) = node.edges.iter().position(|edge| leads_on(edge.target)) else { continue };
        for guard in node.guards.iter().filter(|guard| guard.edges >> edge & 1 == 1) {
            let source = &plan.sources[guard.condition as usize];
            let Some(variable) = source.variable.map(|variable| &automaton.variables[variable]).filter(|of| of.negated) else {
                continue;
            };
            let before = times.get(index + 1).copied().unwrap_or(times[index].map(|_| decided));
            let (after, before) = (times[index].map(show_time), before.map(show_time));
            match absent.last_mut().filter(|last| last.variable == variable.name && last.before == after) {
                Some(last) => last.before = before,
                None => absent.push(Absent {
                    variable: variable.name.clone(),
                    condition: source.condition.as_ref().map_or_else(|| "any event".into(), ToString::to_string),
                    after,
                    before,
                }),
            }
        }
    }
    absent
}

/// A path of nodes that take events of these variables one after the other and end in an accepting node.
fn path(automaton: &Automaton, variables: &[usize]) -> Vec<usize> {
    let targets = |node: &Node| -> Vec<usize> {
        node.edges.iter().filter_map(|edge| if let Target::Take(to) = edge.target { Some(to as usize) } else { None }).collect()
    };
    let ends = |node: &Node| node.accept || node.edges.iter().any(|edge| !matches!(edge.target, Target::Take(_)));
    // For each event: the nodes that can have taken it, and from which node each was reached.
    let mut layers: Vec<Vec<(usize, usize)>> = Vec::new();
    for (index, &variable) in variables.iter().enumerate() {
        let mut layer: Vec<(usize, usize)> = Vec::new();
        let from: Vec<(usize, Vec<usize>)> = match index {
            0 => vec![(usize::MAX, targets(&automaton.start))],
            _ => layers[index - 1].iter().map(|&(node, _)| (node, targets(&automaton.nodes[node]))).collect(),
        };
        for (from, targets) in from {
            for to in targets {
                if automaton.nodes[to].variable == variable && layer.iter().all(|&(known, _)| known != to) {
                    layer.push((to, from));
                }
            }
        }
        layers.push(layer);
    }
    let mut path = Vec::new();
    let mut at = layers.last().and_then(|layer| layer.iter().map(|&(node, _)| node).find(|&node| ends(&automaton.nodes[node])));
    for layer in layers.iter().rev() {
        let Some(node) = at else { return Vec::new() };
        path.push(node);
        at = layer.iter().find(|(known, _)| *known == node).map(|&(_, from)| from);
    }
    path.reverse();
    path
}

fn show_within(plan: &Plan, times: &[Option<i64>]) -> Option<String> {
    let took = times.last().copied().flatten()? - times.first().copied().flatten()?;
    plan.within_us.map(|within| format!("{} of {}", show_duration(took), show_duration(within)))
}

/// Which other matches a match ends, in words.
pub(crate) fn show_skip(plan: &Plan, variables: &[usize], times: &[Option<i64>]) -> String {
    let time = |index: Option<usize>| {
        index.and_then(|index| times[index]).map_or_else(String::new, |time| format!(" ({})", show_time(time)))
    };
    let (first, last) = (time(Some(0)), time(variables.len().checked_sub(1)));
    let to = |which: &str, variable: u16, index: Option<usize>| {
        let name = &plan.automaton.variables[usize::from(variable)].name;
        match index {
            None => format!("to the {which} '{name}', of which there is none: ends no other match"),
            Some(0) => format!("to the {which} '{name}', which is its first event: ends no other match that starts there"),
            Some(_) => format!("to the {which} '{name}': ends all that start before it{}", time(index)),
        }
    };
    let is = |variable: u16| move |of: &usize| *of == usize::from(variable);
    match plan.skip {
        Skip::None => "no skip: ends no other match".into(),
        Skip::ToNext => format!("to the next start: ends all others that start with its first event{first}"),
        Skip::PastLastEvent => format!("past the last event: ends all others that start up to it{last}"),
        Skip::ToFirst(variable) => to("first", variable, variables.iter().position(is(variable))),
        Skip::ToLast(variable) => to("last", variable, variables.iter().rposition(is(variable))),
    }
}
