//! Checkpoints: the protocol between workers.
//!
//! A coordinator on worker 0 ([`coordinator`](self::coordinator::Coordinator)) says when; sources end their epoch with a barrier, which travels with the rows;
//! an instance that has had the barriers of all its senders gives its part ([`local`](self::participant::Participant)); a thread writes it ([`writer`](self::writer::Writer)); when all workers
//! have said that theirs are written the coordinator lets the manifest be written, and then sinks publish.
//!
//! When all sources have been read to their end there is a last checkpoint, of what sinks have to publish.

mod answers;
mod config;
mod coordinator;
mod fencing;
mod messages;
mod participant;
mod restored;
mod run;
mod split;
mod writer;

pub(crate) use config::CheckpointCounters;
pub use config::{CheckpointConfig, CheckpointReport};
pub(crate) use messages::CheckpointMessage;
pub(crate) use participant::Participant;
pub(crate) use restored::{Restored, Takers};
pub(crate) use run::{CheckpointRun, Start, join, start};
pub(crate) use split::{Activity, SplitPosition};
pub(crate) use writer::Contribution;
