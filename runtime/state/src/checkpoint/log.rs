//! Reading and appending to the log.

use super::decide::Fact;
use super::files::{Created, Files};
use super::log_format::{Entry, Unreadable, What};
use super::names;
use egret_core::Result;

/// The content of a position of the log.
#[derive(Clone, Debug)]
pub(super) enum Found {
    Entry(Entry),
    /// The entry is not what was written; the text says how.
    Damaged(String),
    Nothing,
}

impl Found {
    /// The entry as the decisions need it; `None` if there is none.
    pub(super) fn fact(&self) -> Option<Fact> {
        match self {
            Self::Nothing => None,
            Self::Damaged(_) => Some(Fact::Damaged),
            Self::Entry(entry) => Some(match &entry.what {
                What::Start { .. } => Fact::Start,
                What::Checkpoint(manifest) => {
                    Fact::Checkpoint { attempt: entry.attempt, checkpoint: manifest.checkpoint, kept_from: manifest.kept_from }
                }
            }),
        }
    }
}

/// The positions that are taken, ascending.
pub(super) fn positions(files: &Files) -> Result<Vec<u64>> {
    Ok(files.list(names::LOG)?.iter().filter_map(|path| names::log_position(path)).collect())
}

/// The entry at a position.
///
/// # Errors
/// The store fails, or the entry has a newer version: then nothing in this folder may be used, because an entry that is passed
/// over would be lost.
pub(super) fn read(files: &Files, position: u64) -> Result<Found> {
    let path = names::log_entry(position);
    let Some(bytes) = files.get(&path)? else { return Ok(Found::Nothing) };
    match Entry::decode(&bytes, position) {
        Ok(entry) => Ok(Found::Entry(entry)),
        Err(Unreadable::Damaged(how)) => Ok(Found::Damaged(how)),
        Err(newer @ (Unreadable::Newer(_) | Unreadable::Older(_))) => Err(newer.to_error().context(files.describe(&path))),
    }
}

/// The id of the checkpoints, from the newest start that has it.
///
/// # Errors
/// As [`read`].
pub(super) fn checkpoints_id(files: &Files) -> Result<Option<u64>> {
    for position in positions(files)?.into_iter().rev() {
        if let Found::Entry(Entry { what: What::Start { checkpoints: Some(id), .. }, .. }) = read(files, position)? {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

/// Writes an entry at its position, unless the position is taken.
pub(super) fn append(files: &Files, entry: &Entry) -> Result<Created> {
    files.create(&names::log_entry(entry.position), entry.encode()?)
}
