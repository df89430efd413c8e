//! Cuts text into tokens with sqlparser's own tokeniser, so that strings, numbers and comments are the same everywhere.

use sqlparser::tokenizer::{Location, Token as SqlToken, TokenWithSpan, Tokenizer, TokenizerError};

use crate::dialect::EgretDialect;
use crate::source::{SourceMap, Token};
use crate::{Diagnostic, Span};

/// Cuts `text` into as many tokens as possible; also returns what stopped it, if anything did.
pub(crate) fn lex(text: &str) -> (SourceMap, Option<Diagnostic>) {
    let mut source = SourceMap::of_text(text);
    let mut located = Vec::new();
    let outcome = Tokenizer::new(&EgretDialect::new(0), source.text()).tokenize_with_location_into_buf(&mut located);
    let mut cursor = Cursor::new(source.text());
    let mut tokens = Vec::with_capacity(located.len() / 2);
    for sql in located {
        if is_skipped(&sql) {
            continue;
        }
        let start = cursor.advance(sql.span.start);
        let span = Span::new(start, cursor.advance(sql.span.end));
        tokens.push(Token { sql, span });
    }
    source.set_tokens(tokens);
    let problem = outcome.err().map(|error| explain(&source, &error));
    (source, problem)
}

/// White space, comments, and the byte order mark that some editors put at the beginning of a file.
fn is_skipped(token: &TokenWithSpan) -> bool {
    matches!(token.token, SqlToken::Whitespace(_) | SqlToken::Char('\u{feff}'))
}

/// Walks along the text once, converting ascending locations into byte offsets.
struct Cursor<'a> {
    text: &'a str,
    offset: usize,
    line: u64,
    column: u64,
}

impl<'a> Cursor<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, offset: 0, line: 1, column: 1 }
    }

    fn advance(&mut self, to: Location) -> usize {
        for character in self.text[self.offset..].chars() {
            if (self.line, self.column) >= (to.line, to.column) {
                break;
            }
            self.offset += character.len_utf8();
            match character {
                '\n' => (self.line, self.column) = (self.line + 1, 1),
                _ => self.column += 1,
            }
        }
        self.offset
    }
}

fn explain(source: &SourceMap, error: &TokenizerError) -> Diagnostic {
    let text = source.text();
    let mut start = source.walk_to(error.location);
    let message = error.message.to_lowercase();
    let unterminated = message.contains("untermin") || message.contains("unexpected eof") || message.contains("before eof");
    if !unterminated {
        let end = text[start..].chars().next().map_or(start, |character| start + character.len_utf8());
        return Diagnostic::error("this cannot be read").label(Span::new(start, end), error.message.clone());
    }
    let comment = message.contains("comment");
    if comment {
        start = last_comment(source);
    }
    let what = if comment { "comment" } else { "quoted text" };
    let first_line = text[start..].lines().next().map_or(start, |line| start + line.len());
    let diagnostic = Diagnostic::error(format!("a {what} has no end"));
    match string_over_lines(source).filter(|_| !comment) {
        Some(span) => diagnostic
            .label(Span::at(start).to(Span::new(start, first_line)), "this quote opens a text that nothing closes")
            .label(span, "this text runs over several lines: is its closing quote missing?"),
        None => diagnostic.label(Span::new(start, first_line), format!("this {what} opens here, and nothing closes it")).help(
            if comment {
                "close it with `*/`"
            } else {
                "close it with the same quote; write a quote within the text twice: 'it''s'"
            },
        ),
    }
}

/// The beginning of the unclosed comment: the first such `/*` after the last token.
fn last_comment(source: &SourceMap) -> usize {
    let after = source.tokens().last().map_or(0, |token| token.span.end);
    let mut rest = after;
    // Closed comments may lie between the last token and the open one; so may line comments that contain `/*`.
    while let Some(at) = source.text()[rest..].find("/*") {
        let start = rest + at;
        match closed_comment(&source.text()[start..]) {
            Some(length) => rest = start + length,
            None => return start,
        }
    }
    after
}

/// The length of the comment at the beginning of `text`, inner comments included; `None` if it is not closed.
fn closed_comment(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut depth, mut at) = (0usize, 0usize);
    while at + 1 < bytes.len() {
        match &bytes[at..at + 2] {
            b"/*" => (depth, at) = (depth + 1, at + 2),
            b"*/" if depth == 1 => return Some(at + 2),
            b"*/" => (depth, at) = (depth.saturating_sub(1), at + 2),
            _ => at += 1,
        }
    }
    None
}

fn string_over_lines(source: &SourceMap) -> Option<Span> {
    let runs_over = |token: &&Token| {
        matches!(token.sql.token, SqlToken::SingleQuotedString(_)) && token.span.of(source.text()).contains('\n')
    };
    let token = source.tokens().iter().find(runs_over)?;
    let first_line = token.span.of(source.text()).lines().next().map_or(0, str::len);
    Some(Span::new(token.span.start, token.span.start + first_line))
}
