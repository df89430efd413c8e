//! `MATCH_RECOGNIZE`: SQL's pattern matching over rows, as a part of `FROM`.

use crate::{Define, DurationLit, Name, Span, Sql};

/// `relation MATCH_RECOGNIZE ( ... )`, without the relation before and the alias behind, which stand in sqlparser's tree:
/// see [`Sql::match_recognize`].
#[derive(Debug, Clone)]
pub struct MatchRecognize {
    /// The columns that all rows of a match share.
    pub partition_by: Vec<Name>,
    /// Which of two rows comes first.
    pub order_by: Vec<RowOrder>,
    /// The columns that a match adds.
    pub measures: Vec<RowMeasure>,
    /// Whether a match is one row or all of its rows; `None` when nothing is said, which is one.
    pub rows_per_match: Option<(RowsPerMatch, Span)>,
    /// Where to look for the next match; `None` when nothing is said, which is behind the last row.
    pub after_match: Option<(AfterMatchSkip, Span)>,
    /// What follows what.
    pub pattern: RowPatternText,
    /// How long a match may take from its first to its last row; longer than nothing.
    pub within: Option<DurationLit>,
    /// Names for several variables together; none stands twice.
    pub subsets: Vec<RowSubset>,
    /// What a row must be; a variable that is not defined is any row. No variable stands twice.
    pub defines: Vec<Define>,
    /// All of it, from the keyword to the closing bracket.
    pub span: Span,
}

impl MatchRecognize {
    /// Whether a match is one row.
    pub fn is_one_row(&self) -> bool {
        self.rows_per_match.is_none_or(|(mode, _)| mode == RowsPerMatch::One)
    }
}

/// A column of `ORDER BY`.
#[derive(Debug, Clone)]
pub struct RowOrder {
    /// The column.
    pub column: Name,
    /// Whether the largest comes first.
    pub descending: bool,
}

/// `expression AS name`.
#[derive(Debug, Clone)]
pub struct RowMeasure {
    /// The value. In the tree `FINAL LAST(a.x)` is a call of the two-part name `FINAL.LAST`, and so for `RUNNING`.
    pub expr: Sql,
    /// Its name.
    pub name: Name,
}

/// What a match gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RowsPerMatch {
    /// `ONE ROW PER MATCH`
    One,
    /// `ALL ROWS PER MATCH [SHOW EMPTY MATCHES]`
    AllShowEmpty,
    /// `ALL ROWS PER MATCH OMIT EMPTY MATCHES`
    AllOmitEmpty,
    /// `ALL ROWS PER MATCH WITH UNMATCHED ROWS`
    AllWithUnmatched,
}

/// Where to look for the next match.
#[derive(Debug, Clone)]
pub enum AfterMatchSkip {
    /// `SKIP PAST LAST ROW`
    PastLastRow,
    /// `SKIP TO NEXT ROW`
    ToNextRow,
    /// `SKIP TO FIRST a`
    ToFirst(Name),
    /// `SKIP TO LAST a`, or `SKIP TO a`
    ToLast(Name),
}

/// `name = (a, b)`.
#[derive(Debug, Clone)]
pub struct RowSubset {
    /// The name for all of them.
    pub name: Name,
    /// The variables, at least one.
    pub variables: Vec<Name>,
}

/// What stands between the brackets of `PATTERN`, still as text: it is read by the pattern engine.
#[derive(Debug, Clone)]
pub struct RowPatternText {
    /// The text, in which comments are blanks: every byte stands where it stands in the source.
    pub text: String,
    /// Where it stands.
    pub span: Span,
}

impl RowPatternText {
    /// The bytes of the source at this offset of the text: the token that begins there, or the last one.
    pub fn span_at(&self, offset: usize) -> Span {
        let rest = self.text.get(offset..).unwrap_or("");
        let is_name = |character: char| character.is_alphanumeric() || character == '_';
        let length = match rest.find(|character| !is_name(character)).unwrap_or(rest.len()) {
            0 => rest.chars().next().map_or(0, char::len_utf8),
            length => length,
        };
        let start = self.span.start + offset.min(self.text.len());
        // At the end of the pattern the closing bracket is what was found.
        Span::new(start, start + length.max(1))
    }
}
