//! Sinks that count rows and add up a hash of each row: the order does not matter, so runs can be compared.

use crate::generator::mix;
use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{Float64Type, Int32Type, Int64Type, TimestampMicrosecondType};
use egret::core::metrics::Counters;
use egret::core::{Batch, Committable, Epoch, Result, Sink, SinkContext, SinkWriter, StreamSchema};
use std::sync::Arc;

/// The columns that the hash of a row covers.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Hash {
    /// Three ids.
    Match,
    /// Key, window start, sum of amounts, count.
    Sum,
    /// Key, window start, average.
    Average,
    /// Amount (column 1) and card (column 0).
    Converted,
    /// Card and count.
    Running,
}

/// Counts and hashes rows.
pub(crate) struct ChecksumSink(pub(crate) Hash);

impl Sink for ChecksumSink {
    fn open(&self, _schema: &StreamSchema, ctx: &SinkContext) -> Result<Box<dyn SinkWriter>> {
        Ok(Box::new(Writer { hash: self.0, count: 0, sum: 0, counters: Arc::clone(&ctx.counters) }))
    }

    fn describe(&self) -> String {
        format!("checksum: {:?}", self.0)
    }
}

struct Writer {
    hash: Hash,
    count: i64,
    sum: u64,
    counters: Arc<Counters>,
}

impl SinkWriter for Writer {
    fn write(&mut self, batch: &Batch) -> Result<()> {
        self.count += batch.num_rows() as i64;
        self.sum = self.sum.wrapping_add(hash_rows(self.hash, batch));
        Ok(())
    }

    fn prepare(&mut self, _epoch: Epoch) -> Result<Vec<Committable>> {
        self.counters.add_named("count", self.count);
        self.counters.add_named("checksum", self.sum as i64);
        (self.count, self.sum) = (0, 0);
        Ok(Vec::new())
    }

    fn commit(&mut self, _committables: &[Committable]) -> Result<()> {
        Ok(())
    }
}

pub(crate) fn hash_rows(hash: Hash, batch: &Batch) -> u64 {
    let (ints, floats) =
        (|column: usize| integers(batch.column(column)), |column: usize| batch.column(column).as_primitive::<Float64Type>());
    let sum = |rows: &mut dyn Iterator<Item = u64>| rows.fold(0_u64, u64::wrapping_add);
    match hash {
        Hash::Match => {
            let (a, b, c) = (ints(0), ints(1), ints(2));
            sum(&mut (0..a.len()).map(|r| mix(mix(mix(a[r]).wrapping_add(b[r])).wrapping_add(c[r]))))
        }
        Hash::Sum => {
            let (key, start, amounts, counts) = (ints(0), ints(1), floats(2).values(), ints(3));
            sum(&mut (0..key.len()).map(|r| {
                let value = ((amounts[r] * 4.0) as u64).wrapping_mul(1_048_576).wrapping_add(counts[r]);
                mix(mix(mix(key[r]).wrapping_add(start[r])).wrapping_add(value))
            }))
        }
        Hash::Average => {
            let (key, start, averages) = (ints(0), ints(1), floats(2).values());
            sum(&mut (0..key.len()).map(|r| mix(mix(mix(key[r]).wrapping_add(start[r])).wrapping_add(averages[r].to_bits()))))
        }
        Hash::Running => {
            let (cards, counts) = (ints(0), ints(1));
            sum(&mut (0..cards.len()).map(|r| mix(cards[r].wrapping_add(counts[r]))))
        }
        Hash::Converted => {
            let (cards, amounts) = (batch.column(0).as_primitive::<Int64Type>().values(), floats(1).values());
            cards.iter().zip(amounts).fold(0, |sum, (card, amount)| sum.wrapping_add(amount.to_bits()).wrapping_add(*card as u64))
        }
    }
}

fn integers(column: &ArrayRef) -> Vec<u64> {
    if let Some(values) = column.as_primitive_opt::<Int64Type>() {
        values.values().iter().map(|value| *value as u64).collect()
    } else if let Some(values) = column.as_primitive_opt::<Int32Type>() {
        values.values().iter().map(|value| *value as u64).collect()
    } else {
        // In milliseconds, the unit of the checksums that this is compared with.
        column.as_primitive::<TimestampMicrosecondType>().values().iter().map(|value| (*value / 1_000) as u64).collect()
    }
}
