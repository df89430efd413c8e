//! SQL row pattern recognition (`MATCH_RECOGNIZE`, SQL:2016): the *preferred match* in the ordered rows of a partition.
//!
//! Rows of a match stand one behind the other. Of all matches that start at the first row where one starts, the pattern says
//! which is preferred: alternatives from left to right, greedy repetitions more before fewer, reluctant ones fewer before more.
//! Behind it the search goes on where the clause says.
//!
//! # How it works
//! The pattern becomes an automaton whose edges are in order of preference (`plan/automaton.rs`). What definitions read of a row alone is
//! computed a column at a time when rows come (`plan/define.rs`). A partition runs all beginnings of a match at once, in order of preference
//! (`run/partition.rs`); beginnings with the same future are one, and starts that
//! cannot match are not tried (`run/gate.rs`). What a match shows is computed from its rows when it is found (`show/render.rs`).

mod compiled;
mod kept;
mod plan;
mod run;
mod show;

pub use compiled::CompiledRowPattern;
pub use plan::pattern::PatternExpr;
pub use plan::spec::{RowPattern, RowSkip, RowsPerMatch};
pub use plan::{PatternSyntaxError, mark_semantics, parse_expression};
