//! Limits the depth of syntax trees: sqlparser's trees are walked by recursion, here and in the planner, so their depth is
//! checked before sqlparser sees the tokens.

use super::problem::Problem;
use super::tokens::Tokens;
use crate::source::Token;
use crate::{Diagnostic, Span};
use sqlparser::tokenizer::Token as SqlToken;

/// How deep brackets may be nested.
const BRACKETS_MAX: usize = 40;
/// How many operators may be chained without a comma between them, including those in the brackets around them.
const OPERATORS_MAX: usize = 1000;

/// Refuses tokens that would make a tree too deep to be walked.
pub(super) fn check_depth(slice: Tokens<'_>) -> Result<(), Problem> {
    // For every open bracket: the operators since the last comma.
    let mut chains = vec![0usize];
    let mut operators = 0usize;
    for (index, token) in slice.all().iter().enumerate() {
        if token.opens() {
            chains.push(0);
        } else if token.closes() {
            operators -= if chains.len() > 1 { chains.pop().unwrap_or(0) } else { 0 };
        } else if let Some(chain) = chains.last_mut() {
            match depth_of(token, slice.nth(index + 1)) {
                _ if token.is(&SqlToken::Comma) => operators -= std::mem::take(chain),
                depth => (*chain, operators) = (*chain + depth, operators + depth),
            }
        }
        if chains.len() > BRACKETS_MAX + 1 {
            return Err(too_deep(token.span, format!("more than {BRACKETS_MAX} brackets are open here")));
        }
        if operators > OPERATORS_MAX {
            let why = format!("more than {OPERATORS_MAX} operators in a row");
            return Err(match too_deep(token.span, why) {
                Problem::Said(said) => Problem::Said(Box::new(said.help("to compare with many values write `x IN (1, 2, 3)`"))),
                other => other,
            });
        }
    }
    Ok(())
}

pub(super) fn too_deep(span: Span, why: String) -> Problem {
    Diagnostic::error("this expression is nested too deeply").label(span, why).into()
}

/// By how much a token can deepen the tree: one for everything except names and values, more for constructs that sqlparser reads
/// by a recursion it does not limit itself.
fn depth_of(token: &Token, next: Option<&Token>) -> usize {
    const WORDS: [&str; 16] = [
        "AND",
        "OR",
        "NOT",
        "XOR",
        "IS",
        "LIKE",
        "ILIKE",
        "BETWEEN",
        "IN",
        "COLLATE",
        "UNION",
        "EXCEPT",
        "INTERSECT",
        "AT",
        "DIV",
        "CASE",
    ];
    const NESTED_TYPES: [&str; 6] = ["ARRAY", "STRUCT", "MAP", "TUPLE", "NESTED", "NULLABLE"];
    let is_one_of = |words: &[&str]| words.iter().any(|word| token.is_word(word));
    match (&token.sql.token, next) {
        (SqlToken::Word(_), Some(next)) if next.is(&SqlToken::Lt) && is_one_of(&NESTED_TYPES) => OPERATORS_MAX / BRACKETS_MAX,
        (SqlToken::Word(_), Some(next)) if next.is_word("INTERVAL") && token.is_word("INTERVAL") => OPERATORS_MAX / BRACKETS_MAX,
        (SqlToken::Word(_), _) => usize::from(is_one_of(&WORDS)),
        (SqlToken::Comma | SqlToken::Period | SqlToken::Number(..) | SqlToken::SingleQuotedString(_), _) => 0,
        _ => 1,
    }
}

/// The place of the innermost opening bracket.
pub(super) fn deepest(slice: Tokens<'_>) -> Span {
    let (mut depth, mut most, mut span) = (0usize, 0usize, slice.here());
    for token in slice.all() {
        if token.opens() {
            depth += 1;
            if depth > most {
                (most, span) = (depth, token.span);
            }
        } else if token.closes() {
            depth = depth.saturating_sub(1);
        }
    }
    span
}
