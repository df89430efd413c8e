//! Event time has microseconds wherever order and time count: rows less than a millisecond apart do not have the same time.

use egret::prelude::*;
use std::io::Write as _;
use std::sync::Arc;

/// Rows of one millisecond; neither the order of arrival nor that of ids is the order of their times.
const ROWS: &str = "\
id,kind,device,at
1,b,x,2024-05-01T00:00:00.000900Z
2,a,x,2024-05-01T00:00:00.000100Z
3,c,y,2024-05-01T00:00:00.000901Z
4,a,y,2024-05-01T00:00:00.999999Z
5,b,y,2024-05-01T00:00:01.000000Z
6,b,y,2024-05-01T00:00:01.000500Z
";

fn file(suffix: &str, text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::Builder::new().suffix(suffix).tempfile().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

/// The rows that a program gives, the same for any number of workers and any batching.
fn rows_of(input: &str, program: &str) -> Vec<String> {
    let input = file(".csv", input);
    let text = format!(
        "CREATE STREAM t (id BIGINT, kind STRING, device STRING, at TIMESTAMP, WATERMARK FOR at AS at - INTERVAL '800' MICROSECOND)
           WITH (connector = 'file', path = '{}');
         CREATE SINK out WITH (connector = 'stdout');\n{program}",
        input.path().display()
    );
    let run_at = |workers: usize, batch_rows: usize| {
        let sink = MemorySink::new();
        let program = Program::new("job.egret", &text).with_sink("out", Arc::new(sink.clone()));
        let plan = program.plan().unwrap_or_else(|errors| panic!("{errors}"));
        run(&plan.job, &RunConfig { batch_rows, ..RunConfig::with_workers(workers) }).unwrap();
        sink.sorted_lines()
    };
    let rows = run_at(1, 1_000);
    for (workers, batch_rows) in [(1, 1), (2, 2), (3, 1)] {
        assert_eq!(run_at(workers, batch_rows), rows, "{workers} workers, {batch_rows} rows at a time:\n{program}");
    }
    rows
}

#[test]
fn patterns_order_rows_by_their_microseconds() {
    let pattern = |steps: &str, within: &str| {
        let defines = steps.chars().filter(char::is_ascii_lowercase).map(|name| format!("{name} AS kind = '{name}'"));
        format!(
            "CREATE PATTERN p ON t MATCH {steps} DEFINE {} WITHIN INTERVAL {within} SELECT a.id AS a, match_time AS at;
             INSERT INTO out SELECT * FROM p;",
            defines.collect::<Vec<_>>().join(", ")
        )
    };
    // `c` comes a microsecond after `b`, which arrived before all others and has the least id.
    let found = rows_of(ROWS, &pattern("a b c", "'1' SECOND"));
    assert_eq!(found, ["a=2 at=2024-05-01T00:00:00.000901"]);
    // From the first to the last it is 800 us: a window of exactly that does not contain it.
    let within = |us: u32| rows_of(ROWS, &pattern("a b", &format!("'{us}' MICROSECOND")));
    assert_eq!(within(800), ["a=4 at=2024-05-01T00:00:01"]);
    assert_eq!(within(801), ["a=2 at=2024-05-01T00:00:00.000900", "a=4 at=2024-05-01T00:00:01"]);
    // The microsecond at which an absence is proved.
    let silent = rows_of(ROWS, &pattern("a -> !c", "'801' MICROSECOND"));
    assert_eq!(silent, ["a=2 at=2024-05-01T00:00:00.000901", "a=4 at=2024-05-01T00:00:01.000800"]);
    let heard = rows_of(ROWS, &pattern("a -> !c", "'0.000802' SECOND"));
    assert_eq!(heard, ["a=4 at=2024-05-01T00:00:01.000801"]);
}

#[test]
fn row_patterns_order_rows_by_their_microseconds() {
    let clause = |within: &str| {
        format!(
            "INSERT INTO out SELECT first, last, took > INTERVAL '799' MICROSECOND AS long FROM t MATCH_RECOGNIZE (ORDER BY at
               MEASURES a.id AS first, b.id AS last, b.at - a.at AS took PATTERN (a b) {within}
               DEFINE a AS kind = 'a', b AS kind = 'b');"
        )
    };
    assert_eq!(rows_of(ROWS, &clause("")), ["first=2 last=1 long=true", "first=4 last=5 long=false"]);
    assert_eq!(rows_of(ROWS, &clause("WITHIN INTERVAL '800' MICROSECOND")), ["first=4 last=5 long=false"]);
}

#[test]
fn windows_end_at_their_microsecond() {
    let windows = |window: &str, times: &str| {
        format!("INSERT INTO out SELECT count(*) AS n, {times} FROM {window} GROUP BY window_start, window_end, window_time;")
    };
    let of_a_second = windows("TUMBLE(t, INTERVAL '1' SECOND)", "window_start AS start, window_time AS time");
    assert_eq!(
        rows_of(ROWS, &of_a_second),
        [
            "n=2 start=2024-05-01T00:00:01 time=2024-05-01T00:00:01.999",
            "n=4 start=2024-05-01T00:00:00 time=2024-05-01T00:00:00.999"
        ]
    );
    let short = windows("TUMBLE(t, INTERVAL '500' MICROSECOND)", "window_start AS start");
    assert_eq!(
        rows_of(ROWS, &short),
        [
            "n=1 start=2024-05-01T00:00:00",
            "n=1 start=2024-05-01T00:00:00.999500",
            "n=1 start=2024-05-01T00:00:01",
            "n=1 start=2024-05-01T00:00:01.000500",
            "n=2 start=2024-05-01T00:00:00.000500",
        ]
    );
    // A gap of 500 us joins rows 499 us apart, but not those 500 us apart.
    let sessions = windows("SESSION(t, INTERVAL '500' MICROSECOND)", "window_end AS ends, window_time AS time");
    assert_eq!(
        rows_of(ROWS, &sessions),
        [
            "n=1 ends=2024-05-01T00:00:00.000600 time=2024-05-01T00:00:00",
            "n=1 ends=2024-05-01T00:00:01.001 time=2024-05-01T00:00:01",
            "n=2 ends=2024-05-01T00:00:00.001401 time=2024-05-01T00:00:00.001",
            "n=2 ends=2024-05-01T00:00:01.000500 time=2024-05-01T00:00:01",
        ]
    );
}

/// Results of windows have times at whole milliseconds, and are on time for windows over them.
#[test]
fn windows_of_windows_lose_nothing() {
    let times = [0, 50, 99, 100, 250, 799, 800, 999, 1_000, 1_001, 1_999, 2_000, 5_500];
    let lines: String = times.iter().map(|us| format!("1,a,x,2024-05-01T00:00:00.{us:06}Z\n")).collect();
    for (inner, outer) in [
        ("SESSION(t, INTERVAL '300' MICROSECOND)", "SESSION(counts, INTERVAL '100' MICROSECOND)"),
        ("TUMBLE(t, INTERVAL '100' MICROSECOND)", "TUMBLE(counts, INTERVAL '100' MICROSECOND)"),
        ("TUMBLE(t, INTERVAL '2' MILLISECOND)", "TUMBLE(counts, INTERVAL '1' HOUR)"),
    ] {
        let program = format!(
            "CREATE STREAM counts AS SELECT count(*) AS n, window_time FROM {inner} GROUP BY window_time;
             INSERT INTO out SELECT sum(n) AS n FROM {outer} GROUP BY window_start;"
        );
        let rows = rows_of(&format!("id,kind,device,at\n{lines}"), &program);
        let counted: usize = rows.iter().filter_map(|row| row.strip_prefix("n=")?.parse::<usize>().ok()).sum();
        assert_eq!(counted, times.len(), "{inner}, {outer}: {rows:?}");
    }
}

#[test]
fn knowledge_has_versions_of_microseconds() {
    let program = "CREATE GRAPH ring ON t EDGE kind TO device EXPIRE AFTER INTERVAL '800' MICROSECOND COMPUTE components
          VERSION EVERY INTERVAL '1' MICROSECOND;
        INSERT INTO out SELECT id, ring.size(device) AS size FROM t;";
    // A row sees the edges of all earlier rows that are younger than 800 us.
    let rows = rows_of(ROWS, program);
    let expected = ["id=1 size=1", "id=2 size=1", "id=3 size=1", "id=4 size=1", "id=5 size=2", "id=6 size=3"];
    assert_eq!(rows, expected);
}

#[test]
fn what_is_finer_is_cut_toward_the_past() {
    let rows = "id,kind,device,at\n1,a,x,1969-12-31T23:59:59.9999994Z\n2,a,x,1970-01-01T00:00:00.0000019Z\n";
    let found = rows_of(rows, "INSERT INTO out SELECT id, at FROM t;");
    assert_eq!(found, ["id=1 at=1969-12-31T23:59:59.999999", "id=2 at=1970-01-01T00:00:00.000001"]);
}

/// Rows with times in microseconds are the same in every format, and in every unit that has microseconds.
#[test]
fn every_format_keeps_microseconds() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(folder.path().join("in.csv"), ROWS).unwrap();
    let copy = |from: &str, to: &str| {
        let text = format!(
            "CREATE STREAM t (id BIGINT, at TIMESTAMP) WITH (connector = 'file', path = '{}');
             CREATE SINK o WITH (connector = 'file', path = '{}');
             INSERT INTO o SELECT id, at FROM t;",
            path(from),
            path(to)
        );
        let plan = Program::new("job.egret", &text).plan().unwrap_or_else(|errors| panic!("{errors}"));
        run(&plan.job, &RunConfig::with_workers(1)).unwrap();
    };
    for (from, to) in [("in.csv", "a.jsonl"), ("a.jsonl", "b.parquet"), ("b.parquet", "c.csv"), ("c.csv", "d.jsonl")] {
        copy(from, to);
    }
    let text = std::fs::read_to_string(path("d.jsonl")).unwrap();
    let times = ["00.000900", "00.000100", "00.000901", "00.999999", "01.000", "01.000500"];
    let expected: String =
        (1..).zip(times).map(|(id, at)| format!("{{\"id\":{id},\"at\":\"2024-05-01T00:00:{at}Z\"}}\n")).collect();
    assert_eq!(text, expected);
    assert_eq!(std::fs::read_to_string(path("a.jsonl")).unwrap(), expected);
    for (unit, number) in [("us", 1_714_521_600_000_900_i64), ("ns", 1_714_521_600_000_900_999)] {
        std::fs::write(folder.path().join("in.jsonl"), format!("{{\"id\":1,\"at\":{number}}}\n")).unwrap();
        let text = format!(
            "CREATE STREAM t (id BIGINT, at TIMESTAMP) WITH (connector = 'file', path = '{}', timestamp_unit = '{unit}');
             CREATE SINK o WITH (connector = 'file', path = '{}');
             INSERT INTO o SELECT at FROM t;",
            path("in.jsonl"),
            path("out.csv")
        );
        let plan = Program::new("job.egret", &text).plan().unwrap_or_else(|errors| panic!("{errors}"));
        run(&plan.job, &RunConfig::with_workers(1)).unwrap();
        assert_eq!(std::fs::read_to_string(path("out.csv")).unwrap(), "at\n2024-05-01T00:00:00.000900Z\n", "{unit}");
    }
}
