//! Parses expressions: SQL as in sqlparser's generic dialect, with one correction.
//!
//! sqlparser takes everything after `IS DISTINCT FROM` as its right side, so `a IS DISTINCT FROM b AND c` would be `a IS DISTINCT
//! FROM (b AND c)`. Here AND and OR bind more loosely, as in PostgreSQL. The language's own dialect (`egret-dsl`) makes the same
//! correction, and a test of the root package compares the two.

use crate::{Error, Result};
use datafusion_sql::sqlparser::ast::Expr;
use datafusion_sql::sqlparser::dialect::{Dialect, GenericDialect};
use datafusion_sql::sqlparser::keywords::Keyword;
use datafusion_sql::sqlparser::parser::{Parser, ParserError};
use datafusion_sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};
use std::any::TypeId;

/// The dialect that expressions are written in.
#[derive(Debug, Default, Clone, Copy)]
struct ExpressionDialect;

/// Answers as the generic dialect does, for everything that can stand in an expression.
macro_rules! generic {
    ($($method:ident),+ $(,)?) => {
        $(fn $method(&self) -> bool {
            GenericDialect.$method()
        })+
    };
}

impl Dialect for ExpressionDialect {
    /// sqlparser asks for the type of the dialect in places, rather than for what it supports.
    fn dialect(&self) -> TypeId {
        TypeId::of::<GenericDialect>()
    }

    fn parse_infix(&self, parser: &mut Parser<'_>, left: &Expr, precedence: u8) -> Option<Result<Expr, ParserError>> {
        let is_distinct = parser.parse_keywords(&[Keyword::IS, Keyword::DISTINCT, Keyword::FROM]);
        if !is_distinct && !parser.parse_keywords(&[Keyword::IS, Keyword::NOT, Keyword::DISTINCT, Keyword::FROM]) {
            return None;
        }
        let compare = if is_distinct { Expr::IsDistinctFrom } else { Expr::IsNotDistinctFrom };
        Some(parser.parse_subexpr(precedence).map(|right| compare(Box::new(left.clone()), Box::new(right))))
    }

    fn is_delimited_identifier_start(&self, character: char) -> bool {
        GenericDialect.is_delimited_identifier_start(character)
    }

    fn is_identifier_start(&self, character: char) -> bool {
        GenericDialect.is_identifier_start(character)
    }

    fn is_identifier_part(&self, character: char) -> bool {
        GenericDialect.is_identifier_part(character)
    }

    generic!(
        allow_extract_custom,
        allow_extract_single_quotes,
        support_map_literal_syntax,
        supports_array_typedef_with_brackets,
        supports_bitwise_shift_operators,
        supports_comma_separated_trim,
        supports_dictionary_syntax,
        supports_extract_comma_syntax,
        supports_filter_during_aggregation,
        supports_interval_options,
        supports_match_against,
        supports_named_fn_args_with_assignment_operator,
        supports_nested_comments,
        supports_quote_delimited_string,
        supports_string_escape_constant,
        supports_struct_literal,
        supports_try_convert,
        supports_unicode_string_literal,
        supports_window_function_null_treatment_arg,
        supports_xml_expressions,
    );
}

/// Reads one expression.
///
/// ```
/// let tree = egret_core::expr::parse_expression("NOT a IS DISTINCT FROM b + 1 AND c")?;
/// assert_eq!(tree.to_string(), "NOT a IS DISTINCT FROM b + 1 AND c");
/// # Ok::<(), egret_core::Error>(())
/// ```
///
/// # Errors
/// The text is no expression, or something follows it.
pub fn parse_expression(text: &str) -> Result<Expr> {
    parse_changed(text, |_| {})
}

/// Reads one expression, after `change` has edited its tokens.
///
/// # Errors
/// As [`parse_expression`].
pub fn parse_changed(text: &str, change: impl FnOnce(&mut Vec<TokenWithSpan>)) -> Result<Expr> {
    let parse = || -> Result<Expr, ParserError> {
        let mut tokens = Tokenizer::new(&ExpressionDialect, text).tokenize_with_location()?;
        change(&mut tokens);
        let mut parser = Parser::new(&ExpressionDialect).with_tokens_with_locations(tokens);
        let tree = parser.parse_expr()?;
        parser.expect_token(&Token::EOF)?;
        Ok(tree)
    };
    parse().map_err(|error| Error::job(error.to_string().replace("sql parser error: ", "")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use datafusion_sql::sqlparser::ast::BinaryOperator;

    #[test]
    fn and_and_or_bind_less_than_is_distinct_from() {
        for (text, left, op) in [
            ("a IS DISTINCT FROM b AND c", "a IS DISTINCT FROM b", BinaryOperator::And),
            ("a IS NOT DISTINCT FROM b OR c", "a IS NOT DISTINCT FROM b", BinaryOperator::Or),
            ("NOT a IS DISTINCT FROM b + 1 AND c", "NOT a IS DISTINCT FROM b + 1", BinaryOperator::And),
            ("a = 1 AND b is not distinct from -c OR d", "a = 1 AND b IS NOT DISTINCT FROM -c", BinaryOperator::Or),
        ] {
            let Expr::BinaryOp { left: found, op: outer, .. } = parse_expression(text).unwrap() else { panic!("{text}") };
            assert_eq!((found.to_string().as_str(), outer), (left, op), "{text}");
        }
        // Operators that bind tighter stay on the right side.
        let Expr::IsDistinctFrom(_, right) = parse_expression("a IS DISTINCT FROM b * 2 < c").unwrap() else {
            panic!("it is one")
        };
        assert_eq!(right.to_string(), "b * 2 < c");
        assert!(parse_expression("a IS DISTINCT b").is_err());
    }
}
