//! The rule as plain loops: the current text judges a row for a window when the row arrives, and for a pattern when the watermark
//! has passed it.

use super::super::support::Txn;
use super::program::{Pattern, Program, Statement, What, Window};
use std::collections::BTreeMap;

#[derive(Default)]
pub(super) struct Oracle {
    windows: BTreeMap<String, Windows>,
    patterns: BTreeMap<String, Matcher>,
    /// The latest time of all rows, in seconds.
    watermark: Option<i64>,
}

/// The ids of the rows in open windows, by key and beginning.
type Windows = BTreeMap<(String, i64), Vec<i64>>;

#[derive(Default)]
struct Matcher {
    /// Rows that wait for the watermark.
    waiting: Vec<Txn>,
    /// By key, in order of their first events.
    open: BTreeMap<String, Vec<Partial>>,
}

struct Partial {
    taken: Vec<Txn>,
    is_complete: bool,
}

impl Partial {
    fn began(&self) -> i64 {
        self.taken[0].4
    }
}

fn key_of(key: &str, row: &Txn) -> String {
    if key == "card" { row.1.to_string() } else { row.3.to_owned() }
}

impl Oracle {
    /// What a text writes for these rows, sorted.
    pub(super) fn run(&mut self, program: &Program, rows: &[Txn], is_end: bool) -> Vec<String> {
        self.begin(program);
        let mut lines = Vec::new();
        for statement in &program.statements {
            let mut shown = Vec::new();
            match &statement.what {
                What::Filter(condition) => {
                    shown.extend(rows.iter().filter(|row| condition.holds(row)).map(|row| (row.0, row.1)));
                }
                What::Window(window) => self.windows(statement, window, rows, is_end, &mut shown),
                What::Pattern(pattern) => self.matches(statement, pattern, rows, is_end, &mut shown),
            }
            lines.extend(shown.iter().map(|(a, b)| format!("name={} a={a} b={b}", statement.name)));
        }
        self.watermark = self.watermark.max(rows.iter().map(|row| row.4).max());
        lines.sort();
        lines
    }

    /// Drops the state of removed statements; new ones have none.
    fn begin(&mut self, program: &Program) {
        let uids: Vec<&str> = program.statements.iter().map(Statement::uid).collect();
        self.windows.retain(|uid, _| uids.contains(&uid.as_str()));
        self.patterns.retain(|uid, _| uids.contains(&uid.as_str()));
    }

    fn windows(&mut self, statement: &Statement, window: &Window, rows: &[Txn], is_end: bool, shown: &mut Vec<(i64, i64)>) {
        let open = self.windows.entry(statement.uid().to_owned()).or_default();
        let mut watermark = self.watermark.unwrap_or(i64::MIN);
        for row in rows {
            let start = row.4 - row.4.rem_euclid(window.seconds);
            // A late row is left out of windows that have ended.
            if start + window.seconds > watermark && window.rows.holds(row) {
                open.entry((key_of(window.key, row), start)).or_default().push(row.0);
            }
            watermark = watermark.max(row.4);
        }
        open.retain(|(_, start), ids| {
            let is_over = is_end || start + window.seconds <= watermark;
            let value = match window.function {
                "count(*)" => ids.len() as i64,
                "sum(id)" => ids.iter().sum(),
                _ => ids.iter().copied().min().unwrap_or(0),
            };
            if is_over && value >= window.least {
                shown.push((value, ids.iter().copied().max().unwrap_or(0)));
            }
            !is_over
        });
    }

    fn matches(&mut self, statement: &Statement, pattern: &Pattern, rows: &[Txn], is_end: bool, shown: &mut Vec<(i64, i64)>) {
        let matcher = self.patterns.entry(statement.uid().to_owned()).or_default();
        let mut watermark = self.watermark.unwrap_or(i64::MIN);
        matcher.pass(pattern, watermark, shown);
        for row in rows {
            let is_late = row.4 < watermark;
            if !is_late && pattern.can_use(row) {
                matcher.waiting.push(*row);
            }
            watermark = watermark.max(row.4);
            matcher.pass(pattern, watermark, shown);
        }
        if is_end {
            matcher.pass(pattern, i64::MAX, shown);
        }
    }
}

impl Matcher {
    /// Processes the rows that the watermark passes.
    fn pass(&mut self, pattern: &Pattern, watermark: i64, shown: &mut Vec<(i64, i64)>) {
        let (passed, waiting) = std::mem::take(&mut self.waiting).into_iter().partition(|row: &Txn| row.4 < watermark);
        self.waiting = waiting;
        let passed: Vec<Txn> = passed;
        for row in &passed {
            let open = self.open.entry(key_of(pattern.key, row)).or_default();
            end_over(open, pattern, row.4);
            take(open, pattern, row);
            settle(open, pattern, shown);
        }
        // Partial matches that end at the watermark itself are not decided yet: a new text may still change the outcome.
        let decided = if watermark == i64::MAX { watermark } else { watermark.saturating_sub(1) };
        for open in self.open.values_mut() {
            end_over(open, pattern, decided);
            settle(open, pattern, shown);
        }
    }
}

/// Ends partial matches whose window has ended at a time; at the end of the input all end.
fn end_over(open: &mut Vec<Partial>, pattern: &Pattern, time: i64) {
    let end = |partial: &Partial| pattern.within.map_or(i64::MAX, |within| partial.began() + within);
    open.retain(|partial| partial.is_complete || time < end(partial));
}

fn take(open: &mut Vec<Partial>, pattern: &Pattern, row: &Txn) {
    open.retain_mut(|partial| {
        if partial.is_complete {
            return true;
        }
        let step = &pattern.steps[partial.taken.len()];
        if step.unless.is_some_and(|unless| unless.holds(row)) {
            return false;
        }
        let before = partial.taken[partial.taken.len() - 1].2;
        if step.condition.holds(row) && (!step.rises || row.2 > before) {
            partial.taken.push(*row);
            partial.is_complete = partial.taken.len() == pattern.steps.len();
        }
        true
    });
    if pattern.steps[0].condition.holds(row) {
        open.push(Partial { taken: vec![*row], is_complete: false });
    }
}

/// Shows complete matches, with SKIP PAST LAST EVENT only those that no earlier partial match can remove.
fn settle(open: &mut Vec<Partial>, pattern: &Pattern, shown: &mut Vec<(i64, i64)>) {
    let ids = |partial: &Partial| (partial.taken[0].0, partial.taken[partial.taken.len() - 1].0);
    if !pattern.skips {
        shown.extend(open.iter().filter(|partial| partial.is_complete).map(ids));
        open.retain(|partial| !partial.is_complete);
        return;
    }
    while let Some(first) = open.first().filter(|first| first.is_complete) {
        shown.push(ids(first));
        let end = first.taken[first.taken.len() - 1].4;
        open.retain(|partial| partial.began() > end);
    }
}
