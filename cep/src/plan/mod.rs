//! The plan of a pattern over a stream: everything that does not change while it runs. It does not depend on the operators that
//! run it.

pub(crate) mod automaton;
mod columns;
pub(crate) mod condition;
mod describe;
pub(crate) mod known;
mod layout;
pub(crate) mod local;
pub(crate) mod measure;
mod names;
pub(crate) mod options;
pub(crate) mod pattern_plan;
pub(crate) mod shown;
pub(crate) mod streams;
pub(crate) mod value;
pub(crate) mod words;
