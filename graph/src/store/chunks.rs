//! Edges in the order of insertion, in chunks that are freed when they are empty.

use std::collections::VecDeque;
use std::ops::Range;

/// No edge.
pub(super) const NONE: u32 = u32::MAX;

/// The number of positions in a chunk.
const CHUNK: u32 = 1_024;

/// An edge in memory: 44 bytes. The lists are doubly linked, so that removing an edge takes constant time, even at a hub.
#[derive(Clone, Copy, Debug)]
#[repr(Rust, packed(4))]
pub(super) struct Record {
    pub(super) time: i64,
    pub(super) weight: f64,
    pub(super) ends: [u32; 2],
    /// The next older edge that leaves `ends[0]`, and the next older edge that arrives at `ends[1]`.
    pub(super) next: [u32; 2],
    /// The next newer edges of the same lists.
    pub(super) previous: [u32; 2],
    /// The edge's class, see [`super::classes`]; [`NONE`] in an empty position.
    pub(super) class: u32,
}

const _: () = assert!(size_of::<Record>() == 44, "what an edge takes is documented");

#[derive(Debug, Default)]
struct Chunk {
    records: Vec<Record>,
    live: u32,
}

/// The edges of a store.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    chunks: VecDeque<Chunk>,
    /// The number of the first chunk.
    first: u32,
    /// The number of edges.
    len: usize,
    /// The number of positions in memory, with or without an edge.
    places: usize,
}

impl Chunks {
    /// Appends an edge and returns its id.
    pub(super) fn push(&mut self, record: Record) -> u32 {
        if self.chunks.back().is_none_or(|chunk| chunk.records.len() == CHUNK as usize) {
            self.chunks.push_back(Chunk::default());
            // The chunk before is not freed while it is the last one, even without edges.
            self.drop_empty(self.chunks.len().saturating_sub(2));
        }
        let last = self.chunks.len() as u32 - 1;
        let chunk = self.chunks.back_mut().expect("there is one now");
        let id = (self.first + last) * CHUNK + chunk.records.len() as u32;
        chunk.records.push(record);
        chunk.live += 1;
        self.len += 1;
        self.places += 1;
        id
    }

    /// The edge with this id.
    pub(super) fn get(&self, id: u32) -> &Record {
        &self.chunks[(id / CHUNK - self.first) as usize].records[(id % CHUNK) as usize]
    }

    /// The edge with this id, to change its links.
    pub(super) fn get_mut(&mut self, id: u32) -> &mut Record {
        &mut self.chunks[(id / CHUNK - self.first) as usize].records[(id % CHUNK) as usize]
    }

    /// The edge with this id, if it has not been removed.
    pub(super) fn find(&self, id: u32) -> Option<&Record> {
        let chunk = self.chunks.get((id / CHUNK).checked_sub(self.first)? as usize)?;
        chunk.records.get((id % CHUNK) as usize).filter(|record| record.class != NONE)
    }

    /// Removes an edge that is in no list any more.
    pub(super) fn remove(&mut self, id: u32) {
        let index = (id / CHUNK - self.first) as usize;
        let chunk = &mut self.chunks[index];
        chunk.records[(id % CHUNK) as usize].class = NONE;
        chunk.live -= 1;
        self.len -= 1;
        self.drop_empty(index);
    }

    /// The range of the ids of all edges.
    pub(super) fn range(&self) -> Range<u32> {
        let last = self.chunks.back().map_or(0, |chunk| chunk.records.len() as u32);
        let start = self.first * CHUNK;
        start..start + (self.chunks.len() as u32).saturating_sub(1) * CHUNK + last
    }

    /// The ids of all edges.
    pub(super) fn ids(&self) -> impl Iterator<Item = u32> {
        self.range().filter(|&id| self.find(id).is_some())
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn places(&self) -> usize {
        self.places
    }

    /// Whether the ids are nearly used up, after billions of insertions.
    pub(super) fn is_near_the_end(&self) -> bool {
        self.range().end > NONE - (1 << 28)
    }

    pub(super) fn bytes(&self) -> usize {
        let records: usize = self.chunks.iter().map(|chunk| chunk.records.capacity()).sum();
        records * size_of::<Record>() + self.chunks.capacity() * size_of::<Chunk>()
    }

    /// Frees a chunk without edges unless it is the last one, and drops freed chunks from the front.
    fn drop_empty(&mut self, index: usize) {
        if index + 1 < self.chunks.len() && self.chunks[index].live == 0 {
            let records = std::mem::take(&mut self.chunks[index].records);
            self.places -= records.len();
        }
        while self.chunks.front().is_some_and(|chunk| chunk.records.is_empty()) && self.chunks.len() > 1 {
            self.chunks.pop_front();
            self.first += 1;
        }
    }
}
