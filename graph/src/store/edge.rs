//! An edge as the store takes and gives it.

/// An edge with this expiry never expires.
pub use crate::components::NEVER;

/// An edge.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Edge {
    /// The vertex that it leaves.
    pub from: u32,
    /// The vertex that it arrives at.
    pub to: u32,
    /// When it happened.
    pub time: i64,
    /// When it expires, [`NEVER`] if it does not. The store is compact where edges live equally long.
    pub expiry: i64,
    /// How much it counts.
    pub weight: f64,
    /// A number of the caller's own that many edges share, such as the kind of edge.
    pub attribute: u32,
}

/// Which way edges are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the vertex that they leave.
    Out = 0,
    /// From the vertex that they arrive at.
    In = 1,
}

impl Direction {
    /// Both of them.
    pub const BOTH: [Self; 2] = [Self::Out, Self::In];
}
