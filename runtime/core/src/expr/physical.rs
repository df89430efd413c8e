//! From logical to physical expressions, with checked integer arithmetic and guarded AND and OR.

use super::checked::{Checked, CheckedNegative};
use super::guard::{Guarded, can_fail};
use super::scope::Scope;
use crate::Result;
use arrow::datatypes::Schema;
use datafusion_common::Result as DfResult;
use datafusion_common::tree_node::{Transformed, TreeNode};
use datafusion_expr::execution_props::ExecutionProps;
use datafusion_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion_expr::{Expr, Operator as Op};
use datafusion_physical_expr::expressions::{BinaryExpr, NegativeExpr};
use datafusion_physical_expr::{PhysicalExpr, create_physical_expr};
use std::sync::Arc;

/// The physical expression.
///
/// # Errors
/// It cannot be evaluated row by row.
pub(super) fn physical(logical: &Expr, scope: &Scope) -> Result<Arc<dyn PhysicalExpr>> {
    let plain = create_physical_expr(logical, scope.df(), &ExecutionProps::new(), &PhysicalPlanningContext::default())?;
    let schema = scope.df().as_arrow();
    Ok(plain.transform_up(|node| checked(node, schema))?.data)
}

fn checked(node: Arc<dyn PhysicalExpr>, schema: &Schema) -> DfResult<Transformed<Arc<dyn PhysicalExpr>>> {
    if let Some(negative) = node.downcast_ref::<NegativeExpr>()
        && negative.arg().data_type(schema)?.is_integer()
    {
        return Ok(Transformed::yes(Arc::new(CheckedNegative::new(Arc::clone(negative.arg())))));
    }
    let Some(binary) = node.downcast_ref::<BinaryExpr>() else { return Ok(Transformed::no(node)) };
    let (left, op, right) = (binary.left(), *binary.op(), binary.right());
    if matches!(op, Op::And | Op::Or) {
        let guards = can_fail(right, schema);
        return Ok(match guards {
            true => Transformed::yes(Arc::new(Guarded::new(Arc::clone(left), op, Arc::clone(right)))),
            false => Transformed::no(node),
        });
    }
    if !Checked::has(op) {
        return Ok(Transformed::no(node));
    }
    let (of_left, of_right) = (left.data_type(schema)?, right.data_type(schema)?);
    if Checked::is_for(op, &of_left, &of_right) {
        return Ok(Transformed::yes(Arc::new(Checked::new(Arc::clone(left), op, Arc::clone(right)))));
    }
    let is_shift = matches!(op, Op::BitwiseShiftLeft | Op::BitwiseShiftRight);
    if is_shift || of_left.is_floating() && of_right.is_floating() {
        return Ok(Transformed::no(node));
    }
    // For times, intervals and decimals, the checked kernels cost nothing extra.
    let plain = BinaryExpr::new(Arc::clone(left), op, Arc::clone(right));
    Ok(Transformed::yes(Arc::new(plain.with_fail_on_overflow(true))))
}
