//! Checkpoints: the protocol between workers.
//!
//! 1. The [`Coordinator`](self::coordinator::Coordinator) on worker 0 triggers a checkpoint.
//! 2. Sources end their epoch with a barrier, which travels behind their rows.
//! 3. An instance that has the barriers of all its senders contributes its part to its worker's
//!    [`Participant`](self::participant::Participant); the thread of a [`Writer`](self::writer::Writer) writes it.
//! 4. When all workers have acknowledged that their parts are written, the coordinator has the manifest written.
//! 5. Sinks publish.
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
