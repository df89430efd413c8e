//! Graphs, and lookups in them.

use super::support::{Change, Expected, Txn, check};

/// Cards 7 and 8 share a device before the stop; 9 joins them after it.
const FIRST: &[Txn] = &[(1, 7, 1.0, "a", 0), (2, 8, 2.0, "a", 10)];
const THEN: &[Txn] = &[(3, 9, 3.0, "a", 20), (4, 7, 4.0, "z", 30)];

const RING: &str = "CREATE GRAPH ring ON txn EDGE card TO device EXPIRE AFTER INTERVAL '1' HOUR COMPUTE components;
INSERT INTO out SELECT id, ring.size(card) AS size FROM txn;";

fn change(name: &'static str, after: &'static str, expected: Expected) -> Change {
    Change { name, before: RING, after, first: FIRST, then: THEN, may_drop: false, expected }
}

#[test]
fn a_graph_goes_on_where_its_edges_mean_the_same() {
    check(&[
        change("nothing", RING, Expected::Rows(&["id=1 size=1", "id=2 size=1", "id=3 size=1", "id=4 size=4"])),
        change(
            "how long new edges live: those there are keep their hour",
            "CREATE GRAPH ring ON txn EDGE card TO device EXPIRE AFTER INTERVAL '5' SECOND COMPUTE components;
             INSERT INTO out SELECT id, ring.size(card) AS size FROM txn;",
            Expected::Rows(&["id=1 size=1", "id=2 size=1", "id=3 size=1", "id=4 size=3"]),
        ),
        change(
            "what is asked, by statements in another order",
            "CREATE SINK more WITH (connector = 'memory');
             CREATE GRAPH ring ON txn EDGE card TO device EXPIRE AFTER INTERVAL '1' HOUR COMPUTE components;
             INSERT INTO more SELECT id, ring.component(card) AS first FROM txn;
             INSERT INTO out SELECT id, ring.size(card) AS size FROM txn;",
            Expected::Rows(&[
                "id=1 size=1",
                "id=2 size=1",
                "id=3 size=1",
                "id=4 size=4",
                "more id=3 first=null",
                "more id=4 first=7",
            ]),
        ),
        change(
            "a pattern of rows with answers, which looks at them in order",
            "CREATE SINK more WITH (connector = 'memory');
             CREATE GRAPH ring ON txn EDGE card TO device EXPIRE AFTER INTERVAL '1' HOUR COMPUTE components;
             CREATE STREAM v AS SELECT id, ring.size(card) AS size, at FROM txn;
             CREATE PATTERN p ON v MATCH a b DEFINE a AS size > 0, b AS size > 0 SELECT a.id AS a, b.id AS b;
             INSERT INTO more SELECT a, b FROM p;
             INSERT INTO out SELECT id, ring.size(card) AS size FROM txn;",
            Expected::Rows(&["id=1 size=1", "id=2 size=1", "id=3 size=1", "id=4 size=4", "more a=3 b=4"]),
        ),
        change(
            "the columns of its edges",
            "CREATE GRAPH ring ON txn EDGE id TO device EXPIRE AFTER INTERVAL '1' HOUR COMPUTE components;
             INSERT INTO out SELECT id, ring.size(id) AS size FROM txn;",
            Expected::Refused(&["'graph ring': edges was 'card Int64 to device Utf8' and is now 'id Int64 to device Utf8'"]),
        ),
        change(
            "its steps",
            "CREATE GRAPH ring ON txn EDGE card TO device EXPIRE AFTER INTERVAL '1' HOUR COMPUTE components
               VERSION EVERY INTERVAL '2' SECOND;
             INSERT INTO out SELECT id, ring.size(card) AS size FROM txn;",
            Expected::Refused(&["'graph ring': version step was '1000 ms' and is now '2000 ms'"]),
        ),
        change(
            "its name",
            "CREATE GRAPH web ON txn EDGE card TO device EXPIRE AFTER INTERVAL '1' HOUR COMPUTE components;
             INSERT INTO out SELECT id, web.size(card) AS size FROM txn;",
            Expected::Refused(&["'graph ring' is not in the job any more"]),
        ),
        change(
            "its name, with the id that it had",
            "CREATE GRAPH web ON txn EDGE card TO device EXPIRE AFTER INTERVAL '1' HOUR COMPUTE components WITH (uid = 'ring');
             INSERT INTO out SELECT id, web.size(card) AS size FROM txn;",
            Expected::Rows(&["id=1 size=1", "id=2 size=1", "id=3 size=1", "id=4 size=4"]),
        ),
    ]);
}

fn ring(edge: &str, expire: &str) -> &'static str {
    format!(
        "CREATE STREAM t AS SELECT CAST(id AS INT) AS id, card, device, at FROM txn;
         CREATE GRAPH ring ON t EDGE {edge} {expire} COMPUTE components;
         INSERT INTO out SELECT id, ring.size(card) AS size FROM t;"
    )
    .leak()
}

#[test]
fn what_edges_are_may_not_change_and_how_long_they_live_may() {
    let changed = |name, before, after, expected| Change { before, ..change(name, after, expected) };
    let refused = |name, before, after, said: &'static [&'static str]| changed(name, before, after, Expected::Refused(said));
    let plain = ring("card TO device", "");
    let (numbers, cast) = (ring("card TO id", ""), ring("card TO id", "").replace("CAST(id AS INT) AS id", "id").leak());
    check(&[
        changed(
            "an end, where there was none: edges that came before have none",
            plain,
            ring("card TO device", "EXPIRE AFTER INTERVAL '5' SECOND"),
            Expected::Rows(&["id=1 size=1", "id=2 size=1", "id=3 size=1", "id=4 size=3"]),
        ),
        // The edges of 0 s and 10 s expire at 5 s and 15 s, that of 20 s never does.
        Change {
            then: &[(3, 9, 3.0, "a", 20), (4, 9, 4.0, "z", 30)],
            ..changed(
                "no end any more",
                ring("card TO device", "EXPIRE AFTER INTERVAL '5' SECOND"),
                plain,
                Expected::Rows(&["id=1 size=1", "id=2 size=1", "id=3 size=1", "id=4 size=2"]),
            )
        },
        changed(
            "how its two kinds are called",
            plain,
            ring("card AS payer TO device AS place", ""),
            Expected::Rows(&["id=1 size=1", "id=2 size=1", "id=3 size=1", "id=4 size=4"]),
        ),
        refused(
            "two kinds that become one",
            numbers,
            ring("card AS one TO id AS one", ""),
            &["'graph ring': vertices was 'two kinds of vertices' and is now 'one kind of vertex'"],
        ),
        refused(
            "a type",
            numbers,
            cast,
            &["'graph ring': edges was 'card Int64 to id Int32' and is now 'card Int64 to id Int64'"],
        ),
        refused("its direction", plain, ring("device TO card", ""), &["'graph ring': edges was"]),
    ]);
}

#[test]
fn what_is_computed_may_not_change() {
    let changed = |name, before, after, expected| Change { before, ..change(name, after, expected) };
    let refused = |name, before, after, said: &'static [&'static str]| changed(name, before, after, Expected::Refused(said));
    let rows = Expected::Rows(&["id=1 n=0", "id=2 n=1", "id=3 n=2", "id=4 n=3"]);
    let of_a = |clauses: &str| -> &'static str {
        format!(
            "CREATE STREAM t AS SELECT id, card, device, amount > 3.5 AS gone, at FROM txn;
             CREATE GRAPH ring ON t EDGE card TO device {clauses};
             CREATE STREAM a AS SELECT id, 'a' AS device, at FROM txn;
             INSERT INTO out SELECT id, ring.degree(device) AS n FROM a;"
        )
        .leak()
    };
    check(&[
        changed("nothing", of_a("COMPUTE degrees"), of_a("COMPUTE degrees"), rows),
        changed(
            "nothing, of three algorithms and deletions",
            of_a("DELETE WHEN gone COMPUTE components, degrees, neighbourhood(hops => 2)"),
            of_a("DELETE WHEN gone COMPUTE components, degrees, neighbourhood(hops => 2, direction => 'both')"),
            Expected::Rows(&["id=1 n=0", "id=2 n=1", "id=3 n=2", "id=4 n=3"]),
        ),
        refused(
            "an algorithm more",
            of_a("COMPUTE degrees"),
            of_a("COMPUTE degrees, components"),
            &["'graph ring': computes was 'degrees' and is now 'degrees, components'"],
        ),
        refused(
            "an algorithm more than components",
            RING,
            "CREATE GRAPH ring ON txn EDGE card TO device EXPIRE AFTER INTERVAL '1' HOUR COMPUTE components, degrees;
             INSERT INTO out SELECT id, ring.size(card) AS size FROM txn;",
            &["'graph ring': computes was nothing and is now 'components, degrees'"],
        ),
        refused(
            "a setting",
            of_a("COMPUTE degrees, neighbourhood(hops => 2)"),
            of_a("COMPUTE degrees, neighbourhood(hops => 3)"),
            &["'graph ring': computes was 'degrees, neighbourhood(hops => 2, direction => 'both')'"],
        ),
        refused(
            "that rows may delete",
            of_a("COMPUTE degrees"),
            of_a("DELETE WHEN gone COMPUTE degrees"),
            &["'graph ring': deletions was nothing and is now 'rows may delete edges'"],
        ),
    ]);
}
