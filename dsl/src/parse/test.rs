//! `TEST 'name' FOR pattern GIVEN ... EXPECT ...`.

use nom::Parser;
use nom::branch::alt;
use nom::combinator::{cut, map, opt, value};
use nom::sequence::{preceded, separated_pair};
use sqlparser::tokenizer::Token as SqlToken;

use super::basics::{self, bracketed_list, phrase, sign};
use super::expression::{expression, interval};
use super::problem::{Parsed, Problem};
use super::tokens::Tokens;
use crate::source::Token;
use crate::{Diagnostic, Expect, ExpectKind, ExpectedColumn, Given, GivenRow, Name, Span, Statement, Test, TestValue, duration};

const CLAUSES: &[&str] = &["FOR", "GIVEN", "EXPECT"];

/// Whether a test begins here: the word `TEST` alone may be a name.
pub(crate) fn begins(input: Tokens<'_>) -> bool {
    input.starts_with("TEST") && input.nth(1).is_some_and(|token| matches!(token.sql.token, SqlToken::SingleQuotedString(_)))
}

/// The whole statement.
pub(crate) fn test(input: Tokens<'_>) -> Parsed<'_, Statement> {
    let (rest, name) = preceded(phrase("TEST"), cut(text)).parse(Tokens { clauses: CLAUSES, clause: 0, ..input })?;
    let (rest, of) = preceded(cut(phrase("FOR")), cut(basics::name("the pattern to test"))).parse(rest)?;
    let (mut rest, mut given, mut expects) = (rest, Vec::new(), Vec::new());
    while !rest.is_empty() {
        if rest.starts_with("GIVEN") && expects.is_empty() {
            let (after, clause) = given_clause(rest)?;
            given.push(clause);
            rest = after;
        } else if given.is_empty() {
            const HELP: &str = "give some rows: `GIVEN (card, amount) (7, 5.0), (7, 90.0)`";
            return Problem::keyword(rest, "GIVEN").help(HELP).fail();
        } else {
            let (after, clause) = expect(rest)?;
            expects.push(clause);
            rest = after;
        }
    }
    if given.is_empty() || expects.is_empty() {
        let (missing, help) = match given.is_empty() {
            true => ("GIVEN", "give some rows: `GIVEN (card, amount) (7, 5.0), (7, 90.0)`"),
            false => ("EXPECT", "say what must be found: `EXPECT MATCH (card = 7)` or `EXPECT NO MATCH`"),
        };
        return Problem::keyword(rest, missing).help(help).fail();
    }
    let test = Test { name, of, given, expects, span: input.until(rest).span() };
    check(input, &test);
    Ok((rest, Statement::Test(test)))
}

/// The test's name, a text.
fn text(input: Tokens<'_>) -> Parsed<'_, Name> {
    match input.first().map(|token| (&token.sql.token, token.span)) {
        Some((SqlToken::SingleQuotedString(text), span)) => Ok((input.skip(1), Name { text: text.clone(), span })),
        _ => Problem::thing(input, "the test's name as a text").help("write it as in `TEST 'a big amount abroad' FOR p`").miss(),
    }
}

/// `GIVEN [stream] (columns) rows`.
fn given_clause(input: Tokens<'_>) -> Parsed<'_, Given> {
    let (rest, _) = phrase("GIVEN")(input)?;
    let (rest, stream) = match rest.first() {
        Some(token) if token.is(&SqlToken::LParen) => (rest, None),
        _ => map(cut(basics::name("a stream, or the columns in brackets")), Some).parse(rest)?,
    };
    let (rest, columns) = cut(bracketed_list("columns", basics::name("a column"))).parse(rest)?;
    let (mut rest, mut rows) = (rest, Vec::new());
    loop {
        let (before, reports) = (rest, input.file.reports());
        let (after, values) = cut(bracketed_list("values", test_value)).parse(rest)?;
        let span = before.until(after).span();
        if values.len() != columns.len() && !input.file.has_errors(reports) {
            let counts = format!("{} values for {} columns", values.len(), columns.len());
            input.report(Diagnostic::error(counts).label(span, "each row has a value for each column of the list"));
        }
        rows.push(GivenRow { values, span });
        rest = after;
        if !rest.at_comma() {
            break;
        }
        rest = rest.skip(1);
    }
    Ok((rest, Given { stream, columns, rows, span: input.until(rest).span() }))
}

/// One `EXPECT ...`.
fn expect(input: Tokens<'_>) -> Parsed<'_, Expect> {
    let expected = || map(opt(bracketed_list("expected columns", expected_column)), Option::unwrap_or_default);
    let by = opt(preceded(phrase("BY"), cut(test_value)));
    let no = alt((map(preceded(phrase("MATCH"), by), ExpectKind::NoMatch), value(ExpectKind::NoTimeout, phrase("TIMEOUT"))));
    let kind = alt((
        map(preceded(phrase("MATCH"), expected()), ExpectKind::Match),
        map(preceded(phrase("TIMEOUT"), expected()), ExpectKind::Timeout),
        preceded(phrase("NO"), cut(no)),
    ));
    let (rest, kind) = preceded(phrase("EXPECT"), cut(kind)).parse(input)?;
    Ok((rest, Expect { kind, span: input.until(rest).span() }))
}

fn expected_column(input: Tokens<'_>) -> Parsed<'_, ExpectedColumn> {
    let equals = cut(sign(SqlToken::Eq));
    map(separated_pair(basics::name("a column of the match"), equals, cut(test_value)), |(column, value)| ExpectedColumn {
        column,
        value,
    })
    .parse(input)
}

/// An expression, `+ 5 MINUTE` or `START + 5 MINUTE`.
fn test_value(input: Tokens<'_>) -> Parsed<'_, TestValue> {
    if input.starts_with("START") {
        let (rest, us) = match input.nth(1) {
            Some(token) if token.is(&SqlToken::Plus) => cut(length).parse(input.skip(2))?,
            _ => (input.skip(1), 0),
        };
        return Ok((rest, TestValue::FromStart { us, span: input.until(rest).span() }));
    }
    let is_plus = input.first().is_some_and(|token| token.is(&SqlToken::Plus));
    if is_plus && (input.skip(1).starts_with("INTERVAL") || input.nth(2).and_then(Token::word).is_some()) {
        let (rest, us) = cut(length).parse(input.skip(1))?;
        return Ok((rest, TestValue::After { us, span: input.until(rest).span() }));
    }
    map(expression, TestValue::Sql).parse(input)
}

/// `5 MINUTE`, `1 HOUR 30 MINUTE` or an interval, in microseconds.
fn length(input: Tokens<'_>) -> Parsed<'_, u64> {
    if input.starts_with("INTERVAL") {
        return map(interval(0), |length| length.us).parse(input);
    }
    let (mut rest, mut text) = (input, String::new());
    while let (Some(SqlToken::Number(number, _)), Some(unit)) =
        (rest.first().map(|token| &token.sql.token), rest.nth(1).and_then(Token::word))
    {
        text.push_str(&format!("{number} {unit} "));
        rest = rest.skip(2);
    }
    if text.is_empty() {
        return Problem::thing(input, "a length of time").help("write it as in `+ 5 MINUTE`").fail();
    }
    match duration::of_words(&text, input.until(rest).span()) {
        Ok(length) => Ok((rest, length.us)),
        Err(wrong) => Problem::from(wrong).fail(),
    }
}

/// Checks that need only the statement.
fn check(input: Tokens<'_>, test: &Test) {
    let spans = |wanted: fn(&ExpectKind) -> bool| test.expects.iter().filter(move |expect| wanted(&expect.kind)).map(|e| e.span);
    let contradicts = |no: Option<Span>, some: Option<Span>, what: &str| {
        if let (Some(no), Some(some)) = (no, some) {
            input.report(
                Diagnostic::error(format!("a {what} and none cannot both be expected"))
                    .label(no, "none here")
                    .label(some, "one here")
                    .help("take one of them away; `EXPECT NO MATCH BY time` says that none is decided up to a time"),
            );
        }
    };
    let (mut no, mut some) =
        (spans(|kind| matches!(kind, ExpectKind::NoMatch(None))), spans(|kind| matches!(kind, ExpectKind::Match(_))));
    contradicts(no.next(), some.next(), "match");
    let (mut no, mut some) =
        (spans(|kind| matches!(kind, ExpectKind::NoTimeout)), spans(|kind| matches!(kind, ExpectKind::Timeout(_))));
    contradicts(no.next(), some.next(), "timeout");
    for given in &test.given {
        for (index, column) in given.columns.iter().enumerate() {
            if let Some(first) = given.columns[..index].iter().find(|other| other.text == column.text) {
                super::options::twice(input, "the column", column, first.span);
            }
        }
    }
}
