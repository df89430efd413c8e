//! The search for the newest checkpoint that can be restored.

use super::decide;
use super::identity::{Difference, JobIdentity};
use super::log::{self, Found};
use super::log_format::What;
use super::manifest::Manifest;
use super::names;
use super::store::Checkpoints;
use egret_core::{Error, Result};
use std::collections::BTreeSet;
use std::fmt;

/// A checkpoint whose files were all read, and are what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The position of the manifest in the log.
    pub position: u64,
    /// The attempt that committed it.
    pub attempt: u64,
    /// The checkpoint.
    pub manifest: Manifest,
    /// Whether new parts may be deltas upon it, and share its files. They may not if a newer manifest was passed over that does
    /// not keep this one, or may not: an older attempt that still runs could delete it.
    pub is_extendable: bool,
    /// Newer entries that cannot be used, newest first.
    pub passed_over: Vec<PassedOver>,
    /// The differences between its job and the job at hand: see [`super::check_differences`].
    pub differences: Vec<Difference>,
}

/// An entry of the log that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassedOver {
    /// The number of the checkpoint, if it is known.
    pub checkpoint: Option<u64>,
    /// The damaged file.
    pub file: String,
    /// The damage: what was expected, and what was found.
    pub why: String,
}

impl fmt::Display for PassedOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.checkpoint {
            Some(checkpoint) => write!(f, "checkpoint {checkpoint} cannot be used: {}: {}", self.file, self.why),
            None => write!(f, "an entry of the log cannot be used: {}: {}", self.file, self.why),
        }
    }
}

/// A manifest in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its position.
    pub position: u64,
    /// The attempt that committed it.
    pub attempt: u64,
    /// The manifest.
    pub manifest: Manifest,
}

impl Checkpoints {
    /// The newest checkpoint whose files all exist and are what was written; `None` if there is no checkpoint. All of its files
    /// are read.
    ///
    /// To restore it, claim an attempt first and use [`super::Attempt::restore`]: otherwise the attempt before might commit
    /// another checkpoint in the meantime.
    ///
    /// # Errors
    /// The store fails (a file that cannot be read at the moment does not count as damaged); something was written by a newer
    /// version; or there are checkpoints and none is intact: a job that started without its state would go unnoticed.
    pub fn latest(&self, job: &JobIdentity) -> Result<Option<Restored>> {
        self.newest_intact(&log::positions(&self.files)?, job)
    }

    /// As [`Checkpoints::latest`], among the checkpoints at these positions.
    pub(super) fn newest_intact(&self, positions: &[u64], job: &JobIdentity) -> Result<Option<Restored>> {
        let (mut passed_over, mut kept_from, mut is_certain) = (Vec::new(), 0, true);
        let never_began = self.never_began(positions)?;
        for &position in positions.iter().rev() {
            let entry = match log::read(&self.files, position)? {
                Found::Nothing => continue,
                Found::Damaged(_) if position <= never_began => continue,
                Found::Damaged(why) => {
                    is_certain = false;
                    passed_over.push(PassedOver {
                        checkpoint: None,
                        file: self.files.describe(&names::log_entry(position)),
                        why,
                    });
                    continue;
                }
                Found::Entry(entry) => entry,
            };
            let What::Checkpoint(manifest) = entry.what else { continue };
            kept_from = kept_from.max(manifest.kept_from);
            match self.find_damage(&manifest)? {
                Some(damage) => passed_over.push(damage),
                None => {
                    let is_extendable = is_certain && position >= kept_from;
                    let differences = job.differences(&manifest.job);
                    let attempt = entry.attempt;
                    return Ok(Some(Restored { position, attempt, manifest, is_extendable, passed_over, differences }));
                }
            }
        }
        if passed_over.is_empty() { Ok(None) } else { Err(self.none_intact(&passed_over)) }
    }

    /// The last of the damaged entries at the beginning of the log, 0 if there are none. A manifest comes after the start of its
    /// attempt, so these are starts that were torn.
    fn never_began(&self, positions: &[u64]) -> Result<u64> {
        for (&position, expected) in positions.iter().zip(1..) {
            if position != expected || !matches!(log::read(&self.files, position)?, Found::Damaged(_)) {
                return Ok(expected - 1);
            }
        }
        Ok(positions.len() as u64)
    }

    fn none_intact(&self, passed_over: &[PassedOver]) -> Error {
        let lines: String = passed_over.iter().map(|damage| format!("\n  {damage}")).collect();
        // A retry does not help: the user has to decide.
        Error::job(format!("no checkpoint is intact:{lines}"))
            .context(self.describe())
            .help("put the files back from a copy, or name an empty folder to start without state")
    }

    /// The first file of a checkpoint that is missing or is not what was written, if there is one. All files are read.
    ///
    /// # Errors
    /// The store fails.
    pub fn find_damage(&self, manifest: &Manifest) -> Result<Option<PassedOver>> {
        let mut seen = BTreeSet::new();
        for file in manifest.files().filter(|file| seen.insert(&file.path)) {
            let verdict = match self.files.digest(&file.path)? {
                None => Err("it is missing".to_owned()),
                Some(digest) => file.check(digest.bytes, digest.xxh3),
            };
            if let Err(why) = verdict {
                let file = self.files.describe(&file.path);
                return Ok(Some(PassedOver { checkpoint: Some(manifest.checkpoint), file, why }));
            }
        }
        Ok(None)
    }

    /// The manifests, oldest first, and the entries of the log that cannot be read. The manifests' files are not checked: see
    /// [`Checkpoints::find_damage`].
    ///
    /// # Errors
    /// The store fails, or something was written by a newer version.
    pub fn list(&self) -> Result<(Vec<Listed>, Vec<PassedOver>)> {
        let (mut listed, mut damaged) = (Vec::new(), Vec::new());
        for position in log::positions(&self.files)? {
            match log::read(&self.files, position)? {
                Found::Nothing => {}
                Found::Damaged(why) => {
                    let file = self.files.describe(&names::log_entry(position));
                    damaged.push(PassedOver { checkpoint: None, file, why });
                }
                Found::Entry(entry) => {
                    if let What::Checkpoint(manifest) = entry.what {
                        listed.push(Listed { position, attempt: entry.attempt, manifest });
                    }
                }
            }
        }
        Ok((listed, damaged))
    }

    /// The manifests that led to `restored`, as far back as it keeps them, and its own last.
    pub(super) fn lineage(&self, positions: &[u64], restored: &Restored) -> Result<Vec<Listed>> {
        let kept = restored.manifest.kept_from..restored.position;
        let mut lineage = Vec::new();
        for &position in positions.iter().filter(|position| kept.contains(position)) {
            if let Found::Entry(entry) = log::read(&self.files, position)?
                && let What::Checkpoint(manifest) = entry.what
            {
                lineage.push(Listed { position, attempt: entry.attempt, manifest });
            }
        }
        let manifest = restored.manifest.clone();
        lineage.push(Listed { position: restored.position, attempt: restored.attempt, manifest });
        Ok(lineage)
    }

    /// A number for the next checkpoint that none at these positions has.
    pub(super) fn next_checkpoint(&self, positions: &[u64]) -> Result<u64> {
        let mut facts = decide::Facts::new();
        for &position in positions.iter().rev() {
            let fact = log::read(&self.files, position)?.fact();
            facts.extend(fact.map(|fact| (position, fact)));
            if matches!(fact, Some(decide::Fact::Checkpoint { .. })) {
                break;
            }
        }
        Ok(decide::next_checkpoint(&facts))
    }
}
