//! The clauses of a statement: each at most once, in a fixed order. A clause that is doubled, misplaced, misspelt or missing is
//! reported, and reading continues with the next, so that a statement shows all its faults at once.

use super::basics::report;
use super::problem::{Expected, Parsed, Problem};
use super::tokens::Tokens;
use crate::source::Token;
use crate::{Diagnostic, Name, Span, suggest};

/// Reads the clauses of a statement, whose names are in `order`; `each` reads the rest of a clause after its name.
pub(crate) fn clauses<'a>(
    input: Tokens<'a>,
    order: &'static [&'static str],
    mut each: impl FnMut(&'static str, Tokens<'a>) -> Parsed<'a, ()>,
) -> Parsed<'a, ()> {
    let mut input = Tokens { clauses: order, clause: 0, ..input };
    let mut seen: Vec<(usize, Span)> = Vec::new();
    while !input.is_empty() {
        let Some((clause, words)) = input.clause_here() else {
            report(input, nom::Err::Failure(unexpected(input, &seen)));
            input = to_next_clause(input.skip(1));
            continue;
        };
        let (keyword, rest) = input.split(words);
        // A doubled clause is skipped, as the first one counts; it is reported once, however often it comes.
        let before = seen.iter().filter(|(other, _)| *other == clause).count();
        if before < 2 {
            check_place(input, clause, keyword.span(), &seen);
            seen.push((clause, keyword.span()));
        }
        if before > 0 {
            input = to_next_clause(rest);
            continue;
        }
        input = match each(order[clause], Tokens { clause, ..rest }) {
            Ok((rest, ())) => rest,
            Err(error) => {
                report(input, error);
                to_next_clause(rest)
            }
        };
    }
    Ok((input, ()))
}

/// Skips to the next clause. A surplus closing bracket is skipped as well.
fn to_next_clause(mut input: Tokens<'_>) -> Tokens<'_> {
    loop {
        input = input.skip(input.count_to_clause(|_| false));
        if input.is_empty() || input.clause_here().is_some() {
            return input;
        }
        input = input.skip(1);
    }
}

/// Reports a clause that is doubled or stands at the wrong place.
fn check_place(input: Tokens<'_>, clause: usize, span: Span, seen: &[(usize, Span)]) {
    let words = input.clauses[clause];
    if let Some((_, first)) = seen.iter().find(|(other, _)| *other == clause) {
        input.report(
            Diagnostic::error(format!("`{words}` stands twice"))
                .label(span, "once more here")
                .label(*first, "already here")
                .help("a statement has each clause once: remove one"),
        );
    } else if let Some((other, place)) = seen.iter().filter(|(other, _)| *other > clause).min() {
        let other = input.clauses[*other];
        input.report(
            Diagnostic::error(format!("`{words}` stands at the wrong place"))
                .label(span, format!("belongs before `{other}`"))
                .label(*place, format!("`{other}` stands here"))
                .help(format!("the order is {}", in_order(input.clauses))),
        );
    }
}

fn in_order(clauses: &[&str]) -> String {
    clauses.iter().map(|clause| format!("`{clause}`")).collect::<Vec<_>>().join(", ")
}

/// The problem of a word that begins no clause: what could have come instead.
fn unexpected(input: Tokens<'_>, seen: &[(usize, Span)]) -> Problem {
    // The first word of a clause without the others: `PARTITION card`.
    let word = input.first().and_then(|token| token.word());
    let begun = input.clauses.iter().find(|clause| {
        let first = clause.split(' ').next().unwrap_or("");
        word.is_some_and(|word| word.eq_ignore_ascii_case(first)) && clause.contains(' ')
    });
    if let Some(clause) = begun {
        let is_there = |(index, word): &(usize, &str)| input.nth(*index).is_some_and(|token| token.is_word(word));
        let (index, word) = clause.split(' ').enumerate().find(|word| !is_there(word)).unwrap_or((0, clause));
        return Problem::keyword(input.skip(index), word).help(format!("the clause is called `{clause}`"));
    }
    let next = seen.iter().map(|(clause, _)| clause + 1).max().unwrap_or(0);
    let mut later: Vec<Expected> = input.clauses[next..].iter().map(|clause| Expected::Keyword((*clause).into())).collect();
    if later.is_empty() {
        let closing = input.file.source.tokens().get(input.end).is_some_and(Token::closes);
        later.push(Expected::Thing(if closing { "the closing bracket" } else { "the end of the statement" }.into()));
    }
    let first_words = input.clauses.iter().filter_map(|clause| clause.split(' ').next());
    match word.and_then(|word| suggest(word, first_words)) {
        Some(near) => Problem::expected(input, later).help(format!("did you mean `{near}`?")),
        None => Problem::expected(input, later),
    }
}

/// The value of a clause that must be there; reports a missing one unless a fault of the statement has been reported already.
pub(crate) fn required<T>(value: Option<T>, input: Tokens<'_>, statement: Statement<'_>, clause: &str, help: &str) -> Option<T> {
    if value.is_none() && !input.file.has_errors(statement.reports) {
        input.report(
            Diagnostic::error(format!("the {} `{}` has no `{clause}`", statement.what, statement.name))
                .label(statement.name.span, format!("`{clause}` is missing"))
                .help(help),
        );
    }
    value
}

/// A statement being read: its kind, its name, and how many faults had been reported when it began.
#[derive(Clone, Copy)]
pub(crate) struct Statement<'a> {
    pub(crate) what: &'static str,
    pub(crate) name: &'a Name,
    pub(crate) reports: usize,
}

/// Stores what a parser returns. A doubled clause has been reported: the first one counts.
pub(crate) fn put<'a, T>(slot: &mut Option<T>, parsed: Parsed<'a, T>) -> Parsed<'a, ()> {
    let (rest, value) = parsed?;
    slot.get_or_insert(value);
    Ok((rest, ()))
}
