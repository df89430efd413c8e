//! The contract of sources: splits, a position per split, and a reader that never blocks for long.

use crate::metrics::Counters;
use crate::{Result, StreamSchema};
use arrow::array::RecordBatch;
use std::sync::Arc;
use std::time::Duration;

/// Something that can be read: files, a generator, a topic.
///
/// # Contract
/// * The splits depend on the source alone, never on parallelism or time: they are the unit in which watermarks are made and
///   lateness is decided. Split `i` is read by worker `i mod parallelism`.
/// * A reader gives the same rows in the same order every time, from the position it was sought to.
pub trait Source: Send + Sync {
    /// The columns.
    fn schema(&self) -> &StreamSchema;

    /// Whether the input ends by itself.
    fn is_bounded(&self) -> bool;

    /// The splits there are.
    ///
    /// # Errors
    /// They cannot be listed: a folder is missing, say.
    fn splits(&self) -> Result<Vec<Split>>;

    /// A reader of one split that gives only `columns` (indexes into the schema, ascending).
    ///
    /// # Errors
    /// The split cannot be opened.
    fn open(&self, split: &Split, columns: &[usize], counters: &Arc<Counters>) -> Result<Box<dyn SourceReader>>;

    /// What the positions of its splits depend on, by name of the fact, as canonical text: `format` is `csv`. A checkpoint of a job
    /// where any of it differs is refused, with what differs.
    fn state_layout(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    /// Whether several processes can read it; standard input belongs to one.
    fn can_be_read_by_processes(&self) -> bool {
        true
    }

    /// What `explain` says about it.
    fn describe(&self) -> String;
}

/// A part of a source that one reader reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// Names the split, in messages and in checkpoints: a path, a partition.
    pub id: String,
}

/// Reads one split.
pub trait SourceReader {
    /// The next rows, at most about `rows_max` (a row group or a block may be a little more).
    ///
    /// # Errors
    /// A row is bad and the policy is to fail; the file cannot be read.
    fn poll(&mut self, rows_max: usize) -> Result<Poll>;

    /// Where the next `poll` continues, for a checkpoint.
    fn position(&self) -> Vec<u8>;

    /// Continues at a position that [`SourceReader::position`] gave.
    ///
    /// # Errors
    /// The position is not one of this split's.
    fn seek(&mut self, position: &[u8]) -> Result<()>;
}

/// What a reader has.
#[derive(Debug)]
pub enum Poll {
    /// Rows with the columns asked for.
    Rows(RecordBatch),
    /// Nothing now; ask again after this long.
    Pending(Duration),
    /// Nothing ever again.
    End,
}
