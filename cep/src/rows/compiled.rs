//! A row pattern bound to a stream.

use super::plan::validate;
use super::spec::RowPattern;
use arrow::array::RecordBatch;
use egret_core::{Error, KeyColumns, OperatorFactory, Result, StreamSchema};
use std::sync::Arc;

/// A row pattern bound to a stream. Cheap to clone.
///
/// One operator runs it, which must get all rows of a partition: partition by [`CompiledRowPattern::key_columns`], or gather if
/// there are none. Its outputs: 0, what the matches show; 1, late rows with all columns of the input.
#[derive(Clone)]
pub struct CompiledRowPattern {
    input: StreamSchema,
    output: StreamSchema,
    partition: Vec<usize>,
}

impl CompiledRowPattern {
    /// Binds a row pattern to a stream: `partition` are the columns of `PARTITION BY`, `order` those of `ORDER BY`, each with
    /// whether it is descending. A stream with event time is ordered by it first.
    ///
    /// # Errors
    /// The pattern makes no sense, or an expression does not fit the stream; the message names the place.
    pub fn compile(
        spec: &RowPattern,
        _schema: &StreamSchema,
        _partition: Vec<usize>,
        _order: Vec<(usize, bool)>,
    ) -> Result<Self> {
        validate(spec)?;
        Err(Error::job("row patterns cannot be run yet").help("use a pattern of Egret's own language"))
    }

    /// Makes the operators.
    pub fn factory(&self) -> Arc<dyn OperatorFactory> {
        Arc::new(|_: &egret_core::OperatorInfo| -> Result<Box<dyn egret_core::Operator>> {
            Err(Error::job("row patterns cannot be run yet"))
        })
    }

    /// The partition columns of the input. None: all rows must go to one operator.
    pub fn key_columns(&self) -> KeyColumns {
        KeyColumns::new(self.partition.clone())
    }

    /// The columns of the input that are read, ascending.
    pub fn input_columns(&self) -> Vec<usize> {
        self.partition.clone()
    }

    /// The columns of the output.
    pub fn output_schema(&self) -> &StreamSchema {
        &self.output
    }

    /// The columns of late rows, output 1: those of the input.
    pub fn late_schema(&self) -> &StreamSchema {
        &self.input
    }

    /// What `explain` says, one fact a line.
    pub fn describe(&self) -> Vec<String> {
        Vec::new()
    }

    /// What the user should know, also about what grows without bound on an `unbounded` input.
    pub fn warnings(&self, _unbounded: bool) -> Vec<String> {
        Vec::new()
    }

    /// Looks for the pattern in rows that are all there is, in any order.
    ///
    /// # Errors
    /// An expression cannot be computed, or a bound is reached.
    pub fn match_rows(&self, _rows: &RecordBatch) -> Result<RecordBatch> {
        Err(Error::job("row patterns cannot be run yet"))
    }
}
