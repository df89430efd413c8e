//! The source text with its tokens: converts sqlparser's lines and columns to our byte offsets.
//!
//! sqlparser counts lines from one and, within a line, *characters* from one. The tokens have both kinds of positions, so that a
//! binary search converts one into the other: whatever sqlparser points at begins and ends with a token.

use std::fmt;

use sqlparser::ast::{Ident, Spanned};
use sqlparser::tokenizer::{self, Location, Token as SqlToken, TokenWithSpan};

use crate::Span;

/// One token: sqlparser's token, and its bytes.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) sql: TokenWithSpan,
    pub(crate) span: Span,
}

impl Token {
    /// The word, if the token is one without quotes: it may be a keyword.
    pub(crate) fn word(&self) -> Option<&str> {
        match &self.sql.token {
            SqlToken::Word(word) if word.quote_style.is_none() => Some(&word.value),
            _ => None,
        }
    }

    /// Whether it is this keyword.
    pub(crate) fn is_word(&self, keyword: &str) -> bool {
        self.word().is_some_and(|word| word.eq_ignore_ascii_case(keyword))
    }

    /// Whether it is this sign.
    pub(crate) fn is(&self, sign: &SqlToken) -> bool {
        self.sql.token == *sign
    }

    pub(crate) fn opens(&self) -> bool {
        matches!(self.sql.token, SqlToken::LParen | SqlToken::LBracket | SqlToken::LBrace)
    }

    pub(crate) fn closes(&self) -> bool {
        matches!(self.sql.token, SqlToken::RParen | SqlToken::RBracket | SqlToken::RBrace)
    }
}

/// A source text, its lines and its tokens: finds the bytes that a part of a sqlparser tree came from.
pub struct SourceMap {
    text: String,
    lines: Vec<usize>,
    tokens: Vec<Token>,
}

impl fmt::Debug for SourceMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SourceMap({} bytes, {} lines)", self.text.len(), self.lines.len())
    }
}

impl SourceMap {
    /// A text whose tokens are not known yet.
    pub(crate) fn of_text(text: &str) -> Self {
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { text: text.to_owned(), lines, tokens: Vec::new() }
    }

    pub(crate) fn set_tokens(&mut self, tokens: Vec<Token>) {
        self.tokens = tokens;
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    /// Line and column of a byte, both from one, the column in characters: what editors show.
    pub fn line_column(&self, offset: usize) -> (usize, usize) {
        let offset = Span::at(offset).within(&self.text).start;
        let line = self.lines.partition_point(|start| *start <= offset);
        let start = self.lines[line - 1];
        (line, self.text[start..offset].chars().count() + 1)
    }

    /// The byte at a line and column of sqlparser; the end of the line if the column lies beyond it.
    pub fn offset(&self, location: Location) -> usize {
        let key = (location.line, location.column);
        let by_start = self.tokens.partition_point(|token| start_of(token) < key);
        if let Some(token) = self.tokens.get(by_start).filter(|token| start_of(token) == key) {
            return token.span.start;
        }
        if let Some(token) = by_start.checked_sub(1).map(|before| &self.tokens[before]).filter(|token| end_of(token) == key) {
            return token.span.end;
        }
        self.walk_to(location)
    }

    /// Like [`SourceMap::offset`], for a place where no token begins or ends.
    pub(crate) fn walk_to(&self, location: Location) -> usize {
        let line = usize::try_from(location.line).unwrap_or(usize::MAX).saturating_sub(1);
        let Some(start) = self.lines.get(line).copied() else { return self.text.len() };
        let end = self.lines.get(line + 1).copied().unwrap_or(self.text.len());
        let characters = usize::try_from(location.column).unwrap_or(usize::MAX).saturating_sub(1);
        self.text[start..end].char_indices().nth(characters).map_or(end, |(at, _)| start + at)
    }

    /// The bytes of a sqlparser span; `None` for the empty one, which means "unknown".
    pub fn span(&self, span: tokenizer::Span) -> Option<Span> {
        match span == tokenizer::Span::empty() {
            true => None,
            false => {
                let start = self.offset(span.start);
                Some(Span::new(start, self.offset(span.end).max(start)))
            }
        }
    }

    /// The bytes of an identifier.
    pub fn span_of(&self, ident: &Ident) -> Option<Span> {
        self.span(ident.span)
    }

    /// The bytes of any part of a sqlparser tree, widened so that brackets come in pairs and a call includes its name. sqlparser
    /// leaves keywords out of its spans; [`SourceMap::span_of_expr`] adds those of expressions.
    pub fn span_of_node(&self, node: &impl Spanned) -> Option<Span> {
        self.span(node.span()).map(|span| self.whole(span))
    }
}

fn start_of(token: &Token) -> (u64, u64) {
    (token.sql.span.start.line, token.sql.span.start.column)
}

fn end_of(token: &Token) -> (u64, u64) {
    (token.sql.span.end.line, token.sql.span.end.column)
}
