//! A sink that keeps rows in memory: for tests, notebooks and programs that embed Egret.

use egret_core::{Batch, Committable, Epoch, Result, Sink, SinkContext, SinkWriter, StreamSchema};
use std::sync::{Arc, Mutex, PoisonError};

/// Keeps what is written, of all workers of this process, without bound: meant for small results.
///
/// Clones share the rows, so that one can be given to a job and another read afterwards.
#[derive(Clone, Default)]
pub struct MemorySink {
    batches: Arc<Mutex<Vec<Batch>>>,
}

impl MemorySink {
    /// Empty.
    pub fn new() -> Self {
        Self::default()
    }

    /// What was written, in the order of arrival.
    pub fn batches(&self) -> Vec<Batch> {
        self.batches.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many rows were written.
    pub fn num_rows(&self) -> usize {
        self.batches().iter().map(Batch::num_rows).sum()
    }

    /// The rows as lines of text `column=value ...`, sorted: what tests compare.
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
    fn open(&self, _schema: &StreamSchema, _ctx: &SinkContext) -> Result<Box<dyn SinkWriter>> {
        Ok(Box::new(Writer { sink: self.clone(), pending: Vec::new() }))
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
