//! The slow and obvious twin of windows: a loop over rows.

use egret_testkit::Random;
use std::collections::{BTreeMap, BTreeSet};

/// The unit of the tests' times and lengths, in microseconds: some are whole milliseconds and others are not.
pub(crate) const UNIT: i64 = 100;

/// The start of the millisecond that a time lies in.
pub(crate) fn whole_millis(at: i64) -> i64 {
    at - at.rem_euclid(1_000)
}

/// A row of the test's stream.
#[derive(Clone, Debug, PartialEq, PartialOrd)]
pub(crate) struct Row {
    pub(crate) card: Option<i64>,
    pub(crate) country: Option<String>,
    pub(crate) amount: Option<f64>,
    pub(crate) at: i64,
}

/// A row with the watermark it was behind, if it is late, and the watermark after it.
pub(crate) type Timed = (Row, Option<i64>, i64);

/// Random rows, mostly ascending in time, about `step` units apart.
pub(crate) fn random_rows(seed: u64, rows: usize, step: i64) -> Vec<Row> {
    let mut random = Random::new(seed);
    let mut row = |index: i64| Row {
        card: (!random.chance(10)).then(|| random.between(0, 5)),
        country: (!random.chance(10)).then(|| ["FR", "NZ", "DE", ""][random.below(4)].to_owned()),
        amount: (!random.chance(15)).then(|| random.between(-400, 4_000) as f64 / 4.0),
        at: (index * step - 200 + random.between(-60, 5)) * UNIT + random.between(0, 2 * UNIT).min(UNIT - 1),
    };
    (0..rows as i64).map(&mut row).collect()
}

/// Decides row by row which rows are late.
pub(crate) fn timed(rows: &[Row], delay: i64) -> Vec<Timed> {
    let mut latest = i64::MIN;
    rows.iter()
        .map(|row| {
            let watermark = latest.saturating_sub(delay);
            let late = (latest != i64::MIN && row.at < watermark).then_some(watermark);
            latest = latest.max(row.at);
            (row.clone(), late, latest - delay)
        })
        .collect()
}

/// A result: key, start, end, the rows of the window, and for an update the watermark that it is late behind.
pub(crate) type Result = (String, i64, i64, Vec<Row>, Option<i64>);

/// The output of windows: results, and rows that came too late.
#[derive(Default)]
pub(crate) struct Expected {
    pub(crate) results: Vec<Result>,
    pub(crate) late: Vec<(Row, i64)>,
}

/// Tumbling and sliding windows: tests every row against every window.
pub(crate) fn sliding(rows: &[Timed], key: impl Fn(&Row) -> String, size: i64, slide: i64, lateness: i64) -> Expected {
    let mut members: BTreeMap<(String, i64), Vec<(Row, i64)>> = BTreeMap::new();
    let mut expected = Expected::default();
    for (row, late, _) in rows {
        let last = row.at - row.at.rem_euclid(slide);
        let starts: Vec<i64> = (0..).map(|back| last - back * slide).take_while(|start| *start > row.at - size).collect();
        let behind = late.unwrap_or(i64::MIN);
        let taken: Vec<i64> =
            starts.iter().copied().filter(|start| behind < (start + size).max(start + size + lateness)).collect();
        if taken.is_empty() && !starts.is_empty() {
            expected.late.push((row.clone(), behind));
        }
        for start in taken {
            members.entry((key(row), start)).or_default().push((row.clone(), behind));
        }
    }
    for ((key, start), members) in members {
        let end = start + size;
        let updates: BTreeSet<i64> = members.iter().map(|(_, behind)| *behind).filter(|behind| *behind >= end).collect();
        let within =
            |last: i64| members.iter().filter(|(_, behind)| *behind <= last).map(|(row, _)| row.clone()).collect::<Vec<Row>>();
        let first = within(end - 1);
        if !first.is_empty() {
            expected.results.push((key.clone(), start, end, first, None));
        }
        for update in updates {
            expected.results.push((key.clone(), start, end, within(update), Some(update)));
        }
    }
    expected
}

/// One session while it lasts.
struct Session {
    key: String,
    rows: Vec<Row>,
    fired: bool,
}

impl Session {
    fn first(&self) -> i64 {
        self.rows.iter().map(|row| row.at).min().expect("a session has rows")
    }

    fn last(&self) -> i64 {
        self.rows.iter().map(|row| row.at).max().expect("a session has rows")
    }
}

/// Sessions: row by row, with the watermark after each.
pub(crate) fn sessions(rows: &[Timed], key: impl Fn(&Row) -> String, gap: i64, lateness: i64) -> Expected {
    let mut expected = Expected::default();
    let mut open: Vec<Session> = Vec::new();
    let mut waiting: Vec<(Row, i64)> = Vec::new();
    let end = rows.iter().map(|(_, _, watermark)| *watermark).chain([i64::MAX]);
    for (row, watermark) in rows.iter().map(Some).chain([None]).zip(end) {
        match row {
            Some((row, Some(late), _)) => waiting.push((row.clone(), *late)),
            Some((row, None, _)) => join(&mut open, key(row), row.clone(), gap, false),
            None => {}
        }
        let behind: Vec<i64> =
            waiting.iter().map(|(_, late)| *late).filter(|late| *late < watermark).collect::<BTreeSet<_>>().into_iter().collect();
        for at in behind {
            fire(&mut open, at, gap, lateness, &mut expected);
            let mut due: Vec<Row> = waiting.iter().filter(|(_, late)| *late == at).map(|(row, _)| row.clone()).collect();
            waiting.retain(|(_, late)| *late != at);
            due.sort_by(|a, b| b.partial_cmp(a).expect("no NaN").then_with(|| a.at.cmp(&b.at)));
            due.sort_by_key(|row| -row.at);
            late_rows(&mut open, due, at, &key, gap, lateness, &mut expected);
        }
        fire(&mut open, watermark, gap, lateness, &mut expected);
    }
    expected
}

fn near(session: &Session, key: &str, at: i64, gap: i64) -> bool {
    session.key == key && session.rows.iter().any(|row| (row.at - at).abs() < gap)
}

/// Merges a row with all sessions that it touches.
fn join(open: &mut Vec<Session>, key: String, row: Row, gap: i64, fired: bool) {
    let (touched, rest): (Vec<Session>, Vec<Session>) =
        std::mem::take(open).into_iter().partition(|session| near(session, &key, row.at, gap));
    *open = rest;
    let rows = touched.into_iter().flat_map(|session| session.rows).chain([row]).collect();
    open.push(Session { key, rows, fired });
}

fn fire(open: &mut Vec<Session>, watermark: i64, gap: i64, lateness: i64, expected: &mut Expected) {
    for session in open.iter_mut().filter(|session| !session.fired && session.last() + gap <= watermark) {
        session.fired = true;
        expected.results.push((session.key.clone(), session.first(), session.last() + gap, session.rows.clone(), None));
    }
    open.retain(|session| !session.fired || session.last() + gap + lateness > watermark);
}

fn late_rows(
    open: &mut Vec<Session>,
    rows: Vec<Row>,
    at: i64,
    key: &impl Fn(&Row) -> String,
    gap: i64,
    lateness: i64,
    expected: &mut Expected,
) {
    let mut updated: BTreeSet<String> = BTreeSet::new();
    let touched_rows: Vec<Row> = rows.clone();
    for row in rows {
        let last = open.iter().filter(|session| near(session, &key(&row), row.at, gap)).map(Session::last).fold(row.at, i64::max);
        if last + gap + lateness <= at {
            expected.late.push((row, at));
            continue;
        }
        updated.insert(key(&row));
        join(open, key(&row), row, gap, last + gap <= at);
    }
    for session in open.iter().filter(|session| session.fired && updated.contains(&session.key)) {
        if session.rows.iter().any(|row| touched_rows.contains(row)) {
            expected.results.push((session.key.clone(), session.first(), session.last() + gap, session.rows.clone(), Some(at)));
        }
    }
}

/// Count windows: rows on time in order of time, ties broken by content.
pub(crate) fn counts(rows: &[Timed], key: impl Fn(&Row) -> String, size: usize) -> Expected {
    let mut expected = Expected::default();
    let mut on_time: Vec<Row> = Vec::new();
    for (row, late, _) in rows {
        match late {
            Some(late) => expected.late.push((row.clone(), *late)),
            None => on_time.push(row.clone()),
        }
    }
    on_time.sort_by(|a, b| a.at.cmp(&b.at).then_with(|| a.partial_cmp(b).expect("no NaN")));
    let mut by_key: BTreeMap<String, Vec<Row>> = BTreeMap::new();
    on_time.into_iter().for_each(|row| by_key.entry(key(&row)).or_default().push(row));
    for (key, rows) in by_key {
        for window in rows.chunks_exact(size) {
            expected.results.push((key.clone(), window[0].at, whole_millis(window[size - 1].at) + 1_000, window.to_vec(), None));
        }
    }
    expected
}
