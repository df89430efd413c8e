//! The weight of a row in a stream of changes: +1 for a row that is inserted, -1 for one that is retracted.
//!
//! A stream of changes represents a table that changes with time (a Z-set in DBSP's terms: M. Budiu and others, *DBSP: Automatic
//! Incremental View Maintenance for Rich Query Languages*, VLDB 2023). Its rows have the additional column [`WEIGHT`]. A stream
//! without that column has insertions only.
//!
//! An operator that does not know weights would count retracted rows as present, so a job in which such an operator or sink reads
//! a stream of changes is refused (see [`JobGraph::validate`](crate::JobGraph::validate)). Filters, projections and unions know
//! weights.
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

/// Its type: how often the row is inserted, or if negative, how often it is retracted; never 0.
pub const WEIGHT_TYPE: DataType = DataType::Int64;

/// The column as a field.
pub fn weight_field() -> Field {
    Field::new(WEIGHT, WEIGHT_TYPE, false)
}
