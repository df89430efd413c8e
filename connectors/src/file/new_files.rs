//! Files of a pattern that appear while it is followed: splits do not come into being while a job runs, so they are named in a
//! warning.

use super::paths::files_like;
use egret_core::metrics::Counters;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// A look at the folders costs more than one at a file: there is one for so many looks of each file.
const LOOKS: usize = 20;

/// The files of a pattern.
#[derive(Debug)]
pub(crate) struct NewFiles {
    pattern: String,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// Those there were when they were listed, and those that were named since; empty where another process lists them.
    known: BTreeSet<PathBuf>,
    looks: usize,
}

impl NewFiles {
    pub(crate) fn new(pattern: &str) -> Self {
        Self { pattern: pattern.to_owned(), seen: Mutex::default() }
    }

    /// The pattern as it was written.
    pub(crate) fn pattern(&self) -> &str {
        &self.pattern
    }

    /// Whether a path is one of the pattern's.
    pub(crate) fn has(&self, path: &Path) -> bool {
        glob::Pattern::new(&self.pattern).is_ok_and(|pattern| pattern.matches_path(path))
    }

    /// These are read.
    pub(crate) fn know(&self, paths: &[PathBuf]) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).known.extend(paths.iter().cloned());
    }

    /// Now and then looks for new ones, and names them.
    pub(crate) fn look(&self, counters: &Counters) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.looks += 1;
        if seen.known.is_empty() || seen.looks < LOOKS * seen.known.len() {
            return;
        }
        seen.looks = 0;
        for path in files_like(&self.pattern).unwrap_or_default() {
            if !seen.known.contains(&path) {
                let what = format!("{} has appeared; it is read when the job is started again", path.display());
                tracing::warn!("{what}");
                counters.note(what);
                seen.known.insert(path);
            }
        }
    }
}
