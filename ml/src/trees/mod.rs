//! Trees that learn from a stream, and ensembles of them.
//!
//! * [`tree`] is a Hoeffding tree: nodes and leaves in arenas, what changed since the last delta noted at each. A [`leaf`] keeps account of
//!   [`numbers`] and [`counts`] of categories; [`split`] finds what it would best be split by.
//! * [`voters`] are the trees of a model, which a scorer has too. How they learn is the [`method`]: [`single`] is one tree, [`adaptive`] one
//!   whose parts are replaced when they get worse, [`forest`] and [`bagging`] are ensembles.
//! * [`model`] puts a method behind the contract of learners. The [`vocabulary`] tells classes and categories by numbers, so that nothing
//!   else reads texts; [`order`] puts features in the order of their names; [`options`] are those that all have.

pub(crate) mod adaptive;
pub(crate) mod bagging;
mod config;
mod counts;
pub(crate) mod forest;
mod leaf;
mod method;
mod model;
mod numbers;
pub(crate) mod options;
mod order;
pub(crate) mod recipe;
pub(crate) mod single;
mod split;
mod tree;
mod vocabulary;
mod voters;
