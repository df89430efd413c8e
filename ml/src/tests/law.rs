//! Every operator of a model under the common suite: any batching, any parallelism, snapshot and restore anywhere.

use super::random::Random;
use super::simulation::{LABEL, labelled_for, model, random_split};
use super::variants;
use crate::{Answer, FeatureColumn, ModelSpec, Target};
use arrow::array::{ArrayRef, AsArray, Float64Array, RecordBatch, StringArray};
use arrow::datatypes::Field;
use egret_core::job::Partitioning;
use egret_core::metrics::Counters;
use egret_core::{Batch, Context, Epoch, EventTime, NoState, OperatorInfo, StreamSchema};
use egret_testkit::{Case, Input, check_law};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Two splits, rows out of order, some of them late.
fn rows(schema: &StreamSchema, target: Target) -> Input {
    let mut random = Random(21);
    let splits = [random_split(&mut random, 0, 60), random_split(&mut random, 1_000, 60)];
    splits.iter().map(|split| labelled_for(target, split)).fold(Input::new(schema).out_of_order_by(20), Input::split)
}

fn together(batches: &[egret_core::Batch]) -> RecordBatch {
    let schema = batches[0].rows().schema();
    arrow::compute::concat_batches(&schema, batches.iter().map(egret_core::Batch::rows)).unwrap()
}

#[test]
fn the_operators_of_a_model_keep_the_law() {
    for (delay_us, variant) in [0, 30, 10_000].into_iter().cycle().zip(variants()) {
        let model = model(delay_us, &variant);
        let one = labelled_for(model.target(), &random_split(&mut Random(0), 0, 1));
        let schema = StreamSchema::from_arrow(one.schema(), Some(0)).unwrap();
        let updates = check_law(&Case::new("learner", model.learner_factory()).input(rows(&schema, model.target())));
        let updates = Input::new(model.update_schema()).partitioned(Partitioning::Broadcast).split(together(&updates));

        if model.target() == Target::Cluster {
            let answers = [Answer::Cluster, Answer::Distance];
            let fields = answers.iter().zip(["cluster", "distance"]);
            let fields = fields.map(|(answer, name)| Field::new(name, answer.data_type(), true));
            let join = model.scorer_factory(schema.with_fields(fields).unwrap(), &answers).unwrap();
            let rows = rows(&schema, model.target()).partitioned(Partitioning::Forward);
            assert!(!check_law(&Case::new("scorer", join).input(rows).input(updates)).is_empty());
            continue;
        }
        let scored_schema = model.scored_schema().unwrap();
        let join = model.scorer_factory(scored_schema.clone(), &[Answer::Score]).unwrap();
        let rows = rows(&schema, model.target()).partitioned(Partitioning::Forward);
        let scored = check_law(&Case::new("scorer", join).input(rows).input(updates));
        let (late, on_time): (Vec<_>, Vec<_>) = scored.into_iter().partition(|batch| batch.late().is_some());
        assert!(!late.is_empty() && !on_time.is_empty());

        if !model.target().has_labels() {
            continue;
        }
        let evaluator = model.evaluator_factory(&scored_schema, LABEL + 1, LABEL).unwrap();
        let scored = Input::new(&scored_schema).out_of_order_by(20).split(together(&on_time)).split(together(&late));
        let metrics = check_law(&Case::new("evaluator", evaluator).input(scored));
        // Before the first label a model of classes has no score to measure.
        let is_measured = model.target() == crate::Target::Flag || delay_us < 10_000;
        assert!(!is_measured || metrics.iter().map(|batch| batch.num_rows()).sum::<usize>() >= 2);
    }
}

/// Labels are texts, of rows that often have one time and no place.
#[test]
fn the_operators_of_a_model_of_classes_keep_the_law() {
    const COUNTRY: usize = LABEL - 1;
    let schema = StreamSchema::from_arrow(random_split(&mut Random(0), 0, 1).schema(), Some(0)).unwrap();
    for delay in [0, 30] {
        let features = vec![FeatureColumn::of(&schema, 2).unwrap(), FeatureColumn::of(&schema, LABEL).unwrap()];
        let delay = Duration::from_micros(delay);
        let model = ModelSpec::new("place", &schema, features, COUNTRY, delay, "gaussian_nb", &[]).unwrap();
        let model = model.with_step_us(20).unwrap();
        let updates = check_law(&Case::new("learner", model.learner_factory()).input(rows(&schema, model.target())));
        let updates = Input::new(model.update_schema()).partitioned(Partitioning::Broadcast).split(together(&updates));

        let answers = [Answer::Probability("c1".into()), Answer::Class];
        let fields = answers.iter().zip(["c1", "class"]).map(|(answer, name)| Field::new(name, answer.data_type(), true));
        let output = schema.with_fields(fields).unwrap();
        let join = model.scorer_factory(output, &answers).unwrap();
        let rows = rows(&schema, model.target()).partitioned(Partitioning::Forward);
        let answered = together(&check_law(&Case::new("scorer", join).input(rows).input(updates)));
        let classes = answered.column(LABEL + 2).as_string::<i32>();
        let seen: BTreeSet<_> = classes.iter().collect();
        assert!(seen.len() >= 4 && seen.contains(&None), "{seen:?}");
    }
}

/// The snapshot of a learner of flags, field by field as checkpoints have it.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Kept {
    learner: Vec<u8>,
    waiting: Vec<KeptRows>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct KeptRows {
    due: Vec<i64>,
    places: Vec<i128>,
    labels: Vec<f64>,
    rows: usize,
    numeric_width: usize,
    hashed_width: usize,
    numeric: Vec<f64>,
    hashed: Vec<u32>,
    start: usize,
    is_sorted: bool,
}

#[test]
fn checkpoints_of_a_logistic_regression_stay_readable() {
    let columns: Vec<(String, ArrayRef)> = vec![
        ("x".into(), Arc::new(Float64Array::from(vec![1.5, 2.5]))),
        ("c".into(), Arc::new(StringArray::from(vec!["a", "b"]))),
    ];
    let rows = super::rows_of(columns, vec![1.0, 0.0]);
    let model = super::model_of(&rows, &[super::option("hash_bits", 4.0)]);
    let (info, counters, mut output, mut wake) = (OperatorInfo::alone("learner"), Counters::default(), Vec::new(), None);
    let mut state = NoState;
    let mut ctx = Context::new(&mut output, &info, &counters, &mut state, &mut wake, EventTime::MIN, 0);
    let mut learner = model.learner_factory().create(&info).unwrap();
    learner.process(0, Batch::from_parts(rows, Some(0), None), &mut ctx).unwrap();
    let snapshot = learner.snapshot(Epoch(1)).unwrap();
    let [2, rest @ ..] = &snapshot.first[0][..] else { panic!("version {:?}", snapshot.first[0][0]) };
    let kept: Kept = postcard::from_bytes(rest).unwrap();
    assert_eq!(postcard::to_stdvec(&kept).unwrap(), rest, "nothing is behind");
    let waiting = &kept.waiting[0];
    assert_eq!((&waiting.due[..], &waiting.labels[..], &waiting.numeric[..]), (&[0, 1][..], &[1.0, 0.0][..], &[1.5, 2.5][..]));
    let hash = |text: &str| (xxhash_rust::xxh3::xxh3_64(text.as_bytes()) & 15) as u32;
    assert_eq!(waiting.hashed, [hash("c=a"), hash("c=b")]);
    // The learner: a version, the intercept, a weight a number, those of categories, the scaler, what changed.
    assert_eq!(kept.learner[..11], [1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]);

    let mut restored = model.learner_factory().create(&info).unwrap();
    restored.restore(vec![snapshot.clone()]).unwrap();
    assert_eq!(restored.snapshot(Epoch(1)).unwrap(), snapshot);
}
