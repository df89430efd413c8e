//! Rows that are made, not read: for trying things out, for benchmarks and for simulations.
//!
//! A [`RowGenerator`] makes rows from their numbers, so any stripe of them can be made anywhere and again. The source deals
//! row `i` to split `i mod splits` and holds a rate, if one is asked for. The number of splits is an option, not the
//! parallelism, so that the splits, and with them the watermarks, do not depend on how a job is run.
//!
//! Options of `connector = 'generator'`: `kind`, `rows` (without it the rows never end), `rate` (rows per second, all splits
//! together), `splits`; for the kind `sequence` see [`Sequence`].

mod sequence;
mod source;

pub use sequence::Sequence;
pub use source::{GeneratorConfig, GeneratorSource};

pub(crate) use sequence::sequence_from_options;

use arrow::array::RecordBatch;
use egret_core::{Result, StreamSchema};

/// Makes rows from their numbers.
///
/// # Contract
/// A row depends on its number alone.
pub trait RowGenerator: Send + Sync {
    /// The columns.
    fn schema(&self) -> &StreamSchema;

    /// The rows with these numbers, with only `columns` (indexes into the schema, ascending).
    ///
    /// # Errors
    /// They cannot be made.
    fn generate(&self, rows: RowNumbers, columns: &[usize]) -> Result<RecordBatch>;

    /// How many rows there are, if not as many as are asked for.
    fn rows(&self) -> Option<u64> {
        None
    }

    /// What the row of a number depends on, by name of the fact, as canonical text: a job does not go on from a checkpoint where
    /// that was another.
    fn state_layout(&self) -> Vec<(String, String)>;

    /// What `explain` says about it.
    fn describe(&self) -> String;
}

/// The numbers `first`, `first + step`, `first + 2 * step`, ...: `count` of them.
///
/// ```
/// use egret_connectors::generator::RowNumbers;
/// let numbers = RowNumbers { first: 5, step: 2, count: 3 };
/// assert_eq!(numbers.iter().collect::<Vec<_>>(), [5, 7, 9]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowNumbers {
    /// The first.
    pub first: u64,
    /// From one to the next.
    pub step: u64,
    /// How many.
    pub count: usize,
}

impl RowNumbers {
    /// One after the other.
    pub fn iter(self) -> impl ExactSizeIterator<Item = u64> + Clone {
        (0..self.count).map(move |index| self.first + self.step * index as u64)
    }
}
