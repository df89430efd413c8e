//! The gate: a bound on one column that a row must reach before it is compared with a partial match at all.
//!
//! Most conditions on earlier events compare an expression over the event with one over the match: `amount > 10 * avg(a.amount)`,
//! `price < last(b.price)`. Where every condition that a partial match waits for contains such a comparison, with the same event
//! side and direction, the least of the bounds says which rows can matter: all others are passed over for the price of comparing
//! two small integers. Bounds are coarse (32 bits), so that they take little room; a row that reaches one is then compared
//! exactly.

use arrow::array::{Array, PrimitiveArray};
use arrow::datatypes::ArrowPrimitiveType;
use egret_core::floats::plain;
use egret_core::scalar::{Column, Scalar};

/// The bound of a partial match that waits for no row: only the greatest values reach it.
pub(crate) const CLOSED: i32 = i32::MAX;

/// The value of a row that has nothing to compare with bounds: it reaches only the least bound.
pub(crate) const NOTHING: i32 = i32::MIN;

/// The comparison that the gate is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gate {
    /// The event's side, by its number.
    pub(crate) event: usize,
    /// Whether greater values reach more bounds.
    rising: bool,
}

impl Gate {
    /// A gate on the event's side of a comparison.
    pub(super) fn new(event: usize, rising: bool) -> Self {
        Self { event, rising }
    }

    /// The coarse values of rows, to be compared with bounds.
    pub(crate) fn values(self, column: &Column) -> Vec<i32> {
        match column {
            Column::Int(values) => self.of_all(values, |value| value as f64),
            Column::Float(values) => self.of_all(values, |value| value),
            Column::Other(values) => vec![i32::MAX; values.len()],
        }
    }

    fn of_all<T: ArrowPrimitiveType>(self, values: &PrimitiveArray<T>, float: impl Fn(T::Native) -> f64) -> Vec<i32> {
        let value = |value: &T::Native| self.coarse(float(*value));
        match values.nulls().filter(|nulls| nulls.null_count() > 0) {
            None => values.values().iter().map(value).collect(),
            Some(nulls) => values.values().iter().zip(nulls).map(|(of, valid)| if valid { value(of) } else { NOTHING }).collect(),
        }
    }

    /// The bound that the coarse value of a row must reach, given the match's side.
    pub(crate) fn bound(self, side: &Scalar) -> i32 {
        match side {
            Scalar::Null => CLOSED,
            Scalar::Int(value) => self.coarse(*value as f64),
            Scalar::Float(value) => self.coarse(*value),
            _ => i32::MIN,
        }
    }

    /// The upper half of the integer that orders floats, inverted if lesser values reach more bounds.
    #[inline]
    fn coarse(self, value: f64) -> i32 {
        let bits = plain(value).to_bits() as i64;
        let upper = ((bits ^ (((bits >> 63) as u64) >> 1) as i64) >> 32) as i32;
        if self.rising { upper } else { !upper }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Float64Array, Int64Array};
    use datafusion_expr::Operator as Op;
    use egret_core::scalar::holds;

    /// A row that meets a condition reaches its bound, whatever the values.
    #[test]
    fn no_row_that_matters_is_kept_out() {
        let floats =
            [f64::NEG_INFINITY, -1e300, -2.5, -0.0, 0.0, 1e-300, 1.0, 1.0 + f64::EPSILON, 2.5, 1e17, f64::NAN, -f64::NAN];
        let ints = [i64::MIN, -7, -5, -1, 0, 1, 2, 1 << 53, (1 << 53) + 1, 1_700_000_040_000, 1_700_000_040_001, i64::MAX];
        let nulls = [None];
        let columns = [
            (Column::Float(floats.into_iter().map(Some).chain(nulls).collect::<Float64Array>()), floats.map(Scalar::Float)),
            (Column::Int(ints.into_iter().map(Some).chain([None]).collect::<Int64Array>()), ints.map(Scalar::Int)),
        ];
        let mut kept_out = 0;
        for ((column, sides), rising) in columns.iter().flat_map(|column| [(column, true), (column, false)]) {
            let gate = Gate { event: 0, rising };
            let values = gate.values(column);
            for (row, side) in (0..values.len()).flat_map(|row| sides.iter().chain([&Scalar::Null]).map(move |side| (row, side)))
            {
                let order = column.compare(row, side).expect("they have one type");
                let reaches = values[row] >= gate.bound(side);
                for op in if rising { [Op::Gt, Op::GtEq] } else { [Op::Lt, Op::LtEq] } {
                    assert!(reaches || !holds(op, order), "{column:?} at {row} {op} {side:?}");
                }
                kept_out += usize::from(!reaches);
            }
        }
        assert!(kept_out > 200, "{kept_out}");
    }
}
