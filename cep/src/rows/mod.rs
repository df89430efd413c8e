//! SQL row pattern recognition (`MATCH_RECOGNIZE`, SQL:2016): the *preferred match* in the ordered rows of a partition.
//!
//! Rows of a match stand one behind the other. Of all matches that start at the first row where one starts, the pattern says
//! which is preferred: alternatives from left to right, greedy repetitions more before fewer, reluctant ones fewer before more.
//! Behind it the search goes on where the clause says.

mod compiled;
mod parse;
mod pattern;
mod plan;
mod spec;
mod text;

pub use compiled::CompiledRowPattern;
pub use parse::PatternSyntaxError;
pub use pattern::PatternExpr;
pub use spec::{RowPattern, RowSkip, RowsPerMatch};
pub use text::{mark_semantics, parse_expression};
