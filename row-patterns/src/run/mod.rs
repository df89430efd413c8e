//! The operator: rows arrive, are buffered until their turn, and partitions search them for matches.

mod arrivals;
mod aside;
mod gate;
pub(crate) mod operator;
mod partition;
mod schedule;
mod snapshot;
mod state;
