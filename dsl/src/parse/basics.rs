//! The small parsers: keywords, signs, names, lists.

use nom::Parser;
use nom::combinator::{cut, opt};
use nom::sequence::preceded;
use sqlparser::tokenizer::Token as SqlToken;

use super::problem::{Expected, Parsed, Problem, problem_of};
use super::tokens::Tokens;
use crate::{Name, Span};

/// Words that cannot be names without quotes, so that a forgotten name is told apart from a name with forgotten quotes.
const RESERVED: [&str; 26] = [
    "and",
    "as",
    "case",
    "create",
    "define",
    "distinct",
    "exists",
    "false",
    "from",
    "group",
    "having",
    "in",
    "insert",
    "into",
    "not",
    "null",
    "on",
    "or",
    "order",
    "partition",
    "select",
    "true",
    "union",
    "where",
    "with",
    "within",
];

/// Whether an unquoted word cannot be a name.
pub(crate) fn is_reserved(word: &str) -> bool {
    RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(word))
}

/// One or more words that belong together, such as `PARTITION BY`: after the first word the others must follow.
pub(crate) fn phrase<'a>(words: &'static str) -> impl Fn(Tokens<'a>) -> Parsed<'a, Span> {
    move |input| {
        let mut rest = input;
        for (index, word) in words.split(' ').enumerate() {
            if !rest.first().is_some_and(|token| token.is_word(word)) {
                return match index {
                    0 => Problem::keyword(rest, words).miss(),
                    _ => Problem::keyword(rest, word).fail(),
                };
            }
            rest = rest.skip(1);
        }
        Ok((rest, input.until(rest).span()))
    }
}

/// A sign, such as `,`.
pub(crate) fn sign<'a>(sign: SqlToken) -> impl Fn(Tokens<'a>) -> Parsed<'a, Span> {
    move |input| match input.first() {
        Some(token) if token.is(&sign) => Ok((input.skip(1), token.span)),
        _ => Problem::keyword(input, sign.to_string()).miss(),
    }
}

/// A name; `what` says in messages what it is the name of: "the stream's name".
pub(crate) fn name<'a>(what: &'static str) -> impl Fn(Tokens<'a>) -> Parsed<'a, Name> {
    move |input| {
        let missing = Problem::thing(input, what);
        let Some(token) = input.first() else { return missing.miss() };
        if is_next_clause(input) {
            return missing.miss();
        }
        match &token.sql.token {
            SqlToken::Word(word) if word.quote_style.is_none() && is_reserved(&word.value) => missing
                .help(format!("`{}` is a word of the language; to use it as a name, quote it: \"{}\"", word.value, word.value))
                .miss(),
            SqlToken::Word(word) if word.value.is_empty() => missing.help("a name has at least one letter").miss(),
            SqlToken::Word(word) => {
                let text = match word.quote_style {
                    Some(_) => word.value.clone(),
                    None => word.value.to_ascii_lowercase(),
                };
                Ok((input.skip(1), Name { text, span: token.span }))
            }
            SqlToken::SingleQuotedString(_) => missing.help("names stand without quotes, or within double ones").miss(),
            _ => missing.miss(),
        }
    }
}

/// Whether a clause begins where a name should be. A single word that could begin one is a name all the same if a clause, a comma
/// or the end follows it.
fn is_next_clause(input: Tokens<'_>) -> bool {
    let Some((_, words)) = input.clause_here() else { return false };
    let after = input.skip(1);
    words > 1 || !(after.is_empty() || after.at_comma() || after.clause_here().is_some())
}

/// Items separated by commas, in a clause: ends where another clause begins. Faults of an item are reported, and reading
/// continues with the next item.
pub(crate) fn comma_list<'a, T>(
    mut item: impl FnMut(Tokens<'a>) -> Parsed<'a, T>,
) -> impl FnMut(Tokens<'a>) -> Parsed<'a, Vec<T>> {
    move |mut input| {
        let mut items = Vec::new();
        loop {
            match item(input).and_then(|(rest, value)| item_end(rest).map(|(rest, more)| (rest, value, more))) {
                Ok((rest, value, more)) => {
                    items.push(value);
                    input = rest;
                    if !more {
                        break;
                    }
                }
                Err(error) => {
                    report(input, error);
                    input = input.skip(input.count_to_clause(|rest| rest.at_comma()));
                    if !input.at_comma() {
                        break;
                    }
                    input = input.skip(1);
                }
            }
        }
        Ok((input, items))
    }
}

/// After an item: a comma and more to come, or the end of the list.
fn item_end(input: Tokens<'_>) -> Parsed<'_, bool> {
    if input.at_comma() {
        return Ok((input.skip(1), true));
    }
    if input.is_empty() || input.clause_here().is_some() {
        return Ok((input, false));
    }
    let later = input.later_clauses().iter().map(|clause| Expected::Keyword((*clause).into()));
    Problem::expected(input, std::iter::once(Expected::Keyword(",".into())).chain(later).collect()).fail()
}

/// `( item, item )`; `what` names an item in messages. Faults of an item are reported, and reading continues with the next item.
pub(crate) fn bracketed_list<'a, T>(
    what: &'static str,
    mut item: impl FnMut(Tokens<'a>) -> Parsed<'a, T>,
) -> impl FnMut(Tokens<'a>) -> Parsed<'a, Vec<T>> {
    move |input| {
        let (mut input, opening) = sign(SqlToken::LParen)(input)?;
        let mut items = Vec::new();
        loop {
            let outcome = item(input).and_then(|(rest, value)| {
                items.push(value);
                bracket_end(rest)
            });
            let more = match outcome {
                Ok((rest, more)) => {
                    input = rest;
                    more
                }
                Err(error) => {
                    report_item(input, opening, what, error);
                    input = input.skip(input.count_until(|rest| rest.at_comma()));
                    let more = input.at_comma();
                    input = input.skip(1);
                    more
                }
            };
            if !more {
                break;
            }
        }
        Ok((input, items))
    }
}

fn bracket_end(input: Tokens<'_>) -> Parsed<'_, bool> {
    let more = sign(SqlToken::Comma).map(|_| true);
    let end = sign(SqlToken::RParen).map(|_| false);
    nom::branch::alt((more, end)).parse(input)
}

/// Reports the fault of an item; if the list just stops, also says where the list begins.
fn report_item(input: Tokens<'_>, opening: Span, what: &str, error: nom::Err<Problem>) {
    let problem = problem_of(error);
    let at_end = matches!(&problem, Problem::Expected { position, .. } if *position >= input.position() + input.all().len());
    match problem.into_diagnostic(input.file) {
        Some(diagnostic) if at_end => input.report(diagnostic.label(opening, format!("the list of {what} begins here"))),
        Some(diagnostic) => input.report(diagnostic),
        None => {}
    }
}

/// Reports why a parser stopped.
pub(crate) fn report(input: Tokens<'_>, error: nom::Err<Problem>) {
    if let Some(diagnostic) = problem_of(error).into_diagnostic(input.file) {
        input.report(diagnostic);
    }
}

/// `AS name`, if it is there.
pub(crate) fn alias(input: Tokens<'_>) -> Parsed<'_, Option<Name>> {
    opt(preceded(phrase("AS"), cut(name("a name for the column")))).parse(input)
}
