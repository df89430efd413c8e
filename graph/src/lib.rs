//! Egret's streaming graph algorithms: edges come and expire, answers follow.
//!
//! * [`DynamicComponents`] keeps the connected components of a graph whose edges come, expire and are deleted.
//! * [`GraphSpec`] is a graph as a job declares it: which columns are edges, how long they live. It makes the operator that
//!   follows the graph ([`GraphOperator`], one instance) and the one that adds the graph's answers to rows
//!   ([`GraphReader`] in a knowledge join, on every worker).
//!
//! ```text
//! rows --(gather)--> GraphOperator --updates, broadcast--> KnowledgeJoin (GraphReader) --> rows with ring_size
//!   \------------------------------rows-----------------------^
//! ```
//!
//! # Why the components are native
//! Components by differential dataflow propagate labels: each edit costs rounds of the fixed point, an arrangement holds the edges of
//! the whole window, and an edge that leaves a component makes every label that went over it be retracted and derived anew. Here
//! the expiry is known when an edge comes, which says more than a collection that may change in any way: memory follows
//! the vertices, an edge within a component costs a path query, and only vertices whose component is another are touched.
//! `cargo bench -p egret-graph --bench sliding_window` measures it.

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
