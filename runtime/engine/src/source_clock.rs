//! How far event time has come in a source: the least watermark over its splits, and which of them are waited for.
//!
//! Where splits can be idle, the readers of a process share one such clock. A split that comes back has to know how far the others went
//! without it, also those that other workers read: what is below that is late, on any number of workers. Where none can be idle each
//! reader has its own, and what it sends depends on its splits alone.

use egret_core::{EventTime, MinWatermark};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The clock of a source, shared by its readers or one reader's own.
#[derive(Clone, Debug)]
pub(crate) struct SourceClock(Arc<Mutex<MinWatermark>>);

impl SourceClock {
    /// A clock of so many splits, of which only those that `is_here` says so are read by the readers that share it.
    pub(crate) fn new(splits: usize, is_here: impl Fn(usize) -> bool) -> Self {
        let mut least = MinWatermark::new(splits).of_parts();
        for split in (0..splits).filter(|&split| !is_here(split)) {
            least.set_ended(split);
        }
        Self(Arc::new(Mutex::new(least)))
    }

    fn least(&self) -> MutexGuard<'_, MinWatermark> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A split has rows: it is waited for from now on. Gives the watermark that the others have reached, below which they are late.
    pub(crate) fn wake(&self, split: usize) -> EventTime {
        let mut least = self.least();
        let current = least.current();
        if current > EventTime::MIN {
            least.update(split, current);
        } else {
            least.set_active(split);
        }
        current
    }

    /// A split has come to a watermark.
    pub(crate) fn advance(&self, split: usize, watermark: EventTime) {
        self.least().update(split, watermark);
    }

    /// A split gives nothing for the time being.
    pub(crate) fn rest(&self, split: usize) {
        self.least().set_idle(split);
    }

    /// A split has been read to its end.
    pub(crate) fn end(&self, split: usize) {
        self.least().set_ended(split);
    }

    /// The watermark now, and whether no split is waited for though some have not ended.
    pub(crate) fn now(&self) -> (EventTime, bool) {
        let least = self.least();
        (least.current(), least.is_idle() && !least.is_ended())
    }
}
