//! Files that are read over several runs of a job: rotated, replaced, missing, or many at a time.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

fn egret(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_egret"));
    command.args(args).current_dir(folder).stdin(Stdio::null());
    command
}

fn run(folder: &Path, more: &[&str]) -> Output {
    egret(folder, &["run", "job.egret"]).args(more).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn folder(stream: &str, query: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let job = format!(
        "{stream}\nCREATE SINK o WITH (connector = 'file', path = 'out/o.csv', header = false);\nINSERT INTO o {query};\n"
    );
    std::fs::write(folder.path().join("job.egret"), job).unwrap();
    folder
}

const FOLLOWED: &str =
    "CREATE STREAM t (id BIGINT) WITH (connector = 'file', path = 'live.jsonl', follow = true, follow_every = '5 ms');";

fn log(ids: std::ops::Range<u32>) -> String {
    ids.map(|id| format!("{{\"id\":{id},\"what\":\"row {id} of the log\"}}\n")).collect()
}

/// A job that is stopped, with a checkpoint, when its output shows that it has read enough.
struct Running(Child);

impl Running {
    fn start(folder: &Path) -> Self {
        let args = [
            "run",
            "job.egret",
            "--checkpoints",
            "state",
            "--checkpoint-interval",
            "20ms",
            "--workers",
            "2",
            "--restart",
            "none",
        ];
        Self(egret(folder, &args).stderr(Stdio::piped()).spawn().unwrap())
    }

    /// Waits until the output has a row.
    fn wait_for(&mut self, folder: &Path, row: &str) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !rows(folder).iter().any(|line| line == row) {
            assert!(Instant::now() < deadline, "row {row} was not read: {:?}", rows(folder));
            assert!(self.0.try_wait().unwrap().is_none(), "the job ended before it read row {row}");
            std::thread::yield_now();
        }
    }

    /// Waits until the output has a row, then stops the job.
    fn stop_after(mut self, folder: &Path, row: &str) {
        self.wait_for(folder, row);
        assert!(Command::new("kill").args(["-INT", &self.0.id().to_string()]).status().unwrap().success());
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn rows(folder: &Path) -> Vec<String> {
    std::fs::read_to_string(folder.join("out/o.csv")).unwrap_or_default().lines().map(str::to_owned).collect()
}

fn ids(ids: std::ops::Range<u32>) -> Vec<String> {
    ids.map(|id| id.to_string()).collect()
}

#[test]
fn a_log_that_is_rotated_while_the_job_is_down_loses_nothing() {
    let folder = folder(FOLLOWED, "SELECT id FROM t");
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("live.jsonl"), log(0..100)).unwrap();
    Running::start(folder.path()).stop_after(folder.path(), "99");
    std::fs::write(at("live.jsonl"), log(0..120)).unwrap();
    std::fs::rename(at("live.jsonl"), at("live.jsonl.1")).unwrap();
    std::fs::write(at("live.jsonl"), log(120..300)).unwrap();
    Running::start(folder.path()).stop_after(folder.path(), "299");
    // Copied and truncated, while the job is down.
    std::fs::copy(at("live.jsonl"), at("live.jsonl.0")).unwrap();
    std::fs::write(at("live.jsonl"), log(300..700)).unwrap();
    Running::start(folder.path()).stop_after(folder.path(), "699");
    assert_eq!(rows(folder.path()), ids(0..700));
}

#[test]
fn a_stream_with_a_uid_goes_on_where_it_was() {
    let folder = folder(&FOLLOWED.replace("follow = true", "follow = true, uid = 'the log'"), "SELECT id FROM t");
    std::fs::write(folder.path().join("live.jsonl"), log(0..100)).unwrap();
    Running::start(folder.path()).stop_after(folder.path(), "99");
    std::fs::write(folder.path().join("live.jsonl"), log(0..150)).unwrap();
    Running::start(folder.path()).stop_after(folder.path(), "149");
    assert_eq!(rows(folder.path()), ids(0..150));
}

#[test]
fn a_log_that_was_replaced_and_is_gone_is_refused() {
    let folder = folder(FOLLOWED, "SELECT id FROM t");
    std::fs::write(folder.path().join("live.jsonl"), log(0..100)).unwrap();
    Running::start(folder.path()).stop_after(folder.path(), "99");
    std::fs::remove_file(folder.path().join("live.jsonl")).unwrap();
    std::fs::write(folder.path().join("live.jsonl"), log(500..900)).unwrap();
    let ended = run(folder.path(), &["--checkpoints", "state"]);
    assert_eq!(ended.status.code(), Some(1), "{}", said(&ended));
    let said = said(&ended);
    assert!(
        said.contains("live.jsonl is not the file that it was at the checkpoint") && said.contains("help: if it was rotated"),
        "{said}"
    );
    assert!(!said.contains("started again"), "it lasts: {said}");
    assert_eq!(rows(folder.path()), ids(0..100), "what was published stays");
}

#[test]
fn a_log_that_is_copied_and_cut_while_it_is_followed_loses_nothing() {
    let folder = folder(FOLLOWED, "SELECT id FROM t");
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("live.jsonl"), log(0..100)).unwrap();
    let job = Running::start(folder.path());
    let deadline = Instant::now() + Duration::from_secs(20);
    while !rows(folder.path()).contains(&"99".to_owned()) {
        assert!(Instant::now() < deadline, "nothing was read");
        std::thread::yield_now();
    }
    std::fs::copy(at("live.jsonl"), at("live.jsonl.1")).unwrap();
    std::fs::write(at("live.jsonl"), log(100..400)).unwrap();
    job.stop_after(folder.path(), "399");
    assert_eq!(rows(folder.path()), ids(0..400));
}

#[test]
fn a_source_that_became_another_is_refused_with_what_differs() {
    let changes = [
        (
            "connector = 'file', path = 'in', format = 'csv'",
            "connector = 'file', path = 'in', format = 'json'",
            "format was 'csv' and is now 'json'",
        ),
        (
            "connector = 'file', path = 'in', format = 'csv'",
            "connector = 'file', path = 'in', format = 'csv', header = false",
            "header was 'true' and is now 'false'",
        ),
        (
            "connector = 'file', path = 'in', format = 'csv'",
            "connector = 'file', path = 'in', format = 'csv', delimiter = ';'",
            "delimiter was ',' and is now ';'",
        ),
        (
            "connector = 'generator', kind = 'sequence', rows = 9",
            "connector = 'generator', kind = 'sequence', rows = 9, splits = 2",
            "splits was '1' and is now '2'",
        ),
        (
            "connector = 'generator', kind = 'sequence', rows = 9",
            "connector = 'generator', kind = 'sequence', rows = 9, step = '1 s'",
            "step was '1 ms' and is now '1000 ms'",
        ),
    ];
    for (was, is, expected) in changes {
        let folder = tempfile::tempdir().unwrap();
        let job = |with: &str| {
            format!(
                "CREATE STREAM t (id BIGINT, x BIGINT) WITH ({with}); CREATE SINK o WITH (connector = 'file', path = 'out/o.csv'); INSERT INTO o SELECT id, x FROM t;"
            )
        };
        std::fs::write(folder.path().join("in"), "id,x\n1,1\n").unwrap();
        std::fs::write(folder.path().join("job.egret"), job(was)).unwrap();
        let first = run(folder.path(), &["--checkpoints", "state"]);
        assert!(first.status.success(), "{}", said(&first));
        std::fs::write(folder.path().join("job.egret"), job(is)).unwrap();
        let second = run(folder.path(), &["--checkpoints", "state"]);
        assert!(!second.status.success() && said(&second).contains(expected), "{expected}: {}", said(&second));
    }
    // It may read a few rows more or fewer.
    let folder = tempfile::tempdir().unwrap();
    let job = |more: &str| {
        format!(
            "CREATE STREAM t (id BIGINT, x BIGINT) WITH (connector = 'file', path = 'in', format = 'csv'{more}); CREATE SINK o WITH (connector = 'file', path = 'out/o.csv'); INSERT INTO o SELECT id FROM t;"
        )
    };
    std::fs::write(folder.path().join("in"), "id,x\n1,1\n").unwrap();
    for more in ["", ", bad_rows = 'skip'", ", null = '-'", ", timestamp_unit = 's'"] {
        std::fs::write(folder.path().join("job.egret"), job(more)).unwrap();
        let ended = run(folder.path(), &["--checkpoints", "state"]);
        assert!(ended.status.success(), "{more}: {}", said(&ended));
    }
}

#[test]
fn sources_that_cannot_be_read_end_the_job_at_once() {
    let cases = [
        ("path = 'nowhere.csv'", "it does not exist"),
        ("path = 'nowhere*.csv'", "no file is like"),
        ("path = 'folder', format = 'csv'", "it is a folder"),
        ("path = 'file/t.csv'", "cannot read file/t.csv"),
        ("path = 'bad.csv'", "a whole number of BIGINT"),
    ];
    for (with, expected) in cases {
        let stream = format!("CREATE STREAM t (id BIGINT) WITH (connector = 'file', {with});");
        let folder = folder(&stream, "SELECT id FROM t");
        std::fs::create_dir(folder.path().join("folder")).unwrap();
        std::fs::write(folder.path().join("file"), "").unwrap();
        std::fs::write(folder.path().join("bad.csv"), "id\nx\n").unwrap();
        let ended = run(folder.path(), &["--checkpoints", "state", "--restart", "fixed-delay:2:1h"]);
        let said = said(&ended);
        assert_eq!(ended.status.code(), Some(1), "{with}: {said}");
        assert!(said.contains(expected) && !said.contains("started again"), "{with}: {said}");
    }
}

#[test]
fn more_files_are_read_than_may_be_open() {
    let stream =
        "CREATE STREAM t (id BIGINT, at TIMESTAMP, WATERMARK FOR at AS at) WITH (connector = 'file', path = 'data/*.csv');";
    let folder = folder(
        stream,
        "SELECT window_start, count(*) AS n FROM TUMBLE(t, at, INTERVAL '1' MINUTE) GROUP BY window_start, window_end",
    );
    std::fs::create_dir(folder.path().join("data")).unwrap();
    for file in 0..700 {
        let rows: String = (0..5).map(|n| format!("{file},{}\n", 1_700_000_000_000_i64 + n * 60_000)).collect();
        std::fs::write(folder.path().join(format!("data/{file:04}.csv")), format!("id,at\n{rows}")).unwrap();
    }
    let command = format!("ulimit -n 400; exec '{}' run job.egret --workers 2", env!("CARGO_BIN_EXE_egret"));
    let ended = Command::new("sh").args(["-c", &command]).current_dir(folder.path()).output().unwrap();
    assert!(ended.status.success(), "{}", said(&ended));
    let rows = rows(folder.path());
    assert!(rows.len() == 5 && rows.iter().all(|row| row.ends_with(",700")), "no row is late: {rows:?}, {}", said(&ended));
}

#[test]
fn files_that_appear_are_read_without_a_restart_and_once() {
    let stream =
        "CREATE STREAM t (id BIGINT) WITH (connector = 'file', path = 'in-*.jsonl', follow = true, follow_every = '1 ms');";
    let folder = folder(stream, "SELECT id FROM t");
    let folder = folder.path();
    let write = |name: &str, ids| std::fs::write(folder.join(name), log(ids)).unwrap();
    write("in-b.jsonl", 0..10);
    let mut running = Running::start(folder);
    running.wait_for(folder, "9");
    write("in-a.jsonl", 10..20);
    running.wait_for(folder, "19");
    write("in-c.jsonl", 20..30);
    running.stop_after(folder, "29");
    write("in-d.jsonl", 30..40);
    write("in-c.jsonl", 20..35);
    let mut running = Running::start(folder);
    running.wait_for(folder, "39");
    running.stop_after(folder, "34");
    let mut read: Vec<u32> = rows(folder).iter().map(|row| row.parse().unwrap()).collect();
    read.sort_unstable();
    let mut expected: Vec<u32> = (0..40).chain(30..35).collect();
    expected.sort_unstable();
    assert_eq!(read, expected);
}
