//! What tells a file from another one that has taken its name.
//!
//! A position is a place in a file, and names of files are given anew: logs are rotated (by renaming, or by copying and cutting),
//! exports are replaced. Numbers of inodes are given anew, too. So a position says of its file what it is on the disk *and* what
//! had been read of it: a hash of its first bytes and the last bytes before the place.

use egret_core::Error;
use serde::{Deserialize, Serialize};
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::Path;
use xxhash_rust::xxh3::xxh3_64;

/// So many of the first bytes are hashed.
const HEAD_BYTES: usize = 4_096;
/// So many of the bytes that were read last are kept.
const TAIL_BYTES: usize = 64;

/// A file as a position knows it. Bytes are counted uncompressed, but for `length`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    /// The device and the inode; 0 where there are none.
    device: u64,
    inode: u64,
    /// The length on the disk.
    pub(crate) length: u64,
    /// The hash of so many first bytes.
    head_bytes: u64,
    head: u64,
    /// How many bytes had been read, and the last of them.
    pub(crate) read: u64,
    tail: Vec<u8>,
}

/// What a file is to a [`Mark`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    /// It begins with what had been read.
    Same,
    /// It is shorter than what had been read.
    Cut,
    /// It has other bytes.
    Other,
    /// There is none.
    Gone,
}

impl Mark {
    /// A file that is read as a whole: known by its length and its last bytes (of Parquet that is where all others are).
    pub(crate) fn of_whole(file: &File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        let (device, inode) = identity(&metadata);
        let count = metadata.len().min(HEAD_BYTES as u64);
        let end = bytes_at(file, metadata.len() - count, count)?.unwrap_or_default();
        Ok(Self { device, inode, length: metadata.len(), head_bytes: count, head: xxh3_64(&end), ..Self::default() })
    }

    /// Whether another mark of a whole file is of the same bytes.
    pub(crate) fn is_whole_of(&self, other: &Self) -> bool {
        (self.length, self.head_bytes, self.head) == (other.length, other.head_bytes, other.head)
    }

    /// Whether the file is the one on the disk, by its inode.
    pub(crate) fn is_on_disk(&self, metadata: &Metadata) -> bool {
        self.inode != 0 && identity(metadata) == (self.device, self.inode)
    }

    /// Whether so much had been read that another file would hardly have the same by chance.
    pub(crate) fn is_telling(&self) -> bool {
        self.head_bytes >= TAIL_BYTES as u64
    }

    /// Whether what had been read last ended a line.
    pub(crate) fn ends_line(&self) -> bool {
        self.tail.last().is_none_or(|byte| *byte == b'\n')
    }

    /// What a plain file is to this mark.
    pub(crate) fn held_by(&self, file: &File) -> io::Result<Held> {
        let metadata = file.metadata()?;
        if metadata.len() < self.read.max(self.head_bytes) {
            return Ok(Held::Cut);
        }
        let head = bytes_at(file, 0, self.head_bytes)?;
        let tail = bytes_at(file, self.read - self.tail.len() as u64, self.tail.len() as u64)?;
        let is_same = head.is_some_and(|head| xxh3_64(&head) == self.head) && tail.is_some_and(|tail| tail == self.tail);
        // Of a file of which little was read, that little is no proof; and what it had besides may be in another file.
        let is_doubtful = !self.is_telling() && self.length > self.head_bytes && !self.is_on_disk(&metadata) && self.inode != 0;
        Ok(if is_same && !is_doubtful { Held::Same } else { Held::Other })
    }

    /// What bytes that come out of a decoder are to this mark, by its first bytes.
    pub(crate) fn head_held_by(&self, decoder: &mut dyn Read) -> io::Result<Held> {
        let mut head = Vec::new();
        decoder.take(self.head_bytes).read_to_end(&mut head)?;
        Ok(if (head.len() as u64) < self.head_bytes {
            Held::Cut
        } else if xxh3_64(&head) == self.head {
            Held::Same
        } else {
            Held::Other
        })
    }

    /// Whether the bytes read last are those that had been read last, as many having been read.
    pub(crate) fn has_tail(&self, seen: &Seen) -> bool {
        seen.read == self.read && seen.tail == self.tail
    }

    /// The error for a file that is not the one of the checkpoint.
    pub(crate) fn refusal(&self, path: &Path, held: Held) -> Error {
        let path = path.display();
        let mut found = match held {
            Held::Cut => format!("{path} is shorter than it was at the checkpoint"),
            Held::Gone => format!("{path} is no longer there, as it was at the checkpoint"),
            Held::Same | Held::Other => format!("{path} is not the file that it was at the checkpoint"),
        };
        if self.read > 0 {
            found += &format!(" ({} bytes of that had been read)", self.read);
        }
        Error::job(found).help("bring the old file back, or start the job afresh with another checkpoint folder")
    }
}

/// What has been read of a file, as far as a [`Mark`] wants to know it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    head: Vec<u8>,
    tail: Vec<u8>,
    read: u64,
}

impl Seen {
    /// How many bytes.
    pub(crate) fn read(&self) -> u64 {
        self.read
    }

    /// The last of them.
    pub(crate) fn tail(&self) -> &[u8] {
        &self.tail
    }

    /// These were read next.
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        if self.head.len() < HEAD_BYTES && self.head.len() as u64 == self.read {
            self.head.extend_from_slice(&bytes[..bytes.len().min(HEAD_BYTES - self.head.len())]);
        }
        self.read += bytes.len() as u64;
        if bytes.len() >= TAIL_BYTES {
            self.tail.clear();
            self.tail.extend_from_slice(&bytes[bytes.len() - TAIL_BYTES..]);
        } else {
            self.tail.extend_from_slice(bytes);
            let surplus = self.tail.len().saturating_sub(TAIL_BYTES);
            self.tail.drain(..surplus);
        }
    }

    /// As if the first bytes of a plain file had been read; `None` if it has fewer.
    pub(crate) fn of_file(file: &File, read: u64) -> io::Result<Option<Self>> {
        let head = bytes_at(file, 0, read.min(HEAD_BYTES as u64))?;
        let kept = read.min(TAIL_BYTES as u64);
        let tail = bytes_at(file, read - kept, kept)?;
        Ok(head.zip(tail).map(|(head, tail)| Self { head, tail, read }))
    }

    /// Reads the first bytes; `None` if there are fewer.
    pub(crate) fn pass(reader: &mut dyn Read, read: u64) -> io::Result<Option<Self>> {
        let (mut seen, mut buffer) = (Self::default(), vec![0; 64 << 10]);
        while seen.read < read {
            let wanted = usize::try_from(read - seen.read).unwrap_or(usize::MAX).min(buffer.len());
            match reader.read(&mut buffer[..wanted]) {
                Ok(0) => return Ok(None),
                Ok(count) => seen.add(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Some(seen))
    }

    /// Whether the first bytes of the file are still those that were read.
    pub(crate) fn is_head_of(&self, file: &File) -> io::Result<bool> {
        Ok(bytes_at(file, 0, self.head.len() as u64)?.is_some_and(|head| head == self.head))
    }

    /// The mark of the file of which this was read. Where nothing was, what stands at the beginning of a plain file is taken.
    pub(crate) fn mark(&self, file: &File, is_plain: bool) -> Option<Mark> {
        let metadata = file.metadata().ok()?;
        let (device, inode) = identity(&metadata);
        let unread = match self.read {
            0 if is_plain => bytes_at(file, 0, metadata.len().min(HEAD_BYTES as u64)).ok().flatten(),
            _ => None,
        };
        let head = unread.as_ref().unwrap_or(&self.head);
        Some(Mark {
            device,
            inode,
            length: metadata.len(),
            head_bytes: head.len() as u64,
            head: xxh3_64(head),
            read: self.read,
            tail: self.tail.clone(),
        })
    }
}

/// Device and inode, where there are such.
#[cfg(unix)]
pub(crate) fn identity(metadata: &Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt;
    (metadata.dev(), metadata.ino())
}

/// Device and inode, where there are such.
#[cfg(not(unix))]
pub(crate) fn identity(_: &Metadata) -> (u64, u64) {
    (0, 0)
}

/// Reads at a place; where a file is read otherwise does not change on Unix.
pub(crate) fn read_at(file: &File, into: &mut [u8], offset: u64) -> io::Result<usize> {
    loop {
        #[cfg(unix)]
        let read = std::os::unix::fs::FileExt::read_at(file, into, offset);
        #[cfg(not(unix))]
        let read = std::os::windows::fs::FileExt::seek_read(file, into, offset);
        match read {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// So many bytes at a place; `None` if the file ends before.
fn bytes_at(file: &File, offset: u64, count: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = vec![0; usize::try_from(count).unwrap_or(usize::MAX)];
    let mut filled = 0;
    while filled < bytes.len() {
        match read_at(file, &mut bytes[filled..], offset + filled as u64)? {
            0 => return Ok(None),
            count => filled += count,
        }
    }
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests;
