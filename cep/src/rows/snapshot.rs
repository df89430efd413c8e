//! State as bytes, by key group.
//!
//! # Format
//! One entry a key group: a byte `1`, the version; then, in postcard, the plan's fingerprint and the fields of [`Saved`]. Rows
//! are Arrow IPC streams: those of the partitions, one behind the other, with all columns of a segment; and those whose turn has
//! not come. The beginnings of matches are not saved: the search of a partition starts over at its first row that may still start
//! a match, and finds them again. Of a pattern without partition columns the one entry is operator state, which the first instance
//! takes up.

use super::partition::Partition;
use super::plan::RowPlan;
use super::state::RowState;
use super::store::RowRef;
use crate::matcher::{Key, RowKeys};
use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::SchemaRef;
use egret_core::{Error, KeyGroup, Result, Snapshot, ipc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const VERSION: u8 = 1;

/// The state of the keys of one group.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Saved {
    fingerprint: u64,
    partitions: Vec<SavedPartition>,
    /// The rows of the partitions.
    rows: Vec<u8>,
    /// Rows whose turn has not come.
    waiting: Vec<u8>,
}

#[derive(Debug, Serialize, Deserialize)]
struct SavedPartition {
    key: Key,
    rows: u32,
    /// The position of the first row kept.
    base: u64,
    origin: u64,
    shown: u64,
    matched_to: u64,
    matches: u64,
}

/// What goes into an entry.
#[derive(Default)]
struct Group {
    saved: Saved,
    rows: Vec<RowRef>,
}

impl RowState {
    /// Everything that must survive.
    pub(crate) fn snapshot(&self, plan: &RowPlan, max_parallelism: u16) -> Result<Snapshot> {
        let mut groups: BTreeMap<KeyGroup, Group> = BTreeMap::new();
        for place in self.live() {
            let of = self.partition(place)?;
            let group = groups.entry(KeyGroup::of(of.key.hash(), max_parallelism)).or_default();
            group.rows.extend(&of.rows.list);
            group.saved.partitions.push(SavedPartition {
                key: of.key.clone(),
                rows: of.rows.list.len() as u32,
                base: of.rows.base,
                origin: of.origin,
                shown: of.shown,
                matched_to: of.matched_to,
                matches: of.matches,
            });
        }
        for (key_group, rows) in self.waiting_by(plan, max_parallelism)? {
            groups.entry(key_group).or_default().saved.waiting = ipc::encode_rows(&rows)?;
        }
        let mut snapshot = Snapshot::default();
        for (key_group, Group { mut saved, rows }) in groups {
            saved.fingerprint = plan.fingerprint;
            if !rows.is_empty() {
                saved.rows = ipc::encode_rows(&[self.store.gather_rows(&rows)?])?;
            }
            let bytes = postcard::to_extend(&saved, vec![VERSION])?;
            if plan.partition.is_empty() {
                snapshot.operator.push(bytes);
            } else {
                snapshot.keyed.push((key_group, bytes));
            }
        }
        Ok(snapshot)
    }

    fn waiting_by(&self, plan: &RowPlan, max_parallelism: u16) -> Result<BTreeMap<KeyGroup, Vec<RecordBatch>>> {
        let mut parts: BTreeMap<KeyGroup, Vec<RecordBatch>> = BTreeMap::new();
        for rows in self.arrivals.rows()? {
            let keys = RowKeys::of(&rows, &plan.partition)?;
            let mut of_group: BTreeMap<KeyGroup, Vec<u32>> = BTreeMap::new();
            for row in 0..rows.num_rows() {
                let key_group = KeyGroup::of(keys.key(row)?.hash(), max_parallelism);
                of_group.entry(key_group).or_default().push(row as u32);
            }
            for (key_group, indexes) in of_group {
                parts.entry(key_group).or_default().push(take_record_batch(&rows, &UInt32Array::from(indexes))?);
            }
        }
        Ok(parts)
    }

    /// Takes up what instances before had.
    pub(crate) fn restore(&mut self, plan: &RowPlan, parts: Vec<Snapshot>, is_first: bool) -> Result<()> {
        for part in parts {
            let operator = part.operator.into_iter().filter(|_| is_first);
            for bytes in part.keyed.into_iter().map(|(_, bytes)| bytes).chain(operator) {
                let saved = decode(plan, &bytes)?;
                let waiting = ipc::decode_rows(&saved.waiting)?;
                if !waiting.is_empty() {
                    self.arrivals.add(plan, concat_batches(plan.input.arrow(), &waiting)?);
                }
                self.load(plan, saved)?;
            }
        }
        self.settle(plan)
    }

    fn load(&mut self, plan: &RowPlan, saved: Saved) -> Result<()> {
        let count: usize = saved.partitions.iter().map(|partition| partition.rows as usize).sum();
        let rows = ipc::decode_rows(&saved.rows)?;
        let segment = match rows.as_slice() {
            [] if count == 0 => 0,
            [rows] if rows.num_rows() == count => {
                let schema = SchemaRef::clone(&self.store.shape.schema);
                let rows =
                    RecordBatch::try_new(schema, rows.columns().to_vec()).map_err(|_| damaged("the columns of its rows"))?;
                self.store.add_rows(rows, count)?
            }
            _ => return Err(damaged("its rows")),
        };
        let mut from = 0;
        for one in saved.partitions {
            let end = one.base + u64::from(one.rows);
            if one.origin > end || one.origin < one.base {
                return Err(damaged("a partition"));
            }
            let mut partition = Partition::new(one.key);
            partition.rows.base = one.base;
            partition.rows.list.extend((from..from + one.rows).map(|row| RowRef { segment, row }));
            from += one.rows;
            (partition.origin, partition.shown) = (one.origin, one.shown);
            (partition.matched_to, partition.matches) = (one.matched_to, one.matches);
            partition.start_over();
            let place = self.add(partition);
            self.search(plan, place, false)?;
        }
        Ok(())
    }
}

fn decode(plan: &RowPlan, bytes: &[u8]) -> Result<Saved> {
    let Some((&VERSION, rest)) = bytes.split_first() else {
        let version = bytes.first();
        return Err(Error::job(format!("the state of a row pattern has version {version:?}, this program reads {VERSION}"))
            .help("restore with the version of Egret that wrote the state"));
    };
    let saved: Saved = postcard::from_bytes(rest)?;
    if saved.fingerprint != plan.fingerprint {
        return Err(Error::job("the saved state is of a row pattern with other variables or columns")
            .help("thresholds may change between savepoint and restart; PATTERN, PARTITION BY, ORDER BY and the columns that definitions and measures read may not"));
    }
    Ok(saved)
}

fn damaged(what: &str) -> Error {
    Error::state(format!("the state of a row pattern is damaged: {what} cannot be read"))
}
