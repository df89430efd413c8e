//! The edges, in lists by vertex: those of the forest and, if edges can be deleted, the spare edges outside it.
//!
//! Lists are doubly linked through the edges themselves, so that removing an edge from its two lists takes constant time, even at
//! a hub with a million edges. A *half* is one end of an edge, `2 * edge + end`.

use super::link_cut::Weight;

pub(super) const NONE: u32 = u32::MAX;

/// Which lists an edge is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum List {
    /// The edge is in the forest.
    Tree = 0,
    /// The edge joins two vertices that the forest connects without it.
    Spare = 1,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Edge {
    pub(super) ends: [u32; 2],
    pub(super) weight: Weight,
    pub(super) list: List,
    next: [u32; 2],
    previous: [u32; 2],
}

/// The edges and their lists.
#[derive(Debug, Default)]
pub(super) struct Edges {
    edges: Vec<Edge>,
    free: Vec<u32>,
    /// The first half of a vertex, by list.
    first: Vec<[u32; 2]>,
}

impl Edges {
    /// Makes room for vertices below `vertices`.
    pub(super) fn grow(&mut self, vertices: usize) {
        if vertices > self.first.len() {
            self.first.resize(vertices, [NONE; 2]);
        }
    }

    pub(super) fn get(&self, edge: u32) -> &Edge {
        &self.edges[edge as usize]
    }

    pub(super) fn set_weight(&mut self, edge: u32, weight: Weight) {
        self.edges[edge as usize].weight = weight;
    }

    /// The number of edges.
    pub(super) fn len(&self) -> usize {
        self.edges.len() - self.free.len()
    }

    pub(super) fn add(&mut self, ends: [u32; 2], weight: Weight, list: List) -> u32 {
        let edge = Edge { ends, weight, list, next: [NONE; 2], previous: [NONE; 2] };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.edges[slot as usize] = edge;
                slot
            }
            None => {
                self.edges.push(edge);
                (self.edges.len() - 1) as u32
            }
        };
        self.enlist(slot, list);
        slot
    }

    pub(super) fn remove(&mut self, edge: u32) {
        self.unlist(edge);
        self.edges[edge as usize].weight = Weight::MIN;
        self.free.push(edge);
    }

    pub(super) fn move_to(&mut self, edge: u32, list: List) {
        self.unlist(edge);
        self.edges[edge as usize].list = list;
        self.enlist(edge, list);
    }

    /// The first half in a list of a vertex; [`NONE`] if the list is empty.
    pub(super) fn first(&self, vertex: u32, list: List) -> u32 {
        self.first.get(vertex as usize).map_or(NONE, |first| first[list as usize])
    }

    /// The half after this one in the list of its vertex.
    pub(super) fn next(&self, half: u32) -> u32 {
        self.edges[half as usize / 2].next[half as usize % 2]
    }

    /// The vertex at the other end.
    pub(super) fn opposite(&self, half: u32) -> u32 {
        self.edges[half as usize / 2].ends[1 - half as usize % 2]
    }

    /// All edges, in no particular order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Edge> {
        self.edges.iter().filter(|edge| edge.weight != Weight::MIN)
    }

    /// Bytes of memory.
    pub(super) fn bytes(&self) -> usize {
        self.edges.capacity() * size_of::<Edge>() + self.free.capacity() * 4 + self.first.capacity() * 8
    }

    fn enlist(&mut self, edge: u32, list: List) {
        for end in 0..2 {
            let vertex = self.edges[edge as usize].ends[end] as usize;
            let half = edge * 2 + end as u32;
            let behind = std::mem::replace(&mut self.first[vertex][list as usize], half);
            self.edges[edge as usize].next[end] = behind;
            self.edges[edge as usize].previous[end] = NONE;
            if behind != NONE {
                self.edges[behind as usize / 2].previous[behind as usize % 2] = half;
            }
        }
    }

    fn unlist(&mut self, edge: u32) {
        let Edge { ends, list, next, previous, .. } = self.edges[edge as usize];
        for end in 0..2 {
            match previous[end] {
                NONE => self.first[ends[end] as usize][list as usize] = next[end],
                before => self.edges[before as usize / 2].next[before as usize % 2] = next[end],
            }
            if next[end] != NONE {
                self.edges[next[end] as usize / 2].previous[next[end] as usize % 2] = previous[end];
            }
        }
    }
}
