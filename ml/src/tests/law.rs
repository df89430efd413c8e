//! Every operator of a model under the common suite: any batching, any parallelism, snapshot and restore anywhere.

use super::random::Random;
use super::simulation::{LABEL, model, random_split};
use arrow::array::RecordBatch;
use egret_core::StreamSchema;
use egret_core::job::Partitioning;
use egret_testkit::{Case, Input, check_law};

/// Two splits, rows out of order, some of them late.
fn rows(schema: &StreamSchema) -> Input {
    let mut random = Random(21);
    let splits = [random_split(&mut random, 0, 60), random_split(&mut random, 1_000, 60)];
    splits.into_iter().fold(Input::new(schema).out_of_order_by(20), Input::split)
}

fn together(batches: &[egret_core::Batch]) -> RecordBatch {
    let schema = batches[0].rows().schema();
    arrow::compute::concat_batches(&schema, batches.iter().map(egret_core::Batch::rows)).unwrap()
}

#[test]
fn the_operators_of_a_model_keep_the_law() {
    for (delay_us, optimizer) in [(0, "sgd"), (30, "ftrl"), (10_000, "adagrad")] {
        let model = model(delay_us, optimizer);
        let schema = StreamSchema::from_arrow(random_split(&mut Random(0), 0, 1).schema(), Some(0)).unwrap();
        let updates = check_law(&Case::new("learner", model.learner_factory()).input(rows(&schema)));
        let updates = Input::new(model.update_schema()).partitioned(Partitioning::Broadcast).split(together(&updates));

        let scored_schema = model.scored_schema().unwrap();
        let join = model.scorer_factory(scored_schema.clone()).unwrap();
        let rows = rows(&schema).partitioned(Partitioning::Forward);
        let scored = check_law(&Case::new("scorer", join).input(rows).input(updates));
        let (late, on_time): (Vec<_>, Vec<_>) = scored.into_iter().partition(|batch| batch.late().is_some());
        assert!(!late.is_empty() && !on_time.is_empty());

        let evaluator = model.evaluator_factory(&scored_schema, LABEL + 1, LABEL).unwrap();
        let scored = Input::new(&scored_schema).out_of_order_by(20).split(together(&on_time)).split(together(&late));
        let metrics = check_law(&Case::new("evaluator", evaluator).input(scored));
        assert!(metrics.iter().map(|batch| batch.num_rows()).sum::<usize>() >= 2);
    }
}
