//! State as bytes, by key group.
//!
//! # Format
//! One entry a key group: a byte `4`, the version; then, in postcard, the fields of [`Saved`]. Rows are Arrow IPC streams, with
//! the names and types of the stream's columns. Rows that wait have no masks: what a row is to the pattern is found anew when it
//! is taken up. A link of a chain names its predecessor and its event by their places in the entry's lists; a predecessor always
//! stands before. Of a pattern without partition columns the one entry is operator state, which the first instance takes up.
//!
//! Nodes, edges and variables are saved by their numbers in the automaton; the fingerprint says that these mean the same.

use super::aside::Aside;
use super::compact::SavedSets;
use super::run::{Held, Run};
use super::slab::NONE;
use super::state::State;
use super::store::Moment;
use crate::compiled::Plan;
use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use egret_core::key::{Key, RowKeys};
use egret_core::{Error, KeyGroup, Result, Snapshot, ipc};
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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

/// Collects a group's state, giving links and events new numbers.
pub(super) struct Saver {
    saved: Saved,
    links: HashMap<u32, u32>,
    places: HashMap<u32, u32>,
    events: Vec<u32>,
}

impl Saver {
    fn new(fingerprint: u64, reached: i64) -> Self {
        let (keys, links, events, rows, waiting) = (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let saved = Saved { fingerprint, reached, keys, links, events, rows, waiting };
        Self { saved, links: HashMap::new(), places: HashMap::new(), events: Vec::new() }
    }

    /// The place of an event among those saved.
    pub(super) fn event(&mut self, state: &State, event: u32) -> u32 {
        *self.places.entry(event).or_insert_with(|| {
            self.events.push(event);
            self.saved.events.push(state.store.moment(event));
            self.events.len() as u32 - 1
        })
    }

    /// The place of a chain's last link among those saved.
    pub(super) fn chain(&mut self, state: &State, chain: u32) -> u32 {
        let mut new: Vec<u32> = Vec::new();
        let mut at = chain;
        while at != NONE && !self.links.contains_key(&at) {
            new.push(at);
            at = state.store.link(at).previous;
        }
        for link in new.into_iter().rev() {
            let from = state.store.link(link);
            let previous = if from.previous == NONE { NONE } else { self.links[&from.previous] };
            let (event, variable) = (self.event(state, from.event), from.variable);
            self.saved.links.push(SavedLink { previous, event, variable });
            self.links.insert(link, self.saved.links.len() as u32 - 1);
        }
        self.links[&chain]
    }

    fn key(&mut self, state: &State, place: u32) {
        let of = &state.keys.states[place];
        let runs = of.runs.iter().map(|run| {
            let Run { node, open, start, start_time, last_time, .. } = *run;
            SavedRun { chain: self.chain(state, run.chain), node, open, start, start_time, last_time }
        });
        let runs = runs.collect();
        let held = of.held.iter().map(|held| {
            let Held { start, time, moment, .. } = *held;
            SavedHeld { chain: self.chain(state, held.chain), start, time, moment }
        });
        let held = held.collect();
        let sets = of.runs.sets().map(|sets| SavedSets::of(self, state, sets));
        let window = state.windows.get(place).map(|window| (window.count, window.starts.iter().copied().collect()));
        let aside = of.runs.aside().cloned();
        self.saved.keys.push(SavedKey { key: of.key.clone(), runs, held, sets, window, aside });
    }

    fn bytes(mut self, state: &State) -> Result<Vec<u8>> {
        if !self.events.is_empty() {
            self.saved.rows = ipc::encode_rows(&[state.store.gather_rows(&self.events)?])?;
        }
        let bytes = vec![VERSION];
        Ok(postcard::to_extend(&self.saved, bytes)?)
    }
}

impl State {
    /// Everything that must survive.
    pub(crate) fn snapshot(&self, plan: &Plan, max_parallelism: u16) -> Result<Snapshot> {
        let mut groups: BTreeMap<KeyGroup, Saver> = BTreeMap::new();
        let group = |key: &Key| KeyGroup::of(key.hash(), max_parallelism);
        let fingerprint = plan.fingerprint();
        let new = || Saver::new(fingerprint, self.reached);
        for place in self.keys.live() {
            groups.entry(group(&self.keys.states[place].key)).or_insert_with(new).key(self, place);
        }
        for (key_group, rows) in self.waiting_by(plan, group)? {
            groups.entry(key_group).or_insert_with(new).saved.waiting = ipc::encode_rows(&rows)?;
        }
        let mut snapshot = Snapshot::default();
        for (key_group, saver) in groups {
            let bytes = saver.bytes(self)?;
            if plan.keys.is_empty() {
                snapshot.operator.push(bytes);
            } else {
                snapshot.keyed.push((key_group, bytes));
            }
        }
        Ok(snapshot)
    }

    /// The rows that wait, without their masks.
    fn waiting_by(&self, plan: &Plan, group: impl Fn(&Key) -> KeyGroup) -> Result<BTreeMap<KeyGroup, Vec<RecordBatch>>> {
        let mut parts: BTreeMap<KeyGroup, Vec<RecordBatch>> = BTreeMap::new();
        let masks = plan.kept.len()..plan.kept.len() + plan.words();
        let columns: Vec<usize> = (0..plan.sent.arrow().fields().len()).filter(|column| !masks.contains(column)).collect();
        for rows in self.order.rows()? {
            let keys = RowKeys::of(&rows, &plan.keys)?;
            let rows = rows.project(&columns)?;
            let mut of_group: BTreeMap<KeyGroup, Vec<u32>> = BTreeMap::new();
            for row in 0..rows.num_rows() {
                of_group.entry(group(&keys.key(row)?)).or_default().push(row as u32);
            }
            for (key_group, indexes) in of_group {
                parts.entry(key_group).or_default().push(take_record_batch(&rows, &UInt32Array::from(indexes))?);
            }
        }
        Ok(parts)
    }
}

pub(super) fn damaged(what: &str) -> Error {
    Error::state(format!("the state of a pattern is damaged: {what} cannot be read"))
}
