//! Times and durations in words.

use egret_core::EventTime;
use egret_core::calendar::write_timestamp;

/// A time in microseconds since 1970, in ISO 8601: `2024-03-01T10:00:00.000Z`.
pub fn show_time(time: i64) -> String {
    let mut text = Vec::new();
    match write_timestamp(time, &mut text) {
        true => String::from_utf8_lossy(&text).into_owned(),
        false => EventTime(time).to_string(),
    }
}

/// A duration in microseconds, in words: `1 h 30 min`.
pub fn show_duration(us: i64) -> String {
    const UNITS: [(i64, &str); 6] =
        [(86_400_000_000, "d"), (3_600_000_000, "h"), (60_000_000, "min"), (1_000_000, "s"), (1_000, "ms"), (1, "us")];
    let mut rest = us.max(0);
    let mut words = Vec::new();
    for (unit, name) in UNITS {
        if rest >= unit {
            words.push(format!("{} {name}", rest / unit));
            rest %= unit;
        }
    }
    if words.is_empty() { "0 s".into() } else { words.join(" ") }
}
