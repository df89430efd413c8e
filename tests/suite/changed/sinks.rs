//! Sinks and subqueries.

use super::support::{Change, Expected, Txn, check};

const FIRST: &[Txn] = &[(1, 7, 10.0, "a", 0), (2, 8, 20.0, "b", 10)];
const THEN: &[Txn] = &[(3, 7, 5.0, "a", 20), (4, 8, 1.0, "b", 70)];

fn change(name: &'static str, before: &'static str, after: &'static str, expected: Expected) -> Change {
    Change { name, before, after, first: FIRST, then: THEN, may_drop: false, expected }
}

#[test]
fn a_sink_is_known_by_its_uid_and_has_its_columns() {
    const PLAIN: &str = "INSERT INTO out SELECT id, amount FROM txn;";
    let counts = |sink: &str, options: &str| {
        format!(
            "CREATE SINK {sink} WITH (connector = 'memory'{options});
             INSERT INTO {sink} SELECT card, count(*) AS n FROM TUMBLE(txn, INTERVAL '1' MINUTE) GROUP BY card, window_start;
             INSERT INTO out SELECT id FROM txn WHERE id > 100;"
        )
        .leak() as &'static str
    };
    let renamed = Expected::Rows(&["others card=7 n=2", "others card=8 n=1", "others card=8 n=1"]);
    // State from before the stop is dropped.
    let anew = Expected::Rows(&["others card=7 n=1", "others card=8 n=1"]);
    let refused = Expected::Refused(&["'insert into more: select card, count", "'more' is not in the job"]);
    let columns = |name, after| change(name, PLAIN, after, Expected::Refused(&["'out': columns was 'id Int64, amount Float64'"]));
    check(&[
        columns("the order of its columns", "INSERT INTO out SELECT amount, id FROM txn;"),
        columns("a column's name", "INSERT INTO out SELECT id, amount AS euros FROM txn;"),
        columns("a column's type", "INSERT INTO out SELECT id, CAST(amount AS BIGINT) AS amount FROM txn;"),
        columns("one column more", "INSERT INTO out SELECT id, amount, device FROM txn;"),
        change(
            "what its columns are made of",
            PLAIN,
            "INSERT INTO out SELECT card AS id, amount * 2 AS amount FROM txn;",
            Expected::Rows(&["id=1 amount=10.0", "id=2 amount=20.0", "id=7 amount=10.0", "id=8 amount=2.0"]),
        ),
        change(
            "its name, and all is kept under its uid",
            counts("more", ", uid = 'm'"),
            counts("others", ", uid = 'm'"),
            renamed,
        ),
        change("its name", counts("more", ""), counts("others", ""), refused),
        Change { may_drop: true, ..change("its name, and state may be dropped", counts("more", ""), counts("others", ""), anew) },
    ]);
}

#[test]
fn a_query_in_brackets_keeps_its_state_while_it_says_the_same() {
    let busy = |inner: &str, alias: &str, outer: &str| {
        format!(
            "CREATE STREAM busy AS SELECT card, n FROM
               (SELECT card, count(*) AS n FROM TUMBLE(txn, INTERVAL '1' MINUTE) {inner} GROUP BY card, window_start) AS {alias}
               WHERE {outer};
             INSERT INTO out SELECT card, n FROM busy;"
        )
        .leak() as &'static str
    };
    let plain = busy("", "c", "n > 0");
    check(&[
        change("nothing", plain, plain, Expected::Rows(&["card=7 n=2", "card=8 n=1", "card=8 n=1"])),
        change("what is around it", plain, busy("", "c", "n > 1"), Expected::Rows(&["card=7 n=2"])),
        change("its alias", plain, busy("", "d", "d.n > 0"), Expected::Rows(&["card=7 n=2", "card=8 n=1", "card=8 n=1"])),
        change(
            "what it says",
            plain,
            busy("WHERE amount > 2", "c", "n > 0"),
            Expected::Refused(&["'busy: window of (select card, count", "is not in the job any more"]),
        ),
    ]);
}

#[test]
fn unions_of_what_has_no_state_may_change_and_others_keep_their_branches() {
    const PLAIN: &str = "CREATE STREAM both AS SELECT id FROM txn WHERE amount > 15 UNION ALL SELECT id FROM txn WHERE card = 7;
      INSERT INTO out SELECT id FROM both;";
    const COUNTS: &str = "CREATE STREAM both AS
      SELECT card, count(*) AS n FROM TUMBLE(txn, INTERVAL '1' MINUTE) WHERE card = 7 GROUP BY card, window_start
      UNION ALL SELECT card, id AS n FROM txn WHERE card = 8;
    INSERT INTO out SELECT card, n FROM both;";
    check(&[
        change(
            "a branch without state",
            PLAIN,
            "CREATE STREAM both AS SELECT id FROM txn WHERE card = 7
               UNION ALL SELECT id FROM txn WHERE card = 8 UNION ALL SELECT id + 10 AS id FROM txn;
             INSERT INTO out SELECT id FROM both;",
            Expected::Rows(&["id=1", "id=13", "id=14", "id=2", "id=3", "id=4"]),
        ),
        // Of card 7 there are two rows; the ids of card 8 are selected, after the stop times ten.
        change(
            "the other branch",
            COUNTS,
            COUNTS.replace("id AS n", "id * 10 AS n").leak(),
            Expected::Rows(&["card=7 n=2", "card=8 n=2", "card=8 n=40"]),
        ),
        change(
            "the branch with state",
            COUNTS,
            COUNTS.replace("WHERE card = 7", "WHERE card <= 7").leak(),
            Expected::Refused(&["'both: window of (select card, count", "is not in the job any more"]),
        ),
        change(
            "no union any more: it is the statement's only query then",
            COUNTS,
            "CREATE STREAM both AS
               SELECT card, count(*) AS n FROM TUMBLE(txn, INTERVAL '1' MINUTE) WHERE card = 7 GROUP BY card, window_start;
             INSERT INTO out SELECT card, n FROM both;",
            Expected::Refused(&["'both: window of (select card, count"]),
        ),
    ]);
}
