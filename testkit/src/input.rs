//! The input of a case: splits of rows in order of arrival, the late rows among them, and the watermark after each row.

use crate::table::Table;
use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use egret_core::batch::micros;
use egret_core::job::Partitioning;
use egret_core::{EventTime, KeyColumns, SplitWatermark, StreamSchema, WatermarkStrategy};
use std::sync::Arc;
use std::time::Duration;

/// One input of an operator: its splits, and how their rows reach the instances.
///
/// Lateness is decided here, row by row in each split, as the contract says; so it does not depend on batching. Not every
/// watermark must be sent, but those that are sent are the ones computed here.
#[derive(Clone)]
pub struct Input {
    pub(crate) schema: StreamSchema,
    pub(crate) partitioning: Partitioning,
    pub(crate) splits: Vec<InputSplit>,
    delay_us: i64,
    pending: Vec<(RecordBatch, bool)>,
}

/// Rows in order of arrival.
#[derive(Clone)]
pub(crate) struct InputSplit {
    pub(crate) rows: RecordBatch,
    /// The watermark a row was behind, if it is late.
    pub(crate) late: Vec<Option<EventTime>>,
    /// The split's watermark after each row.
    pub(crate) watermark: Vec<EventTime>,
    /// Whether the split becomes idle after its last row, before the input ends.
    pub(crate) idle: bool,
}

impl Input {
    /// An input without rows, gathered in one instance.
    pub fn new(schema: &StreamSchema) -> Self {
        let (splits, pending) = (Vec::new(), Vec::new());
        Self { schema: schema.clone(), partitioning: Partitioning::Gather, splits, delay_us: 0, pending }
    }

    /// An input with the rows of a table as its only split, gathered in one instance.
    pub fn of(table: &Table) -> Self {
        Self::new(&table.schema).split(table.rows.clone())
    }

    /// Sends rows to instances by the key group of these columns.
    ///
    /// # Panics
    /// There is no such column.
    #[must_use]
    pub fn keyed_by(mut self, columns: &[&str]) -> Self {
        let index = |name: &&str| self.schema.index_of(name).unwrap_or_else(|error| panic!("{error}"));
        self.partitioning = Partitioning::Hash(KeyColumns::new(columns.iter().map(index).collect()));
        self
    }

    /// Sets the partitioning.
    #[must_use]
    pub fn partitioned(mut self, partitioning: Partitioning) -> Self {
        self.partitioning = partitioning;
        self
    }

    /// How far rows may be out of order without being late; the default is 0.
    #[must_use]
    pub fn out_of_order_by(mut self, delay_us: i64) -> Self {
        self.delay_us = delay_us;
        self
    }

    /// Adds a split: rows in order of arrival.
    #[must_use]
    pub fn split(mut self, rows: RecordBatch) -> Self {
        self.pending.push((rows, false));
        self
    }

    /// Adds a split that becomes idle after its last row (or has none).
    #[must_use]
    pub fn idle_split(mut self, rows: RecordBatch) -> Self {
        self.pending.push((rows, true));
        self
    }

    /// Adds a split with watermarks of its own: rows, and the watermark after them. A row is late if it is behind the watermark
    /// before it.
    ///
    /// The rows do not have the columns of this input.
    /// The rows are not of this input.
    #[must_use]
    pub fn scripted_split(mut self, parts: &[(RecordBatch, i64)]) -> Self {
        let rows = concat_batches(self.schema.arrow(), parts.iter().map(|(rows, _)| rows)).expect("the rows are of this input");
        let (mut late, mut watermark, mut current) = (Vec::new(), Vec::new(), EventTime::MIN);
        for (rows, behind) in parts {
            let times = times(&self.schema, rows);
            late.extend(times.iter().map(|&time| (time < current.0).then_some(current)));
            watermark.extend(times.iter().map(|_| current));
            current = current.max(EventTime(*behind));
            watermark.last_mut().into_iter().for_each(|last| *last = current);
        }
        self.splits.push(InputSplit { rows, late, watermark, idle: false });
        self
    }

    /// The input, with lateness and watermarks computed for all splits.
    pub(crate) fn finished(&self) -> Self {
        let mut done = self.clone();
        for (rows, idle) in done.pending.drain(..) {
            done.splits.push(InputSplit::new(&self.schema, rows, self.delay_us, idle));
        }
        done
    }
}

fn times(schema: &StreamSchema, rows: &RecordBatch) -> Vec<i64> {
    let column = schema.event_time().expect("watermarks need event time");
    micros(rows.column(column)).to_vec()
}

impl InputSplit {
    /// The least watermark that would make a row from this one on late, now or later; the end of time if there is none.
    pub(crate) fn bound_from(&self, schema: &StreamSchema, row: usize) -> EventTime {
        let times = schema.event_time().map(|_| times(schema, &self.rows)).unwrap_or_default();
        let bounds = times.iter().zip(&self.late).skip(row).map(|(&time, late)| late.unwrap_or(EventTime(time)));
        bounds.min().unwrap_or(EventTime::MAX)
    }

    fn new(schema: &StreamSchema, rows: RecordBatch, delay_us: i64, idle: bool) -> Self {
        assert_eq!(rows.schema().fields(), schema.arrow().fields(), "the rows of a split have other columns than their input");
        let (mut late, mut watermark) = (vec![None; rows.num_rows()], vec![EventTime::MIN; rows.num_rows()]);
        if let Some(column) = schema.event_time() {
            let delay = Duration::from_micros(delay_us.try_into().expect("a delay is not negative"));
            let mut maker = SplitWatermark::new(&WatermarkStrategy::bounded_out_of_orderness(delay));
            for row in 0..rows.num_rows() {
                maker.split(rows.slice(row, 1), column, |batch| late[row] = batch.late()).expect("one row can be cut");
                watermark[row] = maker.current();
            }
        }
        Self {
            rows: RecordBatch::try_new(Arc::clone(schema.arrow()), rows.columns().to_vec()).expect("same columns"),
            late,
            watermark,
            idle,
        }
    }
}
