//! Windows: rows of a key, cut by time or by count, and aggregated.
//!
//! Four kinds: *tumbling* (one window after the other), *sliding* (windows of one size, started every slide), *session* (as long
//! as rows follow each other closely) and *count* (every so many rows of a key). With or without a key; results carry the key,
//! `window_start`, `window_end`, `window_time` (the event time of the result: the last whole millisecond before `window_end`, which is
//! a millisecond before it wherever that is whole) and the aggregates.
//!
//! Everything is done a column at a time with DataFusion's group accumulators. Sliding windows are cut into *panes* (P. Tucker,
//! J. Li et al., *No pane, no gain*, 2005): the greatest common divisor of size and slide. A row is aggregated once, into its pane;
//! a window is the merged state of its panes.
//!
//! On several workers, tumbling and sliding windows are aggregated before the exchange too: see [`WindowFactory::local`].
//!
//! # What is deterministic, and how
//! Results do not depend on batching, parallelism or restarts:
//! * A window is final when the watermark reaches its end. All rows on time that belong to it have arrived by then.
//! * A late row carries the watermark it was behind. What becomes of it is decided by that watermark, not by what the operator
//!   happens to have done already: it takes part in windows that end above it like any other row; it updates windows that end
//!   at or below it, as long as it is within the allowed lateness; if no window takes it, it goes to the side output `late`.
//! * Updates are made when the operator's watermark has passed the row's: then all rows that came late behind the same
//!   watermark are there, and they make one updated result for each window and key. It is marked late.
//! * Accumulators do not depend on the order of rows: see [`AggregateCall`].
//!
//! Not here: windows over processing time, triggers before the end, retractions of earlier results.

mod aggregate;
mod broad_sums;
mod call;
mod counts;
mod distinct;
mod emit;
mod extremes;
mod factory;
mod groups;
mod integers;
mod keys;
mod local;
mod operator;
mod ordered;
mod pane_shape;
mod panes;
mod per_group;
mod sessions;
mod snapshot;
mod spans;
mod spec;
mod state_columns;
mod sums;
mod variances;

pub use aggregate::depends_on_order;
pub use call::AggregateCall;
pub use factory::WindowFactory;
pub use local::{LocalWindowFactory, ROWS};
pub use operator::WindowOperator;
pub use spec::{LATE, STATES_IN, WINDOW_END, WINDOW_START, WINDOW_TIME, WindowKind, WindowSpec};
