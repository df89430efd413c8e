//! What a worker's task for a source is made from.

use crate::checkpoint::SplitPosition;
use crate::source_clock::SourceClock;
use crate::splits::NextRank;
use egret_core::metrics::Counters;
use egret_core::{BadRowRule, Clock, Source, SplitStart, WatermarkStrategy};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a [`SourceTask`](crate::reader::SourceTask) is made from.
pub(crate) struct SourceSpec<'a> {
    pub(crate) name: Arc<str>,
    pub(crate) source: &'a Arc<dyn Source>,
    pub(crate) strategy: Option<WatermarkStrategy>,
    pub(crate) columns: &'a [usize],
    pub(crate) counters: Arc<Counters>,
    pub(crate) worker: usize,
    pub(crate) workers: usize,
    /// All splits, as they were listed for all workers.
    pub(crate) splits: &'a [SplitStart],
    /// The ranks of these splits among all of the job.
    pub(crate) ranks: &'a [u32],
    /// Gives the rank of a split that comes later.
    pub(crate) next_rank: NextRank,
    /// The output for rows that cannot be read, if the job has a sink for them.
    pub(crate) letters: Option<usize>,
    /// The policy for bad rows, for what letters say of the statement.
    pub(crate) bad_rows: &'a BadRowRule,
    /// Whether rows get their places, as one more column.
    pub(crate) places: bool,
    /// Whether there are checkpoints.
    pub(crate) has_checkpoints: bool,
    /// The positions that a checkpoint has of splits, by the ids that they had.
    pub(crate) restored: Option<&'a BTreeMap<String, SplitPosition>>,
    /// How far event time has come.
    pub(crate) clock: SourceClock,
    /// Processing time.
    pub(crate) wall: Arc<dyn Clock>,
    /// The counters of the sources whose rows meet those of this one downstream, its own among them.
    pub(crate) meets: Vec<Arc<Counters>>,
}
