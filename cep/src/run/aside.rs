//! How long a key that had too many partial matches is put aside.

use crate::plan::pattern_plan::Plan;
use egret_core::EventTime;
use serde::{Deserialize, Serialize};

/// When a key stops being put aside: at a time or after some events, whichever comes first.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Aside {
    /// The time at which it ends, in microseconds; `i64::MAX` if only events count.
    pub(super) until: i64,
    /// For a window in events: how many more events of the key are ignored.
    pub(super) left: Option<u64>,
}

impl Aside {
    /// From an event at `time` on; `None` if the pattern has no window.
    pub(super) fn since(plan: &Plan, time: i64) -> Option<Self> {
        if plan.within_us.is_none() && plan.within_events.is_none() {
            return None;
        }
        // The event that was one too many is the first of the window.
        let left = plan.within_events.map(|events| events - 1);
        Some(Self { until: plan.within_us.map_or(i64::MAX, |within| time.saturating_add(within)), left })
    }

    /// The same under a plan whose windows may be others.
    pub(super) fn under(self, plan: &Plan) -> Option<Self> {
        let left = self.left.filter(|_| plan.within_events.is_some());
        (self.until < i64::MAX || left.is_some()).then_some(Self { left, ..self })
    }

    fn in_words(&self) -> String {
        let until = (self.until < i64::MAX).then(|| format!("until {}", EventTime(self.until)));
        let events = self.left.map(|left| format!("for its next {left} events"));
        let how_long = until.into_iter().chain(events).collect::<Vec<_>>().join(", or ");
        format!("its partial matches are dropped, and it is put aside {how_long}")
    }
}

/// What becomes of a key, in words.
pub(super) fn put_aside_in_words(aside: Option<&Aside>) -> String {
    match aside {
        Some(aside) => aside.in_words(),
        None => "its partial matches are dropped, and it begins afresh with its next event, as there is no WITHIN".to_owned(),
    }
}
