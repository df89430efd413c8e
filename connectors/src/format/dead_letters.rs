//! The file that bad rows go to.
//!
//! Letters are added to it as they are read, whole lines at a time. Whoever reads it may take it away at any time, or empty it: then
//! another one begins. A reader that goes on from a checkpoint cuts off what was written after that, if the file is still the one
//! that it wrote then; which it knows by the last letter. Where a log that was rotated has the name of another one, the letters of
//! the other stay, and its own come behind them.

use crate::io_error::io_error;
use egret_core::Result;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::xxh3_64;

/// So many bytes of letters wait at most.
const BUFFER_BYTES: usize = 256 << 10;
/// A file that others wrote is known by so many bytes at its end.
const TAIL_BYTES: u64 = 4 << 10;

/// Where the letters of a reader end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LettersEnd {
    /// How long the file is.
    bytes: u64,
    /// How long the last letter is (of a file that others wrote: some bytes at its end), and its checksum.
    last: (u64, u64),
}

/// The letters of one reader.
pub(crate) struct DeadLetters {
    path: PathBuf,
    file: Option<File>,
    buffer: Vec<u8>,
    end: LettersEnd,
}

impl DeadLetters {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, file: None, buffer: Vec::new(), end: LettersEnd::default() }
    }

    /// Takes away what was written after `end`: all of it when a run begins.
    pub(crate) fn start(&mut self, end: LettersEnd) -> Result<()> {
        self.end = end;
        if end.bytes > 0 && self.cut().map_err(|error| io_error("continue", &self.path, &error))? {
            return Ok(());
        }
        self.end = LettersEnd::default();
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(io_error("replace", &self.path, &error)),
            _ => Ok(()),
        }
    }

    /// Where the file ends that is there, to start behind that.
    pub(crate) fn there(&self) -> Result<LettersEnd> {
        match self.end_of_file() {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(LettersEnd::default()),
            end => end.map_err(|error| io_error("continue", &self.path, &error)),
        }
    }

    fn end_of_file(&self) -> io::Result<LettersEnd> {
        let mut file = File::open(&self.path)?;
        let bytes = file.metadata()?.len();
        let length = bytes.min(TAIL_BYTES);
        let mut tail = Vec::new();
        file.seek(SeekFrom::Start(bytes - length))?;
        file.take(length).read_to_end(&mut tail)?;
        Ok(LettersEnd { bytes, last: (length, xxh3_64(&tail)) })
    }

    /// Cuts the file at the end; false if it is another one, because ours was taken away.
    fn cut(&self) -> io::Result<bool> {
        let LettersEnd { bytes, last: (length, xxh3) } = self.end;
        let mut file = match OpenOptions::new().read(true).write(true).open(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            opened => opened?,
        };
        if length > bytes || file.metadata()?.len() < bytes {
            return Ok(false);
        }
        let mut last = Vec::new();
        file.seek(SeekFrom::Start(bytes - length))?;
        (&mut file).take(length).read_to_end(&mut last)?;
        if xxh3_64(&last) != xxh3 {
            return Ok(false);
        }
        file.set_len(bytes)?;
        Ok(true)
    }

    /// Where the letters end that were flushed.
    pub(crate) fn end(&self) -> LettersEnd {
        self.end
    }

    /// Adds a letter.
    pub(crate) fn write(&mut self, letter: &[u8]) -> Result<()> {
        self.buffer.extend_from_slice(letter);
        self.end.last = (letter.len() as u64, xxh3_64(letter));
        if self.buffer.len() >= BUFFER_BYTES { self.flush() } else { Ok(()) }
    }

    /// Writes what waits.
    pub(crate) fn flush(&mut self) -> Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let (path, file) = (&self.path, self.file.take());
        // What was taken away is whole: what comes now would be missed there.
        let mut file = match file.filter(|file| is_there(file, path)) {
            Some(file) => file,
            None => create(path)
                .map_err(|error| io_error("create the dead-letter file", path, &error).context("option 'dead_letter_path'"))?,
        };
        let written = file.write_all(&self.buffer).and_then(|()| file.stream_position());
        self.end.bytes = written.map_err(|error| io_error("write dead letters to", path, &error))?;
        self.buffer.clear();
        self.file = Some(file);
        Ok(())
    }
}

/// Opens a file to add to it, wherever it ends at that time.
fn create(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder)?;
    }
    OpenOptions::new().create(true).append(true).open(path)
}

/// Whether an open file still has its path.
fn is_there(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::metadata(path)) {
        (Ok(open), Ok(found)) => is_same_file(&open, &found),
        _ => false,
    }
}

#[cfg(unix)]
fn is_same_file(a: &Metadata, b: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

#[cfg(not(unix))]
fn is_same_file(_: &Metadata, _: &Metadata) -> bool {
    true
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::test_support::Folder;

    fn letters(folder: &Folder, end: LettersEnd) -> DeadLetters {
        let mut letters = DeadLetters::new(folder.path("out/bad"));
        letters.start(end).unwrap();
        letters
    }

    fn write(letters: &mut DeadLetters, text: &str) -> LettersEnd {
        letters.write(text.as_bytes()).unwrap();
        letters.flush().unwrap();
        letters.end()
    }

    #[test]
    fn what_came_after_the_checkpoint_is_cut_off() {
        let folder = Folder::new();
        let mut first = letters(&folder, LettersEnd::default());
        let at = write(&mut first, "one\n");
        write(&mut first, "two\n");
        let mut second = letters(&folder, at);
        assert_eq!(folder.read("out/bad"), "one\n");
        write(&mut second, "two again\n");
        assert_eq!(folder.read("out/bad"), "one\ntwo again\n");
        let mut anew = letters(&folder, LettersEnd::default());
        assert!(folder.names("out").is_empty(), "a new run starts the file anew");
        write(&mut anew, "one\n");
        assert_eq!(folder.read("out/bad"), "one\n");
    }

    /// Of a file that others wrote nothing is cut off, in no attempt.
    #[test]
    fn letters_of_others_stay() {
        for others in [String::new(), "of another\n".to_owned(), "of another\n".repeat(1_000)] {
            let folder = Folder::new();
            folder.write("out/bad", &others);
            let at = DeadLetters::new(folder.path("out/bad")).there().unwrap();
            for _ in 0..2 {
                write(&mut letters(&folder, at), "one\n");
                assert_eq!(folder.read("out/bad"), format!("{others}one\n"));
            }
        }
        let none = DeadLetters::new(Folder::new().path("out/bad")).there().unwrap();
        assert_eq!(none, LettersEnd::default());
    }

    /// Whoever ships the letters moves them away, or copies and empties them, between two runs or within one.
    #[test]
    fn letters_that_were_taken_away_are_followed_by_others() {
        for (is_emptied, is_restarted) in [(false, false), (false, true), (true, false), (true, true)] {
            let folder = Folder::new();
            let mut running = letters(&folder, LettersEnd::default());
            let at = write(&mut running, "one\n");
            if is_emptied {
                fs::write(folder.path("out/bad"), "").unwrap();
            } else {
                fs::rename(folder.path("out/bad"), folder.path("out/shipped")).unwrap();
            }
            if is_restarted {
                running = letters(&folder, at);
            }
            let at = write(&mut running, "two\n");
            assert_eq!(folder.read("out/bad"), "two\n", "emptied: {is_emptied}, restarted: {is_restarted}");
            write(&mut running, "lost with the run\n");
            let mut next = letters(&folder, at);
            write(&mut next, "three\n");
            assert_eq!(folder.read("out/bad"), "two\nthree\n");
        }
    }

    /// The file was taken away, an attempt wrote another and died before its checkpoint: what it wrote comes again.
    #[test]
    fn another_file_of_a_dead_attempt_is_not_taken_for_the_first() {
        for text in ["1\n", "a longer one\nand another\n"] {
            let folder = Folder::new();
            let at = write(&mut letters(&folder, LettersEnd::default()), "one\n");
            fs::rename(folder.path("out/bad"), folder.path("out/shipped")).unwrap();
            write(&mut letters(&folder, at), text);
            write(&mut letters(&folder, at), text);
            assert_eq!(folder.read("out/bad"), text);
        }
    }
}
