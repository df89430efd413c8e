//! Statements that run as one instance, with parallel ones before and after them: checkpoints complete while they run, and the
//! output is that of one undisturbed worker.

use egret::state::checkpoint::Checkpoints;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const HEAD: &str = "
CREATE STREAM txn (id BIGINT, card BIGINT, amount DOUBLE, at TIMESTAMP, WATERMARK FOR at AS at - INTERVAL '2' SECOND)
  WITH (connector = 'file', path = 'in-*.csv', header = false);
CREATE SINK o WITH (connector = 'file', path = 'out', format = 'json', rolling = 'rows:500');
";

const PATTERN: &str = "CREATE PATTERN p ON txn MATCH a -> b DEFINE a AS amount < 3, b AS amount > 97
  WITHIN INTERVAL '1' MINUTE AFTER MATCH SKIP PAST LAST EVENT SELECT a.id AS a, b.id AS b, b.card AS card, b.at AS at;";

const GRAPH: &str = "CREATE GRAPH ring ON txn EDGE card TO id EXPIRE AFTER INTERVAL '1' MINUTE COMPUTE components;";

const MODEL: &str = "CREATE MODEL risk ON txn FEATURES card, id % 5 AS five LABEL amount > 50 DELAYED BY INTERVAL '1' SECOND
  USING logistic_regression(learning_rate => 0.05) EVALUATE roc_auc EVERY 500;";

/// Each program: its name, its statements, and its sinks.
const PROGRAMS: [(&str, &str, &str); 9] = [
    (
        "a window without a key",
        "",
        "INSERT INTO o SELECT window_start, count(*) AS n, sum(amount) AS total
           FROM TUMBLE(txn, at, INTERVAL '1' SECOND) GROUP BY window_start, window_end;",
    ),
    ("a pattern without a key", PATTERN, "INSERT INTO o SELECT a, b, a + b AS both FROM p WHERE a % 3 > 0;"),
    (
        "a row pattern without a key",
        "",
        "INSERT INTO o SELECT first, n FROM txn MATCH_RECOGNIZE (ORDER BY at MEASURES first(a.id) AS first, count(*) AS n
           ONE ROW PER MATCH AFTER MATCH SKIP PAST LAST ROW PATTERN (a b{2,} c)
           DEFINE a AS amount < 30, b AS amount > prev(amount), c AS amount < prev(amount)) WHERE n > 4;",
    ),
    ("a model", MODEL, "INSERT INTO o SELECT id, risk(txn) AS risk FROM txn WHERE id % 7 = 0;"),
    ("metrics", MODEL, "INSERT INTO o SELECT * FROM risk.metrics;"),
    ("a graph", GRAPH, "INSERT INTO o SELECT id, ring.size(card) AS size FROM txn WHERE id % 7 = 0;"),
    ("a graph behind a pattern", "", "INSERT INTO o SELECT a, b, ring.size(card) AS size FROM p WHERE ring.size(card) > 1;"),
    (
        "a window behind a pattern",
        PATTERN,
        "INSERT INTO o SELECT card, window_start, count(*) AS n FROM TUMBLE(p, INTERVAL '1' MINUTE)
           GROUP BY card, window_start, window_end;",
    ),
    (
        "a union",
        PATTERN,
        "INSERT INTO o SELECT a AS id, b AS other FROM p; INSERT INTO o SELECT id, card AS other FROM txn WHERE id % 50 = 0;",
    ),
];

/// This many rows in three files, each a little out of order.
fn folder(makes: &str, writes: &str, rows: i64) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let makes = if makes.is_empty() && writes.contains("ring.") { [GRAPH, PATTERN].concat() } else { makes.to_owned() };
    std::fs::write(folder.path().join("job.egret"), [HEAD, &makes, writes].concat()).unwrap();
    let mut random = egret_testkit::Random::new(5);
    let mut files = vec![String::new(); 3];
    for id in 0..rows {
        let (card, amount) = (random.between(0, 50), random.between(0, 400) as f64 / 4.0);
        let at = 1_700_000_000_000 + id * 20 - random.between(0, 1_500);
        files[random.below(3)] += &format!("{id},{card},{amount},{at}\n");
    }
    for (number, text) in files.iter().enumerate() {
        std::fs::write(folder.path().join(format!("in-{number}.csv")), text).unwrap();
    }
    folder
}

/// Runs the job; one that does not end is killed and fails the test.
fn run(folder: &Path, args: &[&str], what: &str) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_egret"));
    let errors = std::fs::File::create(folder.join("stderr")).unwrap();
    command.args(["run", "job.egret"]).args(args).current_dir(folder).stdout(Stdio::null()).stderr(errors);
    let (mut child, begun) = (command.spawn().unwrap(), Instant::now());
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if begun.elapsed() > Duration::from_secs(60) {
            let _ = child.kill();
            panic!("{what}: it does not end, {} checkpoints are there", checkpoints(folder));
        }
        std::thread::yield_now();
    };
    let said = std::fs::read_to_string(folder.join("stderr")).unwrap();
    assert!(status.success() && !said.contains("could not be made"), "{what}: {said}");
}

/// How many checkpoints are kept.
fn checkpoints(folder: &Path) -> usize {
    Checkpoints::read_local(folder.join("state")).map_or(0, |checkpoints| checkpoints.list().unwrap().0.len())
}

/// The lines of all parts, sorted.
fn output(folder: &Path) -> Vec<String> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder.join("out")).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().is_some_and(|name| !name.to_string_lossy().starts_with('.')) {
            all.extend(std::fs::read_to_string(&path).unwrap().lines().map(str::to_owned));
        }
    }
    all.sort();
    all
}

/// Runs the program in these ways and compares the output; returns the ways that ended without a checkpoint.
fn without_a_checkpoint<'a>(program: (&str, &str, &str), rows: i64, ways: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let (name, makes, writes) = program;
    let undisturbed = folder(makes, writes, rows);
    run(undisturbed.path(), &["--workers", "1"], name);
    let expected = output(undisturbed.path());
    assert!(expected.len() >= 25, "{name}: only {} rows, so little is tested", expected.len());
    let had_none = |&(workers, processes): &(&str, &str)| {
        let what = format!("{name}, {workers} workers in {processes} processes");
        let folder = folder(makes, writes, rows);
        let often = ["--checkpoints", "state", "--checkpoint-interval", "5ms", "--restart", "none"];
        run(folder.path(), &[&["--workers", workers, "--processes", processes], &often[..]].concat(), &what);
        assert!(output(folder.path()) == expected, "{what}: the output differs");
        // The last one is made at the end of the input, for sinks alone.
        checkpoints(folder.path()) <= 1
    };
    ways.iter().copied().filter(had_none).collect()
}

#[test]
fn checkpoints_complete_and_nothing_changes() {
    for program in PROGRAMS {
        let mut ways = vec![("1", "1"), ("2", "1"), ("3", "1"), ("1", "2"), ("2", "2")];
        // The number of rows that are read before a checkpoint is on disk depends on the disk; a checkpoint that waits for ever
        // does so with any number of rows.
        for rows in [30_000, 100_000, 400_000, 1_600_000] {
            ways = without_a_checkpoint(program, rows, &ways);
            if ways.is_empty() {
                break;
            }
        }
        assert!(ways.is_empty(), "{}: no checkpoint was complete while it ran with (workers, processes) {ways:?}", program.0);
    }
}
