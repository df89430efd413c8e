//! Keys with too many partial matches: they are put aside, and all other keys go on.

use crate::chained::{chained, key_columns};
use crate::law::{DELAY_US, random_rows, schema};
use egret_cep::{AfterMatch, CompiledPattern, OVERFLOWED, Overflow, Pattern, measures};
use egret_core::job::Partitioning;
use egret_core::{Batch, EventTime};
use egret_rows::{CompiledRowPattern, PatternExpr, RowPattern, RowsPerMatch, parse_expression};
use egret_testkit::{Case, Harness, Input, check_law, row_texts, rows};
use std::time::Duration;

const MEASURES: [(&str, &str); 3] = [("card", "card"), ("a", "array_agg(a.id)"), ("b", "b.id")];

fn micros(count: u64) -> Duration {
    Duration::from_micros(count)
}

/// Events of kind `in`, followed by one of kind `out`.
fn in_out() -> Pattern {
    Pattern::begin("a").filter("kind = 'in'").one_or_more().followed_by("b").filter("kind = 'out'")
}

fn compile(pattern: &Pattern, most: usize) -> CompiledPattern {
    let card = schema().index_of("card").unwrap();
    let compiled = CompiledPattern::compile(pattern, &schema(), vec![card], vec![], measures(&MEASURES).unwrap()).unwrap();
    compiled.with_max_partial_matches(most)
}

/// Rows as text, columns separated by a blank.
fn texts(rows: &arrow::array::RecordBatch, time: &str) -> Vec<String> {
    let schema = egret_core::StreamSchema::from_arrow(rows.schema(), rows.schema().index_of(time).ok()).unwrap();
    row_texts(&Batch::new(rows.clone(), &schema).unwrap()).iter().map(|row| row.join(" ")).collect()
}

/// More events of one card than it may have, and two of another.
fn many() -> arrow::array::RecordBatch {
    rows(
        "card:int kind:text amount:float id:int at:time
         7        in        1            1      10
         9        in        1            2      11
         7        in        1            3      12
         7        in        1            4      13
         7        out       1            5      20
         9        out       1            6      21
         7        in        1            7      112
         7        out       1            8      113
         7        in        1            9      114
         7        out       1            10     115",
    )
}

#[test]
fn a_key_with_too_many_is_put_aside_until_its_window_has_passed() {
    for sets_from in [0, 32] {
        let found = compile(&in_out().within(micros(100)), 5).with_sets_from(sets_from).match_rows(&many()).unwrap();
        let told = texts(&found.overflow, "at");
        assert_eq!(told.len(), 1, "{told:?}");
        let note = "its partial matches are dropped, and it is put aside until 1970-01-01 00:00:00.000113";
        // Kept one by one there are 6 with the third event; as sets there are six entries, too.
        assert_eq!(told[0], format!("7 6 10 13 6 113 put_aside {note}"));
        // At 112 the key is still aside, at 113 it is not; the other key finds what it finds.
        assert_eq!(texts(&found.matches, "match_time"), ["9 [2] 6 21", "7 [9] 10 115"]);
    }
}

#[test]
fn without_a_window_it_begins_afresh_and_a_window_in_events_counts() {
    let afresh = compile(&in_out(), 5).match_rows(&many()).unwrap();
    assert_eq!(texts(&afresh.matches, "match_time"), ["9 [2] 6 21", "7 [7] 8 113", "7 [7, 9] 10 115", "7 [9] 10 115"]);
    let told = texts(&afresh.overflow, "at");
    assert!(told[0].starts_with("7 6 10 13 6 null put_aside") && told[0].ends_with("as there is no WITHIN"), "{told:?}");
    // The event that is one too many and the next three.
    let events = compile(&in_out().within_events(4), 5).match_rows(&many()).unwrap();
    assert_eq!(texts(&events.matches, "match_time"), ["9 [2] 6 21", "7 [9] 10 115"]);
    assert!(texts(&events.overflow, "at")[0].ends_with("it is put aside for its next 3 events"));
}

#[test]
fn matches_that_are_complete_are_told() {
    // The match that begins with event 2 waits for the partial match that began with event 1.
    let pattern = Pattern::begin("a").filter("kind = 'in'").followed_by("b").filter("kind = 'out' AND amount >= a.amount");
    let compiled = compile(&pattern.within(micros(100)).after_match(AfterMatch::SkipPastLastEvent), 2);
    let rows = rows(
        "card:int kind:text amount:float id:int at:time
         7        in        9            1      10
         7        in        1            2      11
         7        out       1            3      12
         7        in        9            4      13
         7        in        9            5      14
         7        out       9            6      15",
    );
    let found = compiled.match_rows(&rows).unwrap();
    assert_eq!(texts(&found.matches, "match_time"), ["7 [2] 3 12"]);
    assert_eq!(found.overflow.num_rows(), 1);
}

#[test]
fn what_is_dropped_is_said() {
    let told = |overflow: Overflow| {
        let compiled = compile(&in_out().within(micros(100)), 5).with_overflow(overflow);
        texts(&compiled.match_rows(&many()).unwrap().overflow, "at")
    };
    let oldest = "1 that began first are dropped: a match that follows begins at 1970-01-01 00:00:00.000010 or later, and may be shorter than it was";
    assert_eq!(told(Overflow::DropOldest), [format!("7 6 10 13 1 null drop_oldest {oldest}")]);
    let newest = "1 that began last are dropped: of what began after 1970-01-01 00:00:00.000012 there may be no match";
    assert_eq!(told(Overflow::DropNew), [format!("7 6 10 13 1 null drop_new {newest}")]);
    let error = compile(&in_out(), 5).with_overflow(Overflow::Fail).match_rows(&many()).unwrap_err().to_string();
    assert!(error.contains("the key 7 has more than 5 partial matches"), "{error}");
}

#[test]
fn columns_of_the_key_keep_their_names_and_values() {
    let schema = egret_testkit::table("since:text note:int v:float at:time").schema;
    let pattern = Pattern::begin("a").filter("v > 0").followed_by("b").filter("v < 0");
    let compiled = CompiledPattern::compile(&pattern, &schema, vec![0, 1], vec![], measures(&[("a", "a.v")]).unwrap()).unwrap();
    let names: Vec<&str> = compiled.overflow_schema().arrow().fields().iter().map(|field| field.name().as_str()).collect();
    let expected = "since note partial_matches overflow_since at dropped until outcome overflow_note";
    assert_eq!(names.join(" "), expected);
    let rows = rows(
        "since:text note:int v:float at:time
         x          3        1       1
         x          null     1       2
         x          null     2       3",
    );
    let told = compiled.with_max_partial_matches(1).match_rows(&rows).unwrap().overflow;
    assert!(texts(&told, "at")[0].starts_with("x null 2 2 3 2 null put_aside"), "{:?}", texts(&told, "at"));
}

#[test]
fn a_key_that_is_aside_costs_little_and_goes() {
    let compiled = compile(&in_out().within(micros(100)), 5);
    let by_key = Partitioning::Hash(key_columns(&compiled, &schema()));
    let mut harness = Harness::new(chained(&compiled), vec![by_key], 1).unwrap();
    harness.feed(0, Batch::new(many().slice(0, 4), &schema()).unwrap()).unwrap();
    harness.watermark(0, EventTime(14)).unwrap();
    assert_eq!(harness.state_size().keys, 2);
    assert_eq!(harness.counters().named()[OVERFLOWED], 1);
    assert!(harness.counters().notes()[0].contains("the key 7 had more than 5 partial matches at a time"));
    harness.watermark(0, EventTime(113)).unwrap();
    assert_eq!(harness.state_size().keys, 1, "the other key is over");
    harness.watermark(0, EventTime(114)).unwrap();
    assert_eq!(harness.state_size().keys, 0);
}

/// Holds a pattern whose keys sometimes have too many partial matches to the law.
fn check(name: &str, compiled: &CompiledPattern) {
    let told = compiled.match_rows(&random_rows(1, 150)).unwrap();
    let (matches, overflows) = (told.matches.num_rows(), told.overflow.num_rows());
    assert!(matches > 0 && overflows > 0, "{name}: {matches} matches, {overflows} times too many");
    let input = Input::new(&schema()).out_of_order_by(DELAY_US);
    let input = input.partitioned(Partitioning::Hash(key_columns(compiled, &schema())));
    check_law(&Case::new(name, chained(compiled)).input(input.clone().split(random_rows(1, 150))).seeds(16));
    let three = input.split(random_rows(2, 70)).split(random_rows(3, 60)).idle_split(random_rows(4, 20));
    check_law(&Case::new(&format!("{name}, three splits"), chained(compiled)).input(three).seeds(10));
}

#[test]
fn what_is_put_aside_does_not_depend_on_batches_or_restarts() {
    let small = || Pattern::begin("a").filter("amount < 30");
    let any = small().followed_by_any("b").filter("amount > 20");
    let many = small().one_or_more().followed_by("b").filter("amount > 25");
    let own = small().one_or_more().followed_by("b").filter("amount > last(a.amount) AND amount > 20");
    let absent = small().followed_by("b").filter("amount > 20").not_followed_by("c").filter("kind = 'pay'");
    let skip = |pattern: &Pattern, skip: AfterMatch| pattern.clone().after_match(skip);
    for (name, pattern, most) in [
        ("any", any.clone().within(micros(60)), 4),
        ("any, in events", any.clone().within_events(9), 4),
        ("any, in both", any.clone().within_events(9).within(micros(30)), 4),
        ("any, without a window", any.clone(), 5),
        ("any, to next", skip(&any.within(micros(60)), AfterMatch::SkipToNext), 4),
        ("its own events", own.clone().within(micros(80)), 9),
        ("its own events, past the last", skip(&own.within(micros(80)), AfterMatch::SkipPastLastEvent), 6),
        ("an absence", absent.within(micros(60)), 3),
    ] {
        check(name, &compile(&pattern, most).with_timed_out(true));
    }
    for skips in [AfterMatch::NoSkip, AfterMatch::SkipToNext, AfterMatch::SkipPastLastEvent] {
        for sets_from in [0, 3] {
            let pattern = skip(&many.clone().within(micros(60)), skips.clone());
            check(&format!("sets from {sets_from}, {skips:?}"), &compile(&pattern, 7).with_sets_from(sets_from));
            let pattern = skip(&many, skips.clone());
            check(&format!("sets from {sets_from}, no window, {skips:?}"), &compile(&pattern, 9).with_sets_from(sets_from));
        }
    }
}

#[test]
fn a_row_that_completes_too_many_matches_of_sets() {
    let pattern = Pattern::begin("a").filter("kind = 'in'").one_or_more().allow_combinations();
    let pattern = pattern.followed_by("b").filter("kind = 'out'").within(micros(100));
    let (few, lines) = (compile(&pattern, 50).with_sets_from(0), many());
    // 2^6 - 1 ways to take some of six events; as sets they are few.
    let six: String = (0..6).map(|n| format!("7 in 1 {n} {n}\n")).collect();
    let table = rows(&format!("card:int kind:text amount:float id:int at:time\n{six}7 out 1 9 9\n9 in 1 10 10\n9 out 1 11 11"));
    let found = few.match_rows(&table).unwrap();
    assert_eq!(texts(&found.matches, "match_time"), ["9 [10] 11 11"]);
    let told = texts(&found.overflow, "at");
    assert!(told.len() == 1 && told[0].starts_with("7 63 0 9 63 109 put_aside"), "{told:?}");
    assert_eq!(few.match_rows(&lines).unwrap().overflow.num_rows(), 0);
    let error = few.with_overflow(Overflow::Fail).match_rows(&table).unwrap_err().to_string();
    assert!(error.contains("one event of the key 7 completes more than 50 matches"), "{error}");
}

fn row_pattern(pattern: &str, within_us: Option<i64>, most: usize, shown: RowsPerMatch) -> CompiledRowPattern {
    let mut spec = RowPattern::new(PatternExpr::parse(pattern).unwrap());
    let define = |(name, condition): (&str, &str)| (name.to_owned(), parse_expression(condition).unwrap());
    // The ways differ in which rows were taken as x.
    spec.defines = [("X", "amount > 0"), ("B", "kind = 'out' AND amount > LAST(x.amount, 1)")].map(define).into();
    spec.measures = vec![(parse_expression("FIRST(id)").unwrap(), "first".into())];
    (spec.within_us, spec.rows_per_match) = (within_us, shown);
    let schema = schema();
    let order = vec![(schema.index_of("at").unwrap(), false), (schema.index_of("id").unwrap(), false)];
    CompiledRowPattern::compile(&spec, &schema, vec![0], order).unwrap().with_max_ways_per_key(most)
}

#[test]
fn a_partition_with_too_many_ways_is_put_aside() {
    for (within, most) in [(Some(60), 12), (Some(30), 8), (None, 12)] {
        for shown in [RowsPerMatch::One, RowsPerMatch::AllShowEmpty, RowsPerMatch::AllWithUnmatched] {
            let compiled = row_pattern("(a | x)+ b", within, most, shown);
            let name = format!("ways, {within:?}, {shown:?}");
            let input = Input::new(&schema()).out_of_order_by(DELAY_US).partitioned(Partitioning::Hash(compiled.key_columns()));
            let shown = check_law(&Case::new(&name, compiled.factory()).input(input.clone().split(random_rows(1, 150))));
            assert!(!shown.is_empty(), "{name} shows nothing");
            let mut harness = Harness::new(compiled.factory(), vec![Partitioning::Hash(compiled.key_columns())], 1).unwrap();
            harness.feed(0, Batch::new(random_rows(1, 150), &schema()).unwrap()).unwrap();
            harness.finish().unwrap();
            let told: usize = harness.take(2).iter().map(Batch::num_rows).sum();
            assert!(told > 1, "{name}: {told} times too many");
            assert_eq!(harness.counters().named()[OVERFLOWED], told as i64);
        }
    }
    let failing = row_pattern("(a | x)+ b", Some(60), 12, RowsPerMatch::One).with_overflow_fails(true);
    let error = failing.match_rows(&random_rows(1, 150)).unwrap_err().to_string();
    assert!(error.contains("more than 12 ways"), "{error}");
}
