//! Where the files of a log that is rotated are.

use super::paths::folder_of;
use crate::mark::{Held, Mark, identity};
use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io;
use std::path::{Path, PathBuf};

/// What compressed files end in.
const PACKED: [&str; 5] = [".gz", ".zst", ".bz2", ".xz", ".lz4"];

/// The plain files of a folder, in order of name, with what the disk says of them.
fn files_in(folder: &Path) -> io::Result<Vec<(PathBuf, Metadata)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let path = if folder == Path::new(".") { PathBuf::from(name) } else { folder.join(name) };
        // What goes away meanwhile is not there.
        if let Ok(metadata) = fs::metadata(&path)
            && metadata.is_file()
        {
            files.push((path, metadata));
        }
    }
    files.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(files)
}

/// The name that a file has in a folder.
pub(crate) fn find_inode(folder: &Path, wanted: (u64, u64)) -> io::Result<Option<PathBuf>> {
    let files = files_in(folder)?;
    Ok(files.into_iter().find(|(_, metadata)| identity(metadata) == wanted).map(|(path, _)| path))
}

/// The file of a folder that a mark is of: by its inode and what had been read, or by that alone where it is telling and one file
/// only has it.
pub(crate) fn find_file(folder: &Path, mark: &Mark, not: Option<(u64, u64)>) -> io::Result<Option<(PathBuf, File)>> {
    let mut alike = Vec::new();
    for (path, metadata) in files_in(folder)? {
        if not == Some(identity(&metadata)) || metadata.len() < mark.read {
            continue;
        }
        let Ok(file) = File::open(&path) else { continue };
        if mark.held_by(&file)? != Held::Same {
            continue;
        }
        if mark.is_on_disk(&metadata) {
            return Ok(Some((path, file)));
        }
        alike.push((path, file));
    }
    Ok(if mark.is_telling() && alike.len() == 1 { alike.pop() } else { None })
}

/// Files that were rotated from `live` after the file `mine` was written last: rows of theirs would be passed over.
pub(crate) fn newer_rotations(live: &Path, mine: &Metadata) -> io::Result<Vec<PathBuf>> {
    let Some(name) = live.file_name().and_then(OsStr::to_str) else { return Ok(Vec::new()) };
    let (written, files) = (mine.modified()?, files_in(folder_of(live))?);
    let own = files.iter().find(|(_, metadata)| identity(metadata) == identity(mine)).map(|(path, _)| path.clone());
    let mut newer = Vec::new();
    for (path, metadata) in files {
        let name_of = |path: &Path| path.file_name().and_then(OsStr::to_str).map(str::to_owned);
        let is_rotation = name_of(&path).is_some_and(|other| is_rotation(&other, name));
        // What was read may be being compressed just now; when that is done it has the time of what was compressed.
        let is_own =
            own.as_deref().is_some_and(|own| path == own || name_of(&path).as_deref().map(plain) == name_of(own).as_deref());
        if is_rotation && !is_own && metadata.modified()? > written {
            newer.push(path);
        }
    }
    Ok(newer)
}

/// A name without what compressing adds to it.
fn plain(name: &str) -> &str {
    PACKED.iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name)
}

/// Whether a name is one that rotating gives: `app.log.1`, `app.log-20240501.gz`, `app-2024-05-01.log`.
pub(super) fn is_rotation(name: &str, live: &str) -> bool {
    let plain = plain(name);
    let (stem, extension) = live.rsplit_once('.').unwrap_or((live, ""));
    let is_count = |text: &str| {
        text.starts_with(['.', '-', '_'])
            && text.contains(|c: char| c.is_ascii_digit())
            && text.chars().all(|c| c.is_ascii_digit() || ".-_:T".contains(c))
    };
    let before_extension = || plain.strip_suffix(extension)?.strip_suffix('.')?.strip_prefix(stem);
    plain.strip_prefix(live).is_some_and(is_count) || before_extension().is_some_and(is_count)
}

#[cfg(test)]
mod tests {
    use super::is_rotation;

    #[test]
    fn names_that_rotating_gives() {
        for name in
            ["app.log.1", "app.log.12.gz", "app.log-20240501", "app-2024-05-01.log", "app.1.log", "app-20240501T1200.log.zst"]
        {
            assert!(is_rotation(name, "app.log"), "{name}");
        }
        for name in
            ["app.log", "app.log.bak", "app.log.gz", "other.log.1", "app2.log", "app.logs", "app.log.offset", "application.log"]
        {
            assert!(!is_rotation(name, "app.log"), "{name}");
        }
    }
}
