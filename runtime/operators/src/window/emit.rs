//! Builds batches of results.
//!
//! Sums are wider than their columns here. A sum that overflows its column makes the result a bad row.

use super::spec::Plan;
use super::sums::WHOLE;
use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, TimestampMicrosecondArray};
use arrow::compute::{CastOptions, cast, cast_with_options, filter_record_batch};
use arrow::datatypes::{DataType, Field, Schema};
use egret_core::MILLI;
use egret_core::expr::{OUT_OF_RANGE, show, sql_type};
use egret_core::{Batch, Context, EventTime, Result, Uncomputed};
use std::sync::Arc;

/// The greatest number of rows in a batch of results.
const ROWS_MAX: usize = 8_192;

/// Results that are to be sent, and the bad rows among them.
#[derive(Default)]
pub(super) struct Results {
    batches: Vec<Batch>,
    wrong: Vec<Uncomputed>,
}

impl Results {
    /// Sends everything.
    ///
    /// # Errors
    /// The policy for bad rows is to end the job.
    pub(super) fn send(&mut self, ctx: &mut Context<'_>) -> Result<()> {
        ctx.refuse(&std::mem::take(&mut self.wrong))?;
        self.batches.drain(..).for_each(|batch| ctx.emit(batch));
        Ok(())
    }

    /// Records a sum that overflows its column.
    fn refuse(&mut self, plan: &Plan, window: &RecordBatch, row: usize, (column, sum): (usize, String)) {
        let call = &plan.calls()[column - window.num_columns()];
        let read = window.schema_ref().fields().iter().zip(window.columns());
        let values: Vec<String> =
            read.map(|(field, column)| format!("{} = {}", field.name(), show::literal(column, row))).collect();
        let result = sql_type(plan.output.arrow().field(column).data_type());
        self.wrong.push(Uncomputed {
            expression: call.shown(),
            values: values.join(", "),
            reason: format!("{sum} {OUT_OF_RANGE} {result}"),
            row: show::json(window, row),
            ..Uncomputed::default()
        });
    }
}

/// The bounds of the windows of some results, one result in each row.
pub(super) enum Bounds {
    /// All rows are results of one window.
    One { start: i64, end: i64 },
    /// Each row is the result of a window of its own.
    Each { starts: Vec<i64>, ends: Vec<i64> },
}

impl Bounds {
    fn columns(self, rows: usize) -> [ArrayRef; 3] {
        let (starts, ends, times) = match self {
            Self::One { start, end } => (vec![start; rows], vec![end; rows], vec![time_of(end); rows]),
            Self::Each { starts, ends } => {
                let times = ends.iter().map(|&end| time_of(end)).collect();
                (starts, ends, times)
            }
        };
        [starts, ends, times].map(|times| Arc::new(TimestampMicrosecondArray::from(times)) as ArrayRef)
    }
}

/// The event time of the result of a window that ends at `end`: the last whole millisecond before it.
fn time_of(end: i64) -> i64 {
    whole_millis(EventTime(end.saturating_sub(1))).0
}

/// The start of the millisecond that a time lies in. Windows forward watermarks truncated like this: the result of a window that
/// ends above the watermark then has an event time at or above it.
pub(super) fn whole_millis(time: EventTime) -> EventTime {
    time.floor_to(MILLI)
}

/// Builds results and appends them to `out`, in batches of bounded size; `late` marks updates.
///
/// # Errors
/// A result does not have the planned type.
pub(super) fn emit(
    plan: &Plan,
    keys: Vec<ArrayRef>,
    bounds: Bounds,
    results: Vec<ArrayRef>,
    late: Option<EventTime>,
    out: &mut Results,
) -> Result<()> {
    let Some(rows) = keys.first().or(results.first()).map(|column| column.len()).filter(|&rows| rows > 0) else {
        return Ok(());
    };
    let times = if plan.output.event_time().is_some() { bounds.columns(rows).to_vec() } else { Vec::new() };
    let fields = plan.output.arrow().fields();
    let head = keys.len() + times.len();
    let given: Vec<ArrayRef> = keys.into_iter().chain(times).chain(results).collect();
    let columns = given.iter().zip(fields).map(|(column, field)| fitted(column, field));
    let mut all = RecordBatch::try_new(Arc::clone(plan.output.arrow()), columns.collect::<Result<_>>()?)?;
    if let Some(good) = without_overflows(plan, &given, &all, head, out)? {
        all = filter_record_batch(&all, &good)?;
    }
    let rows = all.num_rows();
    for from in (0..rows).step_by(ROWS_MAX) {
        let part = all.slice(from, ROWS_MAX.min(rows - from));
        out.batches.push(Batch::from_parts(part, plan.output.event_time(), late));
    }
    Ok(())
}

/// A column converted to the type of the result; sums that overflow it become null.
fn fitted(column: &ArrayRef, field: &Field) -> Result<ArrayRef> {
    if column.data_type() == field.data_type() {
        return Ok(Arc::clone(column));
    }
    let options = CastOptions { safe: true, ..CastOptions::default() };
    match (column.data_type(), field.data_type()) {
        (DataType::Decimal256(..), DataType::Duration(_)) => {
            return Ok(cast(&cast_with_options(column, &DataType::Int64, &options)?, field.data_type())?);
        }
        (of, to) if *of == WHOLE || matches!(of, DataType::Decimal256(..)) => {
            return Ok(cast_with_options(column, to, &options)?);
        }
        _ => {}
    }
    Ok(cast(column, field.data_type())?)
}

/// The rows whose sums fit their columns (`None` if all do), and what is wrong with the others.
fn without_overflows(
    plan: &Plan,
    given: &[ArrayRef],
    all: &RecordBatch,
    head: usize,
    out: &mut Results,
) -> Result<Option<BooleanArray>> {
    let overflows = |column: &usize| all.column(*column).null_count() > given[*column].null_count();
    let columns: Vec<usize> = (head..given.len()).filter(overflows).collect();
    if columns.is_empty() {
        return Ok(None);
    }
    let fields: Vec<Field> = all.schema().fields()[..head].iter().map(|field| field.as_ref().clone()).collect();
    let window = RecordBatch::try_new_with_options(
        Arc::new(Schema::new(fields)),
        all.columns()[..head].to_vec(),
        &arrow::array::RecordBatchOptions::new().with_row_count(Some(all.num_rows())),
    )?;
    let is_good = |row: usize| {
        let wrong = columns.iter().find(|&&column| all.column(column).is_null(row) && given[column].is_valid(row));
        if let Some(&column) = wrong {
            out.refuse(plan, &window, row, (column, show::plain(&given[column], row)));
        }
        Some(wrong.is_none())
    };
    Ok(Some((0..all.num_rows()).map(is_good).collect()))
}
