//! The screen: looks at the event times of a source's rows before anything else does.
//!
//! A time outside the years 0001 to 9999 (or none) makes a row a bad row, and so does one that is further ahead of the latest before it
//! in its split than `max_ahead`: both depend on the split's rows alone. The first row of a split is believed.
//! Without `max_ahead` a row is only *said* to be far from the others, because after one from the future all others are late.

use arrow::array::{Array, ArrayRef};
use egret_core::batch::micros;
use egret_core::{BadRow, Clock, EventTime, Length};
use std::sync::Arc;

/// A day, in microseconds.
const DAY: i64 = 86_400_000_000;
/// A row further than this from the latest one before it is remarked upon. It is more than a year: a row a year is nothing unusual.
const FAR: i64 = 366 * DAY;

/// What a source's rows have to be like.
pub(crate) struct Screen {
    max_ahead_us: Option<i64>,
    /// The wall clock, of an input without an end: its rows are of today.
    wall: Option<Arc<dyn Clock>>,
}

/// A row whose time is far from those before it, or from today.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Far {
    pub(crate) row: usize,
    pub(crate) what: String,
}

/// What the screen found in a batch.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) bad: Vec<BadRow>,
    /// The first row that is far from the others.
    pub(crate) far: Option<Far>,
}

impl Screen {
    pub(crate) fn new(max_ahead_us: Option<i64>, wall: Option<Arc<dyn Clock>>) -> Self {
        Self { max_ahead_us, wall }
    }

    /// Looks at a batch. `latest` is the latest event time before it in its split, and `name` the column's.
    pub(crate) fn look(&self, column: &ArrayRef, name: &str, latest: EventTime) -> Seen {
        let times = micros(column);
        if latest != EventTime::MIN && column.null_count() == 0 && self.are_usual(times, latest) {
            return Seen::default();
        }
        self.look_at_each(column, times, name, latest)
    }

    /// Whether there is nothing to say of any of these times.
    fn are_usual(&self, times: &[i64], latest: EventTime) -> bool {
        let far = self.max_ahead_us.unwrap_or(FAR).min(FAR);
        let today = self.wall.as_ref().map_or(EventTime::LAST, |wall| now(wall).plus_us(DAY));
        let least = EventTime::FIRST.max(latest.minus_us(FAR)).0;
        let greatest = EventTime::LAST.min(latest.plus_us(far)).min(today).0;
        // The sign is set where a time lies outside, and two additions see several times at once where comparisons do not. Ends of
        // the range go over, and then the other difference has the sign.
        times.iter().fold(0, |outside, &time| outside | time.wrapping_sub(least) | greatest.wrapping_sub(time)) >= 0
    }

    fn look_at_each(&self, column: &ArrayRef, times: &[i64], name: &str, mut latest: EventTime) -> Seen {
        let now = self.wall.as_ref().map(now);
        let mut seen = Seen::default();
        for (row, &time) in times.iter().enumerate() {
            let time = EventTime(time);
            if let Some((value, reason)) = self.fault(column.is_null(row), time, latest) {
                seen.bad.push(BadRow { row, column: name.to_owned(), value, reason });
                continue;
            }
            if seen.far.is_none() {
                seen.far = far(time, latest, now).map(|what| Far { row, what });
            }
            latest = latest.max(time);
        }
        seen
    }

    /// The value and what is wrong with it.
    fn fault(&self, is_null: bool, time: EventTime, latest: EventTime) -> Option<(String, String)> {
        if is_null {
            return Some(("null".to_owned(), "a row has no event time".to_owned()));
        }
        if !(EventTime::FIRST..=EventTime::LAST).contains(&time) {
            let value = format!("{} since 1970", Length(time.0));
            return Some((value, "event times are those of the years 0001 to 9999".to_owned()));
        }
        let max_ahead_us = self.max_ahead_us.filter(|_| latest != EventTime::MIN)?;
        let ahead_us = time.0.saturating_sub(latest.0);
        (ahead_us > max_ahead_us).then(|| {
            let (by, most) = (span(ahead_us), span(max_ahead_us));
            (time.to_string(), format!("it is {by} ahead of the latest row before it ({latest}), and max_ahead is {most}"))
        })
    }
}

/// The time on the wall.
fn now(wall: &Arc<dyn Clock>) -> EventTime {
    EventTime::from_millis(wall.now_ms())
}

/// Why a time is remarkable, compared with the latest one before it and with today.
fn far(time: EventTime, latest: EventTime, now: Option<EventTime>) -> Option<String> {
    let ahead_us = time.0.saturating_sub(latest.0);
    if latest != EventTime::MIN && ahead_us > FAR {
        return Some(format!("{time} is {} ahead of the latest row before it ({latest})", span(ahead_us)));
    }
    if latest != EventTime::MIN && ahead_us < -FAR {
        return Some(format!("{time} is {} behind the latest row before it ({latest})", span(-ahead_us)));
    }
    let ahead_us = time.0.saturating_sub(now?.0);
    (ahead_us > DAY).then(|| format!("{time} is {} ahead of the clock", span(ahead_us)))
}

/// A length of time for people to read: `3652 days`, `90 s`.
pub(crate) fn span(us: i64) -> String {
    match us {
        DAY.. => match us / DAY {
            1 => "1 day".to_owned(),
            days => format!("{days} days"),
        },
        3_600_000_000.. => format!("{} h", us / 3_600_000_000),
        60_000_000.. => format!("{} min", us / 60_000_000),
        1_000_000.. => format!("{} s", us / 1_000_000),
        _ => Length(us).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::TimestampMicrosecondArray;
    use egret_core::ManualClock;

    fn column(times: &[Option<i64>]) -> ArrayRef {
        Arc::new(TimestampMicrosecondArray::from(times.to_vec()))
    }

    fn bad(screen: &Screen, times: &[i64], latest: EventTime) -> Vec<usize> {
        let times: Vec<Option<i64>> = times.iter().map(|time| Some(*time)).collect();
        screen.look(&column(&times), "at", latest).bad.iter().map(|bad| bad.row).collect()
    }

    #[test]
    fn times_outside_the_years_0001_to_9999_are_bad() {
        let screen = Screen::new(None, None);
        let (first, last) = (EventTime::FIRST.0, EventTime::LAST.0);
        assert_eq!((EventTime::FIRST.to_string(), EventTime::LAST.to_string()), {
            ("0001-01-01 00:00:00.000".to_owned(), "9999-12-31 23:59:59.999999".to_owned())
        });
        let times = [first, first - 1, last, last + 1, i64::MIN, 0, i64::MAX, i64::MAX - 1];
        for latest in [EventTime::MIN, EventTime(0), EventTime::LAST] {
            assert_eq!(bad(&screen, &times, latest), [1, 3, 4, 6, 7], "behind {latest}");
            for (row, &time) in times.iter().enumerate() {
                assert_eq!(!bad(&screen, &[time], latest).is_empty(), [1, 3, 4, 6, 7].contains(&row), "{time} behind {latest}");
            }
        }
        let seen = screen.look(&column(&[Some(1), None]), "at", EventTime(0));
        assert_eq!(seen.bad.iter().map(|bad| (bad.row, bad.value.as_str())).collect::<Vec<_>>(), [(1, "null")]);
    }

    #[test]
    fn a_row_too_far_ahead_is_bad_however_rows_are_cut() {
        let screen = Screen::new(Some(100), None);
        let times = [50, 140, 241, 240, 341, 340, 1_000];
        for cut in 1..=times.len() {
            let (mut latest, mut all) = (EventTime::MIN, Vec::new());
            for (chunk, times) in times.chunks(cut).enumerate() {
                let rows = bad(&screen, times, latest);
                let good = times.iter().enumerate().filter(|(row, _)| !rows.contains(row)).map(|(_, time)| *time);
                latest = good.max().map_or(latest, |time| latest.max(EventTime(time)));
                all.extend(rows.iter().map(|row| chunk * cut + row));
            }
            assert_eq!(all, [2, 4, 6], "{cut} at a time");
        }
    }

    #[test]
    fn without_a_bound_the_first_row_that_is_far_away_is_named() {
        let far = |screen: &Screen, times: &[i64], latest| {
            let times: Vec<Option<i64>> = times.iter().map(|time| Some(*time)).collect();
            screen.look(&column(&times), "at", latest).far.map(|far| (far.row, far.what))
        };
        let replay = Screen::new(None, None);
        assert_eq!(far(&replay, &[0, FAR, 2 * FAR], EventTime(0)), None);
        let (row, what) = far(&replay, &[0, FAR, 2 * FAR + 1], EventTime(0)).expect("it is far");
        assert_eq!(
            (row, what.as_str()),
            (2, "1972-01-03 00:00:00.000001 is 366 days ahead of the latest row before it (1971-01-02 00:00:00.000)")
        );
        assert_eq!(far(&replay, &[0, -FAR, -FAR - 1], EventTime(0)).map(|(row, _)| row), Some(2));
        assert_eq!(far(&replay, &[FAR * 9, FAR * 9], EventTime::MIN), None, "the first row is believed");
        let clock = ManualClock::default();
        clock.set_ms(50 * DAY / 1_000);
        let live = Screen::new(None, Some(Arc::new(clock)));
        assert_eq!(far(&live, &[50 * DAY, 51 * DAY], EventTime::MIN), None);
        let (row, what) = far(&live, &[50 * DAY, 53 * DAY], EventTime::MIN).expect("it is far");
        assert_eq!((row, what.as_str()), (1, "1970-02-23 00:00:00.000 is 3 days ahead of the clock"));
    }
}
