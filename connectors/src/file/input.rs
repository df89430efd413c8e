//! Files as a stream of bytes, plain or compressed. Those that grow are in [`follow`](super::follow).

use super::config::Compression;
use super::pool::{PooledFile, PooledRead, is_too_many};
use crate::format::window::{ByteInput, Chunk};
use crate::io_error::io_error;
use crate::mark::{Held, Mark, Seen};
use egret_core::{Error, Result};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Opens a file.
///
/// # Errors
/// It cannot be opened.
pub(crate) fn open_file(path: &Path) -> Result<Arc<PooledFile>> {
    PooledFile::open(path).map(Arc::new).map_err(|error| read_error(path, &error))
}

/// The error for a file that cannot be read. One that is not there, or may not be read, will not be there by itself; what comes of a
/// disk or a network may pass.
pub(crate) fn read_error(path: &Path, error: &io::Error) -> Error {
    use io::ErrorKind as Kind;
    let lasts = matches!(
        error.kind(),
        Kind::NotFound
            | Kind::PermissionDenied
            | Kind::IsADirectory
            | Kind::NotADirectory
            | Kind::InvalidData
            | Kind::InvalidInput
            | Kind::InvalidFilename
            | Kind::NotSeekable
            | Kind::Unsupported
    );
    if is_too_many(error) {
        return Error::job(format!("cannot read {}: too many files are open", path.display()))
            .help("raise the limit (ulimit -n), or name fewer files: each that is followed stays open");
    }
    match io_error("read", path, error) {
        Error::External(report) if lasts => Error::Job(report),
        other => other,
    }
}

/// Reads once, again if a signal came in between.
fn read_some(reader: &mut impl Read, into: &mut [u8]) -> io::Result<usize> {
    loop {
        match reader.read(into) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// A plain file.
pub(crate) struct PlainInput {
    path: PathBuf,
    file: Arc<PooledFile>,
    seen: Seen,
}

impl PlainInput {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        Ok(Self { path: path.to_owned(), file: open_file(path)?, seen: Seen::default() })
    }

    fn failed(&self, error: &io::Error) -> Error {
        read_error(&self.path, error)
    }
}

impl ByteInput for PlainInput {
    fn read(&mut self, into: &mut [u8]) -> Result<Chunk> {
        match self.file.read_at(into, self.seen.read()) {
            Ok(0) => Ok(Chunk::End),
            Ok(count) => {
                self.seen.add(&into[..count]);
                Ok(Chunk::Bytes(count))
            }
            Err(error) => Err(self.failed(&error)),
        }
    }

    fn seek(&mut self, offset: u64) -> Result<()> {
        let seen = self.file.file().and_then(|file| Seen::of_file(&file, offset)).map_err(|error| self.failed(&error))?;
        self.seen = seen.ok_or_else(|| too_short(&self.path))?;
        Ok(())
    }

    fn mark(&self) -> Option<Mark> {
        let file = self.file.file().ok()?;
        self.seen.mark(&file, true)
    }

    fn resume(&mut self, mark: &Mark) -> Result<()> {
        match self.file.file().and_then(|file| mark.held_by(&file)).map_err(|error| self.failed(&error))? {
            Held::Same => Ok(()),
            held => Err(mark.refusal(&self.path, held)),
        }
    }
}

/// The error for a file that ends before a position.
pub(crate) fn too_short(path: &Path) -> Error {
    Error::data(format!("{} is shorter than it was at the checkpoint", path.display()))
        .help("continue with the file as it was, or start anew without the checkpoint")
}

/// A compressed file.
pub(crate) struct PackedInput {
    path: PathBuf,
    compression: Compression,
    file: Arc<PooledFile>,
    decoder: Box<dyn Read>,
    seen: Seen,
    /// What a checkpoint says of the file, to be looked at when its place is reached.
    expected: Option<Mark>,
}

impl PackedInput {
    pub(crate) fn open(path: &Path, compression: Compression) -> Result<Self> {
        let file = open_file(path)?;
        let decoder = decoder(&file, path, compression)?;
        Ok(Self { path: path.to_owned(), compression, file, decoder, seen: Seen::default(), expected: None })
    }

    /// What an error of the decoder means.
    fn damaged(&self, error: &io::Error) -> Error {
        damaged(self.compression, error)
    }

    /// How many bytes are left to what a checkpoint had read.
    fn left_to(&self, mark: &Mark) -> usize {
        match mark.read.saturating_sub(self.seen.read()) {
            0 => usize::MAX,
            left => usize::try_from(left).unwrap_or(usize::MAX),
        }
    }

    fn check_tail(&mut self) -> Result<()> {
        match self.expected.take_if(|mark| self.seen.read() == mark.read) {
            Some(mark) if !mark.has_tail(&self.seen) => Err(mark.refusal(&self.path, Held::Other)),
            _ => Ok(()),
        }
    }

    /// Goes to the start.
    fn rewind(&mut self) -> Result<()> {
        self.decoder = decoder(&self.file, &self.path, self.compression)?;
        self.seen = Seen::default();
        Ok(())
    }
}

pub(crate) fn damaged(compression: Compression, error: &io::Error) -> Error {
    let name = compression.name();
    let message = match error.kind() {
        io::ErrorKind::UnexpectedEof => format!("the {name} data ends in the middle: the file is truncated"),
        _ => format!("the file is damaged or not {name}: {error}"),
    };
    Error::data(message).help("get the file again; rows before this place are read, those behind it are lost")
}

/// The uncompressed bytes of a file.
pub(crate) fn decoder(file: &Arc<PooledFile>, path: &Path, compression: Compression) -> Result<Box<dyn Read>> {
    let failed = |error: &io::Error| read_error(path, error);
    if file.metadata().map_err(|error| failed(&error))?.len() == 0 {
        return Ok(Box::new(io::empty()));
    }
    let file = PooledRead::new(file, 0);
    Ok(match compression {
        Compression::None => Box::new(file),
        Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(io::BufReader::with_capacity(128 << 10, file))),
        Compression::Zstd => Box::new(zstd::Decoder::new(file).map_err(|error| failed(&error))?),
    })
}

impl ByteInput for PackedInput {
    fn read(&mut self, into: &mut [u8]) -> Result<Chunk> {
        // What the checkpoint says of the bytes that had been read last is looked at when they have been read again.
        let until = self.expected.as_ref().map_or(usize::MAX, |mark| self.left_to(mark));
        let wanted = into.len().min(until);
        match read_some(&mut self.decoder, &mut into[..wanted]) {
            Ok(0) => Ok(Chunk::End),
            Ok(count) => {
                self.seen.add(&into[..count]);
                self.check_tail()?;
                Ok(Chunk::Bytes(count))
            }
            Err(error) => Err(self.damaged(&error)),
        }
    }

    fn seek(&mut self, offset: u64) -> Result<()> {
        self.rewind()?;
        let seen = Seen::pass(&mut self.decoder, offset).map_err(|error| self.damaged(&error))?;
        self.seen = seen.ok_or_else(|| too_short(&self.path))?;
        self.check_tail()
    }

    fn mark(&self) -> Option<Mark> {
        let file = self.file.file().ok()?;
        self.seen.mark(&file, false)
    }

    fn resume(&mut self, mark: &Mark) -> Result<()> {
        self.rewind()?;
        let held = mark.head_held_by(&mut self.decoder).map_err(|error| self.damaged(&error))?;
        self.rewind()?;
        if held != Held::Same {
            return Err(mark.refusal(&self.path, held));
        }
        self.expected = Some(mark.clone());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use io::ErrorKind as Kind;

    #[test]
    fn what_lasts_is_not_tried_again() {
        let error = |error: io::Error| read_error(Path::new("in/t.csv"), &error);
        for kind in [Kind::NotFound, Kind::PermissionDenied, Kind::IsADirectory, Kind::NotADirectory, Kind::InvalidData] {
            assert!(!error(kind.into()).may_retry(), "{kind:?}");
        }
        for kind in [Kind::Interrupted, Kind::StaleNetworkFileHandle, Kind::TimedOut, Kind::HostUnreachable, Kind::Other] {
            assert!(error(kind.into()).may_retry(), "{kind:?}");
        }
        assert!(error(io::Error::from_raw_os_error(24)).to_string().contains("ulimit -n"));
    }
}
