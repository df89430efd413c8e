//! Open-loop latency: events are due at a fixed rate, whatever the job does, and matches tell how long ago their last event was
//! due and was made.
//!
//! Event i is due `i / rate` after the start. The source never returns it earlier, and returns it at the next call after that; a
//! source that was held up catches up. Samples of the first five seconds are discarded.

use crate::generator::Transactions;
use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Int64Type, SchemaRef};
use egret::core::metrics::Counters;
use egret::core::{
    Batch, Committable, Epoch, Poll, Result, Sink, SinkContext, SinkWriter, Source, SourceReader, Split, StreamSchema,
};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The samples of this time at the start are discarded.
const WARM_UP: Duration = Duration::from_secs(5);

/// Microseconds since the first call in this process.
fn now_us() -> i64 {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_micros() as i64
}

/// Transactions at a fixed rate. Their event time is the wall-clock time at which they are due.
pub(crate) struct PacedSource {
    schema: StreamSchema,
    transactions: Transactions,
    rate: u64,
    stripes: u64,
}

impl PacedSource {
    pub(crate) fn new(transactions: Transactions, rate: u64, stripes: usize) -> Self {
        let field = |name: &str, data_type: DataType| Field::new(name, data_type, false);
        let fields = vec![
            field("txn_id", DataType::Int64),
            field("card_id", DataType::Int64),
            field("amount", DataType::Float64),
            field("country", DataType::Int32),
            StreamSchema::time_field("ts"),
            field("due_us", DataType::Int64),
            field("made_us", DataType::Int64),
        ];
        let schema = StreamSchema::new(fields, Some("ts")).expect("seven columns, one is event time");
        Self { schema, transactions, rate, stripes: stripes as u64 }
    }
}

impl Source for PacedSource {
    fn schema(&self) -> &StreamSchema {
        &self.schema
    }

    fn is_bounded(&self) -> bool {
        true
    }

    fn splits(&self) -> Result<Vec<Split>> {
        Ok((0..self.stripes).map(|stripe| Split { id: stripe.to_string() }).collect())
    }

    fn open(&self, split: &Split, columns: &[usize], _counters: &Arc<Counters>) -> Result<Box<dyn SourceReader>> {
        let next = split.id.parse().map_err(|_| egret::core::Error::bug("a stripe is a number"))?;
        Ok(Box::new(Paced {
            schema: Arc::new(self.schema.arrow().project(columns)?),
            transactions: self.transactions,
            columns: columns.to_vec(),
            rate: self.rate,
            next,
            stride: self.stripes,
            start: None,
        }))
    }

    fn describe(&self) -> String {
        format!("{} transactions/s", self.rate)
    }
}

struct Paced {
    schema: SchemaRef,
    transactions: Transactions,
    columns: Vec<usize>,
    rate: u64,
    next: u64,
    stride: u64,
    /// The time at which the first event was due: since the process began, and by the wall clock.
    start: Option<(i64, i64)>,
}

impl Paced {
    /// Microseconds from the start to when an event is due.
    fn due_us(&self, event: u64) -> i64 {
        (u128::from(event) * 1_000_000 / u128::from(self.rate)) as i64
    }

    fn column(&self, column: usize, count: usize, (start_us, wall_us): (i64, i64), now_us: i64) -> ArrayRef {
        let due = (0..count as u64).map(|n| self.due_us(self.next + n * self.stride));
        match column {
            0..4 => self.transactions.column(column, self.next, self.stride, count),
            4 => Arc::new(TimestampMicrosecondArray::from_iter_values(due.map(|due| wall_us + due))),
            5 => Arc::new(Int64Array::from_iter_values(due.map(|due| start_us + due))),
            _ => Arc::new(Int64Array::from_value(now_us, count)),
        }
    }
}

impl SourceReader for Paced {
    fn poll(&mut self, rows_max: usize) -> Result<Poll> {
        if self.next >= self.transactions.events {
            return Ok(Poll::End);
        }
        let now = now_us();
        let wall_us = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros() as i64;
        let start = *self.start.get_or_insert_with(|| (now, wall_us()));
        let passed = now - start.0;
        let next_due = self.due_us(self.next);
        if next_due > passed {
            return Ok(Poll::Pending(Duration::from_micros((next_due - passed) as u64)));
        }
        let last_due = (u128::from(passed as u64) * u128::from(self.rate) / 1_000_000) as u64;
        let last = last_due.min(self.transactions.events - 1);
        let count = (((last - self.next) / self.stride) as usize + 1).min(rows_max);
        let columns = self.columns.iter().map(|&column| self.column(column, count, start, now)).collect();
        self.next += count as u64 * self.stride;
        Ok(Poll::Rows(RecordBatch::try_new(Arc::clone(&self.schema), columns)?))
    }

    fn position(&self) -> Vec<u8> {
        self.next.to_le_bytes().to_vec()
    }

    fn seek(&mut self, position: &[u8]) -> Result<()> {
        let bytes = position.try_into().map_err(|_| egret::core::Error::job("not a position of this source"))?;
        self.next = u64::from_le_bytes(bytes);
        Ok(())
    }
}

/// Latencies in microseconds, from when events were due and from when they were made, until their matches left.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    since_due: Vec<i64>,
    since_made: Vec<i64>,
}

impl Samples {
    /// One line: median, 99 % and 99.9 %, in milliseconds.
    pub(crate) fn line(&mut self) -> String {
        let of = |samples: &mut Vec<i64>| {
            samples.sort_unstable();
            let at = |share: f64| samples.get((samples.len() as f64 * share) as usize).map_or(f64::NAN, |us| *us as f64 / 1e3);
            format!("p50={:.3} p99={:.3} p99.9={:.3}", at(0.5), at(0.99), at(0.999))
        };
        let count = self.since_due.len();
        format!("samples={count} since_due_ms {} since_made_ms {}", of(&mut self.since_due), of(&mut self.since_made))
    }
}

/// Collects samples: the columns are the times when the event was due and when it was made.
pub(crate) struct LatencySink(pub(crate) Arc<Mutex<Samples>>);

impl Sink for LatencySink {
    fn open(&self, _schema: &StreamSchema, _ctx: &SinkContext) -> Result<Box<dyn SinkWriter>> {
        Ok(Box::new(LatencyWriter(Arc::clone(&self.0))))
    }

    fn describe(&self) -> String {
        "latency".into()
    }
}

struct LatencyWriter(Arc<Mutex<Samples>>);

impl SinkWriter for LatencyWriter {
    fn write(&mut self, batch: &Batch) -> Result<()> {
        let now = now_us();
        let (due, made) = (batch.column(0).as_primitive::<Int64Type>(), batch.column(1).as_primitive::<Int64Type>());
        let mut samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for row in (0..due.len()).filter(|&row| due.value(row) >= WARM_UP.as_micros() as i64) {
            samples.since_due.push(now - due.value(row));
            samples.since_made.push(now - made.value(row));
        }
        Ok(())
    }

    fn prepare(&mut self, _epoch: Epoch) -> Result<Vec<Committable>> {
        Ok(Vec::new())
    }

    fn commit(&mut self, _committables: &[Committable]) -> Result<()> {
        Ok(())
    }
}
