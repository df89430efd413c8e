//! Times and dates as text.

use super::number::parse_i64;
use crate::options::{OptionError, Options};
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::buffer::ScalarBuffer;
use arrow::datatypes::{
    DataType, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};
use egret_core::calendar::days_from_civil;
pub(crate) use egret_core::calendar::{write_date, write_timestamp};

/// What is accepted, for messages.
pub(crate) const TIMESTAMP_FORMATS: &str = "accepted are 2024-05-31T14:00:00.123+02:00 (or Z), 2024-05-31 14:00:00.123 and 2024-05-31 \
     (both UTC), and an integer since 1970 (option timestamp_unit = 's', 'ms', 'us' or 'ns')";

/// Times further from 1970 than this (the years beyond 275,000) are mistakes: most likely a wrong unit.
const MICROS_MAX: i64 = 8_640_000_000_000_000_000;
/// A day, in microseconds.
const DAY: i64 = 86_400_000_000;
/// A second, in microseconds.
const SECOND: i64 = 1_000_000;

/// What a timestamp that is an integer counts since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampUnit {
    /// Seconds.
    Second,
    /// Milliseconds.
    Millisecond,
    /// Microseconds.
    Microsecond,
    /// Nanoseconds, rounded down to microseconds.
    Nanosecond,
}

impl TimestampUnit {
    /// From the option `timestamp_unit`.
    pub(crate) fn from_options(options: &Options) -> Result<Option<Self>, OptionError> {
        let units = [("s", Self::Second), ("ms", Self::Millisecond), ("us", Self::Microsecond), ("ns", Self::Nanosecond)];
        options.choice("timestamp_unit", &units)
    }

    /// An integer as microseconds, if that is a sensible time.
    #[inline]
    pub(crate) fn to_micros(self, value: i64) -> Option<i64> {
        let micros = match self {
            Self::Second => value.checked_mul(SECOND)?,
            Self::Millisecond => value.checked_mul(1_000)?,
            Self::Microsecond => value,
            Self::Nanosecond => value.div_euclid(1_000),
        };
        (-MICROS_MAX..=MICROS_MAX).contains(&micros).then_some(micros)
    }
}

/// The microseconds of a column of timestamps of any unit; what is finer is cut toward the past.
pub(crate) fn column_micros(column: &ArrayRef) -> Option<ScalarBuffer<i64>> {
    let DataType::Timestamp(unit, _) = column.data_type() else { return None };
    Some(match unit {
        TimeUnit::Microsecond => column.as_primitive::<TimestampMicrosecondType>().values().clone(),
        TimeUnit::Nanosecond => {
            column.as_primitive::<TimestampNanosecondType>().values().iter().map(|nanos| nanos.div_euclid(1_000)).collect()
        }
        TimeUnit::Millisecond => {
            column.as_primitive::<TimestampMillisecondType>().values().iter().map(|millis| millis.saturating_mul(1_000)).collect()
        }
        TimeUnit::Second => {
            column.as_primitive::<TimestampSecondType>().values().iter().map(|seconds| seconds.saturating_mul(SECOND)).collect()
        }
    })
}

/// A time in one of the [`TIMESTAMP_FORMATS`], as microseconds since 1970 UTC.
pub(crate) fn parse_timestamp(text: &[u8], unit: TimestampUnit) -> Option<i64> {
    let text = text.trim_ascii();
    match parse_date_prefix(text) {
        Some(days) => Some(i64::from(days) * DAY + parse_after_date(&text[10..])?),
        None => unit.to_micros(parse_i64(text)?),
    }
}

/// `YYYY-MM-DD`, as days since 1970.
pub(crate) fn parse_date(text: &[u8]) -> Option<i32> {
    let text = text.trim_ascii();
    if text.len() == 10 { parse_date_prefix(text) } else { None }
}

fn parse_date_prefix(text: &[u8]) -> Option<i32> {
    if text.len() < 10 || text[4] != b'-' || text[7] != b'-' {
        return None;
    }
    let (year, month, day) = (digits(&text[..4])?, digits(&text[5..7])?, digits(&text[8..10])?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    (1..=last).contains(&day).then(|| days_from_civil(year, month, day))
}

/// What follows the date, as microseconds to add: nothing, or a time of day with or without a zone.
fn parse_after_date(text: &[u8]) -> Option<i64> {
    if text.is_empty() {
        return Some(0);
    }
    if text.len() < 9 || !matches!(text[0], b'T' | b't' | b' ') || text[3] != b':' || text[6] != b':' {
        return None;
    }
    let (hour, minute, second) = (digits(&text[1..3])?, digits(&text[4..6])?, digits(&text[7..9])?);
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (fraction, zone) = parse_fraction(&text[9..])?;
    Some((i64::from((hour * 60 + minute) * 60 + second) - parse_zone(zone)?) * SECOND + fraction)
}

/// `.123456` as microseconds rounded down, and what follows it.
fn parse_fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    if text.first() != Some(&b'.') {
        return Some((0, text));
    }
    let end = text[1..].iter().position(|byte| !byte.is_ascii_digit()).map_or(text.len(), |at| at + 1);
    if end == 1 {
        return None;
    }
    let digit = |at: usize| if at < end { i64::from(text[at] - b'0') } else { 0 };
    let millis = (1..4).fold(0, |sum, at| sum * 10 + digit(at)) * 1_000;
    let micros = if end > 4 { (4..7).fold(0, |sum, at| sum * 10 + digit(at)) } else { 0 };
    Some((millis + micros, &text[end..]))
}

/// Nothing, `Z`, `+02:00`, `+0200` or `+02`, as seconds east of UTC.
fn parse_zone(zone: &[u8]) -> Option<i64> {
    let (sign, rest) = match zone {
        [] | b"Z" | b"z" => return Some(0),
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = match rest.len() {
        2 => (digits(rest)?, 0),
        4 => (digits(&rest[..2])?, digits(&rest[2..])?),
        5 if rest[2] == b':' => (digits(&rest[..2])?, digits(&rest[3..])?),
        _ => return None,
    };
    (hours < 24 && minutes < 60).then(|| sign * i64::from(hours * 60 + minutes) * 60)
}

fn digits(text: &[u8]) -> Option<i32> {
    text.iter().try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i32::from(byte - b'0')))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::test_support::Random;

    fn read(text: &str) -> Option<i64> {
        parse_timestamp(text.as_bytes(), TimestampUnit::Millisecond)
    }

    #[test]
    fn the_accepted_formats() {
        let base = Some(1_700_000_040_123_000);
        for text in [
            "2023-11-14T22:14:00.123Z",
            "2023-11-14T22:14:00.123000999z",
            "2023-11-15T00:14:00.123+02:00",
            "2023-11-14t18:44:00.123-0330",
            "2023-11-15 00:14:00.123+02",
            "2023-11-14 22:14:00.123",
            "2023-11-14T22:14:00.123",
            " 2023-11-14 22:14:00.123 ",
            "1700000040123",
        ] {
            assert_eq!(read(text), base, "{text}");
        }
        assert_eq!(read("2023-11-14"), Some(1_699_920_000_000_000));
        assert_eq!(read("1969-12-31 23:59:59.9"), Some(-100_000));
        assert_eq!(read("2023-11-14T22:14:00.1234567Z"), Some(1_700_000_040_123_456));
        assert_eq!(read("2023-11-14T22:14:00.1234+01:00"), Some(1_699_996_440_123_400));
        assert_eq!(read("1969-12-31 23:59:59.999999999"), Some(-1));
        assert_eq!(parse_timestamp(b"1700000040", TimestampUnit::Second), Some(1_700_000_040_000_000));
        assert_eq!(parse_timestamp(b"-1", TimestampUnit::Microsecond), Some(-1));
        assert_eq!(parse_timestamp(b"-1", TimestampUnit::Nanosecond), Some(-1));
        assert_eq!(parse_timestamp(b"1999", TimestampUnit::Nanosecond), Some(1));
        assert_eq!(parse_date(b"1970-01-02"), Some(1));
    }

    #[test]
    fn nothing_else_is_accepted() {
        for text in [
            "",
            "14/11/2023",
            "2023-13-01",
            "2023-02-29",
            "2023-11-14 22:14",
            "2023-11-14T25:00:00Z",
            "2023-11-14T22:14:00.Z",
            "2023-11-14T22:14:00 UTC",
            "2023-11-14T22:14:00+2",
            "yesterday",
            "1.5",
            "9223372036854775807",
            "2023-1-14",
            "2023-11-14x",
            "2023-11-14T22:14:00+25:00",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(parse_date(b"2023-11-14T00:00:00"), None);
    }

    #[test]
    fn what_is_written_is_read() {
        let mut random = Random::new(7);
        for _ in 0..20_000 {
            let micros = random.between(-62_167_219_200_000, 253_402_300_799_999) * 1_000 + random.between(0, 1_500).min(999);
            let mut text = Vec::new();
            assert!(write_timestamp(micros, &mut text));
            assert_eq!(parse_timestamp(&text, TimestampUnit::Second), Some(micros), "{}", String::from_utf8_lossy(&text));
            let days = (micros / DAY) as i32;
            text.clear();
            assert!(write_date(days, &mut text));
            assert_eq!(parse_date(&text), Some(days));
        }
        let mut text = Vec::new();
        assert!(write_timestamp(1_700_000_040_000_000, &mut text));
        assert_eq!(text, b"2023-11-14T22:14:00.000Z");
        assert!(
            !write_timestamp(i64::MIN, &mut text) && !write_timestamp(i64::MAX, &mut text) && !write_date(i32::MAX, &mut text)
        );
    }
}
