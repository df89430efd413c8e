//! Chooses the comparison that the gate is made of.

use super::gate::Gate;
use super::parts::{Condition, Conditions, Term};
use datafusion_expr::Operator as Op;
use egret_core::scalar::{Kind, kind};

/// The comparison that most of the conditions without a local part contain.
pub(super) fn choose(conditions: &Conditions) -> Option<Gate> {
    let candidates = |condition: &Condition| -> Vec<Gate> {
        condition
            .terms
            .iter()
            .filter(|term| !condition.never && may_stand_in(conditions, condition, term))
            .filter_map(|term| of(conditions, term))
            .map(|(gate, _)| gate)
            .collect()
    };
    let all: Vec<Vec<Gate>> = conditions.list.iter().map(candidates).collect();
    let covered = |gate: &Gate| all.iter().filter(|of| of.contains(gate)).count();
    all.iter().flatten().rev().max_by_key(|gate| covered(gate)).copied()
}

/// Whether rows may be passed over because of a part of a condition: the condition has no local part, and either this part cannot
/// fail or none of the others can. (Otherwise a failure would be reported or not depending on whether another partial match had
/// the row evaluated.)
pub(super) fn may_stand_in(conditions: &Conditions, condition: &Condition, term: &Term) -> bool {
    let others = condition.terms.iter().filter(|other| !std::ptr::eq(*other, term));
    condition.local.is_none() && (!conditions.can_fail(term) || !others.into_iter().any(|other| conditions.can_fail(other)))
}

/// The gate that a part of a condition fits, and the number of the match's side.
pub(super) fn of(conditions: &Conditions, term: &Term) -> Option<(Gate, usize)> {
    let Term::Compare { event, op, run } = term else { return None };
    let rising = match op {
        Op::Gt | Op::GtEq => true,
        Op::Lt | Op::LtEq => false,
        _ => return None,
    };
    let is_number = matches!(kind(conditions.event_sides[*event].data_type()), Kind::Int | Kind::Float);
    let is_cheap = conditions.run_sides[*run].is_scalar();
    (is_number && is_cheap).then_some((Gate::new(*event, rising), *run))
}
