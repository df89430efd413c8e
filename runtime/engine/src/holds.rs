//! Sees when the watermark of a source cannot move, and names the split that holds it back.
//!
//! A split holds its source back when it gives no rows while others have come further: other splits of the source, or other sources
//! whose rows meet those of this one downstream. A source that is quiet without any others holds nobody back.

use egret_core::EventTime;

/// How long a watermark stands still before it is shown.
const SHOWN_AFTER_MS: i64 = 10_000;
/// How long before it is warned of.
const WARNED_AFTER_MS: i64 = 60_000;
/// How often to look.
const LOOKS_EVERY_MS: i64 = 100;

/// Watches the watermark of one reader.
#[derive(Debug)]
pub(crate) struct Watch {
    looked_ms: i64,
    at: EventTime,
    /// Since when the watermark has stood still, in passed time and on the wall clock.
    since: Option<(i64, i64)>,
    shown: bool,
    warned: bool,
}

/// What has changed since the last look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Nothing new.
    Nothing,
    /// The watermark has been held back since then, which is shown; `warn`: and this once also logged as a warning.
    Held { since_ms: i64, warn: bool },
    /// The watermark moves again.
    Free,
}

impl Watch {
    pub(crate) fn new() -> Self {
        Self { looked_ms: i64::MIN, at: EventTime::MIN, since: None, shown: false, warned: false }
    }

    /// Whether it is time to look again.
    pub(crate) fn is_due(&mut self, passed_ms: i64) -> bool {
        let is_due = passed_ms.saturating_sub(self.looked_ms) >= LOOKS_EVERY_MS;
        if is_due {
            self.looked_ms = passed_ms;
        }
        is_due
    }

    /// Looks at the watermark: it is at `at`, and others have come to `reached`. `passed_ms` counts for intervals, `wall_ms` is shown.
    pub(crate) fn look(&mut self, at: EventTime, reached: EventTime, passed_ms: i64, wall_ms: i64) -> Change {
        let stands = at < reached && at == self.at;
        self.at = at;
        let (since, since_ms) = match self.since {
            Some(since) if stands => since,
            _ => *self.since.insert((passed_ms, wall_ms)),
        };
        let held_ms = if at < reached { passed_ms.saturating_sub(since) } else { 0 };
        if at >= reached {
            self.since = None;
        }
        if held_ms < SHOWN_AFTER_MS {
            self.warned = false;
            return if std::mem::replace(&mut self.shown, false) { Change::Free } else { Change::Nothing };
        }
        let warn = held_ms >= WARNED_AFTER_MS && !std::mem::replace(&mut self.warned, held_ms >= WARNED_AFTER_MS);
        if std::mem::replace(&mut self.shown, true) && !warn { Change::Nothing } else { Change::Held { since_ms, warn } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_still_behind_others_is_said_once_and_warned_of_once() {
        let mut watch = Watch::new();
        let mut look = |at, reached, passed_ms| watch.look(EventTime(at), EventTime(reached), passed_ms, passed_ms + 1_000_000);
        assert_eq!(look(5, 5, 0), Change::Nothing);
        assert_eq!(look(5, 5, 100_000), Change::Nothing, "it holds back nobody");
        assert_eq!(look(5, 6, 100_000), Change::Nothing);
        assert_eq!(look(5, 7, 109_999), Change::Nothing);
        assert_eq!(look(5, 9, 110_000), Change::Held { since_ms: 1_100_000, warn: false });
        assert_eq!(look(5, 9, 159_999), Change::Nothing);
        assert_eq!(look(5, 9, 160_000), Change::Held { since_ms: 1_100_000, warn: true });
        assert_eq!(look(5, 9, 900_000), Change::Nothing);
        assert_eq!(look(6, 9, 900_001), Change::Free);
        assert_eq!(look(6, 9, 960_000), Change::Held { since_ms: 1_900_001, warn: false });
        assert_eq!(look(6, 9, 960_001), Change::Held { since_ms: 1_900_001, warn: true });
        assert_eq!(look(9, 9, 960_002), Change::Free);
    }
}
