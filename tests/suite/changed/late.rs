//! Late rows: all earlier rows decide whether a row is late, including those before the stop.

use super::support::{Change, Expected, check};

#[test]
fn late_rows_are_counted_in_windows_that_were_open_for_them() {
    let sums = |condition: &str| {
        format!(
            "CREATE STREAM sums AS SELECT card, window_start, sum(amount) AS total FROM TUMBLE(txn, INTERVAL '1' MINUTE)
               {condition} GROUP BY card, window_start;
             INSERT INTO out SELECT card, total FROM sums;"
        )
        .leak() as &'static str
    };
    let change = |name, after, rows| Change {
        name,
        before: sums(""),
        after,
        // The watermark is at 70: the first minute has ended, the second has not.
        first: &[(1, 7, 10.0, "a", 0), (2, 7, 20.0, "a", 70), (3, 7, 5.0, "a", 30), (4, 7, 7.0, "a", 65)],
        then: &[(5, 7, 1.0, "a", 66), (6, 7, 2.0, "a", 50), (7, 7, 4.0, "a", 130)],
        may_drop: false,
        expected: Expected::Rows(rows),
    };
    check(&[
        change("nothing", sums(""), &["card=7 total=10.0", "card=7 total=28.0", "card=7 total=4.0"]),
        change("a condition", sums("WHERE amount > 3"), &["card=7 total=10.0", "card=7 total=27.0", "card=7 total=4.0"]),
    ]);
}

/// The fourth row is late: at the stop its edge waits in the graph, to be added at the watermark it was behind.
#[test]
fn late_edges_that_are_held_at_the_stop_come_in() {
    let ring = |expire: &str| {
        format!(
            "CREATE GRAPH ring ON txn EDGE card TO device {expire} COMPUTE components;
             INSERT INTO out SELECT id, ring.size(card) AS size FROM txn;"
        )
        .leak() as &'static str
    };
    let change = |name, after| Change {
        name,
        before: ring(""),
        after,
        first: &[(1, 7, 1.0, "a", 0), (2, 8, 2.0, "a", 10), (3, 9, 3.0, "z", 20), (4, 7, 4.0, "b", 5)],
        then: &[(5, 7, 5.0, "q", 30)],
        may_drop: false,
        // Row 4 reads the graph as of 20 s: 7, 8 and a. Row 5 reads it as of 30 s: with b.
        expected: Expected::Rows(&["id=1 size=1", "id=2 size=1", "id=3 size=1", "id=4 size=3", "id=5 size=4"]),
    };
    check(&[
        change("nothing", ring("")),
        change("how long edges live: those that came before keep what they were given", ring("EXPIRE AFTER INTERVAL '1' SECOND")),
    ]);
}

/// Labels arrive after a minute. Those of both rows before the stop are pending at the stop, and are learned unchanged.
#[test]
fn labels_that_wait_at_the_stop_are_learned() {
    let risk = |rate: &str, delay: u32| {
        format!(
            "CREATE STREAM t AS SELECT id, card = 1 AS fraud, device, at FROM txn;
             CREATE MODEL risk ON t FEATURES device LABEL fraud DELAYED BY INTERVAL '{delay}' SECOND
               USING logistic_regression(learning_rate => {rate});
             INSERT INTO out SELECT id, risk(t) > 0.5 AS risky, risk(t) = 0.5 AS unknown FROM t;"
        )
        .leak() as &'static str
    };
    let change = |name, after| Change {
        name,
        before: risk("0.5", 60),
        after,
        first: &[(1, 1, 1.0, "a", 0), (2, 0, 1.0, "b", 19), (3, 0, 1.0, "b", 20)],
        then: &[(4, 1, 1.0, "a", 40), (5, 1, 1.0, "a", 70), (6, 1, 1.0, "b", 90)],
        may_drop: false,
        // At 40 s nothing is known; at 70 s that a is fraud; at 90 s that b, seen twice, is not.
        expected: Expected::Rows(&[
            "id=1 risky=false unknown=true",
            "id=2 risky=false unknown=true",
            "id=3 risky=false unknown=true",
            "id=4 risky=false unknown=true",
            "id=5 risky=true unknown=false",
            "id=6 risky=false unknown=false",
        ]),
    };
    check(&[
        change("nothing", risk("0.5", 60)),
        change("the rate", risk("0.6", 60)),
        change("a longer delay: those that wait keep theirs", risk("0.5", 3_600)),
    ]);
}
