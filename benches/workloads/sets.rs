//! Many patterns at once: random thresholds over the same ten columns, with two steps each, per card.
//!
//! Rows are generated once and used again and again, with new numbers and times, so that only the matching is measured.

use crate::generator::mix;
use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, SchemaRef};
use egret::core::metrics::Counters;
use egret::core::{Error, EventTime, Poll, Result, Source, SourceReader, Split, StreamSchema};
use std::fmt::Write;
use std::sync::Arc;

const FIRST_MS: i64 = 1_700_000_040_000;
const COLUMNS: usize = 10;
/// The number of rows in a batch; below, the number of batches that are generated.
const ROWS: usize = 8_192;
const BATCHES: usize = 32;

/// A number in 0..1000.
fn number(of: u64) -> f64 {
    (mix(of) >> 11) as f64 / (1_u64 << 53) as f64 * 1_000.0
}

/// The statements of this many patterns. A condition holds for at most the share `rare` of all rows, on average for half of that.
pub(crate) fn statements(patterns: usize, rare: f64) -> String {
    let columns = (0..COLUMNS).map(|column| format!("c{column} DOUBLE NOT NULL, ")).collect::<String>();
    let mut text = format!(
        "CREATE STREAM txn (txn_id BIGINT NOT NULL, card_id BIGINT NOT NULL, {columns}ts TIMESTAMP, WATERMARK FOR ts AS ts)
           WITH (connector = 'rows');
         CREATE SINK out WITH (connector = 'checksum');\n"
    );
    let mut seed = 1 << 40;
    let mut draw = || {
        seed += 1;
        number(seed)
    };
    for pattern in 0..patterns {
        let mut condition = || {
            let (column, share) = ((draw() as usize) % COLUMNS, draw() * rare);
            if draw() < 500.0 { format!("c{column} > {}", 1_000.0 - share) } else { format!("c{column} < {share}") }
        };
        let (a, b) = (condition(), condition());
        writeln!(
            text,
            "CREATE PATTERN p{pattern} ON txn PARTITION BY card_id MATCH a -> b DEFINE a AS {a}, b AS {b}
               WITHIN INTERVAL '10' MINUTE AFTER MATCH SKIP PAST LAST EVENT SELECT a.txn_id AS a, a.txn_id AS b, b.txn_id AS c;
             INSERT INTO out SELECT a, b, c FROM p{pattern};"
        )
        .expect("a String takes any text");
    }
    text
}

/// The source of the workload `sets`.
pub(crate) struct TenColumns {
    schema: StreamSchema,
    events: u64,
    batches: Arc<Vec<Vec<ArrayRef>>>,
}

impl TenColumns {
    pub(crate) fn new(events: u64, cards: u64) -> Self {
        let mut fields = vec![Field::new("txn_id", DataType::Int64, false), Field::new("card_id", DataType::Int64, false)];
        fields.extend((0..COLUMNS).map(|column| Field::new(format!("c{column}"), DataType::Float64, false)));
        fields.push(StreamSchema::time_field("ts"));
        let batch = |batch: usize| -> Vec<ArrayRef> {
            let seed = |row: usize, column: usize| ((batch * ROWS + row) * (COLUMNS + 1) + column) as u64;
            let card = |row| (mix(seed(row, COLUMNS)) % cards) as i64;
            let cards: ArrayRef = Arc::new(Int64Array::from_iter_values((0..ROWS).map(card)));
            let column = |column| Arc::new(Float64Array::from_iter_values((0..ROWS).map(|row| number(seed(row, column)))));
            std::iter::once(cards).chain((0..COLUMNS).map(|of| column(of) as ArrayRef)).collect()
        };
        let schema = StreamSchema::new(fields, Some("ts")).expect("the names differ, the last is event time");
        Self { schema, events, batches: Arc::new((0..BATCHES).map(batch).collect()) }
    }
}

impl Source for TenColumns {
    fn schema(&self) -> &StreamSchema {
        &self.schema
    }

    fn is_bounded(&self) -> bool {
        true
    }

    fn splits(&self) -> Result<Vec<Split>> {
        Ok(vec![Split { id: "rows".into() }])
    }

    fn open(&self, _split: &Split, columns: &[usize], _counters: &Arc<Counters>) -> Result<Box<dyn SourceReader>> {
        let schema = Arc::new(self.schema.arrow().project(columns)?);
        let (columns, batches) = (columns.to_vec(), Arc::clone(&self.batches));
        Ok(Box::new(Reader { schema, columns, batches, next: 0, events: self.events }))
    }

    fn describe(&self) -> String {
        format!("{} rows of {COLUMNS} columns", self.events)
    }
}

struct Reader {
    schema: SchemaRef,
    columns: Vec<usize>,
    batches: Arc<Vec<Vec<ArrayRef>>>,
    next: u64,
    events: u64,
}

impl SourceReader for Reader {
    fn poll(&mut self, _rows_max: usize) -> Result<Poll> {
        if self.next >= self.events {
            return Ok(Poll::End);
        }
        let from = self.next as i64;
        let made = &self.batches[(self.next as usize / ROWS) % BATCHES];
        let numbers = from..from + ROWS as i64;
        self.next += ROWS as u64;
        let column = |&column: &usize| -> ArrayRef {
            match column {
                0 => Arc::new(Int64Array::from_iter_values(numbers.clone())),
                column if column > COLUMNS + 1 => Arc::new(TimestampMicrosecondArray::from_iter_values(
                    numbers.clone().map(|number| EventTime::from_millis(FIRST_MS + number).0),
                )),
                column => Arc::clone(&made[column - 1]),
            }
        };
        let columns = self.columns.iter().map(column).collect();
        Ok(Poll::Rows(RecordBatch::try_new(Arc::clone(&self.schema), columns)?))
    }

    fn position(&self) -> Vec<u8> {
        self.next.to_le_bytes().to_vec()
    }

    fn seek(&mut self, position: &[u8]) -> Result<()> {
        self.next = u64::from_le_bytes(position.try_into().map_err(|_| Error::job("not a position of this source"))?);
        Ok(())
    }
}
