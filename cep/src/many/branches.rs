//! Conditions in disjunctive normal form: a condition holds where one of its branches does, a branch where all of its tests do.

use super::ordered::{is_ordered, place_of};
use crate::plan::condition::facts::{comparison, literal};
use arrow::datatypes::Schema;
use datafusion_common::ScalarValue;
use datafusion_common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion_expr::expr::InList;
use datafusion_expr::{Between, BinaryExpr, Expr, Operator as Op};
use egret_core::expr::Expression;

/// A condition with more branches than this is evaluated whole.
const BRANCHES_MAX: usize = 64;

/// A predicate on a row. Null counts as false.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Test {
    /// The column's value, mapped to an integer that keeps the order, lies between these bounds, both included.
    Within { column: usize, least: i64, greatest: i64 },
    /// The column equals this text.
    Text { column: usize, is: String },
    /// Anything else.
    Other(Expr),
}

/// The branches of a condition over a stream's columns.
pub(super) fn branches(condition: &Expression, schema: &Schema) -> Vec<Vec<Test>> {
    let whole = || vec![vec![Test::Other(condition.logical().clone())]];
    match split(condition.logical(), schema) {
        Some(branches) => branches.into_iter().filter_map(merged).collect(),
        None => whole(),
    }
}

/// `None`: it cannot be split without evaluating a part on rows where it would not have been evaluated.
fn split(part: &Expr, schema: &Schema) -> Option<Vec<Vec<Test>>> {
    match part {
        Expr::Literal(ScalarValue::Boolean(Some(true)), _) => return Some(vec![Vec::new()]),
        Expr::Literal(ScalarValue::Boolean(_), _) => return Some(Vec::new()),
        Expr::BinaryExpr(BinaryExpr { left, op: Op::And, right }) => {
            let (left, right) = (split(left, schema)?, split(right, schema)?);
            let both = left.iter().flat_map(|one| right.iter().map(|other| [one.as_slice(), other].concat()));
            return (left.len() * right.len() <= BRANCHES_MAX).then(|| both.collect());
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Op::Or, right }) => {
            let mut all = split(left, schema)?;
            all.extend(split(right, schema)?);
            return (all.len() <= BRANCHES_MAX).then_some(all);
        }
        Expr::InList(InList { expr, list, negated: false }) if list.len() <= BRANCHES_MAX => {
            let test = |value: &Expr| Some(vec![compared(expr, Op::Eq, &literal(value)?, schema)?]);
            if let Some(branches) = list.iter().map(test).collect::<Option<Vec<_>>>() {
                return Some(branches);
            }
        }
        Expr::Between(Between { expr, negated: false, low, high }) => {
            let side = |op, bound: &Expr| compared(expr, op, &literal(bound)?, schema);
            if let (Some(low), Some(high)) = (side(Op::GtEq, low), side(Op::LtEq, high)) {
                return Some(vec![vec![low, high]]);
            }
        }
        _ => {}
    }
    let test = comparison(part).and_then(|(what, op, bound)| compared(what, op, &bound, schema));
    test.or_else(|| cannot_fail(part).then(|| Test::Other(part.clone()))).map(|test| vec![vec![test]])
}

fn compared(what: &Expr, op: Op, bound: &ScalarValue, schema: &Schema) -> Option<Test> {
    let Expr::Column(column) = what else { return None };
    let column = schema.index_of(&column.name).ok()?;
    let data_type = schema.field(column).data_type();
    if *data_type != bound.data_type() {
        return None;
    }
    if let (ScalarValue::Utf8(Some(text)), Op::Eq) = (bound, op) {
        return Some(Test::Text { column, is: text.clone() });
    }
    let place = place_of(bound).filter(|_| is_ordered(data_type))?;
    // An interval whose least is above its greatest is empty.
    let (least, greatest) = match op {
        Op::Eq => (place, place),
        Op::Gt => place.checked_add(1).map_or((i64::MAX, i64::MIN), |least| (least, i64::MAX)),
        Op::GtEq => (place, i64::MAX),
        Op::Lt => place.checked_sub(1).map_or((i64::MAX, i64::MIN), |greatest| (i64::MIN, greatest)),
        Op::LtEq => (i64::MIN, place),
        _ => return None,
    };
    Some(Test::Within { column, least, greatest })
}

/// Whether an expression can be evaluated without failing on any row, even those that an earlier part would have excluded.
fn cannot_fail(part: &Expr) -> bool {
    let mut harmless = true;
    let walked = part.apply(|node| {
        harmless &= match node {
            Expr::BinaryExpr(BinaryExpr { op, .. }) => {
                matches!(op, Op::Eq | Op::NotEq | Op::Lt | Op::LtEq | Op::Gt | Op::GtEq | Op::And | Op::Or)
                    || matches!(op, Op::IsDistinctFrom | Op::IsNotDistinctFrom)
            }
            Expr::Column(_) | Expr::Literal(..) | Expr::Not(_) | Expr::IsNull(_) | Expr::IsNotNull(_) => true,
            Expr::IsTrue(_) | Expr::IsFalse(_) | Expr::IsNotTrue(_) | Expr::IsNotFalse(_) => true,
            Expr::InList(_) | Expr::Between(_) => true,
            _ => false,
        };
        Ok(if harmless { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
    });
    harmless && walked.is_ok()
}

/// The tests of a branch, each once, with at most one interval per column; `None` if no row can meet them.
fn merged(tests: Vec<Test>) -> Option<Vec<Test>> {
    let mut kept: Vec<Test> = Vec::new();
    for test in tests {
        if let Test::Within { column, least, greatest } = test {
            let same = kept.iter_mut().find_map(|other| match other {
                Test::Within { column: of, least, greatest } if *of == column => Some((least, greatest)),
                _ => None,
            });
            if let Some((from, to)) = same {
                (*from, *to) = ((*from).max(least), (*to).min(greatest));
                continue;
            }
        }
        if !kept.contains(&test) {
            kept.push(test);
        }
    }
    let is_empty = |test: &Test| matches!(test, Test::Within { least, greatest, .. } if least > greatest);
    (!kept.iter().any(is_empty)).then_some(kept)
}
