//! Expressions of `DEFINE` and `MEASURES` from text.

use datafusion_sql::sqlparser::ast;
use datafusion_sql::sqlparser::keywords::Keyword;
use datafusion_sql::sqlparser::tokenizer::{Token, TokenWithSpan};
use egret_core::Result;

/// Parses an expression in which calls may have `RUNNING` or `FINAL` before them.
///
/// # The tree
/// `RUNNING LAST(x)` becomes a call of the two-part name `RUNNING.LAST`, `FINAL LAST(x)` one of `FINAL.LAST`, so any SQL parser
/// can be used after [`mark_semantics`] has inserted the dots. Everything else is as in SQL.
///
/// ```
/// let tree = egret_rows::parse_expression("FINAL LAST(A.price) - RUNNING FIRST(A.price, 1)")?;
/// assert_eq!(tree.to_string(), "FINAL.LAST(A.price) - RUNNING.FIRST(A.price, 1)");
/// # Ok::<(), egret_core::Error>(())
/// ```
///
/// # Errors
/// The text does not parse, or something follows the expression.
pub fn parse_expression(text: &str) -> Result<ast::Expr> {
    let tree = egret_core::expr::parse_changed(text, mark_semantics);
    tree.map_err(|error| error.context(format!("in `{text}`")))
}

/// Inserts a dot after every `RUNNING` and `FINAL` before a call, so that an SQL parser takes both words for its name.
pub fn mark_semantics(tokens: &mut Vec<TokenWithSpan>) {
    let next = |tokens: &[TokenWithSpan], from: usize| {
        (from..tokens.len()).find(|&index| !matches!(tokens[index].token, Token::Whitespace(_)))
    };
    let mut at = 0;
    while at < tokens.len() {
        let is_mark = matches!(&tokens[at].token, Token::Word(word) if word.quote_style.is_none() && is_semantics(&word.value));
        if is_mark
            && let Some(call) = next(tokens, at + 1)
            && let Some(open) = next(tokens, call + 1)
            && matches!(tokens[call].token, Token::Word(_))
            && tokens[open].token == Token::LParen
        {
            // The parts of the name become plain words, so that they are not taken for keywords.
            for index in [at, call] {
                if let Token::Word(word) = &mut tokens[index].token {
                    word.keyword = Keyword::NoKeyword;
                }
            }
            let dot = TokenWithSpan { token: Token::Period, span: tokens[at].span };
            tokens.splice(at + 1..call, [dot]);
        }
        at += 1;
    }
}

fn is_semantics(word: &str) -> bool {
    word.eq_ignore_ascii_case("running") || word.eq_ignore_ascii_case("final")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn calls_of_row_patterns_parse() {
        for (text, shown) in [
            ("RUNNING LAST(value)", "RUNNING.LAST(value)"),
            ("PREV(RUNNING LAST(value), 2)", "PREV(RUNNING.LAST(value), 2)"),
            ("final  count(A.*) + 1", "final.count(A.*) + 1"),
            ("NEXT(FIRST(A.value), 10)", "NEXT(FIRST(A.value), 10)"),
            ("final = 1 AND running < 2", "final = 1 AND running < 2"),
            ("COUNT(*) FILTER (WHERE x)", "COUNT(*) FILTER (WHERE x)"),
            ("PREV(value) + NEXT(value) + FIRST(a) + LAST(b)", "PREV(value) + NEXT(value) + FIRST(a) + LAST(b)"),
            ("CLASSIFIER(U) || MATCH_NUMBER()", "CLASSIFIER(U) || MATCH_NUMBER()"),
            ("\"b\".value < PREV(\"b\".value)", "\"b\".value < PREV(\"b\".value)"),
            ("FIRST(A.value) IN (300, LAST(A.value))", "FIRST(A.value) IN (300, LAST(A.value))"),
        ] {
            assert_eq!(parse_expression(text).unwrap().to_string(), shown);
        }
        assert!(parse_expression("1 +").is_err());
        assert!(parse_expression("a b").is_err());
    }
}
