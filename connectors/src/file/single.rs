//! Writes one file.
//!
//! The first commit puts the file in its place; later ones add to it what was prepared since. So the file always holds whole
//! epochs. Places in it are counted over all that was ever published: a file that was taken away is followed by one that begins
//! (behind its header) where that one ended.
//!
//! A Parquet file cannot be added to: a job with checkpoints keeps its rows ([`KeptRows`]), and the file appears when the input is
//! at its end.

use super::commit::{Commit, Leftover, Names, create_folder, name_of, names, remove, rename, rename_written, sync_folder};
use super::config::{Compression, FileFormat, FileSinkConfig};
use super::kept::{Kept, KeptRows};
use super::part::Part;
use super::paths::folder_of;
use super::published::Published;
use crate::io_error::io_error;
use arrow::datatypes::SchemaRef;
use egret_core::{Batch, Committable, Epoch, Error, Result, SinkAttempt, SinkContext, SinkWriter};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Writes one file, or a device.
pub(crate) struct SingleWriter {
    config: Arc<FileSinkConfig>,
    schema: SchemaRef,
    path: PathBuf,
    is_device: bool,
    /// Whether this writer writes: only one of them does.
    is_writer: bool,
    names: Names,
    attempt: Option<SinkAttempt>,
    published: Published,
    /// Whether the file has more than the checkpoint knows, which is to go.
    goes_back: bool,
    part: Option<Part>,
    /// Of a Parquet file of a job with checkpoints: its rows, until the end.
    kept: Option<KeptRows>,
    /// How many bytes will be published when everything prepared is committed; `None` before the first.
    planned: Option<u64>,
    /// What this attempt has prepared.
    prepared: Vec<PathBuf>,
    number: u64,
}

impl SingleWriter {
    /// Makes the folder, removes what a killed run left, and starts the file.
    ///
    /// # Errors
    /// The file cannot be written, or has what the job would publish again.
    pub(crate) fn open(
        config: Arc<FileSinkConfig>,
        schema: SchemaRef,
        ctx: &SinkContext,
        layout: BTreeMap<String, String>,
    ) -> Result<Self> {
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
            is_writer: ctx.instance == 0,
            names: Names::new(ctx.attempt.as_ref()),
            attempt: ctx.attempt.clone(),
            published: Published { layout, ..Published::default() },
            goes_back: false,
            part: None,
            kept: None,
            planned: None,
            prepared: Vec::new(),
            number: 0,
        };
        if writer.is_writer {
            writer.start()?;
        }
        Ok(writer)
    }

    fn start(&mut self) -> Result<()> {
        if !self.is_device {
            create_folder(folder_of(&self.path))?;
            self.look_back()?;
            self.remove_leftovers()?;
        }
        match self.attempt.as_ref().filter(|_| self.config.format == FileFormat::Parquet) {
            Some(attempt) => {
                let needed = Kept::needed(&attempt.committables)?;
                let name = self.names.kept(&name_of(&self.path));
                self.kept = Some(KeptRows::open(&self.path, Arc::clone(&self.schema), name, needed)?);
            }
            None => self.part = Some(self.new_part()?),
        }
        Ok(())
    }

    /// Learns what an earlier attempt of the job has published.
    fn look_back(&mut self) -> Result<()> {
        let Some(attempt) = &self.attempt else { return Ok(()) };
        let layout = std::mem::take(&mut self.published.layout);
        let mut found = Published::read(&self.record())?.unwrap_or_default();
        found.check(attempt, &self.path)?;
        self.goes_back = attempt.restored.is_some() && found.is_ahead_of(attempt);
        // A sink that was not in the job for a time adds to what it published before.
        let comes_back = found.is_of(attempt) && attempt.restored.is_some() && attempt.committables.is_empty() && found.end > 0;
        if comes_back && found.layout != layout {
            let message =
                format!("{} was published by this job as {:?}, and is now {layout:?}", self.path.display(), found.layout);
            return Err(Error::job(message).help("give the sink another path"));
        }
        let named = complete(&attempt.committables)?;
        self.planned = if comes_back { Some(found.end) } else { named.iter().map(Commit::end).max() };
        found.take_over(attempt);
        self.published = Published { layout, ..found };
        Ok(())
    }

    /// Removes what dead attempts were writing and had prepared, but for what is still to be published.
    fn remove_leftovers(&self) -> Result<()> {
        let named: Vec<String> = match &self.attempt {
            None => Vec::new(),
            Some(attempt) => {
                let kept = Kept::needed(&attempt.committables)?.pieces.into_iter().map(|piece| piece.name);
                complete(&attempt.committables)?.into_iter().filter_map(|commit| commit.from).chain(kept).collect()
            }
        };
        let mine = name_of(&self.path);
        let is_leftover = |name: &String| !named.contains(name) && Leftover::parse(name, |name| name == mine).is_some();
        let leftovers = names(folder_of(&self.path))?.into_iter().filter(is_leftover);
        remove(&leftovers.map(|name| self.path.with_file_name(name)).collect::<Vec<_>>())
    }

    /// Where the record of what was published is.
    fn record(&self) -> PathBuf {
        self.path.with_file_name(format!(".{}.published", name_of(&self.path)))
    }

    fn hidden(&self) -> PathBuf {
        self.path.with_file_name(self.names.written(&name_of(&self.path)))
    }

    fn new_part(&self) -> Result<Part> {
        if self.is_device {
            return Part::device(&self.path, &self.config, &self.schema);
        }
        let mut part = Part::create(&self.hidden(), &self.config, &self.schema)?;
        if self.planned.is_some() {
            part.leave_header_away();
        }
        Ok(part)
    }

    /// Closes the part and gives it the name under which it waits.
    fn close_part(&mut self, mut part: Part, commit: &mut Commit) -> Result<()> {
        (commit.bytes, commit.xxh3) = part.finish()?;
        let number = if self.attempt.is_some() { commit.epoch } else { self.number };
        self.number += 1;
        let name = self.names.prepared(&name_of(&self.path), Some(number));
        let ready = self.path.with_file_name(&name);
        rename_written(&self.hidden(), &ready)?;
        sync_folder(folder_of(&self.path))?;
        self.prepared.push(ready);
        commit.from = Some(name);
        Ok(())
    }

    /// Makes a prepared file visible, or sees that it has been.
    fn publish(&mut self, commit: &Commit) -> Result<()> {
        let Some(from) = commit.from.as_ref().map(|name| self.path.with_file_name(name)) else { return Ok(()) };
        if !from.exists() {
            return self.check_published(commit);
        }
        let is_own = self.prepared.contains(&from);
        if !is_own && !commit.is_in(&from, 0)? {
            return Err(commit.lost(folder_of(&self.path)));
        }
        let is_there = self.path.exists();
        let begins_again = commit.append_at.filter(|_| !is_there);
        if commit.append_at.is_none() {
            (self.published.taken, self.published.header) = (0, 0);
        }
        let begun = begins_again.map(|at| self.begin_again(at)).transpose()?;
        self.note(commit)?;
        match (commit.append_at, begun) {
            (None, _) => rename(&from, &self.path)?,
            (Some(_), Some(begun)) => {
                append(&from, &begun, self.published.header, commit.bytes).map_err(|error| io_error("write", &begun, &error))?;
                rename(&begun, &self.path)?;
            }
            (Some(at), None) => {
                let place = self.place(at)?;
                if fs::metadata(&self.path).is_ok_and(|found| found.len() < place) {
                    return Err(changed(&self.path));
                }
                append(&from, &self.path, place, commit.bytes).map_err(|error| io_error("write", &self.path, &error))?;
            }
        }
        sync_folder(folder_of(&self.path))?;
        if commit.append_at.is_some() {
            remove(std::slice::from_ref(&from))?;
        }
        self.prepared.retain(|path| *path != from);
        Ok(())
    }

    /// The file was taken away: another begins, with a header of its own. Returns where it is until it has its first rows.
    fn begin_again(&mut self, at: u64) -> Result<PathBuf> {
        tracing::info!(file = %self.path.display(), at, "the file was taken away, another one begins");
        let begun = self.path.with_file_name(self.names.begun(&name_of(&self.path)));
        let (header, _) = Part::create(&begun, &self.config, &self.schema)?.finish()?;
        (self.published.taken, self.published.header) = (at, header);
        Ok(begun)
    }

    /// Where in the file a place is that is counted over all that was ever published.
    fn place(&self, at: u64) -> Result<u64> {
        let place = at.checked_sub(self.published.taken).map(|place| place + self.published.header);
        place.ok_or_else(|| {
            let message = format!("{} was taken away since the checkpoint that the job goes on from", self.path.display());
            Error::job(message).help("put the file back, or start the job afresh with another checkpoint folder")
        })
    }

    /// What was prepared is gone: it was published, or it is lost.
    fn check_published(&self, commit: &Commit) -> Result<()> {
        let is_known = self.published.checkpoint >= commit.epoch && self.published.end >= commit.end();
        if !self.path.exists() {
            return if is_known { Ok(()) } else { Err(commit.lost(folder_of(&self.path))) };
        }
        // It may have been in a file that was taken away before this one began.
        if is_known && commit.end() <= self.published.taken {
            return Ok(());
        }
        let at = commit.append_at.map_or(Ok(0), |at| self.place(at))?;
        match commit.is_in(&self.path, at)? {
            true => Ok(()),
            false if is_known => Err(changed(&self.path)),
            false => Err(commit.lost(folder_of(&self.path))),
        }
    }

    /// Says what is going to be published, before it is.
    fn note(&mut self, commit: &Commit) -> Result<()> {
        self.published.end = commit.end();
        if self.attempt.is_none() {
            return Ok(());
        }
        let at = commit.append_at.unwrap_or(0);
        self.published.note(commit.epoch, || format!("what stands behind byte {at}"));
        self.published.write(&self.record())
    }

    /// Takes away what is behind the place that the job goes on from.
    fn go_back(&mut self) -> Result<()> {
        let Some(end) = self.planned.filter(|_| std::mem::take(&mut self.goes_back)) else { return Ok(()) };
        // Rows that were taken away before that cannot be taken back: the file goes on with those behind them.
        self.published.taken = self.published.taken.min(end);
        self.published.end = end;
        if let Ok(file) = File::options().write(true).open(&self.path) {
            let cut = file.set_len(self.place(end)?).and_then(|()| file.sync_all());
            cut.map_err(|error| io_error("cut", &self.path, &error))?;
        }
        self.published.write(&self.record())
    }
}

/// The files that are to be published, without the rows that are kept.
fn complete(committables: &[Committable]) -> Result<Vec<Commit>> {
    let mut commits = Vec::new();
    for committable in committables {
        if Kept::decode(committable)?.is_none() {
            commits.push(Commit::decode(committable)?);
        }
    }
    Ok(commits)
}

/// Writes all of a file into another from a place on, where it ends then.
fn append(from: &Path, to: &Path, at: u64, bytes: u64) -> io::Result<()> {
    let mut source = File::open(from)?;
    let mut file = File::options().write(true).open(to)?;
    file.seek(SeekFrom::Start(at))?;
    io::copy(&mut source, &mut file)?;
    file.set_len(at + bytes)?;
    file.sync_all()
}

fn changed(path: &Path) -> Error {
    Error::job(format!("{} is not what this job has published: somebody has changed it", path.display()))
        .help("put it back; or take it away, and the job begins another one; or start afresh with another checkpoint folder")
}

fn has_its_end(path: &Path) -> Error {
    Error::job(format!("{} cannot get more rows: a Parquet file is complete once it is committed", path.display()))
        .help("set rolling to write a folder of Parquet files")
}

impl SinkWriter for SingleWriter {
    fn write(&mut self, batch: &Batch) -> Result<()> {
        if !self.is_writer {
            return Err(Error::bug(format!("{} is written by one writer only, and this is another", self.path.display())));
        }
        if let Some(kept) = &mut self.kept {
            let is_complete = self.planned.is_some();
            return if is_complete { Err(has_its_end(&self.path)) } else { kept.write(batch.rows()) };
        }
        if self.part.is_none() {
            self.part = Some(self.new_part()?);
        }
        self.part.as_mut().map_or(Ok(()), |part| part.write(batch.rows()))
    }

    fn prepare(&mut self, epoch: Epoch) -> Result<Vec<Committable>> {
        if !self.is_writer {
            return Ok(Vec::new());
        }
        if self.is_device {
            self.flush()?;
            return Ok(Vec::new());
        }
        if let Some(kept) = &mut self.kept {
            let kept = kept.keep(u64::from(epoch.0))?;
            sync_folder(folder_of(&self.path))?;
            return Ok(vec![kept.encode()]);
        }
        let has_rows = self.part.as_ref().is_some_and(|part| part.rows() > 0);
        let to = name_of(&self.path);
        let mut commit = Commit { epoch: u64::from(epoch.0), from: None, to, append_at: self.planned, bytes: 0, xxh3: 0 };
        if has_rows && self.planned.is_some() && self.config.format == FileFormat::Parquet {
            return Err(has_its_end(&self.path));
        }
        if (has_rows || self.planned.is_none())
            && let Some(part) = self.part.take()
        {
            self.close_part(part, &mut commit)?;
        }
        self.planned = Some(commit.end());
        Ok(vec![commit.encode()])
    }

    /// A Parquet file is made of what was kept.
    fn finish(&mut self, epoch: Epoch) -> Result<Vec<Committable>> {
        let Some(mut kept) = self.kept.take().filter(|_| self.planned.is_none()) else { return self.prepare(epoch) };
        let mut part = self.new_part()?;
        kept.copy_into(&mut part)?;
        self.kept = Some(kept);
        let to = name_of(&self.path);
        let mut commit = Commit { epoch: u64::from(epoch.0), from: None, to, append_at: None, bytes: 0, xxh3: 0 };
        self.close_part(part, &mut commit)?;
        self.planned = Some(commit.end());
        Ok(vec![commit.encode()])
    }

    fn commit(&mut self, committables: &[Committable]) -> Result<()> {
        for commit in complete(committables)? {
            self.publish(&commit)?;
            self.kept.as_ref().map_or(Ok(()), |kept| remove(&kept.files()))?;
            if self.planned.is_none_or(|planned| planned < commit.end()) {
                self.planned = Some(commit.end());
                self.part.iter_mut().for_each(Part::leave_header_away);
            }
        }
        self.go_back()
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
