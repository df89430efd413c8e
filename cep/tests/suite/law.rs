//! Patterns held to the law: same input, same matches, however the rows are cut, wherever there is a restore.

use crate::chained::{chained, key_columns};
use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field};
use egret_cep::{AfterMatch, CompiledPattern, Overflow, Pattern, measures};
use egret_core::job::Partitioning;
use egret_core::metrics::Counters;
use egret_core::{Batch, Context, EventTime, NoState, OperatorInfo, StreamSchema};
use egret_testkit::{BAD_ROWS_OUT, Case, Input, Random, check_law, plain_run, table};
use std::sync::Arc;
use std::time::Duration;

pub(crate) const DELAY_US: i64 = 25;

pub(crate) fn schema() -> StreamSchema {
    table("card:int kind:text amount:float id:int at:time").schema
}

/// Random rows: three cards, nulls in every column, events of the same time and equal events, and some that come too late.
pub(crate) fn random_rows(seed: u64, count: usize) -> RecordBatch {
    let mut random = Random::new(seed);
    let (mut cards, mut kinds, mut amounts, mut ids, mut times) = (vec![], vec![], vec![], vec![], vec![]);
    for row in 0..count as i64 {
        cards.push((!random.chance(15)).then(|| random.between(0, 3)));
        kinds.push((!random.chance(10)).then(|| ["in", "out", "pay", ""][random.below(4)]));
        amounts.push((!random.chance(10)).then(|| random.between(1, 160) as f64 / 4.0));
        ids.push(random.between(0, 50));
        times.push((row * 4 + random.between(-40, 5)) / 3 * 3);
    }
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(cards)),
        Arc::new(StringArray::from(kinds)),
        Arc::new(Float64Array::from(amounts)),
        Arc::new(Int64Array::from(ids)),
        Arc::new(TimestampMicrosecondArray::from(times)),
    ];
    RecordBatch::try_new(Arc::clone(schema().arrow()), columns).unwrap()
}

fn compile(pattern: &Pattern, keys: &[&str], columns: &[(&str, &str)]) -> CompiledPattern {
    let schema = schema();
    let keys = keys.iter().map(|key| schema.index_of(key).unwrap()).collect();
    CompiledPattern::compile(pattern, &schema, keys, vec![], measures(columns).unwrap()).unwrap().with_timed_out(true)
}

/// Holds a pattern to the law over random rows: in one split, and in three, one of which goes idle.
fn check(name: &str, pattern: &Pattern, keys: &[&str], columns: &[(&str, &str)]) {
    check_compiled(name, &compile(pattern, keys, columns), keys);
}

fn check_compiled(name: &str, compiled: &CompiledPattern, keys: &[&str]) {
    let schema = schema();
    let partitioning = if keys.is_empty() { Partitioning::Gather } else { Partitioning::Hash(key_columns(compiled, &schema)) };
    let input = Input::new(&schema).partitioned(partitioning).out_of_order_by(DELAY_US);
    let one = input.clone().split(random_rows(1, 150));
    let matches = check_law(&Case::new(name, chained(compiled)).input(one));
    assert!(!matches.is_empty(), "the pattern '{name}' has no match, so nothing was tested");
    let three = input.split(random_rows(2, 70)).split(random_rows(3, 60)).idle_split(random_rows(4, 20));
    check_law(&Case::new(&format!("{name}, three splits"), chained(compiled)).input(three).seeds(24));
}

fn micros(count: u64) -> Duration {
    Duration::from_micros(count)
}

#[test]
fn strict_and_keyed() {
    let pattern = Pattern::begin("a").filter("amount < 25").next("b").filter("amount > 10").next("c").filter("kind <> 'pay'");
    check("strict", &pattern, &["card"], &[("card", "card"), ("a", "a.id"), ("b", "b.amount"), ("c", "c.kind")]);
    check("strict by text", &pattern, &["kind"], &[("kind", "kind"), ("a", "a.id"), ("c", "c.id")]);
    check("strict by two", &pattern, &["kind", "card"], &[("kind", "kind"), ("card", "card"), ("a", "a.id"), ("c", "c.id")]);
}

#[test]
fn relaxed_and_repeated() {
    let pattern = Pattern::begin("small").filter("amount < 15").times(2).followed_by("big").filter("amount > 30");
    let columns = [("card", "card"), ("all", "array_agg(small.id)"), ("big", "big.id")];
    let window = micros(120);
    check("repeated", &pattern.clone().within(window), &["card"], &columns);
    let skips = [
        ("to next", AfterMatch::SkipToNext),
        ("past last", AfterMatch::SkipPastLastEvent),
        ("to first", AfterMatch::SkipToFirst("big".into())),
        ("to last", AfterMatch::SkipToLast("small".into())),
    ];
    for (name, skip) in skips {
        check(&format!("repeated, skip {name}"), &pattern.clone().within(window).after_match(skip.clone()), &["card"], &columns);
        check(&format!("repeated without a window, skip {name}"), &pattern.clone().after_match(skip), &["card"], &columns);
    }
}

#[test]
fn repeated_without_end() {
    let greedy = Pattern::begin("in").filter("kind = 'in'").followed_by("more").filter("amount > 12").one_or_more().greedy();
    let pattern = greedy.followed_by("out").filter("kind = 'out'").within(micros(60));
    let columns = [("first", "first(more.amount)"), ("count", "count(more)"), ("out", "out.id")];
    check("greedy", &pattern, &["card"], &columns);
    let until = Pattern::begin("in").filter("kind = 'in'").followed_by_any("more").filter("amount > 12").one_or_more();
    let pattern = until.until("kind = 'pay'").followed_by("out").filter("kind = 'out'").within(micros(60));
    check("until", &pattern, &["card"], &columns);
}

#[test]
fn aggregates_over_earlier_events() {
    let pattern = Pattern::begin("few").filter("amount < 20").times_or_more(2).followed_by("big");
    let pattern = pattern.filter("amount > 3 * avg(few.amount) AND id <> first(few.id)").within(micros(80));
    let columns = [("card", "card"), ("count", "count(few)"), ("spent", "sum(few.amount)"), ("most", "max(few.amount)")];
    check("aggregates", &pattern, &["card"], &columns);
    let median = Pattern::begin("few").filter("amount < 20").times(3).next("big").filter("amount > median(few.amount)");
    check("any aggregate", &median, &["card"], &[("median", "median(few.amount)"), ("kinds", "count(DISTINCT few.kind)")]);
    let own =
        Pattern::begin("up").filter("amount > 5").followed_by("more").filter("amount > last(more.amount) OR count(more) = 0");
    let pattern = own.times(3).within(micros(90)).after_match(AfterMatch::SkipPastLastEvent);
    check("its own events", &pattern, &["card"], &[("all", "array_agg(more.amount)"), ("up", "up.id")]);
}

#[test]
fn saying_why() {
    let pattern = Pattern::begin("few").filter("amount < 20").times_or_more(2).not_followed_by("pay").filter("kind = 'pay'");
    let pattern = pattern.followed_by("big").filter("amount > 3 * avg(few.amount)").within(micros(80));
    check("why", &pattern.after_match(AfterMatch::SkipPastLastEvent), &["card"], &[("card", "card"), ("why", "why()")]);
}

#[test]
fn negations() {
    let between = Pattern::begin("in").filter("kind = 'in'").not_followed_by("pay").filter("kind = 'pay' AND amount > in.amount");
    let pattern = between.followed_by("out").filter("kind = 'out'").within(micros(100));
    check("a negation between", &pattern, &["card"], &[("in", "in.id"), ("out", "out.id")]);
    let at_end = Pattern::begin("in").filter("kind = 'in'").followed_by("out").filter("kind = 'out'");
    let absent = at_end.not_followed_by("pay").filter("kind = 'pay'");
    let columns = [("in", "in.id"), ("out", "out.id"), ("decided", "match_time")];
    check("a negation at the end", &absent.clone().within(micros(40)), &["card"], &columns);
    let skipping = absent.clone().within(micros(40)).after_match(AfterMatch::SkipPastLastEvent);
    check("a negation at the end that skips", &skipping, &["card"], &columns);
    let own = absent.clone().within_previous(micros(20));
    check("a negation with its own window", &own, &["card"], &columns);
    check("a negation with its own window and a shorter one", &own.clone().within(micros(12)), &["card"], &columns);
    check("a negation with its own window and one in events", &own.clone().within_events(4), &["card"], &columns);
    let two = own.not_followed_by("in2").filter("kind = 'in'");
    check("two negations", &two.clone().within(micros(35)), &["card"], &columns);
    check("two negations with windows of their own", &two.clone().within_previous(micros(33)), &["card"], &columns);
    check("two negations in events", &two.within_events(6), &["card"], &columns);
    let next = Pattern::begin("in").filter("kind = 'in'").one_or_more().not_next("pay").filter("kind = 'pay'");
    check("not next at the end", &next.within(micros(50)), &["card"], &[("count", "count(in)"), ("last", "last(in.id)")]);
}

#[test]
fn without_partition() {
    let pattern =
        Pattern::begin("in").filter("kind = 'in'").next("then").followed_by("same").filter("card = in.card AND id > then.id");
    let columns = [("in", "in.id"), ("then", "then.id"), ("same", "same.id"), ("card", "same.card")];
    check("all rows together", &pattern.within(micros(30)), &[], &columns);
}

#[test]
fn groups_and_gaps() {
    let inner = Pattern::begin("in").filter("kind = 'in'").followed_by("out").filter("kind = 'out'").within_previous(micros(50));
    let pattern = Pattern::begin_group(inner).times_between(1, 2).followed_by("pay").filter("kind = 'pay'").optional();
    let columns = [("ins", "array_agg(in.id)"), ("outs", "array_agg(out.id)"), ("pay", "pay.id")];
    check("groups", &pattern.within(micros(90)), &["card"], &columns);
    let gaps = Pattern::begin("few").filter("amount < 25").times(3).repetitions_within(micros(30));
    check("gaps", &gaps.followed_by("pay").filter("kind = 'pay'").within_previous(micros(40)), &["card"], &[("pay", "pay.id")]);
}

#[test]
fn choices_orders_and_windows_in_events() {
    let kind = |name: &str, kind: &str| Pattern::begin(name).filter(format!("kind = '{kind}'").as_str());
    let either = Pattern::any_of([kind("in", "in").followed_by("more").filter("amount > in.amount"), kind("out", "out")]);
    let columns = [("in", "in.id"), ("more", "more.id"), ("out", "out.id"), ("pay", "pay.id")];
    check("alternatives", &either.clone().followed_by("pay").filter("kind = 'pay'").within(micros(60)), &["card"], &columns);
    let events = either.followed_by("pay").filter("kind = 'pay'").within_events(6);
    check("a window in events", &events, &["card"], &columns);
    let gone = kind("in", "in").not_followed_by("out").filter("kind = 'out'").within_events(4);
    check("an absence in a window of events", &gone, &["card"], &[("in", "in.id")]);
    let all = Pattern::all_of([kind("in", "in").times(2), kind("out", "out"), kind("pay", "pay")]);
    let columns = [("in", "array_agg(in.id)"), ("out", "out.id"), ("pay", "pay.id")];
    check("any order", &all.within(micros(80)).after_match(AfterMatch::SkipPastLastEvent), &["card"], &columns);
}

#[test]
fn what_is_dropped_does_not_depend_on_batches() {
    let pattern = Pattern::begin("a").filter("amount < 30").followed_by_any("b").filter("amount > 20").within(micros(100));
    for overflow in [Overflow::DropOldest, Overflow::DropNew] {
        let compiled = compile(&pattern, &["card"], &[("a", "a.id"), ("b", "b.id")]);
        let bounded = compiled.clone().with_max_partial_matches(3).with_overflow(overflow);
        let count = |compiled: &CompiledPattern| compiled.match_rows(&random_rows(1, 150)).unwrap().matches.num_rows();
        assert!(count(&bounded) < count(&compiled), "{overflow:?} dropped nothing");
        check_compiled(&format!("{overflow:?}"), &bounded, &["card"]);
    }
}

/// Patterns whose partial matches are kept as sets: they give the matches of the same pattern kept one by one, too.
#[test]
fn kept_as_sets() {
    let a = || Pattern::begin("a").filter("amount < 20");
    let patterns = [
        ("pairs", a().followed_by("b").filter("amount > 12").followed_by_any("c").filter("kind = 'out'")),
        (
            "any",
            a().followed_by_any("b")
                .filter("amount > 20")
                .times_or_more(1)
                .allow_combinations()
                .followed_by("c")
                .filter("kind = 'pay'"),
        ),
        ("strict", a().followed_by("b").filter("amount > 8").one_or_more().consecutive().next("c").filter("kind = 'in'")),
        (
            "negated",
            a().one_or_more().greedy().not_followed_by("n").filter("kind = 'pay'").followed_by("c").filter("amount > 25"),
        ),
        (
            "until",
            a().followed_by("b").filter("amount > 5").one_or_more().until("kind = 'pay'").followed_by("c").filter("amount > 22"),
        ),
        (
            "group",
            Pattern::begin_group(a().followed_by("b").filter("kind = 'in'"))
                .times_between(1, 2)
                .followed_by("c")
                .filter("amount > 30"),
        ),
    ];
    let columns = [
        ("first", "first(a.id)"),
        ("last", "last(a.id)"),
        ("as", "count(a)"),
        ("bs", "count(b)"),
        ("c", "c.id"),
        ("all", "count(*)"),
    ];
    for (name, pattern) in patterns {
        let columns: Vec<_> = columns.iter().filter(|(column, _)| name != "negated" || *column != "bs").copied().collect();
        for skip in [AfterMatch::NoSkip, AfterMatch::SkipToNext, AfterMatch::SkipPastLastEvent] {
            let pattern = pattern.clone().within(micros(60)).after_match(skip.clone());
            let compiled = compile(&pattern, &["card"], &columns).with_timed_out(false);
            let (rows, name) = (random_rows(11, 400), format!("{name}, {skip:?}, as sets"));
            let sorted = |compiled: &CompiledPattern| {
                let matches = compiled.match_rows(&rows).unwrap().matches;
                let text = arrow::util::pretty::pretty_format_batches(&[matches]).unwrap().to_string();
                let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
                lines.sort();
                lines
            };
            for from in [0, 3] {
                let as_sets = compiled.clone().with_sets_from(from);
                assert_eq!(sorted(&as_sets), sorted(&compiled.clone().with_sets_from(usize::MAX)), "{name}");
                check_compiled(&name, &as_sets, &["card"]);
            }
        }
    }
}

/// Very many open partial matches of one key are small, and gone when their time is over.
#[test]
fn sets_are_small() {
    const STARTS: i64 = 200_000;
    let fields = vec![Field::new("id", DataType::Int64, false), StreamSchema::time_field("at")];
    let schema = StreamSchema::new(fields, Some("at")).unwrap();
    let pattern = Pattern::begin("a").followed_by("z").filter("id < 0").within(Duration::from_millis(3_600));
    let measures = measures(&[("first", "a.id"), ("z", "z.id")]).unwrap();
    let compiled = CompiledPattern::compile(&pattern, &schema, vec![], vec![], measures).unwrap();
    let mut run = chained(&compiled.with_max_partial_matches(1 << 20)).create(&OperatorInfo::alone("small")).unwrap();
    let mut call = |time: i64, rows: std::ops::Range<i64>| {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from_iter_values(rows.clone())),
            Arc::new(TimestampMicrosecondArray::from_iter_values(rows)),
        ];
        let batch = Batch::new(RecordBatch::try_new(Arc::clone(schema.arrow()), columns).unwrap(), &schema).unwrap();
        let (info, counters) = (OperatorInfo::alone("small"), Counters::default());
        let (mut sent, mut wake, mut none) = (Vec::new(), None, NoState);
        let mut ctx = Context::new(&mut sent, &info, &counters, &mut none, &mut wake, EventTime::MIN, 0);
        run.process(0, batch, &mut ctx).unwrap();
        run.on_watermark(EventTime(time), &mut ctx).unwrap();
        run.state_size()
    };
    let sizes: Vec<_> = (0..STARTS).step_by(1_000).map(|from| call(from + 1_000, from..from + 1_000).bytes).collect();
    let each = sizes[sizes.len() - 1] as f64 / STARTS as f64;
    assert!(each < 64.0, "an open partial match takes {each} bytes");
    let after = call(STARTS + 3_600_000, 0..0);
    assert!(after.keys == 0 && after.bytes < 10_000, "when all have expired, {after:?} is kept");
}

#[test]
fn late_rows_with_all_columns() {
    let pattern = Pattern::begin("a").filter("amount < 15").followed_by("b").filter("amount > 30").within(micros(50));
    let compiled = compile(&pattern, &["card"], &[("a", "a.amount"), ("b", "b.amount")]).with_late_at_prefilter(true);
    check_compiled("late at the prefilter", &compiled, &["card"]);
}

/// What cannot be computed is left out, and said once for each row and match, whatever the batches, workers and restores.
#[test]
fn what_cannot_be_computed_is_said_once() {
    let local =
        Pattern::begin("a").filter("100 / (id % 5) > 20").followed_by("b").filter("100 / (id % 7) < 40").within(micros(60));
    let earlier =
        Pattern::begin("a").filter("amount < 20").followed_by("b").filter("id % 3 <> 0 AND 100 / (b.id % 4 - a.id % 3) < 40");
    let gated = Pattern::begin("a").filter("amount < 20").followed_by("b").filter("100 / (id % 4) > first(a.amount)");
    let strict = Pattern::begin("a").filter("100 / (id % 5) > 20").next("b").filter("amount > 3");
    let summed = Pattern::begin("few").filter("amount < 20").times(2).followed_by("big");
    let summed = summed.filter("id < sum(few.id) * 300000000000000000").within(micros(80));
    let columns = [("card", "card"), ("a", "a.id"), ("b", "100 / (b.id % 6)")];
    let of_few = [("card", "card"), ("ids", "sum(few.id)"), ("big", "big.id")];
    for (name, pattern, columns) in [
        ("local", local, &columns),
        ("earlier", earlier.within(micros(60)), &columns),
        ("gated", gated.within(micros(60)), &columns),
        ("strict", strict, &columns),
        ("summed", summed, &of_few),
    ] {
        let schema = schema();
        let compiled = compile(&pattern, &["card"], columns.as_slice());
        let partitioning = Partitioning::Hash(key_columns(&compiled, &schema));
        let input = Input::new(&schema).partitioned(partitioning).out_of_order_by(DELAY_US).split(random_rows(1, 150));
        let case = Case::new(name, chained(&compiled)).input(input);
        check_law(&case);
        let said = plain_run(&case).remove(&BAD_ROWS_OUT).unwrap_or_default();
        assert!(said.len() > 3, "{name}: {said:?}");
    }
}
