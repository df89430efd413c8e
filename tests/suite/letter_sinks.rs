//! Dead letters that go to a sink of the program: rows that cannot be read and rows for which something cannot be computed.

use egret::engine::CheckpointConfig;
use egret::memory::MemorySink;
use egret::prelude::*;
use std::sync::Arc;
use tempfile::{TempDir, tempdir};

/// A stream with a row that cannot be read (line 3) and one for which something cannot be computed (line 4), and its bad rows in `bad`.
fn program(folder: &TempDir, options: &str, more: &str) -> String {
    std::fs::write(folder.path().join("txn.csv"), "id,n\n1,5\n2,many\n3,0\n4,2\n").unwrap();
    let path = folder.path().join("txn.csv").display().to_string();
    format!(
        "CREATE STREAM txn (id BIGINT, n BIGINT) WITH (connector = 'file', path = '{path}', format = 'csv', {options});
         CREATE SINK bad WITH (connector = 'memory');
         CREATE SINK good WITH (connector = 'memory');
         INSERT INTO good SELECT id, 10 / n AS share FROM txn;
         {more}"
    )
}

const TO_SINK: &str = "bad_rows = 'dead_letter', dead_letter_sink = 'bad'";

/// What goes to the sink `bad`, and how many rows are good.
fn run_with(text: &str, config: &RunConfig) -> (Vec<String>, usize) {
    let (bad, good) = (MemorySink::new(), MemorySink::new());
    let program = Program::new("letters", text).with_sink("bad", Arc::new(bad.clone())).with_sink("good", Arc::new(good.clone()));
    run(&program.plan().unwrap().job, config).unwrap();
    (bad.sorted_lines(), good.num_rows())
}

fn refusal(text: &str) -> String {
    let sinks = Program::new("letters", text)
        .with_sink("bad", Arc::new(MemorySink::new()))
        .with_sink("good", Arc::new(MemorySink::new()));
    match sinks.plan() {
        Ok(_) => panic!("it was planned"),
        Err(errors) => errors.to_string(),
    }
}

#[test]
fn both_kinds_of_bad_rows_go_to_the_sink() {
    let folder = tempdir().unwrap();
    let text = program(&folder, TO_SINK, "");
    for workers in [1, 3] {
        let (bad, good) = run_with(&text, &RunConfig::with_workers(workers));
        assert_eq!(good, 2);
        assert_eq!(bad.len(), 2, "{bad:#?}");
        assert!(bad[0].starts_with("statement=CREATE STREAM txn operator=file "), "{}", bad[0]);
        assert!(bad[0].contains("txn.csv, line 3 expression=n values=many reason="), "{}", bad[0]);
        assert!(bad[0].ends_with("row=2,many"), "{}", bad[0]);
        assert!(bad[1].starts_with("statement=INSERT INTO good "), "{}", bad[1]);
        assert!(bad[1].contains("expression=10 / n values=n = 0 "), "{}", bad[1]);
    }
    assert!(!folder.path().join("out").exists(), "no file is made");
}

#[test]
fn with_checkpoints_each_is_there_once() {
    let folder = tempdir().unwrap();
    let text = program(&folder, TO_SINK, "");
    let checkpoints = Some(CheckpointConfig::new(folder.path().join("state").as_path()));
    let (bad, good) = run_with(&text, &RunConfig { checkpoints, ..RunConfig::with_workers(2) });
    assert_eq!((bad.len(), good), (2, 2));
}

#[test]
fn a_sink_for_bad_rows_is_checked() {
    let folder = tempdir().unwrap();
    let unknown = refusal(&program(&folder, "bad_rows = 'dead_letter', dead_letter_sink = 'bat'", ""));
    assert!(unknown.contains("there is no sink `bat`") && unknown.contains("`bad`"), "{unknown}");
    let idle = refusal(&program(&folder, "bad_rows = 'skip', dead_letter_sink = 'bad'", ""));
    assert!(idle.contains("`dead_letter_sink` has no use here"), "{idle}");
    let twice = refusal(&program(&folder, &format!("{TO_SINK}, dead_letter_path = 'x'"), ""));
    assert!(twice.contains("bad rows go to a sink or to a file"), "{twice}");
    let mixed = refusal(&program(&folder, TO_SINK, "INSERT INTO bad SELECT id FROM txn;"));
    assert!(mixed.contains("bad rows go to the sink `bad`, and other rows as well"), "{mixed}");
}
