//! Rows of one event time are in the order of their splits and of their positions in them, whatever a statement selects, for all
//! batching and any number of workers, and wherever the job stops and resumes.

mod derived;
mod elsewhere;
mod support;

use egret_testkit::Random;
use support::{How, Row, lines, random_rows};

/// Texts that must all write the same, and the expected output by plain loops.
struct Case {
    name: &'static str,
    texts: Vec<String>,
    expected: fn(&[Row]) -> Vec<String>,
}

fn texts(of: &[&str]) -> Vec<String> {
    of.iter().map(|text| (*text).to_owned()).collect()
}

/// Runs all texts in several ways. Returns the number of lines written.
fn check(case: &Case) -> usize {
    let mut found = 0;
    for seed in 0..4 {
        let mut random = Random::new(seed);
        let rows = random_rows(&mut random, 1 + seed as usize % 3, 3);
        let mut expected = (case.expected)(&rows);
        expected.sort();
        found += expected.len();
        for text in &case.texts {
            for how in [How::PLAIN, How::random(&mut random), How::random(&mut random)] {
                assert_eq!(lines(text, &rows, how), expected, "{}, seed {seed}, {how:?}:\n{text}", case.name);
            }
        }
    }
    assert!(found > 40, "{}: {found} lines say little", case.name);
    found
}

/// The rows in order, by key.
fn by_key(rows: &[Row]) -> Vec<Vec<Row>> {
    let mut rows = rows.to_vec();
    rows.sort();
    (0..3).map(|key| rows.iter().filter(|row| row.key == key).cloned().collect()).collect()
}

/// Rows of kind a that are directly followed by a row of kind b.
fn pairs(rows: &[Row]) -> Vec<(Row, Row)> {
    let of_key = |rows: Vec<Row>| -> Vec<(Row, Row)> { rows.windows(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect() };
    by_key(rows).into_iter().flat_map(of_key).filter(|(one, other)| (one.kind, other.kind) == ("a", "b")).collect()
}

const PAIR: &str = "PARTITION BY key MATCH s e DEFINE s AS kind = 'a', e AS kind = 'b'";
const ROW_PAIR: &str = "AFTER MATCH SKIP TO NEXT ROW PATTERN (s e)";
const DEFINED: &str = "DEFINE s AS kind = 'a', e AS kind = 'b'";

#[test]
fn what_is_selected_changes_no_match() {
    let out = "INSERT INTO out SELECT s, e FROM p;";
    let on_view = |select: &str| {
        format!(
            "CREATE STREAM w AS SELECT {select} FROM t WHERE v >= 0; CREATE PATTERN p ON w {PAIR} SELECT s.id AS s, e.id AS e; {out}"
        )
    };
    let rows = |measures: &str, subset: &str| {
        format!(
            "INSERT INTO out SELECT s, e FROM t MATCH_RECOGNIZE
               (PARTITION BY key ORDER BY at MEASURES {measures} {ROW_PAIR} {subset} {DEFINED});"
        )
    };
    let case = Case {
        name: "pairs",
        texts: vec![
            format!("CREATE PATTERN p ON t {PAIR} SELECT s.id AS s, e.id AS e; {out}"),
            format!("CREATE PATTERN p ON t {PAIR} SELECT s.kind AS k, s.v AS v, e.id AS e, s.id AS s, e.at AS at; {out}"),
            format!("CREATE PATTERN p ON t {PAIR} AND kind <> s.kind SELECT s.id AS s, e.id AS e; {out}"),
            on_view("kind, key, id, at"),
            on_view("v, at, id, 5 - v AS u, kind, key"),
            rows("s.id AS s, e.id AS e", ""),
            rows("s.id AS s, e.id AS e, s.v AS v, s.kind AS k", ""),
            rows("s.id AS s, e.id AS e", "SUBSET u = (s, e)"),
        ],
        expected: |rows| pairs(rows).iter().map(|(s, e)| format!("s={} e={}", s.id, e.id)).collect(),
    };
    check(&case);
}

#[test]
fn columns_of_order_by_come_first() {
    let case = Case {
        name: "ordered pairs",
        texts: vec![
            format!(
                "CREATE PATTERN p ON t PARTITION BY key ORDER BY v MATCH s e {DEFINED} SELECT s.id AS s, e.id AS e;
                 INSERT INTO out SELECT s, e FROM p;"
            ),
            format!(
                "INSERT INTO out SELECT s, e FROM t MATCH_RECOGNIZE
                   (PARTITION BY key ORDER BY at, v MEASURES s.id AS s, e.id AS e {ROW_PAIR} {DEFINED});"
            ),
        ],
        expected: |rows| {
            let ordered = |mut rows: Vec<Row>| {
                rows.sort_by_key(|row| (row.second, row.v));
                let pairs = rows.windows(2).filter(|pair| (pair[0].kind, pair[1].kind) == ("a", "b"));
                pairs.map(|pair| format!("s={} e={}", pair[0].id, pair[1].id)).collect::<Vec<_>>()
            };
            by_key(rows).into_iter().flat_map(ordered).collect()
        },
    };
    check(&case);
}

#[test]
fn two_rows_of_one_time_match_in_the_order_in_which_they_stand() {
    let row = |number, kind| Row { second: 1, split: 0, number, id: number as i64, key: 0, kind, v: 3 - number as i64, ms: 0 };
    let patterns =
        ["s e|s.at AS at0", "s e|s.at AS at0, s.kind AS k", "s e|s.at AS at0, s.id AS id", "s e|s.at AS at0, s.v AS v"];
    let defined = "DEFINE s AS kind = 'a', e AS kind = 'b'";
    let mut texts: Vec<(String, usize)> = Vec::new();
    for pattern in patterns {
        let (matching, select) = pattern.split_once('|').unwrap();
        texts.push((
            format!("CREATE PATTERN p ON t MATCH {matching} {defined} SELECT {select}; INSERT INTO out SELECT at0 FROM p;"),
            1,
        ));
    }
    texts.push((
        format!("CREATE PATTERN p ON t MATCH e -> s {defined} SELECT s.at AS at0; INSERT INTO out SELECT at0 FROM p;"),
        0,
    ));
    for (clause, found) in [
        ("MEASURES s.at AS at0 PATTERN (s e)", 1),
        ("MEASURES s.at AS at0, s.kind AS k PATTERN (s e)", 1),
        ("MEASURES LAST(s.at) AS at0 PATTERN (s+ e)", 1),
        ("MEASURES LAST(s.at) AS at0, LAST(s.kind) AS k PATTERN (s+ e)", 1),
        ("MEASURES s.at AS at0 ALL ROWS PER MATCH PATTERN (s e)", 2),
        ("MEASURES s.at AS at0 PATTERN (s e) SUBSET u = (s, e)", 1),
    ] {
        texts.push((format!("INSERT INTO out SELECT at0 FROM t MATCH_RECOGNIZE (ORDER BY at {clause} {defined});"), found));
    }
    for (text, found) in texts {
        for how in [How::PLAIN, How { batch_rows: 1, row_patterns: true, ..How::PLAIN }] {
            let standing = lines(&text, &[row(1, "a"), row(2, "b")], how);
            let turned = lines(&text, &[row(1, "b"), row(2, "a")], how);
            assert_eq!(standing.len(), found, "{how:?}: {text}");
            assert_eq!(turned.len(), usize::from(found == 0), "{how:?}, the other way round: {text}");
        }
    }
}

#[test]
fn rows_of_views_of_one_input_are_in_its_order() {
    let views = "CREATE STREAM ends AS SELECT id, at FROM t WHERE kind = 'b';
                 CREATE STREAM starts AS SELECT at, v, id FROM t WHERE kind = 'a';";
    let pattern = |on: &str, select: &str| {
        format!(
            "{views} CREATE PATTERN p ON {on} MATCH s e DEFINE s ON starts AS id >= 0, e ON ends AS id >= 0 SELECT {select};
             INSERT INTO out SELECT s, e FROM p;"
        )
    };
    let case = Case {
        name: "views",
        texts: vec![
            pattern("ends, starts", "s.id AS s, e.id AS e"),
            pattern("starts, ends", "s.id AS s, e.id AS e"),
            pattern("ends, starts", "s.v AS v, s.id AS s, e.id AS e"),
        ],
        expected: |rows| {
            let mut rows: Vec<Row> = rows.iter().filter(|row| row.kind != "c").cloned().collect();
            rows.sort();
            let pairs = rows.windows(2).filter(|pair| (pair[0].kind, pair[1].kind) == ("a", "b"));
            pairs.map(|pair| format!("s={} e={}", pair[0].id, pair[1].id)).collect()
        },
    };
    check(&case);
}

#[test]
fn rows_of_both_sides_of_a_union_stand_side_by_side() {
    let union = |first: &str, second: &str| {
        format!(
            "CREATE STREAM u AS SELECT {first}, 1 AS side FROM t UNION ALL SELECT {second}, 2 AS side FROM t
               UNION ALL SELECT {first}, 3 AS side FROM t WHERE v > 0;
             CREATE PATTERN p ON u MATCH x y DEFINE x AS id >= 0, y AS id >= 0 SELECT x.id * 10 + x.side AS x, y.id * 10 + y.side AS y;
             INSERT INTO out SELECT x, y FROM p;"
        )
    };
    let case = Case {
        name: "unions",
        texts: vec![
            union("id, at", "id, at"),
            union("v, at, id", "5 - v AS v, at, id"),
            union("kind, id, at", "'x' AS kind, id, at"),
        ],
        expected: |rows| {
            let mut rows = rows.to_vec();
            rows.sort();
            let both: Vec<i64> =
                rows.iter().flat_map(|row| (1..=if row.v > 0 { 3 } else { 2 }).map(|side| row.id * 10 + side)).collect();
            both.windows(2).map(|pair| format!("x={} y={}", pair[0], pair[1])).collect()
        },
    };
    check(&case);
}

#[test]
fn aggregates_of_windows_see_rows_in_their_order() {
    let case = Case {
        name: "windows",
        texts: texts(&[
            "INSERT INTO out SELECT key, first_value(id) AS f, last_value(id) AS l, string_agg(CAST(id AS STRING), ',') AS every
               FROM TUMBLE(t, at, INTERVAL '2' SECOND) GROUP BY key;",
            "CREATE STREAM w AS SELECT v, id, at, key FROM t WHERE v >= 0;
             INSERT INTO out SELECT key, first_value(id) AS f, last_value(id) AS l, string_agg(CAST(id AS STRING), ',') AS every
               FROM TUMBLE(w, at, INTERVAL '2' SECOND) GROUP BY key;",
        ]),
        expected: |rows| {
            let mut lines = Vec::new();
            for rows in by_key(rows) {
                for window in rows.chunk_by(|one, other| one.second / 2 == other.second / 2) {
                    let ids: Vec<String> = window.iter().map(|row| row.id.to_string()).collect();
                    let (first, last) = (&ids[0], &ids[ids.len() - 1]);
                    lines.push(format!("key={} f={first} l={last} every={}", window[0].key, ids.join(",")));
                }
            }
            lines
        },
    };
    check(&case);
}
