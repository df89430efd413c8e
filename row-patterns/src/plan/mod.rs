//! The constant data of a row pattern: the pattern as given, its automaton, definitions and measures.

mod aggregate;
pub(crate) mod automaton;
pub(crate) mod columns;
pub(crate) mod define;
mod inside;
mod layout;
pub(crate) mod measure;
pub(crate) mod names;
mod parse;
pub(crate) mod pattern;
pub(crate) mod row_plan;
pub(crate) mod spec;
mod text;
mod tree;
pub(crate) mod value;

pub use parse::PatternSyntaxError;
pub use text::{mark_semantics, parse_expression};
