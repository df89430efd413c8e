//! State as bytes, by key group.
//!
//! # Format
//! One entry per key group: a byte `4`, the version; then, in postcard, the fields of [`Saved`](super::saved::Saved). Rows are
//! Arrow IPC streams, with the names and types of the stream's columns. Buffered rows are saved without masks, which are computed
//! anew at restore. A link of a chain names its predecessor and its event by their places in the entry's lists; the predecessor
//! always comes first. A pattern without partition columns has one entry, which is the first
//! instance's.
//!
//! Nodes, edges and variables are saved by their numbers in the automaton; the fingerprint guarantees that the numbers mean the
//! same.

use super::partial::{Held, Run};
use super::saved::{SavedHeld, SavedKey, SavedRun};
use super::saver::Saver;
use super::sets::SavedSets;
use super::state::State;
use crate::plan::pattern_plan::Plan;
use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use egret_core::key::{Key, RowKeys};
use egret_core::{KeyGroup, Result, Snapshot, ipc};
use std::collections::BTreeMap;

impl State {
    /// All state that must survive a restart.
    pub(crate) fn snapshot(&self, plan: &Plan, max_parallelism: u16) -> Result<Snapshot> {
        let mut groups: BTreeMap<KeyGroup, Saver> = BTreeMap::new();
        let group = |key: &Key| KeyGroup::of(key.hash(), max_parallelism);
        let fingerprint = plan.fingerprint();
        let new = || Saver::new(fingerprint, self.reached);
        for place in self.kept.keys.live() {
            key(groups.entry(group(&self.kept.keys.states[place].key)).or_insert_with(new), self, place);
        }
        for (key_group, rows) in self.waiting_by(plan, group)? {
            groups.entry(key_group).or_insert_with(new).saved.waiting = ipc::encode_rows(&rows)?;
        }
        let mut snapshot = Snapshot::default();
        for (key_group, saver) in groups {
            let bytes = saver.bytes(&self.kept.store)?;
            if plan.keys.is_empty() {
                snapshot.first.push(bytes);
            } else {
                snapshot.keyed.push((key_group, bytes));
            }
        }
        Ok(snapshot)
    }

    /// The buffered rows of each key group, without their masks.
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

fn key(saver: &mut Saver, state: &State, place: u32) {
    let of = &state.kept.keys.states[place];
    let runs = of.runs.iter().map(|run| {
        let Run { node, open, start, start_time, last_time, .. } = *run;
        SavedRun { chain: saver.chain(&state.kept.store, run.chain), node, open, start, start_time, last_time }
    });
    let runs = runs.collect();
    let held = of.held.iter().map(|held| {
        let Held { start, time, moment, .. } = *held;
        SavedHeld { chain: saver.chain(&state.kept.store, held.chain), start, time, moment }
    });
    let held = held.collect();
    let sets = of.runs.sets().map(|sets| SavedSets::of(saver, &state.kept.store, sets));
    let window = state.windows.get(place).map(|window| (window.count, window.starts.iter().copied().collect()));
    let aside = of.runs.aside().cloned();
    saver.saved.keys.push(SavedKey { key: of.key.clone(), runs, held, sets, window, aside });
}
