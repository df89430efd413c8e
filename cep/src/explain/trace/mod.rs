//! The tracer: a slow and obvious evaluation of a pattern over the events of one key, which says of every event that can start a
//! match how far it came and what stopped it.
//!
//! It walks the same automaton as the matcher and shares nothing else with it: every start is followed by itself, every condition
//! is looked at for every event, the values of a partial match are computed anew from all it took, and after-match skips are
//! applied to the list of all matches. So it is an oracle for the matcher as well.
//!
//! A start costs the events of its window times its partial matches. Both are bounded: see [`Trace::untraced_from`].

mod candidate;
mod outcome;
mod skips;
mod world;

use serde::Serialize;
use serde_json::{Map, Value};

pub(crate) use skips::traced;

/// What a pattern made of the events of one key.
#[derive(Clone, Debug, Serialize)]
pub struct Trace {
    /// The variables that take events, in the order of the pattern.
    pub variables: Vec<String>,
    /// The events, in the order in which the pattern reads them.
    pub events: Vec<TracedEvent>,
    /// The matches, in the order of their first events.
    pub matches: Vec<TracedMatch>,
    /// Every event that can start a match, in order.
    pub candidates: Vec<Candidate>,
    /// How many of the traced events cannot start a match.
    pub not_starts: usize,
    /// Of those the ones that came nearest, at most three.
    pub near_starts: Vec<NearMiss>,
    /// Starts from this event on were not traced: there is too much to look at, or nobody asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub untraced_from: Option<usize>,
}

/// An event.
#[derive(Clone, Debug, Serialize)]
pub struct TracedEvent {
    /// Which row it is of those given.
    pub row: usize,
    /// Its time, in microseconds since 1970; a stream may have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_us: Option<i64>,
    /// The same in ISO 8601.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// The columns that conditions read.
    pub values: Map<String, Value>,
}

/// An event that was taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TracedStep {
    /// As which variable.
    pub variable: String,
    /// The event, by its place in [`Trace::events`].
    pub event: usize,
    /// The parts of its condition, with the values that made them true.
    pub because: Vec<String>,
}

/// A match.
#[derive(Clone, Debug, Serialize)]
pub struct TracedMatch {
    /// What it took.
    pub steps: Vec<TracedStep>,
    /// When it was decided, in microseconds; of a stream without event time the number of the event.
    pub decided_us: i64,
    /// The skip that followed, in words.
    pub skip: String,
}

/// An event that can start a match, and what became of it.
#[derive(Clone, Debug, Serialize)]
pub struct Candidate {
    /// Its first event.
    pub start: usize,
    /// How it ended.
    pub fate: Fate,
    /// Its matches, by their places in [`Trace::matches`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub matches: Vec<usize>,
    /// The match whose skip ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discarded_by: Option<usize>,
    /// What it took: of its first match, or of the partial match that came furthest.
    pub steps: Vec<TracedStep>,
    /// How many steps it had still to make at least.
    pub steps_missing: usize,
    /// The last event it looked at.
    pub last: usize,
    /// When it ended, in microseconds, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_us: Option<i64>,
    /// What kept the partial match that came furthest from going on, a way on each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stops: Vec<Stop>,
}

/// How a candidate ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It matched.
    Matched,
    /// A match skipped past its start.
    Discarded,
    /// Its time was up.
    TimedOut,
    /// An event ended it.
    Stopped,
    /// The events ended before that.
    Waiting,
}

/// Why a way on from the last event taken was not gone.
#[derive(Clone, Debug, Serialize)]
pub struct Stop {
    /// The variable that would have taken the next event; none if the match would have been complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variable: Option<String>,
    /// What closed the way.
    pub reason: Reason,
    /// The event that did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<usize>,
    /// The time that did, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_us: Option<i64>,
    /// The variable of the negation, of the greedy repetition or of the UNTIL that closed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Of an event that broke a strict sequence, the parts of the condition it did not meet; of a negation, a greedy repetition
    /// and an UNTIL, the condition that the event met.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<String>,
    /// What the next event had to be, with what is known of the match.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub wanted: Vec<String>,
    /// The events that came nearest to it, at most three, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub near: Vec<NearMiss>,
    /// How many events were looked at for it and did not fit.
    pub looked_at: usize,
}

/// What closed a way on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The very next event did not fit.
    Strict,
    /// An event came that a negation forbids.
    Negation,
    /// An event came that a greedy repetition would have taken.
    Greedy,
    /// An event ended the repetition.
    Until,
    /// The window of the pattern was over.
    Within,
    /// The window between two events was over.
    Gap,
    /// A match skipped past the start.
    Skip,
    /// Nothing: the events ended.
    EndOfInput,
}

/// An event that did not fit.
#[derive(Clone, Debug, Serialize)]
pub struct NearMiss {
    /// The event.
    pub event: usize,
    /// The parts of the condition that do not hold, with the values that made them false.
    pub failed: Vec<String>,
    /// Those that do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<String>,
}
