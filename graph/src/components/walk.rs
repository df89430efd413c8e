//! A walk over a tree of the forest in small steps, so that two trees can be walked alternately and the smaller one is found at
//! a cost proportional to its size.

use super::edges::{Edges, List, NONE};

/// A breadth-first walk.
#[derive(Debug, Default)]
pub(super) struct Walk {
    /// The vertices found so far.
    pub(super) found: Vec<u32>,
    /// The edge by which each vertex was found.
    by: Vec<u32>,
    position: usize,
    half: u32,
}

impl Walk {
    fn start(&mut self, edges: &Edges, vertex: u32) {
        self.found.clear();
        self.by.clear();
        self.found.push(vertex);
        self.by.push(NONE);
        self.position = 0;
        self.half = edges.first(vertex, List::Tree);
    }

    /// Advances by one vertex or one half of an edge. Returns whether the whole tree is found. The number of steps depends on the
    /// size of the tree alone.
    fn step(&mut self, edges: &Edges) -> bool {
        if self.half == NONE {
            self.position += 1;
            let Some(&vertex) = self.found.get(self.position) else { return true };
            self.half = edges.first(vertex, List::Tree);
            return false;
        }
        let edge = self.half / 2;
        if edge != self.by[self.position] {
            self.found.push(edges.opposite(self.half));
            self.by.push(edge);
        }
        self.half = edges.next(self.half);
        false
    }

    /// Finds the whole tree of a vertex.
    pub(super) fn whole(&mut self, edges: &Edges, vertex: u32) {
        self.start(edges, vertex);
        while !self.step(edges) {}
    }
}

/// Walks two trees alternately and returns which one is smaller; of two equally large ones, the first.
pub(super) fn find_smaller(walks: &mut [Walk; 2], edges: &Edges, vertices: [u32; 2]) -> usize {
    walks[0].start(edges, vertices[0]);
    walks[1].start(edges, vertices[1]);
    loop {
        for (side, walk) in walks.iter_mut().enumerate() {
            if walk.step(edges) {
                return side;
            }
        }
    }
}
