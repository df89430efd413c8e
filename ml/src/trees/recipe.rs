//! An algorithm of trees with its options: what a model needs to know of it.

use super::method::Method;
use super::model::TreeLearner;
use super::options::TreeOptions;
use crate::algorithm::Recipe;
use crate::features::{FeatureColumn, FeatureLayout};
use crate::{Learner, Target};

/// An algorithm of trees with its options.
#[derive(Clone, Debug)]
pub(crate) struct TreeRecipe<M> {
    pub(crate) algorithm: &'static str,
    pub(crate) options: TreeOptions,
    pub(crate) method: M,
    /// What `explain` says first.
    pub(crate) what: String,
}

impl<M: Method> Recipe for TreeRecipe<M> {
    fn target(&self) -> Target {
        Target::Class
    }

    fn layout(&self) -> FeatureLayout {
        FeatureLayout { hash_bits: None, has_texts: true }
    }

    fn learner(&self) -> Box<dyn Learner> {
        Box::new(TreeLearner::new(self.method.clone(), &self.options))
    }

    fn describe(&self, features: &[FeatureColumn]) -> Vec<String> {
        self.options.describe(self.what.clone(), features)
    }

    fn facts(&self) -> Vec<(String, String)> {
        let mut facts = vec![("algorithm".to_owned(), self.algorithm.to_owned())];
        if self.method.voters() > 1 {
            facts.push(("trees".to_owned(), self.method.voters().to_string()));
        }
        facts
    }
}
