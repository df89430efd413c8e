//! Streams without event time: rows count in the order they arrive, windows follow the wall clock.

use crate::chained::chained;
use egret_cep::{CompiledPattern, Pattern, measures};
use egret_core::job::Partitioning;
use egret_core::{KeyColumns, MAIN};
use egret_testkit::{Harness, Table, show, table};
use std::time::Duration;

fn doors() -> Table {
    table("card:int kind:text id:int\n 7 in 1")
}

fn harness(pattern: Pattern, columns: &[(&str, &str)]) -> Harness {
    let pattern = pattern.within(Duration::from_millis(10));
    let compiled = CompiledPattern::compile(&pattern, &doors().schema, vec![0], vec![], measures(columns).unwrap()).unwrap();
    Harness::new(chained(&compiled), vec![Partitioning::Hash(KeyColumns::new(vec![0]))], 1).unwrap()
}

/// Moves the clock, feeds rows, and shows the ids of the matches so far.
fn feed(harness: &mut Harness, now_ms: i64, rows: &str) -> String {
    harness.processing_time(now_ms).unwrap();
    harness.feed(0, doors().with(rows)).unwrap();
    let shown = show(&harness.take(MAIN));
    shown.lines().skip(1).collect::<Vec<_>>().join("; ")
}

#[test]
fn rows_match_as_they_come_while_the_window_lasts() {
    let pattern = Pattern::begin("in").filter("kind = 'in'").followed_by("out").filter("kind = 'out'");
    let mut harness = harness(pattern, &[("first", "in.id"), ("second", "out.id")]);
    assert_eq!(feed(&mut harness, 0, "7 in 1\n 8 in 2"), "");
    assert_eq!(feed(&mut harness, 9, "7 out 3"), "1     3");
    assert_eq!(feed(&mut harness, 10, "8 out 4"), "", "the window has ended");
    assert_eq!(feed(&mut harness, 11, "7 out 6\n 7 in 5\n 7 out 4"), "5     4", "ids do not order rows, arrival does");
}

#[test]
fn the_clock_proves_an_absence() {
    let pattern = Pattern::begin("in").filter("kind = 'in'").not_followed_by("out").filter("kind = 'out'");
    let mut harness = harness(pattern, &[("first", "in.id"), ("card", "card")]);
    assert_eq!(feed(&mut harness, 0, "7 in 1\n 8 in 2"), "");
    assert_eq!(feed(&mut harness, 5, "7 out 3\n 7 in 4"), "");
    assert_eq!(feed(&mut harness, 9, ""), "");
    let snapshot = harness.snapshot().unwrap();
    harness.restore(&snapshot, 2).unwrap();
    assert_eq!(feed(&mut harness, 10, ""), "2     8", "a restored timer fires");
    assert_eq!(feed(&mut harness, 15, ""), "4     7");
}
