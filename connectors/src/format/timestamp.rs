//! Times and dates as text.

use super::number::parse_i64;
use crate::options::{OptionError, Options};

/// What is accepted, for messages.
pub(crate) const TIMESTAMP_FORMATS: &str = "accepted are 2024-05-31T14:00:00.123+02:00 (or Z), 2024-05-31 14:00:00.123 and 2024-05-31 \
     (both UTC), and an integer since 1970 (option timestamp_unit = 's', 'ms' or 'us')";

/// Times further from 1970 than this (the years beyond 275,000) are mistakes: most likely a wrong unit.
const MILLIS_MAX: i64 = 8_640_000_000_000_000;
const DAY_MS: i64 = 86_400_000;

/// What a timestamp that is an integer counts since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampUnit {
    /// Seconds.
    Second,
    /// Milliseconds.
    Millisecond,
    /// Microseconds, rounded down to milliseconds.
    Microsecond,
}

impl TimestampUnit {
    /// From the option `timestamp_unit`.
    pub(crate) fn from_options(options: &Options) -> Result<Option<Self>, OptionError> {
        options.choice("timestamp_unit", &[("s", Self::Second), ("ms", Self::Millisecond), ("us", Self::Microsecond)])
    }

    /// An integer as milliseconds, if that is a sensible time.
    #[inline]
    pub(crate) fn to_millis(self, value: i64) -> Option<i64> {
        let millis = match self {
            Self::Second => value.checked_mul(1_000)?,
            Self::Millisecond => value,
            Self::Microsecond => value.div_euclid(1_000),
        };
        (-MILLIS_MAX..=MILLIS_MAX).contains(&millis).then_some(millis)
    }
}

/// A time in one of the [`TIMESTAMP_FORMATS`], as milliseconds since 1970 UTC.
pub(crate) fn parse_timestamp(text: &[u8], unit: TimestampUnit) -> Option<i64> {
    let text = text.trim_ascii();
    match parse_date_prefix(text) {
        Some(days) => Some(i64::from(days) * DAY_MS + parse_after_date(&text[10..])?),
        None => unit.to_millis(parse_i64(text)?),
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

/// What follows the date, as milliseconds to add: nothing, or a time of day with or without a zone.
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
    let (fraction_ms, zone) = parse_fraction(&text[9..])?;
    Some(i64::from((hour * 60 + minute) * 60 + second) * 1_000 + fraction_ms - parse_zone_ms(zone)?)
}

/// `.123456` as milliseconds rounded down, and what follows it.
fn parse_fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    if text.first() != Some(&b'.') {
        return Some((0, text));
    }
    let end = text[1..].iter().position(|byte| !byte.is_ascii_digit()).map_or(text.len(), |at| at + 1);
    if end == 1 {
        return None;
    }
    let millis = (1..4).fold(0, |sum, at| sum * 10 + if at < end { i64::from(text[at] - b'0') } else { 0 });
    Some((millis, &text[end..]))
}

/// Nothing, `Z`, `+02:00`, `+0200` or `+02`, as milliseconds east of UTC.
fn parse_zone_ms(zone: &[u8]) -> Option<i64> {
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
    (hours < 24 && minutes < 60).then(|| sign * i64::from(hours * 60 + minutes) * 60_000)
}

fn digits(text: &[u8]) -> Option<i32> {
    text.iter().try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i32::from(byte - b'0')))
}

/// Days since 1970 of a date of the Gregorian calendar (Howard Hinnant, "chrono-compatible low-level date algorithms").
fn days_from_civil(year: i32, month: i32, day: i32) -> i32 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The inverse of [`days_from_civil`].
fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month as u32, day as u32)
}

/// Writes a time as `2023-11-14T22:14:00.000Z`; returns false, and writes nothing, for years beyond 0..=9999.
pub(crate) fn write_timestamp(millis: i64, out: &mut Vec<u8>) -> bool {
    let Some(mut text) = date_text(millis.div_euclid(DAY_MS)) else { return false };
    let of_day = millis.rem_euclid(DAY_MS) as u32;
    text[10] = b'T';
    put(&mut text[11..13], of_day / 3_600_000);
    put(&mut text[14..16], of_day / 60_000 % 60);
    put(&mut text[17..19], of_day / 1_000 % 60);
    put(&mut text[20..23], of_day % 1_000);
    (text[13], text[16], text[19], text[23]) = (b':', b':', b'.', b'Z');
    out.extend_from_slice(&text);
    true
}

/// Writes a date as `2023-11-14`; returns false, and writes nothing, for years beyond 0..=9999.
pub(crate) fn write_date(days: i32, out: &mut Vec<u8>) -> bool {
    let Some(text) = date_text(i64::from(days)) else { return false };
    out.extend_from_slice(&text[..10]);
    true
}

fn date_text(days: i64) -> Option<[u8; 24]> {
    let (year, month, day) = civil_from_days(days);
    let year = u32::try_from(year).ok().filter(|year| *year <= 9_999)?;
    let mut text = [b'-'; 24];
    put(&mut text[0..4], year);
    put(&mut text[5..7], month);
    put(&mut text[8..10], day);
    Some(text)
}

/// Fills a slot with the last digits of a number.
fn put(slot: &mut [u8], mut number: u32) {
    for byte in slot.iter_mut().rev() {
        *byte = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::test_support::Random;

    fn ms(text: &str) -> Option<i64> {
        parse_timestamp(text.as_bytes(), TimestampUnit::Millisecond)
    }

    #[test]
    fn the_accepted_formats() {
        let base = Some(1_700_000_040_123);
        for text in [
            "2023-11-14T22:14:00.123Z",
            "2023-11-14T22:14:00.123999z",
            "2023-11-15T00:14:00.123+02:00",
            "2023-11-14t18:44:00.123-0330",
            "2023-11-15 00:14:00.123+02",
            "2023-11-14 22:14:00.123",
            "2023-11-14T22:14:00.123",
            " 2023-11-14 22:14:00.123 ",
            "1700000040123",
        ] {
            assert_eq!(ms(text), base, "{text}");
        }
        assert_eq!(ms("2023-11-14"), Some(1_699_920_000_000));
        assert_eq!(ms("1969-12-31 23:59:59.9"), Some(-100));
        assert_eq!(parse_timestamp(b"1700000040", TimestampUnit::Second), Some(1_700_000_040_000));
        assert_eq!(parse_timestamp(b"-1", TimestampUnit::Microsecond), Some(-1));
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
            assert_eq!(ms(text), None, "{text}");
        }
        assert_eq!(parse_date(b"2023-11-14T00:00:00"), None);
    }

    #[test]
    fn what_is_written_is_read() {
        let mut random = Random::new(7);
        for _ in 0..20_000 {
            let millis = random.between(-62_167_219_200_000, 253_402_300_799_999);
            let mut text = Vec::new();
            assert!(write_timestamp(millis, &mut text));
            assert_eq!(parse_timestamp(&text, TimestampUnit::Second), Some(millis), "{}", String::from_utf8_lossy(&text));
            let days = (millis / DAY_MS) as i32;
            text.clear();
            assert!(write_date(days, &mut text));
            assert_eq!(parse_date(&text), Some(days));
        }
        let mut text = Vec::new();
        assert!(write_timestamp(1_700_000_040_000, &mut text));
        assert_eq!(text, b"2023-11-14T22:14:00.000Z");
        assert!(
            !write_timestamp(i64::MIN, &mut text) && !write_timestamp(i64::MAX, &mut text) && !write_date(i32::MAX, &mut text)
        );
    }
}
