//! The jobs that are disturbed, and what they write.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

const PATTERNS: &str = "
CREATE STREAM txn (id BIGINT, card BIGINT, amount DOUBLE, at TIMESTAMP, WATERMARK FOR at AS at - INTERVAL '2' SECOND)
  WITH (connector = 'file', path = 'in-*.csv', header = false);
CREATE PATTERN testing ON txn PARTITION BY card MATCH probe{2} -> big DEFINE probe AS amount < 10, big AS amount > 80
  WITHIN INTERVAL '10' MINUTE AFTER MATCH SKIP PAST LAST EVENT
  SELECT card, first(probe.id) AS first, big.id AS big;
CREATE PATTERN rising ON txn PARTITION BY card MATCH a -> b -> c DEFINE a AS amount > 70, b AS amount > a.amount, c AS amount > b.amount
  WITHIN INTERVAL '5' MINUTE SELECT card, a.id AS a, c.id AS c;
CREATE PATTERN quiet ON txn PARTITION BY card MATCH a -> !b DEFINE a AS amount > 90, b AS amount < 50
  WITHIN INTERVAL '20' SECOND SELECT card, a.id AS id;
CREATE SINK alerts WITH (connector = 'file', path = 'out/alerts.jsonl');
CREATE SINK sums WITH (connector = 'file', path = 'out/sums', format = 'json', rolling = 'rows:500');
INSERT INTO alerts SELECT card, first, big FROM testing;
INSERT INTO alerts SELECT card, a AS first, c AS big FROM rising;
INSERT INTO alerts SELECT card, id AS first, -1 AS big FROM quiet;
INSERT INTO sums SELECT card, window_start, sum(amount) AS total, count(*) AS n
  FROM TUMBLE(txn, at, INTERVAL '1' MINUTE) GROUP BY card, window_start, window_end;
";

/// A job.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Job {
    /// Patterns and a window over three files, to two sinks.
    Patterns,
    /// The example: a pattern, a graph and a model that learns, over one compressed file.
    Fraud,
}

/// The lines of each of a job's outputs, sorted; the parts of one output together.
#[derive(PartialEq, Eq)]
pub(crate) struct Output(BTreeMap<String, Vec<String>>);

impl Job {
    pub(crate) fn all() -> Vec<Self> {
        vec![Self::Patterns, Self::Patterns, Self::Patterns, Self::Fraud]
    }

    /// A folder with the job and its input.
    pub(crate) fn folder(self) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        let text = match self {
            Self::Patterns => {
                write_input(folder.path(), 40_000);
                PATTERNS.to_owned()
            }
            Self::Fraud => {
                let root = Path::new(env!("CARGO_MANIFEST_DIR"));
                let text = std::fs::read_to_string(root.join("examples/fraud/fraud.egret")).unwrap();
                text.replace("examples/fraud/", &format!("{}/examples/fraud/", root.display()))
            }
        };
        std::fs::write(folder.path().join("job.egret"), text).unwrap();
        folder
    }

    /// What it writes if nothing happens to it.
    pub(crate) fn undisturbed(self) -> Output {
        let folder = self.folder();
        let ended = Command::new(env!("CARGO_BIN_EXE_egret"))
            .args(["run", "job.egret", "--workers", "2"])
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        let output = self.output(folder.path());
        let lines: Vec<_> = output.0.iter().map(|(name, lines)| (name, lines.len())).collect();
        assert!(lines.iter().map(|(_, lines)| lines).sum::<usize>() > 100, "little is tested: {lines:?}");
        output
    }

    /// Whether there is any output to be seen.
    pub(crate) fn has_published(self, folder: &Path) -> bool {
        folder.join("out").exists() && self.output(folder).0.values().any(|lines| !lines.is_empty())
    }

    /// What is in its folder.
    pub(crate) fn output(self, folder: &Path) -> Output {
        let mut all = BTreeMap::new();
        for entry in std::fs::read_dir(folder.join("out")).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let files = if path.is_dir() { visible(&path) } else { vec![path] };
            // Bad rows are written as they are read, once at least.
            if !name.starts_with('.') && name != "bad_rows.jsonl" {
                let texts = files.iter().map(|file| std::fs::read_to_string(file).unwrap());
                let mut lines: Vec<String> = texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect();
                lines.sort();
                all.insert(name, lines);
            }
        }
        Output(all)
    }
}

impl Output {
    /// # Errors
    /// They differ; the first difference of each output is named.
    pub(crate) fn compare(&self, expected: &Self) -> Result<(), String> {
        if self == expected {
            return Ok(());
        }
        let mut why = String::new();
        for (name, expected) in &expected.0 {
            let Some(found) = self.0.get(name) else {
                why += &format!("{name} is missing; ");
                continue;
            };
            if found != expected {
                let first = found.iter().zip(expected).find(|(a, b)| a != b);
                why +=
                    &format!("{name} has {} lines and should have {}; first difference {first:?}; ", found.len(), expected.len());
            }
        }
        Err(why)
    }
}

fn visible(folder: &Path) -> Vec<std::path::PathBuf> {
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| !path.file_name().unwrap().to_string_lossy().starts_with('.')).collect()
}

/// Rows in three files, each a little out of order.
fn write_input(folder: &Path, rows: i64) {
    let mut random = egret_testkit::Random::new(11);
    let mut files = vec![String::new(); 3];
    for id in 0..rows {
        let (card, amount) = (random.between(0, 50), random.between(0, 400) as f64 / 4.0);
        let at = 1_700_000_000_000 + id * 40 - random.between(0, 2_500);
        files[random.below(3)] += &format!("{id},{card},{amount},{at}\n");
    }
    for (number, text) in files.iter().enumerate() {
        std::fs::write(folder.join(format!("in-{number}.csv")), text).unwrap();
    }
}
