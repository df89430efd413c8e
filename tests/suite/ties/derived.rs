//! A row that is derived from others has the place of the last of them.

use super::support::{How, Row, lines, random_rows};
use super::{Case, DEFINED, PAIR, ROW_PAIR, by_key, check, pairs, texts};
use egret_testkit::Random;

/// Pairs of consecutive rows.
const SIDE_BY_SIDE: &str =
    "MATCH x y DEFINE x AS e >= 0, y AS e >= 0 SELECT x.e AS x, y.e AS y; INSERT INTO out SELECT x, y FROM q;";

fn side_by_side(ids: &[i64]) -> Vec<String> {
    ids.windows(2).map(|pair| format!("x={} y={}", pair[0], pair[1])).collect()
}

#[test]
fn matches_are_in_the_order_of_their_last_events() {
    let rows = |measures: &str, more: &str| {
        format!(
            "CREATE STREAM p AS SELECT e, match_time FROM t MATCH_RECOGNIZE
               (PARTITION BY key ORDER BY at MEASURES {measures} {ROW_PAIR} {more} {DEFINED});
             CREATE PATTERN q ON p {SIDE_BY_SIDE}"
        )
    };
    let case = Case {
        name: "patterns over patterns",
        texts: vec![
            format!("CREATE PATTERN p ON t {PAIR} SELECT e.id AS e; CREATE PATTERN q ON p {SIDE_BY_SIDE}"),
            format!("CREATE PATTERN p ON t {PAIR} SELECT e.v AS v, s.id AS s, e.id AS e; CREATE PATTERN q ON p {SIDE_BY_SIDE}"),
            format!(
                "CREATE PATTERN p ON t {PAIR} SELECT s.id AS s, s.kind AS k, e.id AS e;
                 CREATE STREAM w AS SELECT 5 - s AS a, e, match_time FROM p WHERE e >= 0; CREATE PATTERN q ON w {SIDE_BY_SIDE}"
            ),
            rows("e.id AS e", ""),
            rows("s.v AS v, e.id AS e", "SUBSET u = (s, e)"),
            format!(
                "INSERT INTO out SELECT x, y FROM t
                   MATCH_RECOGNIZE (PARTITION BY key ORDER BY at MEASURES e.id AS e {ROW_PAIR} {DEFINED})
                   MATCH_RECOGNIZE (ORDER BY match_time MEASURES x.e AS x, y.e AS y AFTER MATCH SKIP TO NEXT ROW PATTERN (x y));"
            ),
        ],
        expected: |rows| {
            let mut ends: Vec<Row> = pairs(rows).into_iter().map(|(_, end)| end).collect();
            ends.sort();
            side_by_side(&ends.iter().map(|end| end.id).collect::<Vec<_>>())
        },
    };
    check(&case);
}

#[test]
fn of_matches_with_one_last_row_the_one_comes_first_that_begins_first() {
    let rows = |measures: &str, more: &str| {
        format!(
            "CREATE STREAM p AS SELECT s * 100 + e AS e, match_time FROM t MATCH_RECOGNIZE (PARTITION BY key ORDER BY at MEASURES {measures}
               AFTER MATCH SKIP TO NEXT ROW PATTERN (s x*? e) {more} {DEFINED});
             CREATE PATTERN q ON p {SIDE_BY_SIDE}"
        )
    };
    let case = Case {
        name: "matches of one row",
        texts: vec![
            rows("s.id AS s, e.id AS e", ""),
            rows("e.v AS v, e.id AS e, s.id AS s", ""),
            rows("s.id AS s, e.id AS e", "SUBSET u = (s, e)"),
        ],
        expected: |rows| {
            let mut found: Vec<(Row, Row)> = Vec::new();
            for rows in by_key(rows) {
                for (place, start) in rows.iter().enumerate().filter(|(_, row)| row.kind == "a") {
                    let end = rows[place + 1..].iter().find(|row| row.kind == "b");
                    found.extend(end.map(|end| (end.clone(), start.clone())));
                }
            }
            // The place of a first row is its split and its position, whatever its time.
            found.sort_by_key(|(end, start)| (end.clone(), start.split, start.number));
            side_by_side(&found.iter().map(|(end, start)| start.id * 100 + end.id).collect::<Vec<_>>())
        },
    };
    check(&case);
}

#[test]
fn windows_are_in_the_order_of_their_last_rows() {
    let over = |select: &str| {
        format!(
            "CREATE STREAM w AS SELECT {select} FROM TUMBLE(t, at, INTERVAL '2' SECOND) GROUP BY key;
             CREATE PATTERN q ON w {SIDE_BY_SIDE}"
        )
    };
    let case = Case {
        name: "patterns over windows",
        texts: vec![
            over("last_value(id) AS e, window_time"),
            over("count(*) AS n, 5 - sum(v) AS s, last_value(id) AS e, window_time"),
            over("window_time, key, last_value(id) AS e"),
        ],
        expected: |rows| {
            let mut last: Vec<(i64, Row)> = Vec::new();
            for rows in by_key(rows) {
                let windows = rows.chunk_by(|one, other| one.second / 2 == other.second / 2);
                last.extend(windows.map(|window| (window[0].second / 2, window[window.len() - 1].clone())));
            }
            // The rows have different times and the windows have one time, so the place decides.
            last.sort_by_key(|(window, row)| (*window, row.split, row.number));
            side_by_side(&last.iter().map(|(_, row)| row.id).collect::<Vec<_>>())
        },
    };
    check(&case);
}

/// Checks that these texts write the same, whatever it is.
fn agree(texts: &[String]) {
    let mut found = 0;
    for seed in 0..4 {
        let mut random = Random::new(seed);
        let rows = random_rows(&mut random, 1 + seed as usize % 3, 3);
        let expected = lines(&texts[0], &rows, How::PLAIN);
        found += expected.len();
        for text in texts {
            for how in [How::PLAIN, How::random(&mut random), How::random(&mut random)] {
                assert_eq!(lines(text, &rows, How { row_patterns: false, ..how }), expected, "seed {seed}, {how:?}:\n{text}");
            }
        }
    }
    assert!(found > 40, "{found} lines say little");
}

#[test]
fn matches_with_one_last_event_have_an_order_that_is_not_what_is_selected() {
    let many = |select: &str| {
        format!(
            "CREATE PATTERN p ON t PARTITION BY key MATCH s ->> m ->> e DEFINE s AS kind = 'a', m AS kind = 'c', e AS kind = 'b'
               WITHIN INTERVAL '4' SECOND SELECT {select};
             CREATE PATTERN q ON p {SIDE_BY_SIDE}"
        )
    };
    let all = "(s.id * 100 + m.id) * 100 + e.id AS e";
    agree(&[
        many(all),
        many(&format!("s.v AS v, {all}")),
        many(&format!("e.at AS at, {all}, e.id AS f")),
        many(&format!("5 - s.v AS v, {all}")),
    ]);
}

#[test]
fn what_timed_out_has_an_order_that_is_not_what_is_selected() {
    let timed_out = |select: &str| {
        format!(
            "CREATE PATTERN p ON t PARTITION BY key MATCH s -> m DEFINE s AS kind = 'a', m AS kind = 'x'
               WITHIN INTERVAL '2' SECOND SELECT {select};
             CREATE STREAM w AS SELECT e, match_time FROM p.timed_out; CREATE PATTERN q ON w {SIDE_BY_SIDE}"
        )
    };
    agree(&texts(&[
        &timed_out("s.id AS e"),
        &timed_out("5 - s.v AS v, s.id AS e"),
        &timed_out("s.kind AS k, s.id AS e, s.at AS at"),
    ]));
}
