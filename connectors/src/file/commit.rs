//! How a prepared file becomes visible.
//!
//! A committable is a version (one byte) and a [`Commit`] as `postcard` writes it. A commit may be called twice: the second
//! time the prepared file is gone, and nothing is left to do. After a restart the commits of the checkpoint come before the
//! first `prepare`.

use crate::io_error::io_error;
use egret_core::{Committable, Error, Result};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom};
use std::path::{Path, PathBuf};

const COMMIT_VERSION: u8 = 1;

/// What is to be done, and what is there afterwards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Commit {
    /// The prepared file; `None` if nothing was written.
    pub(crate) from: Option<PathBuf>,
    /// The file that users see.
    pub(crate) to: PathBuf,
    /// Where the prepared bytes go in it; `None`: they become the file.
    pub(crate) append_at: Option<u64>,
    /// How many bytes are prepared.
    pub(crate) bytes: u64,
}

impl Commit {
    pub(crate) fn encode(&self) -> Committable {
        let mut bytes = vec![COMMIT_VERSION];
        bytes.extend(postcard::to_allocvec(self).expect("paths were made of text and always encode"));
        Committable(bytes)
    }

    /// # Errors
    /// The bytes are no commit of this version.
    pub(crate) fn decode(committable: &Committable) -> Result<Self> {
        match committable.0.split_first() {
            Some((&COMMIT_VERSION, rest)) => Ok(postcard::from_bytes(rest)?),
            _ => Err(Error::job("the checkpoint holds a file commit that was not written by this version of Egret")),
        }
    }

    /// How long the visible file is afterwards.
    pub(crate) fn end(&self) -> u64 {
        self.append_at.unwrap_or(0) + self.bytes
    }

    /// Makes it visible.
    ///
    /// # Errors
    /// The files cannot be changed, or were changed by somebody else.
    pub(crate) fn apply(&self) -> Result<()> {
        let Some(from) = &self.from else { return Ok(()) };
        if !from.exists() {
            return if self.to.exists() { Ok(()) } else { Err(gone(&self.to)) };
        }
        let done = match self.append_at {
            None => fs::rename(from, &self.to),
            Some(at) => self.append(from, at),
        };
        done.and_then(|()| sync_folder(&self.to)).map_err(|error| io_error("write", &self.to, &error))
    }

    fn append(&self, from: &Path, at: u64) -> io::Result<()> {
        let mut file = File::options().write(true).open(&self.to)?;
        if file.metadata()?.len() < at {
            return Err(io::Error::other(format!("it is shorter than the {at} bytes that were written to it")));
        }
        file.set_len(at)?;
        file.seek(SeekFrom::Start(at))?;
        io::copy(&mut File::open(from)?, &mut file)?;
        file.sync_all()?;
        fs::remove_file(from)
    }
}

fn gone(path: &Path) -> Error {
    Error::external(format!("what was prepared for {} is gone", path.display())).help("did another job write to the same place?")
}

/// Makes a rename last.
fn sync_folder(path: &Path) -> io::Result<()> {
    match cfg!(unix) {
        true => File::open(folder_of(path))?.sync_all(),
        false => Ok(()),
    }
}

/// The folder that a file is in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// `out/alerts.jsonl` as `out/.alerts.jsonl.inprogress`, say.
pub(crate) fn hidden(path: &Path, ending: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{ending}"))
}

/// Creates the folder that a file will be in.
///
/// # Errors
/// It cannot be created.
pub(crate) fn create_folder(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).map_err(|error| io_error("create the folder", folder, &error))
}

/// The names in a folder for which `is` holds, as paths, in order.
///
/// # Errors
/// The folder cannot be listed.
pub(crate) fn entries(folder: &Path, is: impl Fn(&str) -> bool) -> Result<Vec<PathBuf>> {
    let failed = |error: io::Error| io_error("list", folder, &error);
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if is(&entry.file_name().to_string_lossy()) {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// Removes files, if they are still there.
pub(crate) fn remove(files: &[PathBuf]) -> Result<()> {
    for file in files {
        match fs::remove_file(file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_error("remove", file, &error)),
            _ => {}
        }
    }
    Ok(())
}
