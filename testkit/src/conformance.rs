//! Conformance cases: files with known answers, how they are run, and the results.

use egret_core::{Error, Result};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Microseconds in a millisecond.
pub const MILLI: i64 = 1_000;

/// How the events of a case are fed to the operator.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// The seed of random batch boundaries; `None` feeds everything at once.
    pub seed: Option<u64>,
    /// Whether every event is a batch of its own, followed by a snapshot and a restore.
    pub restores: bool,
}

/// A time or a length of time, which cases give in milliseconds.
pub fn millis(value: &Value) -> Option<i64> {
    value.as_i64().map(|millis| millis * MILLI)
}

/// The folder of shared files: `EGRET_SHARED`, or `shared` beside the workspace.
pub fn shared() -> PathBuf {
    std::env::var_os("EGRET_SHARED").map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"), PathBuf::from)
}

/// All case files below a path, in order of their names.
///
/// # Errors
/// The path is not there, or cannot be read.
pub fn files(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.exists() {
        return Err(Error::external(format!("there is no {}", path.display()))
            .help("the shared files are beside the workspace; if they are elsewhere, set EGRET_SHARED to their folder"));
    }
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = std::fs::read_dir(path).map_err(|error| Error::from(error).context(path.display().to_string()))?;
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "json") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The cases of a file.
fn cases(path: &Path) -> Result<Vec<Value>> {
    let text = std::fs::read_to_string(path).map_err(|error| Error::from(error).context(path.display().to_string()))?;
    let file: Value =
        serde_json::from_str(&text).map_err(|error| Error::data(error.to_string()).context(path.display().to_string()))?;
    Ok(file.as_array().cloned().unwrap_or_default())
}

/// The results of the cases.
#[derive(Debug, Default)]
pub struct Report {
    /// How many cases passed.
    pub passed: usize,
    /// The failed cases: file, name, what was expected and what was found.
    pub failed: Vec<String>,
    /// Failed cases that are marked as a quirk of their origin, in the same form.
    pub quirks: Vec<String>,
}

impl Report {
    /// Runs all cases below some paths; `check` returns what was expected and what was found if they differ.
    ///
    /// # Errors
    /// A path does not exist, or a file does not contain cases.
    pub fn of(paths: &[PathBuf], check: impl Fn(&Value) -> std::result::Result<(), String>) -> Result<Self> {
        let mut report = Self::default();
        for path in paths {
            for file in files(path)? {
                cases(&file)?.iter().for_each(|case| report.add(&file, case, check(case)));
            }
        }
        Ok(report)
    }

    fn add(&mut self, file: &Path, case: &Value, outcome: std::result::Result<(), String>) {
        let Err(difference) = outcome else {
            self.passed += 1;
            return;
        };
        let text = format!("{} {}\n{difference}", file.display(), case["id"].as_str().unwrap_or("?"));
        let list = if case["quirk"] == true || case.get("dialect").is_some() { &mut self.quirks } else { &mut self.failed };
        list.push(text);
    }
}

/// Runs all cases of a shared folder of at least so many, in one piece and with each seed: those that are not marked as a quirk of their
/// source must give what is expected, and the quirks must be the same however the rows come.
///
/// # Panics
/// A case fails, or there are too few.
pub fn hold_cases(
    (folder, at_least): (&str, usize),
    seeds: std::ops::RangeInclusive<u64>,
    restores: bool,
    check: impl Fn(&Value, Shape) -> std::result::Result<(), String>,
) {
    let run = |shape: Shape| {
        let report = Report::of(&[shared().join(folder)], |case| check(case, shape)).unwrap_or_else(|error| panic!("{error}"));
        let failed = &report.failed;
        assert!(failed.is_empty(), "{} cases failed, with {shape:?}:\n\n{}", failed.len(), failed.join("\n\n"));
        assert!(report.passed >= at_least, "only {} cases were found", report.passed);
        report
    };
    let plain = run(Shape { seed: None, restores: false });
    for seed in seeds {
        let shape = Shape { seed: Some(seed), restores };
        assert_eq!(run(shape).quirks, plain.quirks, "the quirks differ, with {shape:?}");
    }
}
