//! Knowledge: something that changes with event time and that rows are read against, on every worker: a model's weights, a
//! graph's answers.
//!
//! Who makes the knowledge (a learner, a graph operator) runs as one instance, works in event-time order in *steps* of
//! event time, and emits *updates*, which are broadcast. Who reads it is a [`KnowledgeReader`]: one replica an instance,
//! inside a [`KnowledgeJoin`], which applies the updates and adds the reader's columns to the rows.
//!
//! # Contract
//! * A row at event time `t` has version `floor(t / step) * step` and reads exactly the updates with `version_time` below
//!   its version. So what it reads depends on the input alone, never on batching, parallelism, speed or restarts.
//! * The update for the step `[k, k + step)` has `version_time = k`. Before the maker forwards a watermark `w` it has
//!   emitted every update with `version_time + step <= w`, and it forwards `floor(w / step) * step`, as updates still to come
//!   may have that `version_time`. [`MakerSteps`] holds the arithmetic.
//! * Updates of one maker are applied in order of `version_time`, those of one `version_time` in the order they were emitted.
//! * A late row reads as of the watermark it was behind, which depends on the input alone too, and stays late.

use crate::batch::append_columns;
use crate::operator::{Context, Operator, OperatorFactory, OperatorInfo, Snapshot, StateSize};
use crate::{Batch, Epoch, Error, EventTime, Result, StreamSchema, ipc};
use arrow::array::{ArrayRef, RecordBatch, UInt32Array};
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;

/// The name of the event-time column of a stream of updates.
pub const VERSION_TIME: &str = "version_time";

/// The step of event time unless the job says otherwise.
pub const DEFAULT_STEP_MS: i64 = 1_000;

/// One replica of something that changes with event time.
pub trait KnowledgeReader {
    /// Applies updates: rows in order of `version_time`, of one or several versions.
    ///
    /// # Errors
    /// They do not decode.
    fn apply(&mut self, updates: &RecordBatch) -> Result<()>;

    /// The columns to add to these rows, each as long as the rows. A row's answer depends on the row and the replica alone.
    ///
    /// # Errors
    /// The rows cannot be read.
    fn enrich(&mut self, rows: &RecordBatch) -> Result<Vec<ArrayRef>>;

    /// The replica as bytes.
    ///
    /// # Errors
    /// It cannot be encoded.
    fn snapshot(&self) -> Result<Vec<u8>>;

    /// Takes up what [`KnowledgeReader::snapshot`] gave.
    ///
    /// # Errors
    /// It does not decode.
    fn restore(&mut self, state: &[u8]) -> Result<()>;

    /// How much state there is.
    fn state_size(&self) -> StateSize;

    /// What the reader counted since it was asked last, for the operator's counters.
    fn take_counts(&mut self) -> Vec<(&'static str, i64)> {
        Vec::new()
    }
}

/// The arithmetic of who makes knowledge: which steps are complete at a watermark.
///
/// ```
/// use egret_core::{EventTime, knowledge::MakerSteps};
/// let steps = MakerSteps::new(1_000)?;
/// assert_eq!(steps.of(EventTime(2_345)), EventTime(2_000));
/// assert_eq!(steps.complete_below(EventTime(2_999)), EventTime(2_000)); // rows with time < 2000 can be worked off
/// assert_eq!(steps.output_watermark(EventTime(2_999)), EventTime(2_000)); // the step from 2000 is still to come
/// # Ok::<(), egret_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MakerSteps {
    step_ms: i64,
}

impl MakerSteps {
    /// Steps of this length.
    ///
    /// # Errors
    /// It is not positive.
    pub fn new(step_ms: i64) -> Result<Self> {
        if step_ms <= 0 {
            return Err(Error::job(format!("a version step of {step_ms} ms")).help("use a positive interval, such as '1' SECOND"));
        }
        Ok(Self { step_ms })
    }

    /// The length of a step.
    pub fn step_ms(self) -> i64 {
        self.step_ms
    }

    /// The step that a time lies in, by its start: the `version_time` of an update made of this time, the version that a row
    /// of this time reads.
    pub fn of(self, time: EventTime) -> EventTime {
        time.floor_to(self.step_ms)
    }

    /// Everything with event time below this is in a complete step. `MAX` when the input has ended: then everything is,
    /// events at `MAX` too.
    pub fn complete_below(self, watermark: EventTime) -> EventTime {
        watermark.floor_to(self.step_ms)
    }

    /// What the maker forwards once it has emitted the updates of the complete steps.
    pub fn output_watermark(self, watermark: EventTime) -> EventTime {
        watermark.floor_to(self.step_ms)
    }
}

/// The operator that reads knowledge. Input 0: rows with event time. Input 1: updates, event time being `version_time`.
/// Output: the rows with the reader's columns behind.
///
/// A row is held until both inputs' watermarks have reached its version; then all updates it may read are here, and all rows
/// that must be answered before the next updates are applied. Output rows are in no particular order.
///
/// ```
/// use egret_core::knowledge::{KnowledgeJoin, KnowledgeReader, VERSION_TIME};
/// use egret_core::metrics::Counters;
/// use egret_core::{Batch, Context, EventTime, NoState, Operator, OperatorInfo, Result, StateSize, StreamSchema};
/// use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, TimestampMillisecondArray};
/// use arrow::datatypes::{DataType, Field, Int64Type};
/// use std::sync::Arc;
///
/// /// The sum of all updates.
/// struct Sum(i64);
/// impl KnowledgeReader for Sum {
///     fn apply(&mut self, updates: &RecordBatch) -> Result<()> {
///         self.0 += updates.column(1).as_primitive::<Int64Type>().values().iter().sum::<i64>();
///         Ok(())
///     }
///     fn enrich(&mut self, rows: &RecordBatch) -> Result<Vec<ArrayRef>> {
///         Ok(vec![Arc::new(Int64Array::from(vec![self.0; rows.num_rows()]))])
///     }
///     fn snapshot(&self) -> Result<Vec<u8>> { Ok(self.0.to_le_bytes().to_vec()) }
///     fn restore(&mut self, state: &[u8]) -> Result<()> {
///         self.0 = i64::from_le_bytes(state.try_into().expect("8 bytes"));
///         Ok(())
///     }
///     fn state_size(&self) -> StateSize { StateSize { keys: 1, bytes: 8 } }
/// }
///
/// let output = StreamSchema::new(vec![StreamSchema::time_field("at"), Field::new("sum", DataType::Int64, false)], Some("at"))?;
/// let info = OperatorInfo::alone("sum");
/// let mut join = KnowledgeJoin::new(Box::new(Sum(0)), output, 1_000, &info)?;
///
/// let at = |times: &[i64]| Arc::new(TimestampMillisecondArray::from(times.to_vec())) as ArrayRef;
/// let rows = RecordBatch::try_from_iter([("at", at(&[1_500, 2_100]))])?;
/// let updates = RecordBatch::try_from_iter([(VERSION_TIME, at(&[0, 1_000])), ("delta", Arc::new(Int64Array::from(vec![5, 7])))])?;
///
/// let (counters, mut state, mut wake, mut output) = (Counters::default(), NoState, None, Vec::new());
/// let mut ctx = Context::new(&mut output, &info, &counters, &mut state, &mut wake, EventTime::MIN, 0);
/// join.process(0, Batch::from_parts(rows, Some(0), None), &mut ctx)?;
/// join.process(1, Batch::from_parts(updates, Some(0), None), &mut ctx)?;
/// join.on_watermark(EventTime::MAX, &mut ctx)?;
/// let sums = output[0].1.column(1).as_primitive::<Int64Type>().values().to_vec();
/// assert_eq!(sums, [5, 12]); // the row at 1.5 s reads what was made of the time before 1 s, the one at 2.1 s what was before 2 s
/// # Ok::<(), egret_core::Error>(())
/// ```
pub struct KnowledgeJoin {
    reader: Box<dyn KnowledgeReader>,
    output: StreamSchema,
    event_time: usize,
    steps: MakerSteps,
    instance: usize,
    parallelism: usize,
    held: Vec<Held>,
    pending: Pending,
    watermarks: [EventTime; 2],
}

impl KnowledgeJoin {
    /// A join. `output` is the rows' schema and the reader's columns behind; `info` is the instance's.
    ///
    /// # Errors
    /// The rows have no event time, or the step is not positive.
    pub fn new(reader: Box<dyn KnowledgeReader>, output: StreamSchema, step_ms: i64, info: &OperatorInfo) -> Result<Self> {
        let event_time = output.event_time().ok_or_else(|| {
            Error::job("rows without event time cannot read a model or a graph: they change with event time")
                .help("declare WATERMARK FOR a column of the stream")
        })?;
        Ok(Self {
            reader,
            output,
            event_time,
            steps: MakerSteps::new(step_ms)?,
            instance: info.instance,
            parallelism: info.parallelism,
            held: Vec::new(),
            pending: Pending::default(),
            watermarks: [EventTime::MIN; 2],
        })
    }

    /// The newest version whose rows and updates are all here; rows of this version and of older ones can go.
    fn ready_version(&self) -> EventTime {
        self.steps.of(self.watermarks[0].min(self.watermarks[1]))
    }

    fn advance(&mut self, input: usize, watermark: EventTime) {
        self.watermarks[input] = self.watermarks[input].max(watermark);
    }

    /// Answers and emits every row that can go, applies every update that no later row must miss.
    fn release(&mut self, ctx: &mut Context<'_>) -> Result<()> {
        let ready = self.ready_version();
        if ready == EventTime::MIN {
            return Ok(());
        }
        let mut going: Vec<Answered> = Vec::new();
        let steps = self.steps;
        self.held.retain_mut(|held| match held.take_through(ready, steps) {
            Some(rows) => {
                going.push(Answered { rows, position: 0, columns: Vec::new() });
                held.len() > 0
            }
            None => true,
        });
        self.answer(&mut going)?;
        for answered in going {
            ctx.emit(answered.into_batch(&self.output)?);
        }
        self.pending.apply_below(ready, self.reader.as_mut())?;
        for (name, count) in self.reader.take_counts() {
            ctx.counters().add_named(name, count);
        }
        Ok(())
    }

    /// Walks the batches in order of version, applying updates between.
    fn answer(&mut self, going: &mut [Answered]) -> Result<()> {
        let mut next: BinaryHeap<Reverse<(i64, usize)>> =
            going.iter().enumerate().map(|(index, answered)| Reverse((answered.rows.time(0), index))).collect();
        while let Some(Reverse((time, index))) = next.pop() {
            self.pending.apply_below(self.steps.of(EventTime(time)), self.reader.as_mut())?;
            let same_until = self.pending.first_version().unwrap_or(EventTime::MAX);
            let answered = &mut going[index];
            let end = answered.rows.end_of_version(answered.position, same_until, self.steps);
            let part = answered.rows.batch.rows().slice(answered.position, end - answered.position);
            answered.columns.push(self.reader.enrich(&part)?);
            answered.position = end;
            if end < answered.rows.len() {
                next.push(Reverse((answered.rows.time(end), index)));
            }
        }
        Ok(())
    }

    fn hold(&mut self, batch: Batch) -> Result<()> {
        if batch.num_rows() > 0 {
            self.held.push(Held::new(batch)?);
        }
        Ok(())
    }
}

impl Operator for KnowledgeJoin {
    fn process(&mut self, input: usize, batch: Batch, ctx: &mut Context<'_>) -> Result<()> {
        if input == 1 {
            let missed = self.pending.push(&batch)?;
            if missed > 0 {
                ctx.counters().add_named("updates that came after their version was read", missed as i64);
            }
            return Ok(());
        }
        let ready = self.ready_version();
        self.hold(batch)?;
        let goes_now = self.held.last().is_some_and(|held| self.steps.of(EventTime(held.time(0))) <= ready);
        if goes_now { self.release(ctx) } else { Ok(()) }
    }

    fn on_input_watermark(&mut self, input: usize, watermark: EventTime, ctx: &mut Context<'_>) -> Result<()> {
        self.advance(input, watermark);
        self.release(ctx)
    }

    fn on_watermark(&mut self, watermark: EventTime, ctx: &mut Context<'_>) -> Result<()> {
        self.advance(0, watermark);
        self.advance(1, watermark);
        self.release(ctx)
    }

    fn output_watermark(&self, input: EventTime) -> EventTime {
        self.held.iter().map(|held| EventTime(held.time(0))).min().map_or(input, |least| least.min(input))
    }

    fn snapshot(&mut self, _epoch: Epoch) -> Result<Snapshot> {
        let saved = Saved {
            instance: self.instance as u64,
            applied: self.pending.applied.0,
            reader: self.reader.snapshot()?,
            held: self
                .held
                .iter()
                .map(|held| Ok((held.batch.late().map(|late| late.0), ipc::encode_rows([held.batch.rows()])?)))
                .collect::<Result<_>>()?,
            version_column: self.pending.column.map(|column| column as u64),
            updates: ipc::encode_rows(self.pending.updates.iter())?,
        };
        Ok(Snapshot { keyed: Vec::new(), operator: vec![postcard::to_extend(&saved, vec![SAVED_VERSION])?] })
    }

    fn restore(&mut self, parts: Vec<Snapshot>) -> Result<()> {
        let saved = parts.iter().flat_map(|part| &part.operator).map(|bytes| Saved::decode(bytes)).collect::<Result<Vec<_>>>()?;
        // Every instance got the same updates, but some had applied more of them. The one that had applied least still has
        // the others pending, and no instance holds rows older than what it had applied.
        let Some(least) = saved.iter().min_by_key(|saved| (saved.applied, saved.instance)) else { return Ok(()) };
        self.reader.restore(&least.reader)?;
        self.pending = Pending {
            updates: ipc::decode_rows(&least.updates)?.into(),
            column: least.version_column.map(|column| column as usize),
            applied: EventTime(least.applied),
        };
        let (parallelism, instance) = (self.parallelism as u64, self.instance as u64);
        for part in saved.iter().filter(|part| part.instance % parallelism == instance) {
            for (late, bytes) in &part.held {
                for rows in ipc::decode_rows(bytes)? {
                    self.hold(Batch::from_parts(rows, Some(self.event_time), late.map(EventTime)))?;
                }
            }
        }
        Ok(())
    }

    fn state_size(&self) -> StateSize {
        let reader = self.reader.state_size();
        let held: usize = self.held.iter().map(|held| held.bytes).sum();
        StateSize { keys: reader.keys, bytes: reader.bytes + (held + self.pending.bytes()) as u64 }
    }
}

/// Rows of one batch, in order of time, that wait for their version.
struct Held {
    batch: Batch,
    bytes: usize,
}

impl Held {
    fn new(batch: Batch) -> Result<Self> {
        let Some(times) = batch.event_times() else { return Err(Error::bug("rows without event time came to a knowledge join")) };
        let batch = if batch.late().is_some() || times.is_sorted() { batch } else { sort_by_time(&batch)? };
        Ok(Self { bytes: batch.size_bytes(), batch })
    }

    fn len(&self) -> usize {
        self.batch.num_rows()
    }

    /// The time that decides what a row reads.
    fn time(&self, row: usize) -> i64 {
        match self.batch.late() {
            Some(late) => late.0,
            None => self.batch.event_times().expect("checked by Held::new")[row],
        }
    }

    /// The end of the rows from `start` whose version is at most `version`.
    fn end_of_version(&self, start: usize, version: EventTime, steps: MakerSteps) -> usize {
        let within = |time: i64| steps.of(EventTime(time)) <= version;
        match self.batch.late() {
            Some(late) if within(late.0) => self.len(),
            Some(_) => start,
            None => {
                start + self.batch.event_times().expect("checked by Held::new")[start..].partition_point(|&time| within(time))
            }
        }
    }

    /// Takes the rows whose version is at most `version`; what is left stays.
    fn take_through(&mut self, version: EventTime, steps: MakerSteps) -> Option<Self> {
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

fn sort_by_time(batch: &Batch) -> Result<Batch> {
    let times = batch.event_times().unwrap_or_default();
    let mut order: Vec<u32> =
        (0..u32::try_from(times.len()).map_err(|_| Error::bug("over 4 billion rows in a batch"))?).collect();
    order.sort_by_key(|&row| times[row as usize]);
    let rows = arrow::compute::take_record_batch(batch.rows(), &UInt32Array::from(order))?;
    Ok(batch.with_rows(rows, batch.event_time_column()))
}

/// Rows on their way out, with the columns the reader gave for the first `position` of them.
struct Answered {
    rows: Held,
    position: usize,
    columns: Vec<Vec<ArrayRef>>,
}

impl Answered {
    fn into_batch(mut self, output: &StreamSchema) -> Result<Batch> {
        if self.columns.len() == 1 {
            return append_columns(&self.rows.batch, output, self.columns.remove(0));
        }
        let added = self.columns.first().map_or(0, Vec::len);
        let columns = (0..added)
            .map(|column| {
                let parts: Vec<&dyn arrow::array::Array> = self.columns.iter().map(|part| part[column].as_ref()).collect();
                Ok(arrow::compute::concat(&parts)?)
            })
            .collect::<Result<Vec<_>>>()?;
        append_columns(&self.rows.batch, output, columns)
    }
}

/// Updates not yet applied, in order of version.
struct Pending {
    updates: VecDeque<RecordBatch>,
    column: Option<usize>,
    applied: EventTime,
}

impl Default for Pending {
    fn default() -> Self {
        Self { updates: VecDeque::new(), column: None, applied: EventTime::MIN }
    }
}

impl Pending {
    /// Takes updates; returns how many of them came too late, which happens only if their maker was taken for idle.
    fn push(&mut self, batch: &Batch) -> Result<usize> {
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

    /// Updates of several makers, or of one that emits a batch out of order: by version, else as they came.
    fn sort(&mut self) -> Result<()> {
        let schema = self.updates[0].schema();
        let all = arrow::compute::concat_batches(&schema, self.updates.iter())?;
        self.updates = [sort_by_time(&Batch::from_parts(all, self.column, None))?.into_rows()].into();
        Ok(())
    }

    fn versions<'a>(&self, updates: &'a RecordBatch) -> &'a [i64] {
        let column = self.column.expect("there are updates, so their version column is known");
        crate::batch::millis(updates.column(column))
    }

    fn first_version(&self) -> Option<EventTime> {
        self.updates.front().map(|first| EventTime(self.versions(first)[0]))
    }

    fn apply_below(&mut self, version: EventTime, reader: &mut dyn KnowledgeReader) -> Result<()> {
        while let Some(first) = self.updates.front() {
            let versions = self.versions(first);
            let end = versions.partition_point(|&update| update < version.0);
            if end == 0 {
                break;
            }
            self.applied = self.applied.max(EventTime(versions[end - 1]));
            if end < versions.len() {
                reader.apply(&first.slice(0, end))?;
                self.updates[0] = first.slice(end, first.num_rows() - end);
                break;
            }
            reader.apply(first)?;
            self.updates.pop_front();
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        let of = |updates: &RecordBatch| -> usize {
            updates.columns().iter().map(|column| column.to_data().get_slice_memory_size().unwrap_or(0)).sum()
        };
        self.updates.iter().map(of).sum()
    }
}

/// The first byte of an instance's snapshot; [`Saved`] in postcard's encoding follows.
const SAVED_VERSION: u8 = 1;

#[derive(Serialize, Deserialize)]
struct Saved {
    instance: u64,
    /// The version of the last update applied.
    applied: i64,
    reader: Vec<u8>,
    /// Held rows as Arrow IPC, with the watermark they were behind if they are late.
    held: Vec<(Option<i64>, Vec<u8>)>,
    version_column: Option<u64>,
    /// Updates not yet applied, as Arrow IPC.
    updates: Vec<u8>,
}

impl Saved {
    fn decode(bytes: &[u8]) -> Result<Self> {
        match bytes {
            [SAVED_VERSION, rest @ ..] => Ok(postcard::from_bytes(rest)?),
            _ => Err(Error::external("the state of a knowledge join has a version that this program does not read")),
        }
    }
}

/// Makes the replica of one instance.
pub type MakeReader = Arc<dyn Fn(&OperatorInfo) -> Result<Box<dyn KnowledgeReader>> + Send + Sync>;

/// Makes the instances of a [`KnowledgeJoin`].
pub struct KnowledgeJoinFactory {
    make_reader: MakeReader,
    output: StreamSchema,
    step_ms: i64,
    facts: Vec<String>,
}

impl KnowledgeJoinFactory {
    /// A factory; `facts` are what `explain` says about the knowledge.
    ///
    /// # Errors
    /// As [`KnowledgeJoin::new`].
    pub fn new(make_reader: MakeReader, output: StreamSchema, step_ms: i64, facts: Vec<String>) -> Result<Self> {
        MakerSteps::new(step_ms)?;
        Ok(Self { make_reader, output, step_ms, facts })
    }
}

impl OperatorFactory for KnowledgeJoinFactory {
    fn create(&self, info: &OperatorInfo) -> Result<Box<dyn Operator>> {
        let reader = (self.make_reader)(info)?;
        Ok(Box::new(KnowledgeJoin::new(reader, self.output.clone(), self.step_ms, info)?))
    }

    fn describe(&self) -> Vec<String> {
        let mut lines = self.facts.clone();
        lines.push(format!("rows read what was known at the start of their step of {} ms", self.step_ms));
        lines
    }
}

#[cfg(test)]
mod tests;
