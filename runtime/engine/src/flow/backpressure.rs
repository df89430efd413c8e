//! How much waits on an edge between the workers of this process.
//!
//! Credit bounds what sources have in flight; an operator that expands data multiplies it. So the sender of an
//! exchange looks at what its edge holds and lets its own input wait when that is too much. The graph has no cycles, so
//! the last operator always takes, and everybody before it gets on.

use super::message::{Message, Payload};
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes of one edge that were sent and not yet processed, between workers of this process.
#[derive(Debug)]
pub(crate) struct Backpressure {
    workers: usize,
    local: Range<usize>,
    bytes: AtomicUsize,
    bytes_max: usize,
}

impl Backpressure {
    /// `local`: the workers of this process.
    pub(crate) fn new(workers: usize, local: Range<usize>, bytes_max: usize) -> Self {
        Self { workers, local, bytes: AtomicUsize::new(0), bytes_max }
    }

    /// All workers of the job.
    pub(crate) fn workers(&self) -> usize {
        self.workers
    }

    pub(crate) fn sent(&self, worker: usize, message: &Message) {
        if let Payload::Rows(batch) = &message.payload
            && self.local.contains(&worker)
        {
            self.bytes.fetch_add(batch.size_bytes(), Ordering::Relaxed);
        }
    }

    /// Rows from a worker of this process were processed.
    pub(crate) fn processed(&self, bytes: usize) {
        // Rows from other processes were not counted when they were sent; never go below zero for them.
        let _ = self.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |waiting| Some(waiting.saturating_sub(bytes)));
    }

    pub(crate) fn is_high(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) > self.bytes_max
    }
}
