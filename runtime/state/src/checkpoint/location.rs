//! The place of checkpoints, as a user writes it: a path or a URL.
//!
//! | text | place |
//! | --- | --- |
//! | `state`, `/var/lib/job/state` | a folder |
//! | `file:///var/lib/job/state` | the same; `%20` and the like stand for bytes |
//! | `memory:fraud` | the memory of this process, under a name: for tests |
//!
//! Other schemes name stores that this program is built without.

use super::identity::JobIdentity;
use super::store::Checkpoints;
use egret_core::{Error, Result};
use object_store::ObjectStore;
use object_store::memory::InMemory;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

/// The schemes of URLs that this program understands.
pub const SCHEMES: [&str; 2] = ["file", "memory"];

/// The place of a job's checkpoints.
///
/// ```
/// use egret_state::checkpoint::Location;
/// use std::path::Path;
/// let folder: Location = "file:///var/lib/fraud%20job".parse()?;
/// assert_eq!(folder.folder(), Some(Path::new("/var/lib/fraud job")));
/// let error = "s3://bucket/fraud".parse::<Location>().unwrap_err().to_string();
/// assert!(error.contains("'s3'") && error.contains("file:"));
/// # Ok::<(), egret_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Location {
    text: String,
    place: Place,
}

#[derive(Clone)]
enum Place {
    Folder(PathBuf),
    Store { store: Arc<dyn ObjectStore>, prefix: String },
}

/// The stores in memory, by name. They live as long as the process.
static MEMORY: Mutex<BTreeMap<String, Arc<InMemory>>> = Mutex::new(BTreeMap::new());

impl Location {
    /// A prefix of a store that other processes cannot reach. `name` is for messages.
    pub fn in_store(store: Arc<dyn ObjectStore>, prefix: &str, name: &str) -> Self {
        Self { text: name.to_owned(), place: Place::Store { store, prefix: prefix.to_owned() } }
    }

    fn in_memory(name: &str, text: &str) -> Self {
        let store = Arc::clone(MEMORY.lock().unwrap_or_else(PoisonError::into_inner).entry(name.to_owned()).or_default());
        Self::in_store(store, "", text)
    }

    /// The folder, if the place is one.
    pub fn folder(&self) -> Option<&Path> {
        match &self.place {
            Place::Folder(folder) => Some(folder),
            Place::Store { .. } => None,
        }
    }

    /// Whether other processes can reach the place.
    pub fn is_shared(&self) -> bool {
        self.folder().is_some()
    }

    /// Opens the checkpoints of `job`. An empty place belongs to the job from now on; a folder must exist.
    ///
    /// # Errors
    /// As [`Checkpoints::local`] and [`Checkpoints::open`].
    pub fn open(&self, job: &JobIdentity) -> Result<Checkpoints> {
        match &self.place {
            Place::Folder(folder) => Checkpoints::local(folder, job),
            Place::Store { store, prefix } => Checkpoints::open(Arc::clone(store), prefix, &self.text, job),
        }
    }

    /// Opens the checkpoints of any job, to read them.
    ///
    /// # Errors
    /// As [`Checkpoints::read_local`] and [`Checkpoints::open_to_read`].
    pub fn read(&self) -> Result<Checkpoints> {
        match &self.place {
            Place::Folder(folder) => Checkpoints::read_local(folder),
            Place::Store { store, prefix } => Checkpoints::open_to_read(Arc::clone(store), prefix, &self.text),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Location").field(&self.text).finish()
    }
}

impl<P: AsRef<Path> + ?Sized> From<&P> for Location {
    fn from(folder: &P) -> Self {
        Self::from(folder.as_ref().to_owned())
    }
}

impl From<PathBuf> for Location {
    fn from(folder: PathBuf) -> Self {
        Self { text: folder.display().to_string(), place: Place::Folder(folder) }
    }
}

impl FromStr for Location {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text.is_empty() {
            return Err(Error::job("the place of the checkpoints has no name").help("name a folder"));
        }
        let Some((scheme, rest)) = scheme_of(text) else { return Ok(Self::from(Path::new(text))) };
        match scheme.as_str() {
            "file" => Ok(Self { text: text.to_owned(), place: Place::Folder(folder_of(text, rest)?) }),
            "memory" => Ok(Self::in_memory(rest.trim_start_matches('/'), text)),
            other => Err(Error::job(format!("'{text}' is in a store '{other}', which this program is built without"))
                .help(format!("name a folder: a path, or file:///path (there are {}:)", SCHEMES.join(": and ")))),
        }
    }
}

/// The scheme in lower case and the text after it; `None` if the text is a path. A known scheme needs no `//`.
fn scheme_of(text: &str) -> Option<(String, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.chars().all(|letter| letter.is_ascii_alphanumeric() || "+-.".contains(letter));
    let scheme = scheme.to_ascii_lowercase();
    (is_scheme && (rest.starts_with("//") || SCHEMES.contains(&scheme.as_str()))).then_some((scheme, rest))
}

/// The folder of a file URL; `rest` is the text after `file:`.
fn folder_of(text: &str, rest: &str) -> Result<PathBuf> {
    let wrong = |what: &str| Error::job(format!("'{text}' {what}")).help("write file:///path, or the path alone");
    let path = match rest.strip_prefix("//") {
        None => rest,
        Some(rest) => {
            let (host, _) = rest.split_once('/').ok_or_else(|| wrong("names no folder"))?;
            if !["", "localhost"].contains(&host.to_ascii_lowercase().as_str()) {
                return Err(wrong(&format!("is on the machine '{host}'")));
            }
            &rest[host.len()..]
        }
    };
    if !path.starts_with('/') {
        return Err(wrong("names no folder from the root on"));
    }
    if let Some(mark) = path.chars().find(|letter| "?#".contains(*letter)) {
        return Err(Error::job(format!("'{text}' has a '{mark}', which means something else in a URL"))
            .help(format!("write %{:02X} for it", u32::from(mark))));
    }
    let bytes = decoded(path.as_bytes()).ok_or_else(|| wrong("has a % without two hexadecimal digits behind it"))?;
    path_of(bytes).ok_or_else(|| wrong("is no path of this machine"))
}

/// The bytes of a path with `%20` and the like.
fn decoded(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(&byte) = rest.next() {
        let mut digit = || char::from(*rest.next()?).to_digit(16);
        bytes.push(if byte == b'%' { (digit()? * 16 + digit()?) as u8 } else { byte });
    }
    (!bytes.contains(&0)).then_some(bytes)
}

#[cfg(unix)]
fn path_of(bytes: Vec<u8>) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStringExt;
    Some(std::ffi::OsString::from_vec(bytes).into())
}

#[cfg(not(unix))]
fn path_of(bytes: Vec<u8>) -> Option<PathBuf> {
    String::from_utf8(bytes).ok().map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn folder(text: &str) -> PathBuf {
        text.parse::<Location>().unwrap().folder().unwrap_or_else(|| panic!("{text} is a folder")).to_owned()
    }

    #[test]
    fn paths_and_file_urls_are_folders() {
        for path in ["state", "/a/b", "./memory:", "a:b", "state:1", "a b", "C:\\state", "äöü", "//host/share", "a/file:/b"] {
            assert_eq!(folder(path), Path::new(path));
        }
        for url in ["file:///a%20b/c", "file:/a b/c", "FILE:///a%20b/c", "file://localhost/a%20b/c"] {
            assert_eq!(folder(url), Path::new("/a b/c"), "{url}");
        }
        assert_eq!(folder("file:///%3f%23%C3%A4/"), Path::new("/?#ä/"));
        assert_eq!("file:///a".parse::<Location>().unwrap().to_string(), "file:///a");
    }

    #[test]
    fn what_is_no_place_says_why() {
        for (text, expected) in [
            ("", "has no name"),
            ("file:state", "from the root on"),
            ("file://", "names no folder"),
            ("file://host/state", "is on the machine 'host'"),
            ("file:///a?b", "write %3F for it"),
            ("file:///a#b", "write %23 for it"),
            ("file:///a%2", "two hexadecimal digits"),
            ("file:///a%zz", "two hexadecimal digits"),
            ("file:///a%00", "two hexadecimal digits"),
            ("s3://bucket/state", "a store 's3', which this program is built without"),
            ("gs://bucket", "a store 'gs'"),
            ("AZ://container/state", "a store 'az'"),
            ("https://host/state", "there are file: and memory:"),
        ] {
            let error = text.parse::<Location>().unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains("help: "), "{text}: {error}");
        }
    }

    #[test]
    fn memory_of_one_name_is_one_place() {
        let job = JobIdentity::default();
        let open = |text: &str| text.parse::<Location>().unwrap().open(&job).unwrap();
        let first = open("memory:location-test");
        assert_eq!(first.id(), open("memory:///location-test").id());
        assert_ne!(first.id(), open("memory:location-test-2").id());
        assert!(!"memory:location-test".parse::<Location>().unwrap().is_shared());
        assert_eq!(first.describe(), "memory:location-test");
        let other = JobIdentity { name: "other".into(), ..job.clone() };
        let error = "memory:location-test".parse::<Location>().unwrap().open(&other).unwrap_err().to_string();
        assert!(error.starts_with("memory:location-test"), "{error}");
    }
}
