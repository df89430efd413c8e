//! The pattern engine at its boundary: known cases, the law, slow and obvious twins, and what it refuses.

#![allow(clippy::unwrap_used)]

mod arrival;
mod cases;
mod chained;
mod changed;
mod changed_rows;
mod changed_sets;
mod conformance;
mod definition;
mod errors;
mod law;
mod lint;
mod naive;
mod overflow;
mod row_cases;
mod row_definition;
mod row_errors;
mod row_law;
mod row_streaming;
mod row_twin;
mod set_law;
mod shape;
mod trace;
mod twin;
mod why;
