//! Egret's pattern engine: sequences of events, as FlinkCEP knows them, found in a keyed stream.
//!
//! A [`Pattern`] says which events follow which. [`CompiledPattern::compile`] binds it to a stream's columns and makes an
//! immutable automaton of it: the *plan*. Two operators run the plan. The *prefilter* stands before the exchange, evaluates all
//! conditions that read one event alone, a column at a time, into bit masks, and drops the rows that no part of the pattern
//! can use. The *matcher* stands behind it, puts rows in order of event time and keeps, per key, the partial matches: the
//! *state*.
//!
//! What counts as a match:
//!
//! * A match assigns events to the elements, in order. Every event can start a match. Write p for the last event taken and q for
//!   the next one: `next` takes the event immediately after p, `followed_by` the first event after p that meets the condition,
//!   `followed_by_any` any later event that meets it.
//! * The first event of a repetition is linked as the element says, the others as the quantifier says; every admissible count is
//!   a match of its own. When an optional element is skipped, the next element keeps its own link.
//! * A greedy repetition gives no match if an event after its last one, up to and including q, meets its condition.
//! * An event that meets an `until` ends the repetition wherever it has been entered, and is not taken by it.
//! * A negation forbids an event (the very next one, or any up to q) between p and q; after a repetition it holds from the
//!   repetition's first event on. `not_followed_by` at the end of a pattern needs a window: the match is complete when the window
//!   is over.
//! * A partial match expires when time reaches the time of its first event plus the window.
//!
//! ```
//! use arrow::datatypes::{DataType, Field};
//! use egret_cep::{AfterMatch, CompiledPattern, Pattern, measures};
//! use egret_core::StreamSchema;
//! use std::time::Duration;
//!
//! let schema = StreamSchema::new(
//!     vec![Field::new("card", DataType::Int64, false), Field::new("amount", DataType::Float64, false), StreamSchema::time_field("at")],
//!     Some("at"),
//! )?;
//! let pattern = Pattern::begin("small")
//!     .filter("amount < 10")
//!     .times(2)
//!     .followed_by("big")
//!     .filter("amount > 50 * avg(small.amount)")
//!     .within(Duration::from_secs(600))
//!     .after_match(AfterMatch::SkipPastLastEvent);
//! let measures = measures(&[("card", "card"), ("tests", "count(small)"), ("amount", "big.amount")])?;
//! let compiled = CompiledPattern::compile(&pattern, &schema, vec![0], vec![], measures)?;
//! assert_eq!(compiled.output_schema().arrow().field(3).name(), "match_time");
//! # use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, TimestampMicrosecondArray};
//! # use std::sync::Arc;
//! let columns: Vec<ArrayRef> = vec![
//!     Arc::new(Int64Array::from(vec![7, 7, 7])),
//!     Arc::new(Float64Array::from(vec![1.0, 3.0, 250.0])),
//!     Arc::new(TimestampMicrosecondArray::from(vec![1_000_000, 2_000_000, 3_000_000])),
//! ];
//! let found = compiled.match_rows(&RecordBatch::try_new(Arc::clone(schema.arrow()), columns)?)?;
//! assert_eq!(found.matches.num_rows(), 1);
//! # Ok::<(), egret_core::Error>(())
//! ```
//!
//! # Layers
//! `pattern` is the description, `plan` everything that does not change, `run` runs one pattern, `many` several as one, `explain`
//! reports what a pattern means and what it did with events; [`CompiledPattern`] and [`PatternSet`] stand on top. Each imports
//! only those before it.

mod compiled;
mod explain;
mod many;
mod pattern;
mod plan;
mod run;

pub use compiled::{CompiledPattern, Found, PatternSet};
pub use egret_core::matches::{MATCH_TIME, MATCHES};
pub use egret_core::overflow::OVERFLOWED;
pub use explain::lint::{Estimate, Finding};
pub use explain::trace;
pub use many::routes::OutputRoute;
pub use pattern::{AfterMatch, Condition, Element, Inner, Item, Link, PARTS_MAX, Pattern, Quantifier, REPETITIONS_MAX, SkipMiss};
pub use plan::measure::measures;
pub use plan::options::{MASK_COLUMN, MAX_PARTIAL_MATCHES, Overflow, matches_of};
pub use plan::streams::StreamNames;
pub use plan::value::WHY_COLUMN;
pub use plan::words::{show_duration, show_time};
pub use run::matcher::DROPPED;
