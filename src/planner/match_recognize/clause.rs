//! A clause on its way to a pattern.

use crate::planner::build::lookup::Lookup;
use egret_core::expr::aggregate_function;
use egret_dsl::{MatchRecognize, Span, Sql};
use egret_rows::PatternExpr;

/// Why a row pattern is no event pattern.
pub(super) type Reason = String;

/// Functions that expressions of MATCH_RECOGNIZE have besides those of SQL.
pub(super) const FUNCTIONS: [&str; 6] = ["first", "last", "prev", "next", "classifier", "match_number"];

/// A function's name without `FINAL` or `RUNNING` before it.
pub(super) fn without_semantics(name: &str) -> &str {
    name.strip_prefix("final.").or_else(|| name.strip_prefix("running.")).unwrap_or(name)
}

/// Whether it is called over rows of the match.
pub(super) fn is_over_rows(name: &str) -> bool {
    let plain = without_semantics(name);
    FUNCTIONS.contains(&plain) || aggregate_function(plain).is_some()
}

/// The measure of the place of a match's first row.
pub(super) const PLACE_FIRST: &str = "__place_first";

/// A clause with its texts rewritten: calls to graphs and models are columns, the stream's name is gone.
pub(super) struct Clause<'a> {
    pub(super) syntax: &'a MatchRecognize,
    /// The whole program's text.
    pub(super) text: String,
    pub(super) pattern: PatternExpr,
    /// The variables of the pattern, each once: as the language and as the engine of row patterns calls it.
    pub(super) variables: Vec<(String, String)>,
    pub(super) defines: Vec<(String, Sql)>,
    pub(super) measures: Vec<(String, Sql)>,
    pub(super) lookups: Vec<(Lookup, Span)>,
}

/// Which columns of the input the clause names.
pub(super) struct KeyAndOrder {
    pub(super) partition: Vec<usize>,
    /// With whether the largest comes first.
    pub(super) order: Vec<(usize, bool)>,
}
