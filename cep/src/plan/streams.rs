//! Rows of several streams as one stream: each row has the number of its stream, the columns that all streams share, and the
//! columns of every stream, which are null except for its own.

use crate::plan::known::Facts;
use arrow::array::{Array, AsArray};
use arrow::datatypes::Int64Type;
use egret_core::{Result, StreamSchema};
use std::collections::BTreeMap;

/// How the rows of several streams are combined, so that each can be shown as its own stream has it.
///
/// ```
/// use egret_cep::StreamNames;
/// let streams = StreamNames {
///     number: "__stream".into(),
///     names: vec!["logins".into(), "payments".into()],
///     columns: [("__0_device".to_owned(), 0), ("__1_amount".to_owned(), 1)].into(),
/// };
/// assert_eq!(streams.names[streams.columns["__1_amount"]], "payments");
/// ```
#[derive(Clone, Debug)]
pub struct StreamNames {
    /// The column with the number of the row's stream, a `BIGINT` from zero.
    pub number: String,
    /// The streams, in the order of their numbers.
    pub names: Vec<String>,
    /// The columns that belong to one stream alone, each with the stream's number.
    pub columns: BTreeMap<String, usize>,
}

/// [`StreamNames`] with columns resolved.
#[derive(Clone, Debug)]
pub(crate) struct Streams {
    pub(crate) number: usize,
    pub(crate) names: Vec<String>,
    /// For each column of the input: the stream that it belongs to, if to one alone.
    of: Vec<Option<usize>>,
}

impl Streams {
    pub(crate) fn resolve(names: &StreamNames, input: &StreamSchema) -> Result<Self> {
        let mut of = vec![None; input.arrow().fields().len()];
        for (column, stream) in &names.columns {
            of[input.index_of(column)?] = Some(*stream);
        }
        Ok(Self { number: input.index_of(&names.number)?, names: names.names.clone(), of })
    }

    /// Whether a column is shown of the event at hand: the event's stream has it, and it is not the number of the stream.
    pub(crate) fn shows(&self, column: usize, facts: &mut dyn Facts) -> Result<bool> {
        let Some(stream) = self.of[column] else { return Ok(column != self.number) };
        let number = facts.column(self.number)?;
        Ok(number.is_some_and(|number| number.is_valid(0) && number.as_primitive::<Int64Type>().value(0) == stream as i64))
    }

    /// The stream that alone has a column.
    pub(crate) fn of(&self, column: usize) -> Option<&str> {
        self.of[column].map(|stream| self.names[stream].as_str())
    }
}
