//! Three times, three types: event time, watermark (an event time too, named where it is used) and engine time.

use serde::{Deserialize, Serialize};
use std::fmt;

/// When something happened: milliseconds since 1970-01-01T00:00:00 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EventTime(pub i64);

impl EventTime {
    /// Before every event. A watermark of `MIN` says nothing.
    pub const MIN: Self = Self(i64::MIN);
    /// After every event. A watermark of `MAX` says that the input has ended.
    pub const MAX: Self = Self(i64::MAX);
    /// The earliest event time of a row: the first moment of the year 0001.
    pub const FIRST: Self = Self(-62_135_596_800_000);
    /// The latest event time of a row: the last moment of the year 9999.
    pub const LAST: Self = Self(253_402_300_799_999);

    /// This time plus a duration, staying within `MIN..=MAX`.
    #[must_use]
    pub fn plus_ms(self, duration_ms: i64) -> Self {
        Self(self.0.saturating_add(duration_ms))
    }

    /// This time less a duration; `MIN` and `MAX` stay what they are.
    #[must_use]
    pub fn minus_ms(self, duration_ms: i64) -> Self {
        if self == Self::MAX { self } else { Self(self.0.saturating_sub(duration_ms)) }
    }

    /// The start of the step of `step_ms` milliseconds that this time lies in.
    ///
    /// ```
    /// use egret_core::EventTime;
    /// assert_eq!(EventTime(2_345).floor_to(1_000), EventTime(2_000));
    /// assert_eq!(EventTime(-1).floor_to(1_000), EventTime(-1_000));
    /// ```
    #[must_use]
    pub fn floor_to(self, step_ms: i64) -> Self {
        if self == Self::MAX || self == Self::MIN {
            return self;
        }
        Self(self.0.saturating_sub(self.0.rem_euclid(step_ms)))
    }
}

impl fmt::Display for EventTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::MIN => write!(f, "-"),
            Self::MAX => write!(f, "end"),
            Self(ms) => match arrow::temporal_conversions::timestamp_ms_to_datetime(ms) {
                Some(time) => write!(f, "{}", time.format("%Y-%m-%d %H:%M:%S%.3f")),
                None => write!(f, "{ms} ms"),
            },
        }
    }
}

/// The number of a checkpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Epoch(pub u32);

/// Engine time: the epoch in the upper half, the tick of flow control in the lower.
///
/// ```
/// use egret_core::{EngineTime, Epoch};
/// let time = EngineTime::new(Epoch(3), 7);
/// assert_eq!((time.epoch(), time.tick()), (Epoch(3), 7));
/// assert!(time < EngineTime::new(Epoch(4), 0));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EngineTime(pub u64);

impl EngineTime {
    /// Packs an epoch and a tick.
    pub fn new(epoch: Epoch, tick: u32) -> Self {
        Self((u64::from(epoch.0) << 32) | u64::from(tick))
    }

    /// The number of the next checkpoint.
    pub fn epoch(self) -> Epoch {
        Epoch((self.0 >> 32) as u32)
    }

    /// The tick of flow control within the epoch.
    pub fn tick(self) -> u32 {
        self.0 as u32
    }
}
