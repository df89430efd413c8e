//! Finds the bytes that an expression came from. sqlparser's spans cover names and literals; the keywords and brackets around
//! them are found again among the tokens.

use sqlparser::ast::{CastKind, Expr, Spanned};
use sqlparser::tokenizer::Token as SqlToken;

use crate::Span;
use crate::source::{SourceMap, Token};

/// A range of tokens, both ends included.
#[derive(Clone, Copy)]
struct Run {
    first: usize,
    last: usize,
}

impl SourceMap {
    /// The bytes of an expression parsed from this text, with its keywords and brackets.
    pub fn span_of_expr(&self, expr: &Expr) -> Option<Span> {
        self.run_of_expr(expr).map(|run| self.bytes(run))
    }

    /// Widens a span so that every bracket has its partner, and a call includes its name.
    pub(crate) fn whole(&self, span: Span) -> Span {
        self.run(span).map_or(span, |run| self.bytes(self.balanced(run)))
    }

    fn bytes(&self, run: Run) -> Span {
        self.tokens()[run.first].span.to(self.tokens()[run.last].span)
    }

    /// The tokens that overlap a span.
    fn run(&self, span: Span) -> Option<Run> {
        let first = self.tokens().partition_point(|token| token.span.end <= span.start);
        let after = self.tokens().partition_point(|token| token.span.start < span.end);
        (first < after).then(|| Run { first, last: after - 1 })
    }

    fn run_of_expr(&self, expr: &Expr) -> Option<Run> {
        let inner = match expr {
            Expr::BinaryOp { left, right, .. } => {
                let (left, right) = (self.run_of_expr(left)?, self.run_of_expr(right)?);
                Run { first: left.first.min(right.first), last: left.last.max(right.last) }
            }
            Expr::Nested(inner)
            | Expr::UnaryOp { expr: inner, .. }
            | Expr::Cast { kind: CastKind::DoubleColon, expr: inner, .. } => self.run_of_expr(inner)?,
            _ => self.run(self.span(expr.span())?)?,
        };
        Some(self.balanced(self.with_keywords(expr, inner)))
    }

    /// Adds the keywords that sqlparser leaves out.
    fn with_keywords(&self, expr: &Expr, run: Run) -> Run {
        let Run { first, last } = run;
        match expr {
            Expr::Nested(_) => Run { first: first.saturating_sub(1), last },
            Expr::UnaryOp { .. } | Expr::TypedString(_) => Run { first: first.saturating_sub(1), last },
            Expr::Interval(interval) => {
                Run { first: first.saturating_sub(1), last: self.forward(last, usize::from(interval.leading_field.is_some())) }
            }
            Expr::IsNull(_) | Expr::IsTrue(_) | Expr::IsFalse(_) | Expr::IsUnknown(_) => {
                Run { first, last: self.forward(last, 2) }
            }
            Expr::IsNotNull(_) | Expr::IsNotTrue(_) | Expr::IsNotFalse(_) | Expr::IsNotUnknown(_) => {
                Run { first, last: self.forward(last, 3) }
            }
            Expr::Cast { kind: CastKind::DoubleColon, .. } => Run { first, last: self.forward(last, 2) },
            Expr::Extract { .. }
            | Expr::Ceil { .. }
            | Expr::Floor { .. }
            | Expr::Position { .. }
            | Expr::Substring { .. }
            | Expr::Trim { .. }
            | Expr::Overlay { .. }
            | Expr::Convert { .. }
            | Expr::Cast { .. } => Run { first: self.call_before(first), last },
            _ => run,
        }
    }

    fn forward(&self, last: usize, tokens: usize) -> usize {
        (last + tokens).min(self.tokens().len().saturating_sub(1))
    }

    /// The name of the call whose brackets enclose the token at `inside`; `inside` itself if there is none.
    fn call_before(&self, inside: usize) -> usize {
        match self.opening_before(inside) {
            Some(opening) => self.call_name(opening),
            None => inside,
        }
    }

    /// The nearest bracket before `index` that is not closed before `index`.
    fn opening_before(&self, index: usize) -> Option<usize> {
        let mut closed = 0usize;
        for (at, token) in self.tokens()[..index].iter().enumerate().rev() {
            match token {
                token if token.is(&SqlToken::SemiColon) => return None,
                token if token.closes() => closed += 1,
                token if token.opens() && closed == 0 => return Some(at),
                token if token.opens() => closed -= 1,
                _ => {}
            }
        }
        None
    }

    /// The first token of the dotted name directly before an opening bracket; without a name, the bracket.
    fn call_name(&self, opening: usize) -> usize {
        let mut first = opening;
        while let Some(before) = first.checked_sub(1) {
            let (token, next) = (&self.tokens()[before], &self.tokens()[first]);
            let names = matches!(token.sql.token, SqlToken::Word(_) | SqlToken::Period);
            if !names || token.span.end != next.span.start {
                break;
            }
            first = before;
        }
        first
    }

    /// Widens a range on both sides until every bracket has its partner.
    fn balanced(&self, run: Run) -> Run {
        let Run { mut first, mut last } = run;
        let (mut open, mut missing) = (0usize, 0usize);
        for token in &self.tokens()[first..=last] {
            count(token, &mut open, &mut missing);
        }
        for _ in 0..missing {
            match self.opening_before(first) {
                Some(opening) => first = self.call_name(opening),
                None => break,
            }
        }
        while open > 0 && last + 1 < self.tokens().len() && !self.tokens()[last + 1].is(&SqlToken::SemiColon) {
            last += 1;
            count(&self.tokens()[last], &mut open, &mut missing);
        }
        Run { first, last }
    }
}

fn count(token: &Token, open: &mut usize, missing: &mut usize) {
    if token.opens() {
        *open += 1;
    } else if token.closes() {
        match open.checked_sub(1) {
            Some(fewer) => *open = fewer,
            None => *missing += 1,
        }
    }
}
