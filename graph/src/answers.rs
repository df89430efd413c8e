//! Answers on their way into columns: they are taken row by row, as the graph is when the row reads it.

use crate::key::KeyKind;
use crate::vertices::Side;
use arrow::array::{ArrayRef, Int64Builder};
use arrow::datatypes::DataType;
use egret_core::Result;
use std::sync::Arc;

/// What can be asked of a graph: an answer of one of the algorithms that it computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Answer {
    /// The algorithm's place among those of the graph.
    pub(crate) algorithm: usize,
    /// The answer's place among those of the algorithm.
    pub(crate) index: usize,
}

/// A question about the vertex in a column of the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lookup {
    /// What is asked.
    pub answer: Answer,
    /// Which side of the graph the column's values are on.
    pub side: Side,
    /// The column.
    pub column: usize,
}

/// What a graph says of an answer that it has.
#[derive(Clone, Debug)]
pub struct KnownAnswer {
    /// The answer.
    pub answer: Answer,
    /// The name in the language: `ring.size(card)`.
    pub name: &'static str,
    /// What it says, in one line.
    pub meaning: &'static str,
    /// The type of its column.
    pub data_type: DataType,
}

/// The type of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AnswerType {
    /// A whole number.
    Count,
    /// A vertex of the side that edges start from.
    Vertex,
}

/// An answer of an algorithm, see [`KnownAnswer`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signature {
    pub(crate) name: &'static str,
    pub(crate) meaning: &'static str,
    pub(crate) answer_type: AnswerType,
    /// Whether it says something only where the two ends of edges are two kinds of vertices.
    pub(crate) needs_sides: bool,
}

impl Signature {
    /// An answer that is a number, whatever the ends of edges are.
    pub(crate) const fn count(name: &'static str, meaning: &'static str) -> Self {
        Self { name, meaning, answer_type: AnswerType::Count, needs_sides: false }
    }
}

/// What the value of a row is in the graph.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Found {
    /// A null, which is no vertex.
    Null,
    /// A vertex without edges.
    Alone,
    /// A vertex by its number.
    Vertex(u32),
}

/// One column of answers.
pub(crate) enum AnswerColumn {
    /// For [`AnswerType::Count`].
    Counts(Int64Builder),
    /// For [`AnswerType::Vertex`]: rank and bytes of keys.
    Vertices(Vec<Option<(u64, Box<[u8]>)>>),
}

impl AnswerColumn {
    pub(crate) fn new(answer_type: AnswerType, rows: usize) -> Self {
        match answer_type {
            AnswerType::Count => Self::Counts(Int64Builder::with_capacity(rows)),
            AnswerType::Vertex => Self::Vertices(Vec::with_capacity(rows)),
        }
    }

    /// The column; vertices are of `kind` and get the type `vertex_type`.
    pub(crate) fn finish(self, kind: KeyKind, vertex_type: &DataType) -> Result<ArrayRef> {
        match self {
            Self::Counts(mut counts) => Ok(Arc::new(counts.finish())),
            Self::Vertices(keys) => {
                kind.column(vertex_type, keys.iter().map(|key| key.as_ref().map(|(rank, bytes)| (*rank, &**bytes))))
            }
        }
    }
}
