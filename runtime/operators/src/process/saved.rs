//! Encodes the timers and waiting rows of a process function: one entry for each key group.
//!
//! The first byte is the version; [`Saved`] follows in postcard's encoding. Rows are stored in columns, one Arrow stream for each
//! input, so there is no overhead for each waiting row.

use super::context::Timers;
use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, take_record_batch};
use egret_core::key::{KeyColumns, KeyGroup, hash_key, hash_keys};
use egret_core::{Error, Result, Snapshot, ipc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version of the format. Version 1 had an entry for each timer and each row.
const VERSION: u8 = 2;

/// The timers and rows of a key group.
#[derive(Default, Serialize, Deserialize)]
struct Saved {
    /// Event-time timers: time and key.
    timers: Vec<(i64, Vec<u8>)>,
    /// Processing-time timers.
    processing: Vec<(i64, Vec<u8>)>,
    /// Rows that wait for the watermark, by input.
    waiting: Vec<(u32, Vec<u8>)>,
}

/// A key group that is being encoded.
#[derive(Default)]
struct Group {
    saved: Saved,
    rows: BTreeMap<usize, Vec<RecordBatch>>,
}

/// Collects the timers and rows of an instance.
pub(super) struct Saver {
    groups: BTreeMap<KeyGroup, Group>,
    max_parallelism: u16,
}

impl Saver {
    pub(super) fn new(max_parallelism: u16) -> Self {
        Self { groups: BTreeMap::new(), max_parallelism }
    }

    fn of_key(&mut self, key: &[u8]) -> &mut Saved {
        &mut self.groups.entry(KeyGroup::of(hash_key(key), self.max_parallelism)).or_default().saved
    }

    pub(super) fn timers(&mut self, timers: &Timers) {
        for (time, key) in &timers.event {
            self.of_key(key).timers.push((*time, key.clone()));
        }
        for (time, key) in &timers.processing {
            self.of_key(key).processing.push((*time, key.clone()));
        }
    }

    /// Adds waiting rows.
    pub(super) fn waiting(&mut self, input: usize, rows: &RecordBatch, keys: &KeyColumns) -> Result<()> {
        let mut hashes = Vec::new();
        hash_keys(&keys.of(rows), rows.num_rows(), &mut hashes)?;
        let group = |row: u32| KeyGroup::of(hashes[row as usize], self.max_parallelism);
        let mut order: Vec<u32> = (0..u32::try_from(hashes.len()).map_err(|_| Error::bug("over 4 billion rows wait"))?).collect();
        order.sort_by_key(|&row| group(row));
        let sorted = take_record_batch(rows, &UInt32Array::from(order.clone()))?;
        let mut begin = 0;
        for of_group in order.chunk_by(|&a, &b| group(a) == group(b)) {
            let part = sorted.slice(begin, of_group.len());
            begin += of_group.len();
            self.groups.entry(group(of_group[0])).or_default().rows.entry(input).or_default().push(part);
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Result<Snapshot> {
        let entry = |(group, Group { mut saved, rows }): (KeyGroup, Group)| {
            for (input, batches) in rows {
                saved.waiting.push((input as u32, ipc::encode_rows(&batches)?));
            }
            Ok((group, postcard::to_extend(&saved, vec![VERSION])?))
        };
        let keyed = self.groups.into_iter().map(entry).collect::<Result<_>>()?;
        Ok(Snapshot { keyed, ..Snapshot::default() })
    }
}

/// Restores timers, and returns the waiting rows of each input.
pub(super) fn restore(parts: Vec<Snapshot>, timers: &mut Timers, inputs: usize) -> Result<Vec<Option<RecordBatch>>> {
    let mut waiting: Vec<Vec<RecordBatch>> = vec![Vec::new(); inputs];
    for (_, bytes) in parts.into_iter().flat_map(|part| part.keyed) {
        let [VERSION, rest @ ..] = bytes.as_slice() else {
            return Err(Error::state("the state of a process function has a version that this program does not read"));
        };
        let saved: Saved = postcard::from_bytes(rest)?;
        timers.event.extend(saved.timers);
        timers.processing.extend(saved.processing);
        for (input, rows) in saved.waiting {
            let of_input = waiting.get_mut(input as usize);
            let of_input =
                of_input.ok_or_else(|| Error::state("the state of a process function has rows of an input that it has not"))?;
            of_input.extend(ipc::decode_rows(&rows)?);
        }
    }
    let whole = |batches: Vec<RecordBatch>| -> Result<Option<RecordBatch>> {
        let Some(first) = batches.first() else { return Ok(None) };
        Ok(Some(concat_batches(&first.schema(), &batches)?))
    };
    waiting.into_iter().map(whole).collect()
}
