//! Results as batches.

use super::spec::Plan;
use crate::time::MILLI;
use crate::{Batch, EventTime, Result};
use arrow::array::{Array, ArrayRef, RecordBatch, TimestampMicrosecondArray};
use arrow::compute::cast;
use std::sync::Arc;

/// Rows of a batch of results.
const ROWS_MAX: usize = 8_192;

/// From when to when the windows last, of which there is a result in each row.
pub(super) enum Bounds {
    /// All rows are of one window.
    One { start: i64, end: i64 },
    /// Each row is of its own.
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

/// The event time of the result of a window that ends at `end`: the last whole millisecond before.
fn time_of(end: i64) -> i64 {
    whole_millis(EventTime(end.saturating_sub(1))).0
}

/// The start of the millisecond that a time lies in. Windows pass on no other watermark: what ends above one has its result at or above
/// this.
pub(super) fn whole_millis(time: EventTime) -> EventTime {
    time.floor_to(MILLI)
}

/// Puts results together and appends them to `out`, in batches of bounded size; `late` marks updates.
///
/// # Errors
/// A result has another type than was planned.
pub(super) fn emit(
    plan: &Plan,
    keys: Vec<ArrayRef>,
    bounds: Bounds,
    results: Vec<ArrayRef>,
    late: Option<EventTime>,
    out: &mut Vec<Batch>,
) -> Result<()> {
    let Some(rows) = keys.first().or(results.first()).map(|column| column.len()).filter(|&rows| rows > 0) else {
        return Ok(());
    };
    let times = if plan.output.event_time().is_some() { bounds.columns(rows).to_vec() } else { Vec::new() };
    let fields = plan.output.arrow().fields();
    let columns = keys.into_iter().chain(times).chain(results).zip(fields).map(|(column, field)| {
        Ok(if column.data_type() == field.data_type() { column } else { cast(&column, field.data_type())? })
    });
    let all = RecordBatch::try_new(Arc::clone(plan.output.arrow()), columns.collect::<Result<_>>()?)?;
    for from in (0..rows).step_by(ROWS_MAX) {
        let part = all.slice(from, ROWS_MAX.min(rows - from));
        out.push(Batch::from_parts(part, plan.output.event_time(), late));
    }
    Ok(())
}
