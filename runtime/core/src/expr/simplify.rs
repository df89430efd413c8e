//! Coerces types, folds constants, and refuses comparisons that make no sense.

use super::checked::sql_type;
use super::constant::{check_constants, hide_casts, show_casts};
use super::messages::friendly;
use super::scope::Scope;
use crate::{Error, Result};
use arrow::datatypes::DataType;
use datafusion_expr::simplify::SimplifyContext;
use datafusion_expr::{Expr, ExprSchemable};
use datafusion_optimizer::simplify_expressions::ExprSimplifier;

/// Coerces types and folds constants.
pub(super) fn simplify(expr: Expr, scope: &Scope) -> Result<Expr> {
    let coerced = coerce(expr, scope)?;
    check_constants(&coerced, scope)?;
    let fold = |constant| simplifier(scope).simplify(constant);
    let plain = super::floats::constants_plain(coerced, scope.df(), fold).map_err(friendly)?;
    show_casts(simplifier(scope).simplify(hide_casts(plain, scope)?).map_err(friendly)?)
}

/// Coerces types alone; aggregate calls stay as they are.
pub fn coerce(expr: Expr, scope: &Scope) -> Result<Expr> {
    let written = casts(&expr)?;
    check_lists(&expr, &written, scope)?;
    let coerced = simplifier(scope).coerce(expr, scope.df()).map_err(friendly)?;
    check_comparisons(&coerced, &written, scope)?;
    Ok(coerced)
}

fn simplifier(scope: &Scope) -> ExprSimplifier {
    ExprSimplifier::new(SimplifyContext::builder().with_schema(scope.df_ref()).build())
}

/// The casts that the user wrote.
fn casts(expr: &Expr) -> Result<Vec<Expr>> {
    use datafusion_common::tree_node::{TreeNode, TreeNodeRecursion};
    let mut written = Vec::new();
    expr.apply(|node| {
        if matches!(node, Expr::Cast(_) | Expr::TryCast(_)) {
            written.push(node.clone());
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(written)
}

/// Refuses comparisons of a number with a text. DataFusion would cast one side, and find out row by row.
fn check_comparisons(expr: &Expr, written: &[Expr], scope: &Scope) -> Result<()> {
    use datafusion_common::tree_node::{TreeNode, TreeNodeRecursion};
    let mut wrong = None;
    expr.apply(|node| {
        let clash = sides(node).into_iter().find_map(|(left, right)| mismatch(left, right, written, scope));
        if let Some(pair) = clash {
            wrong = Some((super::show::sql(&uncast(node, written)), pair));
            return Ok(TreeNodeRecursion::Stop);
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    match wrong {
        None => Ok(()),
        Some((text, (left, right))) => {
            Err(Error::job(format!("{} and {} cannot be compared or combined", a_value_of(&left), a_value_of(&right)))
                .context(format!("in {text}"))
                .help("write a number without quotes, or convert one side with CAST(... AS ...)"))
        }
    }
}

/// The same check of lists and ranges, before DataFusion coerces all their values to one type, which may fail.
fn check_lists(expr: &Expr, written: &[Expr], scope: &Scope) -> Result<()> {
    use datafusion_common::tree_node::TreeNode;
    if expr.exists(|node| Ok(matches!(node, Expr::InList(_) | Expr::Between(_))))? {
        check_comparisons(expr, written, scope)?;
    }
    Ok(())
}

/// The pairs of values that an expression compares or combines.
fn sides(expr: &Expr) -> Vec<(&Expr, &Expr)> {
    match expr {
        Expr::BinaryExpr(binary) if is_typed_operator(binary.op) => vec![(&binary.left, &binary.right)],
        Expr::InList(list) => list.list.iter().map(|item| (list.expr.as_ref(), item)).collect(),
        Expr::Between(between) => vec![(&between.expr, &between.low), (&between.expr, &between.high)],
        _ => Vec::new(),
    }
}

/// An operation without the casts around its sides that the user did not write.
fn uncast(expr: &Expr, written: &[Expr]) -> Expr {
    let bare = |side: &Expr| match side {
        Expr::Cast(cast) if !written.contains(side) => cast.expr.as_ref().clone(),
        other => other.clone(),
    };
    match expr {
        Expr::BinaryExpr(of) => datafusion_expr::binary_expr(bare(&of.left), of.op, bare(&of.right)),
        other => other.clone(),
    }
}

/// As `a text`, `a DOUBLE`.
fn a_value_of(data_type: &DataType) -> String {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "a text".into(),
        DataType::Int32 => "an INT".into(),
        DataType::Duration(_) => "a length of time".into(),
        other => format!("a {}", sql_type(other)),
    }
}

fn is_typed_operator(op: datafusion_expr::Operator) -> bool {
    use datafusion_expr::Operator as Op;
    op.is_numerical_operators() || matches!(op, Op::Eq | Op::NotEq | Op::Lt | Op::LtEq | Op::Gt | Op::GtEq | Op::Modulo)
}

/// The types of the two sides before coercion, if one is a text and the other a number or a boolean. A cast that the user wrote
/// counts as the side's own type.
fn mismatch(left: &Expr, right: &Expr, casts: &[Expr], scope: &Scope) -> Option<(DataType, DataType)> {
    let own = |side: &Expr| -> Option<DataType> {
        let inner = match side {
            side if casts.contains(side) => side,
            Expr::Cast(cast) => cast.expr.as_ref(),
            Expr::TryCast(cast) => cast.expr.as_ref(),
            other => other,
        };
        inner.get_type(scope.df()).ok()
    };
    let (a, b) = (own(left)?, own(right)?);
    let is_text = |t: &DataType| matches!(t, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    let is_other = |t: &DataType| t.is_numeric() || matches!(t, DataType::Boolean);
    let clash = (is_text(&a) && is_other(&b)) || (is_other(&a) && is_text(&b));
    clash.then_some((a, b))
}
