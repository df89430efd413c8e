//! The order in which edges expire.
//!
//! Most edges expire in the order of insertion. An edge whose expiry is not before that of any earlier edge in order is *in order*
//! too. Edges in order need no queue: a cursor walks over them. The other edges, late ones for instance, are in a heap.

use super::edge::NEVER;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;

/// The cursor and the heap.
#[derive(Debug)]
pub(super) struct ExpiryOrder {
    /// The cursor: all edges in order have this id or a greater one.
    cursor: u32,
    /// The expiry of the last edge that the cursor has passed. Edges with an earlier expiry are in the heap.
    passed: i64,
    /// The latest expiry of all edges in order, including removed ones.
    latest: i64,
    others: BinaryHeap<Reverse<(i64, u32)>>,
}

impl Default for ExpiryOrder {
    fn default() -> Self {
        Self { cursor: 0, passed: i64::MIN, latest: i64::MIN, others: BinaryHeap::new() }
    }
}

impl ExpiryOrder {
    /// Adds an edge that was inserted last.
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

    /// The expiry and the id of the edge that expires next. `expiry_of` returns none for removed edges.
    pub(super) fn next(&mut self, ids: Range<u32>, expiry_of: impl Fn(u32) -> Option<i64>) -> Option<(i64, u32)> {
        while self.others.peek().is_some_and(|Reverse((expiry, id))| expiry_of(*id) != Some(*expiry)) {
            self.others.pop();
        }
        self.cursor = self.cursor.max(ids.start);
        // An edge that expires before one that the cursor has passed was out of order when it was inserted, so it is in the heap.
        let is_in_order = |id: u32| expiry_of(id).filter(|&expiry| expiry != NEVER && expiry >= self.passed);
        let mut found = None;
        while self.cursor < ids.end && found.is_none() {
            found = is_in_order(self.cursor).map(|expiry| (expiry, self.cursor));
            self.cursor += u32::from(found.is_none());
        }
        let other = self.others.peek().map(|Reverse(other)| *other);
        found.into_iter().chain(other).min()
    }

    /// Removes the edge that [`ExpiryOrder::next`] has just returned.
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
