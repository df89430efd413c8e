//! Updates that wait to be applied.

use super::KnowledgeReader;
use super::held::{leading, sort_by_time};
use super::reading::Segment;
use arrow::array::RecordBatch;
use egret_core::{Batch, Error, EventTime, Result};
use std::collections::VecDeque;

/// A position among the pending updates.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cursor {
    batch: usize,
    row: usize,
}

/// Updates not yet applied, in order of version.
pub(super) struct Pending {
    pub(super) updates: VecDeque<RecordBatch>,
    pub(super) column: Option<usize>,
    /// The version of the last update applied.
    pub(super) applied: EventTime,
}

impl Default for Pending {
    fn default() -> Self {
        Self { updates: VecDeque::new(), column: None, applied: EventTime::MIN }
    }
}

impl Pending {
    /// Adds updates; returns how many of them came too late, which happens only if their maker was considered idle.
    pub(super) fn push(&mut self, batch: &Batch) -> Result<usize> {
        let Some(column) = batch.event_time_column() else { return Err(Error::bug("updates without version_time")) };
        if batch.num_rows() == 0 {
            return Ok(0);
        }
        self.column = Some(column);
        let last = self.updates.back().and_then(|last| self.versions(last).last().copied()).unwrap_or(i64::MIN);
        let versions = self.versions(batch.rows());
        let in_order = versions.is_sorted() && versions[0] >= last;
        let missed = versions.iter().filter(|&&version| version <= self.applied.0 && self.applied != EventTime::MIN).count();
        self.updates.push_back(batch.rows().clone());
        if !in_order {
            self.sort()?;
        }
        Ok(missed)
    }

    /// Sorts updates by version, keeping the order of arrival otherwise: for several makers, or one that emits a batch out of
    /// order.
    fn sort(&mut self) -> Result<()> {
        let schema = self.updates[0].schema();
        let all = arrow::compute::concat_batches(&schema, self.updates.iter())?;
        self.updates = [sort_by_time(&Batch::from_parts(all, self.column, None))?.into_rows()].into();
        Ok(())
    }

    fn versions<'a>(&self, updates: &'a RecordBatch) -> &'a [i64] {
        let column = self.column.expect("there are updates, so their version column is known");
        egret_core::batch::micros(updates.column(column))
    }

    /// The version of the first update at or after the cursor.
    pub(super) fn version_at(&self, cursor: Cursor) -> Option<EventTime> {
        self.updates.get(cursor.batch).map(|updates| EventTime(self.versions(updates)[cursor.row]))
    }

    /// Moves the cursor past all updates below a version, and passes them to `give`.
    pub(super) fn read_below(&self, cursor: &mut Cursor, version: EventTime, mut give: impl FnMut(Segment)) {
        while let Some(updates) = self.updates.get(cursor.batch) {
            let count = leading(&self.versions(updates)[cursor.row..], |update| update < version.0);
            if count == 0 {
                break;
            }
            let end = cursor.row + count;
            give(Segment { batch: cursor.batch, rows: cursor.row..end });
            let is_through = end == updates.num_rows();
            *cursor = if is_through { Cursor { batch: cursor.batch + 1, row: 0 } } else { Cursor { row: end, ..*cursor } };
        }
    }

    /// Drops the updates before the cursor, which have been applied.
    pub(super) fn forget(&mut self, cursor: Cursor) {
        for batch in 0..=cursor.batch.min(self.updates.len().saturating_sub(1)) {
            let Some(first) = self.updates.front() else { break };
            let count = if batch < cursor.batch { first.num_rows() } else { cursor.row };
            if count == 0 {
                break;
            }
            self.applied = self.applied.max(EventTime(self.versions(first)[count - 1]));
            if count == first.num_rows() {
                self.updates.pop_front();
            } else {
                self.updates[0] = first.slice(count, first.num_rows() - count);
            }
        }
    }

    pub(super) fn apply_below(&mut self, version: EventTime, reader: &mut dyn KnowledgeReader) -> Result<()> {
        let (mut cursor, mut segments) = (Cursor::default(), Vec::new());
        self.read_below(&mut cursor, version, |segment| segments.push(segment));
        let updates: Vec<&RecordBatch> = self.updates.iter().collect();
        segments.iter().try_for_each(|segment| reader.apply(&segment.of(&updates)))?;
        self.forget(cursor);
        Ok(())
    }

    pub(super) fn bytes(&self) -> usize {
        let of = |updates: &RecordBatch| -> usize {
            updates.columns().iter().map(|column| column.to_data().get_slice_memory_size().unwrap_or(0)).sum()
        };
        self.updates.iter().map(of).sum()
    }
}
