//! Pieces of SQL within our statements: expressions, types and durations, read by sqlparser from our tokens.
//!
//! sqlparser gets the tokens up to the next comma or closing bracket and takes those that belong to the expression; our parsers
//! continue with the rest.

use sqlparser::ast::{DataType, ObjectNamePart};
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Span as SqlSpan, Token as SqlToken, TokenWithSpan, Word};

use super::handover::{Handed, for_sqlparser, hand_over, piece};
use super::problem::{Parsed, Problem};
use super::tokens::Tokens;
use crate::source::Token;
use crate::{Diagnostic, DurationLit, Span, Sql, duration, suggest};

/// The most tokens of a type.
const TYPE_TOKENS_MAX: usize = 200;

/// An expression.
pub(crate) fn expression(input: Tokens<'_>) -> Parsed<'_, Sql> {
    if input.is_empty() || input.at_comma() || clause_begins(input) {
        return Problem::thing(input, "an expression").miss();
    }
    let slice = input.split(input.count_until(|rest| rest.at_comma() || clause_begins(rest))).0;
    let (count, tree) = hand_over(slice, for_sqlparser(slice), |parser| parser.parse_expr())?;
    let rest = input.skip(count);
    Ok((rest, piece(input.until(rest), tree)))
}

/// An expression of `MATCH_RECOGNIZE`, in which `FINAL` and `RUNNING` may stand before a call.
pub(crate) fn row_expression(input: Tokens<'_>) -> Parsed<'_, Sql> {
    if input.is_empty() || input.at_comma() || clause_begins(input) {
        return Problem::thing(input, "an expression").miss();
    }
    let slice = input.split(input.count_until(|rest| rest.at_comma() || clause_begins(rest))).0;
    let (count, tree) = hand_over(slice, with_semantics_in_names(slice), |parser| parser.parse_expr())?;
    let rest = input.skip(count);
    Ok((rest, piece(input.until(rest), tree)))
}

/// An expression that takes all of the input.
pub(crate) fn whole_expression(input: Tokens<'_>) -> Parsed<'_, Sql> {
    let (rest, sql) = expression(input)?;
    match rest.is_empty() {
        true => Ok((rest, sql)),
        false => Problem::thing(rest, "the end of the expression").fail(),
    }
}

/// A column's type, with its bytes.
pub(crate) fn data_type(input: Tokens<'_>) -> Parsed<'_, (DataType, Span)> {
    if input.first().is_none_or(|token| token.word().is_none()) {
        return Problem::thing(input, "a type").help("such as BIGINT, DOUBLE, STRING, BOOLEAN or TIMESTAMP").fail();
    }
    let slice = input.split(input.count_until(|_| false).min(TYPE_TOKENS_MAX)).0;
    let (count, tree) = hand_over(slice, for_sqlparser(slice), |parser| parser.parse_data_type())?;
    let rest = input.skip(count);
    let span = input.until(rest).span();
    match unknown_type(&tree) {
        Some(word) => Err(nom::Err::Failure(
            Diagnostic::error(format!("unknown type `{word}`"))
                .label(span, "not a type of the language")
                .help("the types are those of SQL, such as BIGINT, DOUBLE, STRING, BOOLEAN or TIMESTAMP")
                .suggestion(suggest(&word, TYPES))
                .into(),
        )),
        None => Ok((rest, (tree, span))),
    }
}

/// Types that are suggested for a misspelt one.
const TYPES: [&str; 24] = [
    "TINYINT",
    "SMALLINT",
    "INT",
    "INTEGER",
    "BIGINT",
    "UNSIGNED",
    "FLOAT",
    "REAL",
    "DOUBLE",
    "DECIMAL",
    "NUMERIC",
    "BOOLEAN",
    "BOOL",
    "STRING",
    "VARCHAR",
    "TEXT",
    "CHAR",
    "DATE",
    "TIME",
    "TIMESTAMP",
    "INTERVAL",
    "BYTEA",
    "BINARY",
    "ARRAY",
];

fn unknown_type(tree: &DataType) -> Option<String> {
    match tree {
        DataType::Custom(name, _) => Some(match name.0.as_slice() {
            [ObjectNamePart::Identifier(ident)] => ident.value.clone(),
            _ => name.to_string(),
        }),
        _ => None,
    }
}

/// `INTERVAL '10' MINUTE`; `least_us` is 1 where an empty interval is not allowed.
pub(crate) fn interval<'a>(least_us: u64) -> impl Fn(Tokens<'a>) -> Parsed<'a, DurationLit> {
    move |input| {
        if !input.starts_with("INTERVAL") {
            let help = match (input.first(), input.nth(1).and_then(Token::word)) {
                (Some(number), Some(unit))
                    if matches!(number.sql.token, SqlToken::Number(..)) && input.clause_at(1).is_none() =>
                {
                    format!("write `INTERVAL '{}' {}`", number.span.of(input.text()), unit.to_uppercase())
                }
                _ => "write it as in `INTERVAL '10' MINUTE`".to_owned(),
            };
            return Problem::thing(input, "a length of time").help(help).fail();
        }
        let slice = input.split(input.count_until(|rest| rest.at_comma())).0;
        let (count, tree) = hand_over(slice, for_sqlparser(slice), |parser| parser.parse_prefix())?;
        let rest = input.skip(count);
        let length = duration::duration(&tree, input.until(rest).span()).map_err(|wrong| nom::Err::Failure(wrong.into()))?;
        if length.us < least_us {
            let wrong = Diagnostic::error("this length of time is nothing").label(length.span, "must be longer than nothing");
            return Problem::from(wrong).fail();
        }
        Ok((rest, length))
    }
}

/// Words that continue an expression.
const OPERATORS: [&str; 23] = [
    "AND", "OR", "XOR", "NOT", "IS", "IN", "LIKE", "ILIKE", "RLIKE", "REGEXP", "SIMILAR", "BETWEEN", "COLLATE", "AT", "DIV",
    "AS", "GROUP", "THEN", "WHEN", "ELSE", "END", "ESCAPE", "TO",
];

/// Whether a clause begins here, not a column of the same name: a column can only be followed by an operator, if by a word.
fn clause_begins(input: Tokens<'_>) -> bool {
    let Some((_, words)) = input.clause_here() else { return false };
    words > 1
        || match input.nth(1) {
            Some(token) => match &token.sql.token {
                SqlToken::Word(_) => !OPERATORS.iter().any(|operator| token.is_word(operator)),
                SqlToken::Number(..) | SqlToken::SingleQuotedString(_) => true,
                _ => false,
            },
            None => true,
        }
}

/// Like [`for_sqlparser`], but with `FINAL.LAST(a.x)` for `FINAL LAST(a.x)`, and the same for `RUNNING`: sqlparser takes it for a
/// name of two parts.
fn with_semantics_in_names(slice: Tokens<'_>) -> Handed {
    let (tokens, indices) = for_sqlparser(slice);
    let word = |at: usize| match tokens.get(at).map(|token| &token.token) {
        Some(SqlToken::Word(word)) if word.quote_style.is_none() => Some(word.value.as_str()),
        _ => None,
    };
    let begins = |at: usize| {
        let semantics = word(at).is_some_and(|word| ["FINAL", "RUNNING"].iter().any(|known| known.eq_ignore_ascii_case(word)));
        let operator = |word: &str| OPERATORS.iter().any(|operator| operator.eq_ignore_ascii_case(word));
        let opens = tokens.get(at + 2).is_some_and(|token| token.token == SqlToken::LParen);
        semantics && word(at + 1).is_some_and(|word| !operator(word)) && opens
    };
    let mut handed = (Vec::with_capacity(tokens.len()), Vec::with_capacity(tokens.len()));
    let mut put = |token: SqlToken, span: SqlSpan, index: usize| {
        handed.0.push(TokenWithSpan { token, span });
        handed.1.push(index);
    };
    let mut is_call = false;
    for (at, (token, index)) in tokens.iter().zip(&indices).enumerate() {
        // As parts of a name these words must not be keywords.
        let plain = |token: &SqlToken| match token {
            SqlToken::Word(word) => SqlToken::Word(Word { keyword: Keyword::NoKeyword, ..word.clone() }),
            other => other.clone(),
        };
        let marks = begins(at);
        put(if marks || is_call { plain(&token.token) } else { token.token.clone() }, token.span, *index);
        if marks {
            put(SqlToken::Period, token.span, *index);
        }
        is_call = marks;
    }
    handed
}
