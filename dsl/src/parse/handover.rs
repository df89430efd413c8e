//! Hands tokens over to sqlparser, and translates its errors into our words and places.

use super::depth::{check_depth, deepest, too_deep};
use super::problem::{Expected, Problem};
use super::tokens::{Tokens, describe};
use crate::dialect::EgretDialect;
use crate::source::Token;
use crate::window::WINDOW_FUNCTIONS;
use crate::{Diagnostic, Sql, suggest};
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Token as SqlToken, TokenWithSpan};

/// Tokens for sqlparser, each with the index of the token it was made from.
pub(super) type Handed = (Vec<TokenWithSpan>, Vec<usize>);

/// Lets sqlparser read the beginning of `slice`, from the tokens handed to it. Returns how many of the slice's tokens it took,
/// and the tree.
pub(super) fn hand_over<'a, T>(
    slice: Tokens<'a>,
    (tokens, indices): Handed,
    read: impl FnOnce(&mut Parser<'_>) -> Result<T, ParserError>,
) -> Result<(usize, T), nom::Err<Problem>> {
    check_depth(slice).map_err(nom::Err::Failure)?;
    let dialect = EgretDialect::new(tokens.len());
    let mut parser = Parser::new(&dialect).with_tokens_with_locations(tokens);
    match read(&mut parser) {
        Ok(tree) => Ok((indices.get(parser.index()).copied().unwrap_or(slice.all().len()), tree)),
        Err(error) => Err(nom::Err::Failure(match dialect.gave_up_at() {
            Some(index) => lost(slice.skip(indices.get(index).copied().unwrap_or(slice.all().len()))),
            None => explain(slice, error),
        })),
    }
}

/// The tokens for sqlparser, each with its index in `slice`. sqlparser does not accept `TABLE txn` as an argument of a window, so
/// the word `TABLE`, which adds nothing to the name, is left out.
pub(super) fn for_sqlparser(slice: Tokens<'_>) -> Handed {
    let all = slice.all();
    let is_window = |token: &Token| WINDOW_FUNCTIONS.iter().any(|function| token.is_word(function));
    let kept = |index: &usize| {
        let is_argument = index.checked_sub(2).is_some_and(|before| match all[before + 1].sql.token {
            SqlToken::LParen => is_window(&all[before]),
            SqlToken::RArrow => all[before].is_word("DATA"),
            _ => false,
        });
        let before_name = matches!(all.get(index + 1).map(|token| &token.sql.token), Some(SqlToken::Word(_)));
        !(is_argument && before_name && all[*index].is_word("TABLE"))
    };
    let indices: Vec<usize> = (0..all.len()).filter(kept).collect();
    (indices.iter().map(|index| all[*index].sql.clone()).collect(), indices)
}

/// A tree with its text.
pub(super) fn piece<T>(tokens: Tokens<'_>, tree: T) -> Sql<T> {
    let span = tokens.span();
    Sql { tree, span, text: span.of(tokens.text()).to_owned(), source: tokens.file.source.clone(), matches: None }
}

/// The problem of a text that can be misread in too many ways: the fault is unknown, but not how far the text was understood.
fn lost(at: Tokens<'_>) -> Problem {
    Diagnostic::error("this expression cannot be read")
        .label(at.here(), "it was understood up to here")
        .help("a bracket may be missing, or an `END`; name a part of it in a stream of its own if it is nested very deeply")
        .into()
}

/// Turns an error of sqlparser into a problem of ours, with its place.
fn explain(slice: Tokens<'_>, error: ParserError) -> Problem {
    let text = match error {
        ParserError::ParserError(text) | ParserError::TokenizerError(text) => text,
        ParserError::RecursionLimitExceeded => return too_deep(deepest(slice), "the innermost part is here".to_owned()),
    };
    let (message, location) = split_location(&text);
    let at = location.and_then(|location| token_at(slice, location)).unwrap_or(slice.all().len());
    let at = slice.skip(at);
    match message.strip_prefix("Expected: ").and_then(|rest| rest.rsplit_once(", found: ")) {
        Some((wanted, _)) => misspelt_before(slice, at, Problem::expected(at, vec![expected(wanted)])),
        None => Diagnostic::error(format!("this is not SQL: {message}")).label(at.here(), "here").into(),
    }
}

/// sqlparser writes keywords in capitals and signs as they are; everything else is prose.
fn expected(wanted: &str) -> Expected {
    let keywords = wanted.chars().all(|character| character.is_ascii_uppercase() || matches!(character, ' ' | '_'));
    match keywords || !wanted.chars().any(char::is_alphabetic) {
        true => Expected::Keyword(wanted.to_owned().into()),
        false => Expected::Thing(wanted.trim_end_matches(':').to_owned().into()),
    }
}

/// Splits ` at Line: 3, Column: 5` off the end of a message.
fn split_location(text: &str) -> (&str, Option<Location>) {
    let found = text.rfind(" at Line: ").and_then(|at| {
        let (line, column) = text[at..].strip_prefix(" at Line: ")?.split_once(", Column: ")?;
        Some((at, Location::new(line.parse().ok()?, column.parse().ok()?)))
    });
    match found {
        Some((at, location)) => (&text[..at], Some(location)),
        None => (text, None),
    }
}

fn token_at(slice: Tokens<'_>, location: Location) -> Option<usize> {
    let index = slice.all().partition_point(|token| token.sql.span.start < location);
    slice.all().get(index).filter(|token| token.sql.span.start == location).map(|_| index)
}

/// sqlparser takes a misspelt keyword for an alias and fails at the next word: looks for a misspelt keyword here or just before.
pub(super) fn misspelt_before(slice: Tokens<'_>, at: Tokens<'_>, problem: Problem) -> Problem {
    const KEYWORDS: [&str; 15] = [
        "SELECT", "DISTINCT", "FROM", "WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "UNION", "JOIN", "INNER", "LEFT", "WINDOW",
        "BETWEEN", "INTERVAL",
    ];
    let tokens = at.file.source.tokens();
    let before = at.position().checked_sub(1).filter(|before| *before >= slice.position());
    for token in std::iter::once(at.position()).chain(before).filter_map(|index| tokens.get(index)) {
        if let Some(near) = token.word().and_then(|word| suggest(word, KEYWORDS)).filter(|near| !token.is_word(near)) {
            let Some(diagnostic) = problem.clone().into_diagnostic(at.file) else { return problem };
            let word = describe(token, at.text());
            let diagnostic = Diagnostic::error(diagnostic.message).label(token.span, format!("{word} is no keyword of SQL"));
            return diagnostic.suggestion(Some(near)).into();
        }
    }
    problem
}
