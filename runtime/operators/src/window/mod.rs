//! Windows: the rows of a key, grouped by time or by count, and aggregated.
//!
//! Four kinds: *tumbling* (one window after the other), *sliding* (windows of one size, one starting every slide), *session* (as
//! long as rows follow each other closely) and *count* (every so many rows of a key). Results have the key, if there is one,
//! `window_start`, `window_end`, `window_time` (the event time of the result: the last whole millisecond before `window_end`) and
//! the aggregates.
//!
//! Everything is computed a column at a time with DataFusion's group accumulators. Sliding windows are cut into *panes* (P.
//! Tucker, J. Li et al., *No pane, no gain*, 2005), whose size is the greatest common divisor of size and slide. A row is
//! aggregated once, into its pane; a window is the merged state of its panes.
//!
//! With several workers, tumbling and sliding windows are also aggregated before the exchange: see [`WindowFactory::local`].
//!
//! # What makes results deterministic
//! Results do not depend on batching, parallelism or restarts:
//! * A window is final when the watermark reaches its end. By then all rows on time that belong to it have arrived.
//! * A late row carries the watermark it was behind. That watermark decides how it is treated, not what the operator has already
//!   done: it takes part in windows that end above the watermark like any other row, and updates windows that end at or below it
//!   within the allowed lateness. If no window takes it, it goes to the side output `late`.
//! * Updates are made when the operator's watermark has passed the row's. By then all rows that were late behind the same
//!   watermark have arrived, and they make one updated result for each window and key, which is marked late.
//! * Accumulators do not depend on the order of rows: see [`AggregateCall`].
//!
//! Not supported: windows over processing time, triggers before the end of a window, retractions of earlier results.

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
