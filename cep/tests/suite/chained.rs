//! The two operators of a pattern as one: takes the stream's rows, gives matches.

use egret_cep::CompiledPattern;
use egret_core::{
    Batch, Context, Epoch, EventTime, KeyColumns, MAIN, NoState, Operator, OperatorFactory, OperatorInfo, Result, Snapshot,
    StateLayout, StateSize, StreamSchema,
};
use std::sync::Arc;

/// The columns that rows must be partitioned by, as columns of the stream.
#[allow(dead_code)]
pub(crate) fn key_columns(compiled: &CompiledPattern, schema: &StreamSchema) -> KeyColumns {
    let sent = compiled.prefilter_schema().arrow();
    let keys = compiled.key_columns_after_prefilter();
    KeyColumns::new(
        keys.indexes().iter().map(|&key| schema.index_of(sent.field(key).name()).expect("a key is a column")).collect(),
    )
}

/// A factory of operators that are a prefilter and the matcher behind it.
pub(crate) fn chained(compiled: &CompiledPattern) -> Arc<dyn OperatorFactory> {
    both(compiled.prefilter_factory(), compiled.matcher_factory())
}

/// A factory of operators that are these two, one after the other.
pub(crate) fn both(prefilter: Arc<dyn OperatorFactory>, matcher: Arc<dyn OperatorFactory>) -> Arc<dyn OperatorFactory> {
    Arc::new(ChainedFactory { prefilter, matcher })
}

struct ChainedFactory {
    prefilter: Arc<dyn OperatorFactory>,
    matcher: Arc<dyn OperatorFactory>,
}

impl OperatorFactory for ChainedFactory {
    fn create(&self, info: &OperatorInfo) -> Result<Box<dyn Operator>> {
        Ok(Box::new(Chained { prefilter: self.prefilter.create(info)?, matcher: self.matcher.create(info)? }))
    }

    fn state_layouts(&self) -> Vec<StateLayout> {
        self.matcher.state_layouts()
    }
}

/// All state belongs to the matcher.
struct Chained {
    prefilter: Box<dyn Operator>,
    matcher: Box<dyn Operator>,
}

impl Operator for Chained {
    fn open(&mut self, ctx: &mut Context<'_>) -> Result<()> {
        self.matcher.open(ctx)
    }

    fn process(&mut self, input: usize, batch: Batch, ctx: &mut Context<'_>) -> Result<()> {
        let (mut sent, mut none, mut wake): (Vec<(usize, Batch)>, _, _) = (Vec::new(), NoState, None);
        let (watermark, now) = (ctx.watermark(), ctx.processing_time_ms());
        let mut before = Context::new(&mut sent, ctx.info(), ctx.counters(), &mut none, &mut wake, watermark, now);
        self.prefilter.process(input, batch, &mut before)?;
        for (port, batch) in sent {
            match port {
                MAIN => self.matcher.process(input, batch, ctx)?,
                port => ctx.emit_to(port, batch),
            }
        }
        Ok(())
    }

    fn on_watermark(&mut self, watermark: EventTime, ctx: &mut Context<'_>) -> Result<()> {
        self.matcher.on_watermark(watermark, ctx)
    }

    fn output_watermark(&self, input: EventTime) -> EventTime {
        self.matcher.output_watermark(input)
    }

    fn on_processing_time(&mut self, now_ms: i64, ctx: &mut Context<'_>) -> Result<()> {
        self.matcher.on_processing_time(now_ms, ctx)
    }

    fn snapshot(&mut self, epoch: Epoch) -> Result<Snapshot> {
        self.matcher.snapshot(epoch)
    }

    fn restore(&mut self, parts: Vec<Snapshot>) -> Result<()> {
        self.matcher.restore(parts)
    }

    fn close(&mut self, ctx: &mut Context<'_>) -> Result<()> {
        self.matcher.close(ctx)
    }

    fn state_size(&self) -> StateSize {
        self.matcher.state_size()
    }
}
