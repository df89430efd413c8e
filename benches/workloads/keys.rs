//! Every card once, with a small amount, so that each has one open partial match. Then time advances and all of them expire.

use crate::generator::Transactions;
use arrow::array::{ArrayRef, Float64Array, Int32Array, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::SchemaRef;
use egret::core::metrics::Counters;
use egret::core::{Error, EventTime, Poll, Result, Source, SourceReader, Split, StreamSchema};
use std::sync::Arc;

const FIRST_MS: i64 = 1_700_000_040_000;
/// All cards occur within this time.
const SPAN_MS: i64 = 100_000;
/// An hour later a few more events arrive, which match nothing.
const LATER_MS: i64 = 3_600_000;
const LATER_EVENTS: i64 = 10;

/// The source of the workload `keys`.
pub(crate) struct EveryCardOnce {
    schema: StreamSchema,
    cards: i64,
}

impl EveryCardOnce {
    pub(crate) fn new(cards: u64) -> Self {
        Self { schema: Transactions::schema(), cards: cards as i64 }
    }
}

impl Source for EveryCardOnce {
    fn schema(&self) -> &StreamSchema {
        &self.schema
    }

    fn is_bounded(&self) -> bool {
        true
    }

    fn splits(&self) -> Result<Vec<Split>> {
        Ok(vec![Split { id: "cards".into() }])
    }

    fn open(&self, _split: &Split, columns: &[usize], _counters: &Arc<Counters>) -> Result<Box<dyn SourceReader>> {
        let schema = Arc::new(self.schema.arrow().project(columns)?);
        Ok(Box::new(Reader { schema, columns: columns.to_vec(), cards: self.cards, next: 0 }))
    }

    fn describe(&self) -> String {
        format!("{} cards, each once", self.cards)
    }
}

struct Reader {
    schema: SchemaRef,
    columns: Vec<usize>,
    cards: i64,
    next: i64,
}

impl Reader {
    fn column(&self, column: usize, events: std::ops::Range<i64>) -> ArrayRef {
        let time = |event: i64| match event < self.cards {
            true => FIRST_MS + event * SPAN_MS / self.cards,
            false => FIRST_MS + LATER_MS + event - self.cards,
        };
        match column {
            0 => Arc::new(Int64Array::from_iter_values(events)),
            1 => Arc::new(Int64Array::from_iter_values(events.map(|event| (event * 7_368_787 + 12_345) % self.cards))),
            2 => Arc::new(Float64Array::from_iter_values(events.map(|event| if event < self.cards { 5.0 } else { 50.0 }))),
            3 => Arc::new(Int32Array::from_iter_values(events.map(|event| (event % 50) as i32))),
            _ => Arc::new(TimestampMicrosecondArray::from_iter_values(events.map(|event| EventTime::from_millis(time(event)).0))),
        }
    }
}

impl SourceReader for Reader {
    fn poll(&mut self, rows_max: usize) -> Result<Poll> {
        let end = self.cards + LATER_EVENTS;
        if self.next >= end {
            return Ok(Poll::End);
        }
        let events = self.next..end.min(self.next + rows_max as i64);
        self.next = events.end;
        let columns = self.columns.iter().map(|&column| self.column(column, events.clone())).collect();
        Ok(Poll::Rows(RecordBatch::try_new(Arc::clone(&self.schema), columns)?))
    }

    fn position(&self) -> Vec<u8> {
        self.next.to_le_bytes().to_vec()
    }

    fn seek(&mut self, position: &[u8]) -> Result<()> {
        let bytes = position.try_into().map_err(|_| Error::job("not a position of this source"))?;
        self.next = i64::from_le_bytes(bytes);
        Ok(())
    }
}
