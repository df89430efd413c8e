//! A sink as an operator: writes rows, commits when its input has ended.

use egret_core::metrics::Counters;
use egret_core::{Batch, Context, Epoch, EventTime, Operator, Result, SinkWriter};

/// How often what a sink holds back is shown.
const FLUSH_MS: i64 = 100;
/// How often when nothing comes.
const FLUSH_AGAIN_MS: i64 = 1_000;

/// Drives a [`SinkWriter`].
pub(crate) struct SinkOperator {
    writer: Box<dyn SinkWriter>,
    epoch: Epoch,
    finished: bool,
}

impl SinkOperator {
    pub(crate) fn new(writer: Box<dyn SinkWriter>) -> Self {
        Self { writer, epoch: Epoch::default(), finished: false }
    }
}

impl Operator for SinkOperator {
    fn process(&mut self, _input: usize, batch: Batch, ctx: &mut Context<'_>) -> Result<()> {
        self.writer.write(&batch)?;
        Counters::add(&ctx.counters().rows_out, batch.num_rows() as u64);
        ctx.wake_at(ctx.processing_time_ms().saturating_add(FLUSH_MS));
        Ok(())
    }

    fn on_processing_time(&mut self, now_ms: i64, ctx: &mut Context<'_>) -> Result<()> {
        // Once more later, even if nothing comes: parts of files are complete after a time.
        ctx.wake_at(now_ms.saturating_add(FLUSH_AGAIN_MS));
        self.writer.flush()
    }

    fn output_watermark(&self, input: EventTime) -> EventTime {
        input
    }

    fn close(&mut self, _ctx: &mut Context<'_>) -> Result<()> {
        let committables = self.writer.prepare(self.epoch)?;
        self.writer.commit(&committables)?;
        self.finished = true;
        Ok(())
    }
}

impl Drop for SinkOperator {
    fn drop(&mut self) {
        if !self.finished {
            self.writer.abort();
        }
    }
}
