//! Rows for which something cannot be computed: a table of the places where expressions are computed, the policies of their
//! stream, and the law.

use std::path::Path;
use std::process::{Command, Output};

fn egret(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_egret")).args(args).current_dir(folder).output().unwrap()
}

/// The output of a job.
struct Ran {
    status: i32,
    said: String,
    rows: Vec<String>,
    letters: Vec<String>,
}

/// Runs a program over a CSV file `in.csv`; its sink `o` writes `out.jsonl`.
fn run(input: &str, program: &str, args: &[&str]) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("in.csv"), input).unwrap();
    std::fs::write(folder.path().join("job.egret"), program).unwrap();
    let output = egret(folder.path(), &[&["run", "job.egret", "--summary"], args].concat());
    let read = |name: &str| {
        let text = std::fs::read_to_string(folder.path().join(name)).unwrap_or_default();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!said.contains("panicked") && !said.contains("bug"), "{program}\n{said}");
    Ran { status: output.status.code().unwrap(), said, rows: read("out.jsonl"), letters: read("out/t.computed.bad") }
}

const SINK: &str = "CREATE SINK o WITH (connector = 'file', path = 'out.jsonl', format = 'json');";

fn stream(policy: &str) -> String {
    format!(
        "CREATE STREAM t (id BIGINT, k INT, s SMALLINT, n INT, b BIGINT, x DOUBLE, w STRING, at TIMESTAMP, WATERMARK FOR at AS at)
           WITH (connector = 'file', path = 'in.csv' {policy});"
    )
}

/// Rows 2 and 4 have values that cannot be computed with; all rows have one key.
const INPUT: &str = "id,k,s,n,b,x,w,at
1,7,3,2,10,1.5,12,2024-01-01T00:00:01Z
2,7,32767,2147483647,9223372036854775807,1e30,n/a,2024-01-01T00:00:02Z
3,7,3,2,20,2.5,13,2024-01-01T00:00:03Z
4,7,-32768,-2147483648,-9223372036854775808,NaN,,2024-01-01T00:00:04Z
5,7,3,2,30,3.5,14,2024-01-01T00:00:05Z
";

/// Expressions that fail for row 2, with a part of the reason.
const FAILS: [(&str, &str); 9] = [
    ("s + s", "32767 + 32767 is out of the range of SMALLINT"),
    ("n + n", "2147483647 + 2147483647 is out of the range of INT"),
    ("b + 1", "9223372036854775807 + 1 is out of the range of BIGINT"),
    ("n * n", "2147483647 * 2147483647 is out of the range of INT"),
    ("0 - b - 3", "is out of the range of BIGINT"),
    ("100 / (n - 2147483647)", "division by zero"),
    ("b % (s - 32767)", "division by zero"),
    ("CAST(x AS INT)", "INT"),
    ("CAST(w AS INT)", "'n/a'"),
];

/// Where an expression stands: `{}` is a number that cannot be computed for row 2.
const PLACES: [(&str, &str, &str); 7] = [
    ("projection", "INSERT INTO o SELECT id, {} AS y FROM t WHERE id <> 4;", "INSERT INTO o"),
    ("filter", "INSERT INTO o SELECT id FROM t WHERE id <> 4 AND {} IS NOT NULL;", "INSERT INTO o"),
    (
        "view",
        "CREATE STREAM v AS SELECT id, {} AS y, at FROM t WHERE id <> 4; INSERT INTO o SELECT id FROM v;",
        "CREATE STREAM v",
    ),
    (
        "aggregate",
        "INSERT INTO o SELECT count({}) AS c, sum(id) AS ids FROM TUMBLE(t, INTERVAL '1' SECOND) WHERE id <> 4 GROUP BY window_start;",
        "INSERT INTO o",
    ),
    (
        "filter of an aggregate",
        "INSERT INTO o SELECT count(*) FILTER (WHERE {} IS NULL) AS c, sum(id) AS ids FROM TUMBLE(t, INTERVAL '1' SECOND)
           WHERE id <> 4 GROUP BY window_start;",
        "INSERT INTO o",
    ),
    (
        "session",
        "INSERT INTO o SELECT id, max({}) AS m FROM SESSION(t, INTERVAL '1' SECOND) WHERE id <> 4 GROUP BY id;",
        "INSERT INTO o",
    ),
    ("subquery", "INSERT INTO o SELECT id FROM (SELECT id, {} AS y FROM t WHERE id <> 4);", "INSERT INTO o"),
];

#[test]
fn what_cannot_be_computed_is_a_bad_row_wherever_it_stands() {
    for (place, statement, name) in PLACES {
        for (expression, reason) in FAILS {
            let program =
                |policy: &str| format!("{}{SINK}{}", stream(policy), statement.replace("{}", &format!("({expression})")));
            let failed = run(INPUT, &program(""), &[]);
            let said = &failed.said;
            assert_eq!(failed.status, 1, "{place}: {expression}: {said}");
            for part in [name, reason, "cannot be computed where", "\"id\":2", "help: ", "bad_rows = 'skip'"] {
                assert!(said.contains(part), "{place}: {expression}: no {part} in {said}");
            }
            let skipped = run(INPUT, &program(", bad_rows = 'skip'"), &["--workers", "2"]);
            assert_eq!(
                (skipped.status, skipped.rows.len()),
                (0, 3),
                "{place}: {expression}: {}\n{:?}",
                skipped.said,
                skipped.rows
            );
            assert!(skipped.said.contains("1 rows") && skipped.said.contains(reason), "{place}: {expression}: {}", skipped.said);
        }
    }
}

/// The expression with its columns read from an event.
fn of_event(expression: &str, event: &str) -> String {
    let mut text = String::new();
    let mut word = String::new();
    for character in expression.chars().chain([' ']) {
        if character.is_alphanumeric() || character == '\'' {
            word.push(character);
            continue;
        }
        if ["s", "n", "b", "x", "w"].contains(&word.as_str()) {
            text.push_str(&format!("{event}."));
        }
        text.push_str(&std::mem::take(&mut word));
        text.push(character);
    }
    text.trim_end().to_owned()
}

/// Places in patterns and row patterns: `{}` is a number that cannot be computed for row 2, `{a}` the same for an event `a`; and
/// the number of rows that come out when it is left out.
const PATTERN_PLACES: [(&str, &str, usize); 9] = [
    (
        "condition on one event",
        "CREATE PATTERN p ON t MATCH a DEFINE a AS id <> 4 AND {} IS NOT NULL SELECT a.id AS id; INSERT INTO o SELECT id FROM p;",
        3,
    ),
    (
        "measure",
        "CREATE PATTERN p ON t MATCH a DEFINE a AS id <> 4 SELECT a.id AS id, {a} AS y; INSERT INTO o SELECT id, y FROM p;",
        3,
    ),
    (
        "condition on earlier events",
        "CREATE PATTERN p ON t PARTITION BY k MATCH a -> b DEFINE a AS id = 1, b AS id <> 4 AND {} + a.id IS NOT NULL
           SELECT b.id AS id; INSERT INTO o SELECT id FROM p WHERE id = 3;",
        1,
    ),
    (
        "comparison with earlier events",
        "CREATE PATTERN p ON t PARTITION BY k MATCH a -> b DEFINE a AS id = 1, b AS id <> 4 AND {} < a.b * 1000000
           SELECT b.id AS id; INSERT INTO o SELECT id FROM p WHERE id = 3;",
        1,
    ),
    (
        "two patterns",
        "CREATE PATTERN p ON t MATCH a DEFINE a AS id <> 4 AND {} IS NOT NULL SELECT a.id AS id;
         CREATE PATTERN q ON t MATCH a b DEFINE a AS id = 1, b AS id = 2 SELECT b.id AS id;
         INSERT INTO o SELECT id FROM p; INSERT INTO o SELECT id FROM q;",
        4,
    ),
    (
        "columns of a match",
        "CREATE PATTERN p ON t MATCH a DEFINE a AS id <> 4 SELECT a.id AS id, a.s AS s, a.n AS n, a.b AS b, a.x AS x, a.w AS w;
         INSERT INTO o SELECT id, {} AS y FROM p;",
        3,
    ),
    (
        "definition of a row pattern",
        "INSERT INTO o SELECT id FROM t MATCH_RECOGNIZE (ORDER BY at MEASURES A.id AS id ONE ROW PER MATCH PATTERN (A)
           DEFINE A AS id <> 4 AND {} IS NOT NULL);",
        3,
    ),
    (
        "definition that looks back",
        "INSERT INTO o SELECT id FROM t MATCH_RECOGNIZE (ORDER BY at MEASURES A.id AS id ONE ROW PER MATCH PATTERN (A)
           DEFINE A AS id <> 4 AND coalesce(PREV(id), 0) + {} IS NOT NULL);",
        3,
    ),
    (
        "measure of a row pattern",
        "INSERT INTO o SELECT id, y FROM t MATCH_RECOGNIZE (ORDER BY at MEASURES A.id AS id, {A} + 0 * count(*) AS y
           ONE ROW PER MATCH PATTERN (A B?) DEFINE A AS id <> 4, B AS id = 4 AND id < coalesce(PREV(id), 0));",
        3,
    ),
];

#[test]
fn patterns_leave_out_what_cannot_be_computed() {
    for (place, statement, rows) in PATTERN_PLACES {
        for (expression, reason) in FAILS {
            let text = format!("({expression})");
            let statement =
                statement.replace("{}", &text).replace("{a}", &of_event(&text, "a")).replace("{A}", &of_event(&text, "A"));
            let program = |policy: &str| format!("{}{SINK}{statement}", stream(policy));
            let failed = run(INPUT, &program(""), &[]);
            let said = &failed.said;
            assert_eq!(failed.status, 1, "{place}: {expression}: {said}\n{:?}", failed.rows);
            for part in [reason, "cannot be computed", "help: ", "bad_rows = 'skip'"] {
                assert!(said.contains(part), "{place}: {expression}: no {part} in {said}");
            }
            for workers in ["1", "3"] {
                let skipped = run(INPUT, &program(", bad_rows = 'skip'"), &["--workers", workers]);
                let said = &skipped.said;
                assert_eq!((skipped.status, skipped.rows.len()), (0, rows), "{place}: {expression}: {said}\n{:?}", skipped.rows);
                assert!(
                    said.contains(reason) && said.contains(" 1 rows that could not be computed"),
                    "{place}: {expression}: {said}"
                );
            }
        }
    }
}

/// If a sum over a partial match overflows, the condition is not met.
#[test]
fn sums_of_whole_numbers_stay_in_their_range() {
    let input = "id,k,s,n,b,x,w,at
1,7,1,1,9223372036854775807,1,a,2024-01-01T00:00:01Z
2,7,1,1,9223372036854775807,1,a,2024-01-01T00:00:02Z
3,7,1,1,-9223372036854775807,1,a,2024-01-01T00:00:03Z
4,7,1,1,5,1,a,2024-01-01T00:00:04Z
";
    let window = "INSERT INTO o SELECT k, sum(b) AS s, avg(b) AS m FROM TUMBLE(t, INTERVAL '1' HOUR) GROUP BY k, window_start;";
    let pattern = |measure: &str| {
        format!("CREATE PATTERN p ON t PARTITION BY k MATCH a{{4}} SELECT {measure} AS s; INSERT INTO o SELECT s FROM p;")
    };
    let rows = |measure: &str| {
        format!(
            "INSERT INTO o SELECT s FROM t MATCH_RECOGNIZE (PARTITION BY k ORDER BY at MEASURES {measure} AS s ONE ROW PER MATCH
               PATTERN (A B* C) DEFINE C AS id = 4 AND id > coalesce(PREV(id), 0));"
        )
    };
    for statement in [window.to_owned(), pattern("sum(a.b)"), rows("sum(b)")] {
        let program = |policy: &str| format!("{}{SINK}{statement}", stream(policy));
        let failed = run(input, &program(""), &[]);
        assert_eq!(failed.status, 1, "{statement}: {} {:?}", failed.said, failed.rows);
        assert!(failed.said.contains("9223372036854775812 is out of the range of BIGINT"), "{statement}: {}", failed.said);
        let skipped = run(input, &program(", bad_rows = 'skip'"), &[]);
        assert_eq!((skipped.status, skipped.rows.len()), (0, 0), "{statement}: {}", skipped.said);
        assert!(skipped.said.contains("1 rows that could not be computed"), "{statement}: {}", skipped.said);
    }
    // Intermediate sums may exceed the type.
    let within = input.replace("4,7,1,1,5,", "4,7,1,1,-9223372036854775807,");
    for statement in [window.to_owned(), pattern("sum(a.b)"), rows("sum(b)")] {
        let ran = run(&within, &format!("{}{SINK}{statement}", stream("")), &[]);
        assert!(
            ran.status == 0 && ran.rows.len() == 1 && ran.rows[0].contains("\"s\":0"),
            "{statement}: {} {:?}",
            ran.said,
            ran.rows
        );
    }
}

/// The same for sums of durations and decimals: intermediate sums may be larger, and averages are right.
#[test]
fn totals_of_lengths_and_decimals_stay_in_their_range() {
    let input = "id,k,s,n,b,x,w,at
1,7,1,100000000,9223372036854775807,1,a,2024-01-01T00:00:01Z
2,7,1,100000001,9223372036854775806,1,a,2024-01-01T00:00:02Z
3,7,1,-100000001,-9223372036854775806,1,a,2024-01-01T00:00:03Z
";
    let two = input.rsplit_once("3,7").unwrap().0;
    let view = "CREATE STREAM v AS SELECT id, k, n * INTERVAL '1' DAY AS len, CAST(b AS DECIMAL(38, 19)) AS d, at FROM t;";
    let window = |call: &str| format!("INSERT INTO o SELECT {call} AS y FROM TUMBLE(v, INTERVAL '1' HOUR) GROUP BY k;");
    let session = |call: &str| format!("INSERT INTO o SELECT {call} AS y FROM SESSION(v, INTERVAL '1' HOUR) GROUP BY k;");
    let pattern = |call: &str, rows: u32| {
        format!("CREATE PATTERN p ON v PARTITION BY k MATCH a{{{rows}}} SELECT {call} AS y; INSERT INTO o SELECT y FROM p;")
    };
    let rows = |call: &str, pattern: &str| {
        format!(
            "INSERT INTO o SELECT y FROM v MATCH_RECOGNIZE (PARTITION BY k ORDER BY at MEASURES {call} AS y
               PATTERN ({pattern}) DEFINE B AS id > A.id);"
        )
    };
    let program = |policy: &str, statement: &str| format!("{}{SINK}{view}{statement}", stream(policy));
    let too_long = "17280000086400000000 is out of the range of lengths of time";
    let too_large = "18446744073709551613.0000000000000000000 is out of the range of DECIMAL(38, 19)";
    for (statement, reason) in [
        (window("sum(len)"), too_long),
        (window("sum(DISTINCT len)"), too_long),
        (session("sum(len)"), too_long),
        (pattern("sum(a.len)", 2), too_long),
        (rows("sum(len)", "A B"), too_long),
        (window("sum(d)"), too_large),
        (session("sum(DISTINCT d)"), too_large),
    ] {
        let failed = run(two, &program("", &statement), &[]);
        assert!(failed.status == 1 && failed.said.contains(reason), "{statement}: {} {:?}", failed.said, failed.rows);
        let skipped = run(two, &program(", bad_rows = 'skip'", &statement), &["--workers", "2"]);
        assert_eq!((skipped.status, skipped.rows.len()), (0, 0), "{statement}: {} {:?}", skipped.said, skipped.rows);
        assert!(skipped.said.contains("1 rows that could not be computed"), "{statement}: {}", skipped.said);
    }
    for (input, statement, found) in [
        (two, window("avg(len)"), "PT8640000043200S"),
        (two, session("avg(DISTINCT len)"), "PT8640000043200S"),
        (two, pattern("avg(a.len)", 2), "PT8640000043200S"),
        (two, rows("avg(len)", "A B"), "PT8640000043200S"),
        (input, window("sum(len)"), "PT8640000000000S"),
        (input, pattern("sum(a.len)", 3), "PT8640000000000S"),
        (input, rows("sum(len)", "A B C"), "PT8640000000000S"),
        (input, session("sum(d)"), "9223372036854775807.0000000000000000000"),
    ] {
        let ran = run(input, &program("", &statement), &["--workers", "2"]);
        assert_eq!(ran.rows.len(), 1, "{statement}: {}", ran.said);
        assert!(ran.rows[0].contains(found), "{statement}: {}", ran.rows[0]);
    }
}

/// Averages of integers, and sums and averages of floats, are those of the exact sum, rounded once, in every place.
#[test]
fn sums_and_averages_are_exact_everywhere() {
    let input = "id,k,s,n,b,x,w,at
1,7,1,1,9007199254740993,1e300,a,2024-01-01T00:00:01Z
2,7,1,1,9007199254740993,0.1,a,2024-01-01T00:00:02Z
3,7,1,1,9007199254740994,-1e300,a,2024-01-01T00:00:03Z
4,7,1,2,9007199254740996,1e150,a,2024-01-01T00:00:04Z
5,7,1,2,9007199254740996,0.2,a,2024-01-01T00:00:05Z
6,7,1,3,9007199254740996,-1e150,a,2024-01-01T00:00:06Z
";
    let all = |of: &str| format!("sum({of}x) AS sx, avg({of}x) AS ax, avg({of}b) AS ab, avg({of}n) AS an");
    let statements = [
        format!("INSERT INTO o SELECT {} FROM TUMBLE(t, INTERVAL '1' HOUR) GROUP BY k, window_start;", all("")),
        format!("INSERT INTO o SELECT {} FROM SESSION(t, INTERVAL '1' HOUR) GROUP BY k;", all("")),
        format!(
            "CREATE PATTERN p ON t PARTITION BY k MATCH a{{6}} SELECT {}; INSERT INTO o SELECT sx, ax, ab, an FROM p;",
            all("a.")
        ),
        format!(
            "INSERT INTO o SELECT sx, ax, ab, an FROM t MATCH_RECOGNIZE (PARTITION BY k ORDER BY at MEASURES {} ONE ROW PER MATCH
               PATTERN (A B* C) DEFINE C AS id = 6 AND id > coalesce(PREV(id), 0));",
            all("")
        ),
    ];
    // The rounded sum divided by six would be 0.05000000000000001.
    let expected = r#"{"sx":0.30000000000000004,"ax":0.05,"ab":9007199254740994.0,"an":1.6666666666666667}"#;
    for statement in statements {
        let ran = run(input, &format!("{}{SINK}{statement}", stream("")), &["--workers", "2"]);
        assert_eq!((ran.status, ran.rows.as_slice()), (0, [expected.to_owned()].as_slice()), "{statement}: {}", ran.said);
    }
}

#[test]
fn dead_letters_say_what_could_not_be_computed() {
    let program = format!(
        "{}{SINK}CREATE STREAM v AS SELECT id, n + n AS y, w, at FROM t WHERE id <> 4;
         INSERT INTO o SELECT id, CAST(w AS INT) AS w FROM v;
         CREATE PATTERN p ON t MATCH a DEFINE a AS b + b > 0 SELECT a.id AS id, CAST(NULL AS INT) AS w;
         INSERT INTO o SELECT id, w FROM p;",
        stream(", bad_rows = 'dead_letter'")
    );
    let input = INPUT.replace("1,7,3,2,10,1.5,12,", "1,7,3,2,10,1.5,twelve,");
    for workers in ["1", "2"] {
        let ran = run(&input, &program, &["--workers", workers]);
        assert_eq!((ran.status, ran.rows.len()), (0, 5), "{}\n{:?}", ran.said, ran.rows);
        let letters = ran.letters.join("\n");
        assert_eq!(ran.letters.len(), 4, "{letters}");
        for part in [
            "\"statement\":\"CREATE STREAM v\"",
            "\"statement\":\"INSERT INTO o\"",
            "\"statement\":\"CREATE PATTERN p\"",
            "\"expression\":\"n + n\"",
            "\"values\":\"w = 'twelve'\"",
            "\"reason\":\"-9223372036854775808 + -9223372036854775808 is out of the range of BIGINT\"",
            "\\\"id\\\":2",
        ] {
            assert!(letters.contains(part), "no {part} in {letters}");
        }
    }
    let good = INPUT.lines().filter(|line| !line.starts_with('2') && !line.starts_with('4')).collect::<Vec<_>>().join("\n");
    let ran = run(&good, &program, &[]);
    assert_eq!((ran.status, ran.letters.len()), (0, 0), "{}", ran.said);
}

/// Row patterns write dead letters as well, with either engine: for rows that are left out and for rows that are shown.
#[test]
fn row_patterns_write_dead_letters() {
    let matched = |measure: &str, pattern: &str, define: &str| {
        format!(
            "INSERT INTO o SELECT * FROM t MATCH_RECOGNIZE (PARTITION BY k ORDER BY at MEASURES {measure} AS y
               AFTER MATCH SKIP TO NEXT ROW PATTERN ({pattern}) DEFINE {define});"
        )
    };
    let statements = [
        matched("A.id", "A B", "A AS n + n > 0"),
        matched("A.n + A.n", "A B", "A AS id > 0"),
        matched("A.id", "A+ B", "A AS n + n > 0"),
        matched("sum(A.n + A.n)", "A+ B", "A AS id <> 4"),
        matched("LAST(A.n) + LAST(A.n)", "A+? B", "A AS id <> 4"),
    ];
    for statement in statements {
        let program = format!("{}{SINK}{statement}", stream(", bad_rows = 'dead_letter'"));
        for workers in ["1", "2"] {
            let ran = run(INPUT, &program, &["--workers", workers]);
            assert_eq!(ran.status, 0, "{statement}: {}", ran.said);
            let letters = ran.letters.join("\n");
            assert!(letters.contains("2147483647 + 2147483647 is out of the range of INT"), "{statement}: {letters}");
        }
    }
}

/// Calls that become columns are shown as they were written.
#[test]
fn what_could_not_be_computed_is_shown_as_it_was_written() {
    let having = "INSERT INTO o SELECT k, count(*) AS c FROM TUMBLE(t, INTERVAL '1' SECOND) GROUP BY k, window_start
      HAVING 10 / (max(n)
        - 2) >= 0;";
    let ran = run(INPUT, &format!("{}{SINK}{having}", stream(", bad_rows = 'skip'")), &[]);
    assert_eq!((ran.status, ran.rows.len()), (0, 2), "{} {:?}", ran.said, ran.rows);
    assert!(ran.said.contains("`10 / (max(n) - 2) >= 0` cannot be computed where max(n) = 2:"), "{}", ran.said);
    let shown = [
        ("max(b) + sum(n)", "`max(b) + sum(n)` cannot be computed where max(b) = 9223372036854775807, sum(n) = 2147483647:"),
        ("sum(b + 1)", "`b + 1` cannot be computed where b = 9223372036854775807:"),
        ("count(*) FILTER (WHERE b+n > 0)", "`b + n > 0` cannot be computed where n = 2147483647, b = 9223372036854775807:"),
        ("max(x)::INT", "`max(x)::INT` cannot be computed where max(x) = 1e30:"),
        ("max(at + n * INTERVAL '1' DAY * n)", "`at + n * INTERVAL '1' DAY * n` cannot be computed where"),
    ];
    for (expression, said) in shown {
        let program = format!(
            "{}{SINK}INSERT INTO o SELECT k, {expression} AS y FROM TUMBLE(t, INTERVAL '1' SECOND) GROUP BY k;",
            stream(", bad_rows = 'skip'")
        );
        let ran = run(INPUT, &program, &[]);
        assert!(ran.status == 0 && ran.said.contains(said) && !ran.said.contains("__"), "{expression}: {}", ran.said);
    }
}

/// Of several streams the strictest policy applies, and a derived stream has the policy of its source.
#[test]
fn policies_are_inherited() {
    let program = |first: &str, second: &str| {
        let other = stream(second).replace("STREAM t", "STREAM u");
        format!(
            "{}{other}{SINK}CREATE STREAM v AS SELECT id, n FROM t UNION ALL SELECT id, n FROM u;
             INSERT INTO o SELECT id, n + n AS y FROM v WHERE id <> 4;",
            stream(first)
        )
    };
    let skip = ", bad_rows = 'skip'";
    let both = run(INPUT, &program(skip, skip), &[]);
    assert_eq!((both.status, both.rows.len()), (0, 6), "{}", both.said);
    assert!(both.said.contains("2 rows that could not be computed"), "{}", both.said);
    for (first, second) in [(skip, ""), ("", skip)] {
        let strict = run(INPUT, &program(first, second), &[]);
        assert_eq!(strict.status, 1, "{}", strict.said);
    }
    let generated = format!(
        "CREATE STREAM g (id BIGINT) WITH (connector = 'generator', kind = 'sequence', rows = 100, bad_rows = 'skip'); {SINK}
         INSERT INTO o SELECT 100 / (id % 10) AS y FROM g;"
    );
    let ran = run(INPUT, &generated, &[]);
    assert_eq!((ran.status, ran.rows.len()), (0, 90), "{}", ran.said);
}

/// A hostile input, most of whose rows are bad, does not take disproportionately long.
#[test]
fn many_bad_rows_are_left_out_whatever_the_workers() {
    let lines: String = (0..30_000).map(|id| format!("{id},7,3,{},5,1.5,x,2024-01-01T00:00:01Z\n", id % 3)).collect();
    let input = format!("id,k,s,n,b,x,w,at\n{lines}");
    let program = format!("{}{SINK}INSERT INTO o SELECT id, b / n AS y FROM t WHERE 10 / n > 6;", stream(", bad_rows = 'skip'"));
    let one = run(&input, &program, &[]);
    assert_eq!((one.status, one.rows.len()), (0, 10_000), "{}", one.said);
    assert!(one.said.contains("10,000 rows that could not be computed"), "{}", one.said);
    let notes = one.said.matches("left out: ").count();
    assert_eq!(notes, 3, "{}", one.said);
    let two = run(&input, &program, &["--workers", "2"]);
    assert_eq!(one.rows, two.rows);
}
