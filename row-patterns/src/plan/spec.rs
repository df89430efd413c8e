//! The contents of a `MATCH_RECOGNIZE` clause, without the stream it applies to.

use super::pattern::PatternExpr;
use datafusion_sql::sqlparser::ast;

/// A row pattern with its definitions, and the output of its matches.
///
/// Names of variables are folded already: upper case unless they were quoted. Expressions are as
/// [`super::parse_expression`] makes them.
#[derive(Clone, Debug)]
pub struct RowPattern {
    /// `PATTERN (...)`.
    pub pattern: PatternExpr,
    /// `SUBSET U = (A, B)`: union variables and their members.
    pub subsets: Vec<(String, Vec<String>)>,
    /// `DEFINE A AS condition`. A variable without one matches any row.
    pub defines: Vec<(String, ast::Expr)>,
    /// `MEASURES expression AS name`.
    pub measures: Vec<(ast::Expr, String)>,
    /// The rows that a match outputs.
    pub rows_per_match: RowsPerMatch,
    /// Where the search continues after a match.
    pub after_match: RowSkip,
    /// `WITHIN`: the event time of a match's last row is less than this after that of its first. Microseconds.
    pub within_us: Option<i64>,
}

impl RowPattern {
    /// A pattern that outputs one row per match and continues after its last row, which is the standard's default.
    pub fn new(pattern: PatternExpr) -> Self {
        Self {
            pattern,
            subsets: Vec::new(),
            defines: Vec::new(),
            measures: Vec::new(),
            rows_per_match: RowsPerMatch::One,
            after_match: RowSkip::PastLastRow,
            within_us: None,
        }
    }
}

/// The rows that a match outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowsPerMatch {
    /// `ONE ROW PER MATCH`.
    One,
    /// `ALL ROWS PER MATCH [SHOW EMPTY MATCHES]`: an empty match outputs the row at which it starts.
    AllShowEmpty,
    /// `ALL ROWS PER MATCH OMIT EMPTY MATCHES`.
    AllOmitEmpty,
    /// `ALL ROWS PER MATCH WITH UNMATCHED ROWS`: rows that belong to no match are output, too, with null measures.
    AllWithUnmatched,
}

/// Where the search continues after a match. After an empty match it always continues with the next row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowSkip {
    /// `PAST LAST ROW`.
    PastLastRow,
    /// `TO NEXT ROW`: at the row after the match's first.
    ToNextRow,
    /// `TO FIRST v`: at the first row of a variable. A match without such a row, or that starts with it, is an error.
    ToFirst(String),
    /// `TO LAST v` or `TO v`: at the last row of a variable. A match without such a row, or that starts with it, is an error.
    ToLast(String),
}
