//! How often a step comes (`{2,}`, `+`, `*`, `?`), and how the repetitions follow each other.

use nom::Parser;
use nom::combinator::opt;
use sqlparser::tokenizer::Token as SqlToken;

use super::basics::{phrase, sign};
use super::expression::{interval, whole_expression};
use super::problem::{Expected, Parsed, Problem};
use super::tokens::Tokens;
use crate::{Diagnostic, DurationLit, InnerLink, Quantifier, Span, Until};

/// The words that can follow a quantifier; without quotes they cannot be variables.
pub(crate) const MODIFIERS: [&str; 6] = ["STRICT", "RELAXED", "ANY", "GREEDY", "UNTIL", "REQUIRED"];

/// The quantifier of a step; `None` if it has none.
pub(crate) fn quantifier(input: Tokens<'_>) -> Parsed<'_, Option<Quantifier>> {
    let (rest, Some((min, max))) = times(input)? else { return Ok((input, None)) };
    let counted = input.first().is_some_and(|token| token.is(&SqlToken::LBrace));
    let (rest, question) = question_mark(rest, counted)?;
    let optional = min == 0 || question;
    let quantifier = Quantifier {
        min: min.max(1),
        max,
        optional,
        greedy: false,
        inner: InnerLink::Relaxed,
        until: None,
        window: None,
        span: input.until(rest).span(),
    };
    let (rest, mut quantifier) = modifiers(rest, quantifier)?;
    quantifier.span = input.until(rest).span();
    Ok((rest, Some(quantifier)))
}

/// The least and the greatest number of times.
#[allow(clippy::type_complexity)]
fn times(input: Tokens<'_>) -> Parsed<'_, Option<(u32, Option<u32>)>> {
    let found = match input.first().map(|token| &token.sql.token) {
        Some(SqlToken::Plus) => (1, None),
        Some(SqlToken::Mul) => (0, None),
        Some(SqlToken::Placeholder(mark)) if mark == "?" => (0, Some(1)),
        Some(SqlToken::LBrace) => {
            let (rest, times) = braces(input)?;
            return Ok((rest, Some(times)));
        }
        _ => return Ok((input, None)),
    };
    Ok((input.skip(1), Some(found)))
}

/// `{n}`, `{n,m}`, `{n,}` or `{,m}`.
fn braces(input: Tokens<'_>) -> Parsed<'_, (u32, Option<u32>)> {
    let (rest, opening) = sign(SqlToken::LBrace)(input)?;
    let (rest, min) = opt(number).parse(rest)?;
    let (rest, comma) = opt(sign(SqlToken::Comma)).parse(rest)?;
    let (rest, max) = match comma {
        Some(_) => opt(number).parse(rest)?,
        None => (rest, min),
    };
    if min.is_none() && max.is_none() {
        return Problem::thing(rest, "a number").help("write `{2}`, `{2,3}` or `{2,}`").fail();
    }
    let (rest, closing) = match sign(SqlToken::RBrace)(rest) {
        Ok(found) => found,
        Err(_) if comma.is_some() => return Problem::keyword(rest, "}").help("write `{2}`, `{2,3}` or `{2,}`").fail(),
        Err(_) => {
            let expected = [",", "}"].map(|sign| Expected::Keyword(sign.into())).to_vec();
            return Problem::expected(rest, expected).help("write `{2}`, `{2,3}` or `{2,}`").fail();
        }
    };
    let (span, min) = (opening.to(closing), min.unwrap_or(0));
    match max {
        Some(0) => wrong(span, "comes no times at all", "remove it, or write `!a` for what must not come"),
        Some(max) if max < min => {
            wrong(span, format!("at least {min} times and at most {max}"), format!("write `{{{max},{min}}}`"))
        }
        max => Ok((rest, (min, max))),
    }
}

fn wrong<'a, T>(span: Span, why: impl Into<String>, help: impl Into<String>) -> Parsed<'a, T> {
    Problem::from(Diagnostic::error("this can never match").label(span, why).help(help)).fail()
}

fn number(input: Tokens<'_>) -> Parsed<'_, u32> {
    match input.first().map(|token| (&token.sql.token, token.span)) {
        Some((SqlToken::Number(digits, _), span)) => match digits.parse() {
            Ok(number) => Ok((input.skip(1), number)),
            Err(_) => {
                let wrong = Diagnostic::error("this is no number of times");
                Problem::from(wrong.label(span, format!("expected a whole number, at most {}", u32::MAX))).fail()
            }
        },
        _ => Problem::thing(input, "a number").miss(),
    }
}

/// The `?` that makes a count optional. After `+` or `*` SQL gives it another meaning, so it is refused there.
fn question_mark(input: Tokens<'_>, counted: bool) -> Parsed<'_, bool> {
    match input.first().map(|token| (&token.sql.token, token.span)) {
        Some((SqlToken::Placeholder(mark), _)) if mark == "?" && counted => Ok((input.skip(1), true)),
        Some((SqlToken::Placeholder(_) | SqlToken::Plus | SqlToken::Mul, span)) => {
            let wrong = Diagnostic::error("a step has one quantifier").label(span, "this is the second");
            Problem::from(wrong.help("`?` may follow a count, as in `a{2,3}?`; for none or more write `*`")).fail()
        }
        Some((SqlToken::LBrace, span)) => {
            let wrong = Diagnostic::error("a step has one quantifier").label(span, "this is the second");
            Problem::from(wrong.help("put the step into brackets to repeat its repetitions: `(a{2} -> b){3}`")).fail()
        }
        _ => Ok((input, false)),
    }
}

/// `STRICT`, `RELAXED`, `ANY`, `GREEDY` and `UNTIL (condition)`, in any order, each once.
fn modifiers(mut input: Tokens<'_>, mut quantifier: Quantifier) -> Parsed<'_, Quantifier> {
    let mut links: Option<Span> = None;
    let mut greedy: Option<Span> = None;
    while let Some(token) = input.first() {
        let link = match token.word().map(str::to_ascii_uppercase).as_deref() {
            Some("STRICT") => InnerLink::Strict,
            Some("RELAXED") => InnerLink::Relaxed,
            Some("ANY") => InnerLink::Any,
            Some("GREEDY") => {
                once(&mut greedy, token.span, "`GREEDY` stands twice")?;
                quantifier.greedy = true;
                input = input.skip(1);
                continue;
            }
            Some("REQUIRED") => {
                let before = quantifier.window.map(|window| window.span);
                once(&mut before.clone(), token.span, "`REQUIRED WITHIN` stands twice")?;
                let (rest, window) = of_previous(input.skip(1))?;
                if window.is_none() {
                    let help = "a window of the repetitions is written `a{3} REQUIRED WITHIN INTERVAL '1' MINUTE OF PREVIOUS`";
                    return Err(nom::Err::Failure(Problem::keyword(input.skip(1), "WITHIN").help(help)));
                }
                quantifier.window = window;
                input = rest;
                continue;
            }
            Some("UNTIL") => {
                once(&mut quantifier.until.as_ref().map(|until| until.span), token.span, "`UNTIL` stands twice")?;
                let (rest, until) = until(input)?;
                quantifier.until = Some(until);
                input = rest;
                continue;
            }
            _ => break,
        };
        once(&mut links, token.span, "`STRICT`, `RELAXED` and `ANY` exclude each other")?;
        quantifier.inner = link;
        input = input.skip(1);
    }
    Ok((input, quantifier))
}

/// `WITHIN INTERVAL ... OF PREVIOUS`, or nothing: `WITHIN` without `OF PREVIOUS` is the window of the whole pattern.
pub(crate) fn of_previous(input: Tokens<'_>) -> Parsed<'_, Option<DurationLit>> {
    if !input.starts_with("WITHIN") || !input.skip(1).starts_with("INTERVAL") {
        return Ok((input, None));
    }
    // Faults in the window of the whole pattern are reported when that clause is read.
    let is_word = |at: usize, word: &str| input.nth(at).is_some_and(|token| token.is_word(word));
    if !(2..6).any(|at| is_word(at, "OF") && is_word(at + 1, "PREVIOUS")) {
        return Ok((input, None));
    }
    let (rest, window) = interval(1)(input.skip(1))?;
    Ok(match phrase("OF PREVIOUS")(rest) {
        Ok((rest, _)) => (rest, Some(window)),
        Err(_) => (input, None),
    })
}

fn once(slot: &mut Option<Span>, span: Span, message: &str) -> Result<(), nom::Err<Problem>> {
    match slot.replace(span) {
        None => Ok(()),
        Some(first) => {
            let wrong = Diagnostic::error(message).label(span, "one too many").label(first, "already here");
            Err(nom::Err::Failure(wrong.help("remove one").into()))
        }
    }
}

/// `UNTIL (condition)`.
fn until(input: Tokens<'_>) -> Parsed<'_, Until> {
    let (rest, _) = phrase("UNTIL")(input)?;
    let Ok((rest, opening)) = sign(SqlToken::LParen)(rest) else {
        return Problem::keyword(rest, "(").help("the condition stands in brackets: `a+ UNTIL (amount > 100)`").fail();
    };
    let (inside, rest) = rest.split(rest.count_until(|_| false));
    let (_, condition) = whole_expression(inside)?;
    match sign(SqlToken::RParen)(rest) {
        Ok((rest, _)) => Ok((rest, Until { condition, span: input.until(rest).span() })),
        Err(_) => {
            let wrong = Diagnostic::error("expected `)` after the condition").label(rest.here(), "expected `)`");
            Problem::from(wrong.label(opening, "the condition begins here")).fail()
        }
    }
}
