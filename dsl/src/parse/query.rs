//! A query within a statement, with its `MATCH_RECOGNIZE`s.

use super::handover::{Handed, for_sqlparser, hand_over, misspelt_before, piece};
use super::match_recognize::{self, Found, KEYWORD};
use super::problem::{Expected, Parsed, Problem};
use super::tokens::Tokens;
use crate::SqlQuery;
use sqlparser::tokenizer::{Token as SqlToken, TokenWithSpan};

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

/// Like [`for_sqlparser`], but with `t CROSS JOIN "MATCH_RECOGNIZE"` for `t MATCH_RECOGNIZE (...)`: sqlparser accepts a join
/// after any relation, and an alias after the join. The table's name is at the place of the keyword.
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
