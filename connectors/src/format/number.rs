//! Numbers as text.
//!
//! `scan_*` reads the short, plain numbers that make up nearly all data and gives up on the rest; `parse_*` reads everything.
//! A decimal number of at most 15 digits and without exponent is an integer below 2^53 divided by a power of ten below 10^23:
//! both are exact in a double, so one division rounds correctly (W. D. Clinger, "How to read floating point numbers
//! accurately", 1990).

const POWERS_OF_TEN: [f64; 16] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/// A whole number at the start of `text`, and where it ends. `None`: there is none, or it is not plain.
#[inline]
pub(crate) fn scan_int(text: &[u8]) -> Option<(i64, usize)> {
    let start = usize::from(text.first() == Some(&b'-'));
    let (value, end) = scan_digits(text, start, 0);
    let digits = end - start;
    if digits == 0 || digits > 18 || (digits > 1 && text[start] == b'0') || matches!(text.get(end), Some(b'.' | b'e' | b'E')) {
        return None;
    }
    Some((if start == 1 { -(value as i64) } else { value as i64 }, end))
}

/// A decimal number at the start of `text`, and where it ends. `None`: there is none, or it is not plain.
#[inline]
pub(crate) fn scan_float(text: &[u8]) -> Option<(f64, usize)> {
    let start = usize::from(text.first() == Some(&b'-'));
    let (mut value, mut end) = scan_digits(text, start, 0);
    let mut digits = end - start;
    if digits == 0 || (digits > 1 && text[start] == b'0') {
        return None;
    }
    let mut decimals = 0;
    if text.get(end) == Some(&b'.') {
        let point = end;
        (value, end) = scan_digits(text, point + 1, value);
        decimals = end - point - 1;
        digits += decimals;
        if decimals == 0 {
            return None;
        }
    }
    if digits > 15 || matches!(text.get(end), Some(b'e' | b'E')) {
        return None;
    }
    let value = value as f64 / POWERS_OF_TEN[decimals];
    Some((if start == 1 { -value } else { value }, end))
}

#[inline]
fn scan_digits(text: &[u8], mut at: usize, mut value: u64) -> (u64, usize) {
    while let Some(byte) = text.get(at) {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
        at += 1;
    }
    (value, at)
}

/// The whole text as a whole number, with or without a sign.
pub(crate) fn parse_i64(text: &[u8]) -> Option<i64> {
    match scan_int(text) {
        Some((value, end)) if end == text.len() => Some(value),
        _ => std::str::from_utf8(text).ok()?.parse().ok(),
    }
}

/// The whole text as a number; also `NaN` and `inf`, but no number too large to be finite.
pub(crate) fn parse_f64(text: &[u8]) -> Option<f64> {
    match scan_float(text) {
        Some((value, end)) if end == text.len() => Some(value),
        _ => {
            let value: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
            (value.is_finite() || !text.iter().any(u8::is_ascii_digit)).then_some(value)
        }
    }
}

/// As [`parse_f64`], rounded once.
pub(crate) fn parse_f32(text: &[u8]) -> Option<f32> {
    let value: f32 = std::str::from_utf8(text).ok()?.parse().ok()?;
    (value.is_finite() || !text.iter().any(u8::is_ascii_digit)).then_some(value)
}

/// Where the JSON number at the start of `text` ends; `None` if there is none.
pub(crate) fn json_number_end(text: &[u8]) -> Option<usize> {
    let start = usize::from(text.first() == Some(&b'-'));
    let (_, mut end) = scan_digits(text, start, 0);
    if end == start || (end - start > 1 && text[start] == b'0') {
        return None;
    }
    if text.get(end) == Some(&b'.') {
        let (_, after) = scan_digits(text, end + 1, 0);
        if after == end + 1 {
            return None;
        }
        end = after;
    }
    if matches!(text.get(end), Some(b'e' | b'E')) {
        let digits = end + 1 + usize::from(matches!(text.get(end + 1), Some(b'+' | b'-')));
        let (_, after) = scan_digits(text, digits, 0);
        if after == digits {
            return None;
        }
        end = after;
    }
    Some(end)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::test_support::Random;

    #[test]
    fn plain_numbers_are_read_as_the_standard_library_reads_them() {
        let mut random = Random::new(3);
        for _ in 0..50_000 {
            let whole = random.next() >> random.below(64);
            let decimals = random.below(18) as usize;
            let sign = if random.below(2) == 0 { "-" } else { "" };
            let text = if decimals == 0 {
                format!("{sign}{whole}")
            } else {
                format!("{sign}{}.{:0decimals$}", whole % 100_000, random.next() % 10_u64.pow(decimals as u32))
            };
            let expected: f64 = text.parse().unwrap();
            if let Some((value, end)) = scan_float(text.as_bytes()) {
                assert_eq!((value.to_bits(), end), (expected.to_bits(), text.len()), "{text}");
            }
            assert_eq!(parse_f64(text.as_bytes()), Some(expected), "{text}");
            assert_eq!(json_number_end(text.as_bytes()), Some(text.len()), "{text}");
            assert_eq!(parse_i64(text.as_bytes()), text.parse().ok(), "{text}");
        }
    }

    #[test]
    fn odd_numbers() {
        assert_eq!(parse_i64(b"-9223372036854775808"), Some(i64::MIN));
        assert_eq!(
            (parse_i64(b"9223372036854775808"), parse_i64(b"+5"), parse_i64(b""), parse_i64(b"1.0")),
            (None, Some(5), None, None)
        );
        assert_eq!(
            (parse_f64(b"1e999"), parse_f64(b"inf"), parse_f64(b"1e-3"), parse_f64(b"x")),
            (None, Some(f64::INFINITY), Some(0.001), None)
        );
        assert!(parse_f64(b"NaN").unwrap().is_nan());
        assert_eq!(scan_float(b"-0").map(|(value, end)| (value.to_bits(), end)), Some(((-0.0_f64).to_bits(), 2)));
        for text in ["", "-", "01", "1.", ".5", "1e", "1e+", "+1"] {
            assert_eq!(json_number_end(text.as_bytes()).filter(|end| *end == text.len()), None, "{text}");
        }
        assert_eq!(json_number_end(b"-12.5e+10,"), Some(9));
    }
}
