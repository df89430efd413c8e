//! The unit of data: an Arrow record batch, which of its columns is event time, and whether it came late.

use crate::weight::WEIGHT;
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
/// * All rows of a batch are on time or all are late. Lateness is decided once and row by row, where a split makes its watermark,
///   from the input alone: it does not depend on batching, parallelism or speed. A late batch carries that watermark; an operator
///   that still accepts late rows (allowed lateness) compares with it.
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

    /// Like [`Batch::new`], without the checks: for callers that made the rows with the stream's own schema.
    pub fn from_parts(rows: RecordBatch, event_time: Option<usize>, late: Option<EventTime>) -> Self {
        debug_assert!(event_time.is_none_or(|column| column < rows.num_columns()));
        Self { rows, event_time, late }
    }

    /// The rows.
    #[inline]
    pub fn rows(&self) -> &RecordBatch {
        &self.rows
    }

    /// The rows, consuming the batch.
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

    /// How often each row is inserted, or if negative, retracted; `None` if all rows are insertions: see [`crate::weight`].
    pub fn weights(&self) -> Option<&[i64]> {
        let column = self.rows.column_by_name(WEIGHT)?;
        column.as_primitive_opt::<Int64Type>().map(|weights| weights.values().as_ref())
    }

    /// The watermark these rows were behind when they were read, or `None` if they are on time.
    #[inline]
    pub fn late(&self) -> Option<EventTime> {
        self.late
    }

    /// The memory that the rows occupy, in bytes; a slice counts only its own rows, not the shared buffers.
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

    /// The same batch with other rows, late or on time as before: for operators that map rows one to one. Rows without event time
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

/// Concatenates batches of one schema.
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

/// Appends columns to the rows of a batch; `schema` is that of all columns.
///
/// # Errors
/// The columns are not those of `schema`.
pub fn append_columns(batch: &Batch, schema: &StreamSchema, columns: Vec<ArrayRef>) -> Result<Batch> {
    let all = batch.rows.columns().iter().cloned().chain(columns).collect();
    let rows = RecordBatch::try_new(Arc::clone(schema.arrow()), all)?;
    Ok(batch.with_rows(rows, batch.event_time))
}
