//! Lengths of time, days and months have the right value wherever they are computed and compared, or are refused.

use egret::prelude::*;
use std::path::Path;
use std::sync::Arc;

/// Two times ten days apart, two half a day, and two at the ends of months.
const TIMES: &str = "id,card,n,at,bt,d
1,7,2,2024-01-01T00:00:00Z,2023-12-31T23:00:00Z,2024-01-31
2,7,-3,2024-01-11T00:00:00Z,2024-01-10T12:00:00Z,2023-02-28
3,7,0,2024-01-11T12:00:00Z,2024-01-12T12:00:00.6Z,2024-02-29
4,8,5,2024-01-31T12:00:00Z,2024-01-11T12:00:00Z,
";

const STREAM: &str =
    "CREATE STREAM ev (id BIGINT, card BIGINT, n BIGINT, at TIMESTAMP, bt TIMESTAMP, d DATE, WATERMARK FOR at AS at)
    WITH (connector = 'file', path = '{folder}/times.csv');
    CREATE SINK o WITH (connector = 'stdout');\n";

fn program(folder: &Path, statements: &str) -> Program {
    std::fs::write(folder.join("times.csv"), TIMES).unwrap();
    let text = STREAM.replace("{folder}", folder.to_str().unwrap()) + &statements.replace("{folder}", folder.to_str().unwrap());
    Program::new("test", &text)
}

/// The rows of a program, the same on one and two workers.
fn rows_of(statements: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let run_at = |workers: usize| {
        let sink = MemorySink::new();
        let plan = program(folder.path(), statements).with_sink("o", Arc::new(sink.clone())).plan();
        let plan = plan.unwrap_or_else(|errors| panic!("{errors}"));
        run(&plan.job, &RunConfig { batch_rows: 2, ..RunConfig::with_workers(workers) }).unwrap();
        sink.sorted_lines()
    };
    let lines = run_at(1);
    assert_eq!(run_at(2), lines);
    lines
}

fn refusal(statements: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    match program(folder.path(), statements).with_sink("o", Arc::new(MemorySink::new())).plan() {
        Ok(_) => panic!("this was planned: {statements}"),
        Err(errors) => errors.to_string(),
    }
}

/// The ids for which a condition holds, which must be the same in WHERE, in a pattern, in a row pattern and in CASE.
fn holds(condition: &str) -> Vec<String> {
    let lines = rows_of(&format!("INSERT INTO o SELECT id FROM ev WHERE {condition};"));
    for (place, statements) in [
        ("CASE", format!("INSERT INTO o SELECT id FROM ev WHERE CASE WHEN {condition} THEN 1 ELSE 0 END = 1;")),
        (
            "a pattern",
            format!(
                "CREATE PATTERN p ON ev PARTITION BY id MATCH a DEFINE a AS {condition} SELECT a.id AS id;
                 INSERT INTO o SELECT id FROM p;"
            ),
        ),
        (
            "a row pattern",
            format!(
                "INSERT INTO o SELECT id FROM ev MATCH_RECOGNIZE (ORDER BY at MEASURES A.id AS id
                 PATTERN (A) DEFINE A AS {condition});"
            ),
        ),
    ] {
        assert_eq!(rows_of(&statements), lines, "{condition} in {place}");
    }
    lines.iter().map(|line| line.replace("id=", "")).collect()
}

#[test]
fn a_difference_is_compared_with_days_and_weeks() {
    for (condition, expected) in [
        ("at - bt < INTERVAL '1' DAY", vec!["1", "2", "3"]),
        ("at - bt < INTERVAL '24' HOUR", vec!["1", "2", "3"]),
        ("at - bt >= INTERVAL '1' WEEK", vec!["4"]),
        ("at - bt = INTERVAL '12' HOUR", vec!["2"]),
        ("at - bt = INTERVAL '0.5' DAY", vec!["2"]),
        ("at - bt <> INTERVAL '20' DAY", vec!["1", "2", "3"]),
        ("at - bt BETWEEN INTERVAL '2' HOUR AND INTERVAL '20' DAY", vec!["2", "4"]),
        ("at - bt IN (INTERVAL '1' HOUR, INTERVAL '480' HOUR)", vec!["1", "4"]),
        ("at - bt IS DISTINCT FROM INTERVAL '1' HOUR", vec!["2", "3", "4"]),
        ("at - bt < -INTERVAL '1' DAY", vec!["3"]),
        ("at - bt < INTERVAL '-1' DAY", vec!["3"]),
        ("-(at - bt) > INTERVAL '1' DAY", vec!["3"]),
        ("-(at - bt) = -(n - n) * INTERVAL '1' DAY - INTERVAL '12' HOUR", vec!["2"]),
        ("at - bt > 3 * INTERVAL '1' DAY", vec!["4"]),
        ("-(bt - at) > 3 * INTERVAL '1' DAY", vec!["4"]),
        ("-(at - bt) > INTERVAL '1' DAY", vec!["3"]),
        ("+(at - bt) = -(bt - at)", vec!["1", "2", "3", "4"]),
        ("NOT -(at - bt) * 2 < -INTERVAL '1' DAY", vec!["1", "2", "3"]),
        ("at + NULL > bt IS NULL", vec!["1", "2", "3", "4"]),
        ("at - bt > n * INTERVAL '1' DAY", vec!["2", "4"]),
        ("(at - bt) * 2 >= INTERVAL '1' DAY", vec!["2", "4"]),
        ("(at - bt) / 2 = INTERVAL '6' HOUR", vec!["2"]),
        ("at - bt + INTERVAL '1' DAY > INTERVAL '36' HOUR", vec!["4"]),
        ("greatest(at - bt, INTERVAL '1' DAY) = INTERVAL '24' HOUR", vec!["1", "2", "3"]),
        ("CASE at - bt WHEN INTERVAL '20' DAY THEN true ELSE false END", vec!["4"]),
        ("CASE WHEN n > 0 THEN at - bt ELSE INTERVAL '1' DAY END = INTERVAL '24' HOUR", vec!["2", "3"]),
        ("coalesce(nullif(at - bt, INTERVAL '480' HOUR), INTERVAL '1' MINUTE) < INTERVAL '1' HOUR", vec!["3", "4"]),
        ("INTERVAL '1' DAY = INTERVAL '24' HOUR", vec!["1", "2", "3", "4"]),
        ("INTERVAL '36' HOUR < INTERVAL '1' DAY", vec![]),
        ("bt + (at - bt) = at", vec!["1", "2", "3", "4"]),
        ("at < bt + INTERVAL '1' MONTH", vec!["1", "2", "3", "4"]),
        ("bt + INTERVAL '1' MONTH > at + INTERVAL '20' DAY", vec!["1", "2", "3"]),
    ] {
        assert_eq!(holds(condition), expected, "{condition}");
    }
}

#[test]
fn months_and_dates_follow_the_calendar() {
    for (expression, expected) in [
        ("at + INTERVAL '1' MONTH", ["2024-02-01T00:00:00", "2024-02-11T00:00:00", "2024-02-11T12:00:00", "2024-02-29T12:00:00"]),
        (
            "at - INTERVAL '11' MONTH",
            ["2023-02-01T00:00:00", "2023-02-11T00:00:00", "2023-02-11T12:00:00", "2023-02-28T12:00:00"],
        ),
        (
            "INTERVAL '1 month 1 day' + at",
            ["2024-02-02T00:00:00", "2024-02-12T00:00:00", "2024-02-12T12:00:00", "2024-03-01T12:00:00"],
        ),
        ("d + INTERVAL '12' HOUR", ["2024-01-31T12:00:00", "2023-02-28T12:00:00", "2024-02-29T12:00:00", "null"]),
        ("d - INTERVAL '1' YEAR", ["2023-01-31T00:00:00", "2022-02-28T00:00:00", "2023-02-28T00:00:00", "null"]),
        ("d + 1", ["2024-02-01", "2023-03-01", "2024-03-01", "null"]),
        ("d - DATE '2024-01-01'", ["30", "-307", "59", "null"]),
        ("d > at", ["true", "false", "true", "null"]),
        ("d IN (TIMESTAMP '2024-01-31 00:00:00', at)", ["true", "false", "false", "null"]),
        ("EXTRACT(EPOCH FROM at - bt)", ["3600.0", "43200.0", "-86400.6", "1728000.0"]),
        ("EXTRACT(DAY FROM bt - at)", ["0", "0", "1", "-20"]),
        ("EXTRACT(HOUR FROM (at - bt) / 7)", ["0", "1", "-3", "20"]),
        ("EXTRACT(MILLISECONDS FROM bt - at)", ["0", "0", "600", "0"]),
    ] {
        let lines = rows_of(&format!("INSERT INTO o SELECT id, {expression} AS v FROM ev;"));
        let expected: Vec<String> = expected.iter().enumerate().map(|(row, value)| format!("id={} v={value}", row + 1)).collect();
        assert_eq!(lines, expected, "{expression}");
    }
}

const LENGTHS: &str = "CREATE STREAM le AS SELECT id, card, at, at - bt AS len FROM ev;\n";

#[test]
fn lengths_are_aggregated_and_are_keys() {
    let windows = rows_of(&format!(
        "{LENGTHS} INSERT INTO o SELECT card, EXTRACT(EPOCH FROM min(len)) AS least, EXTRACT(EPOCH FROM max(len)) AS most,
           EXTRACT(EPOCH FROM sum(len)) AS total, EXTRACT(EPOCH FROM avg(len)) AS mean, count(DISTINCT len) AS n
         FROM TUMBLE(le, INTERVAL '60' DAY) GROUP BY card HAVING max(at) - min(at) > INTERVAL '1' WEEK;"
    ));
    assert_eq!(windows, ["card=7 least=-86400.6 most=43200.0 total=-39600.6 mean=-13200.2 n=3"]);
    let keys = rows_of(&format!(
        "{LENGTHS} INSERT INTO o SELECT count(*) AS n FROM TUMBLE(le, INTERVAL '60' DAY) GROUP BY len HAVING len < INTERVAL '1' DAY;"
    ));
    assert_eq!(keys, ["n=1"; 3]);
}

#[test]
fn patterns_and_row_patterns_measure_lengths() {
    let pattern = "CREATE PATTERN p ON le PARTITION BY card MATCH a -> b
           DEFINE b AS at - a.at >= INTERVAL '7' DAY AND len > min(a.len) AND at - first(a.at) < avg(a.len) + INTERVAL '11' DAY
           SELECT a.id AS a, b.id AS b, EXTRACT(DAY FROM b.at - a.at) AS days, EXTRACT(EPOCH FROM max(a.len)) AS most;
         INSERT INTO o SELECT a, b, days, most FROM p;";
    assert_eq!(rows_of(&format!("{LENGTHS} {pattern}")), ["a=1 b=2 days=10 most=3600.0"]);
    let rows = "INSERT INTO o SELECT a, b, days, most FROM le MATCH_RECOGNIZE (PARTITION BY card ORDER BY at
           MEASURES A.id AS a, B.id AS b, EXTRACT(DAY FROM B.at - A.at) AS days, EXTRACT(EPOCH FROM MAX(A.len)) AS most
           PATTERN (A B) DEFINE B AS at - A.at >= INTERVAL '7' DAY AND len > MIN(A.len) AND at - PREV(at) < INTERVAL '2' WEEK);";
    assert_eq!(rows_of(&format!("{LENGTHS} {rows}")), ["a=1 b=2 days=10 most=3600.0"]);
}

#[test]
fn what_has_no_fixed_length_or_no_unit_is_refused() {
    for (expression, said) in [
        ("at - bt < INTERVAL '1' MONTH", "a month has no fixed length"),
        ("INTERVAL '1' MONTH > INTERVAL '30' DAY", "at < a.at + INTERVAL '1' MONTH"),
        ("at - bt BETWEEN INTERVAL '1' DAY AND INTERVAL '1' YEAR", "a month has no fixed length"),
        ("greatest(at - bt, INTERVAL '1' MONTH) IS NULL", "a month has no fixed length"),
        ("at - bt + INTERVAL '1' MONTH > INTERVAL '1' DAY", "cannot be added to a difference of times"),
        ("at - bt > 5", "a length of time and a number cannot be compared"),
        ("at - bt > '1 day'", "a length of time and a text cannot be compared"),
        ("at - bt > bt", "a length of time and a TIMESTAMP cannot be compared"),
        ("at + 5 > bt", "a TIMESTAMP and a number cannot be added"),
        ("(at - bt) / (at - bt) > 1", "EXTRACT(EPOCH FROM at - a.at)"),
        ("CAST(at - bt AS BIGINT) > 1", "EXTRACT(EPOCH FROM at - a.at)"),
        ("CAST(at AS BIGINT) > 1", "EXTRACT(EPOCH FROM at)"),
        ("CAST(n AS TIMESTAMP) > at", "to_timestamp_seconds(n)"),
        ("EXTRACT(MONTH FROM at - bt) > 1", "a length of time has no month"),
        ("to_char(at - bt, '%H') = '1'", "a length of time has no format"),
        ("-at > bt", "a TIMESTAMP has no sign"),
        ("at + INTERVAL '1' NANOSECOND > bt", "finer than times are"),
        ("n * INTERVAL '1' MONTH + at > bt", "cannot be multiplied"),
    ] {
        for statements in [
            format!("INSERT INTO o SELECT id FROM ev WHERE {expression};"),
            format!("CREATE PATTERN p ON ev MATCH a DEFINE a AS {expression} SELECT a.id AS id; INSERT INTO o SELECT id FROM p;"),
            format!(
                "INSERT INTO o SELECT id FROM ev MATCH_RECOGNIZE (ORDER BY at MEASURES A.id AS id PATTERN (A) DEFINE A AS {expression});"
            ),
        ] {
            let text = refusal(&statements);
            assert!(text.contains(said), "{statements}: {text}");
        }
    }
    for (query, said) in [
        ("SELECT INTERVAL '1' MONTH AS v FROM ev", "cannot be a value of its own"),
        ("SELECT stddev(at - bt) AS v FROM TUMBLE(ev, INTERVAL '1' DAY) GROUP BY card", "stddev(EXTRACT(EPOCH FROM at - a.at))"),
        ("SELECT max(INTERVAL '1' MONTH) AS v FROM TUMBLE(ev, INTERVAL '1' DAY) GROUP BY card", "cannot be aggregated"),
    ] {
        let text = refusal(&format!("INSERT INTO o {query};"));
        assert!(text.contains(said), "{query}: {text}");
    }
}

#[test]
fn sinks_write_lengths() {
    let folder = tempfile::tempdir().unwrap();
    let statements = format!(
        "{LENGTHS}
         CREATE SINK c WITH (connector = 'file', path = '{{folder}}/out.csv'); INSERT INTO c SELECT id, len FROM le WHERE id > 1;
         CREATE SINK j WITH (connector = 'file', path = '{{folder}}/out.jsonl'); INSERT INTO j SELECT id, len FROM le WHERE id > 1;
         CREATE SINK p WITH (connector = 'file', path = '{{folder}}/out.parquet'); INSERT INTO p SELECT id, len FROM le WHERE id > 1;
         INSERT INTO o SELECT id FROM ev WHERE id > 9;"
    );
    let plan = program(folder.path(), &statements).with_sink("o", Arc::new(MemorySink::new())).plan();
    run(&plan.unwrap_or_else(|errors| panic!("{errors}")).job, &RunConfig::with_workers(1)).unwrap();
    let text = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!(text("out.csv"), "id,len\n2,PT43200S\n3,-PT86400.6S\n4,PT1728000S\n");
    assert_eq!(
        text("out.jsonl"),
        "{\"id\":2,\"len\":\"PT43200S\"}\n{\"id\":3,\"len\":\"-PT86400.6S\"}\n{\"id\":4,\"len\":\"PT1728000S\"}\n"
    );
    // Parquet has no durations: a reader that knows Arrow reads them as such, any other as integers.
    let file = std::fs::File::open(folder.path().join("out.parquet")).unwrap();
    let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    assert!(matches!(reader.schema().field(1).data_type(), arrow::datatypes::DataType::Duration(_)));
}
