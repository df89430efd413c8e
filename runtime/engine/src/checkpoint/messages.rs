//! The messages between workers about checkpoints, and their bytes.

use egret_core::{Error, Result};
use serde::{Deserialize, Serialize};

pub(crate) use egret_state::checkpoint::WrittenPart;

/// What a checkpoint is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    /// The job goes on from it if it fails.
    Periodic,
    /// The job stops with it, and goes on from it when it is run again.
    Stop,
    /// All input has been read: it has what sinks are still to publish.
    Finish,
}

/// Under this note a manifest has its kind.
pub(crate) const KIND: &str = "kind";

impl Kind {
    /// The kind's name in a manifest.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Periodic => "periodic",
            Self::Stop => "stop",
            Self::Finish => "finish",
        }
    }
}

/// Why a checkpoint was given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Why {
    pub(crate) text: String,
    /// Whether trying again is of no use.
    pub(crate) lasts: bool,
}

impl Why {
    /// The reason that an error gives.
    pub(crate) fn of(error: &Error) -> Self {
        Self { text: error.to_string(), lasts: !error.may_retry() }
    }

    /// A reason that may pass.
    pub(crate) fn passing(text: impl Into<String>) -> Self {
        Self { text: text.into(), lasts: false }
    }

    /// The error that ends the job for this reason.
    pub(crate) fn into_error(self) -> Error {
        if self.lasts { Error::job(self.text) } else { Error::external(self.text) }
    }

    /// The same reason, with a place in front.
    pub(super) fn because(self, what: &str) -> Self {
        Self { text: format!("{what}: {}", self.text), ..self }
    }
}

/// A message from one worker to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum CheckpointMessage {
    /// To worker 0: all sources of a worker have been read to their end.
    Exhausted { worker: usize },
    /// To worker 0: a worker has written its parts.
    Acked { worker: usize, number: u64, parts: Vec<WrittenPart> },
    /// To worker 0: a part cannot be written.
    Refused { number: u64, why: Why },
    /// To all: sources end the epoch of this number.
    Trigger(u64),
    /// To all: sources end, and the sinks' last output is the checkpoint of this number.
    Finish(u64),
    /// To all: the checkpoint is complete.
    Committed { number: u64, kind: Kind },
}

impl CheckpointMessage {
    pub(crate) fn encode(&self) -> Vec<u8> {
        postcard::to_allocvec(self).expect("a message is plain data")
    }

    /// # Errors
    /// The bytes are no message: the processes run different builds.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        postcard::from_bytes(bytes).map_err(|error| Error::bug(format!("a message about checkpoints does not decode: {error}")))
    }
}
