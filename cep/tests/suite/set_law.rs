//! Sets of patterns: each gives exactly what it gives alone, however the rows are cut, wherever there is a restore.

use crate::chained::{both, chained, key_columns};
use crate::law::{DELAY_US, random_rows, schema};
use egret_cep::{AfterMatch, CompiledPattern, Pattern, PatternSet, measures};
use egret_core::OperatorFactory;
use egret_core::job::Partitioning;
use egret_testkit::{Case, Input, Random, check_law, plain_run};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

fn condition(random: &mut Random, may_read_match: bool) -> String {
    let amount = random.between(1, 160) as f64 / 4.0;
    match random.below(if may_read_match { 12 } else { 10 }) {
        0 | 1 => format!("amount > {amount}"),
        2 => format!("amount < {amount}"),
        3 => format!("kind = '{}'", ["in", "out", "pay"][random.below(3)]),
        4 => format!("amount BETWEEN {} AND {}", amount / 2.0, amount + 5.0),
        5 => format!("amount > {} AND kind IN ('in', 'out')", amount / 2.0),
        6 => format!("id = {} OR amount >= {}", random.between(0, 50), amount),
        7 => "kind = 'in'".into(),
        8 => "amount < 15".into(),
        9 => format!("kind IS NULL OR id % 5 = {}", random.below(5)),
        10 => format!("amount > {} AND id > first(a.id)", amount / 3.0),
        _ => format!("kind = 'out' AND amount > {} * a.amount", random.between(1, 3)),
    }
}

/// A random pattern; `sparse` ones can do without the rows that meet none of their conditions.
fn pattern(random: &mut Random, sparse: bool) -> Pattern {
    let mut pattern = Pattern::begin("a").filter(condition(random, false));
    if random.chance(25) {
        pattern = pattern.times(2);
    }
    for name in ["b", "c"].into_iter().take(1 + random.below(2)) {
        pattern = match random.below(if sparse { 3 } else { 4 }) {
            0 => pattern.followed_by_any(name),
            1 | 2 => pattern.followed_by(name),
            _ => pattern.next(name),
        };
        pattern = pattern.filter(condition(random, true));
    }
    if random.chance(20) {
        pattern = pattern.not_followed_by("d").filter(condition(random, false)).within(Duration::from_micros(60));
    } else if random.chance(80) {
        pattern = pattern.within(Duration::from_micros(random.between(10, 120) as u64));
    }
    pattern.after_match(
        [AfterMatch::NoSkip, AfterMatch::NoSkip, AfterMatch::SkipToNext, AfterMatch::SkipPastLastEvent][random.below(4)].clone(),
    )
}

fn compiled(pattern: &Pattern, keys: &[usize], random: &mut Random) -> CompiledPattern {
    let columns: [&[(&str, &str)]; 3] = [
        &[("a", "first(a.id)"), ("b", "b.amount")],
        &[("many", "count(a)"), ("kind", "b.kind"), ("when", "match_time")],
        &[("b", "b.id")],
    ];
    let measures = measures(columns[random.below(3)]).unwrap();
    let ties = if random.chance(30) { vec![3] } else { vec![] };
    let compiled = CompiledPattern::compile(pattern, &schema(), keys.to_vec(), ties, measures).unwrap();
    let compiled = if random.chance(30) { compiled.with_max_partial_matches(2 + random.below(6)) } else { compiled };
    compiled.with_timed_out(true).with_late_at_prefilter(true).with_sets_from([1, 32][random.below(2)])
}

/// What an operator sends to each output when it gets all input at once.
fn run(factory: Arc<dyn OperatorFactory>, input: &Input) -> BTreeMap<usize, Vec<String>> {
    plain_run(&Case::new("plain", factory).input(input.clone()))
}

/// The rows of a pattern's outputs: matches, late rows, partial matches that timed out, keys with too many partial matches.
fn of_pattern(all: &BTreeMap<usize, Vec<String>>, pattern: usize) -> BTreeMap<usize, Vec<String>> {
    let ports = [
        (PatternSet::matches_port(pattern), 0),
        (PatternSet::timed_out_port(pattern), 2),
        (PatternSet::overflow_port(pattern), 3),
        (1, 1),
    ];
    ports.into_iter().filter_map(|(port, own)| Some((own, all.get(&port)?.clone()))).collect()
}

fn check(seed: u64, count: usize, keys: &[usize], sparse: bool) -> usize {
    let random = &mut Random::new(seed);
    let patterns: Vec<CompiledPattern> = (0..count).map(|_| compiled(&pattern(random, sparse), keys, random)).collect();
    let named = patterns.iter().enumerate().map(|(number, pattern)| (format!("p{number}"), pattern.clone())).collect();
    let set = PatternSet::new(named).unwrap();
    let partitioning =
        if keys.is_empty() { Partitioning::Gather } else { Partitioning::Hash(key_columns(&patterns[0], &schema())) };
    let input = Input::new(&schema()).partitioned(partitioning).out_of_order_by(DELAY_US);
    let input = input.split(random_rows(seed + 1, 110)).split(random_rows(seed + 2, 60));
    let together = run(both(set.prefilter_factory(), set.matcher_factory()), &input);
    let mut found = 0;
    for (number, pattern) in patterns.iter().enumerate() {
        let expected = run(chained(pattern), &input);
        found += expected.get(&0).map_or(0, Vec::len);
        assert_eq!(of_pattern(&together, number), expected, "seed {seed}, pattern {number}: {}", pattern.describe().join("\n"));
    }
    check_law(
        &Case::new(&format!("a set, seed {seed}"), both(set.prefilter_factory(), set.matcher_factory())).input(input).seeds(12),
    );
    found
}

#[test]
fn each_pattern_gives_what_it_gives_alone() {
    let found: usize = (0..12).map(|seed| check(seed * 10, [2, 5, 14][seed as usize % 3], &[0], true)).sum();
    assert!(found > 1_000, "{found}");
}

#[test]
fn also_with_patterns_that_need_every_row() {
    let found: usize = (0..8).map(|seed| check(1_000 + seed * 10, [3, 8][seed as usize % 2], &[0], false)).sum();
    assert!(found > 300, "{found}");
}

#[test]
fn also_without_partition_and_by_text() {
    assert!(check(2_000, 6, &[], true) > 50);
    assert!(check(2_010, 6, &[1], false) > 50);
    assert!(check(2_020, 70, &[1, 0], true) > 50);
}
