//! The content of the report of `egret why`.

use super::aside::Overflow;
use super::keys::WantedKey;
use egret::PatternInput;
use egret::cep::trace::{Candidate, Trace};

/// The content of the report.
pub(super) struct Report<'a> {
    pub(super) input: &'a PatternInput,
    pub(super) key: &'a WantedKey,
    /// Events of the key that came too late.
    pub(super) late: usize,
    pub(super) trace: &'a Trace,
    /// Times at which the key had too many partial matches, which the trace does not contain.
    pub(super) overflows: &'a [Overflow],
    /// The candidates that are shown, by index, and how many others there are.
    pub(super) shown: Vec<usize>,
    pub(super) more: usize,
    pub(super) at_us: Option<i64>,
}

/// Whether a candidate was open at a time.
pub(super) fn is_open(trace: &Trace, candidate: &Candidate, at: i64) -> bool {
    let start = trace.events[candidate.start].at_us.unwrap_or(i64::MIN);
    start <= at && candidate.ended_us.is_none_or(|ended| at <= ended)
}
