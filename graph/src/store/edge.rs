//! Edges, as inserted into the store and returned from it.

/// An edge with this expiry never expires.
pub use crate::components::NEVER;

/// An edge.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Edge {
    /// The vertex that the edge leaves.
    pub from: u32,
    /// The vertex that the edge arrives at.
    pub to: u32,
    /// The event time.
    pub time: i64,
    /// The expiry, [`NEVER`] if there is none. The store is compact if many edges have the same duration.
    pub expiry: i64,
    /// The weight.
    pub weight: f64,
    /// A number that the caller defines and many edges share, such as the kind of edge.
    pub attribute: u32,
}

/// The direction in which edges are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the vertex that an edge leaves to the one that it arrives at.
    Out = 0,
    /// From the vertex that an edge arrives at to the one that it leaves.
    In = 1,
}

impl Direction {
    /// Both directions.
    pub const BOTH: [Self; 2] = [Self::Out, Self::In];
}
