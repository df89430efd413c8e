//! A source of rows in memory, and a sink that keeps rows in memory: for tests, notebooks and programs that embed Egret.

use arrow::array::RecordBatch;
use egret_core::metrics::Counters;
use egret_core::{
    Batch, Committable, Epoch, Error, Poll, Result, Sink, SinkContext, SinkWriter, Source, SourceReader, Split, StreamSchema,
};
use std::sync::{Arc, Mutex, PoisonError};

/// Keeps the rows that all workers of this process write, without limit: for small results.
///
/// Clones share the rows, so one clone can be given to a job and another read afterwards.
#[derive(Clone, Default)]
pub struct MemorySink {
    batches: Arc<Mutex<Vec<Batch>>>,
    schema: Arc<Mutex<Option<StreamSchema>>>,
}

impl MemorySink {
    /// An empty sink.
    pub fn new() -> Self {
        Self::default()
    }

    /// The batches written, in the order of arrival.
    pub fn batches(&self) -> Vec<Batch> {
        self.batches.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The schema of the rows; `None` until a job opens the sink.
    pub fn schema(&self) -> Option<StreamSchema> {
        self.schema.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many rows were written.
    pub fn num_rows(&self) -> usize {
        self.batches().iter().map(Batch::num_rows).sum()
    }

    /// The rows as lines of text `column=value ...`, sorted, for comparisons in tests.
    pub fn sorted_lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.batches().iter().flat_map(|batch| lines_of(batch.rows())).collect();
        lines.sort();
        lines
    }
}

fn lines_of(rows: &arrow::array::RecordBatch) -> Vec<String> {
    let options = arrow::util::display::FormatOptions::default().with_null("null");
    let formatters: Vec<_> = rows
        .columns()
        .iter()
        .map(|column| arrow::util::display::ArrayFormatter::try_new(column, &options).expect("every column type can be shown"))
        .collect();
    let names = rows.schema();
    (0..rows.num_rows())
        .map(|row| {
            let values: Vec<String> = formatters
                .iter()
                .zip(names.fields())
                .map(|(column, field)| format!("{}={}", field.name(), column.value(row)))
                .collect();
            values.join(" ")
        })
        .collect()
}

impl Sink for MemorySink {
    fn open(&self, schema: &StreamSchema, _ctx: &SinkContext) -> Result<Box<dyn SinkWriter>> {
        *self.schema.lock().unwrap_or_else(PoisonError::into_inner) = Some(schema.clone());
        Ok(Box::new(Writer { sink: self.clone(), pending: Vec::new() }))
    }

    fn takes_weights(&self) -> bool {
        true
    }

    fn describe(&self) -> String {
        "in memory".into()
    }
}

struct Writer {
    sink: MemorySink,
    pending: Vec<Batch>,
}

impl SinkWriter for Writer {
    fn write(&mut self, batch: &Batch) -> Result<()> {
        self.pending.push(batch.clone());
        Ok(())
    }

    fn prepare(&mut self, _epoch: Epoch) -> Result<Vec<Committable>> {
        Ok(Vec::new())
    }

    fn commit(&mut self, _committables: &[Committable]) -> Result<()> {
        self.sink.batches.lock().unwrap_or_else(PoisonError::into_inner).append(&mut self.pending);
        Ok(())
    }
}

/// Rows that exist before the job starts, in their order of arrival.
///
/// ```
/// use egret::memory::{MemorySink, MemorySource};
/// use egret::prelude::*;
/// use std::sync::Arc;
/// # use arrow::array::{ArrayRef, Int64Array, RecordBatch};
/// # use arrow::datatypes::{DataType, Field};
/// let schema = egret::core::StreamSchema::new(vec![Field::new("n", DataType::Int64, true)], None)?;
/// let column: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
/// let rows = RecordBatch::try_new(Arc::clone(schema.arrow()), vec![column])?;
/// let output = MemorySink::new();
/// let plan = Program::new("inline", "
///     CREATE STREAM numbers (n BIGINT) WITH (connector = 'memory');
///     CREATE SINK big WITH (connector = 'memory');
///     INSERT INTO big SELECT n FROM numbers WHERE n > 1;
/// ")
/// .with_source("numbers", Arc::new(MemorySource::new(schema, rows)?))
/// .with_sink("big", Arc::new(output.clone()))
/// .plan()?;
/// run(&plan.job, &RunConfig::with_workers(1))?;
/// assert_eq!(output.sorted_lines(), ["n=2", "n=3"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct MemorySource {
    schema: StreamSchema,
    rows: RecordBatch,
}

impl MemorySource {
    /// A source of these rows.
    ///
    /// # Errors
    /// The rows do not have the schema's columns.
    pub fn new(schema: StreamSchema, rows: RecordBatch) -> Result<Self> {
        if rows.schema().fields() != schema.arrow().fields() {
            return Err(Error::job(format!("the rows have the columns {}, not {schema}", rows.schema())));
        }
        Ok(Self { schema, rows })
    }

    /// A source without rows.
    pub fn empty(schema: StreamSchema) -> Self {
        let rows = RecordBatch::new_empty(Arc::clone(schema.arrow()));
        Self { schema, rows }
    }
}

impl Source for MemorySource {
    fn schema(&self) -> &StreamSchema {
        &self.schema
    }

    fn is_bounded(&self) -> bool {
        true
    }

    fn splits(&self) -> Result<Vec<Split>> {
        Ok(vec![Split { id: "memory".into() }])
    }

    fn open(&self, _split: &Split, columns: &[usize], _counters: &Arc<Counters>) -> Result<Box<dyn SourceReader>> {
        Ok(Box::new(Reader { rows: self.rows.project(columns)?, next: 0 }))
    }

    fn describe(&self) -> String {
        format!("{} rows in memory", self.rows.num_rows())
    }
}

struct Reader {
    rows: RecordBatch,
    next: usize,
}

impl SourceReader for Reader {
    fn poll(&mut self, rows_max: usize) -> Result<Poll> {
        let count = rows_max.min(self.rows.num_rows() - self.next);
        if count == 0 {
            return Ok(Poll::End);
        }
        let rows = self.rows.slice(self.next, count);
        self.next += count;
        Ok(Poll::Rows(rows))
    }

    fn position(&self) -> Vec<u8> {
        (self.next as u64).to_le_bytes().to_vec()
    }

    fn seek(&mut self, position: &[u8]) -> Result<()> {
        let bytes = position.try_into().map_err(|_| Error::job("not a position of rows in memory"))?;
        let next = usize::try_from(u64::from_le_bytes(bytes)).unwrap_or(usize::MAX);
        if next > self.rows.num_rows() {
            return Err(Error::job("a position behind the rows in memory"));
        }
        self.next = next;
        Ok(())
    }
}
