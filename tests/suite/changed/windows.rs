//! Windows.

use super::support::{Change, Expected, Txn, check};

/// Two rows of the minute from 0 on; after the stop one more of that minute, and one of the next.
const FIRST: &[Txn] = &[(1, 7, 10.0, "a", 0), (2, 7, 20.0, "a", 10)];
const THEN: &[Txn] = &[(3, 7, 5.0, "a", 20), (4, 7, 1.0, "a", 70)];

const SUM: &str = "CREATE STREAM sums AS SELECT card, window_start, sum(amount) AS total
  FROM TUMBLE(txn, INTERVAL '1' MINUTE) GROUP BY card, window_start;
INSERT INTO out SELECT card, total FROM sums;";

fn change(name: &'static str, before: &'static str, after: &'static str, expected: Expected) -> Change {
    Change { name, before, after, first: FIRST, then: THEN, may_drop: false, expected }
}

#[test]
fn a_window_that_means_something_else_is_refused() {
    let refused = |name, after, said: &'static [&'static str]| change(name, SUM, after, Expected::Refused(said));
    check(&[
        refused(
            "another aggregate",
            "CREATE STREAM sums AS SELECT card, window_start, max(amount) AS total
               FROM TUMBLE(txn, INTERVAL '1' MINUTE) GROUP BY card, window_start;
             INSERT INTO out SELECT card, total FROM sums;",
            &["'sums: window': aggregate max(amount) was nothing"],
        ),
        refused(
            "an aggregate of another kind",
            "CREATE STREAM sums AS SELECT card, window_start, median(amount) AS total
               FROM TUMBLE(txn, INTERVAL '1' MINUTE) GROUP BY card, window_start;
             INSERT INTO out SELECT card, total FROM sums;",
            &["'sums: window': aggregate median(amount) was nothing"],
        ),
        refused(
            "another size",
            "CREATE STREAM sums AS SELECT card, window_start, sum(amount) AS total
               FROM TUMBLE(txn, INTERVAL '5' MINUTE) GROUP BY card, window_start;
             INSERT INTO out SELECT card, total FROM sums;",
            &["'sums: window': windows was 'tumbling windows of 60000 ms' and is now 'tumbling windows of 300000 ms'"],
        ),
        refused(
            "another key",
            "CREATE STREAM sums AS SELECT device, window_start, sum(amount) AS total
               FROM TUMBLE(txn, INTERVAL '1' MINUTE) GROUP BY device, window_start;
             INSERT INTO out SELECT device, total FROM sums;",
            &["'sums: window': key was 'card Int64' and is now 'device Utf8'"],
        ),
        refused(
            "another name",
            "CREATE STREAM totals AS SELECT card, window_start, sum(amount) AS total
               FROM TUMBLE(txn, INTERVAL '1' MINUTE) GROUP BY card, window_start;
             INSERT INTO out SELECT card, total FROM totals;",
            &["'sums: window' is not in the job any more", "--allow-dropped-state"],
        ),
        refused(
            "a type",
            "CREATE STREAM whole AS SELECT card, CAST(amount AS BIGINT) AS amount, at FROM txn;
             CREATE STREAM sums AS SELECT card, window_start, sum(amount) AS total
               FROM TUMBLE(whole, INTERVAL '1' MINUTE) GROUP BY card, window_start;
             INSERT INTO out SELECT card, CAST(total AS DOUBLE) AS total FROM sums;",
            &["'sums: window': aggregate sum(amount) was"],
        ),
        refused(
            "no window at all",
            "INSERT INTO out SELECT card, amount AS total FROM txn;",
            &["'sums: window' is not in the job"],
        ),
    ]);
}

#[test]
fn a_window_that_means_the_same_goes_on() {
    let goes_on = |name, after, rows: &'static [&'static str]| change(name, SUM, after, Expected::Rows(rows));
    const SAME: &[&str] = &["card=7 total=1.0", "card=7 total=35.0"];
    check(&[
        goes_on("nothing", SUM, SAME),
        goes_on(
            "comments and white space",
            "-- sums of a minute
             create stream SUMS as select card, window_start, /* euros */ sum(amount)  as total
               from tumble(txn, interval '1' minute) group by card, window_start;
             INSERT INTO out SELECT card, total FROM sums;",
            SAME,
        ),
        goes_on(
            "its place",
            "CREATE STREAM counts AS SELECT card, window_start, count(*) AS n
               FROM TUMBLE(txn, INTERVAL '1' MINUTE) GROUP BY card, window_start;
             CREATE SINK more WITH (connector = 'memory');
             INSERT INTO more SELECT card, n FROM counts;
             CREATE STREAM sums AS SELECT card, window_start, sum(amount) AS total
               FROM TUMBLE(txn, INTERVAL '1' MINUTE) GROUP BY card, window_start;
             INSERT INTO out SELECT card, total FROM sums;",
            &["card=7 total=1.0", "card=7 total=35.0", "more card=7 n=1", "more card=7 n=1"],
        ),
        goes_on(
            "a condition on the rows",
            "CREATE STREAM sums AS SELECT card, window_start, sum(amount) AS total
               FROM TUMBLE(txn, INTERVAL '1' MINUTE) WHERE amount < 5 GROUP BY card, window_start;
             INSERT INTO out SELECT card, total FROM sums;",
            &["card=7 total=1.0", "card=7 total=30.0"],
        ),
        goes_on(
            "what is computed of the aggregate",
            "CREATE STREAM sums AS SELECT card, window_start, sum(amount) * 2 AS total
               FROM TUMBLE(txn, INTERVAL '1' MINUTE) GROUP BY card, window_start HAVING sum(amount) > 2;
             INSERT INTO out SELECT card, total FROM sums;",
            &["card=7 total=70.0"],
        ),
    ]);
}

#[test]
fn aggregates_are_known_by_what_they_are() {
    const BOTH: &str =
        "CREATE STREAM sums WITH (uid = 'sums of cards') AS SELECT card, window_start, sum(amount) AS a, max(id) AS b
      FROM TUMBLE(txn, INTERVAL '1' MINUTE) GROUP BY card, window_start;
    INSERT INTO out SELECT card, a, b FROM sums;";
    check(&[
        change(
            "their order",
            BOTH,
            "CREATE STREAM sums WITH (uid = 'sums of cards') AS SELECT card, window_start, max(id) AS b, sum(amount) AS a
               FROM TUMBLE(txn, INTERVAL '1' MINUTE) GROUP BY card, window_start;
             INSERT INTO out SELECT card, a, b FROM sums;",
            Expected::Rows(&["card=7 a=1.0 b=4", "card=7 a=35.0 b=3"]),
        ),
        change(
            "one is gone, and the name is another",
            BOTH,
            "CREATE STREAM largest WITH (uid = 'sums of cards') AS SELECT card, window_start, max(id) AS b
               FROM TUMBLE(txn, INTERVAL '1' MINUTE) GROUP BY card, window_start;
             INSERT INTO out SELECT card, 0.0 AS a, b FROM largest;",
            Expected::Rows(&["card=7 a=0.0 b=3", "card=7 a=0.0 b=4"]),
        ),
        change(
            "one more",
            BOTH,
            "CREATE STREAM sums WITH (uid = 'sums of cards') AS
               SELECT card, window_start, sum(amount) AS a, max(id) AS b, min(id) AS c
               FROM TUMBLE(txn, INTERVAL '1' MINUTE) GROUP BY card, window_start;
             INSERT INTO out SELECT card, a, b + c AS b FROM sums;",
            Expected::Refused(&["'sums of cards: window': aggregate min(id) was nothing"]),
        ),
    ]);
}

#[test]
fn sessions_and_sliding_windows_are_known_by_their_gaps_and_slides() {
    const SESSION: &str = "CREATE STREAM s AS SELECT card, count(*) AS n FROM SESSION(txn, INTERVAL '30' SECOND) GROUP BY card;
      INSERT INTO out SELECT card, n FROM s;";
    const HOP: &str = "CREATE STREAM s AS SELECT card, window_start, count(*) AS n
      FROM HOP(txn, INTERVAL '30' SECOND, INTERVAL '1' MINUTE) GROUP BY card, window_start;
      INSERT INTO out SELECT card, n FROM s;";
    check(&[
        change("the same session", SESSION, SESSION, Expected::Rows(&["card=7 n=1", "card=7 n=3"])),
        change(
            "a gap",
            SESSION,
            "CREATE STREAM s AS SELECT card, count(*) AS n FROM SESSION(txn, INTERVAL '60' SECOND) GROUP BY card;
             INSERT INTO out SELECT card, n FROM s;",
            Expected::Refused(&["'s: window': windows was 'sessions with a gap of 30000 ms'"]),
        ),
        change("the same hops", HOP, HOP, Expected::Rows(&["card=7 n=1", "card=7 n=1", "card=7 n=3", "card=7 n=3"])),
        change(
            "a slide",
            HOP,
            "CREATE STREAM s AS SELECT card, window_start, count(*) AS n
               FROM HOP(txn, INTERVAL '20' SECOND, INTERVAL '1' MINUTE) GROUP BY card, window_start;
             INSERT INTO out SELECT card, n FROM s;",
            Expected::Refused(&["'s: window': windows was 'sliding windows of 60000 ms every 30000 ms'"]),
        ),
    ]);
}

#[test]
fn types_of_keys_and_of_what_is_aggregated_are_part_of_a_window() {
    let typed = |key: &str, number: &str| {
        format!(
            "CREATE STREAM t AS SELECT CAST(card AS {key}) AS card, CAST(id AS {number}) AS id, at FROM txn;
             CREATE STREAM sums AS SELECT card, window_start, sum(id) AS total
               FROM TUMBLE(t, INTERVAL '1' MINUTE) GROUP BY card, window_start;
             INSERT INTO out SELECT CAST(card AS BIGINT) AS card, CAST(total AS DOUBLE) AS total FROM sums;"
        )
        .leak() as &'static str
    };
    let changed = |name, after, expected| change(name, typed("INT", "INT"), after, expected);
    check(&[
        changed("nothing", typed("INT", "INT"), Expected::Rows(&["card=7 total=4.0", "card=7 total=6.0"])),
        changed(
            "the key's",
            typed("BIGINT", "INT"),
            Expected::Refused(&["'sums: window': key was 'card Int32' and is now 'card Int64'"]),
        ),
        // Sums of INT are sums of BIGINT.
        changed("to a wider one", typed("INT", "BIGINT"), Expected::Rows(&["card=7 total=4.0", "card=7 total=6.0"])),
        changed("to DOUBLE", typed("INT", "DOUBLE"), Expected::Refused(&["'sums: window': aggregate sum(id) was"])),
    ]);
}

#[test]
fn two_windows_that_swap_their_names_or_places() {
    let window = |name: &str, what: &str, size: u32| {
        format!(
            "CREATE STREAM {name} AS SELECT card, window_start, {what} AS n
               FROM TUMBLE(txn, INTERVAL '{size}' MINUTE) GROUP BY card, window_start;
             INSERT INTO out SELECT card, n FROM {name};\n"
        )
    };
    let (a, b) = (window("a", "count(*)", 1), window("b", "max(id) * 100", 2));
    let before: &str = format!("{a}{b}").leak();
    check(&[
        // The minutes of a have three rows and one, those of b both have 4 as greatest id.
        change("their places", before, format!("{b}{a}").leak(), Expected::Rows(&["card=7 n=1", "card=7 n=3", "card=7 n=400"])),
        change(
            "their names",
            before,
            format!("{}{}", window("b", "count(*)", 1), window("a", "max(id) * 100", 2)).leak(),
            Expected::Refused(&["'a: window': windows was", "'b: window': windows was"]),
        ),
        change(
            "a filter of one aggregate",
            before,
            format!("{}{b}", window("a", "count(*) FILTER (WHERE amount > 5)", 1)).leak(),
            Expected::Refused(&["'a: window': aggregate count(1) FILTER (WHERE amount >"]),
        ),
    ]);
}

/// A new reader that depends on order needs the places of results, which were not kept before.
#[test]
fn a_window_whose_results_are_read_in_order_from_now_on_goes_on() {
    const TUMBLE: &str = "CREATE STREAM sums AS SELECT card, sum(amount) AS total, window_time
      FROM TUMBLE(txn, INTERVAL '1' MINUTE) GROUP BY card; INSERT INTO out SELECT card, total FROM sums;";
    const SESSION: &str = "CREATE STREAM sums AS SELECT card, sum(amount) AS total, window_time
      FROM SESSION(txn, INTERVAL '30' SECOND) GROUP BY card; INSERT INTO out SELECT card, total FROM sums;";
    let read = |before: &str| -> &'static str {
        let reader = "CREATE PATTERN pairs ON sums PARTITION BY card MATCH a b SELECT card, a.total AS a, b.total AS b;
          CREATE SINK more WITH (connector = 'memory'); INSERT INTO more SELECT card, a, b FROM pairs;";
        format!("{before}{reader}").leak()
    };
    const SAME: Expected = Expected::Rows(&["card=7 total=1.0", "card=7 total=35.0"]);
    const MORE: Expected = Expected::Rows(&["card=7 total=1.0", "card=7 total=35.0", "more card=7 a=35.0 b=1.0"]);
    let less = |name, before, after| Change { may_drop: true, ..change(name, before, after, SAME) };
    check(&[
        change("tumbling, read", TUMBLE, read(TUMBLE), MORE),
        change("sessions, read", SESSION, read(SESSION), MORE),
        less("tumbling, not read any more", read(TUMBLE), TUMBLE),
        less("sessions, not read any more", read(SESSION), SESSION),
        change("sessions, still read", read(SESSION), read(SESSION), MORE),
    ]);
}
