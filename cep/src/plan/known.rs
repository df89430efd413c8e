//! What is known of an event, and of what a match took before it.

use arrow::array::ArrayRef;
use egret_core::Result;

/// Where the values come from that a condition reads.
pub(crate) trait Facts {
    /// A column of the event at hand, as one row; none if there is no event.
    fn column(&mut self, column: usize) -> Result<Option<ArrayRef>>;

    /// A value of what the match has taken before, as one row.
    fn value(&mut self, value: usize) -> Result<ArrayRef>;
}
