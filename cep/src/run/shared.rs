//! Rows that several patterns share, and the times of rows.

use arrow::array::RecordBatch;
use egret_core::key::RowKeys;

/// The times of the rows of a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) enum RowTimes<'a> {
    /// Each row has its own time.
    Own(&'a [i64]),
    /// All rows have this time.
    Now(i64),
}

impl RowTimes<'_> {
    #[inline]
    pub(super) fn of(self, row: usize) -> i64 {
        match self {
            Self::Own(times) => times[row],
            Self::Now(now) => now,
        }
    }
}

/// Rows that several patterns share.
pub(crate) struct Shared<'a> {
    /// The columns that a pattern stores.
    pub(crate) stored: RecordBatch,
    /// The pattern's masks: rows that the pattern processes have the bit of any row in their first word.
    pub(crate) masks: Vec<Vec<u64>>,
    pub(crate) keys: &'a RowKeys,
    pub(crate) times: RowTimes<'a>,
}
