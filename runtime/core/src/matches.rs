//! Names that all kinds of patterns use for their matches.

/// The name of the time of a match in measures, which is the time of its last row, and the default name of the column that holds
/// it.
pub const MATCH_TIME: &str = "match_time";

/// The counter of matches.
pub const MATCHES: &str = "matches";
