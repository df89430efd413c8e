//! A MATCH_RECOGNIZE clause while it is planned.

use crate::planner::build::lookup::Lookup;
use egret_core::expr::aggregate_function;
use egret_dsl::{MatchRecognize, Span, Sql};
use egret_rows::PatternExpr;

/// Why a row pattern cannot run as an event pattern.
pub(super) type Reason = String;

/// Functions that expressions of MATCH_RECOGNIZE have in addition to those of SQL.
pub(super) const FUNCTIONS: [&str; 6] = ["first", "last", "prev", "next", "classifier", "match_number"];

/// A function's name without the prefix `FINAL` or `RUNNING`.
pub(super) fn without_semantics(name: &str) -> &str {
    name.strip_prefix("final.").or_else(|| name.strip_prefix("running.")).unwrap_or(name)
}

/// Whether the function reads rows of the match.
pub(super) fn is_over_rows(name: &str) -> bool {
    let plain = without_semantics(name);
    FUNCTIONS.contains(&plain) || aggregate_function(plain).is_some()
}

/// The measure that holds the place of a match's first row.
pub(super) const PLACE_FIRST: &str = "__place_first";

/// A clause with rewritten texts: calls of graphs and models are columns, and the stream's name is removed.
pub(super) struct Clause<'a> {
    pub(super) syntax: &'a MatchRecognize,
    /// The whole program's text.
    pub(super) text: String,
    pub(super) pattern: PatternExpr,
    /// The variables of the pattern, each once: with its name in the language and in the engine of row patterns.
    pub(super) variables: Vec<(String, String)>,
    pub(super) defines: Vec<(String, Sql)>,
    pub(super) measures: Vec<(String, Sql)>,
    pub(super) lookups: Vec<(Lookup, Span)>,
}

/// The columns of the input that PARTITION BY and ORDER BY name.
pub(super) struct KeyAndOrder {
    pub(super) partition: Vec<usize>,
    /// Each with whether the order is descending.
    pub(super) order: Vec<(usize, bool)>,
}
