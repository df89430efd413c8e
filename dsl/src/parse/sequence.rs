//! The pattern itself: `probe{2,} -> big`.

use nom::Parser;
use nom::branch::alt;
use nom::combinator::{opt, value};
use sqlparser::tokenizer::Token as SqlToken;

use super::basics::{is_reserved, sign};
use super::problem::{Expected, Parsed, Problem};
use super::quantifier::{MODIFIERS, of_previous, quantifier};
use super::tokens::Tokens;
use crate::{Diagnostic, InnerLink, Link, Name, PatternItem, PatternNode, Span, suggest};

/// How deep groups may be nested.
const GROUPS_MAX: usize = 40;

/// A pattern, up to the next clause or the end of the input.
pub(crate) fn whole_pattern(input: Tokens<'_>) -> Parsed<'_, PatternNode> {
    let (rest, mut sequences) = alternatives(input, 0).map_err(|error| error.map(|problem| misspelt_clause(input, problem)))?;
    if !rest.is_empty() && rest.clause_here().is_none() {
        return misspelt_clause(input, unexpected(rest)).fail();
    }
    let span = input.until(rest).span();
    let steps = match sequences.len() {
        1 => sequences.remove(0),
        _ => vec![whole(PatternItem::Alternatives(sequences), span)],
    };
    Ok((rest, whole(PatternItem::Group(steps), span)))
}

/// An item as the first step of a sequence.
fn whole(item: PatternItem, span: Span) -> PatternNode {
    let link_span = Span::at(span.start);
    PatternNode { link: Link::Start, link_span, negated: false, item, quantifier: None, within_previous: None, span }
}

/// Sequences with `|` between them, at least one.
fn alternatives(input: Tokens<'_>, depth: usize) -> Parsed<'_, Vec<Vec<PatternNode>>> {
    let (mut rest, first) = steps(input, depth)?;
    let mut sequences = vec![first];
    while let Ok((behind, _)) = sign(SqlToken::Pipe)(rest) {
        let (behind, sequence) = steps(behind, depth)?;
        sequences.push(sequence);
        rest = behind;
    }
    Ok((rest, sequences))
}

/// Steps, at least one, up to the first token that begins none.
fn steps(mut input: Tokens<'_>, depth: usize) -> Parsed<'_, Vec<PatternNode>> {
    let mut steps = Vec::new();
    while steps.is_empty() || continues(input) {
        let (rest, (link, link_span)) = link(input, steps.is_empty())?;
        let (rest, step) = step(rest, link, link_span, depth)?;
        check_negation(rest, &step);
        let (rest, step) = all_of(rest, step, depth)?;
        steps.push(step);
        input = rest;
    }
    Ok((input, steps))
}

/// Whether another step begins here, judging by the first token.
fn continues(input: Tokens<'_>) -> bool {
    let starts = matches!(
        input.first().map(|token| &token.sql.token),
        Some(SqlToken::Word(_) | SqlToken::LParen | SqlToken::ExclamationMark | SqlToken::Arrow | SqlToken::LongArrow)
    );
    starts && input.clause_here().is_none() && !input.first().and_then(|token| token.word()).is_some_and(is_reserved)
}

fn link(input: Tokens<'_>, is_first: bool) -> Parsed<'_, (Link, Span)> {
    let arrow = alt((value(Link::FollowedBy, sign(SqlToken::Arrow)), value(Link::FollowedByAny, sign(SqlToken::LongArrow))));
    let (rest, arrow) = opt(arrow).parse(input)?;
    match arrow {
        Some(_) if is_first => {
            let what = "a variable, `(` or `!`";
            Problem::thing(input, what).help("an arrow stands between what comes first and what follows").fail()
        }
        Some(link) => Ok((rest, (link, input.here()))),
        None => Ok((rest, (if is_first { Link::Start } else { Link::Next }, Span::at(input.here().start)))),
    }
}

/// Parts in any order: `a & b`, and how they follow each other. A single step stays as it is.
fn all_of(input: Tokens<'_>, first: PatternNode, depth: usize) -> Parsed<'_, PatternNode> {
    let (link, link_span, start) = (first.link, first.link_span, first.span);
    let (mut rest, mut parts) = (input, vec![first]);
    while let Ok((behind, _)) = sign(SqlToken::Ampersand)(rest) {
        let (behind, part) = step(behind, Link::Start, Span::at(behind.here().start), depth)?;
        check_negation(behind, &part);
        parts.push(part);
        rest = behind;
    }
    if parts.len() == 1 {
        return Ok((rest, parts.remove(0)));
    }
    if let Some(negated) = parts.iter().find(|part| part.negated && part.link != Link::Start) {
        let wrong = Diagnostic::error("what must not come has no place in any order").label(negated.span, "here");
        input.report(wrong.help("say what it must not come behind, in brackets: `(a -> !n -> b) & c`"));
    }
    let link_of_parts = match rest.first().and_then(|token| token.word()).map(str::to_ascii_uppercase).as_deref() {
        Some("STRICT") => Some(InnerLink::Strict),
        Some("RELAXED") => Some(InnerLink::Relaxed),
        Some("ANY") => Some(InnerLink::Any),
        _ => None,
    };
    let rest = rest.skip(usize::from(link_of_parts.is_some()));
    let span = start.to(rest.before().map_or(start, |token| token.span));
    let parts = parts.into_iter().map(as_sequence).collect();
    let item = PatternItem::AllOf { parts, link: link_of_parts.unwrap_or(InnerLink::Relaxed) };
    Ok((rest, PatternNode { link, link_span, ..whole(item, span) }))
}

/// A part of `a & b` as a sequence: a group without quantifier becomes its steps.
fn as_sequence(part: PatternNode) -> Vec<PatternNode> {
    match part {
        PatternNode { item: PatternItem::Group(steps), quantifier: None, within_previous: None, .. } => steps,
        part => vec![PatternNode { link: Link::Start, ..part }],
    }
}

fn step(input: Tokens<'_>, link: Link, link_span: Span, depth: usize) -> Parsed<'_, PatternNode> {
    let (rest, negation) = opt(sign(SqlToken::ExclamationMark)).parse(input)?;
    let (rest, item) = match rest.first() {
        Some(token) if token.is(&SqlToken::LParen) => group(rest, depth)?,
        _ => variable(rest)?,
    };
    let (rest, quantifier) = quantifier(rest)?;
    let (rest, within_previous) = of_previous(rest)?;
    let span = input.until(rest).span();
    Ok((rest, PatternNode { link, link_span, negated: negation.is_some(), item, quantifier, within_previous, span }))
}

fn variable(input: Tokens<'_>) -> Parsed<'_, PatternItem> {
    let missing = || Problem::expected(input, vec![Expected::Thing("a variable".into()), Expected::Keyword("(".into())]);
    let Some(token) = input.first() else { return missing().fail() };
    if let Some(word) = token.word() {
        if MODIFIERS.iter().any(|modifier| modifier.eq_ignore_ascii_case(word)) {
            let help = format!("`{word}` says how repetitions follow each other; it stands after `+`, `*`, `?` or `{{n,m}}`");
            return missing().help(help).fail();
        }
        if input.clause_here().is_some() || is_reserved(word) {
            return match word.eq_ignore_ascii_case("NOT") {
                true => missing().help("what must not come is written with `!`: `a -> !b`").fail(),
                false => missing().fail(),
            };
        }
    }
    match &token.sql.token {
        SqlToken::Word(word) if !word.value.is_empty() => {
            let text = if word.quote_style.is_some() { word.value.clone() } else { word.value.to_ascii_lowercase() };
            Ok((input.skip(1), PatternItem::Variable(Name { text, span: token.span })))
        }
        _ => missing().fail(),
    }
}

fn group(input: Tokens<'_>, depth: usize) -> Parsed<'_, PatternItem> {
    let (rest, opening) = sign(SqlToken::LParen)(input)?;
    if depth >= GROUPS_MAX {
        let wrong = Diagnostic::error("this pattern is nested too deeply")
            .label(opening, format!("more than {GROUPS_MAX} groups are open here"));
        return Problem::from(wrong).fail();
    }
    if rest.first().is_some_and(|token| token.is(&SqlToken::RParen)) {
        let wrong = Diagnostic::error("this group is empty").label(opening.to(rest.here()), "expected a variable in it");
        return Problem::from(wrong).fail();
    }
    let (rest, mut sequences) = alternatives(rest, depth + 1)?;
    match sign(SqlToken::RParen)(rest) {
        Ok((rest, _)) if sequences.len() == 1 => Ok((rest, PatternItem::Group(sequences.remove(0)))),
        Ok((rest, _)) => Ok((rest, PatternItem::Alternatives(sequences))),
        Err(_) => {
            let mut problem = unexpected(rest);
            if let Problem::Expected { expected, .. } = &mut problem {
                *expected = vec![Expected::Thing("more of the group".into()), Expected::Keyword(")".into())];
            }
            match problem.into_diagnostic(rest.file) {
                Some(diagnostic) => Problem::from(diagnostic.label(opening, "the group begins here")).fail(),
                None => Problem::Reported.fail(),
            }
        }
    }
}

/// The problem of a token that is neither a step nor a clause.
fn unexpected(input: Tokens<'_>) -> Problem {
    let later = input.later_clauses().iter().map(|clause| Expected::Keyword((*clause).into()));
    let problem = Problem::expected(input, std::iter::once(Expected::Thing("more of the pattern".into())).chain(later).collect());
    if let Some(help) = input.first().and_then(|token| token.word()).and_then(other_word) {
        return problem.help(help);
    }
    match input.first().map(|token| &token.sql.token) {
        Some(SqlToken::Comma) => problem.help("write `a b` when b is the very next event, `a -> b` when others may come between"),
        Some(SqlToken::StringConcat) => problem.help("alternatives are written with one `|`: `a | b`"),
        Some(SqlToken::Overlap) => problem.help("what comes in any order is written with one `&`: `a & b`"),
        Some(SqlToken::RArrow | SqlToken::Gt | SqlToken::Minus) => problem.help("did you mean `->`?"),
        Some(SqlToken::DoubleExclamationMark) => problem.help("`!` stands once"),
        _ => problem,
    }
}

/// The help for a word that other languages have here.
fn other_word(word: &str) -> Option<&'static str> {
    let is = |other: &str| word.eq_ignore_ascii_case(other);
    match () {
        () if is("WHERE") => Some("what an event must be stands behind the pattern: `DEFINE a AS amount < 10`"),
        () if is("NOT") => Some("what must not come is written with `!`: `a -> !b`"),
        () if is("AND") => Some("what comes in any order is written `a & b`; what must be true of one event stands in DEFINE"),
        () if is("OR") => Some("one of several is written `a | b`; what may be true of one event stands in DEFINE"),
        () => None,
    }
}

/// A misspelt clause is taken for a variable, and reading fails after it: looks for one among the variables.
fn misspelt_clause(input: Tokens<'_>, problem: Problem) -> Problem {
    let Problem::Expected { position, .. } = &problem else { return problem };
    let firsts: Vec<&str> = input.later_clauses().iter().filter_map(|clause| clause.split(' ').next()).collect();
    let read = input.split(position.saturating_sub(input.position())).0.all();
    if let Some((word, help)) = read.iter().skip(1).find_map(|token| Some((token, other_word(token.word()?)?))) {
        let wrong = Diagnostic::error(format!("`{}` is no part of a pattern", word.word().unwrap_or_default()));
        return wrong.label(word.span, "taken for a variable, which makes no sense of what follows").help(help).into();
    }
    for (index, token) in read.iter().enumerate().skip(1) {
        let juxtaposed = !matches!(read[index - 1].sql.token, SqlToken::Arrow | SqlToken::LongArrow | SqlToken::ExclamationMark);
        let near = token.word().filter(|_| juxtaposed).and_then(|word| suggest(word, &firsts));
        if let (Some(near), Some(word)) = (near, token.word()) {
            return Diagnostic::error(format!("`{word}` is no clause of a pattern"))
                .label(token.span, "taken for a variable, which makes no sense of what follows")
                .suggestion(Some(near))
                .into();
        }
    }
    problem
}

/// Reports a negation at a place where none is allowed.
fn check_negation(input: Tokens<'_>, step: &PatternNode) {
    if !step.negated {
        return;
    }
    let wrong = match (&step.item, step.link) {
        _ if step.quantifier.is_some() => ("what must not come cannot be repeated", "remove what stands after the variable"),
        (PatternItem::Group(_) | PatternItem::Alternatives(_) | PatternItem::AllOf { .. }, _) => {
            ("a group cannot be negated", "negate one variable: `a -> !b`")
        }
        (_, Link::Start) => {
            ("a pattern or group cannot begin with what must not come", "say first after what: `a !b` or `a -> !b`")
        }
        (_, Link::FollowedByAny) => ("`->>` cannot lead to what must not come", "write `-> !b`"),
        _ => return,
    };
    input.report(Diagnostic::error(wrong.0).label(step.link_span.to(step.span), "here").help(wrong.1));
}
