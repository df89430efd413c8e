//! Keyed state in memory.
//!
//! Each key group has an index of its own (so that no index that grows holds up the operator for long) and keeps its entries in
//! pages. State is frozen by sharing the pages: that takes no longer than to count them; the operator then copies each page that it
//! writes to while the writer still reads it. Every entry knows in which epoch it changed last, so what has changed since an
//! older checkpoint is found by looking, whether or not the checkpoints between the two were completed.

mod cells;
mod group;

use crate::format::{self, Change, Entry};
use cells::Place;
use egret_core::key::{DEFAULT_MAX_PARALLELISM, hash_key};
use egret_core::{Epoch, Error, KeyGroup, KeyedState, Result, Snapshot, SnapshotHandle, StateSize};
use group::{FrozenGroup, Group, Growth, index_hash};

/// What an entry's share of the index takes, about.
const INDEX_BYTES: i64 = 12;
/// How many removals are remembered however little state there is.
const REMOVED_MIN: u64 = 1_024;
/// How many keys are looked up together.
const LOOKAHEAD: usize = 16;

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
/// restored.restore(vec![whole.encode()?, changes.encode()?])?;
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
    /// How many entries each slot has.
    entries: Vec<(u16, i64)>,
    bytes: i64,
    /// The epoch that changes are of; 0 before the first one ends.
    epoch: u32,
    /// Changes are known since the end of this epoch; none before the first one has ended.
    known_since: Option<u32>,
    /// How many removals are remembered.
    removed: u64,
    /// Where the last look at what may be over stopped: the group, and the cell in it.
    swept: (usize, (usize, u32)),
    last: Last,
}

/// What was read last, which is most likely what is written next.
#[derive(Debug, Default)]
struct Last {
    slot: u16,
    key: Vec<u8>,
    /// The group and the cell; none if that may have changed.
    place: Option<(usize, Place)>,
}

impl Default for MemoryState {
    fn default() -> Self {
        Self::new(DEFAULT_MAX_PARALLELISM)
    }
}

impl MemoryState {
    /// No state yet, for a job with this many key groups.
    pub fn new(max_parallelism: u16) -> Self {
        let groups = (0..max_parallelism.max(1)).map(|_| Group::default()).collect();
        Self {
            groups,
            entries: Vec::new(),
            bytes: 0,
            epoch: 0,
            known_since: None,
            removed: 0,
            swept: (0, (0, 0)),
            last: Last::default(),
        }
    }

    /// The number of a key's group, and what the group's index goes by.
    fn locate(&self, slot: u16, key: &[u8]) -> (usize, u32) {
        let hash = hash_key(key);
        (usize::from(KeyGroup::of(hash, self.groups.len() as u16).0), index_hash(hash, slot))
    }

    fn grow(&mut self, slot: u16, growth: Growth) {
        self.bytes += growth.bytes + growth.entries * INDEX_BYTES;
        if growth.entries == 0 {
            return;
        }
        match self.entries.iter_mut().find(|(of, _)| *of == slot) {
            Some((_, entries)) => *entries += growth.entries,
            None => self.entries.push((slot, growth.entries)),
        }
    }

    /// More is remembered of what is gone than there is: the next delta is not upon anything older than now.
    fn forget_if_much(&mut self) {
        let live: i64 = self.entries.iter().map(|(_, entries)| entries).sum();
        if self.removed > REMOVED_MIN.max(live.unsigned_abs()) {
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

fn encode(groups: Vec<FrozenGroup>) -> Result<Snapshot> {
    let mut keyed = Vec::new();
    for group in groups {
        let number = group.group;
        keyed.extend(group.encode()?.map(|bytes| (number, bytes)));
    }
    Ok(Snapshot { keyed, ..Snapshot::default() })
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
        if slot == u16::MAX {
            return Err(Error::job("state cannot have slot 65535").help("number the states of a function from 0 on"));
        }
        let (group, hash) = self.locate(slot, key);
        let growth = self.groups[group].put(hash, self.epoch, Entry { slot, key, value })?;
        if growth != Growth::default() {
            self.grow(slot, growth);
        }
        Ok(())
    }

    fn remove(&mut self, slot: u16, key: &[u8]) -> Result<()> {
        self.last.place = None;
        if slot == u16::MAX {
            return Err(Error::job("state cannot have slot 65535").help("number the states of a function from 0 on"));
        }
        let (group, hash) = self.locate(slot, key);
        let epoch = self.known_since.map(|_| self.epoch);
        if let Some(growth) = self.groups[group].remove(hash, slot, key, epoch) {
            self.grow(slot, growth);
            self.removed += u64::from(epoch.is_some());
            self.forget_if_much();
        }
        Ok(())
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
        // Each group once at most.
        for _ in 0..=self.groups.len() {
            let (group, from) = self.swept;
            let (over, next) = self.groups[group].find_over(from, &mut left, is_over);
            self.swept = next.map_or(((group + 1) % self.groups.len(), (0, 0)), |next| (group, next));
            over.iter().try_for_each(|(slot, key)| self.remove(*slot, key))?;
            if left == 0 {
                break;
            }
        }
        Ok(())
    }

    /// Keys are those of the slot that has most.
    fn size(&self) -> StateSize {
        let keys = self.entries.iter().map(|(_, entries)| *entries).max().unwrap_or(0);
        StateSize { keys: keys.unsigned_abs(), bytes: self.bytes.unsigned_abs() }
    }

    fn snapshot(&mut self) -> Result<Snapshot> {
        encode(self.frozen(None))
    }

    fn snapshot_handle(&mut self, epoch: Epoch, base: Option<Epoch>) -> Result<SnapshotHandle> {
        let base = base.filter(|base| self.known_since.is_some_and(|since| base.0 >= since));
        let frozen = self.frozen(base.map(|base| base.0));
        if let Some(base) = base {
            self.removed = self.groups.iter_mut().map(|group| group.forget_removed(base.0) as u64).sum();
        }
        self.epoch = epoch.0.saturating_add(1);
        self.known_since.get_or_insert(epoch.0);
        Ok(SnapshotHandle::later(base, move || encode(frozen)))
    }

    fn restore(&mut self, parts: Vec<Snapshot>) -> Result<()> {
        for (group, bytes) in parts.iter().flat_map(|part| &part.keyed) {
            let take = |change: Change<'_>| match change {
                Change::Removed { slot, key } => self.remove(slot, key),
                Change::Set(entry) => self.put(entry.slot, entry.key, entry.value),
            };
            format::decode(bytes, take).map_err(|error| error.context(format!("key group {}", group.0)))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
