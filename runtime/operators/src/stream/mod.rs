//! The Stream API: builds a [`JobGraph`](egret_core::JobGraph) step by step.
//!
//! Every method adds a node and returns its output stream; nothing runs until an engine receives the graph.

mod bad_rows;
mod job;
mod keyed;
mod places;
mod rows;

pub use job::{Job, Stream};
pub use keyed::KeyedStream;
