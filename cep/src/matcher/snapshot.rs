//! State as bytes, by key group.
//!
//! # Format
//! One entry a key group: a byte `2`, the version; then, in postcard, the plan's fingerprint and the fields of [`Saved`]. Rows
//! are Arrow IPC streams. A link of a chain names its predecessor and its event by their places in the entry's lists; a
//! predecessor always stands before. Of a pattern without partition columns the one entry is operator state, which the first
//! instance takes up.

use super::compact::SavedSets;
use super::count_window::CountWindow;
use super::keys::{Key, RowKeys};
use super::run::{Held, Run};
use super::slab::NONE;
use super::state::State;
use crate::compiled::Plan;
use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, take_record_batch};
use egret_core::{Error, KeyGroup, Result, Snapshot, ipc};
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const VERSION: u8 = 2;

/// The state of the keys of one group.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Saved {
    fingerprint: u64,
    keys: Vec<SavedKey>,
    links: Vec<SavedLink>,
    /// The numbers of the events; their rows are in `rows`.
    events: Vec<u64>,
    rows: Vec<u8>,
    /// Rows that the watermark has not passed.
    waiting: Vec<u8>,
}

#[derive(Debug, Serialize, Deserialize)]
struct SavedKey {
    key: Key,
    runs: Vec<SavedRun>,
    held: Vec<SavedHeld>,
    /// Of a key whose partial matches are kept as sets.
    sets: Option<SavedSets>,
    /// Of a window in events: how many came, and with which numbers and counts partial matches began.
    window: Option<(u64, Vec<(u64, u64)>)>,
}

#[derive(Debug, Serialize, Deserialize)]
struct SavedLink {
    previous: u32,
    event: u32,
    variable: u16,
}

#[derive(Debug, Serialize, Deserialize)]
struct SavedRun {
    chain: u32,
    node: u32,
    open: u64,
    start: u64,
    start_time: i64,
    last_time: i64,
}

#[derive(Debug, Serialize, Deserialize)]
struct SavedHeld {
    chain: u32,
    start: u64,
    time: i64,
    moment: u64,
}

/// Collects a group's state, giving links and events new numbers.
#[derive(Default)]
pub(super) struct Saver {
    saved: Saved,
    links: HashMap<u32, u32>,
    places: HashMap<u32, u32>,
    events: Vec<u32>,
}

impl Saver {
    /// The place of an event among those saved.
    pub(super) fn event(&mut self, state: &State, event: u32) -> u32 {
        *self.places.entry(event).or_insert_with(|| {
            self.events.push(event);
            self.saved.events.push(state.store.number(event));
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
        self.saved.keys.push(SavedKey { key: of.key.clone(), runs, held, sets, window });
    }

    fn bytes(mut self, state: &State, fingerprint: u64) -> Result<Vec<u8>> {
        self.saved.fingerprint = fingerprint;
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
        for place in self.keys.live() {
            groups.entry(group(&self.keys.states[place].key)).or_default().key(self, place);
        }
        for (key_group, rows) in self.waiting_by(plan, group)? {
            groups.entry(key_group).or_default().saved.waiting = ipc::encode_rows(&rows)?;
        }
        let mut snapshot = Snapshot::default();
        for (key_group, saver) in groups {
            let bytes = saver.bytes(self, plan.fingerprint)?;
            if plan.keys.is_empty() {
                snapshot.operator.push(bytes);
            } else {
                snapshot.keyed.push((key_group, bytes));
            }
        }
        Ok(snapshot)
    }

    fn waiting_by(&self, plan: &Plan, group: impl Fn(&Key) -> KeyGroup) -> Result<BTreeMap<KeyGroup, Vec<RecordBatch>>> {
        let mut parts: BTreeMap<KeyGroup, Vec<RecordBatch>> = BTreeMap::new();
        for rows in self.order.rows()? {
            let keys = RowKeys::of(&rows, &plan.keys)?;
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

    /// Takes up what instances before had.
    pub(crate) fn restore(&mut self, plan: &Plan, parts: Vec<Snapshot>, is_first: bool) -> Result<()> {
        let mut waiting: Vec<RecordBatch> = Vec::new();
        for part in parts {
            let operator = part.operator.into_iter().filter(|_| is_first);
            for bytes in part.keyed.into_iter().map(|(_, bytes)| bytes).chain(operator) {
                let saved = decode(plan, &bytes)?;
                waiting.extend(ipc::decode_rows(&saved.waiting)?);
                self.load(plan, saved)?;
            }
        }
        if let (Some(time), false) = (plan.rows.event_time(), waiting.is_empty()) {
            let rows = concat_batches(plan.rows.arrow(), &waiting)?;
            self.order.add(rows, time);
        }
        self.deadlines.sort();
        Ok(())
    }

    fn load(&mut self, plan: &Plan, saved: Saved) -> Result<()> {
        let rows = ipc::decode_rows(&saved.rows)?;
        let events = match rows.as_slice() {
            [] => Vec::new(),
            [rows] if rows.num_rows() == saved.events.len() => {
                let rows = RecordBatch::try_new(std::sync::Arc::clone(self.store.schema()), rows.columns().to_vec())?;
                self.store.load(rows, &saved.events)
            }
            _ => return Err(damaged("the rows of its events")),
        };
        self.number = saved.events.iter().copied().fold(self.number, u64::max);
        let mut chains: Vec<u32> = Vec::with_capacity(saved.links.len());
        for link in &saved.links {
            let previous = match link.previous {
                NONE => NONE,
                place => *chains.get(place as usize).ok_or_else(|| damaged("a chain"))?,
            };
            let event = *events.get(link.event as usize).ok_or_else(|| damaged("an event"))?;
            chains.push(self.store.extend(previous, event, link.variable));
        }
        for key in saved.keys {
            self.load_key(plan, key, &events, &chains)?;
        }
        chains.into_iter().for_each(|chain| self.store.release(chain));
        Ok(())
    }

    fn load_key(&mut self, plan: &Plan, saved: SavedKey, events: &[u32], chains: &[u32]) -> Result<()> {
        self.generation += 1;
        let generation = self.generation;
        let place = self.keys.add(saved.key, generation);
        let chain = |place: u32| chains.get(place as usize).copied().ok_or_else(|| damaged("a partial match"));
        let mut runs: Vec<Run> = Vec::with_capacity(saved.runs.len());
        for run in saved.runs {
            let SavedRun { node, open, start, start_time, last_time, .. } = run;
            let of_node = plan.automaton.nodes.get(node as usize).ok_or_else(|| damaged("a partial match"))?;
            let run = Run { chain: chain(run.chain)?, node, open, start, start_time, last_time };
            self.store.hold(run.chain);
            self.deadlines.add_restored(plan, &run, place, generation);
            let state = &mut self.keys.states[place];
            state.interest |= of_node.interest;
            if !of_node.gates.is_empty() {
                // It is not known until a row changes something of the key: until then every row is looked at.
                state.bound = i32::MIN;
            }
            state.deadline = state.deadline.min(super::expire::deadline(plan, &run));
            runs.push(run);
        }
        self.keys.put_runs(place, &mut runs);
        for held in saved.held {
            let SavedHeld { start, time, moment, .. } = held;
            let held = Held { chain: chain(held.chain)?, start, time, moment };
            self.store.hold(held.chain);
            self.number = self.number.max(moment);
            *self.held.entry(time).or_default() += 1;
            self.keys.states[place].held.push(held);
        }
        if let Some((count, starts)) = saved.window {
            // A start whose partial matches are gone counts, too: new events must not get its number.
            self.number = starts.iter().fold(self.number, |latest, (start, _)| latest.max(*start));
            self.windows.put(place, CountWindow { count, starts: starts.into() });
        }
        if let Some(sets) = saved.sets {
            let sets = sets.load(self, plan.automaton.nodes.len(), events, chains)?;
            self.put_sets(plan, place, Box::new(sets));
            self.add_due(place);
        }
        Ok(())
    }
}

fn decode(plan: &Plan, bytes: &[u8]) -> Result<Saved> {
    let Some((&VERSION, rest)) = bytes.split_first() else {
        return Err(Error::job(format!("the state of a pattern has version {:?}, this program reads {VERSION}", bytes.first()))
            .help("restore with the version of Egret that wrote the state"));
    };
    let saved: Saved = postcard::from_bytes(rest)?;
    if saved.fingerprint != plan.fingerprint {
        return Err(Error::job("the saved state is of a pattern with other steps or columns")
            .help("thresholds may change between savepoint and restart; the sequence of variables and the columns that conditions and measures read of them may not"));
    }
    Ok(saved)
}

pub(super) fn damaged(what: &str) -> Error {
    Error::state(format!("the state of a pattern is damaged: {what} cannot be read"))
}
