//! Answers on their way into columns: they are taken row by row, as the graph is when the row reads it.

use crate::key::KeyKind;
use arrow::array::{ArrayRef, Int64Builder};
use arrow::datatypes::DataType;
use egret_core::Result;
use std::sync::Arc;

/// One column of answers.
pub(crate) enum AnswerColumn {
    /// Sizes.
    Sizes(Int64Builder),
    /// Vertices.
    Names(Vec<Option<(u64, Box<[u8]>)>>),
}

impl AnswerColumn {
    pub(crate) fn sizes(rows: usize) -> Self {
        Self::Sizes(Int64Builder::with_capacity(rows))
    }

    pub(crate) fn names(rows: usize) -> Self {
        Self::Names(Vec::with_capacity(rows))
    }

    /// The column; names are of `kind` and get the type `names`.
    pub(crate) fn finish(self, kind: KeyKind, names: &DataType) -> Result<ArrayRef> {
        match self {
            Self::Sizes(mut sizes) => Ok(Arc::new(sizes.finish())),
            Self::Names(keys) => kind.column(names, keys.iter().map(|key| key.as_ref().map(|(rank, bytes)| (*rank, &**bytes)))),
        }
    }
}
