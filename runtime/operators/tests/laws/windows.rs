//! Windows of every kind against their twins, and against the law.

use crate::twin::{self, Expected, Row, Timed, UNIT, random_rows, timed, whole_millis};
use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use egret_core::{Batch, EventTime, KeyColumns, MAIN, OperatorFactory, StreamSchema, job::Partitioning};
use egret_operators::window::{AggregateCall, LATE, WindowFactory, WindowKind, WindowSpec};
use egret_testkit::{Case, Harness, Input, check_law, row_texts, show, show_sorted, table};
use std::collections::BTreeSet;
use std::sync::Arc;

const DELAY: i64 = 25 * UNIT;

pub(crate) fn schema() -> StreamSchema {
    table("card:int country:text amount:float at:time").schema
}

pub(crate) fn factory(keys: &[usize], kind: WindowKind, aggregates: &[&str], lateness: i64) -> WindowFactory {
    let schema = schema();
    let aggregates =
        aggregates.iter().enumerate().map(|(n, text)| AggregateCall::parse(&format!("a{n}"), text, &schema).unwrap()).collect();
    let spec = WindowSpec { keys: KeyColumns::new(keys.to_vec()), kind, aggregates, allowed_lateness_us: lateness };
    WindowFactory::new(spec, &schema).unwrap()
}

fn record_batch(rows: &[Row]) -> RecordBatch {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter(rows.iter().map(|row| row.card))),
        Arc::new(StringArray::from_iter(rows.iter().map(|row| row.country.clone()))),
        Arc::new(Float64Array::from_iter(rows.iter().map(|row| row.amount))),
        Arc::new(TimestampMicrosecondArray::from_iter_values(rows.iter().map(|row| row.at))),
    ];
    RecordBatch::try_new(schema().arrow().clone(), columns).unwrap()
}

pub(crate) fn input(rows: &[Row], keys: &[usize]) -> Input {
    let partitioning = if keys.is_empty() { Partitioning::Gather } else { Partitioning::Hash(KeyColumns::new(keys.to_vec())) };
    Input::new(&schema()).partitioned(partitioning).out_of_order_by(DELAY).split(record_batch(rows))
}

const AGGREGATES: &[&str] = &[
    "count(*)",
    "count(amount)",
    "sum(amount)",
    "min(amount)",
    "max(country)",
    "avg(amount)",
    "stddev(amount)",
    "count(DISTINCT country)",
    "approx_distinct(country)",
    "first_value(amount)",
    "array_agg(amount)",
    "sum(card) FILTER (WHERE amount > 100)",
];

/// The aggregates of some rows, by plain loops.
fn aggregate(rows: &[Row]) -> Vec<String> {
    let mut rows = rows.to_vec();
    rows.sort_by(|a, b| a.at.cmp(&b.at).then_with(|| a.amount.partial_cmp(&b.amount).expect("no NaN")));
    let amounts: Vec<f64> = rows.iter().filter_map(|row| row.amount).collect();
    let countries: BTreeSet<&String> = rows.iter().filter_map(|row| row.country.as_ref()).collect();
    let large: Vec<i64> =
        rows.iter().filter(|row| row.amount.is_some_and(|amount| amount > 100.0)).filter_map(|row| row.card).collect();
    let float = |value: Option<f64>| value.map_or("null".into(), |value| short(&format!("{value:?}")));
    let known = !amounts.is_empty();
    let sum: f64 = amounts.iter().sum();
    let mean = sum / amounts.len() as f64;
    let spread: f64 = amounts.iter().map(|amount| (amount - mean).powi(2)).sum();
    let all: Vec<String> = rows.iter().map(|row| row.amount.map_or("null".into(), |amount| format!("{amount:?}"))).collect();
    vec![
        rows.len().to_string(),
        amounts.len().to_string(),
        float(known.then_some(sum)),
        float(amounts.iter().copied().reduce(f64::min)),
        countries.last().map_or("null".into(), |country| (*country).clone()),
        float(known.then_some(mean)),
        float((amounts.len() > 1).then(|| (spread / (amounts.len() - 1) as f64).sqrt())),
        countries.len().to_string(),
        countries.len().to_string(),
        float(rows[0].amount),
        format!("[{}]", all.join(", ")),
        if large.is_empty() { "null".into() } else { large.iter().sum::<i64>().to_string() },
    ]
}

/// A float with nine digits: the twin's deviations are not exact.
fn short(text: &str) -> String {
    match text.parse::<f64>() {
        Ok(value) if text.contains('.') || text.contains('e') => format!("{value:.8e}"),
        _ => text.to_owned(),
    }
}

fn key_text(keys: &[usize]) -> impl Fn(&Row) -> String {
    let keys = keys.to_vec();
    move |row| {
        let text = |key: &usize| match key {
            0 => row.card.map_or("null".into(), |card| card.to_string()),
            _ => row.country.clone().unwrap_or("null".into()),
        };
        keys.iter().map(text).collect::<Vec<_>>().join(",")
    }
}

fn expected_texts(expected: &Expected) -> (Vec<String>, Vec<String>) {
    let late_text = |late: &Option<i64>| late.map_or(String::new(), |late| format!(" late({late})"));
    let result = |(key, start, end, rows, late): &twin::Result| {
        format!("{key} {start} {end} {} {}{}", whole_millis(end - 1), aggregate(rows).join(" "), late_text(late))
    };
    let mut results: Vec<String> = expected.results.iter().map(result).collect();
    let mut late: Vec<String> = expected.late.iter().map(|(row, late)| format!("{row:?} late({late})")).collect();
    results.sort();
    late.sort();
    (results, late)
}

/// The output of an operator that gets all rows at once and the watermark only at the end: results, and late rows.
fn actual_texts(factory: &WindowFactory, rows: &[Timed], keys: usize) -> (Vec<String>, Vec<String>) {
    let factory: Arc<dyn OperatorFactory> = Arc::new(factory.clone());
    let mut harness = Harness::new(factory, vec![Partitioning::Gather], 1).unwrap();
    for (row, late, _) in rows {
        let batch = Batch::from_parts(record_batch(std::slice::from_ref(row)), Some(3), late.map(EventTime));
        harness.feed(0, batch).unwrap();
    }
    harness.finish().unwrap();
    let line = |row: Vec<String>| {
        let text = |(column, text): (usize, &String)| if column >= keys + 3 { short(text) } else { text.clone() };
        let texts: Vec<String> = row.iter().enumerate().map(text).collect();
        let (key, rest) = texts.split_at(keys);
        format!("{} {}", key.join(","), rest.join(" "))
    };
    let mut results: Vec<String> = harness.take(MAIN).iter().flat_map(row_texts).map(line).collect();
    let mut late: Vec<String> = Vec::new();
    for batch in harness.take(LATE) {
        let texts = row_texts(&batch);
        for text in texts {
            let at: i64 = text[3].parse().unwrap();
            let behind = batch.late().unwrap().0;
            let same = |(row, late, _): &&Timed| row.at == at && *late == Some(behind) && row_text(row) == text[..4];
            late.push(format!("{:?} late({behind})", rows.iter().find(same).unwrap().0));
        }
    }
    results.sort();
    late.sort();
    (results, late)
}

fn row_text(row: &Row) -> Vec<String> {
    row_texts(&Batch::from_parts(record_batch(std::slice::from_ref(row)), Some(3), None)).remove(0)
}

fn compare(kind: WindowKind, keys: &[usize], lateness: i64, step: i64, expect: impl Fn(&[Timed]) -> Expected) {
    for seed in 0..15 {
        let rows = timed(&random_rows(seed, 150, step), DELAY);
        let expected = expect(&rows);
        let (results, late) = expected_texts(&expected);
        let (got, got_late) = actual_texts(&factory(keys, kind, AGGREGATES, lateness), &rows, keys.len());
        assert!(!results.is_empty());
        let missing: Vec<&String> = results.iter().filter(|row| !got.contains(row)).collect();
        let surplus: Vec<&String> = got.iter().filter(|row| !results.contains(row)).collect();
        assert!(
            got == results,
            "{kind}, keys {keys:?}, lateness {lateness}, seed {seed}:\nmissing {missing:#?}\nsurplus {surplus:#?}"
        );
        assert_eq!(got_late, late, "{kind}, keys {keys:?}, lateness {lateness}, seed {seed}");
    }
}

const KEY_CHOICES: [&[usize]; 4] = [&[], &[0], &[1], &[1, 0]];

#[test]
fn tumbling_windows_are_what_a_loop_gives() {
    for keys in KEY_CHOICES {
        for lateness in [0, 30 * UNIT] {
            compare(WindowKind::Tumbling { size_us: 20 * UNIT }, keys, lateness, 3, |rows| {
                twin::sliding(rows, key_text(keys), 20 * UNIT, 20 * UNIT, lateness)
            });
        }
    }
}

#[test]
fn sliding_windows_are_what_a_loop_gives() {
    for (size, slide) in [(30, 10), (25, 10), (7, 3), (10, 25)].map(|(size, slide)| (size * UNIT, slide * UNIT)) {
        for lateness in [0, 30 * UNIT] {
            let kind = WindowKind::Sliding { size_us: size, slide_us: slide };
            compare(kind, &[0], lateness, 3, |rows| twin::sliding(rows, key_text(&[0]), size, slide, lateness));
        }
    }
}

#[test]
fn sessions_are_what_a_loop_gives() {
    for keys in KEY_CHOICES {
        for (lateness, step) in [(0, 7), (30 * UNIT, 7), (0, 2), (20 * UNIT, 2)] {
            compare(WindowKind::Session { gap_us: 12 * UNIT }, keys, lateness, step, |rows| {
                twin::sessions(rows, key_text(keys), 12 * UNIT, lateness)
            });
        }
    }
}

#[test]
fn count_windows_are_what_a_loop_gives() {
    for keys in KEY_CHOICES {
        compare(WindowKind::Count { rows: 4 }, keys, 0, 3, |rows| twin::counts(rows, key_text(keys), 4));
    }
}

/// Rows whose amounts have inexact sums: the results must be the same to the last bit in whatever order they are added.
fn inexact(mut rows: Vec<Row>) -> Vec<Row> {
    rows.iter_mut().for_each(|row| row.amount = row.amount.map(|amount| amount * 0.1));
    rows
}

fn law(name: &str, kind: WindowKind, keys: &[usize], lateness: i64, step: i64) {
    let aggregates: Vec<&str> = AGGREGATES
        .iter()
        .copied()
        .chain(["var_pop(amount)", "last_value(country)", "median(amount)", "string_agg(country, '-')"])
        .collect();
    let factory = Arc::new(factory(keys, kind, &aggregates, lateness));
    let rows = inexact(random_rows(9, 120, step));
    check_law(&Case::new(name, factory.clone()).input(input(&rows, keys)).seeds(16));
    let more = inexact(random_rows(10, 40, step * 2));
    let splits = input(&rows[..80], keys).split(record_batch(&more)).idle_split(record_batch(&rows[80..90]));
    check_law(&Case::new(&format!("{name}, three splits"), factory).input(splits).seeds(16));
}

#[test]
fn tumbling_windows_keep_the_law() {
    for (keys, lateness) in KEY_CHOICES.into_iter().zip([30, 0, 30, 30].map(|lateness| lateness * UNIT)) {
        law(&format!("tumbling, lateness {lateness}"), WindowKind::Tumbling { size_us: 20 * UNIT }, keys, lateness, 3);
    }
}

#[test]
fn sliding_windows_keep_the_law() {
    law("sliding", WindowKind::Sliding { size_us: 30 * UNIT, slide_us: 10 * UNIT }, &[0], 0, 3);
    law("sliding, late", WindowKind::Sliding { size_us: 25 * UNIT, slide_us: 10 * UNIT }, &[1, 0], 30 * UNIT, 3);
    law("sliding, with gaps", WindowKind::Sliding { size_us: 10 * UNIT, slide_us: 25 * UNIT }, &[1], 15 * UNIT, 3);
}

#[test]
fn sessions_keep_the_law() {
    for (keys, (lateness, step)) in KEY_CHOICES.into_iter().zip([(20 * UNIT, 2), (0, 7), (20 * UNIT, 7), (20 * UNIT, 2)]) {
        law(&format!("session, lateness {lateness}"), WindowKind::Session { gap_us: 12 * UNIT }, keys, lateness, step);
    }
}

#[test]
fn count_windows_keep_the_law() {
    for keys in KEY_CHOICES {
        law("count", WindowKind::Count { rows: 3 }, keys, 0, 3);
    }
}

#[test]
fn all_functions_keep_the_law() {
    let rows = inexact(random_rows(4, 80, 3));
    let mut held = 0;
    for name in egret_core::expr::function_names() {
        let Some(function) = egret_core::expr::aggregate_function(&name) else { continue };
        let text = match function.name() {
            "grouping" => continue,
            "corr" | "covar_samp" | "covar_pop" => format!("{name}(amount, card)"),
            two if two.starts_with("regr_") => format!("{name}(amount, card)"),
            "approx_percentile_cont" | "percentile_cont" => format!("{name}(0.4) WITHIN GROUP (ORDER BY amount)"),
            "approx_percentile_cont_with_weight" => format!("{name}(card, 0.4) WITHIN GROUP (ORDER BY amount)"),
            "approx_distinct" => format!("{name}(country)"),
            "nth_value" => format!("{name}(amount, 2)"),
            "string_agg" => format!("{name}(country, ',' ORDER BY country DESC)"),
            "bool_and" | "bool_or" => format!("{name}(amount > 10)"),
            "bit_and" | "bit_or" | "bit_xor" => format!("{name}(card)"),
            _ => format!("{name}(amount)"),
        };
        let calls = [text.clone()].into_iter().chain(
            matches!(function.name(), "sum" | "avg" | "count" | "array_agg" | "min").then(|| format!("{name}(DISTINCT amount)")),
        );
        for text in calls {
            let factory = factory(&[0], WindowKind::Sliding { size_us: 40 * UNIT, slide_us: 20 * UNIT }, &[&text], 20 * UNIT);
            check_law(&Case::new(&text, Arc::new(factory)).input(input(&rows, &[0])).seeds(6));
            held += 1;
        }
    }
    assert!(held > 30, "{held} functions and their DISTINCT forms");
}

#[test]
fn an_update_reads_like_this() {
    let txn = table(
        "card:int country:text amount:float at:time
         1        FR           10           1000
         1        FR           5            12000
         2        NZ           7            3000
         1        FR           1            4000
         1        FR           1            34000
         2        NZ           2            5000
         2        NZ           9            36000",
    );
    let factory = Arc::new(factory(&[0], WindowKind::Tumbling { size_us: 10_000 }, &["sum(amount)"], 20_000));
    let case = Case::new("update", factory).input(Input::of(&txn).keyed_by(&["card"]).out_of_order_by(0));
    let expected = "card window_start window_end window_time a0\n\
                    1    0            10000      9000        10.0\n\
                    1    0            10000      9000        11.0 late(12000)\n\
                    1    10000        20000      19000       5.0\n\
                    1    30000        40000      39000       1.0\n\
                    2    0            10000      9000        7.0  late(12000)\n\
                    2    30000        40000      39000       9.0\n";
    assert_eq!(show_sorted(&check_law(&case)), expected);
}

#[test]
fn without_event_time_count_windows_go_by_arrival() {
    let log = table("host:text size:int\n a 1\n b 2\n a 3\n a 5\n b 7\n a 9");
    let call = AggregateCall::parse("sizes", "array_agg(size)", &log.schema).unwrap();
    let keys = KeyColumns::new(vec![0]);
    let spec = WindowSpec { keys, kind: WindowKind::Count { rows: 2 }, aggregates: vec![call], allowed_lateness_us: 0 };
    let factory = Arc::new(WindowFactory::new(spec, &log.schema).unwrap());
    let out = check_law(&Case::new("by arrival", factory).input(Input::of(&log).keyed_by(&["host"])));
    assert_eq!(show_sorted(&out), "host sizes\na    [1, 3]\na    [5, 9]\nb    [2, 7]\n");
}

#[test]
fn a_split_that_was_idle_may_come_back_behind_the_watermark() {
    let schema = schema();
    for kind in [WindowKind::Tumbling { size_us: 10 }, WindowKind::Session { gap_us: 5 }, WindowKind::Count { rows: 1 }] {
        let factory: Arc<dyn OperatorFactory> = Arc::new(factory(&[0], kind, &["count(*)"], 0));
        let mut harness = Harness::new(factory, vec![Partitioning::Gather], 1).unwrap();
        harness.watermark(0, EventTime(50)).unwrap();
        let rows = record_batch(&[Row { card: Some(1), country: None, amount: None, at: 7 }]);
        harness.feed(0, Batch::new(rows, &schema).unwrap()).unwrap();
        harness.finish().unwrap();
        assert!(harness.take(MAIN).is_empty());
        assert_eq!(show(&harness.take(LATE)), "card country amount at\n1    null    null   7  late(50)\n", "{kind}");
    }
}

#[test]
fn state_goes_away() {
    for (kind, lateness) in [
        (WindowKind::Tumbling { size_us: 10 }, 5),
        (WindowKind::Sliding { size_us: 30, slide_us: 10 }, 0),
        (WindowKind::Session { gap_us: 5 }, 5),
        (WindowKind::Count { rows: 1 }, 0),
    ] {
        let factory: Arc<dyn OperatorFactory> =
            Arc::new(factory(&[0], kind, &["count(*)", "sum(amount)", "array_agg(country)"], lateness));
        let mut harness = Harness::new(factory, vec![Partitioning::Gather], 1).unwrap();
        let mut largest = 0;
        for step in 0..300_i64 {
            let row = |n: i64| Row {
                card: Some(step * 100 + n),
                country: Some("FR".into()),
                amount: Some(1.0),
                at: step * 10 + n % 10,
            };
            let rows: Vec<Row> = (0..100).map(row).collect();
            harness.feed(0, Batch::from_parts(record_batch(&rows), Some(3), None)).unwrap();
            harness.watermark(0, EventTime(step * 10)).unwrap();
            harness.take_all();
            if step > 50 {
                largest = harness.state_size().bytes.max(largest);
            }
        }
        assert!(largest < 2_000_000, "{kind}: {largest} bytes with a few hundred keys alive");
    }
}

#[test]
fn mistakes_are_explained() {
    let schema = schema();
    let no_time = table("card:int").schema;
    let spec = |kind, text: &str| {
        let aggregates = vec![AggregateCall::parse("x", text, &schema)?];
        WindowFactory::new(WindowSpec { keys: KeyColumns::new(vec![0]), kind, aggregates, allowed_lateness_us: 0 }, &schema)
    };
    let tumbling = WindowKind::Tumbling { size_us: 10 };
    for (result, message) in [
        (spec(WindowKind::Tumbling { size_us: 0 }, "count(*)"), "the size of a window is 0 ms"),
        (spec(WindowKind::Sliding { size_us: 86_400_000, slide_us: 7 }, "count(*)"), "is cut into"),
        (spec(tumbling, "amount"), "`amount` is not an aggregate call"),
        (spec(tumbling, "sum(country)"), "in the aggregate"),
        (spec(tumbling, "sum(amuont)"), "there is no column 'amuont'"),
        (spec(tumbling, "summ(amount)"), "summ"),
    ] {
        let error = result.expect_err(message).to_string();
        assert!(error.contains(message), "{error}");
    }
    let calls = || vec![AggregateCall::parse("x", "count(*)", &no_time).unwrap()];
    let spec = WindowSpec { keys: KeyColumns::new(vec![]), kind: tumbling, aggregates: calls(), allowed_lateness_us: 0 };
    let error = WindowFactory::new(spec, &no_time).unwrap_err().to_string();
    assert!(error.contains("need event time"), "{error}");
}
