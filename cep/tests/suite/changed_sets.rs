//! Sets of patterns that are changed between a snapshot and a restore: every pattern keeps its own state, wherever it runs.

use crate::chained::both;
use egret_cep::{CompiledPattern, Pattern, PatternSet, measures};
use egret_core::job::Partitioning;
use egret_core::{EventTime, KeyColumns, Result};
use egret_testkit::{Harness, table};

const HEADER: &str = "card:int amount:float country:text id:int at:time";

/// A set of patterns: the name of each, its least first amount and its greatest second one.
fn set(patterns: &[(&str, u32, u32)], keys: &[usize]) -> PatternSet {
    let pattern = |&(name, least, most): &(&str, u32, u32)| {
        let pattern = Pattern::begin("a").filter(format!("amount > {least}")).followed_by("b").filter(format!("amount < {most}"));
        let schema = table(HEADER).schema;
        let measures = measures(&[("a", "a.id"), ("b", "b.id")]).unwrap();
        let compiled = CompiledPattern::compile(&pattern, &schema, keys.to_vec(), vec![], measures).unwrap();
        (name.to_owned(), compiled.with_late_at_prefilter(true))
    };
    PatternSet::new(patterns.iter().map(pattern).collect()).unwrap()
}

fn harness(set: &PatternSet, keys: &[usize]) -> Harness {
    let partitioning = Partitioning::Hash(KeyColumns::new(keys.to_vec()));
    Harness::new(both(set.prefilter_factory(), set.matcher_factory()), vec![partitioning], 2).unwrap()
}

fn go_on(old: &mut Harness, new: &PatternSet, keys: &[usize]) -> Result<Harness> {
    let mut harness = harness(new, keys);
    harness.restore(&old.snapshot()?, 3)?;
    Ok(harness)
}

/// How many matches each pattern has when the small payments come.
fn found(harness: &mut Harness, count: usize) -> Vec<usize> {
    harness.feed(0, table(&format!("{HEADER}\n 1 5 DE 10 2000\n 2 5 FR 11 2001")).batch()).unwrap();
    harness.finish().unwrap();
    let rows = |pattern| harness.take(PatternSet::matches_port(pattern)).iter().map(|batch| batch.num_rows()).sum();
    (0..count).map(rows).collect()
}

#[test]
fn patterns_come_and_go_and_change_places() {
    let keys = [0];
    let sets: [&[(&str, u32, u32)]; 5] = [
        &[("p", 50, 10)],
        &[("p", 50, 10), ("q", 80, 10)],
        &[("q", 80, 10), ("r", 50, 10), ("p", 50, 10)],
        &[("q", 80, 10)],
        &[("p", 70, 6)],
    ];
    for (old, new) in sets.iter().flat_map(|old| sets.iter().map(move |new| (old, new))) {
        let mut first = harness(&set(old, &keys), &keys);
        first.feed(0, table(&format!("{HEADER}\n 1 60 DE 0 1000\n 1 90 DE 1 1001\n 2 95 FR 2 1002")).batch()).unwrap();
        first.watermark(0, EventTime(1_002)).unwrap();
        let mut second = go_on(&mut first, &set(new, &keys), &keys).unwrap();
        // The last row was buffered: each old pattern that could use it has it.
        let expected: Vec<usize> = new
            .iter()
            .map(|(name, ..)| match old.iter().find(|(other, ..)| other == name) {
                Some((_, least, _)) => [60, 90, 95].iter().filter(|amount| *amount > least).count(),
                None => 0,
            })
            .collect();
        assert_eq!(found(&mut second, new.len()), expected, "{old:?} to {new:?}");
    }
}

#[test]
fn the_order_of_the_key_does_not_matter() {
    let (old, new) = (set(&[("p", 50, 10)], &[0, 2]), set(&[("p", 50, 10), ("q", 50, 10)], &[2, 0]));
    assert_eq!(old.matcher_factory().state_layouts()[0].facts[0].1, "card Int64, country Utf8");
    assert_eq!(old.matcher_factory().state_layouts()[0], new.matcher_factory().state_layouts()[0]);
    let mut first = harness(&old, &[0, 2]);
    first.feed(0, table(&format!("{HEADER}\n 1 60 DE 0 1000\n 2 95 FR 2 1002")).batch()).unwrap();
    first.watermark(0, EventTime(1_500)).unwrap();
    // The operators tell the columns that rows must be partitioned by.
    let mut second = go_on(&mut first, &new, &[0, 2]).unwrap();
    assert_eq!(found(&mut second, 2), [2, 0]);
}

#[test]
fn one_section_of_state_a_pattern_also_alone() {
    let names = |patterns: &[(&str, u32, u32)]| -> Vec<Option<String>> {
        set(patterns, &[0]).matcher_factory().state_layouts().into_iter().map(|layout| layout.name).collect()
    };
    assert_eq!(names(&[("p", 1, 2)]), [Some("pattern p".to_owned())]);
    assert_eq!(names(&[("p", 1, 2), ("q", 1, 2)]), [Some("pattern p".to_owned()), Some("pattern q".to_owned())]);
}
