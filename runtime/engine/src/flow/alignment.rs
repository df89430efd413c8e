//! Alignment keeps the readers of a source near each other in event time.
//!
//! Rows of a reader that runs ahead wait in windows and buffers until the others have come as far, and then no longer fit the cache.
//! So a reader waits while it is ahead of the slowest one by more event time than its own last few batches span. A reader that waits
//! for input does not count as slow.
//!
//! (Flink's watermark alignment does this for sources that ask for it, with a drift given in time.)

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// A reader may be ahead by the event time of this many of its own batches.
const BATCHES_AHEAD: usize = 4;
/// The progress of a reader that has nothing to read.
const NOBODY: i64 = i64::MAX;

/// How far in event time the readers of one source have come, by worker; only those of this process.
#[derive(Debug)]
pub(crate) struct Alignment(Vec<AtomicI64>);

impl Alignment {
    pub(crate) fn new(workers: usize) -> Self {
        Self((0..workers).map(|_| AtomicI64::new(NOBODY)).collect())
    }
}

/// One reader's view.
pub(crate) struct Aligned {
    all: Arc<Alignment>,
    worker: usize,
    /// Event times after its last batches.
    recent: VecDeque<i64>,
}

impl Aligned {
    pub(crate) fn new(all: Arc<Alignment>, worker: usize) -> Self {
        Self { all, worker, recent: VecDeque::new() }
    }

    /// Whether the reader should wait for the others.
    pub(crate) fn is_ahead(&self) -> bool {
        let (Some(&before), Some(&now)) = (self.recent.front(), self.recent.back()) else { return false };
        if self.recent.len() < BATCHES_AHEAD {
            return false;
        }
        let others = self.all.0.iter().enumerate().filter(|(worker, _)| *worker != self.worker);
        let least = others.map(|(_, time)| time.load(Ordering::Relaxed)).min().unwrap_or(NOBODY);
        least < before && least < now
    }

    /// It has read rows, up to this event time.
    pub(crate) fn read(&mut self, latest: i64) {
        if self.recent.len() == BATCHES_AHEAD {
            self.recent.pop_front();
        }
        self.recent.push_back(latest);
        self.all.0[self.worker].store(latest, Ordering::Relaxed);
    }

    /// It has nothing to read.
    pub(crate) fn rest(&self) {
        self.all.0[self.worker].store(NOBODY, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_ahead_waits_for_those_who_read() {
        let all = Arc::new(Alignment::new(2));
        let (mut fast, mut slow) = (Aligned::new(Arc::clone(&all), 0), Aligned::new(all, 1));
        slow.read(5);
        for time in [10, 20, 30] {
            fast.read(time);
            assert!(!fast.is_ahead(), "a few batches are allowed");
        }
        fast.read(40);
        assert!(fast.is_ahead());
        assert!(!slow.is_ahead(), "the slowest never waits");
        slow.read(10);
        assert!(!fast.is_ahead(), "it came near enough");
        fast.read(50);
        assert!(fast.is_ahead());
        slow.rest();
        assert!(!fast.is_ahead(), "who has nothing to read holds back nobody");
    }
}
