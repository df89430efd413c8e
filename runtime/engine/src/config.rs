//! How a job runs: workers, processes, memory, checkpoints, restarts.

use crate::checkpoint::CheckpointConfig;
use crate::restart::RestartStrategy;
use crate::shared::{Progress, StopHandle};
use egret_core::{Clock, StateBackend, SystemClock};
use egret_state::MemoryBackend;
use std::sync::Arc;

/// How a job runs.
#[derive(Clone, Debug)]
pub struct RunConfig {
    /// Worker threads, in each process.
    pub workers: usize,
    /// Processes on this machine. More than one: the program starts itself again that often (see [`crate::run`]).
    pub processes: usize,
    /// Rows a source reads at a time.
    pub batch_rows: usize,
    /// Bytes that each source instance may have in flight.
    pub in_flight_bytes: usize,
    /// Stops the job.
    pub stop: StopHandle,
    /// Shows the job while it runs.
    pub progress: Progress,
    /// Processing time.
    pub clock: Arc<dyn Clock>,
    /// Where operators that ask for keyed state have it.
    pub state: Arc<dyn StateBackend>,
    /// Checkpoints, if there are to be any.
    pub checkpoints: Option<CheckpointConfig>,
    /// Whether and when a job that failed is started again. With any but [`RestartStrategy::None`] the job runs in a process of its
    /// own, which this one supervises.
    pub restart: RestartStrategy,
}

impl Default for RunConfig {
    fn default() -> Self {
        Self {
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            processes: 1,
            batch_rows: 8_192,
            in_flight_bytes: 16 << 20,
            stop: StopHandle::new(),
            progress: Progress::new(),
            clock: Arc::new(SystemClock),
            state: Arc::new(MemoryBackend),
            checkpoints: None,
            restart: RestartStrategy::None,
        }
    }
}

impl RunConfig {
    /// One process with this many workers.
    pub fn with_workers(workers: usize) -> Self {
        Self { workers, ..Self::default() }
    }
}
