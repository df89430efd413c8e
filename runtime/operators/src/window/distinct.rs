//! `count(DISTINCT ...)` for many groups, in one table.
//!
//! DataFusion keeps a set for each group, which for many groups with few values costs more than a kilobyte for each group. Here
//! values are numbered densely, and one table holds pairs of group and value.

use super::keys::{Expected, Interner, canonical};
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, ListArray, UInt32Array};
use arrow::buffer::OffsetBuffer;
use arrow::compute::take;
use arrow::datatypes::{DataType, Field};
use datafusion_common::{DataFusionError, Result, internal_err};
use datafusion_expr::{EmitTo, GroupsAccumulator};
use hashbrown::HashTable;
use std::sync::Arc;

/// The distinct values of all groups. Its state is a list of values for each group.
pub(super) struct DistinctCounts {
    data_type: DataType,
    values: Interner,
    pairs: HashTable<u64>,
    counts: Vec<i64>,
}

impl DistinctCounts {
    /// Counts values of a type that can be a key.
    pub(super) fn new(data_type: &DataType) -> Self {
        let values = Interner::new(std::slice::from_ref(data_type), Expected::default());
        Self { data_type: data_type.clone(), values, pairs: HashTable::new(), counts: Vec::new() }
    }

    /// Adds values that are not null.
    fn add(&mut self, values: ArrayRef, groups: impl Iterator<Item = usize>) -> Result<()> {
        let rows = values.len();
        let mut numbers = Vec::new();
        self.values.intern(&canonical(vec![values]), rows, &mut numbers).map_err(external)?;
        for (group, number) in groups.zip(numbers) {
            let pair = (group as u64) << 32 | number as u64;
            let entry = self.pairs.entry(spread(pair), |other| *other == pair, |other| spread(*other));
            if let hashbrown::hash_table::Entry::Vacant(place) = entry {
                place.insert(pair);
                self.counts[group] += 1;
            }
        }
        Ok(())
    }
}

fn external(error: egret_core::Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// A hash for tables in memory only.
fn spread(pair: u64) -> u64 {
    let wide = u128::from(pair ^ 0x9E37_79B9_7F4A_7C15) * 0xD6E8_FEB8_6659_FD93;
    (wide as u64) ^ ((wide >> 64) as u64)
}

impl GroupsAccumulator for DistinctCounts {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.counts.resize(total_num_groups, 0);
        let values = &values[0];
        let nulls = values.logical_nulls();
        let wanted = |row: usize| {
            nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row))
                && opt_filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row))
        };
        if nulls.is_none() && opt_filter.is_none() {
            return self.add(Arc::clone(values), group_indices.iter().copied());
        }
        let rows: Vec<u32> = (0..values.len()).filter(|&row| wanted(row)).map(|row| row as u32).collect();
        let kept = take(values, &UInt32Array::from(rows.clone()), None)?;
        self.add(kept, rows.iter().map(|&row| group_indices[row as usize]))
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let EmitTo::All = emit_to else { return internal_err!("windows evaluate all groups at once") };
        *self = Self { counts: std::mem::take(&mut self.counts), ..Self::new(&self.data_type) };
        Ok(Arc::new(Int64Array::from(std::mem::take(&mut self.counts))))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let EmitTo::All = emit_to else { return internal_err!("windows take the state of all groups at once") };
        let mut pairs: Vec<u64> = self.pairs.iter().copied().collect();
        pairs.sort_unstable();
        let numbers: Vec<u32> = pairs.iter().map(|&pair| pair as u32).collect();
        let values = self.values.columns_of(&numbers).map_err(external)?.remove(0);
        let offsets = OffsetBuffer::from_lengths(self.counts.iter().map(|&count| count as usize));
        let field = Arc::new(Field::new_list_field(self.data_type.clone(), true));
        *self = Self::new(&self.data_type);
        Ok(vec![Arc::new(ListArray::try_new(field, offsets, values, None)?)])
    }

    fn merge_batch(&mut self, values: &[ArrayRef], group_indices: &[usize], total_num_groups: usize) -> Result<()> {
        self.counts.resize(total_num_groups, 0);
        let lists = values[0].as_list::<i32>();
        let (from, to) = (lists.offsets()[0] as usize, lists.offsets()[lists.len()] as usize);
        let groups =
            group_indices.iter().zip(lists.offsets().lengths()).flat_map(|(&group, count)| std::iter::repeat_n(group, count));
        self.add(lists.values().slice(from, to - from), groups)
    }

    fn convert_to_state(&self, _values: &[ArrayRef], _opt_filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        internal_err!("windows do not convert rows to state")
    }

    fn size(&self) -> usize {
        self.values.size() + self.pairs.capacity() * 9 + self.counts.capacity() * 8
    }
}
