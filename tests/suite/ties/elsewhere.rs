//! Models learn rows of one time in order of their places, tests give rows in the order in which they are written, and places are
//! never shown.

use super::support::{How, Row, STREAM, lines, random_rows, schema};
use egret::Program;
use egret::core::row_place::PLACE;
use egret::memory::{MemorySink, MemorySource};
use egret_testkit::Random;
use std::process::Command;
use std::sync::Arc;

const RISK: &str = "CREATE MODEL risk ON t FEATURES v, kind, id LABEL key = 1 DELAYED BY INTERVAL '0' SECOND
  USING logistic_regression(learning_rate => 0.5) EVALUATE accuracy EVERY 5;";

/// The same rows, with those of one second one after the other in it.
fn one_by_one(rows: &[Row]) -> Vec<Row> {
    let mut sorted: Vec<&Row> = rows.iter().collect();
    sorted.sort();
    let place = |row: &Row| sorted.iter().filter(|other| other.second == row.second).position(|other| **other == *row);
    rows.iter().map(|row| Row { ms: place(row).unwrap() as i64, ..row.clone() }).collect()
}

#[test]
fn models_learn_and_are_measured_in_the_order_of_the_rows() {
    let programs = [
        format!("{RISK} INSERT INTO out SELECT id, risk(t) AS score FROM t;"),
        format!("{RISK} INSERT INTO out SELECT rows, accuracy FROM risk.metrics;"),
        format!(
            "{RISK} CREATE STREAM m AS SELECT 5 - rows AS less, rows, at FROM risk.metrics;
             CREATE PATTERN q ON m MATCH x y DEFINE x AS rows > 0, y AS rows > 0 SELECT x.rows AS x, y.rows AS y;
             INSERT INTO out SELECT x, y FROM q;"
        ),
    ];
    for seed in 0..3 {
        let mut random = Random::new(seed);
        let rows = random_rows(&mut random, 1 + seed as usize, 3);
        for program in &programs {
            let expected = lines(program, &one_by_one(&rows), How::PLAIN);
            assert!(expected.len() > 15, "{expected:?}");
            for how in [How::PLAIN, How::random(&mut random), How::random(&mut random)] {
                assert_eq!(lines(program, &rows, how), expected, "seed {seed}, {how:?}: {program}");
            }
        }
    }
}

#[test]
fn nobody_is_shown_a_place() {
    let pattern = "CREATE PATTERN p ON t PARTITION BY key MATCH s -> e DEFINE s AS kind = 'a', e AS kind = 'b'
      WITHIN INTERVAL '2' SECOND SELECT s.id AS s, e.id AS e, match_time AS at;";
    let read = "CREATE PATTERN q ON {relation} MATCH x y SELECT x.at AS x, y.at AS y;";
    let rows = random_rows(&mut Random::new(1), 2, 3);
    for (statements, relation, columns) in [
        ("", "t", "id key kind v at"),
        (pattern, "p", "s e at"),
        (&format!("{pattern} CREATE STREAM o AS SELECT * FROM p.timed_out;"), "o", "s e at"),
        ("CREATE STREAM w AS SELECT key, count(*) AS n, window_time AS at FROM TUMBLE(t, INTERVAL '1' SECOND) GROUP BY key;", "w", "key n at"),
        (
            "CREATE STREAM m AS SELECT * FROM t MATCH_RECOGNIZE
               (ORDER BY at MEASURES e.id AS e ALL ROWS PER MATCH PATTERN (s x*? e) DEFINE s AS kind = 'a', e AS kind = 'b');",
            "m",
            "at e id key kind v",
        ),
        (
            "CREATE STREAM m AS SELECT * FROM t MATCH_RECOGNIZE
               (PARTITION BY key ORDER BY at MEASURES e.id AS e, e.at AS at PATTERN (s x*? e) DEFINE s AS kind = 'a', e AS kind = 'b');",
            "m",
            "key e at match_time",
        ),
        ("CREATE STREAM u AS SELECT * FROM t UNION ALL SELECT * FROM t;", "u", "id key kind v at"),
    ] {
        let text = format!("{statements} {} INSERT INTO out SELECT * FROM {relation};", read.replace("{relation}", relation));
        let written = lines(&text, &rows, How { batch_rows: 7, ..How::PLAIN });
        assert!(written.len() > 5, "{text}");
        for line in &written {
            let found: Vec<&str> = line.split(' ').filter_map(|part| part.split_once('=')).map(|(name, _)| name).collect();
            assert_eq!(found.join(" "), columns, "{text}");
        }
        let whys = format!("{statements} {} INSERT INTO out SELECT _why FROM q;", read.replace("{relation}", relation));
        assert!(lines(&whys, &rows, How::PLAIN).iter().all(|line| !line.contains(PLACE)), "{whys}");
    }
}

#[test]
fn nobody_can_name_a_place() {
    let defined = "DEFINE a AS v > 1";
    for statement in [
        format!("CREATE PATTERN p ON t MATCH a {defined} SELECT a.{PLACE} AS a; INSERT INTO out SELECT a FROM p;"),
        format!("CREATE PATTERN p ON t MATCH a {defined} AND {PLACE} > 1 SELECT a.id AS a; INSERT INTO out SELECT a FROM p;"),
        format!(
            "INSERT INTO out SELECT a FROM t MATCH_RECOGNIZE (ORDER BY at MEASURES LAST({PLACE}) AS a PATTERN (a) {defined});"
        ),
        format!("CREATE PATTERN p ON t MATCH a {defined} SELECT a.id AS a; INSERT INTO out SELECT {PLACE} FROM t;"),
    ] {
        let program = Program::new("job", &format!("{STREAM}{statement}"));
        let program = program.with_source("t", Arc::new(MemorySource::empty(schema())));
        let Err(errors) = program.with_sink("out", Arc::new(MemorySink::new())).plan() else { panic!("{statement}") };
        assert!(errors.to_string().contains(&format!("no column `{PLACE}`")), "{errors}");
    }
}

#[test]
fn only_what_is_looked_at_in_order_has_places() {
    let explained = |statements: &str| {
        let program = Program::new("job", &format!("{STREAM}{statements}"));
        let source = MemorySource::empty(schema());
        let program = program.with_source("t", Arc::new(source)).with_sink("out", Arc::new(MemorySink::new()));
        let plan = program.plan().unwrap_or_else(|errors| panic!("{errors}"));
        plan.job.explain().contains("gives each row its place")
    };
    for statements in [
        "INSERT INTO out SELECT * FROM t;",
        "INSERT INTO out SELECT key, sum(v) AS s, count(*) AS n, max(id) AS m FROM TUMBLE(t, INTERVAL '1' SECOND) GROUP BY key;",
        "CREATE GRAPH g ON t EDGE id TO key COMPUTE components; INSERT INTO out SELECT g.size(key) AS n FROM t;",
    ] {
        assert!(!explained(statements), "{statements}");
    }
    for statements in [
        "CREATE PATTERN p ON t MATCH a DEFINE a AS v > 1 SELECT a.id AS a; INSERT INTO out SELECT a FROM p;",
        "INSERT INTO out SELECT key, array_agg(v) AS s FROM TUMBLE(t, INTERVAL '1' SECOND) GROUP BY key;",
        "CREATE STREAM w AS SELECT key, sum(v) AS s, window_time FROM TUMBLE(t, INTERVAL '1' SECOND) GROUP BY key;
         CREATE PATTERN p ON w MATCH a DEFINE a AS s > 1 SELECT a.key AS a; INSERT INTO out SELECT a FROM p;",
    ] {
        assert!(explained(statements), "{statements}");
    }
}

#[test]
fn rows_that_a_test_gives_stand_in_its_order() {
    const JOB: &str = "
CREATE STREAM t (id BIGINT, kind STRING, at TIMESTAMP, WATERMARK FOR at AS at) WITH (connector = 'file', path = 'nowhere.csv');
CREATE STREAM w AS SELECT kind, id, at FROM t WHERE id > 0;
CREATE PATTERN p ON w MATCH s e DEFINE s AS kind = 'a', e AS kind = 'b' SELECT s.id AS s, e.id AS e;
";
    for (given, expect) in [
        ("GIVEN (id, kind, at) (2, 'a', START), (1, 'b', START)", "EXPECT MATCH (s = 2, e = 1)"),
        ("GIVEN (id, kind, at) (1, 'b', START), (2, 'a', START)", "EXPECT NO MATCH"),
        ("GIVEN t (id, kind, at) (2, 'a', START), (1, 'b', START)", "EXPECT MATCH (s = 2, e = 1)"),
        ("GIVEN t (id, kind, at) (1, 'b', START), (2, 'a', START)", "EXPECT NO MATCH"),
    ] {
        let text = format!("{JOB} TEST 'order' FOR p {given} {expect};");
        let report = Program::new("job", &text).test("").unwrap_or_else(|errors| panic!("{errors}"));
        assert!(report.tests.iter().all(|outcome| outcome.passed()), "{text}\n{report:?}");
    }
}

#[test]
fn files_are_in_the_order_of_their_names_for_all_processes() {
    let folder = tempfile::tempdir().unwrap();
    let rows = random_rows(&mut Random::new(5), 3, 3);
    for split in 0..3 {
        let line = |row: &Row| {
            let (minute, second) = (row.second / 60, row.second % 60);
            format!("{},{},{},{},2024-01-01T00:{minute:02}:{second:02}Z\n", row.id, row.key, row.kind, row.v)
        };
        let lines: String = rows.iter().filter(|row| row.split == split).map(line).collect();
        std::fs::write(folder.path().join(format!("in-{split}.csv")), format!("id,key,kind,v,at\n{lines}")).unwrap();
    }
    let stream = STREAM.replacen("connector = 'memory'", "connector = 'file', path = 'in-*.csv'", 1);
    let stream = stream.replace("connector = 'memory'", "connector = 'file', path = 'out.csv'");
    let text = format!(
        "{stream} CREATE PATTERN p ON t {} SELECT s.kind AS k, s.id AS s, e.id AS e; INSERT INTO out SELECT s, e FROM p;",
        super::PAIR
    );
    std::fs::write(folder.path().join("job.egret"), text).unwrap();
    let mut expected: Vec<String> = super::pairs(&rows).iter().map(|(s, e)| format!("{},{}", s.id, e.id)).collect();
    expected.sort();
    for args in
        [["--workers", "1", "--processes", "1"], ["--workers", "3", "--processes", "1"], ["--workers", "1", "--processes", "2"]]
    {
        let mut program = Command::new(env!("CARGO_BIN_EXE_egret"));
        let output = program.args(["run", "job.egret"]).args(args).current_dir(folder.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let written = std::fs::read_to_string(folder.path().join("out.csv")).unwrap();
        let mut lines: Vec<&str> = written.lines().skip(1).collect();
        lines.sort_unstable();
        assert_eq!(lines, expected, "{args:?}");
    }
}

#[test]
fn keys_that_were_put_aside_have_an_order_that_is_not_what_is_selected() {
    let rows = random_rows(&mut Random::new(2), 2, 3);
    let aside = |select: &str| {
        format!(
            "CREATE PATTERN p ON t PARTITION BY key, v MATCH s ->> e DEFINE s AS kind = 'a', e AS kind = 'x'
               WITHIN INTERVAL '9' SECOND SELECT s.id AS s WITH (max_partial_matches = 1);
             CREATE STREAM o AS SELECT {select} FROM p.overflow;
             CREATE PATTERN q ON o MATCH x y DEFINE x AS key >= 0, y AS key >= 0
               SELECT x.key * 10 + x.v AS x, y.key * 10 + y.v AS y;
             INSERT INTO out SELECT x, y FROM q;"
        )
    };
    let expected = lines(&aside("key, v, at"), &rows, How::PLAIN);
    assert!(expected.len() > 5, "{expected:?}");
    for select in ["5 - v AS u, at, key, v", "at, 3 - key AS w, v, key"] {
        for workers in 1..=3 {
            assert_eq!(lines(&aside(select), &rows, How { workers, ..How::PLAIN }), expected, "{select}");
        }
    }
}
