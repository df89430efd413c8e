//! Egret's online learners: models that learn from a stream while they score it.
//!
//! * [`Learner`] is the contract: learn rows in order, predict, and give *deltas* that bring a [`Scorer`] elsewhere up to date.
//!   [`linear`] holds linear models behind it: losses, and the optimisers SGD, Adam, AdaGrad and FTRL-Proximal.
//! * `algorithms` is the registry of what a job can name: a file each, which makes a learner from the options a user wrote.
//! * `trees` are Hoeffding trees and ensembles of them. [`drift`] tells when a stream of numbers, or of errors, has changed.
//! * [`features`] turns columns into features: numbers, and categories, hashed ([`hashing`]) or as texts. A running [`scaler`] scales
//!   numbers for learners that want it.
//! * [`metrics`] measures test-then-train.
//! * [`operator`] puts them into a job: a learner to which labels come late, a reader that scores rows on every worker, an
//!   evaluator. [`ModelSpec`] is the plan that makes all three from the names and options that a user wrote.
//!
//! ```
//! use arrow::datatypes::{DataType, Field};
//! use egret_core::StreamSchema;
//! use egret_ml::{ArgValue, FeatureColumn, ModelSpec};
//! use std::time::Duration;
//!
//! let rows = StreamSchema::new(
//!     vec![
//!         StreamSchema::time_field("at"),
//!         Field::new("amount", DataType::Float64, true),
//!         Field::new("country", DataType::Utf8, true),
//!         Field::new("fraud", DataType::Boolean, true),
//!     ],
//!     Some("at"),
//! )?;
//! let features = vec![FeatureColumn::of(&rows, 1)?, FeatureColumn::of(&rows, 2)?];
//! let day = Duration::from_secs(86_400);
//! let rate = vec![("learning_rate".to_owned(), ArgValue::Number(0.05))];
//! let model = ModelSpec::new("risk", &rows, features.clone(), 3, day, "logistic_regression", &rate)?;
//! assert_eq!(model.scored_schema()?.arrow().field(4).name(), "risk");
//!
//! let misspelt = vec![("lerning_rate".to_owned(), ArgValue::Number(0.05))];
//! let error = ModelSpec::new("risk", &rows, features, 3, day, "logistic_regression", &misspelt).unwrap_err();
//! assert!(error.to_string().contains("did you mean 'learning_rate'?"));
//! # Ok::<(), egret_core::Error>(())
//! ```

mod algorithm;
mod algorithms;
mod answer;
mod clusters;
pub mod drift;
mod factories;
pub mod features;
mod half_space;
pub mod hashing;
mod labels;
mod learner;
pub mod linear;
mod linear_recipe;
pub mod metrics;
pub mod operator;
pub mod options;
mod random;
pub mod scaler;
mod spec;
mod texts;
mod trees;

pub use answer::Answer;
pub use features::{FeatureColumn, FeatureKind};
pub use labels::{LabelRows, Labels, Target};
pub use learner::{Learner, Outputs, Scorer};
pub use options::ArgValue;
pub use spec::{LABEL_FACT, ModelSpec};
pub use texts::{TextRows, Texts};

#[cfg(test)]
mod tests;
