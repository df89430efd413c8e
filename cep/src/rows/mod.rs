//! SQL row pattern recognition (`MATCH_RECOGNIZE`, SQL:2016): the *preferred match* in the ordered rows of a partition.
//!
//! Rows of a match stand one behind the other. Of all matches that start at the first row where one starts, the pattern says
//! which is preferred: alternatives from left to right, greedy repetitions more before fewer, reluctant ones fewer before more.
//! Behind it the search goes on where the clause says.
//!
//! # How it works
//! The pattern becomes an automaton whose edges are in order of preference (`automaton`). What definitions read of a row alone is
//! computed a column at a time when rows come (`define`). A partition runs all beginnings of a match at once, in order of preference
//! (`partition`); beginnings with the same future are one, and starts that
//! cannot match are not tried (`gate`). What a match shows is computed from its rows when it is found (`render`).

mod aggregate;
mod arrivals;
mod aside;
mod automaton;
mod columns;
mod compiled;
mod define;
mod describe;
mod evaluate;
mod gate;
mod history;
mod inside;
mod layout;
mod matched;
mod measure;
mod names;
mod operator;
mod parse;
mod partition;
mod pattern;
mod plan;
mod render;
mod schedule;
mod snapshot;
mod spec;
mod state;
mod store;
mod text;
mod tree;
mod value;

pub use compiled::CompiledRowPattern;
pub use parse::PatternSyntaxError;
pub use pattern::PatternExpr;
pub use spec::{RowPattern, RowSkip, RowsPerMatch};
pub use text::{mark_semantics, parse_expression};
