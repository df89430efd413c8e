//! The facts that a condition reads: the columns of an event, and the values of the match before it.

use arrow::array::ArrayRef;
use egret_core::Result;

/// The source of the values that a condition reads.
pub(crate) trait Facts {
    /// A column of the event at hand, as one row; none if there is no event.
    fn column(&mut self, column: usize) -> Result<Option<ArrayRef>>;

    /// A value of what the match has taken before, as one row.
    fn value(&mut self, value: usize) -> Result<ArrayRef>;
}
