//! Messages about keys with too many partial matches.

use crate::plan::pattern_plan::Plan;
use egret_core::Error;
use egret_core::key::Key;

/// Which limit was exceeded, for a message.
pub(super) fn limit(plan: &Plan) -> String {
    format!("had more than {} partial matches at a time", plan.options.runs_per_key_max)
}

/// The error for a key that has more partial matches than it may have.
pub(super) fn too_many(plan: &Plan, key: &Key) -> Error {
    Error::job(format!("{key} has more than {} partial matches of the pattern {} at a time", plan.options.runs_per_key_max, plan.text))
        .help("give the pattern a (shorter) window with WITHIN, make its first conditions more selective, skip after a match, partition by more columns, raise max_partial_matches, or say with overflow which to drop")
}
