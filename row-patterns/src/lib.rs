//! SQL row pattern recognition (`MATCH_RECOGNIZE`, SQL:2016): the *preferred match* in the ordered rows of a partition.
//!
//! The rows of a match are consecutive. Of all matches that start at the first row where one can start, the pattern defines which
//! is preferred: alternatives from left to right, more repetitions before fewer if greedy, fewer before more if reluctant. After
//! a match the search continues where the clause says.
//!
//! # How it works
//! The pattern becomes an automaton with edges in order of preference (`plan/automaton.rs`). The parts of definitions that read
//! only a row and the rows before it are computed a column at a time when rows arrive (`plan/define.rs`). A partition follows all
//! beginnings of a match at once, in order of preference (`run/partition.rs`); beginnings with the same future are merged, and
//! starts that cannot match are not tried (`run/gate.rs`). The output of a match is computed from its rows when the match is
//! found (`show/render.rs`).

mod compiled;
mod kept;
mod plan;
mod run;
mod show;

pub use compiled::CompiledRowPattern;
pub use plan::pattern::PatternExpr;
pub use plan::spec::{RowPattern, RowSkip, RowsPerMatch};
pub use plan::{PatternSyntaxError, mark_semantics, parse_expression};
