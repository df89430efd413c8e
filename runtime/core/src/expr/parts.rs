//! Inspects physical expressions, and runs aggregate functions over rows.

use crate::Result;
use crate::floats::plain_column;
use arrow::array::RecordBatch;
use datafusion_common::ScalarValue;
use datafusion_physical_expr::PhysicalExpr;
use datafusion_physical_expr::aggregate::AggregateFunctionExpr;
use datafusion_physical_expr::expressions::Column;
use std::sync::Arc;

/// The result of an aggregate function over some rows.
///
/// # Errors
/// A value cannot be computed.
pub fn aggregated(function: &AggregateFunctionExpr, rows: &RecordBatch) -> Result<ScalarValue> {
    // Functions that only collect values keep them as given; for others equal floats have one form.
    let keeps = matches!(function.fun().name(), "array_agg" | "first_value" | "last_value" | "nth_value");
    let keeps = keeps && !function.is_distinct();
    let one = |arg: Arc<dyn PhysicalExpr>| {
        let column = arg.evaluate(rows)?.into_array(rows.num_rows())?;
        Ok(if keeps { column } else { plain_column(&column) })
    };
    let args = function.expressions().into_iter().map(one).collect::<Result<Vec<_>>>()?;
    let mut accumulator = function.create_accumulator()?;
    accumulator.update_batch(&args)?;
    Ok(accumulator.evaluate()?)
}

/// The column that a physical expression names, if it is a bare column.
pub fn bare_column(expression: &Arc<dyn PhysicalExpr>) -> Option<usize> {
    expression.downcast_ref::<Column>().map(Column::index)
}
