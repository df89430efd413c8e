//! The sink.

use super::config::SocketConfig;
use super::dial::Hello;
use super::writer::{SocketWriter, recover};
use crate::format::TextEncoder;
use egret_core::{Batch, Clock, Committable, Epoch, Error, Result, Sink, SinkContext, SinkWriter, StreamSchema, SystemClock};
use std::sync::Arc;

/// Writes to a peer.
pub struct SocketSink {
    config: Arc<SocketConfig>,
    clock: Arc<dyn Clock>,
}

impl SocketSink {
    /// A sink. The peer is connected to when the job runs.
    pub fn new(config: SocketConfig) -> Self {
        Self { config: Arc::new(config), clock: Arc::new(SystemClock) }
    }

    /// With another clock for how long an answer is waited for.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The peer remembers rows by the checkpoints that they belong to, and by the sink: those of a job that is started afresh are others.
    fn hello(&self, ctx: &SinkContext) -> Hello {
        let attempt = ctx.attempt.as_ref();
        let stream = attempt.map_or_else(|| ctx.uid.to_string(), |attempt| format!("{}-{}", attempt.checkpoints, ctx.uid));
        Hello {
            role: "write".into(),
            format: self.config.format.name().into(),
            stream: Some(stream),
            job: attempt.map(|attempt| attempt.job.to_string()),
            attempt: attempt.map(|attempt| attempt.number),
            token: self.config.token.clone(),
            ..Hello::default()
        }
    }
}

impl Sink for SocketSink {
    fn open(&self, schema: &StreamSchema, ctx: &SinkContext) -> Result<Box<dyn SinkWriter>> {
        if ctx.instance > 0 {
            return Ok(Box::new(Nobody));
        }
        let SocketConfig { format, text, .. } = &*self.config;
        let encoder = TextEncoder::new(*format, &text.csv, schema.arrow().fields());
        let clock = Arc::clone(&self.clock);
        Ok(Box::new(SocketWriter::open(&self.config, &self.hello(ctx), clock, Box::new(encoder), ctx.unbounded)?))
    }

    fn recover(&self, _schema: &StreamSchema, ctx: &SinkContext, committables: &[Committable]) -> Result<()> {
        let attempt = ctx.attempt.as_ref().ok_or_else(|| Error::bug("a job without checkpoints has nothing to recover"))?;
        recover(&self.config, &self.hello(ctx), attempt, committables)
    }

    fn state_layout(&self) -> Vec<(String, String)> {
        self.config.layout()
    }

    fn wants_one_writer(&self) -> bool {
        true
    }

    fn describe(&self) -> String {
        format!("socket {} ({})", self.config.address, self.config.format.name())
    }
}

/// The writers that are given no rows: rows have numbers, so one writer gives them.
struct Nobody;

impl SinkWriter for Nobody {
    fn write(&mut self, _batch: &Batch) -> Result<()> {
        Err(Error::bug("rows of a socket go to one writer, and this is another"))
    }

    fn prepare(&mut self, _epoch: Epoch) -> Result<Vec<Committable>> {
        Ok(Vec::new())
    }

    fn commit(&mut self, _committables: &[Committable]) -> Result<()> {
        Ok(())
    }
}
