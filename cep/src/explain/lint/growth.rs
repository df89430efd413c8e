//! State that grows without bound: partial matches that nothing ends.

use super::Finding;
use crate::plan::automaton::Target;
use crate::plan::pattern_plan::Plan;

/// Reports a pattern without a window on an unbounded input.
pub(super) fn unbounded(plan: &Plan, unbounded: bool) -> Vec<Finding> {
    if !unbounded || plan.within_us.is_some() || plan.within_events.is_some() || !waits(plan) {
        return Vec::new();
    }
    let message = format!(
        "the pattern has no window: every event that can be '{}' is kept as the start of a partial match until it matches; \
         the input has no end, so state grows without bound",
        first_variables(plan)
    );
    vec![Finding::new(None, message, "give the pattern a window, as in WITHIN INTERVAL '10' MINUTE")]
}

/// Whether some partial match has to wait for another event.
fn waits(plan: &Plan) -> bool {
    let starts = plan.automaton.start.edges.iter().filter_map(|edge| match edge.target {
        Target::Take(node) => Some(node as usize),
        _ => None,
    });
    starts.into_iter().any(|node| !plan.automaton.nodes[node].edges.is_empty())
}

fn first_variables(plan: &Plan) -> String {
    let mut names: Vec<&str> = Vec::new();
    for edge in &plan.automaton.start.edges {
        let Target::Take(node) = edge.target else { continue };
        let name = plan.automaton.variables[plan.automaton.nodes[node as usize].variable].name.as_str();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.join("' or '")
}
