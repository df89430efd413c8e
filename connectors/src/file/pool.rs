//! Files that are open for reading, a bounded number of them in a process.
//!
//! A source of many files reads all of them side by side, as the order of event times has it, and a process may have only so many
//! open (1,024, as a rule). So a file is opened when it is read, and the one that was read longest ago is closed for it; when its
//! turn comes it is opened again, and must still be the same.

use crate::mark::{identity, read_at};
use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

/// So many files are open at a time.
const OPEN_MAX: usize = 256;

static POOL: LazyLock<Arc<Pool>> = LazyLock::new(|| Arc::new(Pool::new(OPEN_MAX)));

/// The files of a process.
#[derive(Debug)]
struct Pool {
    max: usize,
    files: Mutex<Files>,
}

#[derive(Debug, Default)]
struct Files {
    /// Counts what is asked for.
    turn: u64,
    next: u64,
    /// By number, with the turn in which it was asked for last.
    open: HashMap<u64, (Arc<File>, u64)>,
}

impl Files {
    /// Closes the file that was read longest ago; returns whether there was one.
    fn close_oldest(&mut self) -> bool {
        let oldest = self.open.iter().min_by_key(|(_, (_, last))| *last).map(|(number, _)| *number);
        oldest.is_some_and(|oldest| self.open.remove(&oldest).is_some())
    }
}

/// Whether the process has as many files open as it may: `EMFILE`, or `ENFILE` where the whole system has.
pub(crate) fn is_too_many(error: &io::Error) -> bool {
    cfg!(unix) && matches!(error.raw_os_error(), Some(23 | 24))
}

impl Pool {
    fn new(max: usize) -> Self {
        Self { max, files: Mutex::default() }
    }

    fn number(&self) -> u64 {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.next += 1;
        files.next
    }

    /// The file of a number, opened if it is not open.
    fn get(&self, number: u64, open: impl Fn() -> io::Result<File>) -> io::Result<Arc<File>> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.turn += 1;
        let turn = files.turn;
        if let Some((file, last)) = files.open.get_mut(&number) {
            *last = turn;
            return Ok(Arc::clone(file));
        }
        if files.open.len() >= self.max {
            files.close_oldest();
        }
        let file = loop {
            match open() {
                // Others have files open, too.
                Err(error) if is_too_many(&error) && files.close_oldest() => {}
                file => break Arc::new(file?),
            }
        };
        files.open.insert(number, (Arc::clone(&file), turn));
        Ok(file)
    }

    fn forget(&self, number: u64) {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).open.remove(&number);
    }
}

/// A file that is open when it is read.
#[derive(Debug)]
pub(crate) struct PooledFile {
    pool: Arc<Pool>,
    number: u64,
    path: PathBuf,
    identity: (u64, u64),
    /// A pipe or a device, which cannot be opened twice, nor read at a place.
    stream: Option<Arc<File>>,
}

impl PooledFile {
    /// Opens a file.
    ///
    /// # Errors
    /// It cannot be opened.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Self::open_in(Arc::clone(&POOL), path)
    }

    fn open_in(pool: Arc<Pool>, path: &Path) -> io::Result<Self> {
        let number = pool.number();
        let file = pool.get(number, || File::open(path))?;
        let metadata = file.metadata()?;
        let identity = identity(&metadata);
        let stream = if metadata.is_file() {
            None
        } else {
            pool.forget(number);
            Some(file)
        };
        Ok(Self { pool, number, path: path.to_owned(), identity, stream })
    }

    /// The open file.
    ///
    /// # Errors
    /// It is no longer there, or another has taken its name.
    pub(crate) fn file(&self) -> io::Result<Arc<File>> {
        match &self.stream {
            Some(stream) => Ok(Arc::clone(stream)),
            None => self.pool.get(self.number, || self.reopen()),
        }
    }

    fn reopen(&self) -> io::Result<File> {
        let file = File::open(&self.path)?;
        if identity(&file.metadata()?) != self.identity {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it was replaced while it was read"));
        }
        Ok(file)
    }

    /// What the disk says of it.
    ///
    /// # Errors
    /// It cannot be asked.
    pub(crate) fn metadata(&self) -> io::Result<Metadata> {
        self.file()?.metadata()
    }

    /// Reads at a place; a pipe where it stands.
    ///
    /// # Errors
    /// It cannot be read.
    pub(crate) fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let file = self.file()?;
        if self.stream.is_none() {
            return read_at(&file, into, offset);
        }
        loop {
            match (&*file).read(into) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }
}

impl Drop for PooledFile {
    fn drop(&mut self) {
        self.pool.forget(self.number);
    }
}

/// Reads a [`PooledFile`] from a place on.
pub(crate) struct PooledRead {
    file: Arc<PooledFile>,
    offset: u64,
}

impl PooledRead {
    pub(crate) fn new(file: &Arc<PooledFile>, offset: u64) -> Self {
        Self { file: Arc::clone(file), offset }
    }
}

impl Read for PooledRead {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(into, self.offset)?;
        self.offset += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::test_support::{Folder, Random};

    #[test]
    fn at_most_so_many_are_open_and_each_goes_on_where_it_was() {
        let folder = Folder::new();
        let pool = Arc::new(Pool::new(3));
        let texts: Vec<String> = (0..10).map(|number| format!("{number}").repeat(50)).collect();
        let mut readers: Vec<(PooledRead, String)> = (0..10)
            .map(|number| {
                let path = folder.write(&format!("{number}.txt"), &texts[number]);
                let file = Arc::new(PooledFile::open_in(Arc::clone(&pool), &path).unwrap());
                (PooledRead::new(&file, 0), String::new())
            })
            .collect();
        let mut random = Random::new(5);
        while readers.iter().any(|(_, read)| read.len() < 50) {
            let (reader, read) = &mut readers[random.below(10) as usize];
            let mut bytes = [0; 7];
            let count = reader.read(&mut bytes).unwrap();
            read.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
            assert!(pool.files.lock().unwrap().open.len() <= 3);
        }
        assert!(readers.iter().zip(&texts).all(|((_, read), text)| read == text));
        drop(readers);
        assert!(pool.files.lock().unwrap().open.is_empty());
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_another_took_the_place_of_is_not_opened_again() {
        let folder = Folder::new();
        let pool = Arc::new(Pool::new(1));
        let (a, b) = (folder.write("a", "a"), folder.write("b", "b"));
        let first = PooledFile::open_in(Arc::clone(&pool), &a).unwrap();
        let second = PooledFile::open_in(Arc::clone(&pool), &b).unwrap();
        std::fs::rename(folder.write("c", "c"), &a).unwrap();
        assert!(first.read_at(&mut [0; 4], 0).unwrap_err().to_string().contains("replaced while it was read"));
        assert_eq!(second.read_at(&mut [0; 4], 0).unwrap(), 1);
    }
}
