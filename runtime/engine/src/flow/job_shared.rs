//! What the workers of a process share while they run a job, and what a worker's sources, operators and sinks share.

use super::alignment::Alignment;
use super::backpressure::Backpressure;
use crate::checkpoint::{CheckpointRun, Participant, Restored};
use crate::instances::instance;
use crate::shared::{Busy, Failure, Progress, StopHandle};
use crate::source_clock::SourceClock;
use crate::splits::SplitLists;
use egret_core::job::{Node, NodeId};
use egret_core::metrics::JobMetrics;
use egret_core::{Clock, Epoch, JobGraph, OperatorInfo, StateBackend};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

/// What all workers of a process work with.
pub(crate) struct JobShared {
    pub(crate) job: JobGraph,
    pub(crate) metrics: JobMetrics,
    pub(crate) failure: Arc<Failure>,
    pub(crate) stop: StopHandle,
    pub(crate) progress: Progress,
    /// Which node each worker of this process is in, by the worker's number less the first one's.
    pub(crate) busy: Arc<Busy>,
    /// The first worker of this process.
    pub(crate) first_worker: usize,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) batch_rows: usize,
    pub(crate) in_flight_bytes: usize,
    pub(crate) workers: usize,
    /// By source: those that make watermarks.
    pub(crate) alignment: HashMap<NodeId, Arc<Alignment>>,
    /// The clocks that readers of a source share, of sources whose splits can be idle.
    pub(crate) clocks: HashMap<NodeId, SourceClock>,
    /// The splits of every source.
    pub(crate) splits: SplitLists,
    /// Where operators that ask for keyed state have it.
    pub(crate) state: Arc<dyn StateBackend>,
    /// How checkpoints are made, if they are.
    pub(crate) checkpoints: Option<CheckpointRun>,
    /// The checkpoint that the job goes on from.
    pub(crate) restored: Option<Restored>,
    /// By node and input: of the edges that are exchanges.
    pub(crate) backpressure: HashMap<(NodeId, usize), Arc<Backpressure>>,
}

impl JobShared {
    pub(crate) fn info(&self, node: &Node, worker: usize) -> OperatorInfo {
        instance(&self.job, node, self.workers, worker)
    }
}

/// A worker's part in checkpoints, as its sources, operators and sinks share it.
pub(crate) type ParticipantHandle = Rc<RefCell<Participant>>;

/// The epoch that a checkpoint ends. There are four billion: one every second for 136 years.
pub(crate) fn number(epoch: u64) -> Epoch {
    Epoch(u32::try_from(epoch).unwrap_or(u32::MAX))
}
