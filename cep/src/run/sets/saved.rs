//! The saved form of the sets of a key.

use serde::{Deserialize, Serialize};

/// The sets of a key.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::run) struct SavedSets {
    pub(super) floor: u64,
    /// For each group: node, open edges and guards, list.
    pub(super) groups: Vec<(u32, u64, u32)>,
    /// For each set of held matches: list, time, moment.
    pub(super) held: Vec<(u32, i64, u64)>,
    pub(super) lists: Vec<SavedList>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SavedList {
    pub(super) least: u64,
    pub(super) most: u64,
    pub(super) ascending: bool,
    /// For a list of single events: their variable, and the events in place of entries.
    pub(super) starts: Option<(u16, Vec<u32>)>,
    pub(super) entries: Vec<SavedEntry>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SavedEntry {
    pub(super) least: u64,
    pub(super) most: u64,
    pub(super) what: SavedWhat,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum SavedWhat {
    Event { event: u32, variable: u16 },
    Chain(u32),
    Longer { event: u32, variable: u16, list: u32, end: u64 },
    All { list: u32, end: u64 },
}
