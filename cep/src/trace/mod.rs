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

use crate::CompiledPattern;
use arrow::array::RecordBatch;
use egret_core::{Error, Result};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use world::World;

/// So many steps are traced; one is a look at a partial match for an event.
const STEPS_MAX: u64 = 20_000_000;

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

impl CompiledPattern {
    /// Traces the pattern over rows that are all there is of one key, in any order; the rows have the columns of the stream the
    /// pattern was compiled for. Starts after `until_us` are left out.
    ///
    /// ```
    /// use arrow::datatypes::{DataType, Field};
    /// use egret_cep::trace::{Fate, Reason};
    /// use egret_cep::{CompiledPattern, Pattern, measures};
    /// use egret_core::StreamSchema;
    /// # use arrow::array::{ArrayRef, Float64Array, RecordBatch, TimestampMicrosecondArray};
    /// # use std::sync::Arc;
    /// let schema = StreamSchema::new(
    ///     vec![Field::new("amount", DataType::Float64, false), StreamSchema::time_field("at")],
    ///     Some("at"),
    /// )?;
    /// let pattern = Pattern::begin("small").filter("amount < 10").next("big").filter("amount > 9 * small.amount");
    /// let compiled = CompiledPattern::compile(&pattern, &schema, vec![], vec![], measures(&[("at", "big.at")])?)?;
    /// # let columns: Vec<ArrayRef> = vec![
    /// #     Arc::new(Float64Array::from(vec![4.0, 20.0])),
    /// #     Arc::new(TimestampMicrosecondArray::from(vec![1_000_000, 2_000_000])),
    /// # ];
    /// # let rows = RecordBatch::try_new(Arc::clone(schema.arrow()), columns)?;
    /// // Amounts of 4 and 20:
    /// let trace = compiled.trace(&rows, None)?;
    /// let candidate = &trace.candidates[0];
    /// assert_eq!((candidate.fate, candidate.stops[0].reason), (Fate::Stopped, Reason::Strict));
    /// assert_eq!(candidate.stops[0].conditions, ["big.amount 20 > 9 * small.amount 4 = 36"]);
    /// # Ok::<(), egret_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// A condition cannot be computed; there are too many partial matches of one start; the pattern has windows but its stream no
    /// event time, so that they were about the clock on the wall; the window counts events.
    pub fn trace(&self, rows: &RecordBatch, until_us: Option<i64>) -> Result<Trace> {
        let plan = self.plan();
        if plan.input.event_time().is_none() && (plan.within_us.is_some() || !plan.automaton.gaps.is_empty()) {
            return Err(Error::job("the pattern's windows follow the clock on the wall, so what they did cannot be traced")
                .help("give the stream event time: WATERMARK FOR <time column> AS <time column>"));
        }
        let world = World::new(plan, rows)?;
        skips::follow(&world, until_us, STEPS_MAX)
    }

    /// The columns of the stream that a trace shows and reads: the key, what orders events, what conditions read.
    ///
    /// # Errors
    /// As compiling the pattern.
    pub fn traced_columns(&self) -> Result<BTreeSet<usize>> {
        let plan = self.plan();
        let shown = plan.show_conditions()?.columns();
        Ok(shown.into_iter().chain(plan.kept.iter().copied()).chain(self.input_columns()).collect())
    }
}
