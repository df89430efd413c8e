//! Which instances of its nodes a job has, and on which workers.

use egret_core::bad_rows::LETTERS;
use egret_core::job::{Node, Parallelism};
use egret_core::{JobGraph, OperatorInfo};
use std::sync::Arc;

/// Whether a node has an instance on a worker.
pub(crate) fn has_instance(node: &Node, worker: usize) -> bool {
    node.parallelism == Parallelism::EveryWorker || worker == 0
}

/// A node's instance on a worker of so many.
pub(crate) fn instance(job: &JobGraph, node: &Node, workers: usize, worker: usize) -> OperatorInfo {
    let parallelism = if node.parallelism == Parallelism::One { 1 } else { workers };
    OperatorInfo {
        name: Arc::clone(&node.name),
        instance: worker,
        parallelism,
        max_parallelism: job.max_parallelism,
        bad_rows: node.bad_rows.clone(),
        letters: node.outputs.iter().position(|output| output.name.as_deref() == Some(LETTERS)),
    }
}
