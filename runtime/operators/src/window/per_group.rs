//! One accumulator for each group, for functions that have no accumulator over all groups.
//!
//! DataFusion's own adapter visits all groups for every batch; this one only those that have rows in the batch.

use arrow::array::{Array, ArrayRef, BooleanArray, UInt32Array, new_empty_array};
use arrow::compute::{filter, take_arrays};
use arrow::datatypes::DataType;
use datafusion_common::{Result, ScalarValue, internal_err};
use datafusion_expr::{Accumulator, EmitTo, GroupsAccumulator};

/// Makes the accumulator of a group.
pub(super) type MakeAccumulator = Box<dyn Fn() -> Result<Box<dyn Accumulator>> + Send>;

/// One accumulator for each group.
pub(super) struct PerGroup {
    make: MakeAccumulator,
    groups: Vec<Box<dyn Accumulator>>,
    result_type: DataType,
}

impl PerGroup {
    pub(super) fn new(result_type: DataType, make: MakeAccumulator) -> Self {
        Self { make, groups: Vec::new(), result_type }
    }

    /// Passes each group its rows, in order of arrival.
    fn deal(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
        give: impl Fn(&mut dyn Accumulator, &[ArrayRef]) -> Result<()>,
    ) -> Result<()> {
        while self.groups.len() < total_num_groups {
            self.groups.push((self.make)()?);
        }
        let mut rows: Vec<u32> = (0..group_indices.len() as u32).collect();
        rows.sort_by_key(|&row| group_indices[row as usize]);
        let sorted = take_arrays(values, &UInt32Array::from(rows.clone()), None)?;
        let mut from = 0;
        for run in rows.chunk_by(|&a, &b| group_indices[a as usize] == group_indices[b as usize]) {
            let part: Vec<ArrayRef> = sorted.iter().map(|column| column.slice(from, run.len())).collect();
            give(self.groups[group_indices[run[0] as usize]].as_mut(), &part)?;
            from += run.len();
        }
        Ok(())
    }
}

impl GroupsAccumulator for PerGroup {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        let update = |accumulator: &mut dyn Accumulator, values: &[ArrayRef]| accumulator.update_batch(values);
        let Some(mask) = opt_filter else { return self.deal(values, group_indices, total_num_groups, update) };
        let values = values.iter().map(|column| filter(column, mask)).collect::<Result<Vec<_>, _>>()?;
        let passes = |row: usize| mask.is_valid(row) && mask.value(row);
        let groups: Vec<usize> =
            group_indices.iter().enumerate().filter(|(row, _)| passes(*row)).map(|(_, &group)| group).collect();
        self.deal(&values, &groups, total_num_groups, update)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let results: Vec<ScalarValue> =
            emit_to.take_needed(&mut self.groups).iter_mut().map(|group| group.evaluate()).collect::<Result<_>>()?;
        if results.is_empty() {
            return Ok(new_empty_array(&self.result_type));
        }
        ScalarValue::iter_to_array(results)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let mut columns: Vec<Vec<ScalarValue>> = Vec::new();
        for mut group in emit_to.take_needed(&mut self.groups) {
            let state = group.state()?;
            columns.resize_with(state.len(), Vec::new);
            columns.iter_mut().zip(state).for_each(|(column, value)| column.push(value));
        }
        columns.into_iter().map(ScalarValue::iter_to_array).collect()
    }

    fn merge_batch(&mut self, values: &[ArrayRef], group_indices: &[usize], total_num_groups: usize) -> Result<()> {
        self.deal(values, group_indices, total_num_groups, |accumulator, states| accumulator.merge_batch(states))
    }

    fn convert_to_state(&self, _values: &[ArrayRef], _opt_filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        internal_err!("windows do not convert rows to state")
    }

    fn size(&self) -> usize {
        // Asking every group would cost more than the figure is worth: a sample is asked, and the rest is assumed to be like it.
        const ASKED: usize = 16;
        let asked = self.groups.len().min(ASKED);
        let bytes: usize = self.groups[..asked].iter().map(|group| group.size()).sum();
        (bytes * self.groups.len()).checked_div(asked).unwrap_or(0)
    }
}
