//! Days and times of the Gregorian calendar, and how Egret prints them in files, messages and on the command line.

/// A day, in microseconds.
const DAY: i64 = 86_400_000_000;

/// Days since 1970 of a date of the Gregorian calendar (Howard Hinnant, "chrono-compatible low-level date algorithms").
pub fn days_from_civil(year: i32, month: i32, day: i32) -> i32 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The inverse of [`days_from_civil`].
pub(crate) fn civil_from_days(days: i64) -> (i64, u32, u32) {
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

/// Writes a time as `2023-11-14T22:14:00.000Z`, with six decimal places if it is not whole milliseconds. Returns false, and
/// writes nothing, for years outside 0..=9999.
///
/// ```
/// use egret_core::calendar::write_timestamp;
/// let mut text = Vec::new();
/// assert!(write_timestamp(1_700_000_040_000_000, &mut text) && write_timestamp(-1, &mut text));
/// assert_eq!(text, b"2023-11-14T22:14:00.000Z1969-12-31T23:59:59.999999Z");
/// ```
pub fn write_timestamp(micros: i64, out: &mut Vec<u8>) -> bool {
    let Some(date) = date_text(micros.div_euclid(DAY)) else { return false };
    let of_day = micros.rem_euclid(DAY);
    let (seconds, fraction) = ((of_day / 1_000_000) as u32, (of_day % 1_000_000) as u32);
    let mut text = *b"0000-00-00T00:00:00.000000Z";
    text[..10].copy_from_slice(&date);
    put(&mut text[11..13], seconds / 3_600);
    put(&mut text[14..16], seconds / 60 % 60);
    put(&mut text[17..19], seconds % 60);
    if fraction % 1_000 == 0 {
        put(&mut text[20..23], fraction / 1_000);
        text[23] = b'Z';
        out.extend_from_slice(&text[..24]);
    } else {
        put(&mut text[20..26], fraction);
        out.extend_from_slice(&text);
    }
    true
}

/// Writes a date as `2023-11-14`. Returns false, and writes nothing, for years outside 0..=9999.
pub fn write_date(days: i32, out: &mut Vec<u8>) -> bool {
    let Some(text) = date_text(i64::from(days)) else { return false };
    out.extend_from_slice(&text);
    true
}

fn date_text(days: i64) -> Option<[u8; 10]> {
    let (year, month, day) = civil_from_days(days);
    let year = u32::try_from(year).ok().filter(|year| *year <= 9_999)?;
    let mut text = *b"0000-00-00";
    put(&mut text[0..4], year);
    put(&mut text[5..7], month);
    put(&mut text[8..10], day);
    Some(text)
}

/// Fills `slot` with the last decimal digits of a number.
fn put(slot: &mut [u8], mut number: u32) {
    for byte in slot.iter_mut().rev() {
        *byte = b'0' + (number % 10) as u8;
        number /= 10;
    }
}
