//! Files of a pattern that appear while it is followed: each becomes a split, unless it is one that is being read under another name.

use super::paths::files_like;
use super::rotation::is_rotation;
use crate::mark::identity;
use egret_core::Result;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The files of a pattern.
#[derive(Debug)]
pub(crate) struct NewFiles {
    pattern: String,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// Those there were when they were listed, and those that appeared since.
    known: BTreeSet<PathBuf>,
    /// Which file the reader of each name reads: it is finished under whatever name it has.
    held: BTreeMap<PathBuf, (u64, u64)>,
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

    /// The reader of a name reads this file.
    pub(crate) fn hold(&self, path: &Path, file: (u64, u64)) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).held.insert(path.to_owned(), file);
    }

    /// The files that have appeared since somebody looked. One that has got the name that rotating gives is not new: what it has was
    /// read, or is, under the name that is followed.
    ///
    /// # Errors
    /// They cannot be listed.
    pub(crate) fn discover(&self) -> Result<Vec<PathBuf>> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut new = Vec::new();
        for path in files_like(&self.pattern)? {
            if seen.known.contains(&path) {
                continue;
            }
            // What has gone again is not there.
            let Ok(metadata) = std::fs::metadata(&path) else { continue };
            if seen.held.values().any(|held| *held == identity(&metadata)) {
                continue;
            }
            match seen.known.iter().find(|known| is_rotated(&path, known)) {
                Some(live) => tracing::warn!(
                    "{} has appeared, and is taken for what was rotated from {}: it is not read",
                    path.display(),
                    live.display()
                ),
                None => new.push(path.clone()),
            }
            seen.known.insert(path);
        }
        Ok(new)
    }
}

/// Whether a file has a name that it gets when `live` is rotated.
fn is_rotated(path: &Path, live: &Path) -> bool {
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    path.parent() == live.parent() && is_rotation(&name(path), &name(live))
}
