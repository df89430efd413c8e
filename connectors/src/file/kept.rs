//! The rows of a Parquet file until the input is at its end.
//!
//! Nothing can be added to a Parquet file. So a job with checkpoints keeps its rows in hidden files beside it, one for each attempt,
//! and copies them into the file at the end, batch by batch. A checkpoint knows how much of each of these it is made of, and the
//! checksum of that; what an attempt wrote after its last checkpoint is passed over. There are as many pieces as attempts that
//! completed a checkpoint, however many checkpoints those made.
//!
//! # Format
//! A file of kept rows has a Zstandard frame for each checkpoint that had rows, and in it a stream of Arrow IPC. The committable is
//! a version (one byte) and a [`Kept`] as `postcard` writes it.

use super::commit::{digest, taken_over};
use super::part::{Hashed, Part};
use crate::io_error::io_error;
use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use egret_core::{Committable, Error, Result};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use xxhash_rust::xxh3::Xxh3;

const KEPT_VERSION: u8 = 3;
const ZSTD_LEVEL: i32 = 1;
const BUFFER_BYTES: usize = 256 << 10;

/// What a checkpoint knows of the rows that are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// The checkpoint.
    pub(crate) epoch: u64,
    /// What was kept, in the order of the rows.
    pub(crate) pieces: Vec<Piece>,
}

/// The beginning of a file of kept rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Piece {
    /// The name of the file.
    pub(crate) name: String,
    /// How much of it counts.
    bytes: u64,
    /// The checksum of that: xxh3 (64 bit, seed 0).
    xxh3: u64,
}

impl Kept {
    pub(crate) fn encode(&self) -> Committable {
        let mut bytes = vec![KEPT_VERSION];
        bytes.extend(postcard::to_allocvec(self).expect("names and numbers always encode"));
        Committable(bytes)
    }

    /// `None`: the committable is of a file that is complete.
    ///
    /// # Errors
    /// The bytes are damaged.
    pub(crate) fn decode(committable: &Committable) -> Result<Option<Self>> {
        match committable.0.split_first() {
            Some((&KEPT_VERSION, rest)) => Ok(Some(postcard::from_bytes(rest)?)),
            _ => Ok(None),
        }
    }

    /// What a checkpoint still needs of the rows that were kept: nothing if the file is complete.
    ///
    /// # Errors
    /// A committable is damaged.
    pub(crate) fn needed(committables: &[Committable]) -> Result<Self> {
        let all = committables.iter().map(Self::decode).collect::<Result<Vec<_>>>()?;
        let latest = all.into_iter().collect::<Option<Vec<_>>>().and_then(|all| all.into_iter().max_by_key(|kept| kept.epoch));
        Ok(latest.unwrap_or_default())
    }
}

/// Keeps the rows of an attempt behind those of the attempts before it.
pub(crate) struct KeptRows {
    /// The file that they are for.
    to: PathBuf,
    schema: SchemaRef,
    /// What attempts before this one kept.
    before: Vec<Piece>,
    /// The name of this attempt's own file.
    name: String,
    /// That file, between two checkpoints.
    file: Option<Hashed>,
    /// That file, while there are rows since the last checkpoint.
    frame: Option<StreamWriter<zstd::Encoder<'static, Hashed>>>,
}

impl KeptRows {
    /// Goes on behind what a checkpoint knows of; `name` is that of the hidden file for what comes.
    ///
    /// # Errors
    /// What was kept is gone or damaged, or the folder cannot be written.
    pub(crate) fn open(to: &Path, schema: SchemaRef, name: String, needed: Kept) -> Result<Self> {
        let mut rows = Self { to: to.to_owned(), schema, before: needed.pieces, name, file: None, frame: None };
        for piece in &rows.before {
            let path = rows.path(&piece.name);
            match digest(&path, 0, piece.bytes) {
                Ok(Some(xxh3)) if xxh3 == piece.xxh3 => {}
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_error("read", &path, &error)),
                _ => return Err(rows.lost(piece)),
            }
        }
        rows.file = Some(rows.create()?);
        Ok(rows)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.to.with_file_name(name)
    }

    fn create(&self) -> Result<Hashed> {
        let path = self.path(&self.name);
        File::create(&path).map(Hashed::new).map_err(|error| io_error("write", &path, &error))
    }

    fn lost(&self, piece: &Piece) -> Error {
        let message = format!("rows that were kept for {} until the end ({}) are gone or damaged", self.to.display(), piece.name);
        Error::state(message)
            .help("put the files back (hidden ones, too), or start the job afresh with another checkpoint folder")
    }

    fn failed(&self, error: ArrowError) -> Error {
        let path = self.path(&self.name);
        match error {
            ArrowError::IoError(_, error) => io_error("write", &path, &error),
            other => Error::external(format!("cannot write {}: {other}", path.display())),
        }
    }

    /// Adds rows.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        let mut frame = match self.frame.take() {
            Some(frame) => frame,
            None => {
                let file = self.file.take().map_or_else(|| self.create(), Ok)?;
                let packed = zstd::Encoder::new(file, ZSTD_LEVEL);
                let packed = packed.map_err(|error| io_error("write", &self.path(&self.name), &error))?;
                StreamWriter::try_new(packed, &self.schema).map_err(|error| self.failed(error))?
            }
        };
        frame.write(rows).map_err(|error| self.failed(error))?;
        self.frame = Some(frame);
        Ok(())
    }

    /// Makes last what was written; returns what a checkpoint has to know.
    ///
    /// # Errors
    /// The file cannot be written, or another attempt has removed it.
    pub(crate) fn keep(&mut self, epoch: u64) -> Result<Kept> {
        let path = self.path(&self.name);
        if let Some(frame) = self.frame.take() {
            let packed = frame.into_inner().map_err(|error| self.failed(error))?;
            let made_last = packed.finish().and_then(|file| file.sync().map(|()| file));
            self.file = Some(made_last.map_err(|error| io_error("write", &path, &error))?);
            if !path.exists() {
                return Err(taken_over(&path));
            }
        }
        let own = self.file.as_ref().filter(|file| file.bytes() > 0);
        let own = own.map(|file| Piece { name: self.name.clone(), bytes: file.bytes(), xxh3: file.digest() });
        Ok(Kept { epoch, pieces: self.before.iter().cloned().chain(own).collect() })
    }

    /// Copies all rows that were kept into the file.
    ///
    /// # Errors
    /// Some of them are gone or damaged, or the file cannot be written.
    pub(crate) fn copy_into(&mut self, part: &mut Part) -> Result<()> {
        let all = self.keep(0)?;
        all.pieces.iter().try_for_each(|piece| self.copy(piece, part))
    }

    fn copy(&self, piece: &Piece, part: &mut Part) -> Result<()> {
        let lost = |error: &dyn std::fmt::Display| self.lost(piece).context(error.to_string());
        let file = File::open(self.path(&piece.name)).map_err(|error| lost(&error))?;
        let mut checked = Checked { bytes: file.take(piece.bytes), hasher: Xxh3::new() };
        let packed = zstd::Decoder::new(&mut checked).map_err(|error| lost(&error))?;
        let mut frames = BufReader::with_capacity(BUFFER_BYTES, packed);
        while !frames.fill_buf().map_err(|error| lost(&error))?.is_empty() {
            for rows in StreamReader::try_new(&mut frames, None).map_err(|error| lost(&error))? {
                let rows = rows.map_err(|error| lost(&error))?;
                let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
                part.write(&RecordBatch::try_new_with_options(Arc::clone(&self.schema), rows.columns().to_vec(), &options)?)?;
            }
        }
        drop(frames);
        if checked.bytes.limit() > 0 || checked.hasher.digest() != piece.xxh3 {
            return Err(self.lost(piece));
        }
        Ok(())
    }

    /// The files that this attempt knows of; all may go when the file is published.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let before = self.before.iter().map(|piece| self.path(&piece.name));
        before.chain([self.path(&self.name)]).collect()
    }
}

/// Computes the checksum of what is read.
struct Checked {
    bytes: io::Take<File>,
    hasher: Xxh3,
}

impl Read for Checked {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.bytes.read(into)?;
        self.hasher.update(&into[..count]);
        Ok(count)
    }
}

#[cfg(test)]
#[path = "tests/kept.rs"]
mod tests;
