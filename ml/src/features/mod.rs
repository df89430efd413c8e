//! Features: which columns a model reads, and how a row of them becomes what a learner reads.
//!
//! * *Numeric* columns (integers, floats, decimals) become a dense matrix, with a row for each row.
//! * *Categories* (strings, booleans, and integers where asked for) become one hashed coordinate each ([`crate::hashing`]), or stay
//!   the texts they are, or both: the [`FeatureLayout`] of the algorithm says which.
//!
//! # What is missing
//! A numeric value that is null, not finite, or beyond [`LARGEST`] is *missing*: it is counted, is NaN in the matrix, and nothing is
//! learned from it. So a NaN never gets into a weight. A null category is a category.

mod column;
mod reader;
mod rows;

pub use column::{FeatureColumn, FeatureKind};
pub use reader::{FeatureLayout, FeatureReader, LARGEST, Missing};
pub use rows::{FeatureRows, FeatureView};
