//! Random small patterns over random small streams: the engine finds what the definition finds.

use crate::cases::{Match, compile, read_match};
use crate::definition::{Definition, Event, Moment, Rule, Taken, Wanted};
use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use egret_cep::{AfterMatch, CompiledPattern, Condition, Element, Inner, Item, Link, MATCH_TIME, Overflow, Pattern, Quantifier};
use egret_core::StreamSchema;
use egret_core::batch::micros;
use egret_testkit::{Random, table};
use std::sync::Arc;

const SEEDS: u64 = 3_000;
const STREAMS: usize = 5;
const EVENTS_MAX: usize = 8;

pub(crate) fn schema() -> StreamSchema {
    table("id:int kind:text amount:int at:time").schema
}

/// Up to eight events of three kinds; some have the same time.
pub(crate) fn random_events(random: &mut Random) -> Vec<Event> {
    let mut at = 0;
    (0..=random.below(EVENTS_MAX))
        .map(|_| {
            at += random.between(0, 4);
            Event { kind: ['a', 'b', 'c'][random.below(3)], amount: random.between(0, 9), at }
        })
        .collect()
}

/// The events in any order, with their place in the stream as the id.
pub(crate) fn record_batch(events: &[Event], random: &mut Random) -> RecordBatch {
    let mut order: Vec<usize> = (0..events.len()).collect();
    random.shuffle(&mut order);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(order.iter().map(|&event| event as i64))),
        Arc::new(StringArray::from_iter_values(order.iter().map(|&event| events[event].kind.to_string()))),
        Arc::new(Int64Array::from_iter_values(order.iter().map(|&event| events[event].amount))),
        Arc::new(TimestampMicrosecondArray::from_iter_values(order.iter().map(|&event| events[event].at))),
    ];
    RecordBatch::try_new(Arc::clone(schema().arrow()), columns).unwrap()
}

/// Up to three variables and a negation. The first variable cannot be missing if a later condition depends on earlier events.
pub(crate) fn random_rules(random: &mut Random) -> Vec<Rule> {
    let variables = 1 + random.below(3);
    let starts_optional = random.chance(15);
    let negation = (!starts_optional && random.chance(40)).then(|| 1 + random.below(variables));
    let mut rules: Vec<Rule> = Vec::new();
    for variable in 0..variables {
        if negation == Some(variable) {
            rules.push(random_negation(random, &rules));
        }
        let mut rule = random_variable(random, &rules);
        if rules.is_empty() {
            rule.element.quantifier.optional = starts_optional;
        }
        let Quantifier { optional, greedy, max, .. } = &mut rule.element.quantifier;
        *greedy &= !(*optional && starts_optional) && (*max != Some(1) || *optional);
        rules.push(rule);
    }
    if negation == Some(variables) {
        rules.push(random_negation(random, &rules));
    }
    rules
}

pub(crate) fn random_wanted(random: &mut Random, before: &[Rule], own: bool) -> Wanted {
    let mut kinds = vec!['a', 'b', 'c'];
    random.shuffle(&mut kinds);
    kinds.truncate([1, 1, 1, 2, 2, 3][random.below(6)]);
    let mut readable: Vec<usize> = (0..before.len()).filter(|&index| !before[index].element.link.is_negation()).collect();
    readable.extend(own.then_some(before.len()));
    let above_sum_of = (!readable.is_empty() && random.chance(25)).then(|| readable[random.below(readable.len())]);
    Wanted { kinds, above_sum_of, later: None }
}

pub(crate) fn condition(wanted: &Wanted) -> Condition {
    let kinds: Vec<String> = wanted.kinds.iter().map(|kind| format!("'{kind}'")).collect();
    let sum = wanted.above_sum_of.map_or(String::new(), |element| format!(" AND amount > sum(x{element}.amount)"));
    Condition::from(format!("kind IN ({}){sum}", kinds.join(", ")))
}

fn random_variable(random: &mut Random, before: &[Rule]) -> Rule {
    let wanted = random_wanted(random, before, true);
    let is_any = wanted.kinds.len() == 3 && wanted.above_sum_of.is_none();
    let item = Item::Variable { name: format!("x{}", before.len()), condition: (!is_any).then(|| condition(&wanted)) };
    let (min, max) =
        [(1, Some(1)), (1, Some(1)), (2, Some(2)), (3, Some(3)), (1, Some(2)), (2, Some(4)), (1, None), (2, None), (0, Some(2))]
            [random.below(if before.is_empty() { 8 } else { 9 })];
    let inner = [Inner::Strict, Inner::Relaxed, Inner::Any][random.below(3)];
    let repeats = max != Some(1);
    let quantifier = Quantifier {
        min,
        max,
        optional: random.chance(30) || min == 0,
        greedy: inner != Inner::Any && random.chance(30),
        inner,
        window_us: (repeats && random.chance(15)).then(|| random.between(1, 8)),
    };
    let until = (repeats && random.chance(25)).then(|| random_wanted(random, before, true));
    let element = Element {
        link: [Link::Next, Link::FollowedBy, Link::FollowedByAny][random.below(3)],
        item,
        quantifier,
        until: until.as_ref().map(condition),
        within_previous_us: random.chance(15).then(|| random.between(1, 10)),
    };
    Rule { id: before.len(), element, wanted, until }
}

fn random_negation(random: &mut Random, before: &[Rule]) -> Rule {
    let wanted = random_wanted(random, before, false);
    let item = Item::Variable { name: format!("x{}", before.len()), condition: Some(condition(&wanted)) };
    let link = [Link::NotNext, Link::NotFollowedBy][random.below(2)];
    let element = Element { link, item, quantifier: Quantifier::default(), until: None, within_previous_us: None };
    Rule { id: before.len(), element, wanted, until: None }
}

/// Makes a pattern of rules, with a window where one is needed, and otherwise with a window or not.
pub(crate) fn random_pattern(random: &mut Random, rules: &mut [Rule]) -> Pattern {
    let at_end = rules.iter_mut().rev().take_while(|rule| rule.element.link.is_negation());
    let mut needs_window = false;
    for rule in at_end.filter(|rule| rule.element.link == Link::NotFollowedBy) {
        rule.element.within_previous_us = random.chance(40).then(|| random.between(1, 12));
        needs_window |= rule.element.within_previous_us.is_none();
    }
    let elements = rules.iter().map(|rule| rule.element.clone()).collect();
    with_windows(random, Pattern::new(elements), needs_window)
}

fn with_windows(random: &mut Random, mut pattern: Pattern, needs_window: bool) -> Pattern {
    pattern.within_events = random.chance(20).then(|| random.between(1, 7) as u64);
    let needs_window = needs_window && pattern.within_events.is_none();
    pattern.within_us = (needs_window || random.chance(40)).then(|| random.between(1, 16));
    pattern.after_match =
        [AfterMatch::NoSkip, AfterMatch::NoSkip, AfterMatch::SkipToNext, AfterMatch::SkipPastLastEvent][random.below(4)].clone();
    pattern
}

/// The matches that are left when each, in the order of their first events, ends others.
pub(crate) fn skip(mut matches: Vec<(Vec<Taken>, Moment)>, strategy: &AfterMatch) -> Vec<(Vec<Taken>, Moment)> {
    let events = |taken: &[Taken]| taken.iter().map(|taken| taken.event).collect::<Vec<_>>();
    matches.sort_by_key(|(taken, moment)| (taken[0].event, *moment, events(taken)));
    let mut left: Vec<(Vec<Taken>, Moment)> = Vec::new();
    for (taken, moment) in matches {
        let is_over = left.iter().any(|(earlier, _)| match strategy {
            AfterMatch::SkipToNext => taken[0].event == earlier[0].event,
            AfterMatch::SkipPastLastEvent => taken[0].event <= earlier[earlier.len() - 1].event,
            _ => false,
        });
        if !is_over {
            left.push((taken, moment));
        }
    }
    left
}

/// A match, and the time of its decision.
pub(crate) type Found = (Match, i64);

pub(crate) fn as_found(taken: &[Taken], moment: Moment) -> Found {
    let mut found = Match::new();
    taken.iter().for_each(|taken| found.entry(format!("x{}", taken.element)).or_default().push(taken.event as i64));
    found.values_mut().for_each(|events| events.sort_unstable());
    (found, moment.0)
}

pub(crate) fn engine_matches(compiled: &CompiledPattern, names: &[String], rows: &RecordBatch) -> Vec<Found> {
    let found = compiled.match_rows(rows).unwrap().matches;
    let times = micros(found.column_by_name(MATCH_TIME).unwrap()).to_vec();
    (0..found.num_rows()).map(|row| (read_match(&found, names, row), times[row])).collect()
}

/// The matches, sorted. Among matches of the same events as different variables a strategy may choose any, so then only the
/// events are compared.
pub(crate) fn comparable(matches: Vec<Found>, strategy: &AfterMatch) -> Vec<Found> {
    let events = |(found, time): Found| -> Found {
        let mut ids: Vec<i64> = found.into_values().flatten().collect();
        ids.sort_unstable();
        (Match::from([("events".to_owned(), ids)]), time)
    };
    let all = matches.into_iter();
    let mut matches: Vec<Found> = if *strategy == AfterMatch::NoSkip { all.collect() } else { all.map(events).collect() };
    matches.sort();
    matches
}

#[test]
fn random_patterns_match_as_defined() {
    let mut all = 0;
    for seed in 1..=SEEDS {
        let mut random = Random::new(seed);
        let mut rules = random_rules(&mut random);
        let pattern = random_pattern(&mut random, &mut rules);
        let (compiled, names) = compile(&pattern, &schema(), vec![], vec![0])
            .unwrap_or_else(|error| panic!("seed {seed}, the pattern {pattern}: {error}\n{pattern:#?}"));
        for _ in 0..STREAMS {
            let events = random_events(&mut random);
            let definition =
                Definition { rules: &rules, within_us: pattern.within_us, within_events: pattern.within_events, events: &events };
            let expected = skip(definition.matches(), &pattern.after_match);
            let expected: Vec<Found> = expected.iter().map(|(taken, moment)| as_found(taken, *moment)).collect();
            let found = engine_matches(&compiled, &names, &record_batch(&events, &mut random));
            all += expected.len();
            let as_sets =
                engine_matches(&compiled.clone().with_sets_from(random.below(3)), &names, &record_batch(&events, &mut random));
            let expected = comparable(expected, &pattern.after_match);
            for (how, found) in [("one by one", found), ("as sets", as_sets)] {
                let found = comparable(found, &pattern.after_match);
                assert!(
                    found == expected,
                    "seed {seed}, {how}, the pattern {pattern}\nexpected  {expected:?}\nfound     {found:?}\n{events:#?}\n{pattern:#?}"
                );
            }
        }
    }
    assert!(all > 5_000, "there were only {all} matches, so little was tested");
}

/// Longer streams, in which sets of partial matches grow, split and merge.
#[test]
fn sets_give_what_one_by_one_gives() {
    let (mut all, mut too_many) = (0, 0);
    for seed in 1..=2_000 {
        let mut random = Random::new(seed);
        let mut rules = random_rules(&mut random);
        let mut pattern = random_pattern(&mut random, &mut rules);
        pattern.within_us = pattern.within_us.map(|within| within * 3);
        let (compiled, names) = compile(&pattern, &schema(), vec![], vec![0]).unwrap();
        let compiled = compiled.with_timed_out(false).with_max_partial_matches(2_000).with_overflow(Overflow::Fail);
        let events: Vec<Event> = (0..5)
            .flat_map(|part: i64| {
                random_events(&mut random).into_iter().map(move |event| Event { at: event.at + part * 20, ..event })
            })
            .collect();
        let rows = record_batch(&events, &mut random);
        if let Err(error) = compiled.clone().with_sets_from(usize::MAX).match_rows(&rows) {
            assert!(error.to_string().contains("more than 2000 partial matches"), "seed {seed}, {pattern}: {error}");
            too_many += 1;
            continue;
        }
        let one_by_one =
            comparable(engine_matches(&compiled.clone().with_sets_from(usize::MAX), &names, &rows), &pattern.after_match);
        let as_sets = comparable(engine_matches(&compiled.with_sets_from(random.below(6)), &names, &rows), &pattern.after_match);
        assert!(
            as_sets == one_by_one,
            "seed {seed}, {pattern}\none by one {one_by_one:?}\nas sets    {as_sets:?}\n{events:#?}\n{pattern:#?}"
        );
        all += one_by_one.len();
    }
    assert!(all > 20_000 && too_many < 200, "there were only {all} matches, and {too_many} patterns had too many to begin with");
}

/// Alternatives and parts in any order, by definition: every choice and every order is a pattern of its own, and the matches are
/// those of all these patterns.
#[test]
fn choices_and_orders_match_as_defined() {
    let mut all = 0;
    for seed in 1..=SEEDS {
        let mut random = Random::new(seed);
        let (pattern, choices) = random_choices(&mut random);
        let (compiled, names) = compile(&pattern, &schema(), vec![], vec![0])
            .unwrap_or_else(|error| panic!("seed {seed}, the pattern {pattern}: {error}\n{pattern:#?}"));
        for _ in 0..STREAMS {
            let events = random_events(&mut random);
            let mut found: Vec<(Vec<Taken>, Moment)> = Vec::new();
            for rules in &choices {
                let Pattern { within_us, within_events, .. } = pattern;
                let definition = Definition { rules, within_us, within_events, events: &events };
                let named = |taken: Taken| Taken { element: rules[taken.element].id, ..taken };
                found.extend(
                    definition.matches().into_iter().map(|(taken, moment)| (taken.into_iter().map(named).collect(), moment)),
                );
            }
            let expected: Vec<Found> =
                skip(found, &pattern.after_match).iter().map(|(taken, moment)| as_found(taken, *moment)).collect();
            let mut expected = comparable(expected, &pattern.after_match);
            expected.dedup();
            all += expected.len();
            let sets_from = random.below(3);
            for compiled in [compiled.clone(), compiled.clone().with_sets_from(sets_from)] {
                let found = engine_matches(&compiled, &names, &record_batch(&events, &mut random));
                let found = comparable(found, &pattern.after_match);
                assert!(
                    found == expected,
                    "seed {seed}, the pattern {pattern}\nexpected  {expected:?}\nfound     {found:?}\n{events:#?}\n{pattern:#?}"
                );
            }
        }
    }
    assert!(all > 10_000, "there were only {all} matches, so little was tested");
}

/// A pattern with one step that consists of several sequences, and every pattern it stands for.
fn random_choices(random: &mut Random) -> (Pattern, Vec<Vec<Rule>>) {
    let (in_any_order, link) = (random.chance(50), [Inner::Strict, Inner::Relaxed, Inner::Any][random.below(3)]);
    let mut rules: Vec<Rule> = Vec::new();
    let required = |random: &mut Random, rules: &mut Vec<Rule>| {
        let mut rule = random_variable(random, rules);
        // No condition may depend on an event that may not have been taken.
        let is_plain = |wanted: &Wanted| wanted.above_sum_of.is_none();
        while !is_plain(&rule.wanted)
            || rule.until.as_ref().is_some_and(|until| !is_plain(until))
            || rule.element.quantifier.min == 0
        {
            rule = random_variable(random, rules);
        }
        (rule.element.quantifier.optional, rule.element.quantifier.greedy) = (false, false);
        rules.push(rule.clone());
        rule
    };
    let before: Vec<Rule> = (0..random.below(2)).map(|_| required(random, &mut rules)).collect();
    let parts: Vec<Vec<Rule>> =
        (0..2 + random.below(2)).map(|_| (0..1 + random.below(2)).map(|_| required(random, &mut rules)).collect()).collect();
    let after: Vec<Rule> = (0..random.below(2)).map(|_| required(random, &mut rules)).collect();
    let own_link = [Link::Next, Link::FollowedBy, Link::FollowedByAny][random.below(3)];
    let elements = |rules: &[Rule]| rules.iter().map(|rule| rule.element.clone()).collect::<Vec<_>>();
    let sequences: Vec<Vec<Element>> = parts.iter().map(|part| elements(part)).collect();
    let item = if in_any_order { Item::AllOf { parts: sequences, link } } else { Item::Alternatives(sequences) };
    let step = Element { item, ..Element::variable(own_link, "") };
    let pattern = with_windows(random, Pattern::new([elements(&before), vec![step], elements(&after)].concat()), false);
    let linked = |part: &[Rule], link: Link| -> Vec<Rule> {
        let mut part = part.to_vec();
        part[0].element.link = link;
        part
    };
    let between = match link {
        Inner::Strict => Link::Next,
        Inner::Relaxed => Link::FollowedBy,
        Inner::Any => Link::FollowedByAny,
    };
    let middles: Vec<Vec<Rule>> = if in_any_order {
        orders(parts.len())
            .into_iter()
            .map(|order| {
                let links = std::iter::once(own_link).chain(std::iter::repeat(between));
                order.into_iter().zip(links).flat_map(|(part, link)| linked(&parts[part], link)).collect()
            })
            .collect()
    } else {
        parts.iter().map(|part| linked(part, own_link)).collect()
    };
    (pattern, middles.into_iter().map(|middle| [before.clone(), middle, after.clone()].concat()).collect())
}

/// All orders of `count` things.
fn orders(count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![Vec::new()];
    }
    let shorter = orders(count - 1);
    shorter
        .iter()
        .flat_map(|order| {
            (0..count).map(|place| {
                let mut order = order.clone();
                order.insert(place, count - 1);
                order
            })
        })
        .collect()
}
