//! What is prepared, and how it is told whether it has become visible.
//!
//! A committable is a version (one byte) and a [`Commit`] as `postcard` writes it; a checkpoint keeps it. It has names, not paths:
//! they are those of files in the folder of the sink, which may be moved with the checkpoints. A commit may be called again: by
//! length and checksum it is seen what was done already.

use crate::io_error::io_error;
use egret_core::{Committable, Error, Result, SinkAttempt};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::Xxh3;

const COMMIT_VERSION: u8 = 2;
const BLOCK_BYTES: usize = 256 << 10;

/// What is to be done, and what is there afterwards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Commit {
    /// The checkpoint that it was prepared for.
    pub(crate) epoch: u64,
    /// The name of the prepared file; `None` if nothing was written.
    pub(crate) from: Option<String>,
    /// The name of the file that users see.
    pub(crate) to: String,
    /// How many bytes were published before: the prepared ones come behind them; `None`: they become the file.
    pub(crate) append_at: Option<u64>,
    /// How many bytes are prepared.
    pub(crate) bytes: u64,
    /// Their checksum: xxh3 (64 bit, seed 0).
    pub(crate) xxh3: u64,
}

impl Commit {
    pub(crate) fn encode(&self) -> Committable {
        let mut bytes = vec![COMMIT_VERSION];
        bytes.extend(postcard::to_allocvec(self).expect("names and numbers always encode"));
        Committable(bytes)
    }

    /// # Errors
    /// The bytes are no commit of this version.
    pub(crate) fn decode(committable: &Committable) -> Result<Self> {
        match committable.0.split_first() {
            Some((&COMMIT_VERSION, rest)) => Ok(postcard::from_bytes(rest)?),
            _ => Err(Error::state("the checkpoint holds a file commit that was not written by this version of Egret")),
        }
    }

    /// How many bytes are published afterwards.
    pub(crate) fn end(&self) -> u64 {
        self.append_at.unwrap_or(0) + self.bytes
    }

    /// Whether these bytes stand in a file at `at`.
    pub(crate) fn is_in(&self, file: &Path, at: u64) -> Result<bool> {
        match digest(file, at, self.bytes) {
            Ok(found) => Ok(found == Some(self.xxh3)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(io_error("read", file, &error)),
        }
    }

    /// The error for prepared bytes that are gone and were never published.
    pub(crate) fn lost(&self, folder: &Path) -> Error {
        let name = self.from.as_deref().unwrap_or_default();
        let message = format!(
            "{} of checkpoint {} was never published, and what was prepared for it ({name}) is gone or damaged",
            folder.join(&self.to).display(),
            self.epoch
        );
        Error::state(message)
            .help("put the files back (hidden ones, too), or start the job afresh with another checkpoint folder")
    }
}

/// The checksum of `bytes` bytes of a file from `at` on; `None` if it has not as many.
pub(super) fn digest(file: &Path, at: u64, bytes: u64) -> io::Result<Option<u64>> {
    let mut file = File::open(file)?;
    if file.metadata()?.len() < at + bytes {
        return Ok(None);
    }
    file.seek(SeekFrom::Start(at))?;
    let (mut hasher, mut block, mut rest) = (Xxh3::new(), vec![0; BLOCK_BYTES], file.take(bytes));
    loop {
        match rest.read(&mut block)? {
            0 => return Ok(Some(hasher.digest())),
            count => hasher.update(&block[..count]),
        }
    }
}

/// The file names that a sink gives to what is not visible yet. They say which attempt of which job they are of, so that none takes
/// what another has prepared for its own.
pub(crate) struct Names {
    /// The checkpoints and the attempt, if there are checkpoints.
    mark: Option<(String, u64)>,
}

/// The ending of what is being written, and of what is complete and waits to be published.
const WRITTEN: &str = "inprogress";
const PREPARED: &str = "prepared";
/// The ending of rows that are kept until the end.
const KEPT: &str = "kept";

impl Names {
    pub(crate) fn new(attempt: Option<&SinkAttempt>) -> Self {
        Self { mark: attempt.map(|attempt| (attempt.checkpoints.to_string(), attempt.number)) }
    }

    fn hidden(&self, name: &str, number: Option<u64>, ending: &str) -> String {
        let mark = self.mark.as_ref().map_or_else(String::new, |(checkpoints, attempt)| format!("{checkpoints}.{attempt}."));
        let number = number.map_or_else(String::new, |number| format!("{number}."));
        format!(".{name}.{mark}{number}{ending}")
    }

    /// `.alerts.jsonl.inprogress`, say.
    pub(crate) fn written(&self, name: &str) -> String {
        self.hidden(name, None, WRITTEN)
    }

    /// `.alerts.jsonl.0.inprogress`, say: where a file begins again.
    pub(crate) fn begun(&self, name: &str) -> String {
        self.hidden(name, Some(0), WRITTEN)
    }

    /// `.alerts.jsonl.5.prepared`, say.
    pub(crate) fn prepared(&self, name: &str, number: Option<u64>) -> String {
        self.hidden(name, number, PREPARED)
    }

    /// `.rings.parquet.kept`, say.
    pub(crate) fn kept(&self, name: &str) -> String {
        self.hidden(name, None, KEPT)
    }
}

/// Whose a hidden name is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Leftover<'a> {
    /// The file that it was going to be.
    pub(crate) name: &'a str,
    /// The checkpoints that its job has, if it has.
    pub(crate) checkpoints: Option<&'a str>,
}

impl<'a> Leftover<'a> {
    /// What a hidden name says, if it is one that [`Names`] gives to a file whose own name `is_name` says to be one.
    pub(crate) fn parse(hidden: &'a str, is_name: impl Fn(&str) -> bool) -> Option<Self> {
        let rest = [WRITTEN, PREPARED, KEPT].iter().find_map(|ending| hidden.strip_suffix(ending)?.strip_suffix('.'))?;
        let rest = rest.strip_prefix('.')?;
        // With a mark: the checkpoints, the attempt, and perhaps a number.
        let mut before_numbers = rest;
        for numbers in 0..=2 {
            let Some((before, last)) = before_numbers.rsplit_once('.') else { break };
            if numbers > 0 && is_mark(last) && is_name(before) {
                return Some(Self { name: before, checkpoints: Some(last) });
            }
            if last.parse::<u64>().is_err() {
                break;
            }
            before_numbers = before;
        }
        let without_number = || rest.rsplit_once('.').filter(|(_, last)| last.parse::<u64>().is_ok()).map(|(before, _)| before);
        let name = if is_name(rest) { Some(rest) } else { without_number().filter(|name| is_name(name)) };
        name.map(|name| Self { name, checkpoints: None })
    }
}

/// Checkpoints are known by 16 hexadecimal digits.
fn is_mark(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Makes a change of names last.
pub(crate) fn sync_folder(folder: &Path) -> Result<()> {
    match cfg!(unix) {
        true => File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| io_error("write", folder, &error)),
        false => Ok(()),
    }
}

/// The name of a file without its folders.
pub(crate) fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Creates the folder that a file will be in.
///
/// # Errors
/// It cannot be created.
pub(crate) fn create_folder(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).map_err(|error| io_error("create the folder", folder, &error))
}

/// Gives a file another name.
///
/// # Errors
/// It cannot be changed.
pub(crate) fn rename(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).map_err(|error| io_error("write", to, &error))
}

/// Gives what was written the name under which it waits.
///
/// # Errors
/// It cannot be changed, or is gone: the next attempt removes what this one was writing.
pub(crate) fn rename_written(from: &Path, to: &Path) -> Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(taken_over(from)),
        renamed => renamed.map_err(|error| io_error("write", to, &error)),
    }
}

/// The error for a file of this attempt that is gone.
pub(crate) fn taken_over(written: &Path) -> Error {
    Error::job(format!("another run of the job has taken over: what this one was writing ({}) is gone", written.display()))
        .help("one run at a time: stop one of them, or give each its own folder of checkpoints and its own output")
}

/// The names in a folder, in order.
///
/// # Errors
/// The folder cannot be listed.
pub(crate) fn names(folder: &Path) -> Result<Vec<String>> {
    let failed = |error: io::Error| io_error("list", folder, &error);
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        names.push(entry.map_err(failed)?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// Removes files, if they are still there.
///
/// # Errors
/// One is there and cannot be removed.
pub(crate) fn remove(files: &[PathBuf]) -> Result<()> {
    for file in files {
        match fs::remove_file(file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_error("remove", file, &error)),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn hidden_names_say_whose_they_are() {
        let mark = "0123456789abcdef";
        let attempt = SinkAttempt { number: 7, ..SinkAttempt::new(mark) };
        let is_ours = |name: &str| name == "o.csv";
        let parse = |name: &str| Leftover::parse(name, is_ours).map(|found| found.checkpoints.map(str::to_owned));
        for names in [Names::new(None), Names::new(Some(&attempt))] {
            let expected = names.mark.as_ref().map(|(mark, _)| mark.clone());
            for name in [
                names.written("o.csv"),
                names.prepared("o.csv", Some(3)),
                names.prepared("o.csv", None),
                names.begun("o.csv"),
                names.kept("o.csv"),
            ] {
                assert_eq!(parse(&name), Some(expected.clone()), "{name}");
            }
            // Of another sink in the folder, whose name begins in the same way.
            for name in [names.written("o.csv.gz"), names.prepared("o.csv.gz", Some(1)), names.prepared("p.csv", Some(1))] {
                assert_eq!(parse(&name), None, "{name}");
            }
        }
        for name in ["o.csv", ".o.csv", ".o.csv.published", ".o.csv.1.2.prepared", ".o.csv.x.prepared"] {
            assert_eq!(parse(name), None, "{name}");
        }
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        let commit = Commit { epoch: 4, from: None, to: "o.csv".into(), append_at: Some(7), bytes: 0, xxh3: 1 };
        assert_eq!(Commit::decode(&commit.encode()).unwrap(), commit);
        assert!(Commit::decode(&Committable(vec![1, 2])).is_err() && Commit::decode(&Committable(vec![])).is_err());
    }
}
