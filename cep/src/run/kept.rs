//! The state of all keys and the output that is on its way: all that partial matches need, one by one or as sets.

use super::keys::Keys;
use super::output::Output;
use super::store::Store;
use arrow::datatypes::SchemaRef;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

/// The state of all keys.
#[derive(Debug)]
pub(crate) struct Kept {
    /// The events that partial matches took.
    pub(super) store: Store,
    pub(super) keys: Keys,
    pub(super) output: Output,
    /// The times of matches that are held back, and how many matches each time has.
    pub(super) held: BTreeMap<i64, usize>,
    /// When keys whose partial matches are kept as sets, or that are put aside, are due: time, place, generation.
    pub(super) sets_due: BinaryHeap<Reverse<(i64, u32, u32)>>,
    /// Bytes of memory of all these sets.
    pub(super) sets_bytes: usize,
}

impl Kept {
    pub(super) fn new(stored: SchemaRef) -> Self {
        Self {
            store: Store::new(stored),
            keys: Keys::default(),
            output: Output::default(),
            held: BTreeMap::new(),
            sets_due: BinaryHeap::new(),
            sets_bytes: 0,
        }
    }

    /// Uncounts a match that is no longer held back.
    pub(super) fn release_held(&mut self, time: i64) {
        if let Some(count) = self.held.get_mut(&time) {
            *count -= 1;
            if *count == 0 {
                self.held.remove(&time);
            }
        }
    }
}
