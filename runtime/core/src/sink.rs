//! The contract of sinks: write, prepare, commit.

use crate::metrics::Counters;
use crate::place::Place;
use crate::{Batch, Epoch, Readiness, Result, Step, StreamSchema};
use std::sync::Arc;

/// Something that can be written.
pub trait Sink: Send + Sync {
    /// A writer for one worker. `schema` is the stream's.
    ///
    /// # Errors
    /// The target cannot be written: a folder is missing or not writable.
    fn open(&self, schema: &StreamSchema, ctx: &SinkContext) -> Result<Box<dyn SinkWriter>>;

    /// Makes visible what the checkpoint that the job goes on from has prepared, and ends what dead attempts left open behind it.
    /// Called once in each attempt of a job with checkpoints, in its first process, before any writer is opened anywhere. `ctx` is that of
    /// the first writer, and its attempt says of which job, which attempt and which checkpoint; `committables` are those of all writers,
    /// empty where the job begins. It may be called again with the same ones, by the next attempt, and then succeeds again.
    ///
    /// A sink whose commits stand for themselves, such as files that are renamed, need not say more than how to open a writer.
    ///
    /// # Errors
    /// What was prepared is lost, or the target cannot be reached.
    fn recover(&self, schema: &StreamSchema, ctx: &SinkContext, committables: &[Committable]) -> Result<()> {
        if committables.is_empty() {
            return Ok(());
        }
        let mut writer = self.open(schema, ctx)?;
        writer.commit(committables)?;
        writer.abort();
        Ok(())
    }

    /// The files and folders that it writes. A job in which something else reads or writes them is refused before anything is opened.
    fn places(&self) -> Vec<Place> {
        Vec::new()
    }

    /// What its committables, and what it has published, depend on, by name of the fact, as canonical text: `format` is `csv`. A
    /// checkpoint of a job where any of it differs is refused, with what differs. Its columns are known without.
    fn state_layout(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    /// Whether it knows that a row of a stream of changes may be taken back: see [`crate::weight`].
    fn takes_weights(&self) -> bool {
        false
    }

    /// Whether all rows go to one writer.
    fn wants_one_writer(&self) -> bool {
        false
    }

    /// What `explain` says about it.
    fn describe(&self) -> String;
}

/// Who a writer is.
#[derive(Clone, Debug)]
pub struct SinkContext {
    /// This writer's number, below `parallelism`.
    pub instance: usize,
    /// How many writers there are.
    pub parallelism: usize,
    /// Which sink of the job it is: the same in every attempt, also after changes of the job that keep the sink.
    pub uid: Arc<str>,
    /// Whether the job runs until it is stopped: what waits for the end of such a job would be seen by nobody.
    pub unbounded: bool,
    /// The sink's counters, shown in the summary.
    pub counters: Arc<Counters>,
    /// Where the job has checkpoints: the attempt that the writer belongs to.
    pub attempt: Option<SinkAttempt>,
}

/// One of the attempts, from start or restore to failure or end, at running a job that has checkpoints.
#[derive(Clone, Debug)]
pub struct SinkAttempt {
    /// The job's name.
    pub job: Arc<str>,
    /// Which checkpoints these are: 16 hexadecimal digits, different for each folder.
    pub checkpoints: Arc<str>,
    /// The number of the attempt; grows.
    pub number: u64,
    /// The checkpoint that the job goes on from, if there is one.
    pub restored: Option<u64>,
    /// What that checkpoint had to publish, of all writers of the sink. [`Sink::recover`] has published it before a writer is opened; a
    /// writer knows by it where it goes on.
    pub committables: Vec<Committable>,
    /// Whether the user accepts that what was published after that checkpoint is published again.
    pub may_repeat: bool,
}

impl SinkAttempt {
    /// The first attempt, at the start of a job.
    pub fn new(checkpoints: &str) -> Self {
        let (job, committables) = (Arc::from(""), Vec::new());
        Self { job, checkpoints: checkpoints.into(), number: 1, restored: None, committables, may_repeat: false }
    }
}

impl SinkContext {
    /// Writer `instance` of `parallelism`, with counters of its own.
    pub fn new(instance: usize, parallelism: usize) -> Self {
        Self { instance, parallelism, uid: "".into(), unbounded: false, counters: Arc::default(), attempt: None }
    }
}

/// Writes one worker's rows.
///
/// # Contract
/// `write` any number of times, then `prepare(epoch)`, then `commit` of what it returned; where there are checkpoints the last time
/// `finish(epoch)` in place of `prepare`. What was written becomes visible
/// with the commit, whole, or not at all. A `commit` may be called twice with the same committable, by this writer or by that of a
/// later attempt. Where there are checkpoints nothing tells a writer that its attempt is over: the next one finds what it left, and
/// of that only what its checkpoint names ([`SinkAttempt::committables`]) may become visible. `abort` gives up what was not committed.
///
/// No call waits for what is outside: a writer that would have to says so in `poll_ready`, and is asked again. Before each `write`,
/// `prepare`, `finish`, and the end, the engine asks until it is ready for that. Meanwhile rows wait in the job, which reads no more than
/// it may have in flight, and other operators go on.
pub trait SinkWriter {
    /// Whether it can do this step now without waiting. Where it cannot, asking is what begins it, or takes it further: a writer that
    /// is asked for [`Step::Prepare`] sends what it still holds. Files are always ready.
    ///
    /// # Errors
    /// As [`SinkWriter::write`]; and what it waits for does not come.
    fn poll_ready(&mut self, _step: Step) -> Result<Readiness> {
        Ok(Readiness::Ready)
    }

    /// Takes rows.
    ///
    /// # Errors
    /// The disk is full, say; the job ends.
    fn write(&mut self, batch: &Batch) -> Result<()>;

    /// Everything written so far is made ready; returns what `commit` needs.
    ///
    /// # Errors
    /// As [`SinkWriter::write`].
    fn prepare(&mut self, epoch: Epoch) -> Result<Vec<Committable>>;

    /// As [`SinkWriter::prepare`], when the input of a job with checkpoints is at its end: no more rows come, in no attempt, once the
    /// checkpoint is complete.
    ///
    /// # Errors
    /// As [`SinkWriter::write`].
    fn finish(&mut self, epoch: Epoch) -> Result<Vec<Committable>> {
        self.prepare(epoch)
    }

    /// Makes it visible. A writer that needs an answer for that may only ask here: it has its answer when it is ready for the next
    /// [`Step::Prepare`], or for [`Step::End`].
    ///
    /// # Errors
    /// As [`SinkWriter::write`].
    fn commit(&mut self, committables: &[Committable]) -> Result<()>;

    /// The job failed: removes what was not committed, as far as that is possible.
    fn abort(&mut self) {}

    /// Called from time to time: a terminal or a pipe shows what it holds; a sink of a job without end shows what is complete.
    ///
    /// # Errors
    /// As [`SinkWriter::write`].
    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

/// What a sink needs to commit an epoch: opaque bytes, kept in the checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committable(pub Vec<u8>);
