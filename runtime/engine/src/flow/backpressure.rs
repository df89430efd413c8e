//! Backpressure of an edge: how many bytes wait on it, between workers of this process.
//!
//! Credit bounds what sources have in flight, but an operator that makes many rows of one multiplies that. So an operator that sends
//! over an exchange leaves its input in the queue while too many bytes wait on the edge. The graph has no cycles, so the last operator
//! can always go on, and after it those before it.

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
