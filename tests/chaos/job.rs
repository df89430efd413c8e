//! The jobs that are disturbed.

use crate::output::{Form, Output, Rows};
use egret_testkit::Random;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// One worker, rows in a known order, and every kind of file sink.
const FILES: &str = "
CREATE STREAM made (id BIGINT, card BIGINT, at TIMESTAMP, WATERMARK FOR at AS at)
  WITH (connector = 'generator', kind = 'sequence', rows = 600, rate = 10000, step = '10 ms', cycle = 'card:7');
CREATE STREAM read (id BIGINT, amount DOUBLE)
  WITH (connector = 'file', path = 'in-0.csv', header = false, bad_rows = 'dead_letter', dead_letter_path = 'out/bad.jsonl');
CREATE SINK one_csv WITH (connector = 'file', path = 'out/one.csv');
CREATE SINK one_json WITH (connector = 'file', path = 'out/one.jsonl');
CREATE SINK one_gzip WITH (connector = 'file', path = 'out/one.csv.gz');
CREATE SINK one_zstd WITH (connector = 'file', path = 'out/one.jsonl.zst');
CREATE SINK good WITH (connector = 'file', path = 'out/good.csv', header = false);
CREATE SINK by_rows WITH (connector = 'file', path = 'out/rows', format = 'csv', rolling = 'rows:50');
CREATE SINK by_bytes WITH (connector = 'file', path = 'out/bytes', format = 'json', compression = 'zstd', rolling = 'bytes:2 KB');
CREATE SINK by_time WITH (connector = 'file', path = 'out/times', format = 'csv', compression = 'gzip', rolling = 'interval:10 ms');
CREATE SINK columns WITH (connector = 'file', path = 'out/columns', format = 'parquet', rolling = 'rows:100');
CREATE SINK one_parquet WITH (connector = 'file', path = 'out/one.parquet');
INSERT INTO one_csv SELECT id, card FROM made;
INSERT INTO one_json SELECT id FROM made WHERE card < 4;
INSERT INTO one_gzip SELECT id, at FROM made WHERE card = 2;
INSERT INTO one_zstd SELECT id, card FROM made WHERE id > 200;
INSERT INTO good SELECT id, amount FROM read;
INSERT INTO by_rows SELECT id, card FROM made;
INSERT INTO by_bytes SELECT id, card FROM made;
INSERT INTO by_time SELECT id, card FROM made;
INSERT INTO columns SELECT id, card FROM made;
INSERT INTO one_parquet SELECT id, card FROM made WHERE card <> 3;
";

/// Patterns and windows over three files that are out of order, with some unreadable rows.
const PATTERNS: &str = "
CREATE STREAM txn (id BIGINT, card BIGINT, amount DOUBLE, at TIMESTAMP, WATERMARK FOR at AS at - INTERVAL '2' SECOND)
  WITH (connector = 'file', path = 'in-*.csv', header = false, bad_rows = 'dead_letter', dead_letter_path = 'out/bad');
CREATE PATTERN testing ON txn PARTITION BY card MATCH probe{2} -> big DEFINE probe AS amount < 10, big AS amount > 80
  WITHIN INTERVAL '10' MINUTE AFTER MATCH SKIP PAST LAST EVENT
  SELECT card, first(probe.id) AS first, big.id AS big;
CREATE PATTERN rising ON txn PARTITION BY card MATCH a -> b -> c DEFINE a AS amount > 70, b AS amount > a.amount, c AS amount > b.amount
  WITHIN INTERVAL '5' MINUTE SELECT card, a.id AS a, c.id AS c;
CREATE PATTERN quiet ON txn PARTITION BY card MATCH a -> !b DEFINE a AS amount > 90, b AS amount < 50
  WITHIN INTERVAL '20' SECOND SELECT card, a.id AS id;
CREATE SINK alerts WITH (connector = 'file', path = 'out/alerts.jsonl');
CREATE SINK sums WITH (connector = 'file', path = 'out/sums', format = 'json', rolling = 'rows:500');
CREATE SINK table WITH (connector = 'file', path = 'out/table.csv');
CREATE SINK columns WITH (connector = 'file', path = 'out/columns', format = 'parquet', rolling = 'rows:1000');
CREATE SINK all_cards WITH (connector = 'file', path = 'out/all.csv');
INSERT INTO alerts SELECT card, first, big FROM testing;
INSERT INTO alerts SELECT card, a AS first, c AS big FROM rising;
INSERT INTO alerts SELECT card, id AS first, -1 AS big FROM quiet;
INSERT INTO sums SELECT card, window_start, sum(amount) AS total, count(*) AS n
  FROM TUMBLE(txn, at, INTERVAL '1' MINUTE) GROUP BY card, window_start, window_end;
INSERT INTO table SELECT card, window_start, max(amount) AS most
  FROM HOP(txn, at, INTERVAL '1' MINUTE, INTERVAL '3' MINUTE) GROUP BY card, window_start, window_end;
INSERT INTO columns SELECT id, amount FROM txn WHERE amount > 50 AND 1000 / (id % 60) > 0;
INSERT INTO all_cards SELECT window_start, count(*) AS n, max(amount) AS most
  FROM TUMBLE(txn, at, INTERVAL '10' SECOND) GROUP BY window_start, window_end;
";

/// One row in this many is unreadable.
const BAD_EVERY: i64 = 97;

/// A job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One worker and file sinks of every form.
    Files,
    /// Patterns and windows over three files.
    Patterns,
    /// The example: a pattern, a graph and a model that learns, over one compressed file.
    Fraud,
}

/// A job, its input and its output if it is not disturbed.
pub(crate) struct Job {
    pub(crate) kind: Kind,
    /// The folder of the undisturbed run, which has the input.
    home: TempDir,
    pub(crate) expected: Output,
}

/// A folder in memory if there is one: it needs no disk, and syncing it costs nothing.
fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    let builder = tempfile::Builder::new();
    if memory.is_dir() { builder.tempdir_in(memory).or_else(|_| tempfile::tempdir()) } else { tempfile::tempdir() }.unwrap()
}

impl Job {
    /// Makes the input, and runs the job undisturbed.
    pub(crate) fn new(kind: Kind) -> Self {
        let home = folder();
        std::fs::write(home.path().join("job.egret"), kind.text()).unwrap();
        match kind {
            Kind::Files => write_rows(home.path(), 12_000),
            Kind::Patterns => write_transactions(home.path(), 12_000),
            Kind::Fraud => {}
        }
        let workers = kind.workers_max().min(2).to_string();
        let ended = Command::new(env!("CARGO_BIN_EXE_egret"))
            .args(["run", "job.egret", "--workers", &workers])
            .current_dir(home.path())
            .output()
            .unwrap();
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        let expected = Output::read(home.path()).unwrap();
        let little: Vec<_> = expected.sizes().filter(|(name, rows)| *rows < kind.rows_min(name)).collect();
        assert!(little.is_empty(), "little is tested: {little:?}");
        let expected = expected.in_forms(&kind.forms()).unwrap_or_else(|why| panic!("undisturbed: {why}"));
        Self { kind, home, expected }
    }

    /// A folder with the job and its input.
    pub(crate) fn folder(&self) -> TempDir {
        let folder = folder();
        for entry in std::fs::read_dir(self.home.path()).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                std::fs::hard_link(&path, folder.path().join(path.file_name().unwrap())).unwrap();
            }
        }
        folder
    }
}

impl Kind {
    fn text(self) -> String {
        match self {
            Self::Files => FILES.to_owned(),
            Self::Patterns => PATTERNS.to_owned(),
            Self::Fraud => {
                let root = Path::new(env!("CARGO_MANIFEST_DIR"));
                let text = std::fs::read_to_string(root.join("examples/fraud/fraud.egret")).unwrap();
                text.replace("examples/fraud/", &format!("{}/examples/fraud/", root.display()))
            }
        }
    }

    /// The greatest number of workers.
    pub(crate) fn workers_max(self) -> usize {
        if self == Self::Files { 1 } else { 3 }
    }

    /// The least number of rows of an output that make the test meaningful.
    fn rows_min(self, name: &str) -> usize {
        match self {
            Self::Fraud if name == "bad_rows.jsonl" => 1,
            // This job has no expression that can fail.
            Self::Fraud if name == "txn.computed.bad" => 0,
            Self::Fraud => 5,
            _ => 30,
        }
    }

    /// The forms of all its outputs.
    fn forms(self) -> Vec<Form> {
        let (free, ordered) = (Rows::InAnyOrder, Rows::InOrder);
        match self {
            Self::Files => vec![
                Form::file("one.csv", ordered).headed("id,card"),
                Form::file("one.jsonl", ordered),
                Form::file("one.csv.gz", ordered).headed("id,at"),
                Form::file("one.jsonl.zst", ordered),
                Form::file("good.csv", ordered),
                Form::file("bad.jsonl", ordered).at_once(),
                Form::folder("rows", ordered).headed("id,card").at_most(50),
                Form::folder("bytes", ordered),
                Form::folder("times", ordered).headed("id,card"),
                Form::folder("columns", ordered).at_most(100),
                Form::file("one.parquet", ordered),
            ],
            Self::Patterns => vec![
                Form::file("alerts.jsonl", free),
                Form::folder("sums", free).at_most(500),
                Form::file("table.csv", free).headed("card,window_start,most"),
                Form::folder("columns", free).at_most(1_000),
                Form::file("all.csv", free).headed("window_start,n,most"),
                Form::file("bad/in-0.csv.bad", ordered).at_once(),
                Form::file("bad/in-1.csv.bad", ordered).at_once(),
                Form::file("bad/in-2.csv.bad", ordered).at_once(),
                // Bad rows of a division by zero.
                Form::file("txn.computed.bad", free),
            ],
            Self::Fraud => {
                let names = ["alerts.jsonl", "ring_alerts.jsonl", "model_quality.jsonl", "txn.computed.bad"];
                names.map(|name| Form::file(name, free)).to_vec()
            }
        }
    }
}

/// Rows of one file, some of which are unreadable.
fn write_rows(folder: &Path, rows: i64) {
    let mut random = Random::new(7);
    let mut text = String::new();
    for id in 0..rows {
        let amount = if id % BAD_EVERY == 0 { "much".to_owned() } else { random.between(0, 1_000).to_string() };
        text += &format!("{id},{amount}\n");
    }
    std::fs::write(folder.join("in-0.csv"), text).unwrap();
}

/// Rows in three files, each a little out of order; some are unreadable.
fn write_transactions(folder: &Path, rows: i64) {
    let mut random = Random::new(11);
    let mut files = vec![String::new(); 3];
    for id in 0..rows {
        let (card, amount) = (random.between(0, 50), random.between(0, 400) as f64 / 4.0);
        let at = 1_700_000_000_000 + id * 130 - random.between(0, 2_500);
        let card = if id % BAD_EVERY == 0 { "none".to_owned() } else { card.to_string() };
        files[random.below(3)] += &format!("{id},{card},{amount},{at}\n");
    }
    for (number, text) in files.iter().enumerate() {
        std::fs::write(folder.join(format!("in-{number}.csv")), text).unwrap();
    }
}
