//! A part of a checkpoint: what one instance of one node keeps.

use egret_core::Snapshot;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What one instance of one node gives to a checkpoint.
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
    /// The number of the checkpoint that this part is a delta upon; none if it is whole.
    ///
    /// What a delta holds is the business of who wrote it: it is given back behind the part it is upon, in order.
    pub base: Option<u64>,
    /// What the engine keeps of the instance beside its state.
    pub engine: Vec<u8>,
    /// The state.
    pub state: PartState,
}

/// The state in a [`Part`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartState {
    /// An operator's.
    Operator {
        /// What [`egret_core::Operator::snapshot`] gave.
        own: Snapshot,
        /// What [`egret_core::KeyedState::snapshot_handle`] of its backend gave.
        keyed: Snapshot,
    },
    /// A source's.
    Source {
        /// Where every split of this instance is.
        splits: Vec<SplitState>,
    },
    /// A sink's.
    Sink {
        /// What its [`egret_core::SinkWriter::commit`] needs for what it has prepared.
        committables: Vec<Vec<u8>>,
    },
}

/// Where a split is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SplitState {
    /// The split's id.
    pub id: String,
    /// What [`egret_core::SourceReader::position`] gave.
    pub position: Vec<u8>,
    /// The state of the split's watermark.
    pub watermark: Vec<u8>,
}

/// What kind of node a part is of.
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
    /// A whole part.
    pub fn new(uid: impl Into<String>, instance: u32, state: PartState) -> Self {
        Self { uid: uid.into(), instance, base: None, engine: Vec::new(), state }
    }

    /// Makes it a delta upon the part of the same instance in an older checkpoint.
    #[must_use]
    pub fn upon(mut self, checkpoint: u64) -> Self {
        self.base = Some(checkpoint);
        self
    }

    /// Whether there is nothing to keep: such a part need not be written. A delta is never empty, for it says that nothing changed.
    pub fn is_empty(&self) -> bool {
        let nothing = match &self.state {
            PartState::Operator { own, keyed } => own.is_empty() && keyed.is_empty(),
            PartState::Source { splits } => splits.is_empty(),
            PartState::Sink { committables } => committables.is_empty(),
        };
        nothing && self.base.is_none() && self.engine.is_empty()
    }

    /// Sets what the engine keeps.
    #[must_use]
    pub fn engine(mut self, bytes: Vec<u8>) -> Self {
        self.engine = bytes;
        self
    }
}

impl PartState {
    /// What kind of node has such state.
    pub fn kind(&self) -> PartKind {
        match self {
            Self::Operator { .. } => PartKind::Operator,
            Self::Source { .. } => PartKind::Source,
            Self::Sink { .. } => PartKind::Sink,
        }
    }
}
