//! Findings: what a pattern says and its author hardly means, each with a remedy.
//!
//! Steps that no event can reach, conditions that are never or always true, repetitions that swallow the step after them, partial
//! matches that nothing ends. Findings follow from the pattern alone; conditions are understood as far as they compare values
//! with constants (`plan/condition/facts.rs`), so findings are sound but not complete.

mod conditions;
mod finding;
mod first;
mod growth;
mod reach;
mod sample;
mod steps;
mod taken;
mod times;
mod windows;

pub use finding::Finding;
pub use sample::Estimate;
pub(crate) use sample::estimated;

use crate::plan::pattern_plan::Plan;

/// All findings; those that make a pattern useless come first.
pub(crate) fn lint(plan: &Plan, unbounded: bool) -> Vec<Finding> {
    let mut findings = conditions::never(plan);
    let mut swallowed = first::never_begun(plan);
    for more in [times::too_late(plan), taken::impossible(plan), steps::swallowed(plan), steps::forbidden_repetitions(plan)] {
        // One reason per variable is enough.
        let is_new =
            |(variable, _): &(usize, Finding)| *variable == usize::MAX || swallowed.iter().all(|(known, _)| known != variable);
        let more: Vec<_> = more.into_iter().filter(is_new).collect();
        swallowed.extend(more);
    }
    let blocked: Vec<usize> = swallowed.iter().map(|(variable, _)| *variable).collect();
    findings.extend(swallowed.into_iter().map(|(_, finding)| finding));
    findings.extend(reach::unreached(plan, &blocked));
    findings.extend(windows::too_few_events(plan));
    findings.extend(steps::forbidden_by_any(plan));
    findings.extend(conditions::always(plan));
    findings.extend(steps::repeated(plan));
    findings.extend(windows::idle_gaps(plan));
    findings.extend(growth::unbounded(plan, unbounded));
    findings
}
