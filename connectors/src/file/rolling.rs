//! Writes a folder of parts.
//!
//! A part that is visible belongs to whoever reads it, and may be taken away. So no name is given twice: beside what is in the folder
//! the records of what was published tell which numbers were used, and of each part whether it was published.

use super::commit::{Commit, Leftover, Names, create_folder, names, remove, rename, rename_written, sync_folder};
use super::config::{FileSinkConfig, Rolling};
use super::part::Part;
use super::published::Published;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use egret_core::{Batch, Clock, Committable, Epoch, Error, Result, SinkAttempt, SinkContext, SinkWriter};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Writes the parts of one worker.
pub(crate) struct RollingWriter {
    config: Arc<FileSinkConfig>,
    rules: Rolling,
    schema: SchemaRef,
    instance: usize,
    clock: Arc<dyn Clock>,
    names: Names,
    attempt: Option<SinkAttempt>,
    published: Published,
    /// What the other writers of these checkpoints have published.
    others: Vec<Published>,
    current: Option<Current>,
    /// The number of the next part.
    number: u64,
    /// Complete parts that no `prepare` has returned yet.
    closed: Vec<Commit>,
    /// What this attempt has prepared.
    prepared: Vec<PathBuf>,
    /// Whether complete parts are shown before the job ends.
    publishes: bool,
}

/// The part that is being written.
struct Current {
    part: Part,
    name: String,
    since: Duration,
}

impl RollingWriter {
    /// Makes the folder, removes what a killed run left, and checks that files can be made.
    ///
    /// # Errors
    /// The folder cannot be written, or has what the job would publish again.
    pub(crate) fn open(
        config: Arc<FileSinkConfig>,
        rules: Rolling,
        schema: SchemaRef,
        ctx: &SinkContext,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        create_folder(&config.path)?;
        let mut writer = Self {
            names: Names::new(ctx.attempt.as_ref()),
            attempt: ctx.attempt.clone(),
            config,
            rules,
            schema,
            instance: ctx.instance,
            clock,
            published: Published::default(),
            others: Vec::new(),
            current: None,
            number: 0,
            closed: Vec::new(),
            prepared: Vec::new(),
            publishes: ctx.unbounded,
        };
        writer.look_back(ctx)?;
        let number = writer.number;
        drop(writer.new_part()?);
        writer.number = number;
        Ok(writer)
    }

    /// Learns what earlier runs have written, and removes what they left half done.
    fn look_back(&mut self, ctx: &SinkContext) -> Result<()> {
        let there = names(&self.config.path)?;
        let named = match &self.attempt {
            None => Vec::new(),
            Some(attempt) => attempt.committables.iter().map(Commit::decode).collect::<Result<Vec<_>>>()?,
        };
        for name in &there {
            let Some(worker) = record_of(name) else { continue };
            let Some(mut found) = Published::read(&self.config.path.join(name))? else { continue };
            self.number = self.number.max(found.next.get(&self.instance).copied().unwrap_or(0));
            let Some(attempt) = &self.attempt else { continue };
            found.check(attempt, &self.config.path)?;
            // The first instance also looks after the records of workers that are no more.
            let is_mine = worker == self.instance || (self.instance == 0 && worker >= ctx.parallelism);
            if is_mine && attempt.may_repeat && found.is_ahead_of(attempt) {
                found.take_over(attempt);
                found.write(&self.config.path.join(name))?;
            }
            if worker == self.instance {
                self.published = found;
            } else if found.is_of(attempt) {
                self.others.push(found);
            }
        }
        if let Some(attempt) = &self.attempt {
            self.published.take_over(attempt);
        }
        let numbers = there.iter().map(String::as_str).chain(named.iter().map(|commit| commit.to.as_str()));
        let used = numbers.filter_map(worker_and_number).filter(|(worker, _)| *worker == self.instance);
        self.number = used.map(|(_, number)| number + 1).max().unwrap_or(0).max(self.number);
        let is_mine = |worker: usize| worker == self.instance || (self.instance == 0 && worker >= ctx.parallelism);
        // A record that was being written when its writer died.
        let is_half_record = |name: &str| name.strip_suffix(".new").and_then(record_of).is_some_and(is_mine);
        let is_leftover = |name: &&String| self.is_leftover(name, &named, is_mine) || is_half_record(name);
        remove(&there.iter().filter(is_leftover).map(|name| self.config.path.join(name)).collect::<Vec<_>>())
    }

    /// Whether a name is that of something a dead attempt was writing or had prepared, and that is not to be published any more. What
    /// other checkpoints may still publish stays.
    fn is_leftover(&self, name: &str, named: &[Commit], is_mine: impl Fn(usize) -> bool) -> bool {
        if named.iter().any(|commit| commit.from.as_deref() == Some(name)) {
            return false;
        }
        let Some(found) = Leftover::parse(name, |name| !name.starts_with('.') && is_part(name)) else { return false };
        let ours = self.attempt.as_ref().map(|attempt| &*attempt.checkpoints);
        let is_dead = found.checkpoints.is_none() || found.checkpoints == ours;
        is_dead && worker_and_number(found.name).is_some_and(|(worker, _)| is_mine(worker))
    }

    fn new_part(&mut self) -> Result<Current> {
        let FileSinkConfig { path, format, compression, .. } = &*self.config;
        let name = format!("part-{}-{}{}{}", self.instance, self.number, format.extension(), compression.extension());
        self.number += 1;
        let part = Part::create(&path.join(self.names.written(&name)), &self.config, &self.schema)?;
        Ok(Current { part, name, since: self.clock.passed() })
    }

    /// Completes the current part.
    fn close(&mut self) -> Result<()> {
        let Some(Current { mut part, name, .. }) = self.current.take() else { return Ok(()) };
        let (bytes, xxh3) = part.finish()?;
        let from = self.names.prepared(&name, None);
        let ready = self.config.path.join(&from);
        rename_written(&self.config.path.join(self.names.written(&name)), &ready)?;
        self.prepared.push(ready);
        self.closed.push(Commit { epoch: 0, from: Some(from), to: name, append_at: None, bytes, xxh3 });
        Ok(())
    }

    /// Hands over the complete parts, as those of a checkpoint.
    fn take_closed(&mut self, epoch: u64) -> Vec<Commit> {
        let of_epoch = |commit| Commit { epoch, ..commit };
        self.closed.drain(..).map(of_epoch).collect()
    }

    fn record(&self) -> PathBuf {
        self.config.path.join(format!(".part-{}.published", self.instance))
    }

    /// Learns of which checkpoints something is going to be published.
    fn note(&mut self, commits: &[Commit]) {
        for commit in commits {
            self.published.note(commit.epoch, || commit.to.clone());
            if let Some((worker, number)) = worker_and_number(&commit.to) {
                let next = self.published.next.entry(worker).or_default();
                *next = (*next).max(number + 1);
            }
        }
    }

    /// Says that a part is published, just before it is.
    fn note_part(&mut self, name: &str, is_first: bool) -> Result<()> {
        let Some(part) = worker_and_number(name).filter(|_| self.attempt.is_some()) else { return Ok(()) };
        self.published.note_part(part);
        if is_first { self.published.write(&self.record()) } else { self.published.write_among(&self.record()) }
    }

    /// Whether a part is known to have been published, by whoever did it.
    fn was_published(&self, name: &str) -> bool {
        let mut records = self.others.iter().chain([&self.published]);
        worker_and_number(name).is_some_and(|part| records.any(|record| record.has_part(part)))
    }

    /// Makes a prepared part visible, or sees that it has been; returns whether it did.
    fn publish(&mut self, commit: &Commit, is_first: bool) -> Result<bool> {
        let (folder, to) = (self.config.path.clone(), self.config.path.join(&commit.to));
        let Some(from) = commit.from.as_ref().map(|name| folder.join(name)) else { return Ok(false) };
        if !from.exists() {
            // It was published, and whoever reads it has taken it away or changed it since: it is theirs.
            let is_published = self.was_published(&commit.to) || commit.is_in(&to, 0)?;
            return if is_published { Ok(false) } else { Err(commit.lost(&folder)) };
        }
        if !self.prepared.contains(&from) && !commit.is_in(&from, 0)? {
            return Err(commit.lost(&folder));
        }
        if to.exists() {
            return Err(in_the_way(&to));
        }
        self.note_part(&commit.to, is_first)?;
        rename(&from, &to)?;
        self.prepared.retain(|path| *path != from);
        Ok(true)
    }

    fn publish_all(&mut self, commits: &[Commit]) -> Result<()> {
        if commits.is_empty() {
            return Ok(());
        }
        self.note(commits);
        let mut is_first = true;
        for commit in commits {
            is_first &= !self.publish(commit, is_first)?;
        }
        if is_first { Ok(()) } else { sync_folder(&self.config.path) }
    }

    /// Completes the current part if a rule says so.
    fn roll(&mut self) -> Result<()> {
        let Some(Current { part, since, .. }) = &self.current else { return Ok(()) };
        let is_full = self.rules.rows.is_some_and(|most| part.rows() >= most)
            || self.rules.bytes.is_some_and(|most| part.bytes() >= most)
            || self.rules.interval.is_some_and(|longest| self.clock.passed().saturating_sub(*since) >= longest);
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

/// Whose record of what was published a file of this name is.
fn record_of(name: &str) -> Option<usize> {
    name.strip_prefix(".part-")?.strip_suffix(".published")?.parse().ok()
}

fn in_the_way(path: &Path) -> Error {
    Error::job(format!("{} is there already, and is not what is to be published under this name", path.display()))
        .help("take it away; parts of a sink have its folder for themselves")
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

    fn prepare(&mut self, epoch: Epoch) -> Result<Vec<Committable>> {
        self.close()?;
        if !self.closed.is_empty() {
            sync_folder(&self.config.path)?;
        }
        Ok(self.take_closed(u64::from(epoch.0)).iter().map(Commit::encode).collect())
    }

    fn commit(&mut self, committables: &[Committable]) -> Result<()> {
        let commits = committables.iter().map(Commit::decode).collect::<Result<Vec<_>>>()?;
        self.publish_all(&commits)
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
            let complete = self.take_closed(0);
            self.publish_all(&complete)?;
        }
        Ok(())
    }
}
