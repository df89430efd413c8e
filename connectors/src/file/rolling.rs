//! Writes a folder of parts.

use super::commit::{Commit, create_folder, entries, hidden, remove};
use super::config::{FileSinkConfig, Rolling};
use super::part::Part;
use crate::clock::Clock;
use crate::io_error::io_error;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use egret_core::{Batch, Committable, Epoch, Result, SinkContext, SinkWriter};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Writes the parts of one worker.
pub(crate) struct RollingWriter {
    config: Arc<FileSinkConfig>,
    rules: Rolling,
    schema: SchemaRef,
    instance: usize,
    clock: Arc<dyn Clock>,
    current: Option<Current>,
    /// The number of the next part.
    number: u64,
    /// Complete parts that no `prepare` has returned yet.
    closed: Vec<Commit>,
    prepared: Vec<PathBuf>,
    /// Prepared parts of an earlier run, to be removed unless they are committed before the first `prepare`.
    stale: Vec<PathBuf>,
    /// Whether complete parts are shown before the job ends.
    publishes: bool,
}

/// The part that is being written.
struct Current {
    part: Part,
    path: PathBuf,
    since: Duration,
}

impl RollingWriter {
    /// Makes the folder, removes what a killed run left, and checks that files can be made.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub(crate) fn open(
        config: Arc<FileSinkConfig>,
        rules: Rolling,
        schema: SchemaRef,
        ctx: &SinkContext,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let SinkContext { instance, parallelism, unbounded, .. } = *ctx;
        create_folder(&config.path)?;
        // The first instance also tidies up after workers that are no more.
        let is_mine = |name: &str| {
            worker_and_number(name).is_some_and(|(worker, _)| worker == instance || (instance == 0 && worker >= parallelism))
        };
        remove(&entries(&config.path, |name| name.ends_with(".inprogress") && is_mine(name))?)?;
        let stale = entries(&config.path, |name| name.ends_with(".prepared") && is_mine(name))?;
        let names = entries(&config.path, |name| worker_and_number(name).is_some_and(|(worker, _)| worker == instance))?;
        let number = |path: &PathBuf| Some(worker_and_number(&path.file_name()?.to_string_lossy())?.1);
        let number = names.iter().filter_map(number).max().map_or(0, |last| last + 1);
        let mut writer = Self {
            config,
            rules,
            schema,
            instance,
            clock,
            current: None,
            number,
            closed: Vec::new(),
            prepared: Vec::new(),
            stale,
            publishes: unbounded,
        };
        drop(writer.new_part()?);
        writer.number = number;
        Ok(writer)
    }

    fn new_part(&mut self) -> Result<Current> {
        let FileSinkConfig { path, format, compression, .. } = &*self.config;
        let path = path.join(format!("part-{}-{}{}{}", self.instance, self.number, format.extension(), compression.extension()));
        self.number += 1;
        let part = Part::create(&hidden(&path, "inprogress"), &self.config, &self.schema)?;
        Ok(Current { part, path, since: self.clock.elapsed() })
    }

    /// Completes the current part.
    fn close(&mut self) -> Result<()> {
        let Some(Current { mut part, path, .. }) = self.current.take() else { return Ok(()) };
        let bytes = part.finish()?;
        let (from, to) = (hidden(&path, "inprogress"), hidden(&path, "prepared"));
        fs::rename(from, &to).map_err(|error| io_error("write", &to, &error))?;
        self.prepared.push(to.clone());
        self.closed.push(Commit { from: Some(to), to: path, append_at: None, bytes });
        Ok(())
    }

    /// Completes the current part if a rule says so.
    fn roll(&mut self) -> Result<()> {
        let Some(Current { part, since, .. }) = &self.current else { return Ok(()) };
        let is_full = self.rules.rows.is_some_and(|most| part.rows() >= most)
            || self.rules.bytes.is_some_and(|most| part.bytes() >= most)
            || self.rules.interval.is_some_and(|longest| self.clock.elapsed().saturating_sub(*since) >= longest);
        if is_full { self.close() } else { Ok(()) }
    }

    /// Writes the first rows as far as the current part takes them; returns how many.
    fn write_some(&mut self, rows: &RecordBatch) -> Result<usize> {
        self.roll()?;
        let mut current = match self.current.take() {
            Some(current) => current,
            None => self.new_part()?,
        };
        let room = self.rules.rows.map_or(u64::MAX, |most| most - current.part.rows());
        let count = rows.num_rows().min(usize::try_from(room).unwrap_or(usize::MAX));
        current.part.write(&rows.slice(0, count))?;
        self.current = Some(current);
        Ok(count)
    }
}

/// Whether a file of this name is a part or is going to be one.
pub(crate) fn is_part(name: &str) -> bool {
    worker_and_number(name).is_some()
}

/// `part-2-17.jsonl` and `.part-2-17.jsonl.prepared` as `(2, 17)`.
fn worker_and_number(name: &str) -> Option<(usize, u64)> {
    let name = name.strip_prefix('.').unwrap_or(name).strip_prefix("part-")?;
    let (worker, rest) = name.split_once('-')?;
    let (number, _) = rest.split_once('.')?;
    Some((worker.parse().ok()?, number.parse().ok()?))
}

impl SinkWriter for RollingWriter {
    fn write(&mut self, batch: &Batch) -> Result<()> {
        let mut from = 0;
        while from < batch.num_rows() {
            from += self.write_some(&batch.rows().slice(from, batch.num_rows() - from))?;
        }
        self.roll()
    }

    fn prepare(&mut self, _epoch: Epoch) -> Result<Vec<Committable>> {
        remove(&std::mem::take(&mut self.stale))?;
        self.close()?;
        Ok(self.closed.drain(..).map(|commit| commit.encode()).collect())
    }

    fn commit(&mut self, committables: &[Committable]) -> Result<()> {
        for committable in committables {
            let commit = Commit::decode(committable)?;
            commit.apply()?;
            self.prepared.retain(|path| Some(path) != commit.from.as_ref());
            self.stale.retain(|path| Some(path) != commit.from.as_ref());
        }
        Ok(())
    }

    fn abort(&mut self) {
        self.current = None;
        self.closed.clear();
        // The job has failed already; what cannot be removed now the next run removes.
        let _ = remove(&std::mem::take(&mut self.prepared));
    }

    fn flush(&mut self) -> Result<()> {
        self.roll()?;
        if self.publishes {
            remove(&std::mem::take(&mut self.stale))?;
            let complete: Vec<Committable> = self.closed.drain(..).map(|commit| commit.encode()).collect();
            self.commit(&complete)?;
        }
        Ok(())
    }
}
