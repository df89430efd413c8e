//! Graphs, models and sinks of a program.

use super::lookup::Rewritten;
use egret_dsl::{CreateSink, Span};
use egret_graph::GraphSpec;
use egret_ml::ModelSpec;
use egret_operators::Stream;

/// A graph of the program.
pub(crate) struct GraphEntry {
    pub(crate) spec: GraphSpec,
    pub(crate) updates: Stream,
    pub(crate) ends: [String; 2],
}

impl GraphEntry {
    /// The answers that its algorithms give.
    pub(crate) fn answers(&self) -> Vec<String> {
        self.spec.answers().into_iter().map(|known| known.name.to_owned()).collect()
    }

    /// The columns that hold vertices.
    pub(crate) fn ends(&self) -> &[String; 2] {
        &self.ends
    }
}

/// A model of the program.
pub(crate) struct ModelEntry {
    pub(crate) spec: ModelSpec,
    pub(crate) updates: Stream,
    pub(crate) relation: String,
    pub(crate) features: Vec<Rewritten>,
    /// `None` if it learns without labels.
    pub(crate) label: Option<Rewritten>,
    pub(crate) span: Span,
}

/// A sink and the streams that are written to it.
pub(crate) struct OutputEntry {
    pub(crate) statement: CreateSink,
    pub(crate) inputs: Vec<Stream>,
}
