//! The tracer finds the matches that the matcher finds, and reports the outcome of every start.

use crate::cases::{Match, compile};
use crate::naive::{Found, comparable, engine_matches, random_events, random_pattern, random_rules, record_batch, schema};
use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use egret_cep::trace::{Candidate, Fate, Reason, Trace, TracedMatch};
use egret_cep::{AfterMatch, CompiledPattern, Pattern, measures};
use egret_testkit::{Random, Table, table};
use std::time::Duration;

fn traced_matches(trace: &Trace, rows: &RecordBatch) -> Vec<Found> {
    let ids = rows.column(0).as_primitive::<Int64Type>();
    let found = |of: &TracedMatch| {
        let mut found = Match::new();
        for step in &of.steps {
            found.entry(step.variable.clone()).or_default().push(ids.value(trace.events[step.event].row));
        }
        (found, of.decided_us)
    };
    trace.matches.iter().map(found).collect()
}

/// Properties that every trace must have.
fn check_sense(trace: &Trace, what: &str) {
    assert_eq!(trace.candidates.len() + trace.not_starts, trace.events.len(), "{what}");
    let mut of_candidates: Vec<usize> = trace.candidates.iter().flat_map(|candidate| candidate.matches.clone()).collect();
    of_candidates.sort_unstable();
    assert_eq!(of_candidates, (0..trace.matches.len()).collect::<Vec<_>>(), "{what}");
    for candidate in &trace.candidates {
        assert_eq!(candidate.fate == Fate::Matched, !candidate.matches.is_empty(), "{what} {candidate:?}");
        assert_eq!(candidate.fate == Fate::Discarded, candidate.discarded_by.is_some(), "{what} {candidate:?}");
        assert_eq!(candidate.steps[0].event, candidate.start, "{what} {candidate:?}");
        assert!(
            candidate.fate == Fate::Matched || !candidate.stops.is_empty() || candidate.fate == Fate::Discarded,
            "{what} {candidate:?}"
        );
        for stop in &candidate.stops {
            let is_right = match candidate.fate {
                Fate::Matched => false,
                Fate::Waiting => true,
                Fate::TimedOut => stop.reason != Reason::EndOfInput,
                Fate::Stopped => !matches!(stop.reason, Reason::EndOfInput | Reason::Skip),
                Fate::Discarded => stop.reason != Reason::EndOfInput,
            };
            assert!(is_right, "{what} {candidate:?}");
        }
    }
}

#[test]
fn random_patterns_are_traced_as_they_match() {
    let mut all = 0;
    for seed in 1..=3_000 {
        let mut random = Random::new(seed);
        let mut rules = random_rules(&mut random);
        let mut pattern = random_pattern(&mut random, &mut rules);
        if random.chance(30) {
            let taken: Vec<usize> =
                (0..rules.len()).filter(|&rule| !rules[rule].element.link.is_negation() || rule == 0).collect();
            let name = format!("x{}", taken[random.below(taken.len())]);
            pattern.after_match = [AfterMatch::SkipToFirst(name.clone()), AfterMatch::SkipToLast(name)][random.below(2)].clone();
        }
        let (compiled, names) = compile(&pattern, &schema(), vec![], vec![0]).unwrap();
        for _ in 0..3 {
            let events = random_events(&mut random);
            let rows = record_batch(&events, &mut random);
            let trace = compiled.trace(&rows, None).unwrap();
            let what = format!("seed {seed}, the pattern {pattern}, {events:#?}");
            let traced = comparable(traced_matches(&trace, &rows), &pattern.after_match);
            let matched = comparable(engine_matches(&compiled, &names, &rows), &pattern.after_match);
            assert_eq!(traced, matched, "the traced matches, and the matcher's: {what}\n{pattern:#?}");
            check_sense(&trace, &what);
            all += matched.len();
        }
    }
    assert!(all > 3_000, "there were only {all} matches, so little was tested");
}

/// The trace of a pattern by `card` over the events of one card.
fn trace(pattern: &Pattern, rows: &Table) -> Trace {
    let id = measures(&[("card", "card")]).unwrap();
    let compiled = CompiledPattern::compile(pattern, &rows.schema, vec![0], vec![], id).unwrap();
    let trace = compiled.trace(&rows.rows, None).unwrap();
    check_sense(&trace, &format!("{trace:#?}"));
    trace
}

fn of_kind(name: &str) -> String {
    format!("kind = '{name}'")
}

/// For a stop: the variable that was missing, the reason and the event.
type Told<'a> = (Option<&'a str>, Reason, Option<usize>);

/// A candidate's fate, how many events it took, and its stops.
fn told(candidate: &Candidate) -> (Fate, usize, Vec<Told<'_>>) {
    let stops = candidate.stops.iter().map(|stop| (stop.variable.as_deref(), stop.reason, stop.event)).collect();
    (candidate.fate, candidate.steps.len(), stops)
}

#[test]
fn every_way_to_stop_has_its_reason() {
    let rows = table("card:int kind:text at:time\n 7 a 0\n 7 b 10\n 7 x 20\n 7 c 30\n 7 b 40");
    let ab = || Pattern::begin("a").filter(of_kind("a")).followed_by("b").filter(of_kind("b"));
    let first = |pattern: &Pattern| trace(pattern, &rows).candidates[0].clone();

    let strict = first(&ab().next("c").filter(of_kind("c")));
    assert_eq!(told(&strict), (Fate::Stopped, 2, vec![(Some("c"), Reason::Strict, Some(2))]));
    assert_eq!(strict.stops[0].conditions, ["c.kind 'x' = 'c'"]);
    assert_eq!((strict.steps_missing, strict.last, strict.ended_us), (1, 2, Some(20)));

    let negated = first(&ab().not_followed_by("n").filter(of_kind("x")).followed_by("c").filter(of_kind("c")));
    assert_eq!(told(&negated), (Fate::Stopped, 2, vec![(Some("c"), Reason::Negation, Some(2))]));
    assert_eq!((negated.stops[0].by.as_deref(), &*negated.stops[0].conditions[0]), (Some("n"), "n.kind 'x' = 'x'"));

    let within = first(&ab().followed_by("d").filter("kind = 'd' AND card = 7").within(Duration::from_micros(35)));
    assert_eq!(told(&within), (Fate::TimedOut, 2, vec![(Some("d"), Reason::Within, None)]));
    assert_eq!((within.stops[0].at_us, within.stops[0].looked_at), (Some(35), 2));
    assert_eq!(within.stops[0].near[0].failed, ["d.kind 'x' = 'd'"]);
    assert_eq!(within.stops[0].near[0].held, ["d.card 7 = 7"]);
    assert_eq!(within.stops[0].wanted, ["d.kind = 'd'", "d.card = 7"]);

    let gap = first(&ab().followed_by("c").filter(of_kind("c")).within_previous(Duration::from_micros(15)));
    assert_eq!(told(&gap), (Fate::TimedOut, 2, vec![(Some("c"), Reason::Gap, None)]));
    assert_eq!(gap.stops[0].at_us, Some(25));

    let waiting = first(&ab().followed_by("d").filter(of_kind("d")));
    assert_eq!(told(&waiting), (Fate::Waiting, 2, vec![(Some("d"), Reason::EndOfInput, None)]));
    assert_eq!(waiting.last, 4);

    let until = Pattern::begin("a").filter(of_kind("a")).followed_by("b").filter("kind <> 'a'").times(4).until(of_kind("x"));
    assert_eq!(told(&first(&until)), (Fate::Stopped, 2, vec![(Some("b"), Reason::Until, Some(2))]));
}

#[test]
fn a_skip_names_the_match() {
    let rows = table("card:int kind:text at:time\n 7 a 0\n 7 a 10\n 7 b 20\n 7 a 30\n 7 b 40");
    let pattern = Pattern::begin("a").filter(of_kind("a")).followed_by("b").filter(of_kind("b"));
    let trace = trace(&pattern.after_match(AfterMatch::SkipPastLastEvent), &rows);
    let fates: Vec<(usize, Fate)> = trace.candidates.iter().map(|candidate| (candidate.start, candidate.fate)).collect();
    assert_eq!(fates, [(0, Fate::Matched), (1, Fate::Discarded), (3, Fate::Matched)]);
    assert_eq!(trace.candidates[1].discarded_by, Some(0));
    assert_eq!(trace.candidates[1].stops[0].reason, Reason::Skip);
    assert_eq!(trace.matches[1].steps[1].because, ["b.kind 'b' = 'b'"]);
    assert_eq!((trace.not_starts, trace.near_starts[0].event), (2, 2));
    assert_eq!(trace.near_starts[0].failed, ["a.kind 'b' = 'a'"]);
}

#[test]
fn what_is_too_much_is_said() {
    let rows: String = (0..40).map(|at| format!(" 7 a {at}\n")).collect();
    let rows = table(&format!("card:int kind:text at:time\n{rows}"));
    let pattern = Pattern::begin("a").filter(of_kind("a")).one_or_more().allow_combinations();
    let one = measures(&[("card", "card")]).unwrap();
    let compiled = CompiledPattern::compile(&pattern, &rows.schema, vec![0], vec![], one).unwrap();
    let error = compiled.trace(&rows.rows, None).unwrap_err().to_string();
    assert!(error.contains("there are more than 10000 partial ones") && error.contains("1970-01-01T00:00:00.000Z"), "{error}");

    let schema = table("card:int kind:text").schema;
    let one = measures(&[("card", "card")]).unwrap();
    let compiled = CompiledPattern::compile(&pattern.within(Duration::from_secs(1)), &schema, vec![0], vec![], one).unwrap();
    let error = compiled.trace(&RecordBatch::new_empty(schema.arrow().clone()), None).unwrap_err().to_string();
    assert!(error.contains("follow the clock on the wall"), "{error}");
}

#[test]
fn starts_behind_a_time_are_left_out() {
    let rows = table("card:int kind:text at:time\n 7 a 0\n 7 a 10\n 7 b 20\n 7 a 30");
    let pattern = Pattern::begin("a").filter(of_kind("a")).followed_by("b").filter(of_kind("b"));
    let one = measures(&[("card", "card")]).unwrap();
    let compiled = CompiledPattern::compile(&pattern, &rows.schema, vec![0], vec![], one).unwrap();
    let trace = compiled.trace(&rows.rows, Some(10)).unwrap();
    assert_eq!((trace.candidates.len(), trace.untraced_from, trace.events.len()), (2, Some(2), 4));
}
