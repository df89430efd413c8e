//! Which edge expires next.

use super::edges::Edges;
use super::link_cut::Weight;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A queue by weight. Edges that went before their time stay in it until there are more of them than of others.
#[derive(Debug, Default)]
pub(super) struct ExpiryQueue {
    entries: BinaryHeap<Reverse<(Weight, u32)>>,
    gone: usize,
}

impl ExpiryQueue {
    /// An edge, or a new weight of one. Edges that never expire are not queued.
    pub(super) fn push(&mut self, weight: Weight, edge: u32) {
        if weight.expiry != i64::MAX {
            self.entries.push(Reverse((weight, edge)));
        }
    }

    /// An edge with this weight is no more, or has another weight. Call it after the change.
    pub(super) fn forget(&mut self, weight: Weight, edges: &Edges) {
        const SLACK: usize = 64;
        if weight.expiry == i64::MAX {
            return;
        }
        self.gone += 1;
        if self.gone > self.entries.len() / 2 + SLACK {
            self.entries.retain(|Reverse((weight, edge))| edges.get(*edge).weight == *weight);
            self.gone = 0;
        }
    }

    /// When the next edge expires, and which it is.
    pub(super) fn next(&mut self, edges: &Edges) -> Option<(i64, u32)> {
        while let Some(&Reverse((weight, edge))) = self.entries.peek() {
            if edges.get(edge).weight == weight {
                return Some((weight.expiry, edge));
            }
            self.entries.pop();
            self.gone -= 1;
        }
        None
    }

    /// Takes the entry that [`ExpiryQueue::next`] has just given.
    pub(super) fn pop(&mut self) {
        self.entries.pop();
    }

    /// Bytes of memory.
    pub(super) fn bytes(&self) -> usize {
        self.entries.capacity() * size_of::<(Weight, u32)>()
    }
}
