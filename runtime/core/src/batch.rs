//! The unit of data: an Arrow record batch, which of its columns is event time, and whether it came late.

use crate::{Error, EventTime, Result, StreamSchema};
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use std::sync::Arc;

/// Rows of a stream.
///
/// # Contract
/// * The columns are those of the stream's [`StreamSchema`].
/// * Event time is a column of `Timestamp(Microsecond)` without nulls.
/// * All rows of a batch are on time or all are late. Whether a row is late is decided once, where its split makes the
///   watermark, row by row, from the input alone: so it does not depend on batching, parallelism or the speed of anything.
///   A late batch carries that watermark; an operator that still wants the rows (allowed lateness) compares with it.
#[derive(Clone, Debug)]
pub struct Batch {
    rows: RecordBatch,
    event_time: Option<usize>,
    late: Option<EventTime>,
}

impl Batch {
    /// Rows that are on time.
    ///
    /// # Errors
    /// The columns are not those of `schema`, or the event time column holds a null.
    pub fn new(rows: RecordBatch, schema: &StreamSchema) -> Result<Self> {
        if rows.schema_ref().fields() != schema.arrow().fields() {
            return Err(Error::bug(format!("a batch has the columns {} but its stream {}", rows.schema_ref(), schema.arrow())));
        }
        Ok(Self::from_parts(rows, schema.event_time(), None))
    }

    /// As [`Batch::new`], for callers that made the rows with the stream's own schema.
    pub fn from_parts(rows: RecordBatch, event_time: Option<usize>, late: Option<EventTime>) -> Self {
        debug_assert!(event_time.is_none_or(|column| column < rows.num_columns()));
        Self { rows, event_time, late }
    }

    /// The rows.
    #[inline]
    pub fn rows(&self) -> &RecordBatch {
        &self.rows
    }

    /// The rows, by value.
    #[inline]
    pub fn into_rows(self) -> RecordBatch {
        self.rows
    }

    /// A column.
    #[inline]
    pub fn column(&self, index: usize) -> &ArrayRef {
        self.rows.column(index)
    }

    /// How many rows.
    #[inline]
    pub fn num_rows(&self) -> usize {
        self.rows.num_rows()
    }

    /// The index of the event time column.
    #[inline]
    pub fn event_time_column(&self) -> Option<usize> {
        self.event_time
    }

    /// Event times in microseconds, one a row; `None` for a stream without event time.
    #[inline]
    pub fn event_times(&self) -> Option<&[i64]> {
        self.event_time.map(|column| micros(self.rows.column(column)))
    }

    /// The watermark these rows were behind when they were read, or `None` if they are on time.
    #[inline]
    pub fn late(&self) -> Option<EventTime> {
        self.late
    }

    /// Bytes of memory that the rows occupy; slices count what they show, not what they share.
    pub fn size_bytes(&self) -> usize {
        self.rows.columns().iter().map(|column| column.to_data().get_slice_memory_size().unwrap_or(0)).sum()
    }

    /// Some of the rows, without copying them.
    #[must_use]
    pub fn slice(&self, offset: usize, length: usize) -> Self {
        Self { rows: self.rows.slice(offset, length), ..*self }
    }

    /// The rows whose mask is true.
    ///
    /// # Errors
    /// The mask has another length than the batch.
    pub fn filter(&self, mask: &BooleanArray) -> Result<Self> {
        let kept = mask.true_count();
        if kept == self.num_rows() {
            return Ok(self.clone());
        }
        Ok(Self { rows: filter_record_batch(&self.rows, mask)?, ..*self })
    }

    /// Other rows of the same kind (late or on time), for operators that change columns one to one. Rows without event time
    /// are never late.
    #[must_use]
    pub fn with_rows(&self, rows: RecordBatch, event_time: Option<usize>) -> Self {
        Self { rows, event_time, late: event_time.and(self.late) }
    }

    /// The same rows with another lateness.
    #[must_use]
    pub fn with_late(mut self, late: Option<EventTime>) -> Self {
        self.late = late;
        self
    }
}

/// The microseconds of a `Timestamp(Microsecond)` or `Int64` column.
///
/// # Panics
/// The column has another type: the planner checks it.
#[inline]
pub fn micros(column: &ArrayRef) -> &[i64] {
    if let Some(times) = column.as_primitive_opt::<TimestampMicrosecondType>() {
        return times.values();
    }
    column.as_primitive_opt::<Int64Type>().expect("event time is checked to be Timestamp(Microsecond) by StreamSchema").values()
}

/// Puts batches of one schema together.
///
/// # Errors
/// The schemas differ.
pub fn concat(batches: &[Batch]) -> Result<Option<Batch>> {
    let Some(first) = batches.first() else { return Ok(None) };
    if batches.len() == 1 {
        return Ok(Some(first.clone()));
    }
    let schema = first.rows.schema();
    let rows = arrow::compute::concat_batches(&schema, batches.iter().map(Batch::rows))?;
    Ok(Some(Batch { rows, event_time: first.event_time, late: first.late }))
}

/// The row numbers `0..n` in order of event time, ties by the columns `ties`, further ties by all columns from left to right.
///
/// The order depends on the rows alone, not on how they arrived, which is what the law asks of everything that is about order.
///
/// # Errors
/// A column cannot be ordered.
pub fn time_order(rows: &RecordBatch, event_time: usize, ties: &[usize]) -> Result<Vec<u32>> {
    let times = micros(rows.column(event_time));
    let mut order: Vec<u32> = (0..u32::try_from(times.len()).map_err(|_| Error::bug("over 4 billion rows to sort"))?).collect();
    order.sort_by_key(|&row| times[row as usize]);
    let tied = order.windows(2).any(|pair| times[pair[0] as usize] == times[pair[1] as usize]);
    if tied {
        break_ties(rows, times, ties, &mut order)?;
    }
    Ok(order)
}

fn break_ties(rows: &RecordBatch, times: &[i64], ties: &[usize], order: &mut [u32]) -> Result<()> {
    let columns: Vec<usize> = ties.iter().copied().chain((0..rows.num_columns()).filter(|c| !ties.contains(c))).collect();
    let comparators = columns
        .iter()
        .map(|&column| {
            let column = rows.column(column);
            arrow::array::make_comparator(column, column, arrow::compute::SortOptions::default())
        })
        .collect::<Result<Vec<_>, _>>()?;
    for group in order.chunk_by_mut(|&a, &b| times[a as usize] == times[b as usize]).filter(|group| group.len() > 1) {
        group.sort_by(|&a, &b| {
            comparators
                .iter()
                .map(|compare| compare(a as usize, b as usize))
                .find(|o| o.is_ne())
                .unwrap_or(std::cmp::Ordering::Equal)
        });
    }
    Ok(())
}

/// Replaces the schema's metadata-free field list check by name lookups; a small helper for operators that add columns.
///
/// # Errors
/// The lengths differ.
pub fn append_columns(batch: &Batch, schema: &StreamSchema, columns: Vec<ArrayRef>) -> Result<Batch> {
    let all = batch.rows.columns().iter().cloned().chain(columns).collect();
    let rows = RecordBatch::try_new(Arc::clone(schema.arrow()), all)?;
    Ok(batch.with_rows(rows, batch.event_time))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Int64Array, TimestampMicrosecondArray};
    use arrow::datatypes::{DataType, Field, Schema, TimeUnit};

    fn rows(times: &[i64], ids: &[i64]) -> RecordBatch {
        let schema = Schema::new(vec![
            Field::new("at", DataType::Timestamp(TimeUnit::Microsecond, None), false),
            Field::new("id", DataType::Int64, false),
        ]);
        let columns: Vec<ArrayRef> =
            vec![Arc::new(TimestampMicrosecondArray::from(times.to_vec())), Arc::new(Int64Array::from(ids.to_vec()))];
        RecordBatch::try_new(Arc::new(schema), columns).expect("two columns")
    }

    #[test]
    fn time_order_does_not_depend_on_arrival() {
        let order = time_order(&rows(&[2, 1, 1], &[7, 9, 8]), 0, &[]).expect("sorts");
        assert_eq!(order, [2, 1, 0]);
    }
}
