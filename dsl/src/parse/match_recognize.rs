//! `MATCH_RECOGNIZE ( ... )` in a query. sqlparser supports less of it than SQL engines do, so the clause is taken out of the
//! tokens before sqlparser sees them: sqlparser reads a join with a table in its place, and the planner finds the clause again by
//! the place of that table.

use nom::Parser;
use nom::branch::alt;
use nom::combinator::{cut, map, value};
use nom::sequence::{pair, preceded};
use sqlparser::tokenizer::Token as SqlToken;

use super::basics::{self, bracketed_list, comma_list, phrase, sign};
use super::clauses::{clauses, put};
use super::expression::{interval, row_expression};
use super::options::twice;
use super::problem::{Expected, Parsed, Problem};
use super::tokens::Tokens;
use crate::source::Token;
use crate::{
    AfterMatchSkip, Define, Diagnostic, DurationLit, MatchRecognize, Name, RowMeasure, RowOrder, RowPatternText, RowSubset,
    RowsPerMatch, Span, suggest,
};

/// The word that begins the clause.
pub(crate) const KEYWORD: &str = "MATCH_RECOGNIZE";

const ONE_ROW: &str = "ONE ROW PER MATCH";
const ALL_ROWS: &str = "ALL ROWS PER MATCH";
const CLAUSES: &[&str] =
    &["PARTITION BY", "ORDER BY", "MEASURES", ONE_ROW, ALL_ROWS, "AFTER MATCH", "PATTERN", "WITHIN", "SUBSET", "DEFINE"];

/// A clause among the tokens of a query.
pub(crate) struct Found {
    /// The index of the keyword.
    pub(crate) first: usize,
    /// The index of the closing bracket.
    pub(crate) last: usize,
    /// The clause; `None` if its faults have been reported.
    pub(crate) clause: Option<MatchRecognize>,
}

/// Reads every `MATCH_RECOGNIZE ( ... )` of a query. Faults within them are reported.
pub(crate) fn find_all(query: Tokens<'_>) -> Result<Vec<Found>, nom::Err<Problem>> {
    let mut found = Vec::new();
    let mut first = 0;
    while let Some(token) = query.nth(first) {
        let opens = query.nth(first + 1).is_some_and(|token| token.is(&SqlToken::LParen));
        if !opens || !(token.is_word(KEYWORD) || is_misspelt(query, first)) {
            first += 1;
            continue;
        }
        if !token.is_word(KEYWORD) {
            let word = token.span.of(query.text());
            let wrong = Diagnostic::error(format!("expected `{KEYWORD}`, found `{word}`")).label(token.span, "unknown");
            return Err(nom::Err::Failure(Problem::from(wrong.suggestion(Some(KEYWORD.to_owned())))));
        }
        let before = first.checked_sub(1).and_then(|before| query.nth(before));
        if before.is_none_or(|token| token.is_word("FROM") || token.is_word("JOIN") || token.is(&SqlToken::Comma)) {
            let help = "write the stream before it: `FROM txn MATCH_RECOGNIZE (...)`";
            return Err(nom::Err::Failure(Problem::thing(query.skip(first), "a stream to look at").help(help)));
        }
        let Some(last) = closing(query, first + 1) else {
            let bracket = query.skip(first + 1).here();
            let wrong = Diagnostic::error("a bracket is never closed").label(bracket, "opened here");
            return Err(nom::Err::Failure(Problem::from(wrong.help("end `MATCH_RECOGNIZE (...)` with `)`"))));
        };
        let body = Tokens { start: query.start + first + 2, end: query.start + last, ..query };
        let span = token.span.to(query.skip(last).here());
        found.push(Found { first, last, clause: clause(body, token.span, span) });
        first = last + 1;
    }
    Ok(found)
}

/// Whether a word like the keyword comes before a bracket that begins with one of the clauses.
fn is_misspelt(query: Tokens<'_>, at: usize) -> bool {
    let body = Tokens { clauses: CLAUSES, ..query.skip(at + 2) };
    let near = query.nth(at).and_then(Token::word).and_then(|word| suggest(word, [KEYWORD]));
    near.is_some() && body.clause_here().is_some()
}

/// The index of the bracket that closes the one at `opening`.
fn closing(query: Tokens<'_>, opening: usize) -> Option<usize> {
    let mut depth = 0usize;
    for (index, token) in query.all().iter().enumerate().skip(opening) {
        if token.opens() {
            depth += 1;
        } else if token.closes() {
            depth -= 1;
            if depth == 0 {
                return Some(index);
            }
        }
    }
    None
}

/// Reads the clause between the brackets.
fn clause(body: Tokens<'_>, keyword: Span, span: Span) -> Option<MatchRecognize> {
    let reports = body.file.reports();
    let (mut partition_by, mut order_by, mut measures, mut one, mut all) = (None, None, None, None, None);
    let (mut after_match, mut pattern, mut within, mut subsets, mut defines) = (None, None, None, None, None);
    let outcome = clauses(body, CLAUSES, |clause, rest| match clause {
        "PARTITION BY" => put(&mut partition_by, comma_list(column)(rest)),
        "ORDER BY" => put(&mut order_by, comma_list(row_order)(rest)),
        "MEASURES" => put(&mut measures, comma_list(measure)(rest)),
        ONE_ROW => put(&mut one, Ok((rest, (RowsPerMatch::One, words_before(rest, ONE_ROW))))),
        ALL_ROWS => put(&mut all, all_rows(rest)),
        "AFTER MATCH" => put(&mut after_match, after_match_of(rest)),
        "PATTERN" => put(&mut pattern, pattern_text(rest)),
        "WITHIN" => put(&mut within, within_of(rest)),
        "SUBSET" => put(&mut subsets, comma_list(subset)(rest)),
        _ => put(&mut defines, comma_list(define)(rest)),
    });
    if let Err(error) = outcome {
        basics::report(body, error);
    }
    if let (Some((_, one)), Some((_, all))) = (&one, &all) {
        let wrong = Diagnostic::error("a match gives either one row or all of its rows").label(*all, "all rows");
        body.report(wrong.label(*one, "one row").help("remove one of the two"));
    }
    if pattern.is_none() && !body.file.has_errors(reports) {
        let wrong = Diagnostic::error("this MATCH_RECOGNIZE has no `PATTERN`").label(keyword, "`PATTERN` is missing");
        body.report(wrong.help("say what follows what: `PATTERN (a b+ c) DEFINE a AS amount < 10, ...`"));
    }
    let clause = MatchRecognize {
        partition_by: partition_by.unwrap_or_default(),
        order_by: order_by.unwrap_or_default(),
        measures: measures.unwrap_or_default(),
        rows_per_match: one.or(all),
        after_match,
        pattern: pattern?,
        within,
        subsets: subsets.unwrap_or_default(),
        defines: defines.unwrap_or_default(),
        span,
    };
    check(body, &clause);
    (!body.file.has_errors(reports)).then_some(clause)
}

/// Reports names that are defined twice.
fn check(body: Tokens<'_>, clause: &MatchRecognize) {
    let again = |what: &str, names: Vec<&Name>| {
        for (index, name) in names.iter().enumerate() {
            if let Some(first) = names[..index].iter().find(|other| other.text == name.text) {
                twice(body, what, name, first.span);
            }
        }
    };
    again("the definition of", clause.defines.iter().map(|define| &define.variable).collect());
    again("the subset", clause.subsets.iter().map(|subset| &subset.name).collect());
    again("the measure", clause.measures.iter().map(|measure| &measure.name).collect());
}

/// The words of a clause that has just been read.
fn words_before(rest: Tokens<'_>, words: &str) -> Span {
    let start = rest.start.saturating_sub(words.split(' ').count());
    Tokens { start, end: rest.start, ..rest }.span()
}

/// A column, perhaps with the stream's name before it, which is ignored.
fn column(input: Tokens<'_>) -> Parsed<'_, Name> {
    let (rest, first) = basics::name("a column")(input)?;
    if rest.first().is_some_and(|token| token.is(&SqlToken::Period)) {
        return cut(basics::name("a column")).parse(rest.skip(1));
    }
    if rest.first().is_some_and(|token| token.is(&SqlToken::LParen)) {
        let help = "name the expression with CREATE STREAM ... AS SELECT, and write its name here";
        return Problem::thing(input, "a column, not an expression").help(help).fail();
    }
    Ok((rest, first))
}

/// `column [ASC | DESC]`.
fn row_order(input: Tokens<'_>) -> Parsed<'_, RowOrder> {
    let (rest, column) = column(input)?;
    let descending = rest.starts_with("DESC");
    let rest = rest.skip(usize::from(descending || rest.starts_with("ASC")));
    if rest.starts_with("NULLS") {
        return Problem::thing(rest, "the end of the column")
            .help("nulls come first in ascending order, last in descending order")
            .fail();
    }
    Ok((rest, RowOrder { column, descending }))
}

/// `expression AS name`.
fn measure(input: Tokens<'_>) -> Parsed<'_, RowMeasure> {
    if input.starts_with("AS") {
        return Problem::thing(input, "an expression").fail();
    }
    let (rest, expr) = row_expression(input)?;
    if !rest.starts_with("AS") {
        let help = format!("give the measure a name: `{} AS name`", expr.text);
        return Problem::keyword(rest, "AS").help(help).fail();
    }
    let (rest, name) = cut(basics::name("a name for the measure")).parse(rest.skip(1))?;
    Ok((rest, RowMeasure { expr, name }))
}

/// The rest of a clause after `ALL ROWS PER MATCH`.
fn all_rows(input: Tokens<'_>) -> Parsed<'_, (RowsPerMatch, Span)> {
    let start = words_before(input, ALL_ROWS);
    let modes = [
        ("SHOW EMPTY MATCHES", RowsPerMatch::AllShowEmpty),
        ("OMIT EMPTY MATCHES", RowsPerMatch::AllOmitEmpty),
        ("WITH UNMATCHED ROWS", RowsPerMatch::AllWithUnmatched),
    ];
    for (words, mode) in modes {
        if input.starts_with(words.split(' ').next().unwrap_or(words)) {
            let (rest, span) = phrase(words)(input)?;
            return Ok((rest, (mode, start.to(span))));
        }
    }
    if !input.is_empty() && input.clause_here().is_none() {
        let later = input.later_clauses().iter().map(|clause| Expected::Keyword((*clause).into()));
        let expected = modes.iter().map(|(words, _)| Expected::Keyword((*words).into())).chain(later).collect();
        return Problem::expected(input, expected).fail();
    }
    Ok((input, (RowsPerMatch::AllShowEmpty, start)))
}

/// The rest of a clause after `AFTER MATCH`.
fn after_match_of(input: Tokens<'_>) -> Parsed<'_, (AfterMatchSkip, Span)> {
    let variable = || cut(basics::name("a variable of the pattern"));
    let past_last = value(AfterMatchSkip::PastLastRow, (phrase("PAST"), cut(phrase("LAST ROW"))));
    let to = alt((
        value(AfterMatchSkip::ToNextRow, (phrase("NEXT"), cut(phrase("ROW")))),
        map(preceded(phrase("FIRST"), variable()), AfterMatchSkip::ToFirst),
        map(preceded(phrase("LAST"), variable()), AfterMatchSkip::ToLast),
        map(basics::name("a variable of the pattern"), AfterMatchSkip::ToLast),
    ));
    let skip = preceded(cut(phrase("SKIP")), cut(alt((past_last, preceded(phrase("TO"), cut(to))))));
    let (rest, skip) = { skip }.parse(input)?;
    Ok((rest, (skip, words_before(input, "AFTER MATCH").to(input.until(rest).span()))))
}

/// `( pattern )`.
fn pattern_text(input: Tokens<'_>) -> Parsed<'_, RowPatternText> {
    let (inner, opening) = sign(SqlToken::LParen)(input).map_err(|error| error.map(in_brackets))?;
    let Some(last) = closing(input, 0) else {
        let wrong = Diagnostic::error("a bracket is never closed").label(opening, "opened here");
        return Problem::from(wrong).fail();
    };
    let (tokens, rest) = input.split(last);
    let span = Span::new(opening.end, rest.here().start);
    let mut text = vec![b' '; span.end - span.start];
    for token in inner.until(rest).all() {
        let at = token.span.start - span.start;
        text[at..at + token.span.end - token.span.start].copy_from_slice(token.span.of(tokens.text()).as_bytes());
    }
    let text = String::from_utf8(text).unwrap_or_else(|_| span.of(tokens.text()).to_owned());
    Ok((rest.skip(1), RowPatternText { text, span }))
}

fn in_brackets(problem: Problem) -> Problem {
    problem.help("the pattern stands in brackets: `PATTERN (a b+ c)`")
}

/// `INTERVAL '10' MINUTE`.
fn within_of(input: Tokens<'_>) -> Parsed<'_, DurationLit> {
    interval(1)(input)
}

/// `name = (a, b)`.
fn subset(input: Tokens<'_>) -> Parsed<'_, RowSubset> {
    let variables = bracketed_list("variables", basics::name("a variable of the pattern"));
    let (rest, (name, variables)) =
        pair(basics::name("a name for several variables"), preceded(cut(sign(SqlToken::Eq)), cut(variables))).parse(input)?;
    Ok((rest, RowSubset { name, variables }))
}

/// `variable AS condition`.
fn define(input: Tokens<'_>) -> Parsed<'_, Define> {
    let condition = preceded(cut(phrase("AS")), cut(row_expression));
    map(pair(basics::name("a variable of the pattern"), condition), |(variable, condition)| Define { variable, condition })
        .parse(input)
}
