//! Evaluation that tells which rows fail.
//!
//! The value of an expression for a row is the value for a batch of that row alone, so it does not depend on batching. Whole
//! batches are evaluated, and most succeed. A batch that fails is halved until the rows that fail by themselves are found: the
//! number of evaluations is about the number of such rows times the logarithm of the batch's length.

use super::compiled::Expression;
use crate::{Error, Result};
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, UInt64Array, new_empty_array};
use arrow::buffer::BooleanBuffer;
use arrow::compute::{concat, take};

/// A row for which an expression cannot be computed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The row's number in its batch.
    pub row: usize,
    /// The index of the first expression that fails for it.
    pub expression: usize,
    /// Why.
    pub reason: String,
}

/// The values of some expressions over a batch.
#[derive(Debug)]
pub struct Computed {
    /// The values of each expression, for the rows for which all expressions could be computed.
    pub columns: Vec<ArrayRef>,
    /// Which rows these are; `None` if they are all rows.
    pub good: Option<BooleanArray>,
    /// The other rows, in order.
    pub faults: Vec<Fault>,
}

impl Computed {
    /// The rows for which everything could be computed.
    ///
    /// # Errors
    /// Arrow cannot filter the rows.
    pub fn good_rows(&self, rows: &RecordBatch) -> Result<RecordBatch> {
        match &self.good {
            None => Ok(rows.clone()),
            Some(good) => Ok(arrow::compute::filter_record_batch(rows, good)?),
        }
    }
}

/// Computes expressions, leaving out rows for which one of them fails.
///
/// ```
/// use arrow::array::{Int64Array, RecordBatch};
/// use arrow::datatypes::{DataType, Field};
/// use egret_core::{StreamSchema, expr};
/// use std::sync::Arc;
/// let schema = StreamSchema::new(vec![Field::new("n", DataType::Int64, true)], None)?;
/// let share = expr::compile("100 / n", &schema)?;
/// let rows = RecordBatch::try_new(schema.arrow().clone(), vec![Arc::new(Int64Array::from(vec![4, 0, 5]))])?;
/// let computed = expr::compute(&[&share], &rows)?;
/// assert_eq!(*computed.columns[0], Int64Array::from(vec![25, 20]));
/// assert_eq!((computed.faults[0].row, computed.faults[0].reason.as_str()), (1, "division by zero"));
/// # Ok::<(), egret_core::Error>(())
/// ```
///
/// # Errors
/// Something other than a row is wrong.
pub fn compute(expressions: &[&Expression], rows: &RecordBatch) -> Result<Computed> {
    match evaluate_all(expressions, rows) {
        Ok(columns) => Ok(Computed { columns, good: None, faults: Vec::new() }),
        Err((_, Error::Data(_))) if rows.num_rows() > 0 => apart(expressions, rows),
        Err((_, error)) => Err(error),
    }
}

/// The values of an expression, null where it cannot be computed, and the rows where that is so.
///
/// # Errors
/// As [`compute`].
pub fn compute_or_null(expression: &Expression, rows: &RecordBatch) -> Result<(ArrayRef, Vec<Fault>)> {
    let Computed { columns, good, faults } = compute(&[expression], rows)?;
    let column = columns.into_iter().next().ok_or_else(|| Error::bug("an expression has a column"))?;
    let Some(good) = good else { return Ok((column, faults)) };
    let mut next = 0;
    let place = |is_good: bool| {
        next += u64::from(is_good);
        is_good.then(|| next - 1)
    };
    let places: UInt64Array = good.values().iter().map(place).collect();
    Ok((take(&column, &places, None)?, faults))
}

/// For a condition: the rows where it is true, and the rows for which it cannot be computed, which are not among the first.
///
/// # Errors
/// As [`compute`]; or it is not a condition.
pub fn mask(condition: &Expression, rows: &RecordBatch) -> Result<(BooleanBuffer, Vec<Fault>)> {
    let Computed { columns, good, faults } = compute(&[condition], rows)?;
    let column = columns.first().and_then(|column| column.as_boolean_opt());
    let column = column.ok_or_else(|| Error::bug(format!("{condition} is not a condition")))?;
    let holds = match column.nulls() {
        None => column.values().clone(),
        Some(nulls) => column.values() & nulls.inner(),
    };
    let Some(good) = good else { return Ok((holds, faults)) };
    let mut of_good = holds.iter();
    let all = good.values().iter().map(|is_good| is_good && of_good.next().unwrap_or(false)).collect();
    Ok((all, faults))
}

fn evaluate_all(expressions: &[&Expression], rows: &RecordBatch) -> Result<Vec<ArrayRef>, (usize, Error)> {
    let one = |(index, expression): (usize, &&Expression)| expression.evaluate(rows).map_err(|error| (index, error));
    expressions.iter().enumerate().map(one).collect()
}

#[cold]
fn apart(expressions: &[&Expression], rows: &RecordBatch) -> Result<Computed> {
    let mut halving = Halving { expressions, rows, pieces: Vec::new(), faults: Vec::new() };
    halving.halves(0, rows.num_rows())?;
    let Halving { pieces, faults, .. } = halving;
    let column = |(index, expression): (usize, &&Expression)| {
        let parts: Vec<&dyn Array> = pieces.iter().map(|piece| piece[index].as_ref()).collect();
        if parts.is_empty() { Ok(new_empty_array(expression.data_type())) } else { concat(&parts) }
    };
    let columns = expressions.iter().enumerate().map(column).collect::<Result<_, _>>()?;
    let mut good = vec![true; rows.num_rows()];
    faults.iter().for_each(|fault| good[fault.row] = false);
    Ok(Computed { columns, good: (!faults.is_empty()).then(|| good.into()), faults })
}

struct Halving<'a> {
    expressions: &'a [&'a Expression],
    rows: &'a RecordBatch,
    pieces: Vec<Vec<ArrayRef>>,
    faults: Vec<Fault>,
}

impl Halving<'_> {
    /// Evaluates both halves of a range of rows that fails as a whole.
    fn halves(&mut self, from: usize, length: usize) -> Result<()> {
        let half = length / 2;
        for (from, length) in [(from, half), (from + half, length - half)] {
            if length == 0 {
                continue;
            }
            match evaluate_all(self.expressions, &self.rows.slice(from, length)) {
                Ok(columns) => self.pieces.push(columns),
                Err((expression, error @ Error::Data(_))) if length == 1 => {
                    self.faults.push(Fault { row: from, expression, reason: error.message().to_owned() });
                }
                Err((_, Error::Data(_))) => self.halves(from, length)?,
                Err((_, error)) => return Err(error),
            }
        }
        Ok(())
    }
}
