//! Pieces of SQL within a statement: sqlparser's tree and the way back to the text. Also `MATCH_RECOGNIZE`, SQL's pattern
//! matching over rows as a part of `FROM`, which sqlparser does not read. Queries contain such clauses, and these contain
//! expressions.

use std::ops::ControlFlow;
use std::sync::Arc;

use sqlparser::ast::{Expr, Function, Ident, ObjectNamePart, Spanned, TableFactor};

use crate::walk::{self, Tree};
use crate::window::{WindowCall, window_call};
use crate::{Diagnostic, DurationLit, Name, SourceMap, Span};

/// An expression (or, as [`SqlQuery`](crate::SqlQuery), a query) that sqlparser has read, and its place.
///
/// ```
/// use egret_dsl::parse_expression;
/// let condition = parse_expression("amount > 10 * avg(probe.amount)")?;
/// let (path, span) = &condition.identifiers()[1];
/// assert_eq!(path.len(), 2);
/// assert_eq!(span.of("amount > 10 * avg(probe.amount)"), "probe.amount");
/// # Ok::<(), egret_dsl::Diagnostic>(())
/// ```
#[derive(Debug, Clone)]
pub struct Sql<T = Expr> {
    /// The tree that sqlparser made.
    pub tree: T,
    /// Where it stands.
    pub span: Span,
    /// The text itself.
    pub text: String,
    pub(crate) source: Arc<SourceMap>,
    /// The `MATCH_RECOGNIZE` clauses in it.
    pub(crate) matches: Option<Arc<[MatchRecognize]>>,
}

impl<T> Sql<T> {
    /// The place of an identifier of the tree; the whole piece if the identifier came from elsewhere.
    pub fn span_of(&self, ident: &Ident) -> Span {
        self.source.span_of(ident).unwrap_or(self.span)
    }

    /// The place of an expression of the tree; the whole piece if that cannot be told.
    pub fn span_of_expr(&self, expr: &Expr) -> Span {
        self.source.span_of_expr(expr).unwrap_or(self.span)
    }

    /// The place of any part of the tree; the whole piece if that cannot be told.
    pub fn span_of_node(&self, node: &impl Spanned) -> Span {
        self.source.span_of_node(node).unwrap_or(self.span)
    }

    /// A part of this text, or the same text with a rewritten tree.
    pub fn part<U>(&self, tree: U, span: Span) -> Sql<U> {
        Sql {
            tree,
            span,
            text: span.of(self.source.text()).to_owned(),
            source: Arc::clone(&self.source),
            matches: self.matches.clone(),
        }
    }

    /// The source text with its lines and tokens.
    pub fn source(&self) -> &Arc<SourceMap> {
        &self.source
    }

    /// The window that a table of the query stands for: see [`window_call`].
    pub fn window_call(&self, factor: &TableFactor) -> Option<Result<WindowCall, Diagnostic>> {
        window_call(factor, &self.source, self.span)
    }

    /// The clause that a table of the query stands for: in sqlparser's tree `t MATCH_RECOGNIZE (...) AS m` is a join of `t` with
    /// a table called `m`, whose name has the place of the keyword.
    pub fn match_recognize(&self, factor: &TableFactor) -> Option<&MatchRecognize> {
        let TableFactor::Table { name, .. } = factor else { return None };
        let [ObjectNamePart::Identifier(ident)] = name.0.as_slice() else { return None };
        let start = self.source.span_of(ident)?.start;
        self.matches.as_ref()?.iter().find(|clause| clause.span.start == start)
    }

    /// Every `MATCH_RECOGNIZE` in the query, including those of subqueries.
    pub fn matches_recognized(&self) -> &[MatchRecognize] {
        self.matches.as_deref().unwrap_or(&[])
    }

    /// The duration that an `INTERVAL` of the tree stands for.
    ///
    /// # Errors
    /// The expression is not an `INTERVAL`, or its length is not a whole number of microseconds.
    pub fn duration(&self, expr: &Expr) -> Result<DurationLit, Diagnostic> {
        crate::duration::duration(expr, self.span_of_expr(expr))
    }
}

impl<T: Tree> Sql<T> {
    /// Every column named anywhere in the tree, in the order of the text: `amount` as one identifier, `probe.amount` as two.
    pub fn identifiers(&self) -> Vec<(Vec<Ident>, Span)> {
        let mut found = Vec::new();
        let _: ControlFlow<()> = walk::expressions(&self.tree, |expr| {
            match expr {
                Expr::Identifier(ident) => found.push((vec![ident.clone()], self.span_of(ident))),
                Expr::CompoundIdentifier(idents) => found.push((idents.clone(), self.span_of_node(expr))),
                _ => {}
            }
            ControlFlow::Continue(())
        });
        found.sort_by_key(|(_, span)| *span);
        found
    }

    /// Every function called anywhere in the tree, in the order of the text, with the span of its name.
    pub fn functions(&self) -> Vec<(Function, Span)> {
        let mut found = Vec::new();
        let _: ControlFlow<()> = walk::expressions(&self.tree, |expr| {
            if let Expr::Function(function) = expr {
                let span = self.source.span(function.name.span()).unwrap_or(self.span);
                found.push((function.clone(), span));
            }
            ControlFlow::Continue(())
        });
        found.sort_by_key(|(_, span)| *span);
        found
    }
}

/// `relation MATCH_RECOGNIZE ( ... )`, without the relation before it and the alias after it, which are in sqlparser's tree: see
/// [`Sql::match_recognize`].
#[derive(Debug, Clone)]
pub struct MatchRecognize {
    /// The columns that all rows of a match share.
    pub partition_by: Vec<Name>,
    /// The order of rows.
    pub order_by: Vec<RowOrder>,
    /// The columns that a match adds.
    pub measures: Vec<RowMeasure>,
    /// Whether a match gives one row or all of its rows; `None` if not given, which means one row.
    pub rows_per_match: Option<(RowsPerMatch, Span)>,
    /// Where the search continues after a match; `None` if not given, which means after the last row.
    pub after_match: Option<(AfterMatchSkip, Span)>,
    /// The row pattern.
    pub pattern: RowPatternText,
    /// How long a match may take from its first to its last row; greater than zero.
    pub within: Option<DurationLit>,
    /// Names for several variables together; none comes twice.
    pub subsets: Vec<RowSubset>,
    /// The conditions of variables; a variable that is not defined may be any row. No variable comes twice.
    pub defines: Vec<Define>,
    /// All of it, from the keyword to the closing bracket.
    pub span: Span,
}

impl MatchRecognize {
    /// Whether a match gives one row.
    pub fn is_one_row(&self) -> bool {
        self.rows_per_match.is_none_or(|(mode, _)| mode == RowsPerMatch::One)
    }
}

/// A column of `ORDER BY`.
#[derive(Debug, Clone)]
pub struct RowOrder {
    /// The column.
    pub column: Name,
    /// Whether the greatest comes first.
    pub descending: bool,
}

/// `expression AS name`.
#[derive(Debug, Clone)]
pub struct RowMeasure {
    /// The value. In the tree `FINAL LAST(a.x)` is a call of the two-part name `FINAL.LAST`, and likewise for `RUNNING`.
    pub expr: Sql,
    /// Its name.
    pub name: Name,
}

/// The rows that a match gives.
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

/// Where the search continues after a match.
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
    /// The name for all of the variables.
    pub name: Name,
    /// The variables, at least one.
    pub variables: Vec<Name>,
}

/// The text between the brackets of `PATTERN`, not parsed yet: the pattern engine does that.
#[derive(Debug, Clone)]
pub struct RowPatternText {
    /// The text, with comments replaced by blanks: every byte has the same offset as in the source.
    pub text: String,
    /// Where it stands.
    pub span: Span,
}

impl RowPatternText {
    /// The bytes of the source at an offset of this text: the token that begins there, or the last token.
    pub fn span_at(&self, offset: usize) -> Span {
        let rest = self.text.get(offset..).unwrap_or("");
        let is_name = |character: char| character.is_alphanumeric() || character == '_';
        let length = match rest.find(|character| !is_name(character)).unwrap_or(rest.len()) {
            0 => rest.chars().next().map_or(0, char::len_utf8),
            length => length,
        };
        let start = self.span.start + offset.min(self.text.len());
        // At the end of the pattern, the closing bracket is the unexpected token.
        Span::new(start, start + length.max(1))
    }
}

/// `variable AS condition`, in a row pattern.
#[derive(Debug, Clone)]
pub struct Define {
    /// The variable.
    pub variable: Name,
    /// The condition on its row.
    pub condition: Sql,
}
