//! Expressions: text in, a column out.
//!
//! Conditions of the language, of SQL and of the Rust API all become DataFusion logical expressions, are coerced and simplified,
//! and run as DataFusion physical expressions, a column at a time. There is no interpreter of our own, and every scalar function
//! of DataFusion can be used. Two things differ from DataFusion: integer arithmetic fails instead of wrapping ([`compute`] says
//! for which rows), and AND and OR guard their right side.

mod checked;
mod compiled;
mod constant;
mod dialect;
mod faults;
mod floats;
mod functions;
mod guard;
mod lengths;
mod messages;
mod node;
mod own;
mod padded;
mod parts;
mod physical;
mod plan;
mod rewrite;
mod scope;
pub mod show;
mod simplify;
mod times;

pub use checked::{OUT_OF_RANGE, sql_type};
pub use compiled::Expression;
pub use dialect::{parse_changed, parse_expression};
pub use faults::{Computed, Fault, compute, compute_or_null, mask};
pub use functions::{aggregate_function, function_names, scalar_function};
pub use parts::{aggregated, bare_column};
pub use plan::Planner;
pub use rewrite::{Rewrite, any_part, rewrite};
pub use scope::Scope;
pub use show::{literal, plain, stand_in};
pub use simplify::coerce;

use crate::{Result, StreamSchema};

/// Compiles an expression over a stream's columns; the short way for the Rust API.
///
/// ```
/// use egret_core::{StreamSchema, expr};
/// use arrow::datatypes::{DataType, Field};
/// let schema = StreamSchema::new(vec![Field::new("amount", DataType::Float64, true)], None)?;
/// let condition = expr::compile("amount * 2 > 10", &schema)?;
/// assert_eq!(condition.data_type(), &DataType::Boolean);
/// assert!(expr::compile("amount > 'x'", &schema).is_err());
/// # Ok::<(), egret_core::Error>(())
/// ```
///
/// # Errors
/// The text does not parse, names an unknown column or function, or its types do not fit.
pub fn compile(text: &str, schema: &StreamSchema) -> Result<Expression> {
    let scope = Scope::of_stream(schema)?;
    Planner::new().compile_text(text, &scope)
}

#[cfg(test)]
mod tests;
