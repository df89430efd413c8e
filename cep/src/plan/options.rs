//! Options of the operators that run a pattern, and names that these operators share.

use egret_core::matches::MATCHES;

/// The counter of the matches of one of several patterns that run as one operator.
///
/// ```
/// assert_eq!(egret_cep::matches_of("card_testing"), "matches of card_testing");
/// ```
pub fn matches_of(pattern: &str) -> String {
    format!("{MATCHES} of {pattern}")
}

/// The column of a row's mask, between the prefilter and the matcher. More than 63 local conditions need more columns, which have
/// a number after the name.
pub const MASK_COLUMN: &str = "__mask";

/// The default for the most partial matches that a key may have at a time.
pub const MAX_PARTIAL_MATCHES: usize = 100_000;

/// What happens when a key has more partial matches than it may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    /// The key is put aside: its partial matches are dropped, and its events are ignored until the pattern's window has passed.
    /// Without a window the key starts afresh with its next event.
    #[default]
    PutAside,
    /// The job ends with an error.
    Fail,
    /// The partial matches that began first are dropped and counted.
    DropOldest,
    /// The partial matches that began last are dropped and counted.
    DropNew,
}

/// Options that are not part of the pattern.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    pub(crate) runs_per_key_max: usize,
    pub(crate) overflow: Overflow,
    pub(crate) timed_out: bool,
    pub(crate) late_at_prefilter: bool,
    /// A key with more partial matches than this keeps them as sets, if the pattern allows it.
    pub(crate) sets_from: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            runs_per_key_max: MAX_PARTIAL_MATCHES,
            overflow: Overflow::PutAside,
            timed_out: false,
            late_at_prefilter: false,
            sets_from: 32,
        }
    }
}
