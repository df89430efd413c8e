//! Keyed state in memory.
//!
//! Each key group has an index of its own (so the growth of an index never stops the operator for long) and keeps its entries in
//! pages. A snapshot shares the pages, at a cost proportional to their number; the operator copies a shared page before it writes
//! to it. Every entry has the epoch of its last change, so the changes since an older checkpoint are found by a scan, whether or
//! not the checkpoints in between were completed.

mod cells;
mod group;

use crate::format::{self, Change, Entry, NAMED, check_slot};
use crate::slots::Slots;
use cells::Place;
use egret_core::key::{DEFAULT_MAX_PARALLELISM, hash_key};
use egret_core::{
    Epoch, KeyGroup, KeyedState, OperatorInfo, Result, Snapshot, SnapshotHandle, StateBackend, StateSize, TakeEntry,
};
use group::{FrozenGroup, Group, Growth, index_hash};

/// The approximate bytes of an entry in the index.
const INDEX_BYTES: i64 = 12;
/// The number of removals that are remembered even if there is little state.
const REMOVED_MIN: u64 = 1_024;
/// The number of keys that are looked up together.
const LOOKAHEAD: usize = 16;

/// Keeps keyed state in memory. The default backend.
#[derive(Clone, Copy, Debug, Default)]
pub struct MemoryBackend;

impl StateBackend for MemoryBackend {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn open(&self, info: &OperatorInfo, restored: Vec<Snapshot>) -> Result<Box<dyn KeyedState>> {
        let mut state = MemoryState::new(info.max_parallelism);
        state.restore(&restored)?;
        Ok(Box::new(state))
    }
}

/// Keyed state in memory.
///
/// ```
/// use egret_core::{Epoch, KeyedState};
/// use egret_state::MemoryState;
/// let mut state = MemoryState::default();
/// state.put(0, b"card 7", &[1])?;
/// assert_eq!(state.get(0, b"card 7")?, Some(&[1][..]));
///
/// // At the end of the first epoch everything is written, at that of the second what has changed.
/// let whole = state.snapshot_handle(Epoch(1), None)?;
/// state.put(0, b"card 8", &[2])?;
/// let changes = state.snapshot_handle(Epoch(2), Some(Epoch(1)))?;
/// let mut restored = MemoryState::default();
/// restored.restore(&[whole.encode()?, changes.encode()?])?;
/// assert_eq!(restored.get(0, b"card 7")?, Some(&[1][..]));
/// assert_eq!(restored.get(0, b"card 8")?, Some(&[2][..]));
/// # Ok::<(), egret_core::Error>(())
/// ```
///
/// # Contract
/// A snapshot holds every value once, in the key group of its key's hash.
#[derive(Debug)]
pub struct MemoryState {
    groups: Vec<Group>,
    slots: Slots,
    bytes: i64,
    /// The epoch at hand; 0 before the first one ends.
    epoch: u32,
    /// The epoch since whose end all changes are known; `None` before the first one has ended.
    known_since: Option<u32>,
    /// The number of removals that are remembered.
    removed: u64,
    /// The position of the last sweep: the group, and the cell in it.
    swept: (usize, (usize, u32)),
    last: Last,
    /// The path of a named entry (see [`Group`]), reused from call to call.
    path: Vec<u8>,
}

/// The value that was read last, which most likely is written next.
#[derive(Debug, Default)]
struct Last {
    slot: u16,
    key: Vec<u8>,
    /// The group and the cell; `None` once they may have changed.
    place: Option<(usize, Place)>,
}

impl Default for MemoryState {
    fn default() -> Self {
        Self::new(DEFAULT_MAX_PARALLELISM)
    }
}

impl MemoryState {
    /// Empty state of a job with this many key groups.
    pub fn new(max_parallelism: u16) -> Self {
        let groups = (0..max_parallelism.max(1)).map(|_| Group::default()).collect();
        Self {
            groups,
            slots: Slots::default(),
            bytes: 0,
            epoch: 0,
            known_since: None,
            removed: 0,
            swept: (0, (0, 0)),
            last: Last::default(),
            path: Vec::new(),
        }
    }

    /// Restores the snapshots that [`StateBackend::open`] gets.
    ///
    /// # Errors
    /// A record does not decode.
    pub fn restore(&mut self, parts: &[Snapshot]) -> Result<()> {
        for (group, bytes) in parts.iter().flat_map(|part| &part.keyed) {
            let take = |change: Change<'_>| match change {
                Change::Removed { slot, key } => self.remove_stored(slot, key),
                Change::Set(Entry { slot, key, value }) if slot < NAMED => self.put(slot, key, value),
                Change::Set(Entry { slot, key, value }) => {
                    let (key, name) = format::split_named(key)?;
                    self.put_entry(slot & !NAMED, key, name, value)
                }
            };
            format::decode(bytes, take).map_err(|error| error.context(format!("key group {}", group.0)))?;
        }
        Ok(())
    }

    /// The number of a key's group, and the hash in the group's index.
    fn locate(&self, slot: u16, key: &[u8]) -> (usize, u32) {
        let hash = hash_key(key);
        (usize::from(KeyGroup::of(hash, self.groups.len() as u16).0), index_hash(hash, slot))
    }

    fn grow(&mut self, slot: u16, growth: Growth) {
        self.bytes += growth.bytes + growth.entries * INDEX_BYTES;
        if growth.entries != 0 {
            self.slots.add(slot, growth.entries);
        }
    }

    /// Sets `path` to that of a named entry, and returns the group.
    fn locate_named(&mut self, slot: u16, key: &[u8], name: &[u8]) -> Result<usize> {
        check_slot(slot)?;
        self.path.clear();
        self.path.extend_from_slice(&slot.to_be_bytes());
        format::append_named(&mut self.path, key, name)?;
        Ok(usize::from(KeyGroup::of(hash_key(key), self.groups.len() as u16).0))
    }

    /// Removes a value or a named entry, whose slot and key are as in a record.
    fn remove_stored(&mut self, slot: u16, key: &[u8]) -> Result<()> {
        if slot < NAMED {
            return self.remove(slot, key);
        }
        let (key, name) = format::split_named(key)?;
        self.remove_entry(slot & !NAMED, key, name)
    }

    fn removed(&mut self, slot: u16, growth: Growth) {
        self.grow(slot, growth);
        self.removed += u64::from(self.known_since.is_some());
        self.forget_if_much();
    }

    /// Forgets removals when they outnumber the values. The next delta is then upon no epoch before the one at hand.
    fn forget_if_much(&mut self) {
        if self.removed > REMOVED_MIN.max(self.slots.all()) {
            for group in &mut self.groups {
                group.forget_removed(u32::MAX);
            }
            self.removed = 0;
            self.known_since = Some(self.epoch);
        }
    }

    fn frozen(&self, base: Option<u32>) -> Vec<FrozenGroup> {
        self.groups.iter().zip(0..).map(|(group, number)| group.freeze(KeyGroup(number), base)).collect()
    }
}

impl KeyedState for MemoryState {
    fn get(&mut self, slot: u16, key: &[u8]) -> Result<Option<&[u8]>> {
        let (group, hash) = self.locate(slot, key);
        let Some((place, value)) = self.groups[group].get(hash, slot, key) else { return Ok(None) };
        self.last.slot = slot;
        self.last.place = Some((group, place));
        self.last.key.clear();
        self.last.key.extend_from_slice(key);
        Ok(Some(value))
    }

    fn put(&mut self, slot: u16, key: &[u8], value: &[u8]) -> Result<()> {
        if let Some((group, place)) = self.last.place
            && self.last.slot == slot
            && self.last.key == key
            && self.groups[group].replace(place, self.epoch, value)
        {
            return Ok(());
        }
        self.last.place = None;
        check_slot(slot)?;
        let (group, hash) = self.locate(slot, key);
        let growth = self.groups[group].put(hash, self.epoch, Entry { slot, key, value })?;
        if growth != Growth::default() {
            self.grow(slot, growth);
        }
        Ok(())
    }

    fn remove(&mut self, slot: u16, key: &[u8]) -> Result<()> {
        self.last.place = None;
        check_slot(slot)?;
        let (group, hash) = self.locate(slot, key);
        let epoch = self.known_since.map(|_| self.epoch);
        if let Some(growth) = self.groups[group].remove(hash, slot, key, epoch) {
            self.removed(slot, growth);
        }
        Ok(())
    }

    fn get_entry(&mut self, slot: u16, key: &[u8], name: &[u8]) -> Result<Option<&[u8]>> {
        let group = self.locate_named(slot, key, name)?;
        Ok(self.groups[group].get_named(&self.path))
    }

    fn put_entry(&mut self, slot: u16, key: &[u8], name: &[u8], value: &[u8]) -> Result<()> {
        self.last.place = None;
        let group = self.locate_named(slot, key, name)?;
        let growth = self.groups[group].put_named(self.epoch, slot, &self.path, value)?;
        self.grow(slot, growth);
        Ok(())
    }

    fn remove_entry(&mut self, slot: u16, key: &[u8], name: &[u8]) -> Result<()> {
        self.last.place = None;
        let group = self.locate_named(slot, key, name)?;
        let epoch = self.known_since.map(|_| self.epoch);
        if let Some(growth) = self.groups[group].remove_named(slot, &self.path, epoch) {
            self.removed(slot, growth);
        }
        Ok(())
    }

    fn scan(&mut self, slot: u16, key: &[u8], prefix: &[u8], give: &mut TakeEntry<'_>) -> Result<()> {
        let group = self.locate_named(slot, key, prefix)?;
        self.groups[group].scan(&self.path, self.path.len() - prefix.len(), give)
    }

    fn prefetch(&mut self, slot: u16, keys: &mut dyn Iterator<Item = &[u8]>) {
        let mut near = 0_u8;
        loop {
            let mut found = [None; LOOKAHEAD];
            let mut count = 0;
            for (found, key) in found.iter_mut().zip(std::iter::from_fn(|| keys.next())) {
                let (group, hash) = self.locate(slot, key);
                *found = self.groups[group].probe(hash).map(|place| (group, place));
                count += 1;
            }
            for (group, place) in found.into_iter().flatten() {
                near ^= self.groups[group].touch(place);
            }
            if count < LOOKAHEAD {
                break;
            }
        }
        std::hint::black_box(near);
    }

    fn sweep(&mut self, values: usize, is_over: &mut dyn FnMut(u16, &[u8]) -> bool) -> Result<()> {
        let mut left = values;
        // Every group is visited at most once, and the first one again up to where the sweep began.
        for _ in 0..=self.groups.len() {
            let (group, from) = self.swept;
            let (over, next) = self.groups[group].find_over(from, &mut left, is_over);
            self.swept = next.map_or(((group + 1) % self.groups.len(), (0, 0)), |next| (group, next));
            over.iter().try_for_each(|(slot, key)| self.remove_stored(*slot, key))?;
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

    fn snapshot_handle(&mut self, epoch: Epoch, base: Option<Epoch>) -> Result<SnapshotHandle> {
        let base = base.filter(|base| self.known_since.is_some_and(|since| base.0 >= since));
        let frozen = self.frozen(base.map(|base| base.0));
        if let Some(base) = base {
            self.removed = self.groups.iter_mut().map(|group| group.forget_removed(base.0) as u64).sum();
        }
        self.epoch = epoch.0.saturating_add(1);
        self.known_since.get_or_insert(epoch.0);
        Ok(SnapshotHandle::later(base, move |writer| frozen.into_iter().try_for_each(|group| group.write(writer))))
    }
}

#[cfg(test)]
mod tests;
