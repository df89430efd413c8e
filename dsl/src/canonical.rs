//! The canonical form of a piece of text, for comparing one version of a job with the next: without comments, with uniform white
//! space and letter case. It is built from our tokens, so it does not change when a library prints trees differently.

use crate::source::Token;
use crate::{SourceMap, Span, Sql};
use sqlparser::tokenizer::Token as SqlToken;

impl<T> Sql<T> {
    /// The text in canonical form.
    ///
    /// ```
    /// use egret_dsl::parse_expression;
    /// let (a, b) = (parse_expression("Amount  >10 -- euros")?, parse_expression("amount > 10")?);
    /// assert_eq!(a.canonical(), b.canonical());
    /// assert_ne!(a.canonical(), parse_expression("amount > 11")?.canonical());
    /// # Ok::<(), egret_dsl::Diagnostic>(())
    /// ```
    pub fn canonical(&self) -> String {
        canonical(self.source(), self.span)
    }
}

/// The tokens of a piece of text, separated by single spaces except where a reader expects none.
pub(crate) fn canonical(source: &SourceMap, span: Span) -> String {
    let mut text = String::new();
    let mut is_tight = true;
    for token in source.tokens().iter().filter(|token| token.span.start >= span.start && token.span.end <= span.end) {
        let closes = matches!(token.sql.token, SqlToken::RParen | SqlToken::Comma | SqlToken::Period | SqlToken::RBracket);
        if !is_tight && !closes {
            text.push(' ');
        }
        text.push_str(&shown(source, token));
        is_tight = matches!(token.sql.token, SqlToken::LParen | SqlToken::Period | SqlToken::LBracket);
    }
    text
}

fn shown(source: &SourceMap, token: &Token) -> String {
    match &token.sql.token {
        SqlToken::Word(word) if word.quote_style.is_none() => word.value.to_ascii_lowercase(),
        // A quoted name that needs no quotes is written without them.
        SqlToken::Word(word) if is_plain(&word.value) => word.value.clone(),
        _ => token.span.of(source.text()).to_owned(),
    }
}

fn is_plain(name: &str) -> bool {
    let mut characters = name.chars();
    characters.next().is_some_and(|first| first.is_ascii_lowercase() || first == '_')
        && characters.all(|other| other.is_ascii_lowercase() || other.is_ascii_digit() || other == '_')
}
