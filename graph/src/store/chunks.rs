//! Edges in the order they came, in chunks that are given back when they are empty.

use std::collections::VecDeque;
use std::ops::Range;

/// No edge.
pub(super) const NONE: u32 = u32::MAX;

/// Places in a chunk.
const CHUNK: u32 = 1_024;

/// An edge as it is kept: 44 bytes. Lists are doubly linked, so that an edge leaves them at once even at a hub.
#[derive(Clone, Copy, Debug)]
#[repr(Rust, packed(4))]
pub(super) struct Record {
    pub(super) time: i64,
    pub(super) weight: f64,
    pub(super) ends: [u32; 2],
    /// The next older edge that leaves `ends[0]`, and that arrives at `ends[1]`.
    pub(super) next: [u32; 2],
    /// The next newer ones.
    pub(super) previous: [u32; 2],
    /// See [`super::classes`]; [`NONE`] where no edge is any more.
    pub(super) class: u32,
}

const _: () = assert!(size_of::<Record>() == 44, "what an edge takes is documented");

#[derive(Debug, Default)]
struct Chunk {
    records: Vec<Record>,
    live: u32,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    chunks: VecDeque<Chunk>,
    /// The number of the first chunk.
    first: u32,
    /// Edges.
    len: usize,
    /// Places in memory, with and without an edge.
    places: usize,
}

impl Chunks {
    /// An edge behind the others; gives its id.
    pub(super) fn push(&mut self, record: Record) -> u32 {
        if self.chunks.back().is_none_or(|chunk| chunk.records.len() == CHUNK as usize) {
            self.chunks.push_back(Chunk::default());
            // The one before may have lost its edges while it was the last one.
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

    /// An edge that is there.
    pub(super) fn get(&self, id: u32) -> &Record {
        &self.chunks[(id / CHUNK - self.first) as usize].records[(id % CHUNK) as usize]
    }

    /// An edge that is there, to link it anew.
    pub(super) fn get_mut(&mut self, id: u32) -> &mut Record {
        &mut self.chunks[(id / CHUNK - self.first) as usize].records[(id % CHUNK) as usize]
    }

    /// An edge, if there is one at this place.
    pub(super) fn find(&self, id: u32) -> Option<&Record> {
        let chunk = self.chunks.get((id / CHUNK).checked_sub(self.first)? as usize)?;
        chunk.records.get((id % CHUNK) as usize).filter(|record| record.class != NONE)
    }

    /// Nothing is linked to the edge any more: its place is empty.
    pub(super) fn remove(&mut self, id: u32) {
        let index = (id / CHUNK - self.first) as usize;
        let chunk = &mut self.chunks[index];
        chunk.records[(id % CHUNK) as usize].class = NONE;
        chunk.live -= 1;
        self.len -= 1;
        self.drop_empty(index);
    }

    /// The ids that edges may have.
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

    /// Whether there are hardly any ids left, which takes billions of edges.
    pub(super) fn is_near_the_end(&self) -> bool {
        self.range().end > NONE - (1 << 28)
    }

    pub(super) fn bytes(&self) -> usize {
        let records: usize = self.chunks.iter().map(|chunk| chunk.records.capacity()).sum();
        records * size_of::<Record>() + self.chunks.capacity() * size_of::<Chunk>()
    }

    /// Gives back a chunk, if it has no edges and is not the last one, and all such at the front.
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
