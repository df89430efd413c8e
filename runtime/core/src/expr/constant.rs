//! Failures that the simplifier must not optimise away.
//!
//! DataFusion folds constants with wrapping arithmetic, and rewrites `CAST(x AS INT) > 5` to `x > 5`, which cannot fail where the
//! cast would. So constants are first computed with our own arithmetic, and casts that may fail are hidden from the simplifier.

use super::checked::{Checked, OUT_OF_RANGE};
use super::guard::narrows;
use super::physical::physical;
use super::scope::Scope;
use crate::{Error, Result};
use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Schema};
use arrow::error::ArrowError;
use datafusion_common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion_common::{DataFusionError, Result as DfResult};
use datafusion_expr::{
    BinaryExpr, Cast, ColumnarValue, Expr, ExprSchemable, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TryCast,
    Volatility,
};
use std::sync::{Arc, LazyLock};

/// Finds constant arithmetic that overflows.
///
/// # Errors
/// There is such arithmetic.
pub(super) fn check_constants(expr: &Expr, scope: &Scope) -> Result<()> {
    let mut wrong = None;
    expr.apply(|node| {
        let computes = match node {
            Expr::BinaryExpr(BinaryExpr { op, .. }) => Checked::has(*op),
            other => matches!(other, Expr::Negative(_)),
        };
        if !computes || !node.column_refs().is_empty() || node.is_volatile() {
            return Ok(TreeNodeRecursion::Continue);
        }
        if let Err(reason) = constant(node, scope) {
            wrong = Some((node.human_display().to_string(), reason));
        }
        Ok(if wrong.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Jump })
    })?;
    match wrong {
        None => Ok(()),
        Some((text, reason)) => Err(Error::job(format!("`{text}` cannot be computed: {reason}"))
            .help("write the number itself, or compute in a wider type: CAST(... AS DOUBLE)")),
    }
}

/// Computes a constant; `Err` with the reason if it overflows.
fn constant(node: &Expr, scope: &Scope) -> Result<(), String> {
    let options = RecordBatchOptions::new().with_row_count(Some(1));
    let Ok(one) = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &options) else { return Ok(()) };
    match physical(node, scope).and_then(|physical| Ok(physical.evaluate(&one)?)).map(drop) {
        Err(error @ Error::Data(_)) if error.message().contains(OUT_OF_RANGE) => Err(error.message().to_owned()),
        _ => Ok(()),
    }
}

/// Hides casts that may fail, also those that give null instead (TRY_CAST), in calls of the identity function.
pub(super) fn hide_casts(expr: Expr, scope: &Scope) -> Result<Expr> {
    let hidden = expr.transform_up(|node| {
        let narrows = match &node {
            Expr::Cast(Cast { expr, field }) | Expr::TryCast(TryCast { expr, field, .. }) => {
                expr.get_type(scope.df()).is_ok_and(|from| narrows(&from, field.data_type()))
            }
            _ => false,
        };
        Ok(if narrows { Transformed::yes(HIDE.call(vec![node])) } else { Transformed::no(node) })
    })?;
    Ok(hidden.data)
}

/// Removes the calls of the identity function again.
pub(super) fn show_casts(expr: Expr) -> Result<Expr> {
    let shown = expr.transform_up(|node| match node {
        Expr::ScalarFunction(mut call) if call.func.name() == HIDDEN && call.args.len() == 1 => {
            Ok(Transformed::yes(call.args.remove(0)))
        }
        other => Ok(Transformed::no(other)),
    })?;
    Ok(shown.data)
}

const HIDDEN: &str = "__as_it_is";

static HIDE: LazyLock<ScalarUDF> =
    LazyLock::new(|| ScalarUDF::from(AsItIs { signature: Signature::any(1, Volatility::Immutable) }));

/// The identity function that hides a cast.
#[derive(Debug, PartialEq, Eq, Hash)]
struct AsItIs {
    signature: Signature,
}

impl ScalarUDFImpl for AsItIs {
    fn name(&self) -> &str {
        HIDDEN
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> DfResult<DataType> {
        arguments.first().cloned().ok_or_else(|| DataFusionError::Internal("it has one argument".into()))
    }

    fn invoke_with_args(&self, mut arguments: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        arguments.args.pop().ok_or_else(|| ArrowError::ComputeError("it has one argument".into()).into())
    }
}
