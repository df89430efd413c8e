//! Why: what made a condition true, with the values it read.
//!
//! [`show`] takes a condition apart and writes it with values: `big.amount 950 > 10 * avg(probe.amount) 4.2 = 42`. [`report`] makes
//! the value of `why()` of it, for matches and for partial matches that timed out. Nothing of this is made, and no column more is
//! kept of an event, unless a measure asks for it.

pub(crate) mod report;
pub(crate) mod show;

pub use report::{show_duration, show_time};

use crate::automaton::{ConditionId, ConditionSource};

/// The name by which a measure asks why: `why()`, or this column.
pub const WHY_COLUMN: &str = "_why";

/// The call by which a measure asks why.
pub(crate) const WHY_CALL: &str = "why()";

/// The condition an event of a variable meets.
pub(crate) fn condition_of(sources: &[ConditionSource], variable: usize) -> Option<ConditionId> {
    let is_its = |source: &ConditionSource| source.variable == Some(variable) && !source.is_until;
    sources.iter().position(is_its).map(|condition| condition as ConditionId)
}
