//! State as bytes, by key group.
//!
//! # Format
//! One entry per key group: a byte `3`, the version; then, in postcard, the fields of [`Saved`]. Rows are Arrow IPC streams of
//! those columns of the input that are read, by name: the stored rows of the partitions, one partition after the other, and the
//! buffered rows. Computed columns and threads are not saved: after a restore the search of a partition starts over at the first
//! row at which a match may still start, and evaluates its rows under the new plan. A pattern without partition columns has one
//! entry, which is the first instance's.

use super::partition::Partition;
use super::state::RowState;
use crate::kept::store::RowRef;
use crate::plan::row_plan::RowPlan;
use arrow::array::{ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::SchemaRef;
use egret_core::key::{Key, RowKeys};
use egret_core::saved::{column, unread};
use egret_core::{Error, KeyGroup, Result, Snapshot, ipc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

const VERSION: u8 = 3;

/// The state of a key group.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Saved {
    partitions: Vec<SavedPartition>,
    /// The rows of the partitions.
    rows: Vec<u8>,
    /// Buffered rows.
    waiting: Vec<u8>,
}

#[derive(Debug, Serialize, Deserialize)]
struct SavedPartition {
    key: Key,
    rows: u32,
    /// The position of the first stored row.
    base: u64,
    origin: u64,
    shown: u64,
    matched_to: u64,
    matches: u64,
    /// The time until which it is put aside.
    aside: Option<i64>,
}

/// An entry being collected.
#[derive(Default)]
struct Group {
    saved: Saved,
    rows: Vec<RowRef>,
}

impl RowState {
    /// All state that must survive a restart.
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
                aside: of.aside,
            });
        }
        for (key_group, rows) in self.waiting_by(plan, max_parallelism)? {
            groups.entry(key_group).or_default().saved.waiting = ipc::encode_rows(&rows)?;
        }
        let mut snapshot = Snapshot::default();
        for (key_group, Group { mut saved, rows }) in groups {
            if !rows.is_empty() {
                saved.rows = ipc::encode_rows(&[self.saved_rows(plan, &rows)?])?;
            }
            let bytes = postcard::to_extend(&saved, vec![VERSION])?;
            if plan.partition.is_empty() {
                snapshot.first.push(bytes);
            } else {
                snapshot.keyed.push((key_group, bytes));
            }
        }
        Ok(snapshot)
    }

    /// Stored rows with the columns of the input that are read.
    fn saved_rows(&self, plan: &RowPlan, rows: &[RowRef]) -> Result<RecordBatch> {
        let places: Vec<Option<RowRef>> = rows.iter().copied().map(Some).collect();
        let columns = plan.saved.iter().map(|(_, stored)| self.store.gather(*stored, &places, None)).collect::<Result<_>>()?;
        let schema = plan.input.arrow().project(&plan.input_columns())?;
        Ok(RecordBatch::try_new(Arc::new(schema), columns)?)
    }

    fn waiting_by(&self, plan: &RowPlan, max_parallelism: u16) -> Result<BTreeMap<KeyGroup, Vec<RecordBatch>>> {
        let mut parts: BTreeMap<KeyGroup, Vec<RecordBatch>> = BTreeMap::new();
        let columns = plan.input_columns();
        for rows in self.arrivals.rows()? {
            let keys = RowKeys::of(&rows, &plan.partition)?;
            let rows = rows.project(&columns)?;
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

    /// Restores the state that earlier instances saved.
    pub(crate) fn restore(&mut self, plan: &RowPlan, parts: Vec<Snapshot>) -> Result<()> {
        for part in parts {
            for bytes in part.keyed.into_iter().map(|(_, bytes)| bytes).chain(part.first) {
                let saved = decode(&bytes)?;
                for rows in ipc::decode_rows(&saved.waiting)? {
                    self.arrivals.add(plan, of_input(plan, &rows)?);
                }
                self.load(plan, saved)?;
            }
        }
        self.settle(plan)
    }

    fn load(&mut self, plan: &RowPlan, saved: Saved) -> Result<()> {
        let count: usize = saved.partitions.iter().map(|partition| partition.rows as usize).sum();
        let rows = match ipc::decode_rows(&saved.rows)?.as_slice() {
            [] if count == 0 => RecordBatch::new_empty(SchemaRef::clone(plan.input.arrow())),
            [rows] if rows.num_rows() == count => of_input(plan, rows)?,
            _ => return Err(damaged("its rows")),
        };
        let mut partitions = Vec::with_capacity(saved.partitions.len());
        for one in saved.partitions {
            if one.origin > one.base + u64::from(one.rows) || one.origin < one.base {
                return Err(damaged("a partition"));
            }
            let mut partition = Partition::new(one.key);
            partition.rows.base = one.base;
            (partition.origin, partition.shown) = (one.origin, one.shown);
            (partition.matched_to, partition.matches) = (one.matched_to, one.matches);
            partition.aside = one.aside;
            partition.start_over();
            partitions.push((partition, one.rows));
        }
        for place in self.take_up_saved(plan, &rows, partitions)? {
            self.search(plan, place, false)?;
        }
        Ok(())
    }
}

/// Saved rows with all columns of the input; columns that are not read have arbitrary values.
fn of_input(plan: &RowPlan, rows: &RecordBatch) -> Result<RecordBatch> {
    let read = plan.input_columns();
    let fields = plan.input.arrow().fields().iter().enumerate();
    let columns = fields.map(|(index, field)| match read.contains(&index) {
        true => column(rows, field, field.name()),
        false => unread(field, rows.num_rows()),
    });
    Ok(RecordBatch::try_new(SchemaRef::clone(plan.input.arrow()), columns.collect::<Result<Vec<ArrayRef>>>()?)?)
}

fn decode(bytes: &[u8]) -> Result<Saved> {
    let Some((&VERSION, rest)) = bytes.split_first() else {
        let version = bytes.first();
        return Err(Error::job(format!("the state of a row pattern has version {version:?}, this program reads {VERSION}"))
            .help("restore with the version of Egret that wrote the state"));
    };
    postcard::from_bytes(rest).map_err(|_| damaged("an entry"))
}

fn damaged(what: &str) -> Error {
    Error::state(format!("the state of a row pattern is damaged: {what} cannot be read"))
}
