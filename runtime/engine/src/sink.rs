//! A sink as an operator: writes rows, and publishes them when the checkpoint they are in is complete.
//!
//! Without checkpoints a sink publishes once, when the input has ended. What sinks had prepared in the checkpoint that a job goes on
//! from is published before any writer is opened ([`recover`]).

use crate::checkpoint::{CheckpointRun, Restored};
use crate::failpoint::fail_point;
use egret_core::job::{Node, NodeKind, Parallelism};
use egret_core::metrics::Counters;
use egret_core::{
    Batch, Committable, Context, Epoch, Error, EventTime, JobGraph, Operator, Readiness, Result, SinkContext, SinkWriter,
    Snapshot, Step,
};
use std::sync::Arc;

/// Makes every sink of a job publish what it had prepared in the checkpoint, and end what dead attempts left open.
///
/// # Errors
/// A sink cannot.
pub(crate) fn recover(job: &JobGraph, workers: usize, run: &CheckpointRun, restored: Option<&Restored>) -> Result<()> {
    for (id, node) in job.nodes() {
        let NodeKind::Sink(sink) = &node.kind else { continue };
        let (from, edge) = job.inputs(id)[0];
        let parallelism = if node.parallelism == Parallelism::One { 1 } else { workers };
        let ctx = SinkContext {
            uid: Arc::clone(&node.uid),
            attempt: Some(run.sink_attempt(restored, node)),
            ..SinkContext::new(0, parallelism)
        };
        let committables = restored.map(|restored| restored.committables(node)).unwrap_or_default();
        if !committables.is_empty() {
            fail_point("publish again");
        }
        sink.recover(&job.node(from).outputs[edge.port].schema, &ctx, &committables).map_err(|error| place(node, error))?;
    }
    Ok(())
}

fn place(node: &Node, error: Error) -> Error {
    error.context(format!("'{}'", node.name))
}

/// How often what a sink holds back is shown.
const FLUSH_MS: i64 = 100;
/// How often when nothing comes.
const FLUSH_AGAIN_MS: i64 = 1_000;

/// Drives a [`SinkWriter`].
pub(crate) struct SinkOperator {
    writer: Box<dyn SinkWriter>,
    /// Whether publication waits for checkpoints.
    by_checkpoint: bool,
    /// What was prepared, by the epoch it belongs to, and is not published yet.
    pending: Vec<(Epoch, Vec<Committable>)>,
    finished: bool,
}

impl SinkOperator {
    pub(crate) fn new(writer: Box<dyn SinkWriter>, by_checkpoint: bool) -> Self {
        Self { writer, by_checkpoint, pending: Vec::new(), finished: false }
    }
}

impl Operator for SinkOperator {
    fn poll_ready(&mut self, step: Step) -> Result<Readiness> {
        self.writer.poll_ready(step)
    }

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

    /// What is prepared and not published: it is published when the job is restored, should it fail before.
    fn snapshot(&mut self, epoch: Epoch) -> Result<Snapshot> {
        let ready = if self.finished { self.writer.finish(epoch)? } else { self.writer.prepare(epoch)? };
        self.pending.push((epoch, ready));
        let all = self.pending.iter().flat_map(|(_, committables)| committables);
        Ok(Snapshot { first: all.map(|committable| committable.0.clone()).collect(), ..Snapshot::default() })
    }

    fn on_checkpoint_complete(&mut self, epoch: Epoch) -> Result<()> {
        let complete = self.pending.iter().take_while(|(of, _)| *of <= epoch).count();
        for (_, committables) in self.pending.drain(..complete) {
            fail_point("publish");
            self.writer.commit(&committables)?;
            fail_point("published");
        }
        self.writer.flush()
    }

    fn close(&mut self, _ctx: &mut Context<'_>) -> Result<()> {
        self.finished = true;
        if self.by_checkpoint {
            return Ok(());
        }
        let committables = self.writer.prepare(Epoch::default())?;
        self.writer.commit(&committables)
    }
}

impl Drop for SinkOperator {
    fn drop(&mut self) {
        // What a checkpoint speaks of must stay: the job publishes it when it is restored.
        if !self.finished && !self.by_checkpoint {
            self.writer.abort();
        }
    }
}
