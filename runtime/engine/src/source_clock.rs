//! How far event time has come in a source: the least watermark over its splits, and which of them are waited for.
//!
//! If splits can be idle, the readers of a process share one clock: a split that comes back has to know how far all others went without
//! it, those of other workers included, because its rows below that are late on any number of workers. If no split can be idle, each
//! reader has a clock of its own, and what it sends depends on its splits alone.

use egret_core::{EventTime, MinWatermark};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The clock of a source, shared by its readers or one reader's own.
#[derive(Clone, Debug)]
pub(crate) struct SourceClock(Arc<Mutex<MinWatermark>>);

impl SourceClock {
    /// A clock for a source of this many splits. Its readers read those for which `is_here` is true.
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

    /// A split has rows again: the watermark waits for it from now on. Returns the watermark that the others have reached; the split's
    /// rows below it are late.
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

    /// Adds a split that was not there before; it is not waited for until it wakes. Gives its number.
    pub(crate) fn add(&self) -> usize {
        self.least().add()
    }

    /// A split has come to a watermark.
    pub(crate) fn advance(&self, split: usize, watermark: EventTime) {
        self.least().update(split, watermark);
    }

    /// A split is idle.
    pub(crate) fn rest(&self, split: usize) {
        self.least().set_idle(split);
    }

    /// A split has been read to its end.
    pub(crate) fn end(&self, split: usize) {
        self.least().set_ended(split);
    }

    /// The watermark now, and whether all splits that have not ended are idle.
    pub(crate) fn now(&self) -> (EventTime, bool) {
        let least = self.least();
        (least.current(), least.is_idle() && !least.is_ended())
    }
}
