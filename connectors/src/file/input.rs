//! Files as a stream of bytes: plain, compressed or growing.

use super::config::Compression;
use crate::format::window::{ByteInput, Chunk};
use crate::io_error::io_error;
use egret_core::{Error, Result};
use std::fs::{self, File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

fn open_file(path: &Path) -> Result<File> {
    File::open(path).map_err(|error| io_error("read", path, &error))
}

fn metadata(file: &File, path: &Path) -> Result<Metadata> {
    file.metadata().map_err(|error| io_error("read", path, &error))
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
    file: File,
}

impl PlainInput {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        Ok(Self { path: path.to_owned(), file: open_file(path)? })
    }
}

impl ByteInput for PlainInput {
    fn read(&mut self, into: &mut [u8]) -> Result<Chunk> {
        match read_some(&mut self.file, into) {
            Ok(0) => Ok(Chunk::End),
            Ok(count) => Ok(Chunk::Bytes(count)),
            Err(error) => Err(io_error("read", &self.path, &error)),
        }
    }

    fn seek(&mut self, offset: u64) -> Result<()> {
        if offset > metadata(&self.file, &self.path)?.len() {
            return Err(too_short(&self.path));
        }
        self.file.seek(SeekFrom::Start(offset)).map(|_| ()).map_err(|error| io_error("read", &self.path, &error))
    }
}

fn too_short(path: &Path) -> Error {
    Error::data(format!("{} is shorter than it was at the checkpoint", path.display()))
        .help("continue with the file as it was, or start anew without the checkpoint")
}

/// A compressed file.
pub(crate) struct PackedInput {
    path: PathBuf,
    compression: Compression,
    decoder: Box<dyn Read>,
}

impl PackedInput {
    pub(crate) fn open(path: &Path, compression: Compression) -> Result<Self> {
        Ok(Self { path: path.to_owned(), compression, decoder: decoder(path, compression)? })
    }

    /// What an error of the decoder means.
    fn damaged(&self, error: &io::Error) -> Error {
        let name = self.compression.name();
        let message = match error.kind() {
            io::ErrorKind::UnexpectedEof => format!("the {name} data ends in the middle: the file is truncated"),
            _ => format!("the file is damaged or not {name}: {error}"),
        };
        Error::data(message).help("get the file again; rows before this place are read, those behind it are lost")
    }
}

fn decoder(path: &Path, compression: Compression) -> Result<Box<dyn Read>> {
    let file = open_file(path)?;
    if metadata(&file, path)?.len() == 0 {
        return Ok(Box::new(io::empty()));
    }
    Ok(match compression {
        Compression::None => Box::new(file),
        Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(io::BufReader::with_capacity(128 << 10, file))),
        Compression::Zstd => Box::new(zstd::Decoder::new(file).map_err(|error| io_error("read", path, &error))?),
    })
}

impl ByteInput for PackedInput {
    fn read(&mut self, into: &mut [u8]) -> Result<Chunk> {
        match read_some(&mut self.decoder, into) {
            Ok(0) => Ok(Chunk::End),
            Ok(count) => Ok(Chunk::Bytes(count)),
            Err(error) => Err(self.damaged(&error)),
        }
    }

    fn seek(&mut self, offset: u64) -> Result<()> {
        self.decoder = decoder(&self.path, self.compression)?;
        match io::copy(&mut (&mut self.decoder).take(offset), &mut io::sink()) {
            Ok(passed) if passed == offset => Ok(()),
            Ok(_) => Err(too_short(&self.path)),
            Err(error) => Err(self.damaged(&error)),
        }
    }
}

/// A plain file that grows.
pub(crate) struct FollowInput {
    path: PathBuf,
    file: File,
    offset: u64,
    every: Duration,
}

impl FollowInput {
    pub(crate) fn open(path: &Path, every: Duration) -> Result<Self> {
        Ok(Self { path: path.to_owned(), file: open_file(path)?, offset: 0, every })
    }

    /// Fails unless the path is still this file, and the file at least as long as what was read.
    fn check_same(&self) -> Result<()> {
        let stopped = |what: &str| {
            Error::external(format!("{} {what} while it was followed", self.path.display()))
                .help("start the job again; to rotate, write a new file and read all with a glob")
        };
        if metadata(&self.file, &self.path)?.len() < self.offset {
            return Err(stopped("became shorter"));
        }
        match fs::metadata(&self.path) {
            Err(_) => Err(stopped("was removed")),
            Ok(now) if !is_same_file(&now, &metadata(&self.file, &self.path)?) => Err(stopped("was replaced")),
            Ok(_) => Ok(()),
        }
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

impl ByteInput for FollowInput {
    fn read(&mut self, into: &mut [u8]) -> Result<Chunk> {
        match read_some(&mut self.file, into) {
            Ok(0) => self.check_same().map(|()| Chunk::Pending(self.every)),
            Ok(count) => {
                self.offset += count as u64;
                Ok(Chunk::Bytes(count))
            }
            Err(error) => Err(io_error("read", &self.path, &error)),
        }
    }

    fn seek(&mut self, offset: u64) -> Result<()> {
        if offset > metadata(&self.file, &self.path)?.len() {
            return Err(too_short(&self.path));
        }
        self.offset = offset;
        self.file.seek(SeekFrom::Start(offset)).map(|_| ()).map_err(|error| io_error("read", &self.path, &error))
    }
}
