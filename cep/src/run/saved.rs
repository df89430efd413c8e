//! The state of a group of keys as it is saved: see `snapshot.rs` for the format.

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
    /// Everything before this time was looked at.
    pub(super) reached: i64,
    pub(super) keys: Vec<SavedKey>,
    pub(super) links: Vec<SavedLink>,
    /// Of the events, whose columns are in `rows`.
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
    /// Of a key whose partial matches are kept as sets.
    pub(super) sets: Option<SavedSets>,
    /// Of a window in events: how many came, and with which numbers and counts partial matches began.
    pub(super) window: Option<(u64, Vec<(u64, u64)>)>,
    /// Of a key that is put aside, of which nothing else is kept.
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
