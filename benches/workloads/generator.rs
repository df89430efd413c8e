//! The transactions of the benchmark workloads, a function of the row's number, so that any part can be generated anywhere.

use arrow::array::{ArrayRef, Float64Array, Int32Array, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field};
use egret::core::metrics::Counters;
use egret::core::{Error, EventTime, Poll, Result, Source, SourceReader, Split, StreamSchema};
use std::sync::Arc;

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;
const SEED: u64 = 42;
const SEED_OFFSET: u64 = 43;
const FIRST_MS: i64 = 1_700_000_040_000;

/// The finaliser of splitmix64.
#[inline]
pub(crate) fn mix(z: u64) -> u64 {
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// The n-th output of splitmix64.
#[inline]
fn output(seed: u64, n: u64) -> u64 {
    mix(seed.wrapping_add(n.wrapping_add(1).wrapping_mul(GOLDEN)))
}

/// The number of transactions and of cards, and the density in time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Transactions {
    pub(crate) events: u64,
    pub(crate) cards: u64,
    /// An event advances event time by `step / per` milliseconds.
    pub(crate) step: u64,
    pub(crate) per: u64,
    /// Whether every card occurs once before any occurs again.
    pub(crate) each_once: bool,
}

impl Transactions {
    /// Events in one second of event time.
    fn block(&self) -> u64 {
        1_000 * self.per / self.step
    }

    pub(crate) fn schema() -> StreamSchema {
        let fields = vec![
            Field::new("txn_id", DataType::Int64, false),
            Field::new("card_id", DataType::Int64, false),
            Field::new("amount", DataType::Float64, false),
            Field::new("country", DataType::Int32, false),
            StreamSchema::time_field("ts"),
        ];
        StreamSchema::new(fields, Some("ts")).expect("five columns, the last is event time")
    }

    fn card(&self, i: u64) -> u64 {
        if self.each_once && i < self.cards {
            return (i * 7_368_787 + 12_345) % self.cards;
        }
        (output(SEED, 4 * i) >> 1) % self.cards
    }

    fn amount(i: u64) -> f64 {
        let r1 = output(SEED, 4 * i + 1);
        let (which, v) = ((r1 >> 32) % 1_000, r1 & 0xFFFF_FFFF);
        let quarters = match which {
            0..100 => 1 + v % 39,
            100..990 => 40 + v % 400,
            _ => 3_601 + v % 400,
        };
        quarters as f64 / 4.0
    }

    fn country(&self, i: u64) -> i32 {
        let r2 = output(SEED, 4 * i + 2);
        (if r2 & 3 != 0 { self.card(i) % 50 } else { (r2 >> 32) % 50 }) as i32
    }

    /// `count` rows of a column: `from, from + stride, ...`.
    pub(crate) fn column(&self, column: usize, from: u64, stride: u64, count: usize) -> ArrayRef {
        let numbers = (0..count as u64).map(|n| from + n * stride);
        match column {
            0 => Arc::new(Int64Array::from_iter_values(numbers.map(|i| i as i64))),
            1 => Arc::new(Int64Array::from_iter_values(numbers.map(|i| self.card(i) as i64))),
            2 => Arc::new(Float64Array::from_iter_values(numbers.map(Self::amount))),
            3 => Arc::new(Int32Array::from_iter_values(numbers.map(|i| self.country(i)))),
            _ => Arc::new(TimestampMicrosecondArray::from(self.times(from, stride, count))),
        }
    }

    /// Event times: shuffled within each second; seconds ascend.
    fn times(&self, from: u64, stride: u64, count: usize) -> Vec<i64> {
        let block = self.block();
        let mut times = Vec::with_capacity(count);
        let mut current = u64::MAX;
        let (mut place, mut step) = (0, 0);
        for n in 0..count as u64 {
            let i = from + n * stride;
            let blk = if current != u64::MAX && i < (current + 1) * block { current } else { i / block };
            if blk == current {
                place += step;
                if place >= block {
                    place -= block;
                }
            } else {
                current = blk;
                let offset = (output(SEED_OFFSET, blk) >> 1) % block;
                place = ((i % block) * 617 + offset) % block;
                step = (617 * stride) % block;
            }
            times.push(EventTime::from_millis(FIRST_MS + ((blk * block + place) * self.step / self.per) as i64).0);
        }
        times
    }
}

/// Reads the transactions in `stripes` stripes: stripe p has the events p, p + stripes, ...
pub(crate) struct TransactionSource {
    schema: StreamSchema,
    transactions: Transactions,
    stripes: u64,
}

impl TransactionSource {
    pub(crate) fn new(transactions: Transactions, stripes: usize) -> Self {
        Self { schema: Transactions::schema(), transactions, stripes: stripes as u64 }
    }
}

impl Source for TransactionSource {
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
        let next = split.id.parse().map_err(|_| Error::bug("a stripe is a number"))?;
        let schema = Arc::new(self.schema.arrow().project(columns)?);
        Ok(Box::new(Reader { schema, transactions: self.transactions, columns: columns.to_vec(), next, stride: self.stripes }))
    }

    fn describe(&self) -> String {
        format!("generator: {:?}, {} stripes", self.transactions, self.stripes)
    }
}

struct Reader {
    schema: arrow::datatypes::SchemaRef,
    transactions: Transactions,
    columns: Vec<usize>,
    next: u64,
    stride: u64,
}

impl SourceReader for Reader {
    fn poll(&mut self, rows_max: usize) -> Result<Poll> {
        let left = self.transactions.events.saturating_sub(self.next).div_ceil(self.stride);
        if left == 0 {
            return Ok(Poll::End);
        }
        let count = rows_max.min(usize::try_from(left).unwrap_or(usize::MAX));
        let columns =
            self.columns.iter().map(|&column| self.transactions.column(column, self.next, self.stride, count)).collect();
        self.next += count as u64 * self.stride;
        Ok(Poll::Rows(RecordBatch::try_new(Arc::clone(&self.schema), columns)?))
    }

    fn position(&self) -> Vec<u8> {
        self.next.to_le_bytes().to_vec()
    }

    fn seek(&mut self, position: &[u8]) -> Result<()> {
        let bytes = position.try_into().map_err(|_| Error::job("not a position of this generator"))?;
        self.next = u64::from_le_bytes(bytes);
        Ok(())
    }
}

/// Writes the transactions as JSON lines, as workload w7 reads them.
pub(crate) fn write_json(transactions: &Transactions, path: &std::path::Path, stripe: u64, stripes: u64) -> std::io::Result<()> {
    use std::io::Write;
    let mut file = std::io::BufWriter::with_capacity(1 << 20, std::fs::File::create(path)?);
    let mut from = stripe;
    while from < transactions.events {
        let count = ((transactions.events - from).div_ceil(stripes)).min(8_192) as usize;
        let times = transactions.times(from, stripes, count);
        for (n, time) in times.iter().enumerate() {
            let i = from + n as u64 * stripes;
            writeln!(
                file,
                "{{\"txn_id\":{i},\"card_id\":{},\"amount\":{:?},\"country\":{},\"ts\":{time}}}",
                transactions.card(i),
                Transactions::amount(i),
                transactions.country(i)
            )?;
        }
        from += count as u64 * stripes;
    }
    file.flush()
}
