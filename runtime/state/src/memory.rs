//! Keyed state in memory: one hash table.

use crate::format::{self, Entry};
use egret_core::key::{DEFAULT_MAX_PARALLELISM, hash_key};
use egret_core::{KeyGroup, KeyedState, Result, Snapshot, StateSize};
use hashbrown::HashTable;
use std::collections::BTreeMap;

/// A rough figure for what an entry costs beside its key and value: the slot in the table and two allocations.
const ENTRY_OVERHEAD_BYTES: usize = 96;

/// Keyed state in a hash table in memory.
///
/// ```
/// use egret_core::KeyedState;
/// use egret_state::MemoryState;
/// let mut state = MemoryState::default();
/// state.put(0, b"card 7", vec![1]);
/// assert_eq!(state.get(0, b"card 7"), Some(&[1][..]));
///
/// let mut restored = MemoryState::default();
/// restored.restore(vec![state.snapshot()?])?;
/// assert_eq!(restored.get(0, b"card 7"), Some(&[1][..]));
/// # Ok::<(), egret_core::Error>(())
/// ```
///
/// # Contract
/// A snapshot holds every value once, in the key group of its key's hash; equal state gives equal snapshots.
#[derive(Debug)]
pub struct MemoryState {
    table: HashTable<Held>,
    keys_by_slot: BTreeMap<u16, u64>,
    bytes: usize,
    max_parallelism: u16,
}

#[derive(Debug)]
struct Held {
    hash: u64,
    slot: u16,
    key: Box<[u8]>,
    value: Vec<u8>,
}

impl Held {
    fn size(&self) -> usize {
        ENTRY_OVERHEAD_BYTES + self.key.len() + self.value.len()
    }

    fn is(&self, slot: u16, key: &[u8]) -> bool {
        self.slot == slot && *self.key == *key
    }
}

impl Default for MemoryState {
    fn default() -> Self {
        Self::new(DEFAULT_MAX_PARALLELISM)
    }
}

impl MemoryState {
    /// No state yet, for a job with this many key groups.
    pub fn new(max_parallelism: u16) -> Self {
        Self { table: HashTable::new(), keys_by_slot: BTreeMap::new(), bytes: 0, max_parallelism }
    }

    fn put_hashed(&mut self, hash: u64, slot: u16, key: &[u8], value: Vec<u8>) {
        if let Some(held) = self.table.find_mut(place(hash, slot), |held| held.is(slot, key)) {
            self.bytes = self.bytes + value.len() - held.value.len();
            held.value = value;
            return;
        }
        let held = Held { hash, slot, key: key.into(), value };
        self.bytes += held.size();
        *self.keys_by_slot.entry(slot).or_default() += 1;
        self.table.insert_unique(place(hash, slot), held, |held| place(held.hash, held.slot));
    }
}

/// Where a value is in the table: slots of one key must not collide.
fn place(hash: u64, slot: u16) -> u64 {
    hash ^ u64::from(slot).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

impl KeyedState for MemoryState {
    fn get(&self, slot: u16, key: &[u8]) -> Option<&[u8]> {
        self.table.find(place(hash_key(key), slot), |held| held.is(slot, key)).map(|held| held.value.as_slice())
    }

    fn put(&mut self, slot: u16, key: &[u8], value: Vec<u8>) {
        self.put_hashed(hash_key(key), slot, key, value);
    }

    fn remove(&mut self, slot: u16, key: &[u8]) {
        let Ok(entry) = self.table.find_entry(place(hash_key(key), slot), |held| held.is(slot, key)) else { return };
        let (held, _) = entry.remove();
        self.bytes -= held.size();
        if let Some(keys) = self.keys_by_slot.get_mut(&slot) {
            *keys -= 1;
        }
    }

    /// Keys are those of the slot that has most.
    fn size(&self) -> StateSize {
        StateSize { keys: self.keys_by_slot.values().copied().max().unwrap_or(0), bytes: self.bytes as u64 }
    }

    fn snapshot(&self) -> Result<Snapshot> {
        let mut groups: BTreeMap<KeyGroup, Vec<Entry<'_>>> = BTreeMap::new();
        for held in &self.table {
            let entry = Entry { slot: held.slot, key: &held.key, value: &held.value };
            groups.entry(KeyGroup::of(held.hash, self.max_parallelism)).or_default().push(entry);
        }
        let keyed = groups.into_iter().map(|(group, entries)| Ok((group, format::encode(entries)?))).collect::<Result<_>>()?;
        Ok(Snapshot { keyed, operator: Vec::new() })
    }

    fn restore(&mut self, parts: Vec<Snapshot>) -> Result<()> {
        for (group, bytes) in parts.iter().flat_map(|part| &part.keyed) {
            format::decode(bytes, |entry| self.put_hashed(hash_key(entry.key), entry.slot, entry.key, entry.value.to_vec()))
                .map_err(|error| error.context(format!("key group {}", group.0)))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// The obvious twin: an ordered map.
    type Twin = BTreeMap<(u16, Vec<u8>), Vec<u8>>;

    fn random_steps(seed: u64, steps: usize) -> (MemoryState, Twin) {
        let (mut state, mut twin, mut random) = (MemoryState::default(), Twin::new(), seed);
        for _ in 0..steps {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let bits = (random >> 33) as u32;
            let (slot, key) = ((bits % 3) as u16, format!("key {}", bits / 3 % 50).into_bytes());
            if bits.is_multiple_of(5) {
                state.remove(slot, &key);
                twin.remove(&(slot, key));
            } else {
                let value = vec![bits as u8; (bits % 7) as usize];
                state.put(slot, &key, value.clone());
                twin.insert((slot, key), value);
            }
        }
        (state, twin)
    }

    fn check_equal(state: &MemoryState, twin: &Twin, seed: u64) {
        for slot in 0..3 {
            for key in (0..50).map(|key| format!("key {key}").into_bytes()) {
                let expected = twin.get(&(slot, key.clone())).map(Vec::as_slice);
                assert_eq!(state.get(slot, &key), expected, "seed {seed}, slot {slot}");
            }
        }
        let bytes: usize = twin.iter().map(|((_, key), value)| ENTRY_OVERHEAD_BYTES + key.len() + value.len()).sum();
        assert_eq!(state.size().bytes, bytes as u64, "seed {seed}");
    }

    #[test]
    fn it_does_what_a_map_does() {
        for seed in 0..20 {
            let (state, twin) = random_steps(seed, 400);
            check_equal(&state, &twin, seed);
        }
    }

    #[test]
    fn a_snapshot_can_be_dealt_out_to_any_number_of_instances() {
        for workers in 1..=4 {
            let (state, twin) = random_steps(7, 300);
            let snapshot = state.snapshot().unwrap();
            assert_eq!(snapshot, state.snapshot().unwrap());
            let parts: Vec<MemoryState> = (0..workers)
                .map(|worker| {
                    let mut part = MemoryState::default();
                    part.restore(vec![snapshot.clone().retain(|group| group.worker(workers, 128) == worker)]).unwrap();
                    part
                })
                .collect();
            let mut whole = MemoryState::default();
            whole.restore(parts.iter().map(|part| part.snapshot().unwrap()).collect()).unwrap();
            check_equal(&whole, &twin, 7);
            let entries: usize = parts.iter().map(|part| part.table.len()).sum();
            assert_eq!(entries, twin.len(), "every value is in exactly one part");
        }
    }

    #[test]
    fn damage_names_the_key_group() {
        let mut state = MemoryState::default();
        state.put(0, b"k", vec![1, 2, 3]);
        let mut snapshot = state.snapshot().unwrap();
        let last = snapshot.keyed[0].1.len() - 1;
        snapshot.keyed[0].1[last] ^= 1;
        let error = MemoryState::default().restore(vec![snapshot]).unwrap_err().to_string();
        assert!(error.contains("key group") && error.contains("checksum"), "{error}");
    }
}
