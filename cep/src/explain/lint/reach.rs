//! Steps after a step that no event can meet.

use super::Finding;
use crate::plan::automaton::Target;
use crate::plan::pattern_plan::Plan;

/// Variables that no partial match reaches, and patterns that cannot match at all; `blocked` are variables that no event can be,
/// in addition to those whose own condition is never true.
pub(super) fn unreached(plan: &Plan, blocked: &[usize]) -> Vec<Finding> {
    let nodes = &plan.automaton.nodes;
    let mut reached = vec![false; nodes.len()];
    let (mut waiting, mut can_match) = (vec![&plan.automaton.start], false);
    while let Some(node) = waiting.pop() {
        can_match |= node.accept || node.edges.iter().any(|edge| !matches!(edge.target, Target::Take(_)));
        for edge in &node.edges {
            let Target::Take(to) = edge.target else { continue };
            let to = to as usize;
            let can_take = !plan.conditions.list[edge.condition as usize].never && !blocked.contains(&nodes[to].variable);
            if can_take && !std::mem::replace(&mut reached[to], true) {
                waiting.push(&nodes[to]);
            }
        }
    }
    let never = |variable: usize| {
        let mut conditions = plan.sources.iter().zip(&plan.conditions.list);
        conditions.any(|(source, condition)| source.variable == Some(variable) && !source.is_until && condition.never)
    };
    let mut findings = Vec::new();
    for (number, variable) in plan.automaton.variables.iter().enumerate() {
        let mut copies = nodes.iter().enumerate().filter(|(_, node)| node.variable == number).peekable();
        let stands = copies.peek().is_some();
        if stands && !copies.any(|(node, _)| reached[node]) && !blocked.contains(&number) && !never(number) {
            let name = variable.name.as_str();
            let message = format!("'{name}' is never reached: it stands behind a step that no event can be");
            findings.push(Finding::new(Some(name), message, "correct the step before it"));
        }
    }
    if !can_match {
        findings.push(Finding::new(None, "the pattern can never match".into(), "correct the steps that no event can be"));
    }
    findings
}
