//! Splits that a source gets while the job runs.
//!
//! The first worker asks its sources for them and reads what is new from the next epoch on, so every checkpoint either has a split or
//! does not know of it. A new split is idle until its first rows: nobody waits for it before, and what it has below the watermark that
//! went out without it is late. When the job is started again, all splits are dealt to the workers anew.

use crate::checkpoint::Activity;
use crate::source_spec::SourceSpec;
use crate::split_task::SplitTask;
use crate::splits::NextRank;
use egret_core::metrics::Counters;
use egret_core::{Result, Source, Split, WatermarkStrategy};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Finds new splits of one source.
pub(crate) struct Discovery {
    source: Arc<dyn Source>,
    columns: Vec<usize>,
    counters: Arc<Counters>,
    strategy: Option<WatermarkStrategy>,
    every_ms: i64,
    due_ms: Option<i64>,
    known: BTreeSet<String>,
    next_rank: NextRank,
    is_resumed: bool,
    /// What is new and is not read yet.
    found: Vec<Split>,
}

impl Discovery {
    /// Of a source that has new splits now and then, on the worker that asks for them.
    pub(crate) fn of(spec: &SourceSpec<'_>) -> Option<Self> {
        let every = spec.source.discovers_every().filter(|_| spec.worker == 0)?;
        let listed = spec.splits.iter().map(|start| start.split.id.clone());
        let restored = spec.restored.into_iter().flat_map(|restored| restored.keys().cloned());
        Some(Self {
            source: Arc::clone(spec.source),
            columns: spec.columns.to_vec(),
            counters: Arc::clone(&spec.counters),
            strategy: spec.strategy,
            every_ms: i64::try_from(every.as_millis()).unwrap_or(i64::MAX).max(1),
            due_ms: None,
            known: listed.chain(restored).collect(),
            next_rank: spec.next_rank.clone(),
            is_resumed: spec.restored.is_some(),
            found: Vec::new(),
        })
    }

    /// Whether there may be more to read when all splits that are known have ended.
    pub(crate) fn goes_on(&self) -> bool {
        !self.source.is_bounded() || !self.found.is_empty()
    }

    /// Asks the source, if it is time to.
    pub(crate) fn look(&mut self, now_ms: i64) -> Result<()> {
        if now_ms < *self.due_ms.get_or_insert(now_ms.saturating_add(self.every_ms)) {
            return Ok(());
        }
        self.due_ms = Some(now_ms.saturating_add(self.every_ms));
        for split in self.source.discover()? {
            if self.known.insert(split.id.clone()) {
                tracing::info!(split = %split.id, "a new split is read from now on");
                self.found.push(split);
            }
        }
        Ok(())
    }

    /// Opens what was found; `number` gives each its number among the splits of the source.
    pub(crate) fn open(&mut self, mut number: impl FnMut() -> usize) -> Result<Vec<SplitTask>> {
        let mut opened = Vec::new();
        for split in std::mem::take(&mut self.found) {
            let mut reader = self.source.open(&split, &self.columns, &self.counters)?;
            if self.is_resumed {
                reader.keep_what_is_there()?;
            }
            let mut task = SplitTask::new(split.id, number(), self.next_rank.take(), self.strategy.as_ref());
            (task.reader, task.activity) = (Some(reader), Activity::Idle);
            opened.push(task);
        }
        Ok(opened)
    }
}
