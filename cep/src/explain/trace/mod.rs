//! The tracer: a slow and obvious evaluation of a pattern over the events of one key. For every event that can start a match it
//! tells how far the match came and what stopped it.
//!
//! It walks the same automaton as the matcher and shares nothing else with it: every start is followed separately, every
//! condition is evaluated for every event, the values of a partial match are computed anew from all its events, and after-match
//! skips are applied to the list of all matches. So it serves as an oracle for the matcher as well.
//!
//! The cost of a start is the number of events in its window times its partial matches. Both are bounded: see
//! [`Trace::untraced_from`].

mod candidate;
mod outcome;
mod skips;
mod world;

use serde::Serialize;
use serde_json::{Map, Value};

pub(crate) use skips::traced;

/// The trace of a pattern over the events of one key.
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
    /// At most three of these events: those that failed the fewest parts of a condition.
    pub near_starts: Vec<NearMiss>,
    /// Starts from this event on were not traced: they would take too many steps, or were not asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub untraced_from: Option<usize>,
}

/// An event.
#[derive(Clone, Debug, Serialize)]
pub struct TracedEvent {
    /// The number of its row in the input.
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
    /// The variable that took it.
    pub variable: String,
    /// The event, by its place in [`Trace::events`].
    pub event: usize,
    /// The parts of its condition, with the values that made them true.
    pub because: Vec<String>,
}

/// A match.
#[derive(Clone, Debug, Serialize)]
pub struct TracedMatch {
    /// The events it took.
    pub steps: Vec<TracedStep>,
    /// When it was decided, in microseconds; for a stream without event time the number of the event.
    pub decided_us: i64,
    /// The skip that followed, in words.
    pub skip: String,
}

/// An event that can start a match, and the outcome.
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
    /// The events taken: by its first match, or by the partial match that came furthest.
    pub steps: Vec<TracedStep>,
    /// The least number of steps that were still missing.
    pub steps_missing: usize,
    /// The last event that was evaluated for it.
    pub last: usize,
    /// When it ended, in microseconds; `None` if it is still open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_us: Option<i64>,
    /// Why the partial match that came furthest did not go on, for each edge out of its node.
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
    /// The events ended while it was still open.
    Waiting,
}

/// Why an edge out of the last node reached was not taken.
#[derive(Clone, Debug, Serialize)]
pub struct Stop {
    /// The variable that would have taken the next event; `None` if the edge completes the match.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variable: Option<String>,
    /// What closed the edge.
    pub reason: Reason,
    /// The event that closed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<usize>,
    /// The time that closed it, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_us: Option<i64>,
    /// The variable of the negation, of the greedy repetition or of the UNTIL that closed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// If an event broke a strict sequence, the parts of the condition that it did not meet; for a negation, a greedy repetition
    /// and an UNTIL, the condition that the event met.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<String>,
    /// The condition that the next event had to meet, with the known values of the match.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub wanted: Vec<String>,
    /// The events that came nearest to it, at most three, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub near: Vec<NearMiss>,
    /// How many events were evaluated for the edge and did not meet its condition.
    pub looked_at: usize,
}

/// What closed an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The very next event did not meet the condition.
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
    /// The parts that hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<String>,
}
