//! Answers: what can be asked, and the columns that answers are appended to, row by row, as of the version that the row reads.

use crate::key::KeyKind;
use crate::vertices::Side;
use arrow::array::{ArrayRef, Int64Builder};
use arrow::datatypes::DataType;
use egret_core::Result;
use std::sync::Arc;

/// An answer of one of the algorithms of a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Answer {
    /// The index of the algorithm in `COMPUTE`.
    pub(crate) algorithm: usize,
    /// The index of the answer among those of the algorithm.
    pub(crate) index: usize,
}

/// A question about the vertex in a column of the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lookup {
    /// The answer that is asked for.
    pub answer: Answer,
    /// The side of the vertices in the column.
    pub side: Side,
    /// The column of vertices.
    pub column: usize,
}

/// An answer that a graph gives, with its name and type.
#[derive(Clone, Debug)]
pub struct KnownAnswer {
    /// The answer.
    pub answer: Answer,
    /// The name in the language: `ring.size(card)`.
    pub name: &'static str,
    /// The meaning, in one line.
    pub meaning: &'static str,
    /// The type of the column of answers.
    pub data_type: DataType,
}

/// The type of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AnswerType {
    /// A whole number.
    Count,
    /// A vertex on the side that edges leave.
    Vertex,
}

/// An answer of an algorithm, see [`KnownAnswer`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signature {
    pub(crate) name: &'static str,
    pub(crate) meaning: &'static str,
    pub(crate) answer_type: AnswerType,
    /// Whether there is this answer only if the ends of edges are two kinds of vertices.
    pub(crate) needs_sides: bool,
}

impl Signature {
    /// An answer that is a number, for one and for two kinds of vertices.
    pub(crate) const fn count(name: &'static str, meaning: &'static str) -> Self {
        Self { name, meaning, answer_type: AnswerType::Count, needs_sides: false }
    }
}

/// The vertex that the value of a row stands for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Found {
    /// No vertex: the value is null.
    Null,
    /// A vertex that the replica does not know, so it has no edges.
    Alone,
    /// The vertex with this number.
    Vertex(u32),
}

/// A column of answers.
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

    /// The finished column. Vertices are keys of `kind` and get the type `vertex_type`.
    pub(crate) fn finish(self, kind: KeyKind, vertex_type: &DataType) -> Result<ArrayRef> {
        match self {
            Self::Counts(mut counts) => Ok(Arc::new(counts.finish())),
            Self::Vertices(keys) => {
                kind.column(vertex_type, keys.iter().map(|key| key.as_ref().map(|(rank, bytes)| (*rank, &**bytes))))
            }
        }
    }
}
