//! The plan: an immutable automaton with one node for each event a match can take.
//!
//! Repetitions are unrolled (V. M. Glushkov's construction: a node is an occurrence of a variable, an edge says that one
//! occurrence can directly follow another). So a partial match needs to know only its node and which of the node's edges are
//! still open, and a step looks at the node's edges alone. What lies *between* two events (negations, greedy repetitions that
//! must not be left early) is a [`Guard`] of the node: an event that trips it closes the edges that lead past it.

mod build;
mod orders;
mod parts;
mod reach;

pub(crate) use build::build;
pub(crate) use parts::{
    Automaton, ConditionId, ConditionSource, Edge, EdgeLink, Guard, NODE_BITS_MAX, Node, NodeId, Target, Variable, condition_of,
    guard_bit,
};
pub(crate) use reach::check_reach;
