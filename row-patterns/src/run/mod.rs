//! The operator: rows come, wait for their turn, and partitions look for matches in them.

mod arrivals;
mod aside;
mod gate;
pub(crate) mod operator;
mod partition;
mod schedule;
mod snapshot;
mod state;
