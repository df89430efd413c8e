//! The saved form of the state of a key group: see `snapshot.rs` for the format.

use super::aside::Aside;
use super::sets::saved::SavedSets;
use super::store::Moment;
use egret_core::key::Key;
use serde::{Deserialize, Serialize};

pub(super) const VERSION: u8 = 4;

/// The state of the keys of one group.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Saved {
    /// [`Plan::fingerprint`].
    pub(super) fingerprint: u64,
    /// All events before this time have been processed.
    pub(super) reached: i64,
    pub(super) keys: Vec<SavedKey>,
    pub(super) links: Vec<SavedLink>,
    /// The number and time of each event; the events' columns are in `rows`.
    pub(super) events: Vec<Moment>,
    pub(super) rows: Vec<u8>,
    /// Rows that the watermark has not passed.
    pub(super) waiting: Vec<u8>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SavedKey {
    pub(super) key: Key,
    pub(super) runs: Vec<SavedRun>,
    pub(super) held: Vec<SavedHeld>,
    /// For a key whose partial matches are kept as sets.
    pub(super) sets: Option<SavedSets>,
    /// For a window in events: how many events came, and the number and count at which each partial match began.
    pub(super) window: Option<(u64, Vec<(u64, u64)>)>,
    /// For a key that is put aside, which has no other state.
    pub(super) aside: Option<Aside>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SavedLink {
    pub(super) previous: u32,
    pub(super) event: u32,
    pub(super) variable: u16,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SavedRun {
    pub(super) chain: u32,
    pub(super) node: u32,
    pub(super) open: u64,
    pub(super) start: u64,
    pub(super) start_time: i64,
    pub(super) last_time: i64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SavedHeld {
    pub(super) chain: u32,
    pub(super) start: u64,
    pub(super) time: i64,
    pub(super) moment: u64,
}
