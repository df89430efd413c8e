//! The findings of lint are true: some patterns by hand, and random patterns on random events.

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
fn repetitions_that_a_negation_behind_them_forbids() {
    let a = || Pattern::begin("a").filter("x = 1");
    let twice = |pattern: Pattern, negated: &str| pattern.not_followed_by("n").filter(negated).followed_by("c").filter("x = 3");
    let never = "b: every event that can be 'b' is one of 'n', which must not come behind the first event of the repetition: it never comes 2 times";
    let behind = ["c: 'c' is never reached", ": the pattern can never match"];
    let b = || a().followed_by("b").filter("x = 2");
    begins(&twice(b().times(2), "x = 2"), &[never, behind[0], behind[1]]);
    begins(&twice(b().times_or_more(2), "x < 3"), &[never, behind[0], behind[1]]);
    begins(
        &twice(b().one_or_more(), "x = 2"),
        &[
            "b: every event that can be 'b' is one of 'n', which must not come behind the first event of the repetition: it comes once at most",
        ],
    );
    begins(&twice(b().times(2), "x = 4"), &[]);
    begins(&twice(b(), "x = 2"), &[]);
    let group = Pattern::begin_group(Pattern::begin("a").filter("x = 1").followed_by("b").filter("x = 2")).times(2);
    begins(&twice(group, "x = 2"), &[never, behind[0], behind[1]]);
    // Written as steps the pattern can match.
    let steps = a().followed_by("b").filter("x = 1").not_followed_by("n").filter("x = 1").followed_by("c").filter("x = 3");
    begins(&steps, &[]);
}

#[test]
fn conditions_that_the_first_event_cannot_meet() {
    let first = |condition: &str| Pattern::begin("a").filter(condition).one_or_more().followed_by("b").filter("x = 9 AND x > 3");
    let expected = ["a: no event can be the first 'a'", "b: 'b' is never reached", ": the pattern can never match"];
    for never in [
        "x > last(a.x)",
        "x < 9 AND x - last(a.x, 1) > 2",
        "abs(x - last(a.x)) < 3",
        "NOT x = max(a.x)",
        "x BETWEEN min(a.x) AND 5",
    ] {
        begins(&first(&format!("x < 9 AND {never}")), &expected);
    }
    for some in
        ["count(a) = 0 OR x > last(a.x)", "x > sum(a.x)", "count(a) < 3", "x > coalesce(last(a.x), 0)", "last(a.x) IS NULL"]
    {
        begins(&first(&format!("x < 9 AND ({some})")), &[]);
    }
    let other = Pattern::begin("a").filter("x = 1").optional().followed_by("b").filter("x > a.x");
    begins(&other, &[]);
    let negated =
        Pattern::begin("a").filter("x = 1").not_followed_by("n").filter("x > last(n.x)").followed_by("c").filter("x = 3");
    let error = CompiledPattern::compile(&negated, &schema(), vec![], vec![], measures(&[("a", "a.x")]).unwrap()).err().unwrap();
    assert!(error.to_string().contains("'n' is negated and never takes an event"), "{error}");
}

#[test]
fn values_that_are_compared_with_themselves_and_each_other() {
    let b = |condition: &str| Pattern::begin("a").filter("x = 1").followed_by("b").filter(condition);
    let never = ["b: the condition of 'b' is never true: no event can be 'b'", ": the pattern can never match"];
    for condition in [
        "b.x > b.x",
        "x <> x",
        "x < b.x",
        "x > a.x AND x < a.x",
        "x > a.x AND x = a.x",
        "a.x > a.x",
        "x > first(a.x) AND first(a.x) >= x",
    ] {
        begins(&b(condition), &never);
    }
    for condition in ["x >= b.x", "x >= a.x AND x <= a.x", "x > a.x AND x < first(a.x)"] {
        begins(&b(condition), &[]);
    }
    let null = compile(&b("x = NULL"), &["a".to_owned()]).unwrap().lint(false);
    assert_eq!(null[0].help, "nothing compares with NULL: write x IS NULL");
    let null = compile(&b("x > 1 AND NULL <> x"), &["a".to_owned()]).unwrap().lint(false);
    assert_eq!(null[0].help, "nothing compares with NULL: write x IS NOT NULL");
}

#[test]
fn windows_that_are_too_small() {
    let five = || Pattern::begin("a").filter("x = 1").times(5);
    let b = || five().followed_by("b").filter("x = 2");
    let never = |least: u32, events: u32| {
        format!(": the pattern can never match: a match has {least} events at least, and WITHIN has room for {events}")
    };
    begins(&five().within_events(4), &[&never(5, 4)]);
    begins(&five().within_events(5), &[]);
    begins(&b().within_events(5), &[&never(6, 5)]);
    begins(&b().within_events(6), &[]);
    begins(&b().optional().within_events(5), &[]);
    begins(&Pattern::begin("a").filter("x = 1").not_next("n").filter("x = 2").within_events(1), &[&never(2, 1)]);
    let millis = std::time::Duration::from_millis;
    let gap = |own: u64| {
        Pattern::begin("a").filter("x = 1").followed_by("b").filter("x = 2").within_previous(millis(own)).within(millis(10))
    };
    begins(&gap(10), &["b: WITHIN 10 ms OF PREVIOUS says nothing of 'b'"]);
    begins(&gap(9), &[]);
    let later = |least: &str| {
        Pattern::begin("a").filter("x = 1").followed_by("b").filter(format!("at - a.at {least}")).within(millis(2_000))
    };
    begins(&later("> INTERVAL '1' SECOND"), &[]);
    begins(&later("< INTERVAL '9' SECOND"), &[]);
    for never in ["> INTERVAL '2' SECOND", ">= INTERVAL '1' HOUR", "= INTERVAL '2' SECOND"] {
        begins(&later(never), &["b: no event can be 'b': it must come", ": the pattern can never match"]);
    }
}

/// Times in which no event of a match comes.
#[test]
fn events_come_in_the_order_of_their_times_and_within() {
    let b = |condition: &str| Pattern::begin("a").filter("x = 1").one_or_more().followed_by("b").filter(condition.to_owned());
    let minutes = |count: u64| std::time::Duration::from_secs(60 * count);
    let late = ["b: no event can be 'b': it must come 10 min or more behind", ": the pattern can never match"];
    for never in [
        "at >= a.at + INTERVAL '10' MINUTE",
        "at > first(a.at) + INTERVAL '10' MINUTE",
        "a.at <= at - INTERVAL '10' MINUTE",
        "at - INTERVAL '5' MINUTE >= a.at + INTERVAL '300' SECOND",
        "at - max(a.at) = INTERVAL '10' MINUTE",
        "x = 3 AND EXTRACT(EPOCH FROM at - a.at) >= 600",
        "10 <= EXTRACT(EPOCH FROM at - a.at) / 60",
        "at - a.at BETWEEN INTERVAL '10' MINUTE AND INTERVAL '1' HOUR",
    ] {
        begins(&b(never).within(minutes(10)), &late);
    }
    begins(&b("at > a.at + INTERVAL '1' MONTH").within(minutes(10)), &["b: no event can be 'b': it must come 28 d", late[1]]);
    for some in [
        "at > a.at + INTERVAL '599' SECOND",
        "at >= a.at + INTERVAL '599.999999' SECOND",
        "at - a.at < INTERVAL '1' HOUR",
        "at > a.at - INTERVAL '1' HOUR",
        "EXTRACT(EPOCH FROM at - a.at) > 599",
        "EXTRACT(EPOCH FROM at - a.at) < 6000",
        "EXTRACT(EPOCH FROM a.at - at) < 6000",
        "at < a.at + INTERVAL '1' MONTH",
        "at > a.at + INTERVAL '1' MONTH - INTERVAL '40' DAY",
        "at <= a.at",
    ] {
        begins(&b(some).within(minutes(10)), &[]);
    }
    let before = ["b: no event can be 'b': it must come before an event that the match has taken", late[1]];
    for never in ["at < a.at", "first(a.at) > at", "at - a.at < INTERVAL '0' SECOND", "at <= a.at - INTERVAL '1' SECOND"] {
        begins(&b(never), &before);
    }
    let gap = |condition: &str| {
        let pattern = Pattern::begin("a").filter("x = 1").followed_by("b").filter(condition.to_owned());
        pattern.within_previous(minutes(1)).within(minutes(10))
    };
    begins(&gap("at > a.at + INTERVAL '5' MINUTE"), &["b: no event can be 'b': it must come 5 min or more", late[1]]);
    begins(&gap("at > a.at + INTERVAL '59' SECOND"), &[]);
    let apart = Pattern::begin("a").filter("x = 1").followed_by("b").filter("x = 2").followed_by("c");
    begins(
        &apart.filter("b.at > a.at + INTERVAL '1' HOUR").within(minutes(10)),
        &["c: no event can be 'c': two events before it must be 1 h or more apart", late[1]],
    );
    let negated = Pattern::begin("a").filter("x = 1").not_followed_by("n").filter("at < a.at").followed_by("c").filter("x = 3");
    begins(&negated, &["n: 'n' forbids nothing: it must come before an event"]);
}

/// Conditions beside what is known of the events they read: the events' own conditions, and how many they are.
#[test]
fn conditions_beside_the_events_that_were_taken() {
    let never = ": the pattern can never match";
    let b = |a: &str, b: &str| Pattern::begin("a").filter(a.to_owned()).followed_by("b").filter(b.to_owned());
    let contradicts = ["b: no event can be 'b': its condition contradicts what the events before it are", never];
    for (first, second) in [
        ("x < 3", "a.x > 3"),
        ("x < 3", "a.x > x AND x > 5"),
        ("x = 1", "x = a.x AND x <> 1"),
        ("x IN (1, 2)", "first(a.x) = 3"),
        ("x >= 4", "min(a.x) < 4 AND x = 9"),
    ] {
        begins(&b(first, second), &contradicts);
    }
    for (first, second) in
        [("x < 3", "a.x > 1"), ("x < 3", "a.x < x AND x > 5"), ("x = 1", "a.x IS NULL"), ("x < 3", "sum(a.x) > 9")]
    {
        begins(&b(first, second), &[]);
    }
    let times = |min: u32, condition: &str| {
        Pattern::begin("a").filter("x = 1").times(min).followed_by("b").filter(format!("x = 2 AND {condition}"))
    };
    for impossible in ["count(a) = 3", "count(a) > 2", "count(a) < 2"] {
        begins(&times(2, impossible), &contradicts);
    }
    begins(&times(2, "count(a) = 2"), &[]);
    begins(&times(2, "last(a.x, 2) > 0"), &["b: no event can be 'b': `last(a.x, 2)` is of an event that no match has", never]);
    begins(&times(2, "last(a.x, 1) > 0"), &[]);
    begins(&times(2, "coalesce(last(a.x, 2), 0) > 0"), &[]);
    let own = |min: u32, condition: &str| {
        Pattern::begin("a").filter(condition.to_owned()).times_or_more(min).followed_by("b").filter("x = 2")
    };
    begins(
        &own(2, "x = 1 AND count(a) > 0"),
        &["a: no event can be the first 'a': `count(a)` is 0", "b: 'b' is never reached", never],
    );
    begins(&own(3, "x = 1 AND count(a) < 2"), &["a: 'a' never comes 3 times", "b: 'b' is never reached", never]);
    begins(&own(2, "x = 1 AND count(a) < 2"), &[]);
    let any = Pattern::begin("a").filter("x = 1").not_next("n");
    begins(&any, &["n: the pattern can never match: any event is 'n'"]);
    begins(&any.clone().followed_by("b").filter("x = 2"), &["n: the pattern can never match: any event is 'n'"]);
    begins(&Pattern::begin("a").filter("x IS NULL OR x IS NOT NULL"), &["a: the condition of 'a' is true for every event"]);
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
