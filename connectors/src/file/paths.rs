//! Paths: the files of a pattern, the folders of a file.

use super::input::read_error;
use egret_core::place::{PathTest, real_path};
use egret_core::{Error, Result};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// The folder that a file is in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The files that a pattern finds, in order of name.
pub(super) fn files_like(pattern: &str) -> Result<Vec<PathBuf>> {
    let found = glob::glob(pattern).map_err(|error| Error::job(format!("'{pattern}' is not a pattern for paths: {error}")))?;
    let mut paths = Vec::new();
    for path in found {
        let path = path.map_err(|error| read_error(error.path(), error.error()))?;
        if !path.is_dir() {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// A path below a folder: what leads out of that is left away.
pub(super) fn below(folder: &Path, path: &Path) -> PathBuf {
    let parts = path.components().filter(|part| matches!(part, Component::Normal(_)));
    folder.components().chain(parts).collect()
}

/// The folders of a glob before its first wildcard.
pub(super) fn glob_folder(pattern: &str) -> PathBuf {
    let parts = Path::new(pattern).components();
    parts.take_while(|part| !part.as_os_str().to_string_lossy().contains(['*', '?', '['])).collect()
}

/// Whether a path is one that a glob means, however that is spelled.
pub(super) fn is_like(pattern: &str) -> Option<PathTest> {
    let folder = glob_folder(pattern);
    let rest: PathBuf = Path::new(pattern).components().skip(folder.components().count()).collect();
    let real = Path::new(&glob::Pattern::escape(&real_path(&folder).to_string_lossy())).join(rest);
    let pattern = glob::Pattern::new(&real.to_string_lossy()).ok()?;
    let options = glob::MatchOptions { require_literal_separator: true, ..glob::MatchOptions::new() };
    Some(Arc::new(move |path| pattern.matches_path_with(path, options)))
}
