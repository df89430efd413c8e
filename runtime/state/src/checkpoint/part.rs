//! A part of a checkpoint: the state of one instance of one node.

use egret_core::Snapshot;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The contribution of one instance of one node to a checkpoint.
///
/// ```
/// use egret_core::{KeyGroup, Snapshot};
/// use egret_state::checkpoint::{PartKind, Part, PartState};
/// let own = Snapshot { keyed: vec![(KeyGroup(3), vec![1, 2])], ..Snapshot::default() };
/// let part = Part::new("rings", 0, PartState::Operator { own, keyed: Snapshot::default() });
/// assert_eq!(part.state.kind(), PartKind::Operator);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The node's stable id.
    pub uid: String,
    /// The instance's number.
    pub instance: u32,
    /// The number of the checkpoint upon which this part is a delta; `None` if it is complete.
    ///
    /// The content of a delta is opaque here: it is returned after the part that it is upon, in order.
    pub base: Option<u64>,
    /// The engine's own bytes for the instance.
    pub engine: Vec<u8>,
    /// The state.
    pub state: PartState,
}

/// The state in a [`Part`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartState {
    /// An operator's.
    Operator {
        /// The snapshot of the operator ([`egret_core::Operator::snapshot`]).
        own: Snapshot,
        /// The snapshot of its keyed state ([`egret_core::KeyedState::snapshot_handle`]).
        keyed: Snapshot,
    },
    /// A source's.
    Source {
        /// The positions of the instance's splits.
        splits: Vec<SplitState>,
    },
    /// A sink's.
    Sink {
        /// The committables of the output that it prepared ([`egret_core::SinkWriter::commit`]).
        committables: Vec<Vec<u8>>,
    },
}

/// The position of a split.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SplitState {
    /// The split's id.
    pub id: String,
    /// The reader's position ([`egret_core::SourceReader::position`]).
    pub position: Vec<u8>,
    /// The state of the split's watermark.
    pub watermark: Vec<u8>,
}

/// The kind of a part's node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PartKind {
    /// An operator.
    Operator,
    /// A source.
    Source,
    /// A sink.
    Sink,
}

impl fmt::Display for PartKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Operator => "an operator",
            Self::Source => "a source",
            Self::Sink => "a sink",
        })
    }
}

impl Part {
    /// A complete part.
    pub fn new(uid: impl Into<String>, instance: u32, state: PartState) -> Self {
        Self { uid: uid.into(), instance, base: None, engine: Vec::new(), state }
    }

    /// Makes the part a delta upon the part of the same instance in an older checkpoint.
    #[must_use]
    pub fn upon(mut self, checkpoint: u64) -> Self {
        self.base = Some(checkpoint);
        self
    }

    /// Whether the part need not be written, because it is empty. A delta is never empty: it says that nothing changed.
    pub fn is_empty(&self) -> bool {
        let nothing = match &self.state {
            PartState::Operator { own, keyed } => own.is_empty() && keyed.is_empty(),
            PartState::Source { splits } => splits.is_empty(),
            PartState::Sink { committables } => committables.is_empty(),
        };
        nothing && self.base.is_none() && self.engine.is_empty()
    }

    /// Sets the engine's own bytes.
    #[must_use]
    pub fn engine(mut self, bytes: Vec<u8>) -> Self {
        self.engine = bytes;
        self
    }
}

impl PartState {
    /// The kind of node that has such state.
    pub fn kind(&self) -> PartKind {
        match self {
            Self::Operator { .. } => PartKind::Operator,
            Self::Source { .. } => PartKind::Source,
            Self::Sink { .. } => PartKind::Sink,
        }
    }
}
