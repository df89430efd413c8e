//! The knowledge join: the operator that answers rows from knowledge.

use super::held::Held;
use super::pending::{Cursor, Pending};
use super::reading::{Part, Reading, Segment};
use super::{KnowledgeReader, MakerSteps};
use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{FieldRef, Schema};
use egret_core::batch::append_columns;
use egret_core::ipc::{self, Lacking};
use egret_core::row_place::PLACE;
use egret_core::{Batch, Epoch, Error, EventTime, Length, Result, StateLayout, StreamSchema};
use egret_core::{Context, Operator, OperatorFactory, OperatorInfo, Replicated, Snapshot, StateSize};
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

/// The operator that answers rows from knowledge. Input 0 takes rows with event time, input 1 takes updates, whose event time is
/// `version_time`. Its output rows are the input rows with the reader's columns appended.
///
/// A row waits until the watermarks of both inputs have reached its version. Then all updates that it may read have arrived, and
/// so have all rows that must be answered before later updates are applied. Output rows are in no particular order.
///
/// ```
/// use egret_operators::knowledge::{KnowledgeJoin, KnowledgeReader, VERSION_TIME};
/// use egret_core::metrics::Counters;
/// use egret_core::{Batch, Context, EventTime, NoState, Operator, OperatorInfo, Result, StateSize, StreamSchema};
/// use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, TimestampMicrosecondArray};
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
/// let mut join = KnowledgeJoin::new(Box::new(Sum(0)), output, 1_000)?;
///
/// let at = |times: &[i64]| Arc::new(TimestampMicrosecondArray::from(times.to_vec())) as ArrayRef;
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
    held: Vec<Held>,
    pending: Pending,
    watermarks: [EventTime; 2],
}

impl KnowledgeJoin {
    /// A join. `output` is the rows' schema with the reader's columns appended.
    ///
    /// # Errors
    /// The rows have no event time, or the step is not positive.
    pub fn new(reader: Box<dyn KnowledgeReader>, output: StreamSchema, step_us: i64) -> Result<Self> {
        let event_time = output.event_time().ok_or_else(|| {
            Error::job("rows without event time cannot read a model or a graph: they change with event time")
                .help("declare WATERMARK FOR a column of the stream")
        })?;
        Ok(Self {
            reader,
            output,
            event_time,
            steps: MakerSteps::new(step_us)?,
            held: Vec::new(),
            pending: Pending::default(),
            watermarks: [EventTime::MIN; 2],
        })
    }

    /// The newest version whose rows and updates have all arrived: rows of this version and of older ones can be answered.
    fn ready_version(&self) -> EventTime {
        self.steps.of(self.watermarks[0].min(self.watermarks[1]))
    }

    fn advance(&mut self, input: usize, watermark: EventTime) {
        self.watermarks[input] = self.watermarks[input].max(watermark);
    }

    /// Answers and emits all rows that are ready, and applies all updates below the ready version.
    fn release(&mut self, ctx: &mut Context<'_>) -> Result<()> {
        let ready = self.ready_version();
        if ready == EventTime::MIN {
            return Ok(());
        }
        let (mut going, steps) = (Vec::new(), self.steps);
        self.held.retain_mut(|held| {
            going.extend(held.take_through(ready, steps));
            held.len() > 0
        });
        if !going.is_empty() {
            for (held, columns) in going.iter().zip(self.answer(&going)?) {
                ctx.emit(append_columns(&held.batch, &self.output, columns)?);
            }
        }
        self.pending.apply_below(ready, self.reader.as_mut())?;
        for (name, count) in self.reader.take_counts() {
            ctx.counters().add_named(name, count);
        }
        Ok(())
    }

    /// Visits the rows in order of version, and the updates between them.
    fn answer(&mut self, going: &[Held]) -> Result<Vec<Vec<ArrayRef>>> {
        let mut reading = Reading {
            batches: going.iter().map(|held| held.batch.rows()).collect(),
            updates: self.pending.updates.iter().collect(),
            parts: Vec::new(),
            segments: Vec::new(),
        };
        let mut cursor = Cursor::default();
        let mut next: BinaryHeap<Reverse<(i64, usize, usize)>> =
            going.iter().enumerate().map(|(batch, held)| Reverse((held.time(0), batch, 0))).collect();
        while let Some(Reverse((time, batch, start))) = next.pop() {
            let first_update = reading.segments.len();
            self.pending.read_below(&mut cursor, self.steps.of(EventTime(time)), |segment| reading.segments.push(segment));
            let same_until = self.pending.version_at(cursor).unwrap_or(EventTime::MAX);
            let end = going[batch].end_of_version(start, same_until, self.steps);
            reading.parts.push(Part { rows: Segment { batch, rows: start..end }, updates: first_update..reading.segments.len() });
            if end < going[batch].len() {
                next.push(Reverse((going[batch].time(end), batch, end)));
            }
        }
        let columns = self.reader.answer(&reading)?;
        self.pending.forget(cursor);
        Ok(columns)
    }

    /// Rows of a snapshot with their columns in the order of the output. The layout of the state guarantees that none is missing.
    fn fitted(&self, rows: &RecordBatch) -> Result<RecordBatch> {
        let written = rows.schema_ref();
        let fields = self.output.arrow().fields().iter();
        let fields: Vec<FieldRef> =
            fields.filter(|field| field.name() == PLACE || written.index_of(field.name()).is_ok()).cloned().collect();
        ipc::fit_rows(rows, &Arc::new(Schema::new(fields)), Lacking::Refused)
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

    /// All instances receive the same updates, but may have applied different numbers of them. The replica that has applied the
    /// fewest still has the rest pending, and no instance holds rows older than what it has applied. So every instance can
    /// continue from that replica, with any of the rows that wait.
    fn snapshot(&mut self, _epoch: Epoch) -> Result<Snapshot> {
        let copy = Saved {
            applied: self.pending.applied.0,
            reader: self.reader.snapshot()?,
            version_column: self.pending.column.map(|column| column as u64),
            updates: ipc::encode_rows(self.pending.updates.iter())?,
        };
        let replica = Replicated { version: copy.applied, bytes: postcard::to_extend(&copy, vec![SAVED_VERSION])? };
        let held = |held: &Held| -> Result<Vec<u8>> {
            let rows: (Option<i64>, Vec<u8>) = (held.batch.late().map(|late| late.0), ipc::encode_rows([held.batch.rows()])?);
            Ok(postcard::to_extend(&rows, vec![SAVED_VERSION])?)
        };
        let split = self.held.iter().map(held).collect::<Result<_>>()?;
        Ok(Snapshot { replicated: Some(replica), split, ..Snapshot::default() })
    }

    fn restore(&mut self, parts: Vec<Snapshot>) -> Result<()> {
        for part in parts {
            if !part.first.is_empty() {
                return Err(other_version());
            }
            if let Some(replica) = part.replicated {
                let copy: Saved = decode(&replica.bytes)?;
                self.reader.restore(&copy.reader)?;
                self.pending = Pending {
                    updates: ipc::decode_rows(&copy.updates)?.into(),
                    column: copy.version_column.map(|column| column as usize),
                    applied: EventTime(copy.applied),
                };
            }
            for bytes in part.split {
                let (late, rows): (Option<i64>, Vec<u8>) = decode(&bytes)?;
                for rows in ipc::decode_rows(&rows)? {
                    let rows = self.fitted(&rows)?;
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

/// The version, the first byte of a replica and of waiting rows. In postcard's encoding follow [`Saved`], or for rows the
/// watermark that they were behind if they are late, and the rows as Arrow IPC. Version 1 had both in one.
const SAVED_VERSION: u8 = 2;

/// The replica that every instance has.
#[derive(Serialize, Deserialize)]
struct Saved {
    /// The version of the last update applied.
    applied: i64,
    reader: Vec<u8>,
    version_column: Option<u64>,
    /// Updates not yet applied, as Arrow IPC.
    updates: Vec<u8>,
}

fn decode<T: for<'a> Deserialize<'a>>(bytes: &[u8]) -> Result<T> {
    match bytes {
        [SAVED_VERSION, rest @ ..] => Ok(postcard::from_bytes(rest)?),
        _ => Err(other_version()),
    }
}

fn other_version() -> Error {
    Error::state("the state of a knowledge join has a version that this program does not read")
        .help("use the program that wrote it, or start without state")
}

/// Makes the replica of one instance.
pub type MakeReader = Arc<dyn Fn(&OperatorInfo) -> Result<Box<dyn KnowledgeReader>> + Send + Sync>;

/// Makes the instances of a [`KnowledgeJoin`].
pub struct KnowledgeJoinFactory {
    make_reader: MakeReader,
    output: StreamSchema,
    step_us: i64,
    facts: Vec<String>,
    layout: Vec<(String, String)>,
    answers: usize,
}

impl KnowledgeJoinFactory {
    /// A factory; `facts` are the facts about the knowledge that `explain` prints, `layout` is the layout of the replica's state,
    /// and `answers` is the number of columns at the end of the output that the reader adds.
    ///
    /// # Errors
    /// As [`KnowledgeJoin::new`].
    pub fn new(
        make_reader: MakeReader,
        output: StreamSchema,
        step_us: i64,
        facts: Vec<String>,
        layout: Vec<(String, String)>,
        answers: usize,
    ) -> Result<Self> {
        MakerSteps::new(step_us)?;
        Ok(Self { make_reader, output, step_us, facts, layout, answers })
    }
}

impl OperatorFactory for KnowledgeJoinFactory {
    fn create(&self, info: &OperatorInfo) -> Result<Box<dyn Operator>> {
        let reader = (self.make_reader)(info)?;
        Ok(Box::new(KnowledgeJoin::new(reader, self.output.clone(), self.step_us)?))
    }

    fn describe(&self) -> Vec<String> {
        let mut lines = self.facts.clone();
        lines.push(format!("rows read what was known at the start of their step of {}", Length(self.step_us)));
        lines
    }

    /// The layout of the replica, and the columns of waiting rows.
    fn state_layouts(&self) -> Vec<StateLayout> {
        let fields = self.output.arrow().fields();
        let rows = fields.iter().take(fields.len().saturating_sub(self.answers));
        let mut facts = self.layout.clone();
        facts.push(("version step".to_owned(), Length(self.step_us).to_string()));
        facts.extend(StateLayout::columns(rows.map(AsRef::as_ref)));
        StateLayout::own(facts)
    }
}
