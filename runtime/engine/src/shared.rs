//! What the workers of one process share: the failure, the wish to stop, and the counters.

use egret_core::metrics::JobMetrics;
use egret_core::{Error, EventTime};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Asks a running job to stop: sources stop reading, rows in flight are finished, sinks close. Open windows and partial
/// matches are not emitted: they are not complete.
#[derive(Clone, Debug, Default)]
pub struct StopHandle(Arc<AtomicBool>);

impl StopHandle {
    /// A handle of a job that nobody has asked to stop.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks the job to stop.
    pub fn stop(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether somebody asked.
    pub fn is_stopped(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// The flag itself, for a signal handler.
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }
}

/// The first error of a member's workers; all of them end when they see it.
#[derive(Debug, Default)]
pub(crate) struct Failure {
    failed: AtomicBool,
    by_another: AtomicBool,
    error: Mutex<Option<Error>>,
}

impl Failure {
    /// Keeps the first error.
    pub(crate) fn set(&self, error: Error) {
        self.error.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        self.failed.store(true, Ordering::SeqCst);
    }

    /// Keeps the error, if it is the first: another member of the job has ended.
    pub(crate) fn set_by_another(&self, error: Error) {
        self.note_by_another();
        self.set(error);
    }

    /// Notes that the failure that follows is another member's, unless this one has failed already.
    pub(crate) fn note_by_another(&self) {
        if !self.is_set() {
            self.by_another.store(true, Ordering::SeqCst);
        }
    }

    /// Whether another member failed first.
    pub(crate) fn was_by_another(&self) -> bool {
        self.by_another.load(Ordering::SeqCst)
    }

    pub(crate) fn is_set(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    pub(crate) fn take(&self) -> Option<Error> {
        self.error.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Which node each worker of this process is in.
#[derive(Debug, Default)]
pub(crate) struct Busy {
    nodes: Vec<Arc<str>>,
    /// The number of the node that each worker is in, plus one; 0: in none.
    workers: Vec<AtomicUsize>,
}

impl Busy {
    /// A worker, counted from 0 in its process, begins to run a node.
    pub(crate) fn enter(&self, worker: usize, node: usize) {
        if let Some(at) = self.workers.get(worker) {
            at.store(node + 1, Ordering::Relaxed);
        }
    }

    /// A worker has run its node.
    pub(crate) fn leave(&self, worker: usize) {
        if let Some(at) = self.workers.get(worker) {
            at.store(0, Ordering::Relaxed);
        }
    }
}

/// A running job as the live display sees it.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    metrics: Arc<Mutex<JobMetrics>>,
    busy: Arc<Mutex<Arc<Busy>>>,
    latest_event: Arc<AtomicI64>,
}

impl Progress {
    /// Nothing runs yet.
    pub fn new() -> Self {
        let progress = Self::default();
        progress.latest_event.store(EventTime::MIN.0, Ordering::Relaxed);
        progress
    }

    pub(crate) fn install(&self, metrics: JobMetrics) {
        *self.metrics.lock().unwrap_or_else(PoisonError::into_inner) = metrics;
    }

    /// The counters of all nodes.
    pub fn metrics(&self) -> JobMetrics {
        self.metrics.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A job with these nodes begins on so many workers of this process.
    pub(crate) fn busy_with(&self, nodes: Vec<Arc<str>>, workers: usize) -> Arc<Busy> {
        let busy = Arc::new(Busy { nodes, workers: (0..workers).map(|_| AtomicUsize::new(0)).collect() });
        *self.busy.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&busy);
        busy
    }

    /// The nodes that workers of this process are in.
    pub(crate) fn busy(&self) -> Vec<String> {
        let busy = Arc::clone(&*self.busy.lock().unwrap_or_else(PoisonError::into_inner));
        let node = |(worker, at): (usize, &AtomicUsize)| {
            let node = busy.nodes.get(at.load(Ordering::Relaxed).checked_sub(1)?)?;
            Some(format!("'{node}' (worker {worker})"))
        };
        busy.workers.iter().enumerate().filter_map(node).collect()
    }

    /// The latest event time any source has read.
    pub fn latest_event(&self) -> EventTime {
        EventTime(self.latest_event.load(Ordering::Relaxed))
    }

    pub(crate) fn saw_event(&self, time: EventTime) {
        self.latest_event.fetch_max(time.0, Ordering::Relaxed);
    }
}
