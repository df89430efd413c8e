//! Durations: a number and a unit, exact to the microsecond.

use std::time::Duration;

/// Units by name, in microseconds.
pub const UNITS: [(&str, i128); 7] = [
    ("microsecond", 1),
    ("millisecond", 1_000),
    ("second", 1_000_000),
    ("minute", 60_000_000),
    ("hour", 3_600_000_000),
    ("day", 86_400_000_000),
    ("week", 604_800_000_000),
];

/// Short names of units, allowed in options and flags, in microseconds.
const SHORT: [(&str, i128); 8] = [
    ("us", 1),
    ("ms", 1_000),
    ("s", 1_000_000),
    ("sec", 1_000_000),
    ("m", 60_000_000),
    ("min", 60_000_000),
    ("h", 3_600_000_000),
    ("d", 86_400_000_000),
];

/// Why a text is not a number of units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoAmount {
    /// It is not a decimal number.
    NoNumber,
    /// It has more than 18 digits before the point, or too many microseconds for an integer.
    TooLong,
    /// It has more than 15 digits after the point.
    TooManyDigits,
    /// It is not a whole number of microseconds.
    TooFine,
}

/// A unit by its whole name in lower case, singular or plural: `second`, `hours`.
pub fn unit(name: &str) -> Option<i128> {
    let singular = name.strip_suffix('s').unwrap_or(name);
    UNITS.iter().find(|(unit, _)| *unit == singular).map(|(_, length)| *length)
}

/// A decimal number of units, in microseconds: `-1.5`.
///
/// ```
/// use egret_words::{NoAmount, micros_of};
/// assert_eq!(micros_of("1.5", 60_000_000), Ok(90_000_000));
/// assert_eq!(micros_of("0.0001", 1_000), Err(NoAmount::TooFine));
/// ```
///
/// # Errors
/// The text is not such a number.
pub fn micros_of(number: &str, unit: i128) -> Result<i128, NoAmount> {
    let (negative, digits) = match number.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, number),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !all_digits(whole) || !all_digits(fraction) {
        return Err(NoAmount::NoNumber);
    }
    let fraction = fraction.trim_end_matches('0');
    if whole.trim_start_matches('0').len() > 18 {
        return Err(NoAmount::TooLong);
    }
    if fraction.len() > 15 {
        return Err(NoAmount::TooManyDigits);
    }
    let digits = |part: &str| part.bytes().fold(0_i128, |number, digit| number * 10 + i128::from(digit - b'0'));
    let scale = (0..fraction.len()).fold(1_i128, |scale, _| scale * 10);
    let scaled = (digits(whole) * scale + digits(fraction)).checked_mul(unit).ok_or(NoAmount::TooLong)?;
    if scaled % scale != 0 {
        return Err(NoAmount::TooFine);
    }
    Ok(if negative { -(scaled / scale) } else { scaled / scale })
}

/// A duration as options and flags write it: `500ms`, `10 s`, `1.5 min`, `1h`, `1 day`. `None` if the text is not a duration, or
/// is finer than microseconds.
///
/// ```
/// use egret_words::parse_duration;
/// use std::time::Duration;
/// assert_eq!(parse_duration("500ms"), Some(Duration::from_millis(500)));
/// assert_eq!(parse_duration("1.5 Minutes"), Some(Duration::from_secs(90)));
/// assert_eq!((parse_duration("10"), parse_duration("soon"), parse_duration("-1 s")), (None, None, None));
/// ```
pub fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let name = text[end..].trim().to_lowercase();
    let short = SHORT.iter().find(|(short, _)| *short == name).map(|(_, length)| *length);
    let micros = micros_of(&text[..end], short.or_else(|| unit(&name))?).ok()?;
    u64::try_from(micros).ok().map(Duration::from_micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_is_read_short_and_long() {
        for (name, length) in UNITS {
            let long = Duration::from_micros(3 * length as u64);
            assert_eq!(parse_duration(&format!("3 {name}")), Some(long));
            assert_eq!(parse_duration(&format!("3{}s", name.to_uppercase())), Some(long));
        }
        for (name, length) in SHORT {
            assert_eq!(parse_duration(&format!("2{name}")), Some(Duration::from_micros(2 * length as u64)));
        }
    }

    #[test]
    fn lengths_are_exact_or_none() {
        assert_eq!(parse_duration("0.000001 s"), Some(Duration::from_micros(1)));
        assert_eq!(parse_duration(".5s"), Some(Duration::from_millis(500)));
        assert_eq!(parse_duration("0 s"), Some(Duration::ZERO));
        for wrong in ["", "s", "1", "1.2.3 s", "1 fortnight", "0.5 us", "1 s 2", "+1 s", "999999999999999999 weeks"] {
            assert_eq!(parse_duration(wrong), None, "{wrong}");
        }
        assert_eq!(micros_of("1234567890123456789", 1), Err(NoAmount::TooLong));
        assert_eq!(micros_of("0.1234567890123456", 1), Err(NoAmount::TooManyDigits));
        assert_eq!(micros_of("-2", 1_000), Ok(-2_000));
    }
}
