//! All edges of a graph that changes: the edge store.
//!
//! A multigraph whose edges have a time, an expiry, a weight and an attribute, go when they expire or are deleted, and are found
//! from both ends. The store is kept once for all algorithms that read it.
//!
//! # Rules
//! * *Multi-edges.* Each edge that is inserted is one of its own, whatever others there are between its ends: it expires by
//!   itself, and counts by itself. [`EdgeStore::remove`] takes the one that came last.
//! * *Loops.* An edge from a vertex to itself is kept. It is one of the edges that leave the vertex and one of those that arrive,
//!   so it adds 2 to the degree. (A graph of the language has none: [`crate::GraphOperator`] counts such rows and drops them.)
//! * *Direction.* Edges go from one end to the other; who does not care looks in both directions.
//!
//! # Shape
//! Edges stand in the order they came, in chunks of 1,024: an edge's id is its place in that order. A chunk without edges is
//! given back at once, wherever it is, so memory follows the edges that are there; when more than half of the places in the
//! others are empty, [`EdgeStore::tidy`] closes the ranks. The edges that leave a vertex are a list through the edges themselves, the
//! newest one first, and so are those that arrive. An edge takes 44 bytes, a vertex 16; nothing else grows with them while edges
//! expire in the order they came.

mod chunks;
mod classes;
mod edge;
mod expiry;
mod multigraph;
#[cfg(test)]
pub(crate) mod tests;

pub use edge::{Direction, Edge, NEVER};
pub use multigraph::EdgeStore;
