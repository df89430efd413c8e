//! Ticks: the time under which a source sends, for flow control.
//!
//! With checkpoints engine time is (epoch, tick), and ticks are counted from the beginning of the epoch. Without, all 64 bits are the
//! tick. So no job runs out of ticks, however long it runs: the tests show it.

use egret_core::{EngineTime, Epoch};
use std::time::Duration;

/// How long a tick lasts.
const TICK: Duration = Duration::from_millis(2);
/// How many ticks of an epoch last that long: 49 days. The ticks after them last a thousand times as long, enough for 136 years.
const SHORT_TICKS: u128 = 1 << 31;
const LONG: u128 = 1_000;

/// Counts ticks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticks {
    epoch: Option<Epoch>,
    since: Duration,
}

impl Ticks {
    /// Counts from `now` on; in this epoch, if the job makes checkpoints.
    pub(crate) fn new(epoch: Option<Epoch>, now: Duration) -> Self {
        Self { epoch, since: now }
    }

    /// The engine time.
    pub(crate) fn time(&self, now: Duration) -> u64 {
        let ticks = now.saturating_sub(self.since).as_nanos() / TICK.as_nanos();
        let Some(epoch) = self.epoch else { return u64::try_from(ticks).unwrap_or(u64::MAX) };
        let ticks = ticks.min(SHORT_TICKS) + ticks.saturating_sub(SHORT_TICKS) / LONG;
        EngineTime::new(epoch, u32::try_from(ticks).unwrap_or(u32::MAX)).0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn ticks_go_on_for_ever() {
        let start = Duration::from_secs(5);
        for epoch in [None, Some(Epoch(7))] {
            let ticks = Ticks::new(epoch, start);
            let mut last = ticks.time(start);
            assert_eq!(last, epoch.map_or(0, |epoch| EngineTime::new(epoch, 0).0));
            for days in [1, 48, 50, 99, 100, 365, 36_500] {
                let now = start + days * DAY;
                let time = ticks.time(now);
                assert!(
                    time > last && ticks.time(now + Duration::from_secs(2)) > time,
                    "{epoch:?}: it stands still after {days} days"
                );
                assert_eq!(EngineTime(time).epoch() == Epoch(7), epoch.is_some(), "{days} days");
                last = time;
            }
        }
    }

    #[test]
    fn an_epoch_begins_with_ticks_of_its_own() {
        let ticks = Ticks::new(Some(Epoch(3)), 200 * DAY);
        assert_eq!(ticks.time(200 * DAY + Duration::from_millis(9)), EngineTime::new(Epoch(3), 4).0);
        assert_eq!(ticks.time(DAY), EngineTime::new(Epoch(3), 0).0, "nothing before it");
    }
}
