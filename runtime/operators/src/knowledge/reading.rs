//! Input of a [`KnowledgeReader`](super::KnowledgeReader): batches of rows cut into parts, and the updates to apply before each
//! part.

use arrow::array::{Array, ArrayRef, RecordBatch};
use egret_core::Result;
use std::ops::Range;

/// A range of rows of one of several batches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The number of the batch.
    pub batch: usize,
    /// The rows in it.
    pub rows: Range<usize>,
}

impl Segment {
    /// The rows themselves.
    pub fn of(&self, batches: &[&RecordBatch]) -> RecordBatch {
        let batch = batches[self.batch];
        if self.rows.len() == batch.num_rows() { batch.clone() } else { batch.slice(self.rows.start, self.rows.len()) }
    }
}

/// Rows that read one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Rows of one of [`Reading::batches`].
    pub rows: Segment,
    /// Where its updates are among the segments of [`Reading`].
    pub(super) updates: Range<usize>,
}

/// Batches to answer, part by part.
///
/// # Contract
/// The parts of one batch follow each other and cover it. Every part's updates come after those of the parts before it.
#[derive(Debug)]
pub struct Reading<'a> {
    /// The rows.
    pub batches: Vec<&'a RecordBatch>,
    /// The batches of updates; the updates of a part are segments of these.
    pub updates: Vec<&'a RecordBatch>,
    /// The parts, in order of version.
    pub parts: Vec<Part>,
    pub(super) segments: Vec<Segment>,
}

impl Reading<'_> {
    /// The updates to apply before a part is answered, segments of [`Reading::updates`].
    pub fn updates_before(&self, part: &Part) -> &[Segment] {
        &self.segments[part.updates.clone()]
    }
}

/// Gathers the columns of every batch from the answers to its parts.
pub(super) struct Answers(Vec<Vec<Vec<ArrayRef>>>);

impl Answers {
    pub(super) fn new(batches: usize) -> Self {
        Self(vec![Vec::new(); batches])
    }

    pub(super) fn add(&mut self, batch: usize, columns: Vec<ArrayRef>) {
        self.0[batch].push(columns);
    }

    pub(super) fn into_columns(self) -> Result<Vec<Vec<ArrayRef>>> {
        self.0.into_iter().map(concat_parts).collect()
    }
}

fn concat_parts(mut parts: Vec<Vec<ArrayRef>>) -> Result<Vec<ArrayRef>> {
    if parts.len() == 1 {
        return Ok(parts.remove(0));
    }
    let columns = parts.first().map_or(0, Vec::len);
    (0..columns)
        .map(|column| {
            let pieces: Vec<&dyn Array> = parts.iter().map(|part| part[column].as_ref()).collect();
            Ok(arrow::compute::concat(&pieces)?)
        })
        .collect()
}
