//! Files keep the contract.

use crate::sink::SinkHarness;
use crate::source::SourceHarness;
use crate::support::schema;
use egret_connectors::{Options, Registry};
use egret_core::{Sink, Source};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// A folder with a file for each split.
pub(crate) struct Files(TempDir);

impl Files {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, split: usize) -> PathBuf {
        self.0.path().join(format!("{split}.jsonl"))
    }
}

impl SourceHarness for Files {
    fn give(&self, split: usize, rows: &[String]) {
        let mut text = fs::read_to_string(self.file(split)).unwrap_or_default();
        rows.iter().for_each(|row| text.extend([row, "\n"]));
        fs::write(self.file(split), text).unwrap();
    }
    fn finish(&self) {}
    fn source(&self, _splits: usize, options: &[(&str, &str)]) -> Arc<dyn Source> {
        let path = self.0.path().join("*.jsonl").display().to_string();
        let letters = self.0.path().join("bad").display().to_string();
        let mut all = vec![("path", path.as_str())];
        if !options.is_empty() {
            all.push(("dead_letter_path", &letters));
        }
        all.extend_from_slice(options);
        Registry::with_builtin().source("file", &Options::new(all), &schema()).unwrap()
    }
    fn goes_away_at(&self, _row: u64) -> bool {
        false
    }
    fn told(&self, _split: usize) -> Option<Vec<u64>> {
        None
    }
    fn letters(&self, split: usize) -> String {
        fs::read_to_string(self.0.path().join(format!("bad/{split}.jsonl.bad"))).unwrap()
    }
    fn sent(&self) -> Option<u64> {
        None
    }
    fn pass(&self, _time: Duration) {}
}

/// One file, or a folder of parts.
pub(crate) struct Output {
    folder: TempDir,
    format: &'static str,
    rolling: bool,
}

impl Output {
    pub(crate) fn new(format: &'static str, rolling: bool) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), format, rolling }
    }
}

impl SinkHarness for Output {
    fn sink(&self) -> Arc<dyn Sink> {
        let path = self.folder.path().join(if self.rolling { "parts".to_owned() } else { format!("out.{}", self.format) });
        let path = path.display().to_string();
        let mut options = vec![("path", path.as_str()), ("format", self.format)];
        if self.rolling {
            options.push(("rolling", "rows:7"));
        }
        Registry::with_builtin().sink("file", &Options::new(options), &schema()).unwrap()
    }

    fn shown(&self) -> Vec<i64> {
        let folder = if self.rolling { self.folder.path().join("parts") } else { self.folder.path().to_owned() };
        let entries = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
        let is_shown = |path: &PathBuf| !path.file_name().unwrap().to_string_lossy().starts_with('.');
        let mut paths: Vec<PathBuf> = entries.filter(is_shown).collect();
        paths.sort();
        let text: String = paths.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
        let id = |line: &str| match self.format {
            "csv" => line.split(',').next().and_then(|id| id.parse().ok()),
            _ => serde_json::from_str::<Value>(line).unwrap()["id"].as_i64(),
        };
        text.lines().filter_map(id).collect()
    }
}
