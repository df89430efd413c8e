//! Options, arguments and the values in them.

use nom::Parser;
use nom::combinator::{cut, map};
use nom::multi::separated_list1;
use nom::sequence::separated_pair;
use sqlparser::tokenizer::Token as SqlToken;

use super::basics::{bracketed_list, name, sign};
use super::expression::interval;
use super::problem::{Expected, Parsed, Problem};
use super::tokens::Tokens;
use crate::{Algorithm, Argument, Diagnostic, Literal, LiteralKind, Name, OptionEntry, Options, Span};

/// `(key = value, ...)`; `with` is the place of the `WITH`.
pub(crate) fn options(with: Span) -> impl Fn(Tokens<'_>) -> Parsed<'_, Options> {
    move |input| {
        let entry = map(separated_pair(key, cut(equals), cut(literal)), |(key, value)| OptionEntry { key, value });
        let mut entry = entry;
        let (rest, entries) = bracketed_list("options", |input| entry.parse(input))(input)?;
        let mut kept: Vec<OptionEntry> = Vec::with_capacity(entries.len());
        for entry in entries {
            match kept.iter().find(|other| other.key.text == entry.key.text) {
                Some(other) => twice(input, "the option", &entry.key, other.key.span),
                None => kept.push(entry),
            }
        }
        Ok((rest, Options { entries: kept, span: Some(with.to(input.until(rest).span())) }))
    }
}

/// Reports a name that comes twice where it may come only once.
pub(crate) fn twice(input: Tokens<'_>, what: &str, name: &Name, first: Span) {
    input.report(
        Diagnostic::error(format!("{what} `{name}` stands twice"))
            .label(name.span, "once more here")
            .label(first, "already here")
            .help("remove one"),
    );
}

/// `connector`, `retry.max` or `'connector'`.
fn key(input: Tokens<'_>) -> Parsed<'_, Name> {
    if let Some(SqlToken::SingleQuotedString(text)) = input.first().map(|token| &token.sql.token) {
        return Ok((input.skip(1), Name { text: text.clone(), span: input.here() }));
    }
    let (rest, parts) = separated_list1(sign(SqlToken::Period), part).parse(input)?;
    let text = parts.iter().map(|part| part.text.as_str()).collect::<Vec<_>>().join(".");
    Ok((rest, Name { text, span: input.until(rest).span() }))
}

/// A part of a key: any word, even a reserved one.
fn part(input: Tokens<'_>) -> Parsed<'_, Name> {
    match input.first().and_then(|token| token.word().map(|word| (token, word))) {
        Some((token, word)) => Ok((input.skip(1), Name { text: word.to_ascii_lowercase(), span: token.span })),
        None => name("an option")(input),
    }
}

fn equals(input: Tokens<'_>) -> Parsed<'_, Span> {
    sign(SqlToken::Eq)(input).or_else(|error| match input.first() {
        Some(token) if token.is(&SqlToken::RArrow) => Problem::keyword(input, "=")
            .help("options are written `key = value`; `=>` is for the settings of an algorithm")
            .fail(),
        _ => Err(error),
    })
}

/// `name` or `name(setting => value, ...)`; `what` says in messages what it is the name of.
pub(crate) fn algorithm(what: &'static str) -> impl Fn(Tokens<'_>) -> Parsed<'_, Algorithm> {
    move |input| {
        let (rest, algorithm) = name(what)(input)?;
        let (rest, args) = cut(arguments).parse(rest)?;
        Ok((rest, Algorithm { algorithm, args, span: input.until(rest).span() }))
    }
}

/// `(name => value, ...)`, or nothing.
fn arguments(input: Tokens<'_>) -> Parsed<'_, Vec<Argument>> {
    if !input.first().is_some_and(|token| token.is(&SqlToken::LParen)) {
        return Ok((input, Vec::new()));
    }
    if input.nth(1).is_some_and(|token| token.is(&SqlToken::RParen)) {
        return Ok((input.skip(2), Vec::new()));
    }
    let setting = name("a setting");
    let mut argument = map(separated_pair(setting, cut(arrow), cut(literal)), |(name, value)| Argument { name, value });
    let (rest, arguments) = bracketed_list("settings", |input| argument.parse(input))(input)?;
    let mut kept: Vec<Argument> = Vec::with_capacity(arguments.len());
    for argument in arguments {
        match kept.iter().find(|other| other.name.text == argument.name.text) {
            Some(other) => twice(input, "the setting", &argument.name, other.name.span),
            None => kept.push(argument),
        }
    }
    Ok((rest, kept))
}

fn arrow(input: Tokens<'_>) -> Parsed<'_, Span> {
    sign(SqlToken::RArrow)(input).or_else(|error| match input.first() {
        Some(token) if token.is(&SqlToken::Eq) => {
            Problem::keyword(input, "=>").help("settings are written `name => value`").fail()
        }
        _ => Err(error),
    })
}

/// A literal value.
pub(crate) fn literal(input: Tokens<'_>) -> Parsed<'_, Literal> {
    let negative = input.first().is_some_and(|token| token.is(&SqlToken::Minus));
    let rest = input.skip(usize::from(negative));
    let missing = || {
        Problem::expected(
            input,
            ["a text in single quotes", "a number", "true or false"].map(|thing| Expected::Thing(thing.into())).to_vec(),
        )
    };
    let Some(token) = rest.first() else { return missing().miss() };
    let kind = match &token.sql.token {
        SqlToken::Number(digits, _) => match number(digits, negative) {
            Some(kind) => kind,
            None => {
                let wrong = Diagnostic::error("this number is too large").label(token.span, "at most 9223372036854775807");
                return Problem::from(wrong).fail();
            }
        },
        _ if negative => return missing().fail(),
        SqlToken::SingleQuotedString(text) => LiteralKind::String(text.clone()),
        SqlToken::Word(_) if token.is_word("true") => LiteralKind::Boolean(true),
        SqlToken::Word(_) if token.is_word("false") => LiteralKind::Boolean(false),
        SqlToken::Word(_) if token.is_word("interval") => {
            return map(interval(0), |length| Literal { kind: LiteralKind::Duration(length.us), span: length.span }).parse(input);
        }
        SqlToken::Word(_) => {
            return missing()
                .help(format!("a text stands in single quotes: '{}'", token.span.of(input.text()).trim_matches('"')))
                .fail();
        }
        _ => return missing().fail(),
    };
    let rest = rest.skip(1);
    Ok((rest, Literal { kind, span: input.until(rest).span() }))
}

/// A number: an integer if written as one; `None` if it is too large.
fn number(digits: &str, negative: bool) -> Option<LiteralKind> {
    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        let signed = if negative { format!("-{digits}") } else { digits.to_owned() };
        return signed.parse().ok().map(LiteralKind::Integer);
    }
    let number: f64 = digits.parse().ok()?;
    number.is_finite().then_some(LiteralKind::Float(if negative { -number } else { number }))
}
