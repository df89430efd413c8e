//! Exact sums and averages: of floats ([`egret_core::exact`]), and of integers in 128 bits, which no number of rows overflows.
//!
//! Intermediate sums may exceed the type of the result; only the result has to fit.

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Decimal128Array, Float64Array, UInt64Array};
use arrow::datatypes::{DataType, Decimal128Type, Float64Type, Int64Type, UInt64Type};
use datafusion_common::{Result, ScalarValue, exec_err, internal_err};
use datafusion_expr::{EmitTo, GroupsAccumulator};
use egret_core::exact::{ExactSum, TwoFloats, Wide, average_of_integers};
use std::collections::HashMap;
use std::sync::Arc;

/// The type in which sums of integers leave an accumulator, before they are converted to the type of the result.
pub(super) const WHOLE: DataType = DataType::Decimal128(38, 0);

/// A sum, or an average.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Total {
    Sum,
    Average,
}

impl Total {
    /// The total that a DataFusion function computes, if it is one of these.
    pub(super) fn of(function: &str) -> Option<Self> {
        match function {
            "sum" => Some(Self::Sum),
            "avg" => Some(Self::Average),
            _ => None,
        }
    }
}

/// Whether a row passes the filter.
fn wanted(filter: Option<&BooleanArray>) -> impl Fn(usize) -> bool {
    move |row| filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row))
}

/// Sums of floats, for all groups.
///
/// The state is the count, the sum's two floats and, if these do not hold the sum, the wide number as bytes.
#[derive(Debug)]
pub(super) struct FloatSums {
    total: Total,
    cells: Vec<(u64, TwoFloats)>,
    /// The sums of groups that two floats do not hold.
    wide: HashMap<usize, Box<Wide>>,
}

impl FloatSums {
    pub(super) fn new(total: Total) -> Self {
        Self { total, cells: Vec::new(), wide: HashMap::new() }
    }

    #[inline]
    fn add(&mut self, group: usize, value: f64) {
        let (count, sum) = &mut self.cells[group];
        *count += 1;
        if !sum.add(value) {
            self.wide_of(group).add(value);
        }
    }

    #[inline]
    fn merge(&mut self, group: usize, count: u64, other: TwoFloats) {
        let (counted, sum) = &mut self.cells[group];
        let is_first = *counted == 0;
        *counted += count;
        if is_first {
            *sum = other;
            return;
        }
        if !sum.add(other.high) {
            self.wide_of(group).add(other.high);
        }
        if other.low != 0.0 && !self.cells[group].1.add(other.low) {
            self.wide_of(group).add(other.low);
        }
    }

    #[cold]
    fn wide_of(&mut self, group: usize) -> &mut Wide {
        let sum = &mut self.cells[group].1;
        self.wide.entry(group).or_insert_with(|| Box::new(std::mem::replace(sum, TwoFloats::ELSEWHERE).widened()))
    }

    fn result(&self, group: usize) -> Option<f64> {
        let (count, sum) = self.cells[group];
        if count == 0 {
            return None;
        }
        // The low part is NaN only for a sum that is kept elsewhere.
        let wide = if sum.low.is_nan() { self.wide.get(&group) } else { None };
        Some(match (self.total, wide) {
            (Total::Sum, None) => sum.value(),
            (Total::Sum, Some(wide)) => wide.value(),
            (Total::Average, None) => sum.average(count),
            (Total::Average, Some(wide)) => wide.average(count),
        })
    }

    fn clear(&mut self) {
        self.cells = Vec::new();
        self.wide.clear();
    }
}

fn all_of(emit_to: EmitTo) -> Result<()> {
    match emit_to {
        EmitTo::All => Ok(()),
        EmitTo::First(_) => internal_err!("windows take all groups at once"),
    }
}

impl GroupsAccumulator for FloatSums {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.cells.resize(total_num_groups, (0, TwoFloats::default()));
        let values = values[0].as_primitive::<Float64Type>();
        if values.null_count() == 0 && opt_filter.is_none() {
            group_indices.iter().zip(values.values()).for_each(|(&group, &value)| self.add(group, value));
        } else {
            let wanted = wanted(opt_filter);
            for (row, &group) in group_indices.iter().enumerate() {
                if values.is_valid(row) && wanted(row) {
                    self.add(group, values.value(row));
                }
            }
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        all_of(emit_to)?;
        let results = Float64Array::from_iter((0..self.cells.len()).map(|group| self.result(group)));
        self.clear();
        Ok(Arc::new(results))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        all_of(emit_to)?;
        let counts = UInt64Array::from_iter_values(self.cells.iter().map(|(count, _)| *count));
        let high = Float64Array::from_iter_values(self.cells.iter().map(|(_, sum)| sum.high));
        let low = Float64Array::from_iter_values(self.cells.iter().map(|(_, sum)| sum.low));
        let wide = BinaryArray::from_iter((0..self.cells.len()).map(|group| self.wide.get(&group).map(|wide| wide.to_bytes())));
        self.clear();
        Ok(vec![Arc::new(counts), Arc::new(high), Arc::new(low), Arc::new(wide)])
    }

    fn merge_batch(&mut self, values: &[ArrayRef], group_indices: &[usize], total_num_groups: usize) -> Result<()> {
        self.cells.resize(total_num_groups, (0, TwoFloats::default()));
        let counts = values[0].as_primitive::<UInt64Type>().values();
        let (high, low) = (values[1].as_primitive::<Float64Type>().values(), values[2].as_primitive::<Float64Type>().values());
        let wide = values[3].as_binary::<i32>();
        if wide.null_count() == wide.len() {
            for (((&group, &count), &high), &low) in group_indices.iter().zip(counts).zip(high).zip(low) {
                self.merge(group, count, TwoFloats { high, low });
            }
            return Ok(());
        }
        for (row, &group) in group_indices.iter().enumerate() {
            if !wide.is_valid(row) {
                self.merge(group, counts[row], TwoFloats { high: high[row], low: low[row] });
            } else {
                self.cells[group].0 += counts[row];
                let Some(other) = Wide::from_bytes(wide.value(row)) else { return exec_err!("a sum that was saved is damaged") };
                self.wide_of(group).add_wide(&other);
            }
        }
        Ok(())
    }

    fn convert_to_state(&self, _values: &[ArrayRef], _opt_filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        internal_err!("windows do not convert rows to state")
    }

    fn size(&self) -> usize {
        self.cells.capacity() * size_of::<(u64, TwoFloats)>() + self.wide.capacity() * size_of::<Wide>()
    }
}

/// Sums of integers, for all groups.
///
/// The state is the count and the sum. Sums are returned as [`WHOLE`].
#[derive(Debug)]
pub(super) struct IntegerSums {
    total: Total,
    cells: Vec<(u64, i128)>,
}

impl IntegerSums {
    pub(super) fn new(total: Total) -> Self {
        Self { total, cells: Vec::new() }
    }

    fn add_all<T: Copy + Into<i128>>(&mut self, values: &[T], groups: &[usize], counts: impl Fn(usize) -> bool) {
        for (row, (&group, &value)) in groups.iter().zip(values).enumerate() {
            if counts(row) {
                let (count, sum) = &mut self.cells[group];
                *count += 1;
                *sum += value.into();
            }
        }
    }
}

fn whole(sums: impl Iterator<Item = Option<i128>>) -> ArrayRef {
    Arc::new(Decimal128Array::from_iter(sums).with_data_type(WHOLE))
}

impl GroupsAccumulator for IntegerSums {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.cells.resize(total_num_groups, (0, 0));
        let column = &values[0];
        let (wanted, has_nulls) = (wanted(opt_filter), column.null_count() > 0);
        let counts = |row: usize| (!has_nulls || column.is_valid(row)) && wanted(row);
        match column.data_type() {
            DataType::Int64 => self.add_all(column.as_primitive::<Int64Type>().values(), group_indices, counts),
            DataType::UInt64 => self.add_all(column.as_primitive::<UInt64Type>().values(), group_indices, counts),
            other => return internal_err!("sums of integers are planned of 64 bits, not of {other}"),
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        all_of(emit_to)?;
        let cells = std::mem::take(&mut self.cells);
        Ok(match self.total {
            Total::Sum => whole(cells.iter().map(|(count, sum)| (*count > 0).then_some(*sum))),
            Total::Average => {
                let average = |&(count, sum): &(u64, i128)| (count > 0).then(|| average_of_integers(sum, count));
                Arc::new(Float64Array::from_iter(cells.iter().map(average)))
            }
        })
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        all_of(emit_to)?;
        let cells = std::mem::take(&mut self.cells);
        let counts = UInt64Array::from_iter_values(cells.iter().map(|(count, _)| *count));
        Ok(vec![Arc::new(counts), whole(cells.iter().map(|(_, sum)| Some(*sum)))])
    }

    fn merge_batch(&mut self, values: &[ArrayRef], group_indices: &[usize], total_num_groups: usize) -> Result<()> {
        self.cells.resize(total_num_groups, (0, 0));
        let counts = values[0].as_primitive::<UInt64Type>().values();
        let sums = values[1].as_primitive::<Decimal128Type>().values();
        for (row, &group) in group_indices.iter().enumerate() {
            let (count, sum) = &mut self.cells[group];
            *count += counts[row];
            *sum += sums[row];
        }
        Ok(())
    }

    fn convert_to_state(&self, _values: &[ArrayRef], _opt_filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        internal_err!("windows do not convert rows to state")
    }

    fn size(&self) -> usize {
        self.cells.capacity() * size_of::<(u64, i128)>()
    }
}

/// The total of a column of a type that [`FloatSums`] or [`IntegerSums`] takes.
pub(super) fn total_of(total: Total, column: &ArrayRef) -> Result<ScalarValue> {
    let count = (column.len() - column.null_count()) as u64;
    if let Some(floats) = column.as_primitive_opt::<Float64Type>() {
        let sum: ExactSum = floats.iter().flatten().collect();
        let value = (count > 0).then(|| if total == Total::Sum { sum.value() } else { sum.average(count) });
        return Ok(ScalarValue::Float64(value));
    }
    let sum: i128 = match column.data_type() {
        DataType::Int64 => column.as_primitive::<Int64Type>().iter().flatten().map(i128::from).sum(),
        DataType::UInt64 => column.as_primitive::<UInt64Type>().iter().flatten().map(i128::from).sum(),
        other => return internal_err!("totals are planned of numbers of 64 bits, not of {other}"),
    };
    Ok(match total {
        Total::Sum => ScalarValue::Decimal128((count > 0).then_some(sum), 38, 0),
        Total::Average => ScalarValue::Float64((count > 0).then(|| average_of_integers(sum, count))),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use arrow::array::Int64Array;

    /// Adds up each part by itself, then merges all states.
    fn merged(make: impl Fn() -> Box<dyn GroupsAccumulator>, parts: &[ArrayRef]) -> ArrayRef {
        let mut whole = make();
        for part in parts {
            let mut one = make();
            one.update_batch(std::slice::from_ref(part), &vec![0; part.len()], None, 1).unwrap();
            whole.merge_batch(&one.state(EmitTo::All).unwrap(), &[0], 1).unwrap();
        }
        whole.evaluate(EmitTo::All).unwrap()
    }

    #[test]
    fn sums_of_floats_do_not_depend_on_order_nor_on_panes() {
        let values: Vec<f64> = (0..1000).map(|i| f64::from(i).sin() * 10_f64.powi(i % 600 - 300)).collect();
        let sum = |parts: &[&[f64]]| {
            let parts: Vec<ArrayRef> = parts.iter().map(|part| Arc::new(Float64Array::from(part.to_vec())) as ArrayRef).collect();
            merged(|| Box::new(FloatSums::new(Total::Sum)), &parts).as_primitive::<Float64Type>().value(0).to_bits()
        };
        let expected = values.iter().copied().collect::<ExactSum>().value().to_bits();
        for rotation in 0..50 {
            let mut rotated = values.clone();
            rotated.rotate_left(rotation * 17);
            rotated[rotation..].reverse();
            let (left, right) = rotated.split_at(rotation * 13);
            assert_eq!(sum(&[left, right]), expected, "rotation {rotation}");
        }
        assert_eq!(f64::from_bits(sum(&[&[1e300, 1.0], &[-1e300, 1e150], &[-1e150]])), 1.0);
    }

    #[test]
    fn sums_of_integers_hold_more_than_the_result() {
        let column = |values: &[i64]| Arc::new(Int64Array::from(values.to_vec())) as ArrayRef;
        let sum = merged(|| Box::new(IntegerSums::new(Total::Sum)), &[column(&[i64::MAX, i64::MAX]), column(&[i64::MIN, -1])]);
        assert_eq!(sum.as_primitive::<Decimal128Type>().value(0), i128::from(i64::MAX) - 2);
        let mean = merged(|| Box::new(IntegerSums::new(Total::Average)), &[column(&[i64::MAX]), column(&[i64::MAX])]);
        assert_eq!(mean.as_primitive::<Float64Type>().value(0), i64::MAX as f64);
        let none = merged(|| Box::new(IntegerSums::new(Total::Sum)), &[column(&[])]);
        assert!(none.is_null(0));
    }
}
