//! What holds of every algorithm of the registry: the law, and that its updates say nothing twice.

use super::versions::check_that_every_row_says_something_new;
use super::*;
use crate::{Computation, Setting};
use arrow::array::BooleanArray;
use std::collections::BTreeSet;

/// Each algorithm alone, with all that it lets be set left out or set to something else, and all of them over one graph.
pub(super) fn computations() -> Vec<Vec<Computation>> {
    let each = Computation::names().into_iter().map(|name| Computation::new(name, &[]).unwrap());
    let hops = |hops: i64, direction: &str| {
        let settings = [("hops".into(), Setting::Integer(hops)), ("direction".into(), Setting::Text(direction.into()))];
        Computation::new("neighbourhood", &settings).unwrap()
    };
    let set = [hops(1, "both"), hops(3, "out"), hops(2, "in")];
    each.clone().chain(set).map(|one| vec![one]).chain([each.collect()]).collect()
}

pub(super) fn payments() -> StreamSchema {
    table("payer:int payee:int gone:bool at:time").schema
}

/// A graph of payments, where payers and payees are of one kind or of two, and rows may delete edges.
pub(super) fn graph(computes: &[Computation], expire: Option<i64>, deletes: bool, one_kind: bool) -> GraphSpec {
    let spec = GraphSpec::new("money", 0, 1, expire, STEP_US, &payments()).unwrap().compute(computes.to_vec()).unwrap();
    let spec = if deletes { spec.delete_when(2).unwrap() } else { spec };
    if one_kind { spec.same_kind().unwrap() } else { spec }
}

/// Payments among a few, some between those that paid before, some out of order, and deletions of some.
pub(super) fn random_payments(random: &mut Random, rows: usize) -> RecordBatch {
    let mut now = -40;
    let mut known = vec![(0, 1)];
    let mut row = || {
        now += random.between(0, 5);
        let again = random.chance(40).then(|| known[random.below(known.len())]);
        let ends = again.unwrap_or_else(|| (random.between(0, 9), random.between(0, 9)));
        known.push(ends);
        let gone = random.chance(90).then(|| again.is_some() && random.chance(60));
        (random.chance(97).then_some(ends.0), ends.1, gone, now - random.between(0, 25))
    };
    let rows: Vec<_> = (0..rows).map(|_| row()).collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(rows.iter().map(|row| row.0).collect::<Int64Array>()),
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.1))),
        Arc::new(rows.iter().map(|row| row.2).collect::<BooleanArray>()),
        Arc::new(TimestampMicrosecondArray::from_iter_values(rows.iter().map(|row| row.3))),
    ];
    RecordBatch::try_new(payments().arrow().clone(), columns).unwrap()
}

fn random_input(seed: u64) -> Input {
    let mut random = Random::new(seed);
    let input = Input::new(&payments()).out_of_order_by(15);
    let input = input.split(random_payments(&mut random, 90)).split(random_payments(&mut random, 60));
    input.idle_split(random_payments(&mut random, 15))
}

#[test]
fn every_algorithm_keeps_to_the_law() {
    for (seed, computes) in (0..).zip(computations()) {
        for (expire, deletes, one_kind) in [(Some(60), false, true), (None, true, true), (Some(35), true, false)] {
            let spec = graph(&computes, expire, deletes, one_kind);
            let name = format!("{:?}, expire {expire:?}, deletes {deletes}, one kind {one_kind}", spec.texts());
            let updates = check_law(&Case::new(&name, spec.operator_factory()).input(random_input(seed)).seeds(12));
            let updates = egret_core::batch::concat(&updates).unwrap().unwrap().into_rows();
            check_that_every_row_says_something_new(&spec, &updates);
        }
    }
}

#[test]
fn answers_of_every_algorithm_keep_to_the_law() {
    for computes in computations() {
        let spec = graph(&computes, Some(60), true, false);
        let updates = check_law(&Case::new("graph", spec.operator_factory()).input(random_input(5)).seeds(1));
        let updates = egret_core::batch::concat(&updates).unwrap().unwrap().into_rows();
        let lookups = all_lookups(&spec);
        let names: Vec<String> = (0..lookups.len()).map(|n| format!("answer_{n}")).collect();
        let (join, _) = spec.reader_factory(lookups, &names, &payments()).unwrap();
        let mut random = Random::new(6);
        let rows = Input::new(&payments()).partitioned(Partitioning::Forward).out_of_order_by(20);
        let rows = rows.split(random_payments(&mut random, 60)).split(random_payments(&mut random, 40));
        let updates = Input::new(spec.update_schema()).partitioned(Partitioning::Broadcast).split(updates);
        check_law(&Case::new(&format!("{:?}", spec.texts()), join).input(rows).input(updates).seeds(12));
    }
}

#[test]
fn names_differ() {
    let (mut names, mut columns) = (BTreeSet::new(), BTreeSet::new());
    for name in Computation::names() {
        let computation = Computation::new(&name.to_uppercase(), &[]).unwrap();
        assert_eq!((computation.name(), name.to_lowercase().as_str()), (name, name));
        for answer in computation.plan().answers() {
            assert!(names.insert(answer.name), "two algorithms answer '{}'", answer.name);
            assert!(!answer.meaning.is_empty());
        }
        for field in computation.plan().update_fields() {
            assert!(columns.insert(field.name().clone()), "two algorithms have a column '{}'", field.name());
        }
        let damaged = computation.plan().replica().restore(&[255; 9], &[], &mut Vertices::new(ring(None).kinds()));
        assert!(damaged.is_err(), "{name} takes up anything");
    }
}

#[test]
fn damaged_state_of_any_algorithm_is_refused() {
    for computes in computations() {
        for deletes in [false, true] {
            let spec = graph(&computes, Some(60), deletes, true);
            let mut harness = harness(&spec);
            let rows = Batch::from_parts(random_payments(&mut Random::new(3), 40), Some(3), None);
            harness.feed(0, rows).unwrap();
            harness.watermark(0, EventTime(20)).unwrap();
            let whole = harness.snapshot().unwrap().operators[0].first[0].clone();
            let restore = |bytes: &[u8]| {
                let part = egret_core::Snapshot { first: vec![bytes.to_vec()], ..Default::default() };
                spec.operator_factory().create(&egret_core::OperatorInfo::alone("money")).unwrap().restore(vec![part])
            };
            restore(&whole).unwrap();
            assert!((0..whole.len()).all(|cut| restore(&whole[..cut]).is_err()), "{:?}", spec.texts());
            // A changed byte may give another valid state, but never a panic.
            for at in 0..whole.len() {
                let mut changed = whole.clone();
                changed[at] ^= 0x41;
                let _ = restore(&changed);
            }
        }
    }
}
