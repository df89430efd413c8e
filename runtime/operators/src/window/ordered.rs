//! Aggregates whose result depends on the order of rows: they keep the rows, and sort them when the result is computed.
//!
//! The results of `array_agg`, `string_agg`, `nth_value`, percentile sketches and regressions in order of arrival would change
//! with batching and parallelism. Here they see a group's rows in the order the call asks for, then in order of event time, then
//! of places, or of content if rows have no places. That costs memory: all rows of a window are kept until it ends.

use super::sums::{Total, total_of};
use arrow::array::{Array, ArrayRef, AsArray, UInt32Array};
use arrow::compute::{SortColumn, SortOptions, concat, lexsort_to_indices, take_arrays};
use arrow::datatypes::{DataType, i256};
use arrow::row::{RowConverter, SortField};
use datafusion_common::utils::SingleRowListArrayBuilder;
use datafusion_common::{DataFusionError, Result, ScalarValue, internal_err};
use datafusion_expr::Accumulator;
use datafusion_physical_expr::aggregate::AggregateFunctionExpr;
use egret_core::exact::Broad;
use std::collections::HashSet;
use std::sync::Arc;

/// The parts of an ordered call that all groups share.
#[derive(Debug)]
pub(super) struct OrderedCall {
    pub(super) expression: AggregateFunctionExpr,
    /// If set, this sum or average of numbers is computed here, not by the function.
    pub(super) total: Option<Total>,
    /// The same for durations and decimals.
    pub(super) broad: Option<Broad>,
    /// How the leading columns, which are not arguments, are sorted.
    pub(super) order: Vec<SortOptions>,
    /// The types of all columns that are kept: the sort columns, then the arguments that are not constants.
    pub(super) kept_types: Vec<DataType>,
    /// For each argument its value if it is a constant; constants are not kept.
    pub(super) constants: Vec<Option<ScalarValue>>,
    /// Whether equal arguments count once.
    pub(super) distinct: bool,
    /// Whether rows are sorted at all; if not, they stay in order of arrival.
    pub(super) sorts: bool,
}

/// One group's rows.
#[derive(Debug)]
pub(super) struct OrderedRows {
    call: Arc<OrderedCall>,
    /// For each column its parts, in order of arrival.
    columns: Vec<Vec<ArrayRef>>,
}

/// The number of parts at which they are concatenated, so that they do not keep alive the batches they were sliced from.
const PARTS_MAX: usize = 16;

impl OrderedRows {
    pub(super) fn new(call: Arc<OrderedCall>) -> Self {
        let columns = vec![Vec::new(); call.kept_types.len()];
        Self { call, columns }
    }

    fn push(&mut self, values: &[ArrayRef]) -> Result<()> {
        for (parts, values) in self.columns.iter_mut().zip(values) {
            parts.push(Arc::clone(values));
            if parts.len() >= PARTS_MAX {
                let whole = concat(&references(parts))?;
                *parts = vec![whole];
            }
        }
        Ok(())
    }

    fn whole(&self) -> Result<Vec<ArrayRef>> {
        let column = |(parts, data_type): (&Vec<ArrayRef>, &DataType)| match parts.as_slice() {
            [] => Ok(arrow::array::new_empty_array(data_type)),
            [one] => Ok(Arc::clone(one)),
            parts => Ok(concat(&references(parts))?),
        };
        self.columns.iter().zip(&self.call.kept_types).map(column).collect()
    }

    /// The arguments in their order, constants included.
    fn arguments(&self) -> Result<Vec<ArrayRef>> {
        let columns = self.sorted(self.whole()?)?;
        let mut kept = columns[self.call.order.len()..].to_vec();
        if self.call.distinct {
            kept = without_repetitions(&kept)?;
        }
        let rows = kept.first().map_or(0, |column| column.len());
        let mut kept = kept.into_iter();
        let argument = |constant: &Option<ScalarValue>| match constant {
            Some(value) => value.to_array_of_size(rows),
            None => Ok(kept.next().expect("a column is kept for every argument that is no constant")),
        };
        self.call.constants.iter().map(argument).collect()
    }

    fn sorted(&self, columns: Vec<ArrayRef>) -> Result<Vec<ArrayRef>> {
        if !self.call.sorts {
            return Ok(columns);
        }
        let by: Vec<SortColumn> = columns
            .iter()
            .enumerate()
            .map(|(index, values)| SortColumn { values: Arc::clone(values), options: self.call.order.get(index).copied() })
            .collect();
        let order = lexsort_to_indices(&by, None)?;
        Ok(take_arrays(&columns, &order, None)?)
    }
}

/// A total in the wide type that leaves the accumulator; whether it fits the type of the result is checked later.
fn total_of_broad(broad: &Broad, column: &ArrayRef) -> Result<ScalarValue> {
    let units = Broad::units(column).map_err(|error| DataFusionError::External(Box::new(error)))?;
    let count = (column.len() - column.null_count()) as u64;
    let sum = units.into_iter().flatten().fold(i256::ZERO, i256::wrapping_add);
    let total = (count > 0).then(|| broad.total(sum, count));
    match broad.total_type() {
        DataType::Decimal256(precision, scale) => Ok(ScalarValue::Decimal256(total, precision, scale)),
        other => internal_err!("totals leave as decimals, not as {other}"),
    }
}

fn references(parts: &[ArrayRef]) -> Vec<&dyn Array> {
    parts.iter().map(AsRef::as_ref).collect()
}

/// The first of each run of equal rows, in order.
fn without_repetitions(columns: &[ArrayRef]) -> Result<Vec<ArrayRef>> {
    let converter = RowConverter::new(columns.iter().map(|column| SortField::new(column.data_type().clone())).collect())?;
    let rows = converter.convert_columns(columns)?;
    let mut seen = HashSet::new();
    let first =
        UInt32Array::from_iter_values((0..rows.num_rows()).filter(|&row| seen.insert(rows.row(row))).map(|row| row as u32));
    Ok(take_arrays(columns, &first, None)?)
}

impl Accumulator for OrderedRows {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.push(values)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let arguments = self.arguments()?;
        if let (Some(total), [column]) = (self.call.total, arguments.as_slice()) {
            return total_of(total, column);
        }
        if let (Some(broad), [column]) = (&self.call.broad, arguments.as_slice()) {
            return total_of_broad(broad, column);
        }
        let mut accumulator = self.call.expression.create_accumulator()?;
        if arguments.first().is_some_and(|column| !column.is_empty()) {
            accumulator.update_batch(&arguments)?;
        }
        accumulator.evaluate()
    }

    fn size(&self) -> usize {
        let parts = self.columns.iter().flatten();
        size_of::<Self>() + parts.map(|part| part.to_data().get_slice_memory_size().unwrap_or(0)).sum::<usize>()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(self.whole()?.into_iter().map(|column| SingleRowListArrayBuilder::new(column).build_list_scalar()).collect())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for row in 0..states[0].len() {
            let values: Vec<ArrayRef> = states.iter().map(|lists| lists.as_list::<i32>().value(row)).collect();
            self.push(&values)?;
        }
        Ok(())
    }
}
