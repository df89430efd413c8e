//! Count windows: one for every so many rows of a key.

use super::emit::{Bounds, Results, emit, whole_millis};
use super::groups::Prepared;
use super::snapshot::KeyedRows;
use super::spans::Spans;
use super::spec::Plan;
use arrow::array::RecordBatch;
use egret_core::MILLI;
use egret_core::{EventTime, Result, StateSize};
use std::sync::Arc;

/// The count windows that are being filled, at most one for each key.
pub(super) struct Counts {
    plan: Arc<Plan>,
    rows: u64,
    spans: Spans,
}

impl Counts {
    pub(super) fn new(plan: Arc<Plan>, rows: u64) -> Result<Self> {
        let spans = Spans::new(Arc::clone(&plan))?;
        Ok(Self { plan, rows, spans })
    }

    /// Adds rows in their order, and sends the windows that they complete. `times` is `None` for a stream without event time.
    pub(super) fn add(&mut self, rows: &Prepared, times: Option<&[i64]>, out: &mut Results) -> Result<()> {
        let keys = self.spans.number_keys(&rows.keys, rows.rows)?;
        let mut groups = Vec::with_capacity(rows.rows);
        let mut full = Vec::new();
        for (row, &key) in keys.iter().enumerate() {
            let time = times.map_or(0, |times| times[row]);
            let filling = self.spans.of_key(key).next();
            let span = filling.unwrap_or_else(|| self.spans.create(key, time));
            groups.push(self.spans.extend(span, time));
            if self.spans.get(span).rows == self.rows {
                self.spans.unlink(span);
                full.push(span);
            }
        }
        self.spans.update(&rows.arguments, &groups)?;
        self.send(&mut full, out)
    }

    fn send(&mut self, full: &mut Vec<u32>, out: &mut Results) -> Result<()> {
        if full.is_empty() {
            return Ok(());
        }
        let (keys, results) = self.spans.evaluate(full)?;
        let starts = full.iter().map(|&span| self.spans.get(span).start).collect();
        let ends = full.iter().map(|&span| end_behind(self.spans.get(span).last)).collect();
        emit(&self.plan, keys, Bounds::Each { starts, ends }, results, None, out)?;
        full.iter().for_each(|&span| self.spans.remove(span));
        if self.spans.is_mostly_gone() {
            self.spans.rebuild()?;
        }
        Ok(())
    }

    /// The number of rows in windows that are not full.
    pub(super) fn rows_waiting(&self) -> u64 {
        self.spans.alive().map(|span| span.rows).sum()
    }

    pub(super) fn size(&self) -> StateSize {
        self.spans.size()
    }

    pub(super) fn snapshot(&mut self) -> Result<Option<KeyedRows>> {
        self.spans.snapshot()
    }

    pub(super) fn restore(&mut self, rows: &RecordBatch) -> Result<()> {
        self.spans.restore(rows)?;
        Ok(())
    }
}

/// The end of a window whose last row is at this time: the start of the next millisecond.
fn end_behind(last: i64) -> i64 {
    whole_millis(EventTime(last)).0.saturating_add(MILLI)
}
