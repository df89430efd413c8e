//! What a `MATCH_RECOGNIZE` clause says, apart from the stream it is over.

use super::pattern::PatternExpr;
use datafusion_sql::sqlparser::ast;

/// A row pattern with its definitions, and what is made of its matches.
///
/// Names of variables are folded already: upper case unless they were quoted. Expressions are as
/// [`super::parse_expression`] makes them.
#[derive(Clone, Debug)]
pub struct RowPattern {
    /// `PATTERN (...)`.
    pub pattern: PatternExpr,
    /// `SUBSET U = (A, B)`: union variables and what they unite.
    pub subsets: Vec<(String, Vec<String>)>,
    /// `DEFINE A AS condition`. A variable without one matches any row.
    pub defines: Vec<(String, ast::Expr)>,
    /// `MEASURES expression AS name`.
    pub measures: Vec<(ast::Expr, String)>,
    /// What is shown of a match.
    pub rows_per_match: RowsPerMatch,
    /// Where the search goes on behind a match.
    pub after_match: RowSkip,
    /// `WITHIN`: the event time of a match's last row is less than this after that of its first. Microseconds.
    pub within_us: Option<i64>,
}

impl RowPattern {
    /// A pattern that shows one row a match and goes on behind its last row, as the standard does unless told otherwise.
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

/// What is shown of a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowsPerMatch {
    /// `ONE ROW PER MATCH`.
    One,
    /// `ALL ROWS PER MATCH [SHOW EMPTY MATCHES]`: an empty match shows the row at which it starts.
    AllShowEmpty,
    /// `ALL ROWS PER MATCH OMIT EMPTY MATCHES`.
    AllOmitEmpty,
    /// `ALL ROWS PER MATCH WITH UNMATCHED ROWS`: rows of no match are shown, too, with null measures.
    AllWithUnmatched,
}

/// Where the search goes on behind a match. Behind an empty match it goes on with the next row, whatever is said here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowSkip {
    /// `PAST LAST ROW`.
    PastLastRow,
    /// `TO NEXT ROW`: behind the match's first row.
    ToNextRow,
    /// `TO FIRST v`: at the first row of a variable. A match without such a row, or that starts with it, is an error.
    ToFirst(String),
    /// `TO LAST v` or `TO v`: at the last row of a variable. A match without such a row, or that starts with it, is an error.
    ToLast(String),
}
