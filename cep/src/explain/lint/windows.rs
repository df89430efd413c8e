//! Windows that are too small for the pattern, and windows without effect.

use super::Finding;
use super::steps::each_element;
use crate::pattern::Item;
use crate::plan::automaton::{Node, Target};
use crate::plan::pattern_plan::Plan;
use crate::plan::words::show_duration;
use std::collections::VecDeque;

/// A window in events that is too small for any match.
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

/// The least number of events of a match, including the event after it that decides it, if there is one.
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

/// Limits between neighbours that the window of the whole match enforces anyway.
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
