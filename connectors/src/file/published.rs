//! What a sink has published, as far as it has to be known afterwards: a hidden file beside the output.
//!
//! A job that goes on finds its output gone (whoever reads it has taken it away) or finds more of it than its checkpoint knows (it
//! went back to an older one). This record tells the one from a loss, and the other from going on as usual. It is written before
//! what it says is done, so it never says too little; it does not grow. Of parts it says of each that it is published, just before
//! that is done, so one that was never published is not taken for one that was taken away.

use super::commit::{name_of, rename, sync_folder};
use super::paths::folder_of;
use crate::io_error::io_error;
use egret_core::{Error, Result, SinkAttempt};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::Path;

/// Of so many checkpoints it is known what they published.
const LATEST_MAX: usize = 16;
/// So many runs of parts one after the other are known of each writer; a run ends where an attempt does.
const RUNS_MAX: usize = 64;

/// The record of one writer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Published {
    /// Which checkpoints the job has.
    pub(crate) checkpoints: String,
    /// The last checkpoint of which something was published, or is being published.
    pub(crate) checkpoint: u64,
    /// The last of these, and what of each came first: a place in the file, or a part's name.
    pub(crate) latest: Vec<(u64, String)>,
    /// Of a single file: what its bytes mean.
    pub(crate) layout: BTreeMap<String, String>,
    /// Of a single file: how many bytes were published in all.
    pub(crate) end: u64,
    /// How many of these were in files that were taken away since.
    pub(crate) taken: u64,
    /// How many bytes the file has in front that are repeated in each: the header.
    pub(crate) header: u64,
    /// Of parts: the number of each writer's next.
    pub(crate) next: BTreeMap<usize, u64>,
    /// Of parts: those of each writer that were published, or were just about to be; from the first to the last of each run.
    #[serde(default)]
    pub(crate) parts: BTreeMap<usize, Vec<(u64, u64)>>,
}

impl Published {
    /// Reads a record, if there is one.
    ///
    /// # Errors
    /// It cannot be read.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_error("read", path, &error)),
        };
        let read = serde_json::from_slice(&bytes).map_err(|error| {
            Error::state(format!("{}, the record of what was published, is damaged: {error}", path.display())).help(
                "put it back; or take it and the output beside it away and start the job afresh with another checkpoint folder",
            )
        });
        read.map(Some)
    }

    /// Writes it, whole or not at all.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        self.write_among(path)?;
        sync_folder(folder_of(path))
    }

    /// Writes it where more names are about to be changed in the folder, which is synced after that.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn write_among(&self, path: &Path) -> Result<()> {
        let new = path.with_file_name(format!("{}.new", name_of(path)));
        let bytes = serde_json::to_vec(self).expect("texts and numbers always encode");
        let write = || {
            let mut file = File::create(&new)?;
            file.write_all(&bytes)?;
            file.sync_all()
        };
        write().map_err(|error: std::io::Error| io_error("write", &new, &error))?;
        rename(&new, path)
    }

    /// A writer's part is published.
    pub(crate) fn note_part(&mut self, (writer, number): (usize, u64)) {
        let runs = self.parts.entry(writer).or_default();
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => runs.push((number, number)),
        }
        let surplus = runs.len().saturating_sub(RUNS_MAX);
        runs.drain(..surplus);
    }

    /// Whether a writer's part was published, or was just about to be.
    pub(crate) fn has_part(&self, (writer, number): (usize, u64)) -> bool {
        self.parts.get(&writer).is_some_and(|runs| runs.iter().any(|(first, last)| (*first..=*last).contains(&number)))
    }

    /// Whether it is of this job's checkpoints.
    pub(crate) fn is_of(&self, attempt: &SinkAttempt) -> bool {
        self.checkpoints == *attempt.checkpoints
    }

    /// Whether something of a checkpoint behind the one that the job goes on from was published.
    pub(crate) fn is_ahead_of(&self, attempt: &SinkAttempt) -> bool {
        self.is_of(attempt) && self.checkpoint > attempt.restored.unwrap_or(0)
    }

    /// Refuses to publish a second time what a later checkpoint has published, unless that is allowed.
    ///
    /// # Errors
    /// Something was published since.
    pub(crate) fn check(&self, attempt: &SinkAttempt, output: &Path) -> Result<()> {
        if attempt.may_repeat || !self.is_ahead_of(attempt) {
            return Ok(());
        }
        let restored = attempt.restored.unwrap_or(0);
        let since = self.latest.iter().find(|(checkpoint, _)| *checkpoint > restored).map_or("", |(_, what)| what.as_str());
        let from = attempt.restored.map_or_else(|| "its start".to_owned(), |number| format!("checkpoint {number}"));
        let message = format!(
            "{}: the job goes back to {from}, and up to checkpoint {} it has published what it would publish again: {since} and all \
             behind it",
            output.display(),
            self.checkpoint
        );
        Err(Error::job(message).help(
            "put the later checkpoint back; or take away what was published since, or accept it twice, and run with --allow-duplicates; \
             or start afresh with another checkpoint folder",
        ))
    }

    /// From now on it is a record of this attempt.
    pub(crate) fn take_over(&mut self, attempt: &SinkAttempt) {
        if !self.is_of(attempt) {
            *self =
                Self { checkpoints: attempt.checkpoints.to_string(), next: std::mem::take(&mut self.next), ..Self::default() };
        }
        let restored = attempt.restored.unwrap_or(0);
        self.checkpoint = self.checkpoint.min(restored);
        self.latest.retain(|(checkpoint, _)| *checkpoint <= restored);
    }

    /// Something of a checkpoint is published: `what` comes first.
    pub(crate) fn note(&mut self, checkpoint: u64, what: impl FnOnce() -> String) {
        self.checkpoint = self.checkpoint.max(checkpoint);
        if self.latest.last().is_none_or(|(last, _)| *last < checkpoint) {
            self.latest.push((checkpoint, what()));
            let surplus = self.latest.len().saturating_sub(LATEST_MAX);
            self.latest.drain(..surplus);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::test_support::Folder;

    #[test]
    fn a_record_is_read_as_it_was_written_and_stays_small() {
        let folder = Folder::new();
        let path = folder.path(".o.csv.published");
        assert_eq!(Published::read(&path).unwrap(), None);
        let mut record = Published { checkpoints: "a".into(), next: [(3, 9)].into(), ..Published::default() };
        (1..100).for_each(|number| record.note(number, || format!("part {number}")));
        record.write(&path).unwrap();
        assert_eq!(Published::read(&path).unwrap(), Some(record.clone()));
        assert!(record.latest.len() == LATEST_MAX && record.checkpoint == 99);
        assert_eq!(folder.names(""), [".o.csv.published"]);
        folder.write(".o.csv.published", "{");
        assert!(!Published::read(&path).unwrap_err().may_retry());
    }

    #[test]
    fn parts_are_known_one_by_one_and_the_record_stays_small() {
        let mut record = Published::default();
        for number in [0, 1, 2, 5, 6, 3] {
            record.note_part((1, number));
        }
        assert_eq!((0..8).filter(|number| record.has_part((1, *number))).collect::<Vec<_>>(), [0, 1, 2, 3, 5, 6]);
        assert!(!record.has_part((0, 1)));
        (0..1_000).for_each(|number| record.note_part((1, 10 + 2 * number)));
        assert!(record.parts[&1].len() == RUNS_MAX && record.has_part((1, 2_008)));
    }

    #[test]
    fn going_back_is_refused_with_what_was_published_since() {
        let mut record = Published { checkpoints: "a".into(), ..Published::default() };
        for (checkpoint, what) in [(3, "part-0-0.csv"), (5, "part-0-4.csv"), (6, "part-0-5.csv")] {
            record.note(checkpoint, || what.to_owned());
        }
        let check = |checkpoints: &str, restored: Option<u64>, may_repeat: bool| {
            let attempt = SinkAttempt { restored, may_repeat, ..SinkAttempt::new(checkpoints) };
            record.check(&attempt, Path::new("out")).err().map(|error| error.to_string())
        };
        let said = check("a", Some(4), false).unwrap();
        assert!(
            said.contains("back to checkpoint 4") && said.contains("up to checkpoint 6") && said.contains("part-0-4.csv"),
            "{said}"
        );
        assert!(check("a", None, false).unwrap().contains("back to its start"));
        for (checkpoints, restored, may_repeat) in
            [("a", Some(6), false), ("a", Some(9), false), ("a", None, true), ("b", None, false)]
        {
            assert_eq!(check(checkpoints, restored, may_repeat), None, "{checkpoints} {restored:?} {may_repeat}");
        }
        record.take_over(&SinkAttempt { restored: Some(4), ..SinkAttempt::new("a") });
        assert_eq!((record.checkpoint, record.latest.len()), (4, 1));
    }
}
