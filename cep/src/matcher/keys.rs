//! The keys that have partial matches, and what is kept of each.

use super::run::{Held, Run};
use super::slab::{NONE, Slab};
use crate::condition::scalar::{Kind, as_int, kind};
use arrow::array::{Array, ArrayRef, Int64Array, RecordBatch};
use egret_core::Result;
use egret_core::key::{encode_key, hash_i64, hash_key};
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Key {
    /// The one key of a pattern without partition columns.
    All,
    /// A single integer, or null.
    Int(Option<i64>),
    /// The canonical encoding of anything else.
    Bytes(Box<[u8]>),
}

impl Key {
    /// The hash that key groups are made of.
    pub(crate) fn hash(&self) -> u64 {
        match self {
            Self::All => hash_key(&[]),
            Self::Int(Some(value)) => hash_i64(*value),
            Self::Int(None) => hash_key(&[0]),
            Self::Bytes(bytes) => hash_key(bytes),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => write!(f, "all rows"),
            Self::Int(Some(value)) => write!(f, "the key {value}"),
            Self::Int(None) => write!(f, "the key null"),
            Self::Bytes(bytes) => {
                let shown: String = bytes.iter().filter(|byte| byte.is_ascii_graphic()).map(|&byte| char::from(byte)).collect();
                write!(f, "the key '{shown}'")
            }
        }
    }
}

/// What is kept of a key.
#[derive(Debug)]
pub(crate) struct KeyState {
    pub(crate) key: Key,
    /// Raised when the place is used for another key.
    pub(crate) generation: u32,
    /// The mask bits of rows that can change anything.
    pub(crate) interest: u64,
    /// No partial match expires before this.
    pub(crate) deadline: i64,
    /// In the order of their first events.
    pub(crate) runs: Vec<Run>,
    /// Matches that wait for earlier ones to be decided.
    pub(crate) held: Vec<Held>,
}

/// Keys by number, and their numbers.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    pub(crate) states: Slab<KeyState>,
    all: Option<u32>,
    null: Option<u32>,
    ints: HashMap<i64, u32>,
    bytes: HashMap<Box<[u8]>, u32>,
    live: usize,
    /// Lists that were emptied, to be used again.
    spare: Vec<Vec<Run>>,
}

/// The keys of the rows of a batch.
pub(crate) enum RowKeys {
    All,
    Int(Int64Array),
    Other(Vec<ArrayRef>),
}

impl RowKeys {
    /// Reads the key columns.
    pub(crate) fn of(rows: &RecordBatch, columns: &[usize]) -> Result<Self> {
        Ok(match columns {
            [] => Self::All,
            [one] if kind(rows.column(*one).data_type()) == Kind::Int && rows.column(*one).data_type().is_integer() => {
                Self::Int(as_int(rows.column(*one))?)
            }
            columns => Self::Other(columns.iter().map(|&column| rows.column(column).clone()).collect()),
        })
    }

    /// The key of a row.
    pub(crate) fn key(&self, row: usize) -> Result<Key> {
        Ok(match self {
            Self::All => Key::All,
            Self::Int(values) => Key::Int(values.is_valid(row).then(|| values.value(row))),
            Self::Other(columns) => {
                let mut bytes = Vec::new();
                encode_key(columns, row, &mut bytes)?;
                Key::Bytes(bytes.into())
            }
        })
    }
}

impl Keys {
    /// The number of a row's key, if anything is kept of it.
    #[inline]
    pub(crate) fn find(&self, keys: &RowKeys, row: usize, scratch: &mut Vec<u8>) -> Result<Option<u32>> {
        Ok(match keys {
            RowKeys::All => self.all,
            RowKeys::Int(values) if values.is_valid(row) => self.ints.get(&values.value(row)).copied(),
            RowKeys::Int(_) => self.null,
            RowKeys::Other(columns) => {
                scratch.clear();
                encode_key(columns, row, scratch)?;
                self.bytes.get(scratch.as_slice()).copied()
            }
        })
    }

    /// Looks at what is kept of the keys of some rows, so that it is in the cache when they are worked on one after the other:
    /// here the processor waits for many keys at a time.
    pub(crate) fn warm(&self, keys: &RowKeys, rows: std::ops::Range<usize>) {
        /// With fewer keys all are in the cache anyway.
        const KEYS_MIN: usize = 4_096;
        let RowKeys::Int(values) = keys else { return };
        if self.live < KEYS_MIN {
            return;
        }
        let look = |sum: i64, value: &i64| {
            let Some(&place) = self.ints.get(value) else { return sum };
            let state = &self.states[place];
            sum ^ state.deadline ^ state.runs.first().map_or(0, |run| run.last_time)
        };
        std::hint::black_box(values.values()[rows].iter().fold(0, look));
    }

    /// A place for a key of which nothing was kept.
    pub(crate) fn add(&mut self, key: Key, generation: u32) -> u32 {
        let runs = self.spare.pop().unwrap_or_default();
        let state = KeyState { key: key.clone(), generation, interest: 0, deadline: i64::MAX, runs, held: Vec::new() };
        let place = self.states.add(state);
        self.live += 1;
        match key {
            Key::All => self.all = Some(place),
            Key::Int(None) => self.null = Some(place),
            Key::Int(Some(value)) => drop(self.ints.insert(value, place)),
            Key::Bytes(bytes) => drop(self.bytes.insert(bytes, place)),
        }
        place
    }

    /// Forgets a key.
    pub(crate) fn remove(&mut self, place: u32) {
        const SPARE_MAX: usize = 1_024;
        let state = &mut self.states[place];
        state.generation = NONE;
        let runs = std::mem::take(&mut state.runs);
        if self.spare.len() < SPARE_MAX && runs.capacity() <= 64 {
            self.spare.push(runs);
        }
        match std::mem::replace(&mut state.key, Key::All) {
            Key::All => self.all = None,
            Key::Int(None) => self.null = None,
            Key::Int(Some(value)) => drop(self.ints.remove(&value)),
            Key::Bytes(bytes) => drop(self.bytes.remove(&bytes)),
        }
        self.states.free(place);
        self.live -= 1;
        if self.live == 0 && self.states.places() > 1_024 {
            *self = Self::default();
        }
    }

    /// The keys of which something is kept.
    pub(crate) fn live(&self) -> Vec<u32> {
        let mut places: Vec<u32> =
            self.all.iter().chain(&self.null).chain(self.ints.values()).chain(self.bytes.values()).copied().collect();
        places.sort_unstable();
        places
    }

    /// How many keys there are.
    pub(crate) fn len(&self) -> usize {
        self.live
    }

    /// Bytes of memory, without the partial matches.
    pub(crate) fn bytes(&self) -> usize {
        let tables = self.ints.capacity() * 17 + self.bytes.capacity() * 25 + self.bytes.len() * 24;
        self.states.bytes() + tables
    }
}
