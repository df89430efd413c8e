//! Patterns that are changed between a snapshot and a restore: earlier events are judged by the old text, later ones by the new
//! text.

use crate::cases::{compile, read_match};
use crate::chained::chained;
use crate::definition::{Definition, Rule, Wanted};
use crate::naive::{
    Found, as_found, comparable, condition, random_events, random_pattern, random_rules, random_wanted, record_batch, schema,
    skip,
};
use arrow::array::{AsArray, BooleanArray, RecordBatch};
use arrow::datatypes::Int64Type;
use egret_cep::{AfterMatch, CompiledPattern, Item, MATCH_TIME, Overflow, Pattern, measures};
use egret_core::batch::micros;
use egret_core::job::Partitioning;
use egret_core::{EventTime, MAIN, Result, StreamSchema};
use egret_testkit::{Harness, Random, Table, show_sorted, table};
use std::time::Duration;

/// A harness with one instance, which gets all rows.
fn harness(compiled: &CompiledPattern) -> Harness {
    Harness::new(chained(compiled), vec![Partitioning::Gather], 1).unwrap()
}

/// Continues from the old harness's state with another pattern.
fn go_on(old: &mut Harness, new: &CompiledPattern) -> Result<Harness> {
    let snapshot = old.snapshot()?;
    let mut harness = harness(new);
    harness.restore(&snapshot, 1)?;
    Ok(harness)
}

/// The rules with other conditions, for a pattern of the same steps.
fn other_conditions(rules: &[Rule], random: &mut Random) -> Vec<Rule> {
    let mut others: Vec<Rule> = Vec::new();
    for rule in rules {
        let own = !rule.element.link.is_negation();
        let mut other = rule.clone();
        if random.chance(60) {
            other.wanted = random_wanted(random, &others, own);
            let Item::Variable { name, .. } = &rule.element.item else { continue };
            other.element.item = Item::Variable { name: name.clone(), condition: Some(condition(&other.wanted)) };
        }
        if let Some(until) = &mut other.until {
            *until = random_wanted(random, &others, own);
            other.element.until = Some(condition(until));
        }
        others.push(other);
    }
    others
}

/// Rules that are the old ones before an event, and the new ones from it on.
fn one_after_the_other(old: &[Rule], new: &[Rule], from: usize) -> Vec<Rule> {
    let both = |old: &Wanted, new: &Wanted| Wanted { later: Some((from, Box::new(new.clone()))), ..old.clone() };
    let rule = |(old, new): (&Rule, &Rule)| Rule {
        wanted: both(&old.wanted, &new.wanted),
        until: old.until.as_ref().zip(new.until.as_ref()).map(|(old, new)| both(old, new)),
        ..old.clone()
    };
    old.iter().zip(new).map(rule).collect()
}

fn found(harness: &mut Harness, names: &[String]) -> Vec<Found> {
    let of_batch = |rows: &RecordBatch| -> Vec<Found> {
        let times = micros(rows.column_by_name(MATCH_TIME).unwrap()).to_vec();
        (0..rows.num_rows()).map(|row| (read_match(rows, names, row), times[row])).collect()
    };
    harness.take(MAIN).iter().flat_map(|batch| of_batch(batch.rows())).collect()
}

/// One random pattern, changed in the middle of a random stream; returns how many matches there are.
fn check(seed: u64) -> usize {
    let random = &mut Random::new(seed);
    let mut rules = random_rules(random);
    let old = random_pattern(random, &mut rules);
    let later = other_conditions(&rules, random);
    let new = Pattern { elements: later.iter().map(|rule| rule.element.clone()).collect(), ..old.clone() };
    let events = random_events(random);
    let cuts: Vec<usize> =
        (0..=events.len()).filter(|&cut| cut == 0 || cut == events.len() || events[cut - 1].at < events[cut].at).collect();
    let cut = cuts[random.below(cuts.len())];
    let compiled = |pattern: &Pattern, random: &mut Random| {
        let (compiled, names) = compile(pattern, &schema(), vec![], vec![0]).unwrap();
        (compiled.with_sets_from(random.below(3)), names)
    };
    let ((old_plan, names), (new_plan, _)) = (compiled(&old, random), compiled(&new, random));
    let rows = record_batch(&events, &mut Random::new(0));
    let part = |from: usize, to: usize| {
        let ids = rows.column_by_name("id").unwrap().as_primitive::<Int64Type>().values();
        let mask: Vec<bool> = ids.iter().map(|id| (from..to).contains(&(*id as usize))).collect();
        Table { schema: schema(), rows: rows.clone() }.batch().filter(&BooleanArray::from(mask)).unwrap()
    };
    let mut first = harness(&old_plan);
    first.feed(0, part(0, cut)).unwrap();
    let watermark = events.get(cut).map_or_else(|| events.last().map_or(0, |event| event.at + 1), |event| event.at);
    first.watermark(0, EventTime(watermark)).unwrap();
    let mut all = found(&mut first, &names);
    let mut second = match go_on(&mut first, &new_plan) {
        Ok(second) => second,
        // A condition may read a column that the old pattern did not keep.
        Err(error) if error.to_string().contains("was not kept") => return 0,
        Err(error) => panic!("seed {seed}: {error}\n{old}\n{new}"),
    };
    second.feed(0, part(cut, events.len())).unwrap();
    second.finish().unwrap();
    all.extend(found(&mut second, &names));
    let rules = one_after_the_other(&rules, &later, cut);
    let definition = Definition { rules: &rules, within_us: old.within_us, within_events: old.within_events, events: &events };
    let expected: Vec<Found> =
        skip(definition.matches(), &old.after_match).iter().map(|(taken, moment)| as_found(taken, *moment)).collect();
    let (expected, all) = (comparable(expected, &old.after_match), comparable(all, &old.after_match));
    assert!(
        all == expected,
        "seed {seed}, from event {cut}\n{old}\n{old:#?}\n{new:#?}\nexpected {expected:?}\nfound {all:?}\n{events:#?}"
    );
    expected.len()
}

#[test]
fn random_conditions_change_in_the_middle_of_a_stream() {
    let all: usize = (1..=2_500).map(check).sum();
    assert!(all > 1_000, "there were only {all} matches, so little was tested");
}

fn payments() -> StreamSchema {
    table("card:int amount:float id:int at:time").schema
}

fn bound(pattern: &Pattern, columns: &[(&str, &str)]) -> CompiledPattern {
    CompiledPattern::compile(pattern, &payments(), vec![], vec![], measures(columns).unwrap()).unwrap()
}

/// Feeds rows given as text, in order of time.
fn feed(harness: &mut Harness, text: &str) {
    harness.feed(0, table(&format!("card:int amount:float id:int at:time\n{text}")).batch()).unwrap();
}

/// Forty small payments of 60 to 99 that are open, then a stop, and then a payment of 5 under another text.
fn many_open(old: &CompiledPattern, new: &CompiledPattern) -> Result<Harness> {
    let mut first = harness(old);
    (0..40).for_each(|row| feed(&mut first, &format!("1 {} {row} {}", 60 + row, 1_000 + row)));
    first.watermark(0, EventTime(2_000)).unwrap();
    let mut second = go_on(&mut first, new)?;
    feed(&mut second, "1 5 100 2001");
    Ok(second)
}

fn ids(harness: &mut Harness) -> usize {
    harness.finish().unwrap();
    harness.take(MAIN).iter().map(|batch| batch.num_rows()).sum()
}

fn steps(second: &str) -> Pattern {
    Pattern::begin("a").filter("amount > 50").followed_by("b").filter(second)
}

const COLUMNS: [(&str, &str); 3] = [("a", "a.id"), ("spent", "a.amount"), ("b", "b.id")];

#[test]
fn sets_become_runs_where_a_condition_now_reads_earlier_events() {
    let old = bound(&steps("amount < 10"), &COLUMNS);
    let with = |condition: &str| bound(&steps(condition), &COLUMNS);
    assert_eq!(ids(&mut many_open(&old, &old).unwrap()), 40);
    assert_eq!(ids(&mut many_open(&old, &with("amount < 10 AND amount > a.amount")).unwrap()), 0);
    assert_eq!(ids(&mut many_open(&old, &with("amount < 10 AND a.amount > 90")).unwrap()), 9);
    // And back: runs become sets.
    assert_eq!(ids(&mut many_open(&with("amount < 10 AND a.amount > 90"), &old).unwrap()), 40);
}

#[test]
fn options_that_sets_cannot_have_take_them_apart() {
    let old = bound(&steps("amount < 10").within(Duration::from_micros(5_000)), &COLUMNS);
    let pattern = |within: u64| bound(&steps("amount < 10").within(Duration::from_micros(within)), &COLUMNS);
    let dropping = old.clone().with_max_partial_matches(10);
    assert_eq!(ids(&mut many_open(&old, &dropping.clone().with_overflow(Overflow::DropOldest)).unwrap()), 10);
    assert_eq!(ids(&mut many_open(&old, &dropping.with_overflow(Overflow::DropNew)).unwrap()), 10);
    // The window is shorter: partial matches that began before 1,021 are over by the time of the last row, the others are not.
    let mut second = many_open(&old, &pattern(981).with_timed_out(true)).unwrap();
    second.finish().unwrap();
    let count = |batches: Vec<egret_core::Batch>| batches.iter().map(|batch| batch.num_rows()).sum::<usize>();
    assert_eq!((count(second.take(MAIN)), count(second.take(2))), (19, 21));
    // A window is added, and a window is removed.
    let without = bound(&steps("amount < 10"), &COLUMNS);
    assert_eq!(ids(&mut many_open(&without, &pattern(981)).unwrap()), 19);
    assert_eq!(ids(&mut many_open(&without, &pattern(981).with_timed_out(true)).unwrap()), 19);
    assert_eq!(ids(&mut many_open(&pattern(1_500), &without).unwrap()), 40);
}

#[test]
fn a_shorter_window_shows_nothing_behind_the_watermark() {
    let silence = |within: u64| {
        let pattern = Pattern::begin("a").filter("amount > 50").not_followed_by("b").filter("amount < 10");
        bound(&pattern.within(Duration::from_micros(within)), &[("a", "a.id")]).with_timed_out(true)
    };
    // The harness refuses matches with a time that the watermark has passed.
    let mut second = many_open(&silence(5_000), &silence(500)).unwrap();
    second.finish().unwrap();
    let matches = second.take(MAIN);
    assert_eq!(matches.iter().map(|batch| batch.num_rows()).sum::<usize>(), 40);
    let times = matches.iter().flat_map(|batch| batch.event_times().unwrap().to_vec()).collect::<Vec<_>>();
    assert!(times.iter().all(|time| *time >= 2_000), "{times:?}");
}

#[test]
fn a_window_in_events_may_grow_and_shrink_and_go_but_not_appear() {
    let events = |count: Option<u64>| {
        let mut pattern = steps("amount < 10");
        pattern.within_events = count;
        bound(&pattern, &COLUMNS)
    };
    assert_eq!(ids(&mut many_open(&events(Some(100)), &events(Some(200))).unwrap()), 40);
    // Of five events the coming one is the last: four of those before are within the window.
    assert_eq!(ids(&mut many_open(&events(Some(100)), &events(Some(5))).unwrap()), 4);
    assert_eq!(ids(&mut many_open(&events(Some(100)), &events(None)).unwrap()), 40);
    let error = many_open(&events(None), &events(Some(100))).err().unwrap().to_string();
    assert!(error.contains("WITHIN 100 EVENTS is new"), "{error}");
}

#[test]
fn another_strategy_decides_what_waits() {
    let strategy = |strategy: AfterMatch| {
        let pattern = Pattern::begin("a").filter("amount > 50").followed_by_any("b").filter("amount < 10 OR amount > 50");
        bound(&pattern.after_match(strategy), &COLUMNS)
    };
    let all = [AfterMatch::NoSkip, AfterMatch::SkipToNext, AfterMatch::SkipPastLastEvent, AfterMatch::SkipToLast("b".into())];
    for (one, other) in all.iter().flat_map(|one| all.iter().map(move |other| (one, other))) {
        let (old, new) = (strategy(one.clone()), strategy(other.clone()));
        let mut first = harness(&old);
        feed(&mut first, "1 60 0 1000\n 1 70 1 1001\n 1 5 2 1002");
        first.watermark(0, EventTime(1_500)).unwrap();
        let mut second = go_on(&mut first, &new).unwrap();
        feed(&mut second, "1 80 3 2000\n 1 5 4 2001");
        second.finish().unwrap();
        let found = second.take(MAIN);
        assert!(!found.is_empty(), "{one:?} to {other:?}");
    }
}

#[test]
fn rows_that_wait_are_judged_by_the_new_text() {
    let pattern = |first: Option<&str>, second: &str| {
        let begin = Pattern::begin("a");
        let begin = if let Some(first) = first { begin.filter(first) } else { begin };
        bound(&begin.followed_by("b").filter(second), &[("a", "a.id"), ("b", "b.id")])
    };
    let waiting = |old: &CompiledPattern, new: &CompiledPattern| {
        let mut first = harness(old);
        feed(&mut first, "1 60 0 1000\n 1 61 1 1001");
        go_on(&mut first, new)
    };
    let old = pattern(Some("amount > 50"), "amount < 10");
    assert_eq!(ids(&mut waiting(&old, &pattern(None, "amount < 10")).unwrap()), 0);
    assert_eq!(ids(&mut waiting(&old, &pattern(None, "amount > 60.5")).unwrap()), 1);
    assert_eq!(ids(&mut waiting(&old, &pattern(Some("amount > 60.5"), "amount > 50")).unwrap()), 0);
    let error = waiting(&old, &pattern(Some("amount > 50"), "card = 1")).err().unwrap().to_string();
    assert!(error.contains("the column 'card' of the rows that are kept") || error.contains("'card' is needed now"), "{error}");
}

#[test]
fn columns_are_known_by_their_names() {
    let measured = |columns: &[(&str, &str)]| bound(&steps("amount < 10"), columns);
    let old = measured(&[("a", "a.id"), ("spent", "a.amount")]);
    assert_eq!(ids(&mut many_open(&old, &measured(&[("spent", "a.amount")])).unwrap()), 40);
    assert_eq!(ids(&mut many_open(&old, &measured(&[("b", "count(b)")])).unwrap()), 40);
    let error = many_open(&old, &measured(&[("card", "a.card")])).err().unwrap().to_string();
    assert!(error.contains("'card' is needed now, and was not kept"), "{error}");
    let other = table("card:int amount:int id:int at:time").schema;
    let other = CompiledPattern::compile(&steps("amount < 10"), &other, vec![], vec![], measures(&COLUMNS).unwrap()).unwrap();
    let error = many_open(&old, &other).err().unwrap().to_string();
    assert!(error.contains("'amount' of the rows that are kept was 'Float64' and is now 'Int64'"), "{error}");
    // The columns of the stream are in another order.
    let turned = table("id:int amount:float card:int at:time").schema;
    let turned = CompiledPattern::compile(&steps("amount < 10"), &turned, vec![], vec![], measures(&COLUMNS).unwrap()).unwrap();
    let mut first = harness(&old);
    feed(&mut first, "7 60 1 1000");
    first.watermark(0, EventTime(1_500)).unwrap();
    let mut second = go_on(&mut first, &turned).unwrap();
    second.feed(0, table("id:int amount:float card:int at:time\n 2 5 7 2000").batch()).unwrap();
    second.finish().unwrap();
    assert_eq!(show_sorted(&second.take(MAIN)), "a spent b match_time\n1 60.0  2 2000\n");
}

#[test]
fn other_steps_are_refused_and_named() {
    let facts = |pattern: &Pattern| bound(pattern, &[("a", "a.id")]).matcher_factory().state_layouts().remove(0).facts;
    let base = steps("amount < 10");
    assert_eq!(facts(&base), facts(&steps("amount < 20 AND amount > a.amount")));
    assert_eq!(facts(&base), facts(&base.clone().within(Duration::from_secs(1)).after_match(AfterMatch::SkipToNext)));
    let begin = || Pattern::begin("a").filter("amount > 50");
    let changed = [
        begin().next("b"),
        begin().followed_by_any("b"),
        begin().times(2).followed_by("b"),
        begin().followed_by("c"),
        begin().not_followed_by("n").filter("amount > 1").followed_by("b"),
        begin().one_or_more().followed_by("b"),
    ];
    for pattern in changed {
        assert_ne!(facts(&base), facts(&pattern), "{pattern}");
        let error = many_open(&bound(&base, &[("a", "a.id")]), &bound(&pattern, &[("a", "first(a.id)")])).err().unwrap();
        assert!(error.to_string().contains("other steps"), "{error}");
    }
}
