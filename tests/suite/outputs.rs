//! A job never tears, loses or overwrites its own output.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

fn egret(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_egret")).args(args).current_dir(folder).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A folder with a job.
fn folder(job: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("job.egret"), job).unwrap();
    folder
}

/// Every way in which a job's paths conflict is refused by `check` and by `run`, which name both sides and leave everything as it
/// was.
#[test]
fn paths_that_come_in_each_others_way_are_refused() {
    let stream = "CREATE STREAM t (id BIGINT, x STRING) WITH (connector = 'file', path = 'e.csv');";
    let bad = |path: &str, to: &str| {
        format!("CREATE STREAM t (id BIGINT, x STRING) WITH (connector = 'file', path = '{path}', bad_rows = 'dead_letter'{to});")
    };
    let sink = |name: &str, with: &str| {
        format!("CREATE SINK {name} WITH (connector = 'file', {with}); INSERT INTO {name} SELECT id FROM t WHERE id > 1;")
    };
    let (o, parts) = (sink("o", "path = 'out/o.jsonl'"), sink("o", "path = 'out', format = 'json', rolling = 'rows:1'"));
    let second = "CREATE STREAM u (id BIGINT, x STRING) WITH (connector = 'file', path = 'e.csv', bad_rows = 'dead_letter');
        INSERT INTO o SELECT id FROM u;";
    let above = "CREATE STREAM u (id BIGINT, x STRING) WITH (connector = 'file', path = '../e.csv', bad_rows = 'dead_letter');
        INSERT INTO o SELECT id FROM u;";
    for (job, expected) in [
        (format!("{stream} {}", sink("o", "path = './job.egret', format = 'csv'")), "where the program itself is (job.egret)"),
        (format!("{} {o}", bad("e.csv", ", dead_letter_path = 'job.egret'")), "where the program itself is (job.egret)"),
        (format!("{} {o} {above}", bad("e.csv", "")), "the bad rows of stream 't' and the bad rows of stream 'u' both write to"),
        (format!("{stream} {}", sink("o", "path = './e.csv'")), "sink 'o' would write to ./e.csv, and stream 't' reads"),
        (format!("{stream} {}", sink("o", "path = 'new/../link.csv'")), "stream 't' reads"),
        (format!("{} {}", stream.replace("e.csv", "*.csv"), sink("o", "path = 'later.csv'")), "stream 't' reads"),
        (format!("{stream} {o} {}", sink("p", "path = 'new/../out/o.jsonl'")), "sink 'o' and sink 'p' both write to"),
        (format!("{stream} {parts} {}", sink("p", "path = 'out/part-0-0.jsonl'")), "sink 'o' fills"),
        (format!("{stream} {parts} {}", sink("p", "path = 'out/../out', format = 'csv', rolling = 'rows:2'")), "both write to"),
        (
            format!("{} {o}", bad("e.csv", ", dead_letter_path = 'out/o.jsonl'")),
            "the bad rows of stream 't' and sink 'o' both write to",
        ),
        (format!("{} {o}", bad("e.csv", ", dead_letter_path = 'link.csv'")), "the bad rows of stream 't' would write to"),
        (format!("{} {o} {second}", bad("e.csv", "")), "the bad rows of stream 't' and the bad rows of stream 'u' both write to"),
    ] {
        let folder = folder(&job);
        let input = "id,x\n1,a\n2,b\n";
        std::fs::write(folder.path().join("e.csv"), input).unwrap();
        std::os::unix::fs::symlink("e.csv", folder.path().join("link.csv")).unwrap();
        for args in [&["check", "job.egret"][..], &["run", "job.egret"]] {
            let output = egret(folder.path(), args);
            let shown = said(&output);
            assert!(
                output.status.code() == Some(2) && shown.contains(expected),
                "{args:?} {job}\n{expected} is missing in\n{shown}"
            );
            assert!(shown.contains("give each") || shown.contains("give the output another path"), "{shown}");
            assert!(!shown.contains("the bad rows of") || shown.contains("set dead_letter_path"), "{shown}");
        }
        assert_eq!(std::fs::read_to_string(folder.path().join("e.csv")).unwrap(), input);
        assert_eq!(std::fs::read_to_string(folder.path().join("job.egret")).unwrap(), job);
        assert!(!folder.path().join("out").exists(), "nothing was opened");
    }
}

#[test]
fn nothing_else_is_in_the_folder_of_checkpoints() {
    let job = "CREATE STREAM t (id BIGINT) WITH (connector = 'generator', kind = 'sequence', rows = 10);
        CREATE SINK o WITH (connector = 'file', path = 'state/o.csv'); INSERT INTO o SELECT id FROM t;";
    let folder = folder(job);
    let output = egret(folder.path(), &["run", "job.egret", "--checkpoints", "new/../state"]);
    assert!(said(&output).contains("state/o.csv (sink 'o') lies in the checkpoint folder"), "{}", said(&output));
    assert!(egret(folder.path(), &["run", "job.egret", "--checkpoints", "other"]).status.success());
}

/// Files with the same name in two folders: each has its bad rows in a file of its own.
#[test]
fn bad_rows_of_files_of_one_name_are_kept_apart() {
    let stream = |name: &str| {
        format!("CREATE STREAM {name} (id BIGINT) WITH (connector = 'file', path = '{name}/e.csv', bad_rows = 'dead_letter');")
    };
    let folder = folder(&format!(
        "{} {} CREATE SINK o WITH (connector = 'file', path = 'out/o.csv');
        INSERT INTO o SELECT id FROM a; INSERT INTO o SELECT id FROM b;",
        stream("a"),
        stream("b")
    ));
    for (name, rows) in [("a", 1_000), ("b", 3_000)] {
        std::fs::create_dir(folder.path().join(name)).unwrap();
        std::fs::write(folder.path().join(name).join("e.csv"), format!("id\n1\n{}", "bad\n".repeat(rows))).unwrap();
    }
    let output = egret(folder.path(), &["run", "job.egret"]);
    assert!(output.status.success(), "{}", said(&output));
    for (name, rows) in [("a", 1_000), ("b", 3_000)] {
        let letters = std::fs::read_to_string(folder.path().join(format!("out/{name}/e.csv.bad"))).unwrap();
        assert_eq!(letters.lines().count(), rows);
        assert!(letters.lines().all(|line| line.contains(&format!("\"file\":\"{name}/e.csv\""))));
    }
}

/// Errors that will not pass by themselves are not retried: a reader that has gone, a folder in the place of a file.
#[test]
fn errors_that_last_end_the_job_at_once() {
    let stream = "CREATE STREAM m (id BIGINT) WITH (connector = 'generator', kind = 'sequence', rows = 10000000, rate = 10000);";
    let closed =
        folder(&format!("{stream} CREATE SINK o WITH (connector = 'stdout', format = 'json'); INSERT INTO o SELECT id FROM m;"));
    let started = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_egret"))
        .args(["run", "job.egret", "--checkpoints", "state"])
        .current_dir(closed.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let shown = said(&output);
    assert!(shown.contains("standard output was closed by its reader") && !shown.contains("started again"), "{shown}");
    assert!(output.status.code() == Some(1) && started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());

    let is_folder =
        folder(&format!("{stream} CREATE SINK o WITH (connector = 'file', path = 'dir.csv'); INSERT INTO o SELECT id FROM m;"));
    std::fs::create_dir(is_folder.path().join("dir.csv")).unwrap();
    let output = egret(is_folder.path(), &["run", "job.egret", "--checkpoints", "state"]);
    let shown = said(&output);
    assert!(output.status.code() == Some(1) && shown.contains("it is a folder") && !shown.contains("started again"), "{shown}");
}
