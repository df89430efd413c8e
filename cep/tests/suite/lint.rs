//! What lint says of patterns is so: of some by hand, and of random ones on random events.

use arrow::array::{AsArray, Int64Array, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Int64Type};
use arrow::record_batch::RecordBatch;
use egret_cep::{AfterMatch, CompiledPattern, Condition, Element, Inner, Item, Link, Pattern, Quantifier, measures};
use egret_core::StreamSchema;
use egret_testkit::Random;
use std::sync::Arc;

fn schema() -> StreamSchema {
    StreamSchema::new(vec![Field::new("x", DataType::Int64, true), StreamSchema::time_field("at")], Some("at")).unwrap()
}

fn compile(pattern: &Pattern, variables: &[String]) -> Option<CompiledPattern> {
    let texts: Vec<(String, String)> = variables.iter().map(|name| (name.clone(), format!("count({name})"))).collect();
    let pairs: Vec<(&str, &str)> = texts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    CompiledPattern::compile(pattern, &schema(), vec![], vec![], measures(&pairs).unwrap()).ok()
}

/// The findings, as `variable: message`.
fn lint(pattern: &Pattern) -> Vec<String> {
    let compiled = compile(pattern, &["a".to_owned()]).unwrap();
    let findings = compiled.lint(false).into_iter();
    findings.map(|finding| format!("{}: {}", finding.variable.unwrap_or_default(), finding.message)).collect()
}

fn begins(pattern: &Pattern, expected: &[&str]) {
    let found = lint(pattern);
    let fits = found.len() == expected.len() && found.iter().zip(expected).all(|(found, expected)| found.starts_with(expected));
    assert!(fits, "{pattern}\n{found:#?}\ninstead of\n{expected:#?}");
}

#[test]
fn steps_that_take_each_others_events() {
    let a = |condition: &str| Pattern::begin("a").filter(condition);
    let greedy = |condition: &str| a("x > 5").one_or_more().greedy().followed_by("b").filter(condition);
    let no = "the pattern can never match";
    begins(&greedy("x > 7"), &["b: 'b' gets no event: every event that can be 'b' can be 'a'", &format!(": {no}")]);
    begins(&greedy("x = 7 AND x > a.x"), &["b: 'b' gets no event", &format!(": {no}")]);
    begins(&greedy("x > 3"), &[]);
    begins(&a("x > 5").one_or_more().greedy().followed_by("b").filter("x > 7").optional(), &["b: 'b' gets no event"]);
    let looped = a("x > 5").one_or_more().followed_by("b").filter("x = 9");
    begins(&looped, &["a: every event that can be 'b' can be 'a' too: the repetition goes on over it"]);
    begins(&looped.after_match(AfterMatch::SkipPastLastEvent), &[]);
    begins(&a("x > 5").one_or_more().until("x = 9").followed_by("b").filter("x = 9"), &[]);
    begins(
        &a("x > 5").one_or_more().until("x > 2"),
        &["a: 'a' takes no event: each that could be 'a' fulfils its UNTIL", &format!(": {no}")],
    );
    begins(&a("x > 5").one_or_more().allow_combinations(), &["a: every combination"]);
    begins(&a("x > 5").times_between(1, 3).allow_combinations(), &[]);
}

#[test]
fn negations_that_forbid_what_follows() {
    let a = || Pattern::begin("a").filter("x = 1");
    let forbids = "b: no event can be 'b': every event that can be 'b' is one of 'n', which must not come before it";
    let never = ": the pattern can never match";
    begins(&a().not_followed_by("n").filter("x > 5").followed_by("b").filter("x > 7"), &[forbids, never]);
    begins(&a().not_followed_by("n").followed_by("b").filter("x > 7"), &[forbids, never]);
    begins(&a().not_next("n").filter("x > 5").next("b").filter("x > 7"), &[forbids, never]);
    begins(&a().not_next("n").filter("x > 5").followed_by("b").filter("x > 7"), &[]);
    begins(&a().not_followed_by("n").filter("x > 9").followed_by("b").filter("x > 7"), &[]);
}

#[test]
fn conditions_and_what_stands_behind_them() {
    let a = || Pattern::begin("a").filter("x = 1");
    let empty = a().followed_by("b").filter("x < 1 AND x > 2").followed_by("c").filter("x = 3");
    let contradiction = "b: the condition of 'b' is never true: no event can be 'b'";
    begins(&empty, &[contradiction, "c: 'c' is never reached", ": the pattern can never match"]);
    begins(&a().followed_by("b").filter("x IS NULL AND x > 2").optional().followed_by("c").filter("x = 3"), &[contradiction]);
    begins(&a().followed_by("b").filter("x = 2 OR true"), &["b: the condition of 'b' is true for every event"]);
    begins(&a().followed_by("b"), &[]);
    begins(&a().one_or_more().until("1 = 1"), &["a: the UNTIL of 'a' is true for every event: the repetition takes none"]);
}

const CONDITIONS: [&str; 9] = [
    "x < 3",
    "x >= 2",
    "x = 1",
    "x IN (1, 2)",
    "x <> 3",
    "x > 2 AND x < 4",
    "x < 2 AND x > 3",
    "x IS NOT NULL",
    "x = 1 OR x = 4",
];

fn random_pattern(random: &mut Random) -> Pattern {
    let count = 2 + random.below(3);
    let mut elements = Vec::new();
    for index in 0..count {
        let mut links = vec![Link::Next, Link::FollowedBy, Link::FollowedBy, Link::FollowedByAny];
        if index > 0 {
            links.extend([Link::NotNext, Link::NotFollowedBy, Link::NotFollowedBy]);
        }
        let link = links[random.below(links.len())];
        let condition = |random: &mut Random| Condition::from(CONDITIONS[random.below(CONDITIONS.len())]);
        let own = random.below(8) > 0;
        let item = Item::Variable { name: format!("v{index}"), condition: own.then(|| condition(random)) };
        let mut element = Element { link, item, quantifier: Quantifier::default(), until: None, within_previous_us: None };
        if !link.is_negation() && random.chance(50) {
            let (min, max) = [(1, None), (2, None), (1, Some(2)), (1, Some(1))][random.below(4)];
            element.quantifier = Quantifier {
                min,
                max,
                optional: random.below(4) == 0,
                greedy: max != Some(1) && random.chance(50),
                inner: if random.chance(50) { Inner::Relaxed } else { Inner::Strict },
                window_us: None,
            };
            if max != Some(1) && random.below(4) == 0 {
                element.until = Some(condition(random));
            }
        }
        elements.push(element);
    }
    Pattern { within_us: Some(6), ..Pattern::new(elements) }
}

#[test]
fn what_is_said_of_random_patterns_is_so() {
    let (mut said, mut impossible, mut looked_at) = (0, 0, 0);
    for seed in 0..3_000 {
        let mut random = Random::new(seed);
        let pattern = random_pattern(&mut random);
        let takes = |element: &&Element| !element.link.is_negation();
        let names: Vec<String> = pattern
            .elements
            .iter()
            .filter(takes)
            .map(|element| match &element.item {
                Item::Variable { name, .. } => name.clone(),
                _ => unreachable!("random patterns are sequences of variables"),
            })
            .collect();
        let Some(compiled) = compile(&pattern, &names).map(|compiled| compiled.with_timed_out(true)) else { continue };
        let findings = compiled.lint(false);
        let is_empty = |message: &str| {
            ["gets no event", "takes no event", "no event can be", "is never reached", "takes none"]
                .iter()
                .any(|part| message.contains(part))
        };
        let empty: Vec<&str> =
            findings.iter().filter(|one| is_empty(&one.message)).filter_map(|one| one.variable.as_deref()).collect();
        let never = findings.iter().any(|one| one.message.contains("can never match"));
        (said, impossible) = (said + empty.len(), impossible + usize::from(never));
        for _ in 0..4 {
            let events = 2 + random.below(9);
            let x = Int64Array::from_iter((0..events).map(|_| (random.below(10) > 0).then(|| random.between(1, 5))));
            let at = TimestampMicrosecondArray::from_iter_values(0..events as i64);
            let rows = RecordBatch::try_new(Arc::clone(schema().arrow()), vec![Arc::new(x), Arc::new(at)]).unwrap();
            let found = compiled.match_rows(&rows).unwrap();
            assert!(!never || found.matches.num_rows() == 0, "seed {seed}: {pattern} has a match in {rows:?}\n{findings:#?}");
            for table in [&found.matches, &found.timed_out] {
                for name in &empty {
                    let Some(counts) = table.column_by_name(name) else { continue };
                    looked_at += counts.len();
                    let taken = counts.as_primitive::<Int64Type>().values().iter().any(|count| *count > 0);
                    assert!(!taken, "seed {seed}: '{name}' of {pattern} takes an event of {rows:?}\n{findings:#?}");
                }
            }
        }
    }
    assert!(said > 500 && impossible > 100, "{said} findings, {impossible} patterns without a match");
    assert!(looked_at > 500, "{looked_at} rows could have shown that a finding is wrong");
}
