//! Keyed state in ordered maps of bytes, written in files that checkpoints share.
//!
//! A key group is one map from paths to values. A path is the slot (2 bytes, big endian; plus 32768 for named entries) and the
//! key as records have it. A checkpoint shares the maps with the thread that writes it; a map that changes meanwhile is copied
//! first. Several adjacent key groups make a file, whose name has the epoch of their last change, so a checkpoint writes only the
//! files that changed since the last complete one.

use crate::format::{self, Change, Entry, NAMED, Writer, check_slot};
use crate::slots::Slots;
use egret_core::key::hash_key;
use egret_core::{
    Epoch, KeyGroup, KeyedState, OperatorInfo, PartWriter, Result, Snapshot, SnapshotHandle, StateBackend, StateSize, TakeEntry,
};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

/// The number of key groups in a file.
const GROUPS_A_FILE: usize = 16;
/// The length of the slot, with which a path begins.
const SLOT_BYTES: usize = 2;

type Values = BTreeMap<Vec<u8>, Vec<u8>>;

/// Keeps keyed state as bytes, in order. Single values are faster in [`crate::MemoryBackend`].
#[derive(Clone, Copy, Debug, Default)]
pub struct OrderedBackend;

impl StateBackend for OrderedBackend {
    fn name(&self) -> &'static str {
        "ordered"
    }

    fn open(&self, info: &OperatorInfo, restored: Vec<Snapshot>) -> Result<Box<dyn KeyedState>> {
        let groups = usize::from(info.max_parallelism.max(1));
        let mut state = OrderedState {
            groups: vec![Arc::default(); groups],
            changed: vec![0; groups.div_ceil(GROUPS_A_FILE)],
            slots: Slots::default(),
            bytes: 0,
            epoch: 0,
            swept: (0, Vec::new()),
            path: Vec::new(),
        };
        for (group, bytes) in restored.iter().flat_map(|part| &part.keyed) {
            format::decode(bytes, |change| state.take(change))
                .map_err(|error| error.context(format!("key group {}", group.0)))?;
        }
        Ok(Box::new(state))
    }
}

struct OrderedState {
    groups: Vec<Arc<Values>>,
    /// The epoch of the last change in each file.
    changed: Vec<u32>,
    slots: Slots,
    bytes: i64,
    /// The epoch at hand.
    epoch: u32,
    /// The position of the last sweep: the group, and the last path that was looked at.
    swept: (usize, Vec<u8>),
    path: Vec<u8>,
}

fn slot_of(path: &[u8]) -> u16 {
    path.first_chunk().map_or(0, |slot| u16::from_be_bytes(*slot))
}

fn bytes_of(path: &[u8], value: &[u8]) -> i64 {
    (path.len() + value.len()) as i64
}

impl OrderedState {
    /// Sets `path` to that of a value or of a named entry, and returns the group.
    fn locate(&mut self, slot: u16, key: &[u8], name: Option<&[u8]>) -> Result<usize> {
        check_slot(slot)?;
        self.path.clear();
        match name {
            None => {
                self.path.extend_from_slice(&slot.to_be_bytes());
                self.path.extend_from_slice(key);
            }
            Some(name) => {
                self.path.extend_from_slice(&(slot | NAMED).to_be_bytes());
                format::append_named(&mut self.path, key, name)?;
            }
        }
        Ok(usize::from(KeyGroup::of(hash_key(key), self.groups.len() as u16).0))
    }

    /// Sets the value at `path`.
    fn set(&mut self, group: usize, value: &[u8]) {
        self.changed[group / GROUPS_A_FILE] = self.epoch;
        let values = Arc::make_mut(&mut self.groups[group]);
        if let Some(held) = values.get_mut(&self.path) {
            self.bytes += value.len() as i64 - held.len() as i64;
            held.clear();
            held.extend_from_slice(value);
            return;
        }
        values.insert(self.path.clone(), value.to_vec());
        self.bytes += bytes_of(&self.path, value);
        self.slots.add(slot_of(&self.path) & !NAMED, 1);
    }

    /// Removes the value at `path`.
    fn unset(&mut self, group: usize) {
        if !self.groups[group].contains_key(&self.path) {
            return;
        }
        self.changed[group / GROUPS_A_FILE] = self.epoch;
        if let Some(value) = Arc::make_mut(&mut self.groups[group]).remove(&self.path) {
            self.bytes -= bytes_of(&self.path, &value);
            self.slots.add(slot_of(&self.path) & !NAMED, -1);
        }
    }

    fn take(&mut self, change: Change<'_>) -> Result<()> {
        let (Change::Removed { slot, key } | Change::Set(Entry { slot, key, .. })) = change;
        let (key, name) =
            if slot < NAMED { (key, None) } else { format::split_named(key).map(|(key, name)| (key, Some(name)))? };
        let group = self.locate(slot & !NAMED, key, name)?;
        match change {
            Change::Removed { .. } => self.unset(group),
            Change::Set(entry) => self.set(group, entry.value),
        }
        Ok(())
    }
}

impl KeyedState for OrderedState {
    fn get(&mut self, slot: u16, key: &[u8]) -> Result<Option<&[u8]>> {
        let group = self.locate(slot, key, None)?;
        Ok(self.groups[group].get(&self.path).map(Vec::as_slice))
    }

    fn put(&mut self, slot: u16, key: &[u8], value: &[u8]) -> Result<()> {
        let group = self.locate(slot, key, None)?;
        self.set(group, value);
        Ok(())
    }

    fn remove(&mut self, slot: u16, key: &[u8]) -> Result<()> {
        let group = self.locate(slot, key, None)?;
        self.unset(group);
        Ok(())
    }

    fn get_entry(&mut self, slot: u16, key: &[u8], name: &[u8]) -> Result<Option<&[u8]>> {
        let group = self.locate(slot, key, Some(name))?;
        Ok(self.groups[group].get(&self.path).map(Vec::as_slice))
    }

    fn put_entry(&mut self, slot: u16, key: &[u8], name: &[u8], value: &[u8]) -> Result<()> {
        let group = self.locate(slot, key, Some(name))?;
        self.set(group, value);
        Ok(())
    }

    fn remove_entry(&mut self, slot: u16, key: &[u8], name: &[u8]) -> Result<()> {
        let group = self.locate(slot, key, Some(name))?;
        self.unset(group);
        Ok(())
    }

    fn scan(&mut self, slot: u16, key: &[u8], prefix: &[u8], give: &mut TakeEntry<'_>) -> Result<()> {
        let group = self.locate(slot, key, Some(prefix))?;
        let (begins, name_at) = (self.path.as_slice(), self.path.len() - prefix.len());
        let from = (Bound::Included(begins), Bound::Unbounded);
        for (path, value) in self.groups[group].range::<[u8], _>(from).take_while(|(path, _)| path.starts_with(begins)) {
            if !give(&path[name_at..], value)? {
                break;
            }
        }
        Ok(())
    }

    fn sweep(&mut self, values: usize, is_over: &mut dyn FnMut(u16, &[u8]) -> bool) -> Result<()> {
        let mut left = values;
        // Every group is visited at most once, and the first one again up to where the sweep began.
        for _ in 0..=self.groups.len() {
            let (group, from) = std::mem::take(&mut self.swept);
            let mut over = Vec::new();
            let mut last = None;
            for (path, value) in
                self.groups[group].range::<[u8], _>((Bound::Excluded(from.as_slice()), Bound::Unbounded)).take(left)
            {
                left -= 1;
                last = Some(path);
                if is_over(slot_of(path) & !NAMED, value) {
                    over.push(path.clone());
                }
            }
            self.swept = match last.filter(|_| left == 0) {
                Some(last) => (group, last.clone()),
                None => ((group + 1) % self.groups.len(), Vec::new()),
            };
            for path in over {
                self.path = path;
                self.unset(group);
            }
            if left == 0 {
                break;
            }
        }
        Ok(())
    }

    /// The number of keys is that of the slot with the most values.
    fn size(&self) -> StateSize {
        StateSize { keys: self.slots.most(), bytes: self.bytes.unsigned_abs() }
    }

    /// The handle has all state, and shares the files of the checkpoint of the epoch `base`.
    fn snapshot_handle(&mut self, epoch: Epoch, base: Option<Epoch>) -> Result<SnapshotHandle> {
        let (groups, changed) = (self.groups.clone(), self.changed.clone());
        self.epoch = epoch.0.saturating_add(1);
        let write = move |writer: &mut dyn PartWriter| write_files(&groups, &changed, writer);
        Ok(SnapshotHandle::later(None, write).sharing(base))
    }
}

fn write_files(groups: &[Arc<Values>], changed: &[u32], writer: &mut dyn PartWriter) -> Result<()> {
    for (file, groups) in groups.chunks(GROUPS_A_FILE).enumerate() {
        if groups.iter().any(|group| !group.is_empty()) {
            let first = file * GROUPS_A_FILE;
            writer.file(&format!("{first}-{}", changed[file]), &mut |writer| write_groups(groups, first, writer))?;
        }
    }
    Ok(())
}

fn write_groups(groups: &[Arc<Values>], first: usize, writer: &mut dyn PartWriter) -> Result<()> {
    for (values, number) in groups.iter().zip(first..).filter(|(values, _)| !values.is_empty()) {
        let mut record = Writer::whole();
        for (path, value) in values.iter() {
            record.push(Entry { slot: slot_of(path), key: &path[SLOT_BYTES..], value })?;
        }
        writer.keyed(KeyGroup(number as u16), record.finish())?;
    }
    Ok(())
}
