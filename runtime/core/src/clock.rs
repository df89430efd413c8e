//! Wall-clock time and elapsed time, injected.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A source of processing time.
pub trait Clock: Send + Sync + Debug {
    /// Milliseconds since 1970 on the wall clock. Somebody may set that clock, so it may jump in either direction: do not measure
    /// intervals with it.
    fn now_ms(&self) -> i64;

    /// The time since some fixed moment. It never goes back, even if the wall clock is set: use it for intervals.
    fn passed(&self) -> Duration;

    /// [`Clock::passed`] in milliseconds.
    fn passed_ms(&self) -> i64 {
        i64::try_from(self.passed().as_millis()).unwrap_or(i64::MAX)
    }
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }

    fn passed(&self) -> Duration {
        static START: OnceLock<Instant> = OnceLock::new();
        START.get_or_init(Instant::now).elapsed()
    }
}

/// A clock that moves only when told to: for tests.
///
/// ```
/// use egret_core::{Clock, ManualClock};
/// let clock = ManualClock::default();
/// clock.set_ms(5_000);
/// clock.set_ms(1_000);
/// clock.advance(std::time::Duration::from_secs(2));
/// assert_eq!((clock.now_ms(), clock.passed().as_secs()), (3_000, 7));
/// ```
#[derive(Debug, Clone, Default)]
pub struct ManualClock {
    now_ms: Arc<AtomicI64>,
    passed_ns: Arc<AtomicU64>,
}

impl ManualClock {
    /// Sets the wall clock. If it goes forward, as much time passes; if it goes back, none does.
    pub fn set_ms(&self, now_ms: i64) {
        let before = self.now_ms.swap(now_ms, Ordering::SeqCst);
        self.pass(Duration::from_millis(u64::try_from(now_ms.saturating_sub(before)).unwrap_or(0)));
    }

    /// Lets time pass, also on the wall clock, which counts whole milliseconds.
    pub fn advance(&self, by: Duration) {
        self.now_ms.fetch_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX), Ordering::SeqCst);
        self.pass(by);
    }

    fn pass(&self, by: Duration) {
        self.passed_ns.fetch_add(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now_ms(&self) -> i64 {
        self.now_ms.load(Ordering::SeqCst)
    }

    fn passed(&self) -> Duration {
        Duration::from_nanos(self.passed_ns.load(Ordering::SeqCst))
    }
}
