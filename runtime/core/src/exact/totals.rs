//! Exact totals of columns.

use super::{Broad, ExactSum, average_of_integers};
use crate::expr::{OUT_OF_RANGE, sql_type};
use crate::{Error, Result};
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float64Type, Int64Type, UInt64Type, i256};
use datafusion_common::ScalarValue;
use datafusion_physical_expr::PhysicalExpr;
use datafusion_physical_expr::aggregate::AggregateFunctionExpr;
use datafusion_physical_expr::expressions::CastExpr;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Converts a sum of integers to a `BIGINT`.
///
/// # Errors
/// It does not fit: bad data.
pub fn sum_of_integers(sum: i128) -> Result<i64> {
    i64::try_from(sum).map_err(|_| Error::data(format!("the sum {sum} {OUT_OF_RANGE} {}", sql_type(&DataType::Int64))))
}

/// The result of an aggregate call over some rows if the call is a sum or an average of numbers: exact, and rounded once.
///
/// # Errors
/// An argument cannot be computed for a row, or the result is out of range.
pub fn total_of_call(call: &AggregateFunctionExpr, rows: &RecordBatch) -> Result<Option<ScalarValue>> {
    let is_sum = call.fun().name() == "sum";
    let arguments = call.expressions();
    let ([argument], true) = (arguments.as_slice(), is_sum || call.fun().name() == "avg") else { return Ok(None) };
    let column = uncast(argument, rows)?.evaluate(rows)?.into_array(rows.num_rows())?;
    if let Some(floats) = column.as_primitive_opt::<Float64Type>() {
        return Ok(Some(total_of_floats(floats.iter().flatten(), is_sum, call.is_distinct())));
    }
    if let Some(broad) = Broad::of(is_sum, column.data_type(), call.field().data_type()) {
        return Ok(Some(total_of_broad(&broad, &column, call.is_distinct())?));
    }
    let integers: Vec<i128> = match integers(&column)? {
        Some(integers) => integers,
        None => return Ok(None),
    };
    let integers: Vec<i128> = match call.is_distinct() {
        true => integers.into_iter().collect::<BTreeSet<_>>().into_iter().collect(),
        false => integers,
    };
    let (count, sum) = (integers.len() as u64, integers.iter().sum::<i128>());
    Ok(Some(match (is_sum, call.field().data_type()) {
        (false, _) => ScalarValue::Float64((count > 0).then(|| average_of_integers(sum, count))),
        (true, DataType::UInt64) => {
            let outside = || Error::data(format!("the sum {sum} {OUT_OF_RANGE} {}", DataType::UInt64));
            ScalarValue::UInt64((count > 0).then(|| u64::try_from(sum).map_err(|_| outside())).transpose()?)
        }
        (true, _) => ScalarValue::Int64((count > 0).then(|| sum_of_integers(sum)).transpose()?),
    }))
}

fn total_of_floats(values: impl Iterator<Item = f64>, is_sum: bool, is_distinct: bool) -> ScalarValue {
    let mut seen = BTreeSet::new();
    // Both zeros are one value.
    let values: Vec<f64> = values.filter(|value| !is_distinct || seen.insert((value + 0.0).to_bits())).collect();
    let sum: ExactSum = values.iter().copied().collect();
    let total = || if is_sum { sum.value() } else { sum.average(values.len() as u64) };
    ScalarValue::Float64((!values.is_empty()).then(total))
}

fn total_of_broad(broad: &Broad, column: &ArrayRef, is_distinct: bool) -> Result<ScalarValue> {
    let mut units: Vec<i256> = Broad::units(column)?.into_iter().flatten().collect();
    if is_distinct {
        units = units.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
    }
    let sum = units.iter().fold(i256::ZERO, |sum, value| sum.wrapping_add(*value));
    broad.fitted((!units.is_empty()).then(|| broad.total(sum, units.len() as u64)))
}

/// The argument without the cast to DOUBLE that averages of integers get.
fn uncast<'a>(argument: &'a Arc<dyn PhysicalExpr>, rows: &RecordBatch) -> Result<&'a Arc<dyn PhysicalExpr>> {
    match argument.downcast_ref::<CastExpr>() {
        Some(cast) if *cast.cast_type() == DataType::Float64 && cast.expr().data_type(rows.schema_ref())?.is_integer() => {
            Ok(cast.expr())
        }
        _ => Ok(argument),
    }
}

fn integers(column: &ArrayRef) -> Result<Option<Vec<i128>>> {
    if !column.data_type().is_integer() {
        return Ok(None);
    }
    if let Some(column) = column.as_primitive_opt::<UInt64Type>() {
        return Ok(Some(column.iter().flatten().map(i128::from).collect()));
    }
    let column = arrow::compute::cast(column, &DataType::Int64)?;
    Ok(Some(column.as_primitive::<Int64Type>().iter().flatten().map(i128::from).collect()))
}
