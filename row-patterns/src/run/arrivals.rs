//! Buffers rows before they reach their partitions: until the watermark passes them, until the end of the input, or not at all.

use crate::plan::row_plan::RowPlan;
use arrow::array::{Array, RecordBatch, UInt32Array, make_comparator};
use arrow::compute::{SortOptions, concat_batches, take_record_batch};
use egret_core::Result;
use egret_core::TimeOrder;
use egret_core::batch::micros;
use std::cmp::Ordering;

/// Buffered rows.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    by_time: TimeOrder,
    /// Rows of a stream without event time, buffered until the end of the input.
    to_the_end: Vec<RecordBatch>,
}

impl Arrivals {
    /// Adds rows; returns them if they need not be buffered.
    pub(crate) fn add(&mut self, plan: &RowPlan, rows: RecordBatch) -> Option<RecordBatch> {
        match plan.input.event_time() {
            Some(time) => self.by_time.add(rows, time),
            None if plan.waits_for_end => self.to_the_end.push(rows),
            None => return Some(rows),
        }
        None
    }

    /// The rows before `watermark`, in the order in which they are matched.
    pub(crate) fn release(&mut self, plan: &RowPlan, watermark: i64) -> Result<Option<RecordBatch>> {
        let Some(time) = plan.input.event_time() else { return Ok(None) };
        let Some(rows) = self.by_time.release(watermark, time, &[])? else { return Ok(None) };
        let times = micros(rows.column(time));
        let mut same: Vec<std::ops::Range<usize>> = Vec::new();
        let mut from = 0;
        for group in times.chunk_by(|one, other| one == other) {
            if group.len() > 1 {
                same.push(from..from + group.len());
            }
            from += group.len();
        }
        sorted(plan, rows, &same).map(Some)
    }

    /// The rows buffered until the end of the input, in order.
    pub(crate) fn end(&mut self, plan: &RowPlan) -> Result<Option<RecordBatch>> {
        let waiting = std::mem::take(&mut self.to_the_end);
        if waiting.is_empty() {
            return Ok(None);
        }
        let rows = concat_batches(plan.input.arrow(), &waiting)?;
        let all = 0..rows.num_rows();
        sorted(plan, rows, &[all]).map(Some)
    }

    /// The buffered rows, in no particular order.
    pub(crate) fn rows(&self) -> Result<Vec<RecordBatch>> {
        Ok(self.by_time.rows()?.into_iter().chain(self.to_the_end.iter().cloned()).collect())
    }

    /// Bytes of memory.
    pub(crate) fn bytes(&self) -> usize {
        let waiting = self.to_the_end.iter().flat_map(RecordBatch::columns).map(Array::get_array_memory_size);
        self.by_time.bytes() + waiting.sum::<usize>()
    }
}

/// Puts ranges of rows in the plan's order: ascending with null last, descending with null first.
fn sorted(plan: &RowPlan, rows: RecordBatch, ranges: &[std::ops::Range<usize>]) -> Result<RecordBatch> {
    if ranges.is_empty() {
        return Ok(rows);
    }
    let compare = |&(column, descending): &(usize, bool)| {
        make_comparator(rows.column(column), rows.column(column), SortOptions { descending, nulls_first: descending })
    };
    let comparators = plan.order.iter().map(compare).collect::<Result<Vec<_>, _>>()?;
    let by_content = |a: &u32, b: &u32| {
        comparators.iter().map(|compare| compare(*a as usize, *b as usize)).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    };
    let mut order: Vec<u32> = (0..rows.num_rows() as u32).collect();
    for range in ranges {
        order[range.clone()].sort_by(by_content);
    }
    if order.is_sorted() { Ok(rows) } else { Ok(take_record_batch(&rows, &UInt32Array::from(order))?) }
}
