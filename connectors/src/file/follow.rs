//! A plain file that grows, and is rotated meanwhile.
//!
//! Logs are rotated in two ways. *Renaming*: the file gets another name, and its writer begins a new one. What is open here is still
//! the old file: it is read to its end, and when the new one has something in it, the new one is read from its beginning.
//! *Copying and cutting*: the file is copied, cut to nothing, and written on. Its first bytes, or the last ones before our place,
//! are then not what had been read; the copy, another file of the folder, has these: it is read to its end from our place on, then
//! the file from its beginning. A file that was cut without a copy, or was rotated more than once before it could be read, ends the
//! job: what was in it is not to be found.

use super::input::{read_error, too_short};
use super::new_files::NewFiles;
use super::paths::folder_of;
use super::rotation::{find_file, find_inode, newer_rotations};
use crate::format::window::{ByteInput, Chunk};
use crate::mark::{Held, Mark, Seen, identity};
use egret_core::metrics::Counters;
use egret_core::{Error, Result};
use std::fs::{self, File};
use std::io::{self, IoSliceMut, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// After so many looks at a file whose name is gone something is said.
const LOOKS_BEFORE_WORD: u32 = 50;

/// A file that is followed.
pub(crate) struct FollowInput {
    /// The name that is followed.
    path: PathBuf,
    /// The others that were found by the same pattern, if there is one.
    others: Option<Arc<NewFiles>>,
    every: Duration,
    counters: Arc<Counters>,
    /// The file that is read: that of the name, or one that had it; none while nothing has the name.
    file: Option<File>,
    seen: Seen,
    /// It was at its end when last read.
    rested: bool,
    /// A new file has the name, and has something in it.
    is_followed_by_another: bool,
    /// How often the name was looked for in vain.
    looks: u32,
}

/// What a read gave.
enum Growth {
    Bytes(usize),
    None,
    /// What had been read is not there any more.
    Rewritten,
}

impl FollowInput {
    /// Opens a file; one that is being rotated just now may not be there yet.
    ///
    /// # Errors
    /// It cannot be opened.
    pub(crate) fn open(path: &Path, others: Option<Arc<NewFiles>>, every: Duration, counters: Arc<Counters>) -> Result<Self> {
        let input = Self {
            file: open_named(path)?,
            path: path.to_owned(),
            others,
            every,
            counters,
            seen: Seen::default(),
            rested: false,
            is_followed_by_another: false,
            looks: 0,
        };
        input.hold();
        Ok(input)
    }

    /// Says which file is read, so that it is not taken for a new one when it gets another name.
    fn hold(&self) {
        if let (Some(others), Some(Ok(metadata))) = (&self.others, self.file.as_ref().map(File::metadata)) {
            others.hold(&self.path, identity(&metadata));
        }
    }

    fn failed(&self, error: &io::Error) -> Error {
        read_error(&self.path, error)
    }

    /// Reads on, together with the last bytes before: they must be those that were read.
    fn read_on(&mut self, into: &mut [u8]) -> io::Result<Growth> {
        let Some(file) = &mut self.file else { return Ok(Growth::None) };
        let before = self.seen.tail().len();
        let mut again = [0; 128];
        file.seek(SeekFrom::Start(self.seen.read() - before as u64))?;
        let count = loop {
            let mut parts = [IoSliceMut::new(&mut again[..before]), IoSliceMut::new(into)];
            match file.read_vectored(&mut parts) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        if count < before || again[..before] != *self.seen.tail() {
            return Ok(Growth::Rewritten);
        }
        let count = count - before;
        if count > 0 && self.rested && !self.seen.is_head_of(file)? {
            return Ok(Growth::Rewritten);
        }
        Ok(if count == 0 { Growth::None } else { Growth::Bytes(count) })
    }

    /// Nothing more for now: is it still the file of that name?
    fn look(&mut self) -> Result<Chunk> {
        self.rested = true;
        let Some(file) = &self.file else {
            self.miss();
            return Ok(Chunk::Pending(self.every));
        };
        let mine = file.metadata().map_err(|error| self.failed(&error))?;
        let named = match fs::metadata(&self.path) {
            Ok(named) => named,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.miss();
                return Ok(Chunk::Pending(self.every));
            }
            Err(error) => return Err(self.failed(&error)),
        };
        self.looks = 0;
        if identity(&named) == identity(&mine) || named.len() == 0 {
            self.is_followed_by_another = false;
            return Ok(Chunk::Pending(self.every));
        }
        if !std::mem::replace(&mut self.is_followed_by_another, true) {
            // Its writer may be writing the last line just now.
            return Ok(Chunk::Pending(self.every));
        }
        self.check_next(&mine)?;
        Ok(Chunk::Next)
    }

    /// The name is gone. Whoever rotates may be about to make it anew, so this is no error, but should not last.
    fn miss(&mut self) {
        self.looks += 1;
        if self.looks == LOOKS_BEFORE_WORD {
            let what =
                format!("{} was removed while it was followed: a new file of that name is waited for", self.path.display());
            tracing::warn!("{what}");
            self.counters.note(what);
        }
    }

    /// Fails if the file of the name is not the one to be read next.
    fn check_next(&self, mine: &fs::Metadata) -> Result<()> {
        let folder = folder_of(&self.path);
        if let Some(others) = &self.others
            && let Some(moved) = find_inode(folder, identity(mine)).map_err(|error| self.failed(&error))?
            && others.has(&moved)
        {
            let (path, moved, pattern) = (self.path.display(), moved.display(), others.pattern());
            return Err(Error::external(format!("{path} was renamed to {moved} while it was followed, and '{pattern}' has both"))
                .help("name the file that is written alone (without '*'), or make checkpoints: a job that is started again from one goes on right"));
        }
        let newer = newer_rotations(&self.path, mine).map_err(|error| self.failed(&error))?;
        if newer.is_empty() {
            return Ok(());
        }
        let names: Vec<String> = newer.iter().map(|path| path.display().to_string()).collect();
        Err(Error::job(format!("{} was rotated more than once since it was read: {}", self.path.display(), names.join(", "))).help(
            "move what has been read or is no part of it out of the folder; of what has not, give the oldest file the name that is followed, and the others that name in turn",
        ))
    }

    /// The file was cut: the copy that was made of it is read on, if there is one.
    fn take_copy(&mut self) -> Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let mark = self.seen.mark(file, true);
        let mine = file.metadata().map_err(|error| self.failed(&error))?;
        let found = match &mark {
            Some(mark) => find_file(folder_of(&self.path), mark, Some(identity(&mine))).map_err(|error| self.failed(&error))?,
            None => None,
        };
        let Some((copy, file)) = found else {
            let message = format!(
                "{} was cut or written anew while it was followed, when {} bytes of it had been read: what was written behind these before it was cut is not to be found",
                self.path.display(),
                self.seen.read()
            );
            return Err(Error::job(message).help(
                "rotate by renaming, or leave the copy uncompressed in the same folder until it has been read; start the job afresh with another checkpoint folder if nothing is missing",
            ));
        };
        tracing::info!("{} was cut; its copy {} is read to the end first", self.path.display(), copy.display());
        (self.file, self.rested, self.is_followed_by_another) = (Some(file), false, false);
        self.hold();
        Ok(())
    }
}

/// The file that has a name, if one has.
fn open_named(path: &Path) -> Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(read_error(path, &error)),
    }
}

impl ByteInput for FollowInput {
    fn read(&mut self, into: &mut [u8]) -> Result<Chunk> {
        if self.file.is_none() {
            self.file = open_named(&self.path)?;
            self.hold();
        }
        loop {
            match self.read_on(into).map_err(|error| self.failed(&error))? {
                Growth::None => return self.look(),
                Growth::Rewritten => self.take_copy()?,
                Growth::Bytes(count) => {
                    self.seen.add(&into[..count]);
                    (self.rested, self.is_followed_by_another) = (false, false);
                    return Ok(Chunk::Bytes(count));
                }
            }
        }
    }

    fn seek(&mut self, offset: u64) -> Result<()> {
        let seen = match &self.file {
            Some(file) => Seen::of_file(file, offset).map_err(|error| self.failed(&error))?,
            None => (offset == 0).then(Seen::default),
        };
        self.seen = seen.ok_or_else(|| too_short(&self.path))?;
        Ok(())
    }

    fn mark(&self) -> Option<Mark> {
        self.file.as_ref().and_then(|file| self.seen.mark(file, true))
    }

    fn resume(&mut self, mark: &Mark) -> Result<()> {
        let held = match &self.file {
            Some(file) => mark.held_by(file).map_err(|error| self.failed(&error))?,
            None => Held::Gone,
        };
        if held == Held::Same {
            return Ok(());
        }
        match find_file(folder_of(&self.path), mark, None).map_err(|error| self.failed(&error))? {
            Some((path, file)) => {
                tracing::info!("{} was rotated; {} is read to the end first", self.path.display(), path.display());
                self.file = Some(file);
                self.hold();
                Ok(())
            }
            None => Err(mark.refusal(&self.path, held)),
        }
    }

    fn next_file(&mut self) -> Result<()> {
        self.file = open_named(&self.path)?;
        (self.seen, self.rested, self.is_followed_by_another) = (Seen::default(), false, false);
        self.hold();
        Ok(())
    }
}
