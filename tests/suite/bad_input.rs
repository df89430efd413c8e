//! Bad input, through the program `egret`: a clear error or the documented policy, no data lost, no panic.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output};

fn egret(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_egret")).args(args).current_dir(folder).output().unwrap()
}

/// Runs a job over a CSV file with these bytes; returns exit status, standard error and the rows written.
fn run_csv(bytes: &[u8], options: &str) -> (i32, String, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("in.csv"), bytes).unwrap();
    let program = format!(
        "CREATE STREAM t (id BIGINT, card BIGINT, amount DOUBLE, at TIMESTAMP, WATERMARK FOR at AS at - INTERVAL '1' SECOND)
           WITH (connector = 'file', path = 'in.csv', format = 'csv' {options});
         CREATE SINK o WITH (connector = 'file', path = 'out.jsonl', format = 'json');
         INSERT INTO o SELECT id, card, amount, at FROM t;"
    );
    std::fs::write(folder.path().join("job.egret"), program).unwrap();
    let output = egret(folder.path(), &["run", "job.egret", "--workers", "2", "--summary"]);
    let rows = std::fs::read_to_string(folder.path().join("out.jsonl")).unwrap_or_default();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!error.contains("panicked"), "{error}");
    (output.status.code().unwrap(), error, rows.lines().map(str::to_owned).collect())
}

const HEADER: &str = "id,card,amount,at\n";

#[test]
fn good_rows_in_three_formats_of_time() {
    let text = format!("{HEADER}1,1,2.5,2024-03-01T10:00:00Z\n2,1,2.5,2024-03-01 10:00:01.5\n3,1,2.5,1709287202000\n");
    let (status, error, rows) = run_csv(text.as_bytes(), "");
    assert_eq!((status, rows.len()), (0, 3), "{error}");
    assert!(rows[1].contains("2024-03-01T10:00:01.5"), "{rows:?}");
}

#[test]
fn bad_rows_fail_with_place_cause_and_remedy() {
    for (bad, expected) in
        [("2,1", "line 3"), ("2,1,many,2024-03-01T10:00:01Z", "many"), ("2,1,2.5,yesterday", "yesterday"), ("2,1,2.5,", "at")]
    {
        let text = format!("{HEADER}1,1,2.5,2024-03-01T10:00:00Z\n{bad}\n");
        let (status, error, _) = run_csv(text.as_bytes(), "");
        assert_eq!(status, 1, "{bad}: {error}");
        assert!(error.contains("in.csv") && error.contains("line 3") && error.contains(expected), "{bad}: {error}");
    }
}

#[test]
fn skipped_rows_are_counted_and_dead_letters_are_kept() {
    let mut text = format!("{HEADER}1,1,2.5,2024-03-01T10:00:00Z\n2,x,2.5,2024-03-01T10:00:01Z\n").into_bytes();
    text.extend_from_slice(b"3,1,\xff\xfe,2024-03-01T10:00:02Z\n4,,,2024-03-01T10:00:03Z\n");
    let (status, error, rows) = run_csv(&text, ", bad_rows = 'skip'");
    assert_eq!((status, rows.len()), (0, 2), "{error}");
    assert!(error.contains("2 rows that could not be read"), "{error}");
    let (status, error, rows) = run_csv(&text, ", bad_rows = 'dead_letter', dead_letter_path = 'bad.jsonl'");
    assert_eq!((status, rows.len()), (0, 2), "{error}");
}

#[test]
fn late_rows_are_not_lost() {
    let text = format!("{HEADER}1,1,2.5,2024-03-01T10:00:10Z\n2,1,2.5,2024-03-01T10:00:00Z\n");
    let (status, error, rows) = run_csv(text.as_bytes(), "");
    assert_eq!((status, rows.len()), (0, 2), "a projection passes late rows on: {error}");
}

#[test]
fn empty_files_and_headers_alone() {
    let (status, error, rows) = run_csv(HEADER.as_bytes(), "");
    assert_eq!((status, rows.len()), (0, 0), "{error}");
    let (status, error, _) = run_csv(b"", "");
    assert!(status == 0 || error.contains("in.csv"), "{error}");
}

#[test]
fn a_truncated_gzip_is_said_to_be_one() {
    let folder = tempfile::tempdir().unwrap();
    let lines: String = (0..50_000).map(|id| format!("{{\"id\":{id},\"name\":\"row {}\"}}\n", id * 7919 % 10_007)).collect();
    std::fs::write(folder.path().join("in.jsonl"), lines).unwrap();
    let status = Command::new("gzip").arg("in.jsonl").current_dir(folder.path()).status().unwrap();
    assert!(status.success());
    let whole = std::fs::read(folder.path().join("in.jsonl.gz")).unwrap();
    std::fs::write(folder.path().join("in.jsonl.gz"), &whole[..whole.len() / 2]).unwrap();
    let program = "CREATE STREAM t (id BIGINT, name STRING) WITH (connector = 'file', path = 'in.jsonl.gz', format = 'json');
         CREATE SINK o WITH (connector = 'file', path = 'out.jsonl', format = 'json'); INSERT INTO o SELECT id FROM t;";
    std::fs::write(folder.path().join("job.egret"), program).unwrap();
    let output = egret(folder.path(), &["run", "job.egret"]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("in.jsonl.gz"), "{error}");
    assert!(!folder.path().join("out.jsonl").exists(), "a failed job must not leave a file that looks whole");
}

#[test]
fn programs_that_cannot_run_say_why() {
    let stream = "CREATE STREAM t (id BIGINT) WITH (connector = 'file', path = 'missing.csv', format = 'csv');";
    let sink = "CREATE SINK o WITH (connector = 'file', path = 'o.jsonl', format = 'json');";
    let cases = [
        (format!("{stream} {sink} INSERT INTO o SELECT id FROM t;"), "missing.csv"),
        (
            format!("{stream} CREATE SINK o WITH (connector = 'fiel', path = 'x'); INSERT INTO o SELECT id FROM t;"),
            "did you mean 'file'?",
        ),
        (format!("{stream} CREATE SINK o WITH (connector = 'file', pth = 'x.jsonl'); INSERT INTO o SELECT id FROM t;"), "path"),
        (
            format!(
                "{stream} {sink} CREATE SINK o2 WITH (connector = 'file', path = './o.jsonl', format = 'json');
                     INSERT INTO o SELECT id FROM t; INSERT INTO o2 SELECT id FROM t;"
            ),
            "both write to",
        ),
        (stream.to_owned(), "no output"),
    ];
    for (program, expected) in cases {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("job.egret"), &program).unwrap();
        let output = egret(folder.path(), &["run", "job.egret"]);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(matches!(output.status.code(), Some(1 | 2)), "{error}");
        assert!(error.contains(expected) && !error.contains("panicked"), "{expected} is missing in: {error}");
    }
}

#[test]
fn an_output_that_cannot_be_written_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let mut input = std::fs::File::create(folder.path().join("in.csv")).unwrap();
    writeln!(input, "id\n1").unwrap();
    std::fs::write(folder.path().join("taken"), "a file, not a folder").unwrap();
    let program = "CREATE STREAM t (id BIGINT) WITH (connector = 'file', path = 'in.csv', format = 'csv');
         CREATE SINK o WITH (connector = 'file', path = 'taken/o.jsonl', format = 'json'); INSERT INTO o SELECT id FROM t;";
    std::fs::write(folder.path().join("job.egret"), program).unwrap();
    let output = egret(folder.path(), &["run", "job.egret"]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(matches!(output.status.code(), Some(1 | 2)) && error.contains("taken"), "{error}");
}

#[test]
fn standard_input_belongs_to_one_process() {
    let folder = tempfile::tempdir().unwrap();
    let program = "CREATE STREAM t (id BIGINT) WITH (connector = 'stdin', format = 'csv');
         CREATE SINK o WITH (connector = 'stdout'); INSERT INTO o SELECT id FROM t;";
    std::fs::write(folder.path().join("job.egret"), program).unwrap();
    for (args, expected) in
        [(["run", "job.egret", "--processes", "2"], "one process only"), (["run", "-", "--processes", "2"], "save it in a file")]
    {
        let output = egret(folder.path(), &args);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(matches!(output.status.code(), Some(1 | 2)) && error.contains(expected), "{error}");
    }
}

#[test]
fn the_command_line_teaches() {
    let folder = tempfile::tempdir().unwrap();
    let help = egret(folder.path(), &["--help"]);
    let text = String::from_utf8_lossy(&help.stdout).into_owned();
    for word in ["run", "check", "explain", "generate", "examples/fraud/fraud.egret"] {
        assert!(text.contains(word), "{word} is missing in {text}");
    }
    assert_eq!(egret(folder.path(), &["run"]).status.code(), Some(2));
    assert_eq!(egret(folder.path(), &["check", "none.egret"]).status.code(), Some(2));
}
