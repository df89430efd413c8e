//! `min` and `max` of floats, in the one order of floats: they do not depend on the order of rows.
//!
//! (DataFusion's accumulators replace a NaN by the next value, whatever it is, and start from the greatest finite number, so that
//! the minimum of infinities is not infinite.)

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, PrimitiveArray};
use arrow::datatypes::{DataType, Float32Type, Float64Type};
use datafusion_common::{Result, internal_err};
use datafusion_expr::{EmitTo, GroupsAccumulator};
use egret_core::floats::{order, plain, plain32};
use std::cmp::Ordering;
use std::sync::Arc;

/// A float type.
pub(super) trait Float: ArrowPrimitiveType {
    /// The canonical form of equal values.
    fn plain(value: Self::Native) -> Self::Native;
    fn order(one: Self::Native, other: Self::Native) -> Ordering;
}

impl Float for Float64Type {
    #[inline]
    fn plain(value: f64) -> f64 {
        plain(value)
    }
    #[inline]
    fn order(one: f64, other: f64) -> Ordering {
        order(one, other)
    }
}

impl Float for Float32Type {
    #[inline]
    fn plain(value: f32) -> f32 {
        plain32(value)
    }
    #[inline]
    fn order(one: f32, other: f32) -> Ordering {
        order(f64::from(one), f64::from(other))
    }
}

/// The accumulator of all groups. Its state is the value, null if there was none.
pub(super) struct Extremes<T: Float> {
    /// How a new value must compare with the old one to replace it.
    wanted: Ordering,
    best: Vec<Option<T::Native>>,
}

/// The accumulator of `min` (`Ordering::Less`) or `max` for a type; `None` if it is not a float.
pub(super) fn extremes(data_type: &DataType, wanted: Ordering) -> Option<Box<dyn GroupsAccumulator>> {
    Some(match data_type {
        DataType::Float64 => Box::new(Extremes::<Float64Type> { wanted, best: Vec::new() }),
        DataType::Float32 => Box::new(Extremes::<Float32Type> { wanted, best: Vec::new() }),
        _ => return None,
    })
}

impl<T: Float> Extremes<T> {
    #[inline]
    fn take(&mut self, group: usize, value: T::Native) {
        let best = &mut self.best[group];
        if best.is_none_or(|best| T::order(value, best) == self.wanted) {
            *best = Some(T::plain(value));
        }
    }

    fn column(&mut self, emit_to: EmitTo) -> ArrayRef {
        let column: PrimitiveArray<T> = emit_to.take_needed(&mut self.best).into_iter().collect();
        Arc::new(column)
    }
}

impl<T: Float> GroupsAccumulator for Extremes<T> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.best.resize(total_num_groups, None);
        let column = values[0].as_primitive::<T>();
        if column.null_count() == 0 && opt_filter.is_none() {
            for (&value, &group) in column.values().iter().zip(group_indices) {
                self.take(group, value);
            }
            return Ok(());
        }
        let counts =
            |row: usize| column.is_valid(row) && opt_filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row));
        for (row, &group) in group_indices.iter().enumerate().filter(|(row, _)| counts(*row)) {
            self.take(group, column.value(row));
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        Ok(self.column(emit_to))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.column(emit_to)])
    }

    fn merge_batch(&mut self, values: &[ArrayRef], group_indices: &[usize], total_num_groups: usize) -> Result<()> {
        self.update_batch(values, group_indices, None, total_num_groups)
    }

    fn convert_to_state(&self, _values: &[ArrayRef], _opt_filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        internal_err!("windows do not convert rows to state")
    }

    fn size(&self) -> usize {
        self.best.capacity() * size_of::<Option<T::Native>>()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use arrow::array::Float64Array;

    /// Checks the extreme of values in one group, computed in this order and in two parts that are merged.
    fn check(values: &[Option<f64>], wanted: Ordering, expected: Option<f64>) {
        for turned in 0..values.len().max(1) {
            let mut values = values.to_vec();
            values.rotate_left(turned);
            let (left, right) = values.split_at(values.len() / 2);
            let part = |values: &[Option<f64>]| {
                let mut accumulator = extremes(&DataType::Float64, wanted).unwrap();
                let column: ArrayRef = Arc::new(Float64Array::from(values.to_vec()));
                accumulator.update_batch(&[column], &vec![0; values.len()], None, 1).unwrap();
                accumulator
            };
            let mut whole = part(left);
            let states = part(right).state(EmitTo::All).unwrap();
            whole.merge_batch(&states, &[0], 1).unwrap();
            let found = whole.evaluate(EmitTo::All).unwrap();
            let found = found.as_primitive::<Float64Type>().iter().next().unwrap();
            assert_eq!(found.map(f64::to_bits), expected.map(f64::to_bits), "{values:?}");
        }
    }

    #[test]
    fn extremes_do_not_depend_on_the_order_of_rows() {
        let (nan, infinity) = (Some(f64::NAN), Some(f64::INFINITY));
        check(&[Some(5.0), nan, Some(7.0), None], Ordering::Greater, nan);
        check(&[Some(5.0), nan, Some(7.0), None], Ordering::Less, Some(5.0));
        check(&[Some(-f64::NAN), Some(7.0)], Ordering::Greater, nan);
        check(&[nan, nan], Ordering::Less, nan);
        check(&[infinity, infinity], Ordering::Less, infinity);
        check(&[Some(f64::NEG_INFINITY)], Ordering::Greater, Some(f64::NEG_INFINITY));
        check(&[Some(-0.0), Some(0.0)], Ordering::Less, Some(0.0));
        check(&[None, None], Ordering::Less, None);
    }
}
