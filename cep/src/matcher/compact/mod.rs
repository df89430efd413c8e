//! Many partial matches of one key, kept as sets: what an event costs does not depend on how many there are.
//!
//! Where every condition reads one event alone, what an event does to a partial match depends on its node and on which of the
//! node's edges are open, not on what was taken. So the partial matches of a key that agree in both are one [`Group`], moved as
//! one. There are as many groups as the automaton has such situations, however many partial matches there are. Their members are
//! a set ([`sets`]), listed when they are complete and not before.
//!
//! Keys with few partial matches keep them one by one, which is quicker then; a key changes over when it has more than
//! [`Options::sets_from`](crate::compiled::Options) of them. Both give the same matches.

mod apart;
mod count;
mod groups;
mod outcome;
mod sets;
mod snapshot;
mod starts;

pub(super) use groups::KeySets;
pub(super) use snapshot::SavedSets;

use crate::compiled::{Overflow, Plan, Skip};

/// Why a pattern's partial matches have to be kept one by one; `None` if they need not.
pub(crate) fn why_one_by_one(plan: &Plan) -> Option<String> {
    let automaton = &plan.automaton;
    let used = automaton.used_conditions();
    if let Some(&reads) = used.iter().find(|&&condition| !plan.conditions.list[condition as usize].terms.is_empty()) {
        return Some(format!("the condition of '{}' reads earlier events of the match", plan.condition_name(reads)));
    }
    if !automaton.gaps.is_empty() {
        return Some("a gap between neighbours is limited, so each has a deadline of its own".into());
    }
    let ends_open =
        |node: &crate::automaton::Node| node.edges.iter().any(|edge| !matches!(edge.target, crate::automaton::Target::Take(_)));
    if automaton.nodes.iter().any(ends_open) {
        return Some("the pattern ends in a negation".into());
    }
    if matches!(plan.skip, Skip::ToFirst(_) | Skip::ToLast(_)) {
        return Some("a match skips to an event of its own".into());
    }
    if plan.within_events.is_some() {
        return Some("the window counts events, of which each has an end of its own".into());
    }
    if matches!(plan.options.overflow, Overflow::DropOldest | Overflow::DropNew) {
        return Some("some are dropped when there are too many".into());
    }
    if plan.options.timed_out {
        return Some("partial matches that time out are asked for".into());
    }
    None
}
