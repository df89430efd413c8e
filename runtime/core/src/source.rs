//! The contract of sources: splits, a position per split, and a reader that never blocks for long.

use crate::bad_rows::DeadLetter;
use crate::metrics::Counters;
use crate::place::Place;
use crate::{Epoch, Error, Result, StreamSchema};
use arrow::array::RecordBatch;
use std::sync::Arc;
use std::time::Duration;

/// Something that can be read: files, a generator, a topic.
///
/// # Contract
/// * The splits depend on the source alone, never on parallelism or time: they are the unit in which watermarks are made and
///   lateness is decided. They are listed once a run, in one place; split `i` is read by worker `i mod parallelism`.
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

    /// The splits there are, and where each begins when the job goes on from a checkpoint that had read those of `restored`. Called
    /// in place of [`Source::splits`], before any split is opened. Unless a source knows better, a split is known by its id.
    ///
    /// # Errors
    /// What the checkpoint has not read to its end is no longer there, or is not what it was.
    fn resume(&self, restored: &[RestoredSplit]) -> Result<Vec<SplitStart>> {
        resume_by_id(self.splits()?, restored)
    }

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

    /// The files that it reads, and those that it writes: bad rows, say. A job in which something else writes them is refused before
    /// anything is opened.
    fn places(&self) -> Vec<Place> {
        Vec::new()
    }

    /// Whether several processes can read it; standard input belongs to one.
    fn can_be_read_by_processes(&self) -> bool {
        true
    }

    /// How often to ask whether there are new splits; `None`: they are listed once, at the start.
    fn discovers_every(&self) -> Option<Duration> {
        None
    }

    /// The splits there are now. The first worker asks at the intervals of [`Source::discovers_every`]; it reads those whose ids are
    /// new from their start, from the next epoch on, and each gets the next free rank among all splits of the job. What a new split has
    /// below the watermark at that time is late. A split that is not listed any more is read until its reader ends. This must not
    /// take long: a source that has to wait for an answer does so on a thread of its own, and returns the last answer here.
    ///
    /// # Errors
    /// They cannot be listed.
    fn discover(&self) -> Result<Vec<Split>> {
        self.splits()
    }

    /// Whether its readers are told what is in checkpoints that are complete ([`SourceReader::checkpoint_complete`]). A reader that is
    /// told is kept beyond the end of its split, until a complete checkpoint has that.
    fn is_told_of_checkpoints(&self) -> bool {
        false
    }

    /// Whether its splits are read one after the other, as they are listed, where no watermark says which is furthest behind: files
    /// that end. Otherwise they take turns, because one that does not end would leave nothing for the others.
    fn is_read_in_order(&self) -> bool {
        false
    }

    /// Whether its readers keep rows that they cannot read for [`SourceReader::take_letters`], so that a sink of the job gets them.
    fn gives_letters(&self) -> bool {
        false
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

/// A split as a checkpoint knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoredSplit {
    /// Its name then.
    pub id: String,
    /// What its reader gave as [`SourceReader::position`].
    pub position: Vec<u8>,
    /// Whether it had been read to its end.
    pub ended: bool,
}

/// A split to be read, and where its reading begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitStart {
    /// The split.
    pub split: Split,
    /// The split of the checkpoint whose position (and event time) it goes on from; none: it begins at its start.
    pub goes_on_from: Option<String>,
    /// Whether there is nothing left to read in it.
    pub ended: bool,
}

impl SplitStart {
    /// A split that is read from its start.
    pub fn fresh(split: Split) -> Self {
        Self { split, goes_on_from: None, ended: false }
    }

    /// A split that goes on where the checkpoint's was.
    pub fn after(split: Split, restored: &RestoredSplit) -> Self {
        Self { split, goes_on_from: Some(restored.id.clone()), ended: restored.ended }
    }
}

/// Splits go on from those of the checkpoint with the same id.
///
/// # Errors
/// What the checkpoint has not read to its end is no longer there.
pub fn resume_by_id(splits: Vec<Split>, restored: &[RestoredSplit]) -> Result<Vec<SplitStart>> {
    let is_listed = |of: &RestoredSplit| splits.iter().any(|split| split.id == of.id);
    if let Some(lost) = restored.iter().find(|of| !of.ended && !is_listed(of)) {
        return Err(lost_split(&lost.id));
    }
    let start = |split: Split| match restored.iter().find(|of| of.id == split.id) {
        Some(of) => SplitStart::after(split, of),
        None => SplitStart::fresh(split),
    };
    Ok(splits.into_iter().map(start).collect())
}

/// The error for input that is gone before it was read to its end.
pub fn lost_split(id: &str) -> Error {
    Error::job(format!("{id} is no longer there, and the checkpoint has not read it to its end"))
        .help("bring it back, or start the job afresh with another checkpoint folder")
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

    /// The job goes on, and this split is not where the checkpoint had one of its id: it is a new one, or has a new id. What lies
    /// beside the input (bad rows) may be of another split that had this id, so the reader adds to it. Called before the first
    /// `poll`, behind `seek`.
    ///
    /// # Errors
    /// What is there cannot be read.
    fn keep_what_is_there(&mut self) -> Result<()> {
        Ok(())
    }

    /// A checkpoint is complete in which the split is at `position`: the job never goes back behind that, so it may be forgotten where it
    /// came from. Called in order, for each checkpoint or only for the latest of several; a job that was killed between the two goes on with
    /// [`SourceReader::seek`] to a position of which this holds.
    ///
    /// # Errors
    /// The other side cannot be told; the job ends, and goes on from this checkpoint.
    fn checkpoint_complete(&mut self, _epoch: Epoch, _position: &[u8]) -> Result<()> {
        Ok(())
    }

    /// Nothing more will be asked: the split has ended, or the job has. Not called when the job fails.
    ///
    /// # Errors
    /// As [`SourceReader::checkpoint_complete`].
    fn close(&mut self) -> Result<()> {
        Ok(())
    }

    /// Rows of the batch that `poll` gave last cannot be used: deals with them as with rows that it cannot read. Unless a reader has a
    /// policy for those, they are an error.
    ///
    /// # Errors
    /// The policy is to fail.
    fn refuse(&mut self, _rows: &RecordBatch, bad: &[BadRow]) -> Result<()> {
        bad.first().map_or(Ok(()), |bad| {
            let BadRow { column, value, reason, .. } = bad;
            Err(Error::data(format!("column '{column}': {value}: {reason}"))
                .help("mend the row, or choose a connector that can leave it out"))
        })
    }

    /// The rows that could not be read since the last call, of a source that [gives letters](Source::gives_letters). Called behind each
    /// `poll` and each `refuse`.
    fn take_letters(&mut self) -> Vec<DeadLetter> {
        Vec::new()
    }

    /// Where a row of the batch that `poll` gave last stands, for messages: `line 3`.
    fn place_of(&self, _row: usize) -> Option<String> {
        None
    }
}

/// A row that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRow {
    /// Its number in the batch.
    pub row: usize,
    /// The column that is wrong.
    pub column: String,
    /// What stands there.
    pub value: String,
    /// What is wrong.
    pub reason: String,
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
