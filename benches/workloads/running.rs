//! Running statistics of every card: count, mean and variance by Welford's method (Technometrics, 1962), in keyed state.

use crate::checksum::{Hash, hash_rows};
use egret::core::metrics::Counters;
use egret::core::{Batch, Committable, Epoch, Result, Sink, SinkContext, SinkWriter, StreamSchema};
use egret::operators::process::{ProcessContext, ProcessFunction, ValueState};
use std::sync::Arc;
use std::time::Instant;

egret::core::row! {
    /// The columns that are read from a transaction.
    #[derive(Clone, Copy)]
    pub(crate) struct Paid { card_id: i64, amount: f64 }
}

egret::core::row! {
    /// The statistics of a card after an event.
    pub(crate) struct Statistics { card: i64, count: i64, mean: f64, variance: f64 }
}

const MOMENTS: ValueState<(i64, f64, f64)> = ValueState::new(0);

/// The process function.
pub(crate) struct Running;

impl ProcessFunction for Running {
    type In = Paid;
    type Other = Paid;
    type Out = Statistics;

    fn process(&mut self, row: Paid, ctx: &mut ProcessContext<'_, Statistics>) -> Result<()> {
        let (count, mean, squares) = MOMENTS.get(ctx)?.unwrap_or_default();
        let count = count + 1;
        let delta = row.amount - mean;
        let mean = mean + delta / count as f64;
        let squares = squares + delta * (row.amount - mean);
        MOMENTS.set(ctx, &(count, mean, squares))?;
        ctx.emit(Statistics { card: row.card_id, count, mean, variance: squares / count as f64 });
        Ok(())
    }
}

/// Counts and hashes rows, and measures the time between two batches.
pub(crate) struct TickSink;

impl Sink for TickSink {
    fn open(&self, _schema: &StreamSchema, ctx: &SinkContext) -> Result<Box<dyn SinkWriter>> {
        let counters = Arc::clone(&ctx.counters);
        Ok(Box::new(Ticks { count: 0, sum: 0, last: None, waits_us: Vec::new(), counters }))
    }

    fn describe(&self) -> String {
        "checksum and waits".into()
    }
}

struct Ticks {
    count: i64,
    sum: u64,
    last: Option<Instant>,
    waits_us: Vec<i64>,
    counters: Arc<Counters>,
}

impl SinkWriter for Ticks {
    fn write(&mut self, batch: &Batch) -> Result<()> {
        let now = Instant::now();
        let waited = self.last.replace(now).map(|last| now.duration_since(last).as_micros() as i64);
        self.waits_us.extend(waited);
        self.count += batch.num_rows() as i64;
        self.sum = self.sum.wrapping_add(hash_rows(Hash::Running, batch));
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

impl Drop for Ticks {
    fn drop(&mut self) {
        self.waits_us.sort_unstable();
        if let Some(longest) = self.waits_us.last() {
            let p99 = self.waits_us[self.waits_us.len() * 99 / 100];
            eprintln!("ticks={} p99_us={p99} longest_us={longest}", self.waits_us.len());
        }
    }
}
