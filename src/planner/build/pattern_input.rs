//! The events that a pattern reads, as a job of their own.

use egret_cep::CompiledPattern;
use egret_core::job::NodeKind;
use egret_core::{Error, JobGraph, Result, Sink, StreamSchema};
use egret_operators::Stream;
use std::sync::Arc;

/// A pattern, and the stream that it reads, with the answers of graphs and models.
#[derive(Clone)]
pub struct PatternInput {
    /// The pattern's name.
    pub name: String,
    /// The pattern over the stream.
    pub compiled: CompiledPattern,
    stream: Stream,
    /// Streams of the program whose input never ends.
    endless: Vec<String>,
}

impl PatternInput {
    pub(crate) fn new(name: &str, compiled: &CompiledPattern, stream: &Stream, endless: &[String]) -> Self {
        Self { name: name.to_owned(), compiled: compiled.clone(), stream: stream.clone(), endless: endless.to_vec() }
    }

    /// The schema of the events.
    pub fn schema(&self) -> &StreamSchema {
        self.stream.schema()
    }

    /// A job that reads the stream's input up to its current end and writes the events to a sink; nothing else of the program
    /// runs.
    ///
    /// # Errors
    /// An input never ends.
    pub fn job(&self, sink: Arc<dyn Sink>) -> Result<JobGraph> {
        self.stream.sink("traced", sink)?;
        let all = self.stream.job().graph();
        let traced = all.nodes().filter(|(_, node)| matches!(node.kind, NodeKind::Sink(_))).map(|(id, _)| id).last();
        let job = all.upstream_of(&traced.into_iter().collect::<Vec<_>>())?;
        for (_, node) in job.nodes() {
            if matches!(node.kind, NodeKind::Source { .. }) && self.endless.iter().any(|name| *name == *node.name) {
                return Err(Error::job(format!("the input of '{}' has no end, so it cannot be read again", node.name))
                    .help("keep what came in a file, and read that"));
            }
        }
        Ok(job)
    }
}
