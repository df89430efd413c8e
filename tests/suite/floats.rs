//! Minus zero is zero and NaN is one value, above all others: in conditions, keys, groups, counts, extremes and vertices.

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field};
use egret::memory::{MemorySink, MemorySource};
use egret::prelude::*;
use std::sync::Arc;

const VALUES: [Option<f64>; 8] =
    [Some(-0.0), Some(0.0), Some(f64::NAN), Some(-f64::NAN), Some(f64::INFINITY), Some(f64::NEG_INFINITY), Some(7.5), None];

/// The rows that a program makes of the values, numbered from 1 and a second apart; the same on one and two workers.
fn rows_of(statements: &str) -> Vec<String> {
    let text = format!(
        "CREATE STREAM t (id BIGINT, x DOUBLE, at TIMESTAMP, WATERMARK FOR at AS at) WITH (connector = 'memory');
         CREATE SINK o WITH (connector = 'memory');\n{statements}"
    );
    let run_at = |workers: usize| {
        let fields = vec![
            Field::new("id", DataType::Int64, true),
            Field::new("x", DataType::Float64, true),
            egret::core::StreamSchema::time_field("at"),
        ];
        let schema = egret::core::StreamSchema::new(fields, Some("at")).unwrap();
        let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(1..=VALUES.len() as i64));
        let seconds: ArrayRef = Arc::new(arrow::array::TimestampSecondArray::from_iter_values(1..=VALUES.len() as i64));
        let times = arrow::compute::cast(&seconds, &egret::core::TIME_TYPE).unwrap();
        let columns = vec![ids, Arc::new(Float64Array::from(VALUES.to_vec())) as ArrayRef, times];
        let rows = RecordBatch::try_new(Arc::clone(schema.arrow()), columns).unwrap();
        let sink = MemorySink::new();
        let program = Program::new("test", &text)
            .with_source("t", Arc::new(MemorySource::new(schema, rows).unwrap()))
            .with_sink("o", Arc::new(sink.clone()));
        let plan = program.plan().unwrap_or_else(|errors| panic!("{errors}"));
        run(&plan.job, &RunConfig { batch_rows: 3, ..RunConfig::with_workers(workers) }).unwrap();
        sink.sorted_lines()
    };
    let lines = run_at(1);
    assert_eq!(run_at(2), lines, "{statements}");
    lines
}

/// The ids for which a condition holds, in every place where it can stand.
fn holds(condition: &str) -> Vec<i64> {
    let ids = |lines: Vec<String>| lines.iter().map(|line| line.replace("id=", "").parse().unwrap()).collect::<Vec<i64>>();
    let found = ids(rows_of(&format!("INSERT INTO o SELECT id FROM t WHERE {condition};")));
    let in_match = condition.replace('x', "a.x");
    for (place, statements) in [
        ("CASE", format!("INSERT INTO o SELECT id FROM t WHERE CASE WHEN {condition} THEN 1 ELSE 0 END = 1;")),
        ("NOT NOT", format!("INSERT INTO o SELECT id FROM t WHERE NOT coalesce(NOT ({condition}), true);")),
        (
            "a condition of a pattern",
            format!("CREATE PATTERN p ON t MATCH a DEFINE a AS {condition} SELECT a.id AS id; INSERT INTO o SELECT id FROM p;"),
        ),
        (
            "conditions of several patterns",
            format!(
                "CREATE PATTERN p ON t PARTITION BY id MATCH a DEFINE a AS {condition} SELECT a.id AS i;
                 CREATE PATTERN q ON t PARTITION BY id MATCH a DEFINE a AS ({condition}) AND id > 99 SELECT a.id AS i;
                 INSERT INTO o SELECT i AS id FROM p; INSERT INTO o SELECT i AS id FROM q;"
            ),
        ),
        (
            "a condition on the match",
            format!(
                "CREATE PATTERN p ON t MATCH a -> b DEFINE b AS id = 8 AND ({in_match}) SELECT a.id AS id;
                 INSERT INTO o SELECT id FROM p;
                 INSERT INTO o SELECT id FROM t WHERE id = 8 AND ({condition});"
            ),
        ),
        (
            "DEFINE of a row pattern",
            format!(
                "INSERT INTO o SELECT id FROM t MATCH_RECOGNIZE (ORDER BY at MEASURES A.id AS id PATTERN (A) DEFINE A AS {condition});"
            ),
        ),
        (
            "FILTER",
            format!(
                "INSERT INTO o SELECT id FROM TUMBLE(t, INTERVAL '1' HOUR) GROUP BY id HAVING count(*) FILTER (WHERE {condition}) = 1;"
            ),
        ),
    ] {
        assert_eq!(ids(rows_of(&statements)), found, "{condition} in {place}");
    }
    found
}

#[test]
fn conditions_agree_everywhere() {
    for (condition, expected) in [
        ("x = 0.0", vec![1, 2]),
        ("x = -0.0", vec![1, 2]),
        ("x <> 0.0", vec![3, 4, 5, 6, 7]),
        ("x < 0.0", vec![6]),
        ("x >= 0.0", vec![1, 2, 3, 4, 5, 7]),
        ("x > -0.0", vec![3, 4, 5, 7]),
        ("x <= -0.0", vec![1, 2, 6]),
        ("x > 10", vec![3, 4, 5]),
        ("x < 10", vec![1, 2, 6, 7]),
        ("NOT (x < 10)", vec![3, 4, 5]),
        ("x = CAST('NaN' AS DOUBLE)", vec![3, 4]),
        ("x = 0.0 / 0.0", vec![3, 4]),
        ("0.0 / 0.0 > 10 AND x = 7.5", vec![7]),
        ("x - x = CAST('NaN' AS DOUBLE)", vec![3, 4, 5, 6]),
        ("x < CAST('NaN' AS DOUBLE)", vec![1, 2, 5, 6, 7]),
        ("x = x", vec![1, 2, 3, 4, 5, 6, 7]),
        ("x IN (0.0, 1.0, 2.0, 3.0)", vec![1, 2]),
        ("x NOT IN (-0.0, 1.0, 2.0, CAST('NaN' AS DOUBLE))", vec![5, 6, 7]),
        ("x IN (-x, 7.5)", vec![1, 2, 3, 4, 7]),
        ("x BETWEEN -0.0 AND 8", vec![1, 2, 7]),
        ("x IS DISTINCT FROM 0.0", vec![3, 4, 5, 6, 7, 8]),
        ("x IS NOT DISTINCT FROM -x", vec![1, 2, 3, 4, 8]),
        ("CASE x WHEN 0.0 THEN true ELSE false END", vec![1, 2]),
        ("CASE x WHEN 0 THEN false WHEN 0.0 / 0.0 THEN true ELSE false END", vec![3, 4]),
        ("nullif(x, 0.0) IS NULL", vec![1, 2, 8]),
        ("greatest(x, 10) = CAST('NaN' AS DOUBLE)", vec![3, 4]),
        ("least(x, 10) = 10", vec![3, 4, 5, 8]),
        ("CAST(x AS FLOAT) = CAST(0 AS FLOAT)", vec![1, 2]),
        ("CAST(x AS FLOAT) > CAST(10 AS FLOAT)", vec![3, 4, 5]),
    ] {
        assert_eq!(holds(condition), expected, "{condition}");
    }
}

#[test]
fn values_of_two_rows_compare_alike() {
    // The ranks of the values; the last is null.
    const RANKS: [Option<i32>; 8] = [Some(1), Some(1), Some(4), Some(4), Some(3), Some(0), Some(2), None];
    for op in ["=", "<>", "<", "<=", ">", ">="] {
        let holds = |b: usize, a: usize| match (RANKS[b], RANKS[a]) {
            (Some(b), Some(a)) => match op {
                "=" => b == a,
                "<>" => b != a,
                "<" => b < a,
                "<=" => b <= a,
                ">" => b > a,
                _ => b >= a,
            },
            _ => false,
        };
        let first = |a: usize| (a + 1..8).find(|&b| holds(b, a)).map(|b| format!("a={} b={}", a + 1, b + 1));
        let expected: Vec<String> = (0..8).filter_map(first).collect();
        // By the fast comparison, mirrored, and by an expression over both.
        for condition in [format!("x {op} a.x"), format!("NOT NOT (x {op} a.x)"), format!("coalesce(x {op} a.x, false)")] {
            let lines = rows_of(&format!(
                "CREATE PATTERN p ON t MATCH a -> b DEFINE b AS {condition} SELECT a.id AS a, b.id AS b; INSERT INTO o SELECT a, b FROM p;"
            ));
            assert_eq!(lines, expected, "{condition}");
        }
    }
}

#[test]
fn equal_floats_are_one_key_one_group_one_vertex() {
    let groups = rows_of("INSERT INTO o SELECT x, count(*) AS n FROM TUMBLE(t, INTERVAL '1' HOUR) GROUP BY x;");
    assert_eq!(groups, ["x=-inf n=1", "x=0.0 n=2", "x=7.5 n=1", "x=NaN n=2", "x=inf n=1", "x=null n=1"]);
    let distinct = rows_of(
        "INSERT INTO o SELECT count(DISTINCT x) AS n, min(x) AS least, max(x) AS most
         FROM TUMBLE(t, INTERVAL '1' HOUR) GROUP BY window_start;",
    );
    assert_eq!(distinct, ["n=5 least=-inf most=NaN"]);
    let session =
        rows_of("INSERT INTO o SELECT x, count(*) AS n FROM SESSION(t, INTERVAL '1' HOUR) GROUP BY x HAVING count(*) > 1;");
    assert_eq!(session, ["x=0.0 n=2", "x=NaN n=2"]);
    let matches = "PARTITION BY x MATCH a -> b SELECT a.id AS a, b.id AS b; INSERT INTO o SELECT a, b FROM p;";
    assert_eq!(rows_of(&format!("CREATE PATTERN p ON t {matches}")), ["a=1 b=2", "a=3 b=4"]);
    let row_matches = rows_of(
        "INSERT INTO o SELECT a, b FROM t MATCH_RECOGNIZE (PARTITION BY x ORDER BY at MEASURES A.id AS a, B.id AS b PATTERN (A B)
         DEFINE B AS id > A.id);",
    );
    assert_eq!(row_matches, ["a=1 b=2", "a=3 b=4"]);
    let vertices = rows_of(
        "CREATE GRAPH g ON t EDGE x TO id COMPUTE components;
         CREATE STREAM later AS SELECT id, x, at + INTERVAL '1' MINUTE AS at FROM t;
         INSERT INTO o SELECT id, g.size(x) AS size FROM t WHERE id = 8 OR id = 4 OR id = 2;",
    );
    assert_eq!(vertices, ["id=2 size=2", "id=4 size=2", "id=8 size=null"]);
    let extremes = rows_of(
        "CREATE PATTERN p ON t MATCH a{4} -> b DEFINE b AS min(a.x) = 0.0 AND max(a.x) > 1e300 AND id = 7
         SELECT min(a.x) AS least, max(a.x) AS most; INSERT INTO o SELECT least, most FROM p WHERE least = 0.0 AND most > 1e300;",
    );
    assert!(!extremes.is_empty());
}

/// The first of the zeros is -0.0, which a key and an extreme never are.
#[test]
fn keys_and_extremes_show_zero_without_a_sign_in_every_place() {
    for query in [
        "SELECT x AS y FROM TUMBLE(t, INTERVAL '1' HOUR) WHERE x = 0.0 GROUP BY x;",
        "SELECT min(x) AS y FROM TUMBLE(t, INTERVAL '1' HOUR) WHERE x = 0.0;",
        "SELECT x AS y FROM t MATCH_RECOGNIZE (PARTITION BY x ORDER BY at MEASURES A.id AS a PATTERN (A) DEFINE A AS id = 1);",
        "SELECT x AS y FROM t MATCH_RECOGNIZE (PARTITION BY x ORDER BY at MEASURES A.id AS a ALL ROWS PER MATCH PATTERN (A)
           DEFINE A AS id = 1);",
        "SELECT y FROM t MATCH_RECOGNIZE (ORDER BY at MEASURES min(x) AS y PATTERN (A) DEFINE A AS id = 1);",
        "SELECT y FROM t MATCH_RECOGNIZE (ORDER BY at MEASURES max(x) AS y PATTERN (A B) DEFINE A AS id = 1, B AS B.id > A.id);",
    ] {
        assert_eq!(rows_of(&format!("INSERT INTO o {query}")), ["y=0.0"], "{query}");
    }
    for pattern in [
        "PARTITION BY x MATCH a DEFINE a AS id = 1 SELECT x AS y",
        "PARTITION BY x MATCH a -> b DEFINE a AS id = 1 SELECT x AS y",
        "MATCH a DEFINE a AS id = 1 SELECT min(a.x) AS y",
        "MATCH a{2} DEFINE a AS x = 0.0 SELECT max(a.x) AS y",
        "MATCH a -> b DEFINE a AS id = 1, b AS 1 / min(a.x) > 0 SELECT min(a.x) AS y",
    ] {
        let rows = rows_of(&format!("CREATE PATTERN p ON t {pattern}; INSERT INTO o SELECT y FROM p;"));
        assert_eq!(rows, ["y=0.0"], "{pattern}");
    }
}

#[test]
fn what_is_only_passed_on_is_as_it_was_given() {
    assert_eq!(rows_of("INSERT INTO o SELECT x FROM t WHERE x = 0.0;"), ["x=-0.0", "x=0.0"]);
    let taken = "CREATE PATTERN p ON t MATCH a DEFINE a AS x = 0.0 SELECT a.x AS x; INSERT INTO o SELECT x FROM p;";
    assert_eq!(rows_of(taken), ["x=-0.0", "x=0.0"]);
}
