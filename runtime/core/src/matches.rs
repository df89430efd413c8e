//! What the matches of all kinds of patterns have in common.

/// The name that measures use for the time of a match, which is that of its last row, and of the column that holds it unless they
/// chose another.
pub const MATCH_TIME: &str = "match_time";

/// The counter of matches.
pub const MATCHES: &str = "matches";
