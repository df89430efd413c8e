//! Patterns that are added, removed, renamed and moved: each has its own state, under its own uid.

use super::support::{Change, Expected, Txn, check, pairs};

const FIRST: &[Txn] = &[(1, 7, 5.0, "x", 0), (2, 7, 8.0, "x", 10), (3, 7, 9.0, "x", 20)];
const THEN: &[Txn] = &[(4, 7, 70.0, "y", 30), (5, 7, 90.0, "x", 40), (6, 7, 4.0, "y", 50), (7, 7, 95.0, "y", 90)];

const P: &str = "CREATE PATTERN p ON txn PARTITION BY card MATCH a -> b DEFINE a AS amount < 10, b AS amount > 80
  WITHIN INTERVAL '1' MINUTE SELECT card, a.id AS a, b.id AS b;
INSERT INTO out SELECT card, a, b FROM p;";
const SAME: &str = "1-5 2-5 3-5 6-7";

/// Rows 1, 2, 3 and 6 begin a match of this pattern, and 7 completes all of them.
const Q: &str = "CREATE SINK more WITH (connector = 'memory');
CREATE PATTERN q ON txn PARTITION BY card MATCH c -> d DEFINE c AS amount < 10, d AS amount > 92 SELECT card, c.id AS c, d.id AS d;
INSERT INTO more SELECT c, d FROM q;";

fn change(name: &'static str, before: &'static str, after: &'static str, expected: Expected) -> Change {
    Change { name, before, after, first: FIRST, then: THEN, may_drop: false, expected }
}

fn both(first: &str, second: &str) -> &'static str {
    format!("{first}\n{second}").leak()
}

/// The matches of p, and these of q.
fn with_q(of_q: &'static [&'static str]) -> Expected {
    let Expected::Rows(of_p) = pairs(SAME) else { unreachable!("pairs are rows") };
    Expected::Rows([of_p, of_q].concat().leak())
}

const ALL_OF_Q: &[&str] = &["more c=1 d=7", "more c=2 d=7", "more c=3 d=7", "more c=6 d=7"];

#[test]
fn patterns_come_and_go_and_leave_the_state_of_others_alone() {
    check(&[
        // Rows before the stop, including the one that waits for p, are not for q.
        change("a second one", P, both(P, Q), with_q(&["more c=6 d=7"])),
        change("a second one in front", P, both(Q, P), with_q(&["more c=6 d=7"])),
        change("their order", both(P, Q), both(Q, P), with_q(ALL_OF_Q)),
        change("one is gone", both(P, Q), P, Expected::Refused(&["'pattern q' is not in the job", "'more' is not in the job"])),
        Change { may_drop: true, ..change("one is gone, and may be", both(P, Q), P, pairs(SAME)) },
        Change { may_drop: true, ..change("the first is gone", both(Q, P), P, pairs(SAME)) },
        change(
            "a second one, by another key",
            P,
            both(
                P,
                &Q.replace("PARTITION BY card MATCH", "PARTITION BY device MATCH").replace("SELECT card, c.id", "SELECT c.id"),
            ),
            with_q(&["more c=6 d=7"]),
        ),
        change(
            "a second one, of a view",
            P,
            both("CREATE STREAM cheap AS SELECT * FROM txn WHERE amount < 1000;", both(P, &Q.replace("ON txn", "ON cheap"))),
            with_q(&["more c=6 d=7"]),
        ),
    ]);
}

#[test]
fn a_pattern_is_known_by_its_uid() {
    let named = |name: &str, uid: &str| {
        let text = P.replace("PATTERN p", &format!("PATTERN {name}")).replace("FROM p", &format!("FROM {name}"));
        text.replace("AS b;\nINSERT", &format!("AS b WITH (uid = '{uid}');\nINSERT")).leak() as &'static str
    };
    let swapped = both(
        &P.replace("> 80", "> 92").replace("INTO out", "INTO more"),
        &Q.replace("> 92", "> 80").replace("INTO more", "INTO out"),
    );
    let swapped =
        swapped.replace("SELECT c, d", "SELECT 7 AS card, c AS a, d AS b").replace("SELECT card, a, b", "SELECT a AS c, b AS d");
    // The sinks stand before their first use.
    let swapped = format!(
        "CREATE SINK more WITH (connector = 'memory'); {}",
        swapped.replacen("CREATE SINK more WITH (connector = 'memory');", "", 1)
    );
    check(&[
        change("a name", P, named("r", "r"), Expected::Refused(&["'pattern p' is not in the job any more"])),
        Change { may_drop: true, ..change("a name, and all is forgotten", P, named("r", "r"), pairs("6-7")) },
        change("a name, with its uid", P, named("r", "p"), pairs(SAME)),
        change("a uid that is what the name was", P, named("p", "p"), pairs(SAME)),
        change("another uid", named("p", "one"), named("p", "two"), Expected::Refused(&["'pattern one' is not in the job"])),
        change(
            "one uid for two",
            P,
            both(P, &Q.replace("AS d;", "AS d WITH (uid = 'p');")),
            Expected::Refused(&["two statements have the id `p`"]),
        ),
        // p now looks for more than 92 within a minute, and q for more than 80: partial matches stay with the names.
        change(
            "two that swap their thresholds and their sinks",
            both(P, Q),
            swapped.leak(),
            Expected::Rows(&["card=7 a=1 b=5", "card=7 a=2 b=5", "card=7 a=3 b=5", "card=7 a=6 b=7", "more c=6 d=7"]),
        ),
    ]);
}

#[test]
fn comments_and_white_space_are_nothing() {
    check(&[
        change(
            "comments, white space and capitals",
            P,
            "-- cards that are tested
             create  pattern P /* of cards */ on TXN partition by card
               match a->b -- then
               define a as amount<10, b as /* much */ amount   > 80.0
               within interval '60' second select card, a . id as a, b.id as b;
             insert into out select card, a, b from p;",
            pairs(SAME),
        ),
        change(
            "the order of definitions",
            P,
            P.replace("a AS amount < 10, b AS amount > 80", "b AS amount > 80, a AS amount < 10").leak(),
            pairs(SAME),
        ),
        change(
            "statements above it",
            P,
            both(
                "CREATE STREAM cheap AS SELECT * FROM txn WHERE amount < 10; CREATE SINK more WITH (connector = 'memory'); INSERT INTO more SELECT id FROM cheap;",
                P,
            ),
            Expected::Rows(&["card=7 a=1 b=5", "card=7 a=2 b=5", "card=7 a=3 b=5", "card=7 a=6 b=7", "more id=6"]),
        ),
    ]);
}

/// Rows at 5 s and 15 s are late: the watermark is at 20.
#[test]
fn rows_that_are_late_are_so_on_both_sides_of_the_stop() {
    let text = "CREATE SINK more WITH (connector = 'memory');
      CREATE PATTERN p ON txn PARTITION BY card MATCH a -> b DEFINE a AS amount < 10, b AS amount > 80 SELECT card, a.id AS a, b.id AS b;
      INSERT INTO out SELECT card, a, b FROM p; INSERT INTO more SELECT id FROM p.late;";
    check(&[Change {
        first: &[(1, 7, 5.0, "x", 0), (2, 7, 8.0, "x", 20), (3, 7, 3.0, "x", 5)],
        then: &[(4, 7, 3.0, "x", 15), (5, 7, 90.0, "x", 40)],
        ..change(
            "a threshold",
            text,
            text.replace("< 10", "< 9").leak(),
            Expected::Rows(&["card=7 a=1 b=5", "card=7 a=2 b=5", "more id=3", "more id=4"]),
        )
    }]);
}
