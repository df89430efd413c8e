//! Variances of floats that do not depend on the order of rows.
//!
//! They are computed from the sum of the values and the sum of their squares, each kept as two floats, the rounded sum and the
//! rounding error (Knuth's two-sum; T. Ogita, S. Rump, S. Oishi, *Accurate sum and dot product*, 2005): about 106 bits, of which
//! the result shows 53. Two orders can still differ if the exact result lies within some 2^-100 of the midpoint between two
//! floats. (Sums and averages are exact: see `sums`.)

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, UInt64Array};
use arrow::datatypes::{Float64Type, UInt64Type};
use datafusion_common::{Result, internal_err};
use datafusion_expr::{EmitTo, GroupsAccumulator};
use std::sync::Arc;

/// The statistic that is computed from a group's sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Statistic {
    VarianceSample,
    VariancePopulation,
    DeviationSample,
    DeviationPopulation,
}

impl Statistic {
    /// The statistic that a DataFusion function computes, if it is one of these.
    pub(super) fn of(function: &str) -> Option<Self> {
        Some(match function {
            "var" => Self::VarianceSample,
            "var_pop" => Self::VariancePopulation,
            "stddev" => Self::DeviationSample,
            "stddev_pop" => Self::DeviationPopulation,
            _ => return None,
        })
    }
}

/// A number as the sum of two floats, the second far smaller than the first.
#[derive(Clone, Copy, Debug, Default)]
struct Twofold {
    high: f64,
    low: f64,
}

impl Twofold {
    #[inline]
    fn add(&mut self, value: f64) {
        let sum = self.high + value;
        let back = sum - self.high;
        let lost = (self.high - (sum - back)) + (value - back);
        if sum.is_finite() {
            self.low += lost;
        }
        self.high = sum;
    }

    fn add_twofold(&mut self, other: Self) {
        self.add(other.high);
        self.low += other.low;
    }

    #[inline]
    fn add_square(&mut self, value: f64) {
        let square = product(value, value);
        self.add(square.high);
        if square.low.is_finite() {
            self.low += square.low;
        }
    }

    fn value(self) -> f64 {
        if self.high.is_finite() { self.high + self.low } else { self.high }
    }

    /// The same number, with the first float as close to it as possible.
    fn normalised(self) -> Self {
        let high = self.value();
        Self { high, low: (self.high - high) + self.low }
    }

    fn divided_by(self, divisor: f64) -> Self {
        let high = self.high / divisor;
        let back = product(high, divisor);
        Self { high, low: ((self.high - back.high) - back.low + self.low) / divisor }
    }
}

/// The exact product of two floats (Dekker).
#[inline]
fn product(a: f64, b: f64) -> Twofold {
    const SPLITTER: f64 = 134_217_729.0; // 2^27 + 1
    let split = |value: f64| {
        let far = SPLITTER * value;
        let high = far - (far - value);
        (high, value - high)
    };
    let high = a * b;
    let ((a_high, a_low), (b_high, b_low)) = (split(a), split(b));
    Twofold { high, low: ((a_high * b_high - high) + a_high * b_low + a_low * b_high) + a_low * b_low }
}

#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    count: u64,
    sum: Twofold,
}

/// The accumulator of all groups.
///
/// Its state is the count, and the two floats of the sum and of the sum of squares.
#[derive(Debug)]
pub(super) struct Variances {
    statistic: Statistic,
    cells: Vec<Cell>,
    squares: Vec<Twofold>,
}

impl Variances {
    pub(super) fn new(statistic: Statistic) -> Self {
        Self { statistic, cells: Vec::new(), squares: Vec::new() }
    }

    fn resize(&mut self, groups: usize) {
        self.cells.resize(groups, Cell::default());
        self.squares.resize(groups, Twofold::default());
    }

    fn add(&mut self, group: usize, value: f64) {
        let cell = &mut self.cells[group];
        cell.count += 1;
        cell.sum.add(value);
        self.squares[group].add_square(value);
    }

    fn take(&mut self, emit_to: EmitTo) -> (Vec<Cell>, Vec<Twofold>) {
        (emit_to.take_needed(&mut self.cells), emit_to.take_needed(&mut self.squares))
    }
}

/// The sum of squared differences from the mean.
fn spread(cell: &Cell, squares: Twofold) -> f64 {
    let (sum, squares) = (cell.sum.normalised(), squares.normalised());
    let mut squared = product(sum.high, sum.high);
    squared.low += 2.0 * sum.high * sum.low;
    let mean_part = squared.divided_by(cell.count as f64);
    let mut difference = squares;
    difference.add(-mean_part.high);
    difference.low -= mean_part.low;
    let spread = difference.value();
    // If the sums are not finite the spread is unknown, not zero.
    if spread < 0.0 { 0.0 } else { spread }
}

fn result(statistic: Statistic, cell: &Cell, squares: Option<&Twofold>) -> Option<f64> {
    let count = cell.count;
    let variance = |divisor: u64| (divisor > 0).then(|| spread(cell, squares.copied().unwrap_or_default()) / divisor as f64);
    match statistic {
        _ if count == 0 => None,
        Statistic::VarianceSample => variance(count - 1),
        Statistic::VariancePopulation => variance(count),
        Statistic::DeviationSample => variance(count - 1).map(f64::sqrt),
        Statistic::DeviationPopulation => variance(count).map(f64::sqrt),
    }
}

fn halves(sums: impl Iterator<Item = Twofold> + Clone) -> [ArrayRef; 2] {
    let high = Float64Array::from_iter_values(sums.clone().map(|sum| sum.high));
    [Arc::new(high), Arc::new(Float64Array::from_iter_values(sums.map(|sum| sum.low)))]
}

impl GroupsAccumulator for Variances {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.resize(total_num_groups);
        let values = values[0].as_primitive::<Float64Type>();
        if values.null_count() == 0 && opt_filter.is_none() {
            group_indices.iter().zip(values.values()).for_each(|(&group, &value)| self.add(group, value));
            return Ok(());
        }
        let wanted = |row: usize| opt_filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row));
        for (row, &group) in group_indices.iter().enumerate() {
            if values.is_valid(row) && wanted(row) {
                self.add(group, values.value(row));
            }
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let (cells, squares) = self.take(emit_to);
        let results = cells.iter().enumerate().map(|(group, cell)| result(self.statistic, cell, squares.get(group)));
        Ok(Arc::new(Float64Array::from_iter(results)))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let (cells, squares) = self.take(emit_to);
        let mut state: Vec<ArrayRef> = vec![Arc::new(UInt64Array::from_iter_values(cells.iter().map(|cell| cell.count)))];
        state.extend(halves(cells.iter().map(|cell| cell.sum)));
        state.extend(halves(squares.iter().copied()));
        Ok(state)
    }

    fn merge_batch(&mut self, values: &[ArrayRef], group_indices: &[usize], total_num_groups: usize) -> Result<()> {
        self.resize(total_num_groups);
        let counts = values[0].as_primitive::<UInt64Type>().values();
        let floats: Vec<&[f64]> = values[1..].iter().map(|column| &column.as_primitive::<Float64Type>().values()[..]).collect();
        for (row, &group) in group_indices.iter().enumerate() {
            let cell = &mut self.cells[group];
            cell.count += counts[row];
            cell.sum.add_twofold(Twofold { high: floats[0][row], low: floats[1][row] });
            self.squares[group].add_twofold(Twofold { high: floats[2][row], low: floats[3][row] });
        }
        Ok(())
    }

    fn convert_to_state(&self, _values: &[ArrayRef], _opt_filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        internal_err!("windows do not convert rows to state")
    }

    fn size(&self) -> usize {
        self.cells.capacity() * size_of::<Cell>() + self.squares.capacity() * size_of::<Twofold>()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn compute(statistic: Statistic, parts: &[&[f64]]) -> Option<f64> {
        let mut whole = Variances::new(statistic);
        for part in parts {
            let mut one = Variances::new(statistic);
            let values: ArrayRef = Arc::new(Float64Array::from(part.to_vec()));
            one.update_batch(&[values], &vec![0; part.len()], None, 1).unwrap();
            whole.merge_batch(&one.state(EmitTo::All).unwrap(), &[0], 1).unwrap();
        }
        let result = whole.evaluate(EmitTo::All).unwrap();
        let result = result.as_primitive::<Float64Type>();
        result.is_valid(0).then(|| result.value(0))
    }

    #[test]
    fn variances_keep_their_digits_far_from_zero() {
        let values: Vec<f64> = (0..100).map(|i| 1.7e12 + f64::from(i)).collect();
        let variance = compute(Statistic::VariancePopulation, &[&values[..30], &values[30..]]).unwrap();
        assert!((variance - 833.25).abs() < 1e-9, "{variance}");
        assert_eq!(compute(Statistic::VarianceSample, &[&[5.0]]), None);
        assert_eq!(compute(Statistic::DeviationPopulation, &[&[5.0]]), Some(0.0));
        assert_eq!(compute(Statistic::DeviationSample, &[&[1.0, 3.0], &[]]), Some(2_f64.sqrt()));
    }

    #[test]
    fn variances_of_what_is_not_finite_are_not_zero() {
        for part in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            for statistic in ["var", "var_pop", "stddev", "stddev_pop"] {
                let variance = compute(Statistic::of(statistic).unwrap(), &[&[1.0, part], &[2.0]]);
                assert!(variance.unwrap().is_nan(), "{statistic} of {part}: {variance:?}");
            }
        }
        assert_eq!(compute(Statistic::VariancePopulation, &[&[1e308, -1e308]]), Some(f64::INFINITY));
    }
}
