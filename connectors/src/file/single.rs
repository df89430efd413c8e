//! Writes one file.
//!
//! The first commit puts the file in its place; later ones add to it what was prepared since. So the file always holds
//! whole epochs.

use super::commit::{Commit, create_folder, entries, folder_of, hidden, remove};
use super::config::{Compression, FileFormat, FileSinkConfig};
use super::part::Part;
use crate::io_error::io_error;
use arrow::datatypes::SchemaRef;
use egret_core::{Batch, Committable, Epoch, Error, Result, SinkWriter};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

/// Writes one file, or a device.
pub(crate) struct SingleWriter {
    config: Arc<FileSinkConfig>,
    schema: SchemaRef,
    path: PathBuf,
    is_device: bool,
    /// Whether this writer writes: only one of them does.
    is_writer: bool,
    part: Option<Part>,
    /// How long the file will be when everything prepared is committed; `None` before the first.
    planned: Option<u64>,
    prepared: Vec<PathBuf>,
    number: u64,
    /// Prepared files of an earlier run, to be removed unless they are committed before the first `prepare`.
    stale: Vec<PathBuf>,
}

impl SingleWriter {
    /// Makes the folder, removes what a killed run left, and starts the file.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn open(config: Arc<FileSinkConfig>, schema: SchemaRef, instance: usize) -> Result<Self> {
        let path = fs::canonicalize(&config.path).unwrap_or_else(|_| config.path.clone());
        let found = fs::metadata(&path).ok();
        if found.as_ref().is_some_and(fs::Metadata::is_dir) {
            let message = format!("cannot write {}: it is a folder", path.display());
            return Err(Error::job(message).help("name a file in it, or set rolling to write parts into it"));
        }
        let is_device = found.is_some_and(|found| !found.is_file());
        if is_device && (config.format == FileFormat::Parquet || config.compression != Compression::None) {
            let message = format!("{} is a device or a pipe, which has no end to complete a file with", path.display());
            return Err(Error::job(message).help("write plain CSV or JSON to it"));
        }
        let mut writer = Self {
            config,
            schema,
            path,
            is_device,
            is_writer: instance == 0,
            part: None,
            planned: None,
            prepared: Vec::new(),
            number: 0,
            stale: Vec::new(),
        };
        if writer.is_writer {
            writer.start()?;
        }
        Ok(writer)
    }

    fn start(&mut self) -> Result<()> {
        if !self.is_device {
            create_folder(folder_of(&self.path))?;
            let start = format!(".{}.", self.path.file_name().unwrap_or_default().to_string_lossy());
            self.stale = entries(folder_of(&self.path), |name| name.starts_with(&start) && name.ends_with(".prepared"))?;
            let number = |path: &PathBuf| path.to_string_lossy().rsplit('.').nth(1).and_then(|number| number.parse::<u64>().ok());
            self.number = self.stale.iter().filter_map(number).max().map_or(0, |last| last + 1);
        }
        self.part = Some(self.new_part()?);
        Ok(())
    }

    fn new_part(&self) -> Result<Part> {
        if self.is_device {
            return Part::device(&self.path, &self.config, &self.schema);
        }
        let mut part = Part::create(&hidden(&self.path, "inprogress"), &self.config, &self.schema)?;
        if self.planned.is_some() {
            part.leave_header_away();
        }
        Ok(part)
    }

    /// Closes the part and gives it the name under which it waits.
    fn close_part(&mut self, mut part: Part) -> Result<(PathBuf, u64)> {
        let bytes = part.finish()?;
        let ready = hidden(&self.path, &format!("{}.prepared", self.number));
        self.number += 1;
        fs::rename(hidden(&self.path, "inprogress"), &ready).map_err(|error| io_error("write", &ready, &error))?;
        self.prepared.push(ready.clone());
        Ok((ready, bytes))
    }
}

impl SinkWriter for SingleWriter {
    fn write(&mut self, batch: &Batch) -> Result<()> {
        if !self.is_writer {
            return Err(Error::bug(format!("{} is written by one writer only, and this is another", self.path.display())));
        }
        if self.part.is_none() {
            self.part = Some(self.new_part()?);
        }
        self.part.as_mut().map_or(Ok(()), |part| part.write(batch.rows()))
    }

    fn prepare(&mut self, _epoch: Epoch) -> Result<Vec<Committable>> {
        if !self.is_writer {
            return Ok(Vec::new());
        }
        if self.is_device {
            self.flush()?;
            return Ok(Vec::new());
        }
        remove(&std::mem::take(&mut self.stale))?;
        let has_rows = self.part.as_ref().is_some_and(|part| part.rows() > 0);
        let mut commit = Commit { from: None, to: self.path.clone(), append_at: self.planned, bytes: 0 };
        if has_rows && self.planned.is_some() && self.config.format == FileFormat::Parquet {
            let message =
                format!("{} cannot get more rows: a Parquet file is complete once it is committed", self.path.display());
            return Err(Error::job(message).help("set rolling to write a folder of Parquet files"));
        }
        if (has_rows || self.planned.is_none())
            && let Some(part) = self.part.take()
        {
            let (from, bytes) = self.close_part(part)?;
            (commit.from, commit.bytes) = (Some(from), bytes);
        }
        self.planned = Some(commit.end());
        Ok(vec![commit.encode()])
    }

    fn commit(&mut self, committables: &[Committable]) -> Result<()> {
        for committable in committables {
            let commit = Commit::decode(committable)?;
            commit.apply()?;
            self.prepared.retain(|path| Some(path) != commit.from.as_ref());
            self.stale.retain(|path| Some(path) != commit.from.as_ref());
            if self.planned.is_none_or(|planned| planned < commit.end()) {
                self.planned = Some(commit.end());
                self.part.iter_mut().for_each(Part::leave_header_away);
            }
        }
        Ok(())
    }

    fn abort(&mut self) {
        self.part = None;
        // The job has failed already; what cannot be removed now the next run removes.
        let _ = remove(&std::mem::take(&mut self.prepared));
    }

    fn flush(&mut self) -> Result<()> {
        match &mut self.part {
            Some(part) if self.is_device => part.flush(),
            _ => Ok(()),
        }
    }
}
