//! Which edge expires next.

use super::edges::Edges;
use super::link_cut::Weight;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A queue by weight. Entries of edges that were removed early stay in the queue until they are the majority.
#[derive(Debug, Default)]
pub(super) struct ExpiryQueue {
    entries: BinaryHeap<Reverse<(Weight, u32)>>,
    gone: usize,
}

impl ExpiryQueue {
    /// Queues an edge, or a new weight of one. Edges that never expire are not queued.
    pub(super) fn push(&mut self, weight: Weight, edge: u32) {
        if weight.expiry != i64::MAX {
            self.entries.push(Reverse((weight, edge)));
        }
    }

    /// Notes that the edge with this weight was removed or has another weight. To be called after the change.
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

    /// The expiry and the number of the edge that expires next.
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

    /// Removes the entry that [`ExpiryQueue::next`] has just returned.
    pub(super) fn pop(&mut self) {
        self.entries.pop();
    }

    /// Bytes of memory.
    pub(super) fn bytes(&self) -> usize {
        self.entries.capacity() * size_of::<(Weight, u32)>()
    }
}
