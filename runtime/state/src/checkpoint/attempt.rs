//! An attempt: the only one that may commit checkpoints, until the next attempt begins.

use super::decide::{self, Conflict, DataFile, Fact, Facts};
use super::files::Created;
use super::identity::JobIdentity;
use super::log::{self, Found};
use super::log_format::{Entry, What};
use super::manifest::{Draft, FileRef, Manifest, PartRef, WrittenPart};
use super::names;
use super::restore::{Listed, Restored};
use super::store::Checkpoints;
use egret_core::{Error, Result};
use std::collections::BTreeSet;
use std::hash::{BuildHasher, Hasher, RandomState};

/// The number of tries when the store's answer is lost.
const TRIES: usize = 4;

/// A run of a job, from start or restore to its end. It may commit checkpoints until another attempt is claimed.
#[derive(Debug)]
pub struct Attempt {
    checkpoints: Checkpoints,
    number: u64,
    keep: usize,
    /// The last position of the log that this attempt knows.
    tail: u64,
    next_checkpoint: u64,
    restored_from: Option<u64>,
    /// The kept checkpoints that led to the state at hand, ascending.
    lineage: Vec<Listed>,
    /// The first position of the lineage upon which new parts may be deltas, and whose files they may share.
    extendable_from: u64,
    /// The last checkpoint that this attempt committed.
    settled: u64,
    /// Checkpoints after that one whose manifest may have been written.
    in_doubt: BTreeSet<u64>,
    is_fenced: bool,
    /// The entries of the log that were read. They never change.
    facts: Facts,
}

/// The outcome of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The checkpoint is durable: sinks commit.
    Committed,
    /// Another attempt was claimed. This one must end, and its sinks commit nothing.
    Fenced {
        /// The number of the other attempt.
        by: u64,
    },
    /// The store did not say whether the manifest was written, and it may still be written later.
    ///
    /// The job may continue. Sinks neither commit nor discard what they prepared, and the checkpoint's files stay. The next
    /// commit that succeeds settles this one too: sinks then commit what they prepared for both. New parts are deltas upon the
    /// checkpoint before.
    InDoubt {
        /// The store's error.
        cause: String,
    },
}

/// The numbers of what [`Attempt::clean`] deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// Manifests.
    pub manifests: usize,
    /// Files of parts.
    pub files: usize,
}

impl Checkpoints {
    /// Begins an attempt, which keeps the newest `keep` checkpoints (at least one). From now on no older attempt can commit.
    ///
    /// # Errors
    /// The store fails, or something was written by a newer version.
    pub fn claim(&self, keep: usize) -> Result<Attempt> {
        let claim = RandomState::new().build_hasher().finish();
        let mut last_error = None;
        for _ in 0..TRIES * TRIES {
            match self.try_claim(claim) {
                Ok(Some((number, positions))) => return self.begin(number, &positions, keep),
                Ok(None) => {}
                Err(error) if error.may_retry() => last_error = Some(error),
                Err(error) => return Err(error),
            }
        }
        let error = last_error.unwrap_or_else(|| Error::external("another attempt was faster, again and again"));
        Err(error.context(format!("{}: an attempt cannot begin", self.describe())))
    }

    /// The attempt's number and the positions before it; `None` if another attempt took the position.
    fn try_claim(&self, claim: u64) -> Result<Option<(u64, Vec<u64>)>> {
        let mut positions = log::positions(&self.files)?;
        let mine = |position: &u64| self.is_claim(*position, claim);
        if let Some(&last) = positions.last()
            && mine(&last)?
        {
            positions.pop();
            return Ok(Some((last, positions)));
        }
        let position = decide::next_position(positions.iter().copied());
        let entry = Entry::new(position, position, What::Start { claim, checkpoints: Some(self.id()) });
        match log::append(&self.files, &entry)? {
            Created::Yes => Ok(Some((position, positions))),
            Created::Exists => Ok(mine(&position)?.then_some((position, positions))),
        }
    }

    /// The attempt that took over from `attempt`, if one did. The files of `attempt` may be gone then, whatever a manifest says.
    ///
    /// # Errors
    /// The store fails, or something was written by a newer version.
    pub fn attempt_after(&self, attempt: u64) -> Result<Option<u64>> {
        for position in log::positions(&self.files)?.into_iter().filter(|position| *position > attempt) {
            if matches!(log::read(&self.files, position)?, Found::Entry(Entry { what: What::Start { .. }, .. })) {
                return Ok(Some(position));
            }
        }
        Ok(None)
    }

    fn is_claim(&self, position: u64, mine: u64) -> Result<bool> {
        let found = log::read(&self.files, position)?;
        Ok(matches!(found, Found::Entry(Entry { what: What::Start { claim, .. }, .. }) if claim == mine))
    }

    fn begin(&self, number: u64, positions: &[u64], keep: usize) -> Result<Attempt> {
        for staged in self.files.list(names::STAGING)? {
            self.files.delete(&staged)?;
        }
        Ok(Attempt {
            checkpoints: self.clone(),
            number,
            keep: keep.max(1),
            tail: number,
            next_checkpoint: self.next_checkpoint(positions)?,
            restored_from: None,
            lineage: Vec::new(),
            extendable_from: number,
            settled: 0,
            in_doubt: BTreeSet::new(),
            is_fenced: false,
            facts: [(number, Fact::Start)].into(),
        })
    }
}

impl Attempt {
    /// The attempt's number. It grows from attempt to attempt, with gaps.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The least number for the next checkpoint.
    pub fn next_checkpoint(&self) -> u64 {
        self.next_checkpoint
    }

    /// The newest checkpoint that can be restored, from which this attempt resumes; `None` if there is no checkpoint.
    ///
    /// # Errors
    /// As [`Checkpoints::latest`].
    pub fn restore(&mut self, job: &JobIdentity) -> Result<Option<Restored>> {
        let mut positions = log::positions(&self.checkpoints.files)?;
        positions.retain(|position| *position < self.number);
        let restored = self.checkpoints.newest_intact(&positions, job)?;
        if let Some(restored) = &restored {
            self.lineage = self.checkpoints.lineage(&positions, restored)?;
            self.restored_from = Some(restored.position);
            self.extendable_from = if restored.is_extendable { restored.position } else { self.number };
        }
        Ok(restored)
    }

    /// Commits a checkpoint: writes the manifest of its parts.
    ///
    /// # Errors
    /// The checkpoint was not committed and never will be (the store failed, and cannot write the manifest later): the caller
    /// abandons it, and the job continues. A draft that cannot be right is a bug of the caller: a number that was used, a part
    /// that occurs twice or has files of a checkpoint that is not kept, a delta upon a checkpoint that is not kept.
    pub fn commit(&mut self, draft: Draft) -> Result<Outcome> {
        if self.is_fenced {
            return Err(Error::bug(format!("attempt {} goes on after it was fenced", self.number)));
        }
        let manifest = self.manifest(draft)?;
        let checkpoint = manifest.checkpoint;
        self.next_checkpoint = checkpoint + 1;
        let outcome = self.append(manifest)?;
        match outcome {
            Outcome::Committed => self.in_doubt.clear(),
            Outcome::Fenced { .. } => self.is_fenced = true,
            Outcome::InDoubt { .. } => self.in_doubt.extend([checkpoint]),
        }
        Ok(outcome)
    }

    fn manifest(&self, draft: Draft) -> Result<Manifest> {
        let checkpoint = draft.checkpoint;
        if checkpoint < self.next_checkpoint {
            return Err(Error::bug(format!("checkpoint {checkpoint} is to be committed, {} is next", self.next_checkpoint)));
        }
        let owner = Some((self.number, checkpoint));
        let is_own = |file: &FileRef| names::data_owner(&file.path) == owner;
        let kept = self.lineage.iter().filter(|listed| listed.position >= self.extendable_from);
        let kept: BTreeSet<&FileRef> = kept.flat_map(|listed| listed.manifest.files()).collect();
        for part in &draft.parts {
            let is_stray = |file: &&FileRef| !is_own(file) && (**file == part.file || !kept.contains(file));
            if let Some(stray) = part.files().find(is_stray) {
                return Err(Error::bug(format!("checkpoint {checkpoint} cannot have the file {}", stray.path)));
            }
        }
        let base = |number| {
            let is_base = |listed: &&Listed| listed.manifest.checkpoint == number && listed.position >= self.extendable_from;
            self.lineage.iter().find(is_base).map(|listed| &listed.manifest)
        };
        let parts = draft.chains(base)?;
        Ok(Manifest {
            checkpoint,
            restored_from: self.restored_from,
            kept_from: 0,
            time_ms: draft.time_ms,
            job: draft.job,
            notes: draft.notes,
            bytes_written: draft
                .parts
                .iter()
                .flat_map(WrittenPart::files)
                .filter(|file| is_own(file))
                .map(|file| file.bytes)
                .sum(),
            bytes: parts.iter().map(PartRef::bytes).sum(),
            parts,
        })
    }

    fn append(&mut self, mut manifest: Manifest) -> Result<Outcome> {
        let mut position = self.tail + 1;
        let mut last_error = None;
        for _ in 0..TRIES {
            let lineage: Vec<u64> = self.lineage.iter().map(|listed| listed.position).chain([position]).collect();
            manifest.kept_from = decide::kept_from(&lineage, self.keep).unwrap_or(position);
            let entry = Entry::new(position, self.number, What::Checkpoint(manifest.clone()));
            let step = match log::append(&self.checkpoints.files, &entry) {
                Ok(Created::Yes) => Ok(Conflict::Committed { position }),
                Ok(Created::Exists) => self.look_again(manifest.checkpoint),
                Err(error) => Err(error),
            };
            match step {
                Ok(Conflict::Committed { position }) => {
                    self.committed(position, manifest);
                    return Ok(Outcome::Committed);
                }
                Ok(Conflict::Fenced { by }) => return Ok(Outcome::Fenced { by }),
                Ok(Conflict::Next { position: next }) => position = next,
                Err(error) => last_error = Some(error),
            }
        }
        self.give_up(position, last_error)
    }

    /// Reads the entries after the last known one, because the position after it is taken.
    fn look_again(&mut self, checkpoint: u64) -> Result<Conflict> {
        let files = &self.checkpoints.files;
        let mut facts = Facts::new();
        for position in log::positions(files)?.into_iter().filter(|position| *position > self.tail) {
            let found = log::read(files, position)?;
            facts.extend(found.fact().map(|fact| (position, fact)));
            if let Found::Entry(Entry { attempt, what: What::Checkpoint(manifest), .. }) = found
                && attempt == self.number
                && manifest.checkpoint != checkpoint
                && self.lineage.last().is_none_or(|last| last.position < position)
            {
                // Its outcome was in doubt, and it was committed.
                self.lineage.push(Listed { position, attempt, manifest });
            }
        }
        Ok(decide::after_conflict(&facts, self.number, self.tail, checkpoint))
    }

    fn committed(&mut self, position: u64, manifest: Manifest) {
        self.tail = position;
        self.settled = manifest.checkpoint;
        let kept_from = manifest.kept_from;
        self.lineage.push(Listed { position, attempt: self.number, manifest });
        self.lineage.retain(|listed| listed.position >= kept_from);
    }

    /// Whether the manifest was written is not known, unless the store cannot write it later.
    fn give_up(&self, position: u64, last_error: Option<Error>) -> Result<Outcome> {
        let error = last_error.unwrap_or_else(|| Error::external("its place in the log was taken, again and again"));
        let files = &self.checkpoints.files;
        let is_absent = !files.late_writes() && matches!(log::read(files, position), Ok(Found::Nothing));
        if is_absent { Err(error) } else { Ok(Outcome::InDoubt { cause: error.to_string() }) }
    }

    /// Deletes the files of a checkpoint that failed, and returns their number. If its outcome is in doubt, they stay.
    ///
    /// # Errors
    /// The store fails, or the checkpoint was committed (a bug of the caller). A later [`Attempt::clean`] deletes the rest.
    pub fn abandon(&mut self, checkpoint: u64) -> Result<usize> {
        if checkpoint <= self.settled {
            return Err(Error::bug(format!("checkpoint {checkpoint} is to be abandoned, {} was committed", self.settled)));
        }
        if self.in_doubt.contains(&checkpoint) || self.is_fenced {
            return Ok(0);
        }
        let files = &self.checkpoints.files;
        let paths = files.list(&names::data_folder(self.number, checkpoint))?;
        paths.iter().try_for_each(|path| files.delete(path))?;
        self.next_checkpoint = self.next_checkpoint.max(checkpoint + 1);
        Ok(paths.len())
    }

    /// Deletes the manifests older than the kept ones, and the files that no manifest names.
    ///
    /// # Errors
    /// The store fails; the next call deletes the rest.
    pub fn clean(&mut self) -> Result<Cleaned> {
        let files = self.checkpoints.files.clone();
        let kept_from = self.kept_from();
        let needed = self.read_log(kept_from)?;
        let data = files.list(names::DATA)?.into_iter().filter_map(|path| {
            let (attempt, checkpoint) = names::data_owner(&path)?;
            Some(DataFile { path, attempt, checkpoint })
        });
        let deletions = decide::deletions(&self.facts, kept_from, data.collect(), &needed, self.number, self.settled);
        // Manifests go first: none may be left without its files.
        for position in &deletions.manifests {
            files.delete(&names::log_entry(*position))?;
            self.facts.remove(position);
        }
        deletions.files.iter().try_for_each(|path| files.delete(path))?;
        Ok(Cleaned { manifests: deletions.manifests.len(), files: deletions.files.len() })
    }

    /// The position before which no manifest is needed; 0 as long as this attempt has no checkpoint to resume from.
    fn kept_from(&self) -> u64 {
        self.lineage.first().map_or(0, |oldest| oldest.position)
    }

    /// Reads the log into `facts`, and returns the files that the manifests from `kept_from` on need.
    fn read_log(&mut self, kept_from: u64) -> Result<BTreeSet<String>> {
        let files = &self.checkpoints.files;
        let mut needed = BTreeSet::new();
        for position in log::positions(files)? {
            if position < kept_from && self.facts.contains_key(&position) {
                continue;
            }
            let found = log::read(files, position)?;
            self.facts.extend(found.fact().map(|fact| (position, fact)));
            if let Found::Entry(Entry { what: What::Checkpoint(manifest), .. }) = found
                && position >= kept_from
            {
                needed.extend(manifest.files().map(|file| file.path.clone()));
            }
        }
        Ok(needed)
    }
}
