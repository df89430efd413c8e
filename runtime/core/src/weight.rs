//! The weight of a row in a stream of changes: +1 where the row is added to what came before, -1 where it is taken back.
//!
//! A stream of changes stands for a table that changes with time (a Z-set, as DBSP calls it: M. Budiu and others, *DBSP: Automatic
//! Incremental View Maintenance for Rich Query Languages*, VLDB 2023). Its rows have one more column, [`WEIGHT`]. A stream without that
//! column is one of insertions alone.
//!
//! Whoever does not know weights would count what was taken back as if it were there, so a job is refused in which such an operator or
//! sink would read a stream of changes (see [`JobGraph::validate`](crate::JobGraph::validate)). Filters, projections and unions know them.
//!
//! ```
//! use egret_core::weight::weight_field;
//! use egret_core::StreamSchema;
//! use arrow::datatypes::{DataType, Field};
//! let changes = StreamSchema::new(vec![Field::new("card", DataType::Int64, true), weight_field()], None)?;
//! assert_eq!(changes.weight(), Some(1));
//! # Ok::<(), egret_core::Error>(())
//! ```

use arrow::datatypes::{DataType, Field};

/// The name of the column.
pub const WEIGHT: &str = "__weight";

/// Its type: how often the row is added, or taken back where that is negative; never 0.
pub const WEIGHT_TYPE: DataType = DataType::Int64;

/// The column as a field.
pub fn weight_field() -> Field {
    Field::new(WEIGHT, WEIGHT_TYPE, false)
}
