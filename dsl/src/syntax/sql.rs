//! A piece of SQL within a statement: sqlparser's tree and the way back to the text.

use std::ops::ControlFlow;
use std::sync::Arc;

use sqlparser::ast::{Expr, Function, Ident, ObjectNamePart, Spanned, TableFactor};

use crate::walk::{self, Tree};
use crate::window::{WindowCall, window_call};
use crate::{Diagnostic, DurationLit, MatchRecognize, SourceMap, Span};

/// An expression (or, as [`SqlQuery`](crate::SqlQuery), a query) that sqlparser has read, and where it stands.
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
    /// What sqlparser made of it.
    pub tree: T,
    /// Where it stands.
    pub span: Span,
    /// The text itself.
    pub text: String,
    pub(crate) source: Arc<SourceMap>,
    /// What `MATCH_RECOGNIZE` says in it.
    pub(crate) matches: Option<Arc<[MatchRecognize]>>,
}

impl<T> Sql<T> {
    /// Where an identifier of the tree stands; the whole piece if it came from elsewhere.
    pub fn span_of(&self, ident: &Ident) -> Span {
        self.source.span_of(ident).unwrap_or(self.span)
    }

    /// Where an expression of the tree stands; the whole piece if that cannot be told.
    pub fn span_of_expr(&self, expr: &Expr) -> Span {
        self.source.span_of_expr(expr).unwrap_or(self.span)
    }

    /// Where any part of the tree stands; the whole piece if that cannot be told.
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

    /// The text with its lines, for what is not covered here.
    pub fn source(&self) -> &Arc<SourceMap> {
        &self.source
    }

    /// The window that a table of the query stands for: see [`window_call`].
    pub fn window_call(&self, factor: &TableFactor) -> Option<Result<WindowCall, Diagnostic>> {
        window_call(factor, &self.source, self.span)
    }

    /// The clause that a table of the query stands for: in sqlparser's tree `t MATCH_RECOGNIZE (...) AS m` is a join of `t`
    /// with a table called `m`, whose name stands where the keyword does.
    pub fn match_recognize(&self, factor: &TableFactor) -> Option<&MatchRecognize> {
        let TableFactor::Table { name, .. } = factor else { return None };
        let [ObjectNamePart::Identifier(ident)] = name.0.as_slice() else { return None };
        let start = self.source.span_of(ident)?.start;
        self.matches.as_ref()?.iter().find(|clause| clause.span.start == start)
    }

    /// Every `MATCH_RECOGNIZE` in it, those of subqueries as well.
    pub fn matches_recognized(&self) -> &[MatchRecognize] {
        self.matches.as_deref().unwrap_or(&[])
    }

    /// The length of time that an `INTERVAL` of the tree stands for.
    ///
    /// # Errors
    /// The expression is no `INTERVAL`, or its length is not a whole number of microseconds.
    pub fn duration(&self, expr: &Expr) -> Result<DurationLit, Diagnostic> {
        crate::duration::duration(expr, self.span_of_expr(expr))
    }
}

impl<T: Tree> Sql<T> {
    /// Every column that is named anywhere in the tree, in the order of the text: `amount` as one identifier,
    /// `probe.amount` as two.
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

    /// Every function that is called anywhere in the tree, in the order of the text, with the span of its name.
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
