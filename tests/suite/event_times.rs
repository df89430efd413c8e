//! Event times, through the program `egret`: splits that become idle together and come back, the ends of the range, a row from
//! the future.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

fn egret(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_egret"));
    command.args(args).current_dir(folder).stdin(Stdio::null());
    command
}

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

fn said(output: &Output) -> (Option<i32>, String, Vec<String>) {
    let rows = String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned(), rows)
}

/// A job without end that reads rows as they arrive.
struct Running {
    child: Child,
    rows: Receiver<String>,
}

impl Running {
    fn start(folder: &Path, workers: &str) -> Self {
        let mut child = egret(folder, &["run", "job.egret", "--summary", "--workers", workers])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, rows) = channel();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, rows }
    }

    fn next(&self) -> String {
        self.rows.recv_timeout(PATIENCE).expect("a row comes")
    }

    /// Stops it; returns its output.
    fn stop(mut self) -> String {
        assert!(Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().unwrap().success());
        let mut text = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
        assert!(self.child.wait().unwrap().success(), "{text}");
        text
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const QUIET: &str = "CREATE STREAM t (id BIGINT, at TIMESTAMP, WATERMARK FOR at AS at)
  WITH (connector = 'file', path = 'g/*.jsonl', follow = true, follow_every = '5 ms', idle_timeout = '50 ms');
CREATE SINK o WITH (connector = 'stdout', format = 'json');
INSERT INTO o SELECT count(*) AS n, window_start FROM TUMBLE(t, INTERVAL '10' SECOND) GROUP BY window_start;";

#[test]
fn parts_that_fall_silent_together_let_time_go_on_and_come_back_late() {
    let (a, b) = (
        "{\"id\":1,\"at\":\"2024-05-01 00:00:01\"}\n{\"id\":2,\"at\":\"2024-05-01 00:00:25\"}\n",
        "{\"id\":3,\"at\":\"2024-05-01 00:00:02\"}\n",
    );
    // The idle one may be the first by name, or the last.
    for (first, last) in [(a, b), (b, a)] {
        for workers in ["1", "2", "3"] {
            let folder = folder(&[("job.egret", QUIET), ("g/a.jsonl", first), ("g/b.jsonl", last)]);
            let running = Running::start(folder.path(), workers);
            assert_eq!(running.next(), r#"{"n":2,"window_start":"2024-05-01T00:00:00.000Z"}"#);
            let quiet = if first == b { "g/a.jsonl" } else { "g/b.jsonl" };
            let mut file = std::fs::OpenOptions::new().append(true).open(folder.path().join(quiet)).unwrap();
            let late = "{\"id\":4,\"at\":\"2024-05-01 00:00:03\"}\n{\"id\":5,\"at\":\"2024-05-01 00:01:00\"}\n";
            file.write_all(late.as_bytes()).unwrap();
            assert_eq!(running.next(), r#"{"n":1,"window_start":"2024-05-01T00:00:20.000Z"}"#);
            let text = running.stop();
            assert!(text.contains("1 rows behind the watermark"), "{workers} workers: {text}");
        }
    }
}

fn windows(options: &str) -> String {
    format!(
        "CREATE STREAM t (id BIGINT, at TIMESTAMP, WATERMARK FOR at AS at) WITH ({options});
         CREATE SINK o WITH (connector = 'stdout', format = 'json');
         INSERT INTO o SELECT count(*) AS n, window_start FROM TUMBLE(t, INTERVAL '1' MINUTE) GROUP BY window_start;"
    )
}

/// Milliseconds in windows of a minute; in between the years 0 and 10000, and the first and last times that text can express.
const TIMES: &str = "id,at\n1,1700000000000\n2,8640000000000000\n3,8639999999999999\n4,253402300800000\n5,1700000090000\n\
                     6,-8640000000000000\n7,-62135596800001\n8,1700000120000\n";
const GOOD: [&str; 3] = [
    r#"{"n":1,"window_start":"2023-11-14T22:13:00.000Z"}"#,
    r#"{"n":1,"window_start":"2023-11-14T22:14:00.000Z"}"#,
    r#"{"n":1,"window_start":"2023-11-14T22:15:00.000Z"}"#,
];

#[test]
fn times_outside_the_years_0001_to_9999_are_bad_rows_of_every_format() {
    let write = "CREATE STREAM t (id BIGINT, at TIMESTAMP) WITH (connector = 'file', path = 'in.csv');
        CREATE SINK o WITH (connector = 'file', path = 'in.parquet');
        INSERT INTO o SELECT id, at FROM t;";
    let folder = folder(&[("in.csv", TIMES), ("write.egret", write)]);
    assert!(egret(folder.path(), &["run", "write.egret"]).output().unwrap().status.success());
    for (path, unit) in [("in.csv", "line"), ("in.parquet", "row")] {
        let run = |bad_rows: &str| {
            std::fs::write(
                folder.path().join("job.egret"),
                windows(&format!("connector = 'file', path = '{path}', bad_rows = '{bad_rows}'")),
            )
            .unwrap();
            said(&egret(folder.path(), &["run", "job.egret", "--workers", "1"]).output().unwrap())
        };
        let (status, text, _) = run("fail");
        let first = if unit == "line" { 3 } else { 2 };
        assert_eq!(status, Some(1), "{path}: {text}");
        assert!(text.contains(path) && text.contains(&format!("{unit} {first}")) && text.contains("bad_rows"), "{path}: {text}");
        let (status, text, rows) = run("skip");
        assert_eq!((status, rows.as_slice()), (Some(0), GOOD.map(str::to_owned).as_slice()), "{path}: {text}");
        assert!(text.contains("5 rows that could not be read"), "{path}: {text}");
        assert_eq!(run("dead_letter").2, GOOD);
        let letters = std::fs::read_to_string(folder.path().join(format!("out/{path}.bad"))).unwrap();
        let lines: Vec<u64> = letters.lines().map(|letter| number_after(letter, "\"line\":")).collect();
        let expected = [0, 1, 2, 4, 5].map(|line| line + first);
        let mut sorted = lines.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, expected, "{path}: {letters}");
    }
}

fn number_after(text: &str, what: &str) -> u64 {
    let rest = text.split_once(what).unwrap().1;
    rest.split(|character: char| !character.is_ascii_digit()).next().unwrap().parse().unwrap()
}

const FUTURE: &str = "id,at\n1,2024-05-01 00:00:10\n2,2034-05-01 00:00:00\n\n3,2024-05-01 00:04:00\n4,2024-05-02 00:04:00\n";

#[test]
fn a_row_from_the_future_is_named_or_a_bad_row() {
    let run = |options: &str| {
        let job = windows(&format!("connector = 'file', path = 'in.csv', {options}"));
        let folder = folder(&[("job.egret", &job), ("in.csv", FUTURE)]);
        let output = said(&egret(folder.path(), &["run", "job.egret"]).output().unwrap());
        (output, std::fs::read_to_string(folder.path().join("out/in.csv.bad")).unwrap_or_default())
    };
    let ((status, text, rows), _) = run("header = true");
    assert_eq!((status, rows.len()), (Some(0), 2), "{text}");
    assert!(text.contains("in.csv, line 3: 2034-05-01 00:00:00.000 is 3651 days ahead"), "{text}");
    assert!(text.contains("2 rows behind the watermark"), "{text}");
    let ((status, text, rows), letters) = run("max_ahead = INTERVAL '1' DAY, bad_rows = 'dead_letter'");
    assert_eq!((status, rows.len()), (Some(0), 3), "a day is not more than a day: {text}");
    assert!(text.contains("1 rows that could not be read") && !text.contains("behind the watermark"), "{text}");
    assert!(letters.contains("\"line\":3,\"column\":\"at\",\"value\":\"2034-05-01 00:00:00.000\""), "{letters}");
    let ((status, text, _), _) = run("max_ahead = '23 h', bad_rows = 'skip'");
    assert_eq!(status, Some(0));
    assert!(text.contains("2 rows that could not be read"), "{text}");
    let ((status, text, _), _) = run("max_ahead = '1 day'");
    assert_eq!(status, Some(1));
    assert!(text.contains("line 3, column 'at'") && text.contains("max_ahead is 1 day"), "{text}");
}

#[test]
fn a_part_that_never_ends_leaves_something_for_the_others() {
    let job = "CREATE STREAM t (id BIGINT) WITH (connector = 'generator', kind = 'sequence', splits = 2);
        CREATE SINK o WITH (connector = 'stdout', format = 'json');
        INSERT INTO o SELECT id FROM t;";
    let folder = folder(&[("job.egret", job)]);
    let running = Running::start(folder.path(), "1");
    let odd = (0..100_000).map(|_| number_after(&running.next(), ":")).find(|id| id % 2 == 1);
    assert_eq!(odd, Some(1));
}
