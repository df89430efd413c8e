//! Where the processes of a job tell each other what all must know: a folder.

use crate::checkpoint::AttemptDescriptor;
use egret_core::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The file in which the first process announces its [`AttemptDescriptor`].
const DESCRIPTOR: &str = "attempt";

/// Which process of a job this one is, if it was started by another.
#[derive(Clone, Debug)]
pub struct ProcessRole {
    /// Its number, from 0.
    pub number: usize,
    pub(crate) count: usize,
    pub(crate) folder: PathBuf,
}

impl ProcessRole {
    #[cfg(test)]
    pub(crate) fn in_folder(number: usize, count: usize, folder: &Path) -> Self {
        Self { number, count, folder: folder.to_owned() }
    }

    /// Announces the attempt to the other processes of the job.
    pub(crate) fn send_descriptor(&self, descriptor: AttemptDescriptor) {
        self.announce(DESCRIPTOR, &descriptor);
    }

    /// Waits until the first process has found what the job goes on from.
    pub(crate) fn wait_for_descriptor(&self) -> Result<AttemptDescriptor> {
        self.wait_for(DESCRIPTOR)
    }

    /// Announces something to the other processes of the job, under a name.
    pub(crate) fn announce(&self, name: &str, what: &impl Serialize) {
        let bytes = serde_json::to_vec(what).expect("it is plain data");
        write_whole(&self.folder.join(name), &bytes);
    }

    /// Waits until the first process has announced something. However long that takes: if it ends, the supervisor ends this one.
    pub(crate) fn wait_for<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        loop {
            match fs::read(self.folder.join(name)) {
                Ok(bytes) => return serde_json::from_slice(&bytes).map_err(|error| Error::bug(error.to_string())),
                Err(_) => std::thread::sleep(Duration::from_millis(2)),
            }
        }
    }
}

/// Writes a file that readers see whole or not at all. The folder is temporary: if it cannot be written the supervisor misses the
/// file and says so.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) {
    let temporary = path.with_extension("new");
    if fs::write(&temporary, bytes).is_ok() {
        let _ = fs::rename(&temporary, path);
    }
}
