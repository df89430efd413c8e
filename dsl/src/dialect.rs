//! The dialect of SQL: DataFusion's, which is sqlparser's generic one, with a limit on the work.
//!
//! sqlparser tries some expressions in two ways, and for each of them everything inside again: an unclosed
//! `position(position(...` takes time exponential in its depth. So the dialect counts how often an expression is begun, and makes
//! the parser give up when that is more often than any correct text needs.
//!
//! Also, sqlparser takes everything after `IS DISTINCT FROM` for its right side; here AND and OR bind less tightly, as in
//! PostgreSQL.

use std::any::TypeId;
use std::cell::Cell;

use sqlparser::ast::Expr;
use sqlparser::dialect::{Dialect, GenericDialect};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};

/// How often expressions may be begun in any text, and how many times more for each of its tokens.
const BEGINNINGS_MIN: usize = 20_000;
const BEGINNINGS_PER_TOKEN: usize = 20;

/// The dialect for reading one piece of SQL.
#[derive(Debug)]
pub(crate) struct EgretDialect {
    beginnings_left: Cell<usize>,
    farthest: Cell<usize>,
}

impl EgretDialect {
    /// The dialect for a piece of `tokens` tokens.
    pub(crate) fn new(tokens: usize) -> Self {
        let beginnings = BEGINNINGS_MIN.saturating_add(tokens.saturating_mul(BEGINNINGS_PER_TOKEN));
        Self { beginnings_left: Cell::new(beginnings), farthest: Cell::new(0) }
    }

    /// The farthest token at which an expression was begun, if there was too much work.
    pub(crate) fn gave_up_at(&self) -> Option<usize> {
        (self.beginnings_left.get() == 0).then(|| self.farthest.get())
    }
}

/// Forwards questions to the generic dialect.
macro_rules! generic {
    ($($method:ident),+ $(,)?) => {
        $(fn $method(&self) -> bool {
            GenericDialect.$method()
        })+
    };
}

impl Dialect for EgretDialect {
    /// sqlparser sometimes asks which dialect it is, rather than what it supports.
    fn dialect(&self) -> TypeId {
        TypeId::of::<GenericDialect>()
    }

    /// Called when an expression begins; `None` lets sqlparser go on.
    fn parse_prefix(&self, parser: &mut Parser<'_>) -> Option<Result<Expr, ParserError>> {
        self.farthest.set(self.farthest.get().max(parser.index()));
        let left = self.beginnings_left.get().saturating_sub(1);
        self.beginnings_left.set(left);
        (left == 0).then_some(Err(ParserError::RecursionLimitExceeded))
    }

    /// Called before each operator that may follow an expression; `None` lets sqlparser go on.
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

    /// A comment has no meaning, whatever it begins with.
    fn supports_multiline_comment_hints(&self) -> bool {
        false
    }

    fn supports_comment_optimizer_hint(&self) -> bool {
        false
    }

    generic!(
        allow_extract_custom,
        allow_extract_single_quotes,
        support_map_literal_syntax,
        supports_array_join_syntax,
        supports_array_typedef_with_brackets,
        supports_asc_desc_in_column_definition,
        supports_bitwise_shift_operators,
        supports_comma_separated_set_assignments,
        supports_comma_separated_trim,
        supports_comment_on,
        supports_connect_by,
        supports_constraint_keyword_without_name,
        supports_create_index_with_clause,
        supports_create_view_comment_syntax,
        supports_cte_without_as,
        supports_data_type_signed_suffix,
        supports_detach,
        supports_dictionary_syntax,
        supports_empty_projections,
        supports_explain_with_utility_options,
        supports_extract_comma_syntax,
        supports_filter_during_aggregation,
        supports_from_first_select,
        supports_group_by_expr,
        supports_group_by_with_modifier,
        supports_install,
        supports_interpolate,
        supports_interval_options,
        supports_key_column_option,
        supports_left_associative_joins_without_parens,
        supports_limit_by,
        supports_limit_comma,
        supports_load_extension,
        supports_match_against,
        supports_match_recognize,
        supports_named_fn_args_with_assignment_operator,
        supports_nested_comments,
        supports_optimize_table,
        supports_parens_around_table_factor,
        supports_parenthesized_set_variables,
        supports_partition_by_after_order_by,
        supports_pipe_operator,
        supports_prewhere,
        supports_projection_trailing_commas,
        supports_quote_delimited_string,
        supports_select_format,
        supports_select_item_multi_column_alias,
        supports_select_wildcard_except,
        supports_select_wildcard_exclude,
        supports_select_wildcard_ilike,
        supports_select_wildcard_rename,
        supports_select_wildcard_replace,
        supports_set_names,
        supports_settings,
        supports_start_transaction_modifier,
        supports_string_escape_constant,
        supports_struct_literal,
        supports_try_convert,
        supports_unicode_string_literal,
        supports_update_order_by,
        supports_user_host_grantee,
        supports_values_as_table_factor,
        supports_window_clause_named_window_reference,
        supports_window_function_null_treatment_arg,
        supports_with_fill,
        supports_xml_expressions,
    );
}
