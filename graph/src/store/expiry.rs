//! Which edge expires next.
//!
//! Edges mostly expire in the order they came. So those whose expiry is not before that of any such edge ahead of them are
//! *in order*, and need no queue: a cursor walks over the edges. Only the others, late ones for instance, are in a heap.

use super::edge::NEVER;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;

/// See the module.
#[derive(Debug)]
pub(super) struct ExpiryOrder {
    /// No edge in order is before this id.
    cursor: u32,
    /// The latest expiry among the edges that the cursor has passed since they expired: one that expires before it is in the heap.
    passed: i64,
    /// The latest expiry of the edges in order that ever came.
    latest: i64,
    others: BinaryHeap<Reverse<(i64, u32)>>,
}

impl Default for ExpiryOrder {
    fn default() -> Self {
        Self { cursor: 0, passed: i64::MIN, latest: i64::MIN, others: BinaryHeap::new() }
    }
}

impl ExpiryOrder {
    /// An edge behind all others.
    pub(super) fn insert(&mut self, expiry: i64, id: u32) {
        if expiry == NEVER {
            return;
        }
        if expiry >= self.latest {
            self.latest = expiry;
        } else {
            self.others.push(Reverse((expiry, id)));
        }
    }

    /// The edge that expires next: its expiry and id. `expiry_of` gives none where there is no edge any more.
    pub(super) fn next(&mut self, ids: Range<u32>, expiry_of: impl Fn(u32) -> Option<i64>) -> Option<(i64, u32)> {
        while self.others.peek().is_some_and(|Reverse((expiry, id))| expiry_of(*id) != Some(*expiry)) {
            self.others.pop();
        }
        self.cursor = self.cursor.max(ids.start);
        // What expires before an edge that was passed came when that one's expiry was known: it is in the heap.
        let is_in_order = |id: u32| expiry_of(id).filter(|&expiry| expiry != NEVER && expiry >= self.passed);
        let mut found = None;
        while self.cursor < ids.end && found.is_none() {
            found = is_in_order(self.cursor).map(|expiry| (expiry, self.cursor));
            self.cursor += u32::from(found.is_none());
        }
        let other = self.others.peek().map(|Reverse(other)| *other);
        found.into_iter().chain(other).min()
    }

    /// The edge that [`ExpiryOrder::next`] has just given expires.
    pub(super) fn take(&mut self, expiry: i64, id: u32) {
        if self.others.peek() == Some(&Reverse((expiry, id))) {
            self.others.pop();
        } else {
            self.passed = expiry;
            self.cursor = id + 1;
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.others.capacity() * size_of::<(i64, u32)>()
    }
}
