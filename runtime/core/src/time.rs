//! Event time (watermarks are event times, too), epochs and engine time.

use crate::calendar::write_timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// Microseconds in a millisecond.
pub const MILLI: i64 = 1_000;

/// When something happened: microseconds since 1970-01-01T00:00:00 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EventTime(pub i64);

impl EventTime {
    /// Before every event. A watermark of `MIN` gives no information.
    pub const MIN: Self = Self(i64::MIN);
    /// After every event. A watermark of `MAX` says that the input has ended.
    pub const MAX: Self = Self(i64::MAX);
    /// The earliest event time of a row: the first moment of the year 0001.
    pub const FIRST: Self = Self(-62_135_596_800_000_000);
    /// The latest event time of a row: the last moment of the year 9999.
    pub const LAST: Self = Self(253_402_300_799_999_999);

    /// A time in microseconds since 1970.
    #[inline]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// A time in milliseconds since 1970, saturating at `MIN` and `MAX`.
    ///
    /// ```
    /// use egret_core::EventTime;
    /// assert_eq!(EventTime::from_millis(-1), EventTime::from_micros(-1_000));
    /// assert_eq!(EventTime::from_millis(i64::MAX), EventTime::MAX);
    /// ```
    #[inline]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(MILLI))
    }

    /// Milliseconds since 1970, rounded up.
    #[inline]
    pub const fn millis_up(self) -> i64 {
        self.0.div_euclid(MILLI) + (self.0.rem_euclid(MILLI) > 0) as i64
    }

    /// This time plus a duration, staying within `MIN..=MAX`.
    #[must_use]
    #[inline]
    pub fn plus_us(self, duration_us: i64) -> Self {
        Self(self.0.saturating_add(duration_us))
    }

    /// This time minus a duration; `MIN` and `MAX` stay as they are.
    #[must_use]
    #[inline]
    pub fn minus_us(self, duration_us: i64) -> Self {
        if self == Self::MAX { self } else { Self(self.0.saturating_sub(duration_us)) }
    }

    /// The start of the interval of `step_us` microseconds that this time lies in; intervals are aligned to 1970.
    ///
    /// ```
    /// use egret_core::EventTime;
    /// assert_eq!(EventTime(2_345).floor_to(1_000), EventTime(2_000));
    /// assert_eq!(EventTime(-1).floor_to(1_000), EventTime(-1_000));
    /// ```
    #[must_use]
    #[inline]
    pub fn floor_to(self, step_us: i64) -> Self {
        if self == Self::MAX || self == Self::MIN {
            return self;
        }
        Self(self.0.saturating_sub(self.0.rem_euclid(step_us)))
    }
}

/// As `2024-03-01 10:00:00.000`, with six decimal places if it is not whole milliseconds.
impl fmt::Display for EventTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::MIN => write!(f, "-"),
            Self::MAX => write!(f, "end"),
            Self(micros) => {
                let mut text = Vec::new();
                if !write_timestamp(micros, &mut text) {
                    return write!(f, "{} since 1970", Length(micros));
                }
                let text = String::from_utf8_lossy(&text);
                f.write_str(&text.replace('T', " ").replace('Z', ""))
            }
        }
    }
}

/// A length of time in microseconds, for printing: `60000 ms`, or `1500 us` if it is not whole milliseconds.
///
/// ```
/// use egret_core::Length;
/// assert_eq!((Length(60_000_000).to_string(), Length(1_500).to_string()), ("60000 ms".to_owned(), "1500 us".to_owned()));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Length(pub i64);

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 % MILLI {
            0 => write!(f, "{} ms", self.0 / MILLI),
            _ => write!(f, "{} us", self.0),
        }
    }
}

/// A length of time in microseconds, saturating at `i64::MAX`.
#[inline]
pub const fn micros_of(duration: Duration) -> i64 {
    let micros = duration.as_micros();
    if micros > i64::MAX as u128 { i64::MAX } else { micros as i64 }
}

/// The number of a checkpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Epoch(pub u32);

/// Engine time: the epoch in the upper 32 bits, the flow-control tick in the lower.
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
    #[inline]
    pub fn new(epoch: Epoch, tick: u32) -> Self {
        Self((u64::from(epoch.0) << 32) | u64::from(tick))
    }

    /// The epoch.
    #[inline]
    pub fn epoch(self) -> Epoch {
        Epoch((self.0 >> 32) as u32)
    }

    /// The flow-control tick within the epoch.
    #[inline]
    pub fn tick(self) -> u32 {
        self.0 as u32
    }
}
