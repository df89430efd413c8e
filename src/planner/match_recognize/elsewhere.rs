//! Functions of other engines' MATCH_RECOGNIZE. Those that have an equivalent here are rewritten; for the others the error says
//! what to write instead.

use super::clause::{FUNCTIONS, is_over_rows, without_semantics};
use crate::planner::names::{object_name, quoted, unknown_functions_beside};
use egret_dsl::sqlparser::ast::{Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments};
use egret_dsl::walk;
use egret_dsl::{Diagnostic, Name, Span, Sql};
use egret_rows::parse_expression;
use std::ops::ControlFlow;

/// Flink's function for the time of a match's last row.
const ROW_TIME: &str = "match_rowtime";

/// Functions of other engines, and what to write instead.
const ELSEWHERE: [(&str, &str); 5] = [
    ("lag", "the row before is `PREV(column)`, the row two before `PREV(column, 2)`"),
    ("lead", "the next row is `NEXT(column)`, the row behind that `NEXT(column, 2)`"),
    ("match_sequence_number", "with `ALL ROWS PER MATCH`, the number of a row in its match is `RUNNING count(*)`"),
    ("match_proctime", "matches are found by event time: `MATCH_ROWTIME()` is that of a match's last row"),
    (ROW_TIME, "`MATCH_ROWTIME()` is a measure, of a stream with event time, and takes no argument"),
];

/// Replaces `MATCH_ROWTIME()` in a measure by the time of the match's last row.
pub(super) fn with_row_time(mut tree: Expr, time: &str, one_row: bool) -> Expr {
    let last = match one_row {
        true => Some(Expr::Identifier(quoted(time))),
        false => parse_expression(&format!("FINAL LAST({})", quoted(time))).ok(),
    };
    let _ = walk::expressions_mut(&mut tree, |expr| {
        if let Expr::Function(call) = expr
            && object_name(&call.name) == ROW_TIME
            && is_without_argument_but(call, time)
            && let Some(last) = &last
        {
            *expr = last.clone();
        }
        ControlFlow::<()>::Continue(())
    });
    tree
}

/// Whether a call has no argument, or only the event time column, as Flink allows.
fn is_without_argument_but(call: &Function, time: &str) -> bool {
    let FunctionArguments::List(list) = &call.args else { return false };
    match list.args.as_slice() {
        [] => true,
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Identifier(column)))] => Name::normalise(column) == time,
        _ => false,
    }
}

/// Errors about functions that do not exist.
pub(super) fn wrong_functions(sql: &Sql) -> Vec<Diagnostic> {
    let elsewhere = |name: &str| ELSEWHERE.iter().find(|(other, _)| *other == without_semantics(name));
    let known = |name: &str| is_over_rows(name) || elsewhere(name).is_some();
    let mut wrong = unknown_functions_beside(sql, known, &FUNCTIONS);
    for (call, span) in sql.functions() {
        let name = object_name(&call.name);
        if let Some((_, help)) = elsewhere(&name) {
            let place = Span::new(span.start, span.start + name.len().min(span.end - span.start));
            let message = format!("there is no function `{}` here", without_semantics(&name));
            wrong.push(Diagnostic::error(message).label(place, "unknown").help(*help));
        }
    }
    wrong
}
