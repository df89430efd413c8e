//! Sums and averages of durations and of decimals, for all groups.

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Decimal256Array, UInt64Array};
use arrow::datatypes::{DECIMAL256_MAX_PRECISION, DataType, Decimal256Type, UInt64Type, i256};
use datafusion_common::{DataFusionError, Result, exec_err, internal_err};
use datafusion_expr::{EmitTo, GroupsAccumulator};
use egret_core::exact::Broad;
use std::sync::Arc;

/// The type of sums in the state, in units of the values.
const STATE: DataType = DataType::Decimal256(DECIMAL256_MAX_PRECISION, 0);

/// The accumulator of all groups.
///
/// Its state is the count and the sum. It returns totals in 256 bits; whether they fit the type of the result is checked later.
#[derive(Debug)]
pub(super) struct BroadSums {
    total: Broad,
    cells: Vec<(u64, i256)>,
}

impl BroadSums {
    pub(super) fn new(total: Broad) -> Self {
        Self { total, cells: Vec::new() }
    }
}

/// Values never overflow 256 bits: sums of 2^64 rows have 191 bits.
fn decimals(values: impl Iterator<Item = Option<i256>>, of: &DataType) -> ArrayRef {
    Arc::new(Decimal256Array::from_iter(values).with_data_type(of.clone()))
}

impl GroupsAccumulator for BroadSums {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.cells.resize(total_num_groups, (0, i256::ZERO));
        let units = Broad::units(&values[0]).map_err(|error| DataFusionError::External(Box::new(error)))?;
        let wanted = |row: usize| opt_filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row));
        for (row, (&group, value)) in group_indices.iter().zip(units).enumerate() {
            if let Some(value) = value.filter(|_| wanted(row)) {
                let (count, sum) = &mut self.cells[group];
                *count += 1;
                *sum = sum.wrapping_add(value);
            }
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let cells = emit_to.take_needed(&mut self.cells);
        let totals = cells.iter().map(|&(count, sum)| (count > 0).then(|| self.total.total(sum, count)));
        Ok(decimals(totals, &self.total.total_type()))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let cells = emit_to.take_needed(&mut self.cells);
        let counts = UInt64Array::from_iter_values(cells.iter().map(|(count, _)| *count));
        Ok(vec![Arc::new(counts), decimals(cells.iter().map(|(_, sum)| Some(*sum)), &STATE)])
    }

    fn merge_batch(&mut self, values: &[ArrayRef], group_indices: &[usize], total_num_groups: usize) -> Result<()> {
        self.cells.resize(total_num_groups, (0, i256::ZERO));
        let [counts, sums] = values else { return exec_err!("sums that were saved are of another version") };
        let (counts, sums) = (counts.as_primitive::<UInt64Type>().values(), sums.as_primitive::<Decimal256Type>());
        for (row, &group) in group_indices.iter().enumerate() {
            let (count, sum) = &mut self.cells[group];
            *count += counts[row];
            *sum = sum.wrapping_add(sums.value(row));
        }
        Ok(())
    }

    fn convert_to_state(&self, _values: &[ArrayRef], _opt_filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        internal_err!("windows do not convert rows to state")
    }

    fn size(&self) -> usize {
        self.cells.capacity() * size_of::<(u64, i256)>()
    }
}
