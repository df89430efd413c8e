//! A folder as the place where members meet: a file for each announcement.

use super::rendezvous::Rendezvous;
use egret_core::{Error, Result};
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Members of one machine, or of several with one file system, meet in a folder. Its files can be read by its owner alone.
#[derive(Debug)]
pub struct LocalFolder {
    folder: PathBuf,
    /// Deletes the folder in the end, if it is a temporary one.
    _temporary: Option<TempDir>,
}

impl LocalFolder {
    /// A folder that is there.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), _temporary: None }
    }

    /// A new folder, which is deleted with the value that is returned.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn temporary() -> Result<Self> {
        let temporary = tempfile::tempdir()?;
        Ok(Self { folder: temporary.path().to_owned(), _temporary: Some(temporary) })
    }

    fn failed(&self, what: &str, name: &str, error: &std::io::Error) -> Error {
        Error::io(
            error.kind(),
            format!("'{name}' cannot be {what} in {}, where the members of the job meet: {error}", self.folder.display()),
        )
    }
}

impl Rendezvous for LocalFolder {
    fn announce(&self, name: &str, what: &[u8]) -> Result<()> {
        let (path, temporary) = (self.folder.join(name), self.folder.join(format!("{name}.new")));
        let written = write_for_owner(&temporary, what).and_then(|()| fs::rename(&temporary, path));
        written.map_err(|error| self.failed("announced", name, &error))
    }

    fn look_up(&self, name: &str) -> Result<Option<Vec<u8>>> {
        match fs::read(self.folder.join(name)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed("looked up", name, &error)),
        }
    }

    fn address(&self) -> String {
        self.folder.display().to_string()
    }
}

fn write_for_owner(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(bytes)
}
