//! Which variables can have taken an event when a condition is evaluated.

use super::{Automaton, ConditionId, ConditionSource, Node, Target};
use crate::plan::value::RunValue;
use egret_core::{Error, Result};

/// Refuses conditions that read variables which cannot have taken anything yet.
pub(crate) fn check_reach(
    automaton: &Automaton,
    sources: &[ConditionSource],
    values: &[RunValue],
    reads: impl Fn(ConditionId) -> Vec<usize>,
) -> Result<()> {
    let bound = bound(automaton);
    let mut seen: Vec<Vec<bool>> = vec![vec![false; automaton.variables.len()]; sources.len()];
    let none = vec![false; automaton.variables.len()];
    let all = std::iter::once((&automaton.start, &none)).chain(automaton.nodes.iter().zip(&bound));
    for (node, bound) in all {
        for condition in every_condition(node) {
            seen[condition as usize].iter_mut().zip(bound).for_each(|(seen, bound)| *seen |= bound);
        }
    }
    for (condition, source) in sources.iter().enumerate() {
        for value in reads(condition as ConditionId) {
            let Some(variable) = values[value].variable.map(usize::from) else { continue };
            if seen[condition][variable] || source.variable == Some(variable) {
                continue;
            }
            let name = &automaton.variables[variable].name;
            let wrong = Error::job(format!("'{}' is read before '{name}' can have taken an event", values[value].name)).help(
                format!("a condition can read variables that come before its own; move the condition to '{name}' or behind it"),
            );
            return Err(source.about(wrong, &automaton.variables));
        }
    }
    Ok(())
}

fn every_condition(node: &Node) -> Vec<ConditionId> {
    node.conditions().chain(node.edges.iter().flat_map(|edge| edge.blocks.iter().copied())).collect()
}

/// For each node: the variables that can have taken an event when a partial match is there.
fn bound(automaton: &Automaton) -> Vec<Vec<bool>> {
    let variables = automaton.variables.len();
    let mut bound: Vec<Vec<bool>> =
        automaton.nodes.iter().map(|node| (0..variables).map(|variable| variable == node.variable).collect()).collect();
    let mut waiting: Vec<usize> = (0..automaton.nodes.len()).rev().collect();
    while let Some(from) = waiting.pop() {
        for edge in &automaton.nodes[from].edges {
            let Target::Take(to) = edge.target else { continue };
            let to = to as usize;
            let more: Vec<usize> = (0..variables).filter(|&variable| bound[from][variable] && !bound[to][variable]).collect();
            if !more.is_empty() {
                more.iter().for_each(|&variable| bound[to][variable] = true);
                waiting.push(to);
            }
        }
    }
    bound
}
