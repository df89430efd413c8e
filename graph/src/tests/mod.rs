#![allow(clippy::unwrap_used)]
//! The operator and the reader: rows in, updates and answers out.

mod conformance;
mod counts;
mod errors;
mod law;
mod versions;

use crate::vertices::Vertices;
use crate::{GraphOperator, GraphReader, GraphSpec, Lookup, Side};
use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use egret_core::job::Partitioning;
use egret_core::metrics::Counters;
use egret_core::{Batch, EventTime, MAIN, StreamSchema};
use egret_operators::knowledge::KnowledgeReader;
use egret_testkit::{Case, Harness, Input, Random, check_law, show, table};
use std::sync::Arc;
use std::time::Instant;

const STEP_US: i64 = 10;

fn columns() -> StreamSchema {
    table("card:int device:text at:time").schema
}

fn ring(expire_after_us: Option<i64>) -> GraphSpec {
    GraphSpec::new("ring", 0, 1, expire_after_us, STEP_US, &columns()).unwrap()
}

fn harness(spec: &GraphSpec) -> Harness {
    Harness::new(spec.operator_factory(), vec![Partitioning::Gather], 1).unwrap()
}

/// Rows of card, device and time.
fn txn(rows: &[(Option<i64>, Option<&str>, i64)]) -> RecordBatch {
    let columns_of: Vec<ArrayRef> = vec![
        Arc::new(rows.iter().map(|row| row.0).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|row| row.1).collect::<StringArray>()),
        Arc::new(TimestampMicrosecondArray::from_iter_values(rows.iter().map(|row| row.2))),
    ];
    RecordBatch::try_new(columns().arrow().clone(), columns_of).unwrap()
}

fn on_time(rows: RecordBatch) -> Batch {
    Batch::from_parts(rows, Some(2), None)
}

fn all_lookups(spec: &GraphSpec) -> Vec<Lookup> {
    let of_card = spec.answers().into_iter().map(|known| Lookup { answer: known.answer, side: Side::From, column: 0 });
    let of_device = spec.answers().into_iter().map(|known| Lookup { answer: known.answer, side: spec.to_side(), column: 1 });
    of_card.chain(of_device).collect()
}

/// Rows of a few cards and devices with some nulls, somewhat out of order, some of them late.
fn random_rows(random: &mut Random, rows: usize) -> RecordBatch {
    const DEVICES: [&str; 6] = ["pixel", "iphone", "device-number-1", "device-number-2", "", "é"];
    let mut now = -40;
    let mut row = || {
        now += random.between(0, 7);
        let card = random.chance(95).then(|| random.between(-4, 5));
        let device = random.chance(95).then(|| DEVICES[random.below(DEVICES.len())]);
        (card, device, now - random.between(0, 25))
    };
    txn(&(0..rows).map(|_| row()).collect::<Vec<_>>())
}

fn random_input(seed: u64) -> Input {
    let mut random = Random::new(seed);
    let input = Input::new(&columns()).out_of_order_by(15);
    let input = input.split(random_rows(&mut random, 120)).split(random_rows(&mut random, 80));
    input.idle_split(random_rows(&mut random, 20))
}

#[test]
fn updates_keep_to_the_law() {
    for (seed, expire) in [(1, Some(60)), (2, Some(7)), (3, Some(200)), (4, None)] {
        let case = Case::new(&format!("graph, expire {expire:?}"), ring(expire).operator_factory());
        check_law(&case.input(random_input(seed)));
    }
}

#[test]
fn answers_keep_to_the_law() {
    let spec = ring(Some(60));
    let updates = check_law(&Case::new("graph", spec.operator_factory()).input(random_input(5)).seeds(1));
    let updates = egret_core::batch::concat(&updates).unwrap().unwrap().into_rows();
    let lookups = all_lookups(&spec);
    let names: Vec<String> = (0..lookups.len()).map(|n| format!("answer_{n}")).collect();
    let (join, _) = spec.reader_factory(lookups, &names, &columns()).unwrap();
    let mut random = Random::new(6);
    let rows = Input::new(&columns()).partitioned(Partitioning::Forward).out_of_order_by(20);
    let rows = rows.split(random_rows(&mut random, 90)).split(random_rows(&mut random, 60));
    let updates = Input::new(spec.update_schema()).partitioned(Partitioning::Broadcast).split(updates);
    check_law(&Case::new("answers", join).input(rows).input(updates));
}

#[test]
fn an_update_says_what_is_different() {
    let mut harness = harness(&ring(Some(30)));
    let rows = table(
        "card:int device:text at:time
                      1 pixel  3
                      2 pixel  8
                      9 nokia 12
                      2 nokia 21
                      null pixel 22
                      7 null 23",
    );
    harness.feed(0, rows.batch()).unwrap();
    harness.finish().unwrap();
    // By hand. Keys are 01, then the value (texts: the length, then the bytes).
    let pixel = "010500000000000000706978656c";
    let nokia = "0105000000000000006e6f6b6961";
    let [one, two, nine] = [1, 2, 9].map(|card| format!("010{card}00000000000000"));
    let expected = format!(
        "version_time side key component name from_size to_size
         0  null null    0    {one} 2 1
         0  0    {one}   0    null null null
         0  0    {two}   0    null null null
         0  1    {pixel} 0    null null null
         10 null null    1    {nine} 1 1
         10 0    {nine}  1    null null null
         10 1    {nokia} 1    null null null
         20 null null    0    {one} 3 2
         20 0    {nine}  0    null null null
         20 1    {nokia} 0    null null null
         20 null null    1    null null null
         30 null null    0    {two} 2 1
         30 0    {one}   null null null null
         30 1    {pixel} null null null null
         40 null null    0    {two} 1 1
         40 0    {nine}  null null null null
         50 0    {two}   null null null null
         50 1    {nokia} null null null null
         50 null null    0    null null null"
    );
    let squeeze =
        |text: &str| -> Vec<String> { text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect() };
    // 1 - pixel lives until 33, 2 - pixel until 38, 9 - nokia until 42, 2 - nokia until 51.
    assert_eq!(squeeze(&show(&harness.take(MAIN))), squeeze(&expected));
    assert_eq!(harness.state_size().keys, 0, "no vertex is left");
    let named = harness.counters().named();
    assert_eq!(named["rows with a null end, no edges"], 2);
}

#[test]
fn steps_without_edges_cost_nothing() {
    let start = Instant::now();
    let century_us = 100 * 365 * 86_400_000_000;
    let mut harness = harness(&ring(Some(century_us / 2)));
    harness.feed(0, on_time(txn(&[(Some(1), Some("a"), 0), (Some(2), Some("a"), century_us)]))).unwrap();
    harness.watermark(0, EventTime(century_us)).unwrap();
    assert_eq!(harness.state_size().keys, 2, "the second edge waits, the first one is over");
    harness.finish().unwrap();
    assert_eq!(harness.state_size().keys, 0);
    assert!(start.elapsed().as_secs() < 5, "three steps of 300 billion were walked one by one");
}

#[test]
fn times_at_the_ends_of_the_scale() {
    for time in [i64::MIN, i64::MIN + 1, -1, i64::MAX - 5, i64::MAX - 1, i64::MAX] {
        let mut harness = harness(&ring(Some(1_000)));
        harness.feed(0, on_time(txn(&[(Some(1), Some("a"), time)]))).unwrap();
        harness.finish().unwrap();
        let rows: usize = harness.take(MAIN).iter().map(Batch::num_rows).sum();
        assert!(rows >= 3, "at {time} the component and its two vertices are told: {rows} rows");
    }
}

#[test]
fn late_edges_come_when_they_arrive_and_expire_in_time() {
    let mut harness = harness(&ring(Some(30)));
    let late = |rows: RecordBatch, watermark| Batch::from_parts(rows, Some(2), Some(EventTime(watermark)));
    harness.feed(0, on_time(txn(&[(Some(1), Some("a"), 55)]))).unwrap();
    harness.feed(0, late(txn(&[(Some(2), Some("a"), 31), (Some(3), Some("a"), 9)]), 50)).unwrap();
    harness.finish().unwrap();
    let got = show(&harness.take(MAIN));
    assert!(got.starts_with("version_time"), "{got}");
    let first: Vec<&str> = got.lines().filter(|line| line.starts_with("50 ")).collect();
    assert_eq!(first.len(), 4, "as of 60: a component of the cards 1 and 2 and the device\n{got}");
    assert_eq!(Counters::read(&harness.counters().late), 1, "card 3's edge expired at 39");
    assert_eq!(harness.counters().named()["late edges that came when they arrived"], 2);
}

#[test]
fn two_columns_of_one_kind() {
    let money = table(
        "payer:int payee:int32 at:time
                       1 2 1
                       2 3 2
                       5 5 3
                       4 6 4",
    );
    let spec = GraphSpec::new("money", 0, 1, None, STEP_US, &money.schema).unwrap().same_kind().unwrap();
    assert_eq!(spec.answers().len(), 2);
    let mut harness = Harness::new(spec.operator_factory(), vec![Partitioning::Gather], 1).unwrap();
    harness.feed(0, money.batch()).unwrap();
    harness.finish().unwrap();
    assert_eq!(harness.counters().named()["rows from a vertex to itself, no edges"], 1);
    let lookups = vec![
        spec.lookup("size", 0, &money.schema).unwrap(),
        spec.lookup("size", 1, &money.schema).unwrap(),
        spec.lookup("COMPONENT", 1, &money.schema).unwrap(),
    ];
    let mut reader = GraphReader::new(Arc::new(spec), lookups);
    harness.take(MAIN).iter().for_each(|updates| reader.apply(updates.rows()).unwrap());
    let answers = reader.enrich(&money.rows).unwrap();
    let expected: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(vec![3, 3, 1, 2])),
        Arc::new(Int64Array::from(vec![3, 3, 1, 2])),
        Arc::new(Int64Array::from(vec![Some(1), Some(1), None, Some(4)])),
    ];
    assert_eq!(answers, expected);
}

#[test]
fn a_window_over_ever_new_keys_does_not_grow() {
    let mut harness = harness(&ring(Some(1_000)));
    let mut bytes = Vec::new();
    for round in 0..40_i64 {
        let rows: Vec<(i64, String, i64)> = (0..1_000)
            .map(|n| (round * 1_000 + n, format!("device of the round {round}, {}", n % 100), round * 1_000 + n))
            .collect();
        let rows: Vec<_> = rows.iter().map(|(card, device, at)| (Some(*card), Some(device.as_str()), *at)).collect();
        harness.feed(0, on_time(txn(&rows))).unwrap();
        harness.watermark(0, EventTime(round * 1_000)).unwrap();
        harness.take(MAIN);
        bytes.push(harness.state_size());
    }
    assert!(bytes[39].keys <= 3_300, "{:?}", bytes[39]);
    assert!(bytes[39].bytes <= bytes[9].bytes * 3 / 2, "{:?} {:?}", bytes[9], bytes[39]);
    harness.finish().unwrap();
    assert_eq!(harness.state_size().keys, 0);
}
