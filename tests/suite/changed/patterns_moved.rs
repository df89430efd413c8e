//! Patterns that run together with different patterns before and after the change.

use super::support::{Change, Expected, Txn, check};

/// The first event of card 7 is open at the stop.
const FIRST: &[Txn] = &[(1, 7, 10.0, "a", 0), (2, 8, 1.0, "b", 10)];
const THEN: &[Txn] = &[(3, 7, 90.0, "a", 20), (4, 8, 1.0, "b", 70)];

const ALONE: &str = "CREATE PATTERN p ON txn PARTITION BY card MATCH a -> b DEFINE a AS amount = 10, b AS amount > 50
  WITHIN INTERVAL '1' MINUTE SELECT a.id AS a, b.id AS b;
INSERT INTO out SELECT a, b FROM p;";

fn change(name: &'static str, after: &'static str, expected: Expected) -> Change {
    Change { name, before: ALONE, after, first: FIRST, then: THEN, may_drop: false, expected }
}

#[test]
fn a_pattern_keeps_its_state_wherever_it_runs() {
    check(&[
        change("nothing", ALONE, Expected::Rows(&["a=1 b=3"])),
        change(
            "another pattern stands before it and runs with it",
            "CREATE SINK more WITH (connector = 'memory');
             CREATE PATTERN q ON txn PARTITION BY card MATCH c DEFINE c AS amount > 80 SELECT c.id AS c;
             CREATE PATTERN p ON txn PARTITION BY card MATCH a -> b DEFINE a AS amount = 10, b AS amount > 50
               WITHIN INTERVAL '1' MINUTE SELECT a.id AS a, b.id AS b;
             INSERT INTO more SELECT c FROM q; INSERT INTO out SELECT a, b FROM p;",
            Expected::Rows(&["a=1 b=3", "more c=3"]),
        ),
        change(
            "it asks a graph, and so reads other rows than before",
            "CREATE GRAPH ring ON txn EDGE card TO device COMPUTE components;
             CREATE PATTERN p ON txn PARTITION BY card MATCH a -> b
               DEFINE a AS amount = 10, b AS amount > 50 AND ring.size(card) > 0
               WITHIN INTERVAL '1' MINUTE SELECT a.id AS a, b.id AS b;
             INSERT INTO out SELECT a, b FROM p;",
            Expected::Rows(&["a=1 b=3"]),
        ),
        change(
            "its name",
            "CREATE PATTERN other ON txn PARTITION BY card MATCH a -> b DEFINE a AS amount = 10, b AS amount > 50
               WITHIN INTERVAL '1' MINUTE SELECT a.id AS a, b.id AS b;
             INSERT INTO out SELECT a, b FROM other;",
            Expected::Refused(&["'pattern p' is not in the job any more"]),
        ),
        change(
            "its name, with the id that it had",
            "CREATE PATTERN other ON txn PARTITION BY card MATCH a -> b DEFINE a AS amount = 10, b AS amount > 50
               WITHIN INTERVAL '1' MINUTE SELECT a.id AS a, b.id AS b WITH (uid = 'p');
             INSERT INTO out SELECT a, b FROM other;",
            Expected::Rows(&["a=1 b=3"]),
        ),
    ]);
}
