//! The files and folders that a job reads and writes, compared by identity rather than by spelling.
//!
//! Two paths are one place if they lead to one file, or will once it exists: through `.` and `..`, symbolic and hard links, and
//! folders that do not exist yet.

use crate::{Error, Result, Subject};
use std::ffi::OsString;
use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// Whether a path (as [`real_path`] returns it) is among those that are meant.
pub type PathTest = Arc<dyn Fn(&Path) -> bool + Send + Sync>;

/// A path, and how a source or a sink accesses it.
#[derive(Clone, Debug)]
pub struct Place {
    /// The path as the user wrote it.
    pub path: PathBuf,
    /// How it is accessed.
    pub access: Access,
    /// The part of its owner that it belongs to, if not the owner as a whole: `the bad rows`.
    pub part: Option<&'static str>,
    /// The stream or the sink that uses it.
    pub user: Option<Subject>,
}

/// How a place is accessed.
#[derive(Clone)]
pub enum Access {
    /// A file that is read.
    Read,
    /// All files that pass the test are read, also files that appear later; the path is a glob pattern.
    ReadLike(PathTest),
    /// The file of the program that is running.
    Program,
    /// A file that is written, or replaced.
    Write,
    /// A file to which lines are appended. It may lie in a folder that another sink fills.
    Append,
    /// A folder in which files are created.
    Fill {
        /// An example of a path of such a file.
        example: PathBuf,
        /// The files that belong to the sink: it may replace or remove them.
        is_own: PathTest,
    },
    /// A folder that nobody else may use.
    Own,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "Read",
            Self::ReadLike(_) => "ReadLike",
            Self::Program => "Program",
            Self::Write => "Write",
            Self::Append => "Append",
            Self::Fill { .. } => "Fill",
            Self::Own => "Own",
        })
    }
}

impl Place {
    /// A path, and how it is accessed.
    pub fn new(path: impl Into<PathBuf>, access: Access) -> Self {
        Self { path: path.into(), access, part: None, user: None }
    }

    /// Sets the part of its owner that the place belongs to, such as `the bad rows`.
    #[must_use]
    pub fn of_part(mut self, part: &'static str) -> Self {
        self.part = Some(part);
        self
    }

    /// Sets the stream or sink that uses the place.
    #[must_use]
    pub fn of_user(mut self, user: Subject) -> Self {
        self.user = Some(user);
        self
    }

    fn is_written(&self) -> bool {
        !matches!(self.access, Access::Read | Access::ReadLike(_) | Access::Program)
    }
}

/// The path that a path leads to: absolute, with `.` and `..` removed, and with links followed as far as the path exists.
pub fn real_path(path: &Path) -> PathBuf {
    let mut real = std::env::current_dir().unwrap_or_default();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                real.pop();
            }
            other => {
                real.push(other);
                if let Ok(found) = std::fs::canonicalize(&real) {
                    real = found;
                }
            }
        }
    }
    real
}

/// The identity of a place: the deepest ancestor that exists, and the names below it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Identity {
    existing: Existing,
    rest: Vec<OsString>,
}

/// A file by its device and inode number; on systems other than Unix by its path.
#[cfg(unix)]
type Existing = (u64, u64);
#[cfg(not(unix))]
type Existing = PathBuf;

#[cfg(unix)]
fn existing(path: &Path) -> Option<Existing> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

#[cfg(not(unix))]
fn existing(path: &Path) -> Option<Existing> {
    std::fs::canonicalize(path).ok()
}

fn identity(real: &Path) -> Option<Identity> {
    let mut rest = Vec::new();
    for path in real.ancestors() {
        if let Some(existing) = existing(path) {
            rest.reverse();
            return Some(Identity { existing, rest });
        }
        rest.extend(path.file_name().map(OsString::from));
    }
    None
}

/// A place, its identity, and its user.
struct Found<'a> {
    who: String,
    place: &'a Place,
    real: PathBuf,
    identity: Option<Identity>,
    folder: Option<Identity>,
    /// A terminal or a pipe: one job may read and write it.
    is_device: bool,
}

impl<'a> Found<'a> {
    fn new(who: &str, place: &'a Place) -> Self {
        let real = real_path(&place.path);
        Self {
            who: place.part.map_or_else(|| who.to_owned(), |part| format!("{part} of {who}")),
            identity: identity(&real),
            folder: real.parent().and_then(identity),
            is_device: std::fs::metadata(&place.path).is_ok_and(|found| !found.is_file() && !found.is_dir()),
            real,
            place,
        }
    }

    fn is(&self, other: &Self) -> bool {
        self.identity.is_some() && self.identity == other.identity
    }

    fn is_in(&self, folder: &Self) -> bool {
        self.folder.is_some() && self.folder == folder.identity
    }

    fn is_below(&self, folder: &Self) -> bool {
        self.real.ancestors().any(|above| identity(above).is_some() && identity(above) == folder.identity)
    }

    /// Whether this place, which is written, conflicts with the other.
    fn disturbs(&self, other: &Self) -> bool {
        use Access::{Append, Fill, Own, Program, Read, ReadLike, Write};
        match (&self.place.access, &other.place.access) {
            (Own, ReadLike(_) | Program) => false,
            (Own, _) => other.is_below(self),
            (_, Own) => self.is_below(other),
            (Write | Append, ReadLike(is_meant)) => is_meant(&self.real),
            (Write | Append, Read) => self.is(other) && !self.is_device,
            (Write | Append, Program) => self.is(other),
            (Write | Append, Write | Append) | (Fill { .. }, Fill { .. }) => self.is(other),
            (Fill { .. }, Read | Write) => self.is(other) || other.is_in(self),
            (Fill { is_own, .. }, Append | Program) => self.is(other) || (other.is_in(self) && is_own(&other.real)),
            (Fill { example, .. }, ReadLike(is_meant)) => is_meant(&real_path(example)),
            (Write | Append, Fill { .. }) => other.disturbs(self),
            (Read | ReadLike(_) | Program, _) => false,
        }
    }

    fn refusal(&self, other: &Self) -> Error {
        let (path, others) = (self.place.path.display(), other.place.path.display());
        let same = if self.place.path == other.place.path { String::new() } else { format!(" (which is {others}, too)") };
        let message = match (&self.place.access, &other.place.access) {
            (Access::Own, _) => format!("{others} ({}) lies in {} {path}", other.who, self.who),
            (_, Access::Program) => format!("{} would write to {path}, where the program itself is ({others})", self.who),
            (_, Access::Own) => format!("{path} ({}) lies in {} {others}", self.who, other.who),
            (Access::Fill { .. }, Access::Write | Access::Append) if !self.is(other) => {
                format!("{} would write {others} into the folder {path}, which {} fills", other.who, self.who)
            }
            (Access::Write | Access::Append, Access::Fill { .. }) if !self.is(other) => return other.refusal(self),
            (_, Access::Read | Access::ReadLike(_)) => {
                let read = if same.is_empty() { "it".to_owned() } else { others.to_string() };
                format!("{} would write to {path}, and {} reads {read}", self.who, other.who)
            }
            _ => format!("{} and {} both write to {path}{same}", self.who, other.who),
        };
        let are_sinks = self.place.part.is_none() && other.place.part.is_none() && other.place.is_written();
        let users = [self, other].into_iter().filter_map(|of| of.place.user.clone());
        users.fold(Error::job(message), Error::about).help(match (self.place.part.or(other.place.part), are_sinks) {
            (Some(_), _) => "give each a path of its own: set dead_letter_path",
            (None, _) if matches!(other.place.access, Access::Program) => "give the output another path",
            (None, true) => "give each a path of its own, or INSERT both streams INTO one sink",
            (None, false) => "give each a path of its own",
        })
    }
}

/// Refuses places that conflict; each has the name of its user, for the message.
///
/// # Errors
/// A file would be written by two users, is also read by the job, or lies in a folder that another sink fills; the message names
/// both users.
pub fn check_places(places: &[(String, Place)]) -> Result<()> {
    if places.iter().all(|(_, place)| !place.is_written()) {
        return Ok(());
    }
    let found: Vec<Found<'_>> = places.iter().map(|(who, place)| Found::new(who, place)).collect();
    for (number, writer) in found.iter().enumerate().filter(|(_, found)| found.place.is_written()) {
        // Of two places that are written, only the first is compared with the other.
        let others = found.iter().enumerate().filter(|(other, found)| *other > number || !found.place.is_written());
        if let Some((_, other)) = others.into_iter().find(|(_, other)| writer.disturbs(other)) {
            return Err(writer.refusal(other));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
