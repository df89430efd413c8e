//! The contract that everything in Egret is built on.
//!
//! A job is a [`JobGraph`] of [`Source`]s, [`Operator`]s and [`Sink`]s, between which [`Batch`]es of rows and watermarks flow.
//! This crate knows neither the operators nor the engine: windows and other general operators, and the streams that build job
//! graphs, are in `runtime/operators`; `runtime/engine` runs the graphs.

pub mod bad_rows;
pub mod batch;
pub mod calendar;
mod clock;
mod error;
pub mod exact;
pub mod expr;
pub mod floats;
pub mod ipc;
pub mod job;
pub mod key;
pub mod layout;
pub mod matches;
pub mod metrics;
mod operator;
pub mod overflow;
pub mod place;
mod readiness;
pub mod row;
pub mod row_place;
pub mod saved;
pub mod scalar;
mod schema;
mod sink;
mod snapshot;
mod source;
mod state;
mod subject;
mod time;
mod time_order;
mod type_names;
mod watermark;
pub mod weight;

pub use bad_rows::{BadRowRule, BadRows, Uncomputed};
pub use batch::Batch;
pub use clock::{Clock, ManualClock, SystemClock};
pub use egret_words::{parse_duration, suggest};
pub use error::{Error, Report, Result};
pub use job::JobGraph;
pub use key::{KeyColumns, KeyGroup};
pub use layout::StateLayout;
pub use operator::{Context, MAIN, Operator, OperatorFactory, Output};
pub use readiness::{Readiness, Step};
pub use schema::{StreamSchema, TIME_TYPE};
pub use sink::{Committable, Sink, SinkAttempt, SinkContext, SinkWriter};
pub use snapshot::{OperatorInfo, Replicated, Snapshot, StateSize};
pub use source::{BadRow, Poll, RestoredSplit, Source, SourceReader, Split, SplitStart, lost_split, resume_by_id};
pub use state::{KeyedState, NoState, PartWriter, SnapshotHandle, StateBackend, TakeEntry};
pub use subject::Subject;
pub use time::{EngineTime, Epoch, EventTime, Length, MILLI, micros_of};
pub use time_order::TimeOrder;
pub use type_names::sql_type_name;
pub use watermark::{MinWatermark, SplitWatermark, WatermarkStrategy};
