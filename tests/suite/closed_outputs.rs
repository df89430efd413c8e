//! Commands whose output cannot be written, because the disk is full or the reader has gone: no panic, and a fitting exit status.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const JOB: &str = "CREATE STREAM t (id BIGINT, at TIMESTAMP, WATERMARK FOR at AS at)
  WITH (connector = 'generator', kind = 'sequence', rows = 2000, start = '2024-01-01', step = '1 s');
CREATE PATTERN p ON t MATCH a -> b DEFINE a AS id = 7, b AS id = 8 WITHIN INTERVAL '1' MINUTE SELECT a.id AS id;
CREATE SINK o WITH (connector = 'file', path = 'out/o.jsonl');
INSERT INTO o SELECT id FROM p;
TEST 'two' FOR p GIVEN (id, at) (7, '2024-01-01 00:00:01'), (8, '2024-01-01 00:00:02') EXPECT MATCH (id = 7);
";

/// A folder with a job that has made checkpoints.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("job.egret"), JOB).unwrap();
    std::fs::write(folder.path().join("bad.egret"), "CREATE STREAM;").unwrap();
    let ran = egret(folder.path(), &["run", "job.egret", "--checkpoints", "state", "--restart", "none"]).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    folder
}

fn egret(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_egret"));
    command.args(args).current_dir(folder).stdin(Stdio::null());
    command
}

/// The write end of a pipe without a reader.
fn closed() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

fn full() -> Stdio {
    File::options().write(true).open("/dev/full").unwrap().into()
}

/// Commands that answer on standard output.
const ASKING: [&[&str]; 11] = [
    &["check", "job.egret"],
    &["explain", "job.egret"],
    &["explain", "job.egret", "--dot"],
    &["test", "job.egret"],
    &["why", "job.egret", "--pattern", "p"],
    &["state", "ls", "state"],
    &["state", "show", "state"],
    &["generate", "fraud", "--rows", "3000"],
    &["generate", "fraud", "--rows", "3000", "--format", "csv"],
    &["--help"],
    &["--version"],
];

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_full_disk_is_an_error_of_one_line() {
    let folder = folder();
    for args in ASKING {
        let ended = egret(folder.path(), args).stdout(full()).stderr(Stdio::piped()).output().unwrap();
        let said = said(&ended);
        assert_eq!(ended.status.code(), Some(1), "{args:?}: {said}");
        assert!(said.starts_with("error: cannot write to standard output: the disk is full\n"), "{args:?}: {said}");
        assert_eq!(said.lines().filter(|line| !line.starts_with("help: ")).count(), 1, "{args:?}: {said}");
    }
}

#[test]
fn a_reader_that_has_gone_ends_a_command_quietly() {
    let folder = folder();
    for args in ASKING {
        let ended = egret(folder.path(), args).stdout(closed()).stderr(Stdio::piped()).output().unwrap();
        assert_eq!((ended.status.code(), said(&ended).as_str()), (Some(0), ""), "{args:?}");
    }
}

#[test]
fn standard_error_may_be_full_or_closed() {
    let folder = folder();
    let cases: [(&[&str], i32); 7] = [
        (&["check", "bad.egret"], 2),
        (&["check", "nowhere.egret"], 2),
        (&["run", "job.egret", "--wrong"], 2),
        (&["run", "job.egret", "--summary"], 0),
        (&["run", "job.egret", "--summary", "--processes", "2", "--workers", "1"], 0),
        (&["run", "job.egret", "--checkpoints", "state"], 0),
        (&["state", "ls", "nowhere"], 2),
    ];
    for (args, status) in cases {
        for stderr in [full(), closed()] {
            let ended = egret(folder.path(), args).env("RUST_LOG", "debug").stdout(Stdio::piped()).stderr(stderr).output();
            assert_eq!(ended.unwrap().status.code(), Some(status), "{args:?}");
        }
    }
}

#[test]
fn no_colours_go_into_a_pipe() {
    let folder = folder();
    let ended = egret(folder.path(), &["run", "job.egret"]).env("RUST_LOG", "debug").output().unwrap();
    assert!(ended.status.success() && said(&ended).contains("the job starts"), "{}", said(&ended));
    assert!(!said(&ended).contains('\u{1b}'), "{}", said(&ended));
    let wrong = egret(folder.path(), &["run"]).output().unwrap();
    assert!(wrong.status.code() == Some(2) && !said(&wrong).contains('\u{1b}'), "{}", said(&wrong));
}
