//! Rows that wait for the version they read.

use super::MakerSteps;
use arrow::array::UInt32Array;
use egret_core::{Batch, Error, EventTime, Result};

/// Rows of one batch, in order of time, that wait for their version.
pub(super) struct Held {
    pub(super) batch: Batch,
    pub(super) bytes: usize,
}

impl Held {
    pub(super) fn new(batch: Batch) -> Result<Self> {
        let Some(times) = batch.event_times() else { return Err(Error::bug("rows without event time came to a knowledge join")) };
        let batch = if batch.late().is_some() || times.is_sorted() { batch } else { sort_by_time(&batch)? };
        Ok(Self { bytes: batch.size_bytes(), batch })
    }

    pub(super) fn len(&self) -> usize {
        self.batch.num_rows()
    }

    /// The time whose version a row reads: its event time, or if it is late the watermark it was behind.
    pub(super) fn time(&self, row: usize) -> i64 {
        match self.batch.late() {
            Some(late) => late.0,
            None => self.batch.event_times().expect("checked by Held::new")[row],
        }
    }

    /// The end of the rows from `start` whose version is at most `version`.
    pub(super) fn end_of_version(&self, start: usize, version: EventTime, steps: MakerSteps) -> usize {
        let within = |time: i64| steps.of(EventTime(time)) <= version;
        match self.batch.late() {
            Some(late) if within(late.0) => self.len(),
            Some(_) => start,
            None => start + leading(&self.batch.event_times().expect("checked by Held::new")[start..], within),
        }
    }

    /// Takes the rows whose version is at most `version`; the others stay.
    pub(super) fn take_through(&mut self, version: EventTime, steps: MakerSteps) -> Option<Self> {
        let (length, end) = (self.len(), self.end_of_version(0, version, steps));
        if end == 0 {
            return None;
        }
        let bytes = self.bytes * end / length;
        let taken = Self { batch: self.batch.slice(0, end), bytes };
        self.batch = self.batch.slice(end, length - end);
        self.bytes -= bytes;
        Some(taken)
    }
}

pub(super) fn sort_by_time(batch: &Batch) -> Result<Batch> {
    let times = batch.event_times().unwrap_or_default();
    let mut order: Vec<u32> =
        (0..u32::try_from(times.len()).map_err(|_| Error::bug("over 4 billion rows in a batch"))?).collect();
    order.sort_by_key(|&row| times[row as usize]);
    let rows = arrow::compute::take_record_batch(batch.rows(), &UInt32Array::from(order))?;
    Ok(batch.with_rows(rows, batch.event_time_column()))
}

/// The length of the prefix whose values satisfy the condition; no later value may satisfy it. Fast if the prefix is short.
pub(super) fn leading(values: &[i64], is_in: impl Fn(i64) -> bool) -> usize {
    let mut end = 1;
    while end <= values.len() && is_in(values[end - 1]) {
        end *= 2;
    }
    let known = end / 2;
    known + values[known..end.min(values.len())].partition_point(|&value| is_in(value))
}
