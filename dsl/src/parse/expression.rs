//! Pieces of SQL within our statements: expressions, queries, types and lengths of time, read by sqlparser from our tokens.
//!
//! sqlparser is given the tokens up to the next comma or closing bracket, takes what belongs to the expression, and our
//! parsers go on with the rest. Its trees are deep where the text is, and are walked by recursion, here and in the planner:
//! so the depth is bounded before it sees the tokens.

use sqlparser::ast::{DataType, ObjectNamePart};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Span as SqlSpan, Token as SqlToken, TokenWithSpan, Word};

use super::match_recognize::{self, Found, KEYWORD};
use super::problem::{Expected, Problem};
use super::tokens::{Parsed, Tokens, describe};
use crate::dialect::EgretDialect;
use crate::source::Token;
use crate::window::WINDOW_FUNCTIONS;
use crate::{Diagnostic, DurationLit, Span, Sql, SqlQuery, duration, suggest};

/// How deep brackets may be nested.
const BRACKETS_MAX: usize = 40;
/// How many operators may be chained without a comma between, brackets around them included.
const OPERATORS_MAX: usize = 1000;
/// How many tokens a type may have.
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

/// An expression, up to the end of what is given.
pub(crate) fn whole_expression(input: Tokens<'_>) -> Parsed<'_, Sql> {
    let (rest, sql) = expression(input)?;
    match rest.is_empty() {
        true => Ok((rest, sql)),
        false => Problem::thing(rest, "the end of the expression").fail(),
    }
}

/// A query, up to the end of the statement.
pub(crate) fn query(input: Tokens<'_>) -> Parsed<'_, SqlQuery> {
    const BEGINNINGS: [&str; 3] = ["SELECT", "WITH", "VALUES"];
    let begins =
        input.first().is_some_and(|token| token.is(&SqlToken::LParen)) || BEGINNINGS.iter().any(|word| input.starts_with(word));
    if !begins {
        let mut expected = vec![Expected::Thing("a query".into())];
        expected.extend(BEGINNINGS[..2].iter().map(|word| Expected::Keyword((*word).into())));
        return Problem::expected(input, expected).fail();
    }
    let matches = match_recognize::find_all(input)?;
    let tokens = with_matches_as_joins(input, &matches);
    let (count, tree) = hand_over(input, tokens, |parser| parser.parse_query())?;
    let rest = input.skip(count);
    if !rest.is_empty() {
        let problem = Problem::thing(rest, "the end of the query");
        return misspelt_before(input, rest, problem).fail();
    }
    let mut query = piece(input, tree);
    let clauses: Vec<_> = matches.into_iter().filter_map(|found| found.clause).collect();
    query.matches = (!clauses.is_empty()).then(|| clauses.into());
    Ok((rest, query))
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

/// Types worth suggesting.
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

/// `INTERVAL '10' MINUTE`; `least_us` is 1 where nothing is too short.
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

fn piece<T>(tokens: Tokens<'_>, tree: T) -> Sql<T> {
    let span = tokens.span();
    Sql { tree, span, text: span.of(tokens.text()).to_owned(), source: tokens.file.source.clone(), matches: None }
}

/// Words that go on with an expression.
const OPERATORS: [&str; 23] = [
    "AND", "OR", "XOR", "NOT", "IS", "IN", "LIKE", "ILIKE", "RLIKE", "REGEXP", "SIMILAR", "BETWEEN", "COLLATE", "AT", "DIV",
    "AS", "GROUP", "THEN", "WHEN", "ELSE", "END", "ESCAPE", "TO",
];

/// Whether what comes is a clause, not a column that is called like one: that is followed by an operator, if by a word.
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

/// Tokens for sqlparser, each with its index among the tokens they were made of.
type Handed = (Vec<TokenWithSpan>, Vec<usize>);

/// Lets sqlparser read from the beginning of `slice`, whose tokens it is handed: how many of the slice's it took, and what
/// it made of them.
fn hand_over<'a, T>(
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

/// The tokens as sqlparser wants them, each with its index in `slice`. It knows no `TABLE txn` as an argument of a window:
/// the word is left out, it says nothing that the name does not.
fn for_sqlparser(slice: Tokens<'_>) -> Handed {
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

/// As [`for_sqlparser`], with `t CROSS JOIN "MATCH_RECOGNIZE"` for `t MATCH_RECOGNIZE (...)`: sqlparser takes a join behind any
/// relation, and an alias behind it. The table's name stands where the keyword does.
fn with_matches_as_joins(slice: Tokens<'_>, matches: &[Found]) -> Handed {
    let (tokens, indices) = for_sqlparser(slice);
    if matches.is_empty() {
        return (tokens, indices);
    }
    let mut handed = (Vec::with_capacity(tokens.len()), Vec::with_capacity(tokens.len()));
    for (token, index) in tokens.into_iter().zip(indices) {
        let within = matches.iter().find(|found| (found.first..=found.last).contains(&index));
        if within.is_some_and(|found| found.first < index) {
            continue;
        }
        let words = match within {
            Some(_) => ["CROSS", "JOIN"]
                .map(SqlToken::make_keyword)
                .into_iter()
                .chain([SqlToken::make_word(KEYWORD, Some('"'))])
                .collect(),
            None => vec![token.token],
        };
        for word in words {
            handed.0.push(TokenWithSpan { token: word, span: token.span });
            handed.1.push(index);
        }
    }
    handed
}

/// As [`for_sqlparser`], with `FINAL.LAST(a.x)` for `FINAL LAST(a.x)`, and so for `RUNNING`: to sqlparser a name of two parts.
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
        // As parts of a name these words are no keywords of something else.
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

/// Refuses what would make a tree too deep to be walked.
fn check_depth(slice: Tokens<'_>) -> Result<(), Problem> {
    // The operators since the last comma, for every bracket that is open.
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

fn too_deep(span: Span, why: String) -> Problem {
    Diagnostic::error("this expression is nested too deeply").label(span, why).into()
}

/// For a text that can be read in too many wrong ways: what is wrong cannot be told, but how far it was understood.
fn lost(at: Tokens<'_>) -> Problem {
    Diagnostic::error("this expression cannot be read")
        .label(at.here(), "it was understood up to here")
        .help("a bracket may be missing, or an `END`; name a part of it in a stream of its own if it is nested very deeply")
        .into()
}

/// How much deeper a token can make the tree: one for anything but names and values, more for what sqlparser reads by a
/// recursion that it does not bound itself.
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

/// Turns what sqlparser says into what we say, with its place.
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

/// sqlparser writes keywords in capitals and signs as they are; all else is prose.
fn expected(wanted: &str) -> Expected {
    let keywords = wanted.chars().all(|character| character.is_ascii_uppercase() || matches!(character, ' ' | '_'));
    match keywords || !wanted.chars().any(char::is_alphabetic) {
        true => Expected::Keyword(wanted.to_owned().into()),
        false => Expected::Thing(wanted.trim_end_matches(':').to_owned().into()),
    }
}

/// Takes the ` at Line: 3, Column: 5` off the end of a message.
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

fn deepest(slice: Tokens<'_>) -> Span {
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

/// A misspelt keyword is taken for an alias, and what follows it is a surprise: looks for one just before.
fn misspelt_before(slice: Tokens<'_>, at: Tokens<'_>, problem: Problem) -> Problem {
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
