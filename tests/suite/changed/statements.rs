//! Statements that are added, removed, renamed and reordered.

use super::support::{Change, Expected, Txn, check};

const FIRST: &[Txn] = &[(1, 7, 10.0, "a", 0), (2, 8, 20.0, "b", 10)];
const THEN: &[Txn] = &[(3, 7, 5.0, "a", 20), (4, 8, 1.0, "b", 70)];

fn change(name: &'static str, before: &'static str, after: &'static str, expected: Expected) -> Change {
    Change { name, before, after, first: FIRST, then: THEN, may_drop: false, expected }
}

#[test]
fn views_without_state_may_change_as_they_like() {
    const VIEW: &str =
        "CREATE STREAM small AS SELECT id, amount FROM txn WHERE amount < 15; INSERT INTO out SELECT id FROM small;";
    check(&[
        change(
            "a column's name",
            VIEW,
            "CREATE STREAM small AS SELECT id AS number, amount FROM txn WHERE amount < 15;
             INSERT INTO out SELECT number AS id FROM small;",
            Expected::Rows(&["id=1", "id=3", "id=4"]),
        ),
        change(
            "the view's name, and a column that was not read before",
            VIEW,
            "CREATE STREAM few AS SELECT id, device FROM txn WHERE amount < 15 AND device = 'b'; INSERT INTO out SELECT id FROM few;",
            Expected::Rows(&["id=1", "id=4"]),
        ),
        change("no view at all", VIEW, "INSERT INTO out SELECT id FROM txn;", Expected::Rows(&["id=1", "id=3", "id=4"])),
        change(
            "the columns of the sink",
            VIEW,
            "INSERT INTO out SELECT id, amount FROM txn;",
            Expected::Refused(&["'out': columns was 'id Int64' and is now 'id Int64, amount Float64'"]),
        ),
    ]);
}

#[test]
fn an_insert_is_known_by_its_query() {
    const INSERT: &str =
        "INSERT INTO out SELECT card, count(*) AS n FROM TUMBLE(txn, INTERVAL '1' MINUTE) GROUP BY card, window_start;";
    const NAMED: &str = "INSERT INTO out WITH (uid = 'counts')
      SELECT card, count(*) AS n FROM TUMBLE(txn, INTERVAL '1' MINUTE) GROUP BY card, window_start;";
    check(&[
        change(
            "white space and comments",
            INSERT,
            "INSERT INTO out -- a minute's\n select card, count( * ) as N from TUMBLE (txn, interval '1' minute) group by card, window_start;",
            Expected::Rows(&["card=7 n=2", "card=8 n=1", "card=8 n=1"]),
        ),
        change(
            "the query",
            INSERT,
            "INSERT INTO out SELECT card, count(*) AS n FROM TUMBLE(txn, INTERVAL '1' MINUTE) WHERE amount > 2 GROUP BY card, window_start;",
            Expected::Refused(&["insert into out: select card, count", "is not in the job any more", "uid"]),
        ),
        change(
            "the query, of one with a uid",
            NAMED,
            "INSERT INTO out WITH (uid = 'counts')
               SELECT card, count(*) AS n FROM TUMBLE(txn, INTERVAL '1' MINUTE) WHERE amount > 2 GROUP BY card, window_start;",
            Expected::Rows(&["card=7 n=2", "card=8 n=1"]),
        ),
        change(
            "one that is alike",
            INSERT,
            "INSERT INTO out SELECT card, count(*) AS n FROM TUMBLE(txn, INTERVAL '1' MINUTE) GROUP BY card, window_start;
             INSERT INTO out SELECT card, count(*) AS n FROM TUMBLE(txn, INTERVAL '1' MINUTE) GROUP BY card, window_start;",
            Expected::Refused(&["both keep their state as", "WITH (uid = '...')"]),
        ),
        change(
            "two that are alike, to two sinks",
            INSERT,
            "CREATE SINK more WITH (connector = 'memory');
             INSERT INTO more SELECT card, count(*) AS n FROM TUMBLE(txn, INTERVAL '1' MINUTE) GROUP BY card, window_start;
             INSERT INTO out SELECT card, count(*) AS n FROM TUMBLE(txn, INTERVAL '1' MINUTE) GROUP BY card, window_start;",
            Expected::Rows(&["card=7 n=2", "card=8 n=1", "card=8 n=1", "more card=7 n=1", "more card=8 n=1"]),
        ),
    ]);
}

#[test]
fn branches_of_a_union_keep_their_state_apart() {
    const UNION: &str = "CREATE STREAM both AS
      SELECT card, count(*) AS n FROM TUMBLE(txn, INTERVAL '1' MINUTE) WHERE card = 7 GROUP BY card, window_start
      UNION ALL SELECT card, count(*) AS n FROM TUMBLE(txn, INTERVAL '1' MINUTE) WHERE card = 8 GROUP BY card, window_start;
    INSERT INTO out SELECT card, n FROM both;";
    check(&[change(
        "their order",
        UNION,
        "CREATE STREAM both AS
           SELECT card, count(*) AS n FROM TUMBLE(txn, INTERVAL '1' MINUTE) WHERE card = 8 GROUP BY card, window_start
           UNION ALL SELECT card, count(*) AS n FROM TUMBLE(txn, INTERVAL '1' MINUTE) WHERE card = 7 GROUP BY card, window_start;
         INSERT INTO out SELECT card, n FROM both;",
        Expected::Rows(&["card=7 n=2", "card=8 n=1", "card=8 n=1"]),
    )]);
}

#[test]
fn state_that_nobody_wants_is_dropped_if_that_is_allowed() {
    const TWO: &str = "CREATE SINK more WITH (connector = 'memory');
      CREATE STREAM counts AS SELECT card, window_start, count(*) AS n FROM TUMBLE(txn, INTERVAL '1' MINUTE) GROUP BY card, window_start;
      INSERT INTO more SELECT card, n FROM counts; INSERT INTO out SELECT id FROM txn;";
    const ONE: &str = "INSERT INTO out SELECT id FROM txn;";
    check(&[
        change("a window and a sink", TWO, ONE, Expected::Refused(&["'counts: window' is not", "'more' is not"])),
        Change {
            may_drop: true,
            ..change("a window and a sink, dropped", TWO, ONE, Expected::Rows(&["id=1", "id=2", "id=3", "id=4"]))
        },
    ]);
}
