//! The keys that have partial matches, and the state of each.

use super::partial::{Run, Waiting};
use super::runs::Runs;
use super::slab::{NONE, Slab};
use crate::plan::condition::gate::CLOSED;
use arrow::array::Array;
use egret_core::Result;
use egret_core::key::{Key, KeyBytes, RowKeys, encode_key};
use hashbrown::{DefaultHashBuilder, HashTable};
use std::hash::BuildHasher;

/// The state of a key.
#[derive(Debug)]
pub(crate) struct KeyState {
    /// The mask bits of rows that can change any of the partial matches.
    pub(crate) interest: u64,
    /// The least bound of the gate: rows that reach it can change something as well.
    pub(crate) bound: i32,
    /// No partial match expires before this.
    pub(crate) deadline: i64,
    /// The partial matches, in the order of their first events.
    pub(crate) runs: Runs,
    pub(crate) key: Key,
    /// Matches that wait for earlier ones to be decided.
    pub(crate) held: Waiting,
    /// Changed when the place is used for another key.
    pub(crate) generation: u32,
}

/// The states of keys by number, and the numbers of keys.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    pub(crate) states: Slab<KeyState>,
    /// The one key of a pattern without partition columns.
    all: Option<u32>,
    /// The numbers of all other keys, hashed by the keys in `states`.
    places: HashTable<u32>,
    hasher: DefaultHashBuilder,
    live: usize,
    /// Bytes of memory of lists of partial matches.
    lists: usize,
    /// Bytes of memory of keys that are not integers.
    encoded: usize,
}

impl Keys {
    /// The number of a row's key, if the key has state.
    #[inline]
    pub(crate) fn find(&self, keys: &RowKeys, row: usize, scratch: &mut Vec<u8>) -> Result<Option<u32>> {
        Ok(match keys {
            RowKeys::All => self.all,
            RowKeys::Int(values) => self.find_int(values.is_valid(row).then(|| values.value(row))),
            RowKeys::Other(columns) => {
                scratch.clear();
                encode_key(columns, row, scratch)?;
                self.find_bytes(scratch)
            }
        })
    }

    #[inline]
    fn find_int(&self, value: Option<i64>) -> Option<u32> {
        let same = |&place: &u32| matches!(self.states[place].key, Key::Int(of) if of == value);
        self.places.find(self.hasher.hash_one(value.unwrap_or(NULL)), same).copied()
    }

    fn find_bytes(&self, bytes: &[u8]) -> Option<u32> {
        let same = |&place: &u32| matches!(&self.states[place].key, Key::Bytes(of) if of.bytes() == bytes);
        self.places.find(self.hasher.hash_one(bytes), same).copied()
    }

    /// Reads the states of some rows' keys, so that they are in the cache when the rows are processed one after the other: here
    /// the processor waits for many memory accesses at once.
    pub(crate) fn warm(&self, keys: &RowKeys, rows: std::ops::Range<usize>) {
        let RowKeys::Int(values) = keys else { return };
        if self.are_cached() {
            return;
        }
        let look = |sum: i64, value: &i64| sum ^ self.find_int(Some(*value)).map_or(0, |place| self.look_at(place));
        std::hint::black_box(values.values()[rows].iter().fold(0, look));
    }

    /// The same for keys given by number and generation.
    pub(crate) fn warm_places(&self, places: &[(u32, u32)]) {
        if !self.are_cached() {
            std::hint::black_box(places.iter().fold(0, |sum, &(place, _)| sum ^ self.look_at(place)));
        }
    }

    /// Whether the keys are so few that all are in the cache anyway.
    fn are_cached(&self) -> bool {
        const KEYS_MIN: usize = 4_096;
        self.live < KEYS_MIN
    }

    /// Reads from both cache lines of a state.
    #[inline]
    fn look_at(&self, place: u32) -> i64 {
        self.states.get(place).map_or(0, |state| state.deadline ^ i64::from(state.generation))
    }

    /// Adds a key that has no state; returns its number.
    pub(crate) fn add(&mut self, key: Key, generation: u32) -> u32 {
        let hash = self.hash(&key);
        self.encoded += bytes_of(&key);
        let is_all = key == Key::All;
        let state = KeyState {
            interest: 0,
            bound: CLOSED,
            deadline: i64::MAX,
            runs: Runs::None,
            key,
            held: Waiting::default(),
            generation,
        };
        let place = self.states.add(state);
        self.live += 1;
        if is_all {
            self.all = Some(place);
        } else {
            let Self { states, places, hasher, .. } = self;
            places.insert_unique(hash, place, |&place| hash_of(hasher, &states[place].key));
        }
        place
    }

    /// Drops the state of a key.
    pub(crate) fn remove(&mut self, place: u32) {
        let state = &mut self.states[place];
        state.generation = NONE;
        self.lists -= state.runs.bytes();
        state.runs = Runs::None;
        let key = std::mem::replace(&mut state.key, Key::All);
        self.encoded -= bytes_of(&key);
        match self.places.find_entry(self.hash(&key), |&other| other == place) {
            Ok(entry) => drop(entry.remove()),
            Err(_) => self.all = None,
        }
        self.states.free(place);
        self.live -= 1;
        self.shrink();
    }

    /// Gives memory back when few of many keys are left.
    fn shrink(&mut self) {
        const KEYS_MIN: usize = 1_024;
        if self.live == 0 && self.states.places() > KEYS_MIN {
            *self = Self::default();
        } else if self.places.capacity() > KEYS_MIN && self.live < self.places.capacity() / 8 {
            let Self { states, places, hasher, .. } = self;
            places.shrink_to(2 * self.live, |&place| hash_of(hasher, &states[place].key));
        }
    }

    fn hash(&self, key: &Key) -> u64 {
        hash_of(&self.hasher, key)
    }

    /// Moves the partial matches of a key into a list, which is empty before.
    #[inline]
    pub(crate) fn take_runs(&mut self, place: u32, list: &mut Vec<Run>) {
        let runs = &mut self.states[place].runs;
        self.lists -= runs.bytes();
        runs.take_into(list);
    }

    /// Moves partial matches from a list back into a key; the list is empty afterwards.
    #[inline]
    pub(crate) fn put_runs(&mut self, place: u32, list: &mut Vec<Run>) {
        let runs = &mut self.states[place].runs;
        runs.put(list);
        self.lists += runs.bytes();
    }

    /// The numbers of the keys that have state, ascending.
    pub(crate) fn live(&self) -> Vec<u32> {
        let mut places: Vec<u32> = self.all.iter().chain(self.places.iter()).copied().collect();
        places.sort_unstable();
        places
    }

    /// How many keys there are.
    pub(crate) fn len(&self) -> usize {
        self.live
    }

    /// Bytes of memory, except for matches that are held back.
    pub(crate) fn bytes(&self) -> usize {
        self.states.bytes() + self.places.allocation_size() + self.lists + self.encoded
    }
}

/// What stands for null where integers are hashed.
const NULL: i64 = i64::MIN;

#[inline]
fn hash_of(hasher: &DefaultHashBuilder, key: &Key) -> u64 {
    match key {
        Key::All => 0,
        Key::Int(value) => hasher.hash_one(value.unwrap_or(NULL)),
        Key::Bytes(bytes) => hasher.hash_one(bytes.bytes()),
    }
}

/// Bytes of memory that a key has apart from its place.
fn bytes_of(key: &Key) -> usize {
    match key {
        Key::Bytes(bytes) => size_of::<KeyBytes>() + bytes.bytes().len(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_key_of_one_partial_match_is_small() {
        assert!(size_of::<KeyState>() <= 112, "{} bytes", size_of::<KeyState>());
    }

    #[test]
    fn keys_are_found_until_they_are_forgotten() {
        let rows = RowKeys::Int((0..5_000).map(|value| (value != 7).then_some(value * 3)).collect());
        let mut keys = Keys::default();
        let find = |keys: &Keys, row: usize| keys.find(&rows, row, &mut Vec::new()).unwrap();
        let places: Vec<u32> = (0..5_000).map(|row| keys.add(rows.key(row).unwrap(), 0)).collect();
        assert!((0..5_000).all(|row| find(&keys, row) == Some(places[row])));
        let peak = keys.bytes();
        places[..4_990].iter().for_each(|&place| keys.remove(place));
        assert_eq!((find(&keys, 7), find(&keys, 4_989), find(&keys, 4_990)), (None, None, Some(places[4_990])));
        assert_eq!(keys.live(), places[4_990..]);
        assert!(keys.bytes() < peak);
        places[4_990..].iter().for_each(|&place| keys.remove(place));
        assert_eq!((keys.len(), keys.bytes()), (0, 0));
    }
}
