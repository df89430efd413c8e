//! The algorithms there are, one file each.

mod adaptive_random_forest;
mod adwin_bagging;
mod gaussian_nb;
mod half_space_trees;
mod hoeffding_adaptive_tree;
mod hoeffding_tree;
mod kmeans;
mod knn;
mod leveraging_bagging;
mod linear_regression;
pub(crate) mod logistic_regression;
mod mini_batch_kmeans;
mod passive_aggressive;
mod passive_aggressive_regressor;
mod perceptron;
mod recursive_least_squares;
mod softmax_regression;

use crate::algorithm::Algorithm;
use crate::options::nearest;
use egret_core::{Error, Result};

/// The registry.
pub(crate) const ALGORITHMS: &[&dyn Algorithm] = &[
    // In alphabetical order, as they are listed where a name is unknown.
    &adaptive_random_forest::Registered,
    &adwin_bagging::Registered,
    &gaussian_nb::Registered,
    &half_space_trees::Registered,
    &hoeffding_adaptive_tree::Registered,
    &hoeffding_tree::Registered,
    &kmeans::Registered,
    &knn::Registered,
    &leveraging_bagging::Registered,
    &linear_regression::Registered,
    &logistic_regression::Registered,
    &mini_batch_kmeans::Registered,
    &passive_aggressive::Registered,
    &passive_aggressive_regressor::Registered,
    &perceptron::Registered,
    &recursive_least_squares::Registered,
    &softmax_regression::Registered,
];

/// The algorithm of a name, in upper or lower case.
///
/// # Errors
/// There is none; the message suggests one.
pub(crate) fn find(name: &str) -> Result<&'static dyn Algorithm> {
    let lower = name.to_lowercase();
    ALGORITHMS.iter().find(|algorithm| algorithm.name() == lower).copied().ok_or_else(|| {
        let names: Vec<&str> = ALGORITHMS.iter().map(|algorithm| algorithm.name()).collect();
        Error::job(format!("there is no algorithm '{name}'")).help(nearest(&lower, &names, "the algorithms are"))
    })
}

#[test]
fn names_are_in_lower_case_and_differ() {
    for (index, algorithm) in ALGORITHMS.iter().enumerate() {
        assert_eq!(algorithm.name(), algorithm.name().to_lowercase());
        assert!(ALGORITHMS[..index].iter().all(|other| other.name() != algorithm.name()));
    }
}
