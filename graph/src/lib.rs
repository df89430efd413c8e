//! Egret's streaming graph algorithms, over graphs whose edges are inserted, expire and are deleted.
//!
//! * [`GraphSpec`] is a graph as a job declares it: the columns of its edges, how long edges live, and what is computed
//!   ([`Computation`], an algorithm of the registry). It creates the operator that maintains the graph ([`GraphOperator`], one instance)
//!   and the one that adds answers to rows ([`GraphReader`] in a knowledge join, on every worker).
//! * [`EdgeStore`] keeps all edges, for the algorithms that read them.
//! * [`DynamicComponents`] keeps connected components without the edges.
//!
//! ```text
//! rows --(gather)--> GraphOperator --updates, broadcast--> KnowledgeJoin (GraphReader) --> rows with ring_size
//!   \------------------------------rows-----------------------^
//! ```
//!
//! # Why components do not use differential dataflow
//! Components in differential dataflow propagate labels. Each edit costs rounds of a fixed point, an arrangement holds all edges of
//! the window, and a removed edge retracts every label that was propagated over it. Here the expiry of an edge is known at its
//! insertion, so memory is proportional to the vertices, an edge within a component costs one path query, and only vertices
//! whose component changes are visited. `cargo bench -p egret-graph --bench sliding_window` measures it.

mod algorithm;
mod algorithms;
mod answers;
pub mod components;
mod computation;
mod counts;
mod evolving;
mod factory;
mod key;
mod operator;
mod reader;
mod saved;
mod settings;
mod spec;
pub mod store;
#[cfg(test)]
mod tests;
mod updates;
mod vertices;

pub use answers::{Answer, KnownAnswer, Lookup};
pub use components::{ComponentId, DynamicComponents};
pub use computation::Computation;
pub use operator::GraphOperator;
pub use reader::GraphReader;
pub use settings::Setting;
pub use spec::GraphSpec;
pub use store::EdgeStore;
pub use vertices::Side;
