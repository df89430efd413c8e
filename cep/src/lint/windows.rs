//! Windows that are too small for what they are about, and those that say nothing.

use super::Finding;
use super::steps::each_element;
use crate::automaton::{Node, Target};
use crate::compiled::Plan;
use crate::condition::Term;
use crate::condition::facts::comparison;
use crate::pattern::Item;
use crate::value::Function;
use crate::why::show_duration;
use datafusion_common::ScalarValue;
use datafusion_expr::{BinaryExpr, Expr, Operator};
use std::collections::VecDeque;

/// A window in events with no room for a match.
pub(super) fn too_few_events(plan: &Plan) -> Vec<Finding> {
    let Some((events, least)) = plan.within_events.zip(least_events(plan)).filter(|(events, least)| least > events) else {
        return Vec::new();
    };
    let message = format!("the pattern can never match: a match has {least} events at least, and WITHIN has room for {events}");
    vec![Finding::new(
        None,
        message,
        format!("make the window larger, WITHIN {least} EVENTS at least: it counts every event of the key"),
    )]
}

/// How many events a match has at least, with the one behind it that decides it where there is one.
fn least_events(plan: &Plan) -> Option<u64> {
    let nodes = &plan.automaton.nodes;
    let mut seen = vec![false; nodes.len()];
    let mut waiting: VecDeque<(&Node, u64)> = VecDeque::from([(&plan.automaton.start, 0)]);
    let mut least: Option<u64> = None;
    while let Some((node, taken)) = waiting.pop_front() {
        let is_end = node.accept || node.edges.iter().any(|edge| edge.target == Target::AtDeadline);
        let is_decided_by_next = node.edges.iter().any(|edge| edge.target == Target::AtNextEvent);
        let ends = is_end.then_some(taken).or(is_decided_by_next.then_some(taken + 1)).filter(|_| taken > 0);
        least = least.into_iter().chain(ends).min();
        for edge in &node.edges {
            if let Target::Take(to) = edge.target
                && !std::mem::replace(&mut seen[to as usize], true)
            {
                waiting.push_back((&nodes[to as usize], taken + 1));
            }
        }
    }
    least
}

/// Limits between neighbours that the window of the whole keeps to anyway.
pub(super) fn idle_gaps(plan: &Plan) -> Vec<Finding> {
    let Some(whole) = plan.within_us else { return Vec::new() };
    let mut findings = Vec::new();
    each_element(&plan.elements, &mut |element| {
        let Item::Variable { name, .. } = &element.item else { return };
        let gap = element.within_previous_us.filter(|_| !element.link.is_negation()).max(element.quantifier.window_us);
        if let Some(gap) = gap.filter(|gap| *gap >= whole) {
            let message = format!(
                "WITHIN {} OF PREVIOUS says nothing of '{name}': the whole match takes less than {}",
                show_duration(gap),
                show_duration(whole)
            );
            findings.push(Finding::new(Some(name), message, "make it shorter than WITHIN, or leave it out"));
        }
    });
    findings
}

/// Conditions that ask for more time between two events than the whole match has.
pub(super) fn too_late(plan: &Plan) -> Vec<(usize, Finding)> {
    let Some(whole) = plan.within_us else { return Vec::new() };
    let mut found = Vec::new();
    for (source, condition) in plan.sources.iter().zip(&plan.conditions.list) {
        let Some(variable) = source.variable.filter(|_| !source.is_until) else { continue };
        let of = &plan.automaton.variables[variable];
        let least = condition.terms.iter().filter_map(|term| time_between(plan, term)).max();
        let Some(least) = least.filter(|least| *least >= whole && !of.negated) else { continue };
        let message = format!(
            "no event can be '{}': it must come {} or more behind an earlier event, and the whole match takes less than {}",
            of.name,
            show_duration(least),
            show_duration(whole)
        );
        found.push((variable, Finding::new(Some(&of.name), message, "make WITHIN longer, or ask for less time")));
    }
    found
}

/// How long an event comes at least behind an earlier one of the match, in microseconds: `at - a.at > INTERVAL '10' MINUTE`.
fn time_between(plan: &Plan, term: &Term) -> Option<i64> {
    let Term::Mixed { expression, .. } = term else { return None };
    let (what, Operator::Gt | Operator::GtEq | Operator::Eq, bound) = comparison(expression.logical())? else { return None };
    let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Minus, right }) = what else { return None };
    let (Expr::Column(left), Expr::Column(right)) = (left.as_ref(), right.as_ref()) else { return None };
    let time = plan.input.arrow().field(plan.input.event_time()?);
    let value = plan.values.iter().find(|value| value.name == right.name)?;
    let stored = plan.rows.arrow().field(*plan.stored.get(value.column?)?);
    let is_of_match = matches!(value.function, Function::First(_) | Function::Last(_)) && stored.name() == time.name();
    let bound = match bound {
        ScalarValue::DurationSecond(Some(length)) => length.checked_mul(1_000_000)?,
        ScalarValue::DurationMillisecond(Some(length)) => length.checked_mul(1_000)?,
        ScalarValue::DurationMicrosecond(Some(length)) => length,
        ScalarValue::DurationNanosecond(Some(length)) => length / 1_000,
        _ => return None,
    };
    (is_of_match && left.name == *time.name()).then_some(bound)
}
