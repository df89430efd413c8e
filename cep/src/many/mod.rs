//! Many patterns over one stream, with one key, as one pair of operators.
//!
//! The *prefilter* finds for each row which conditions of which patterns it meets, through an index of all comparisons with
//! constants, so that the work depends on the number of hits and not on the number of patterns. Conditions that patterns have in
//! common are evaluated once. Rows that no pattern can use are dropped before the exchange; the numbers of the conditions that
//! the others meet travel with them. The *matcher* behind the exchange puts rows in order once, hands each pattern those that it
//! can use, and keeps every pattern's partial matches separately.
//!
//! # Contract
//! Each pattern gives exactly the matches it gives alone: it sees the same rows, in the same order, with the same masks. (Only
//! the watermark may lag further behind: it is the earliest of all patterns'.)
//!
//! ```
//! use arrow::datatypes::{DataType, Field};
//! use egret_cep::{CompiledPattern, Pattern, PatternSet, measures};
//! use egret_core::StreamSchema;
//!
//! let fields = vec![Field::new("card", DataType::Int64, false), Field::new("amount", DataType::Float64, false)];
//! let schema = StreamSchema::new([fields, vec![StreamSchema::time_field("at")]].concat(), Some("at"))?;
//! let pattern = |least: u32| {
//!     let pattern = Pattern::begin("a").filter(format!("amount > {least}")).followed_by("b").filter("amount < 1");
//!     CompiledPattern::compile(&pattern, &schema, vec![0], vec![], measures(&[("amount", "a.amount")])?)
//! };
//! let set = PatternSet::new(vec![("big".into(), pattern(100)?), ("huge".into(), pattern(900)?)])?;
//! assert_eq!(set.len(), 2);
//! assert!(set.describe()[0].contains("big, huge"));
//! # Ok::<(), egret_core::Error>(())
//! ```
//!
//! Deliberately missing: sharing of partial matches among patterns that begin alike, and an index for patterns that need every
//! row (strict contiguity, a condition on earlier events alone): these process each row of a key for which they have state.

mod alone;
mod branches;
mod frames;
mod hits;
mod index;
pub(crate) mod matcher;
mod member;
mod ordered;
pub(crate) mod plan;
mod predicates;
pub(crate) mod prefilter;
pub(crate) mod routes;
mod snapshot;
mod stab;
