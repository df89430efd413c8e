//! The contract of algorithms: what a job names behind `USING`.

use crate::Learner;
use crate::features::{FeatureColumn, FeatureKind, FeatureLayout};
use crate::labels::Target;
use crate::options::Options;
use egret_core::Result;
use std::fmt::Debug;

/// An algorithm by name. It turns the options that a user wrote into a [`Recipe`].
pub(crate) trait Algorithm: Sync {
    /// The name, in lower case.
    fn name(&self) -> &'static str;

    /// Takes the options and checks them. Those that no algorithm differs in (`categorical`) are taken already.
    ///
    /// # Errors
    /// An option has a wrong type or value, or the features are not for this algorithm.
    fn recipe(&self, features: &[FeatureColumn], options: &mut Options<'_>) -> Result<Box<dyn Recipe>>;
}

/// An algorithm with its options and features: all that a model needs to know of it. Immutable, shared by all operators of the model.
pub(crate) trait Recipe: Debug + Send + Sync {
    /// What its labels are.
    fn target(&self) -> Target;

    /// In which forms its learner reads categories.
    fn layout(&self) -> FeatureLayout;

    /// A learner that has learned nothing. Its [scorer](Learner::scorer) is the replica of it.
    fn learner(&self) -> Box<dyn Learner>;

    /// What `explain` says: the algorithm and its options, then what becomes of the features.
    fn describe(&self, features: &[FeatureColumn]) -> Vec<String>;

    /// What the state of the learner and of its scorers depends on, by name: the algorithm first, then those of its options with which
    /// what was learned would mean something else. How the next row is learned may change, and is not among them.
    fn facts(&self) -> Vec<(String, String)>;
}

/// The names of the features of a kind as they are listed in texts; `None` if there are none.
pub(crate) fn names_of(features: &[FeatureColumn], kind: FeatureKind) -> Option<String> {
    let names: Vec<&str> = features.iter().filter(|feature| feature.kind == kind).map(|feature| feature.name.as_str()).collect();
    (!names.is_empty()).then(|| names.join(", "))
}
