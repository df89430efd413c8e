//! The slow and obvious twin of the benchmarks' patterns: two small payments and a big one, by nested loops.

use crate::chained::chained;
use arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::Int64Type;
use egret_cep::{AfterMatch, CompiledPattern, Pattern, measures};
use egret_core::job::Partitioning;
use egret_core::{Batch, EventTime, KeyColumns, MAIN, StreamSchema};
use egret_testkit::{Harness, Random, table};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

const SEEDS: u64 = 300;
const WINDOW_US: i64 = 600;
const DELAY_US: i64 = 40;

/// A payment.
#[derive(Clone, Debug)]
struct Payment {
    id: i64,
    card: i64,
    amount: Option<f64>,
    country: Option<i64>,
    at: i64,
}

/// The ids of a match.
type Ids = (i64, i64, i64);

/// The condition on the last payment, given the second small one and the average of both.
type Last = fn(&Payment, &Payment, f64) -> bool;

fn is_big(payment: &Payment, _second: &Payment, _average: f64) -> bool {
    payment.amount.is_some_and(|amount| amount > 90.0)
}

fn is_abroad_and_big(payment: &Payment, second: &Payment, average: f64) -> bool {
    let abroad = payment.country.zip(second.country).is_some_and(|(here, there)| here != there);
    abroad && payment.amount.is_some_and(|amount| amount > 15.0 * average)
}

/// All matches: for each card, in order, every small payment that is not used up yet is tried as the first.
fn matches(payments: &[Payment], last: Last) -> BTreeSet<Ids> {
    let mut found = BTreeSet::new();
    let cards: BTreeSet<i64> = payments.iter().map(|payment| payment.card).collect();
    for card in cards {
        let mut of_card: Vec<&Payment> = payments.iter().filter(|payment| payment.card == card).collect();
        of_card.sort_by_key(|payment| (payment.at, payment.id));
        let mut from = 0;
        while from < of_card.len() {
            from = match match_from(&of_card[from..], last) {
                Some((length, ids)) => {
                    found.insert(ids);
                    from + length
                }
                None => from + 1,
            };
        }
    }
    found
}

/// The match that starts with the first payment, and how many payments it uses up.
fn match_from(payments: &[&Payment], last: Last) -> Option<(usize, Ids)> {
    let is_small = |payment: &Payment| payment.amount.is_some_and(|amount| amount < 10.0);
    let first = payments[0];
    if !is_small(first) {
        return None;
    }
    let second_at = (1..payments.len()).find(|&index| is_small(payments[index]))?;
    let second = payments[second_at];
    let average = (first.amount? + second.amount?) / 2.0;
    let last_at = (second_at + 1..payments.len()).find(|&index| last(payments[index], second, average))?;
    let end = payments[last_at];
    (end.at - first.at < WINDOW_US).then_some((last_at + 1, (first.id, second.id, end.id)))
}

/// Random payments in order of arrival, out of order by less than [`DELAY_US`].
fn random_payments(random: &mut Random) -> Vec<Payment> {
    let (count, step) = (random.below(120) + 1, random.between(1, 60));
    let mut payments: Vec<(i64, Payment)> = (0..count as i64)
        .map(|id| {
            let quarters = match random.below(10) {
                0..3 => random.between(1, 40),
                3..9 => random.between(40, 360),
                _ => random.between(361, 400),
            };
            let amount = (!random.chance(5)).then_some(quarters as f64 / 4.0);
            let country = (!random.chance(5)).then(|| random.between(0, 3));
            // Events of the same time are in order of their ids.
            let at = id * step / 2;
            (at + random.between(0, DELAY_US), Payment { id, card: random.between(0, 3), amount, country, at })
        })
        .collect();
    payments.sort_by_key(|(arrival, _)| *arrival);
    payments.into_iter().map(|(_, payment)| payment).collect()
}

fn schema() -> StreamSchema {
    table("id:int card:int amount:float country:int at:time").schema
}

fn record_batch(payments: &[Payment]) -> RecordBatch {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(payments.iter().map(|payment| payment.id))),
        Arc::new(Int64Array::from_iter_values(payments.iter().map(|payment| payment.card))),
        Arc::new(Float64Array::from_iter(payments.iter().map(|payment| payment.amount))),
        Arc::new(Int64Array::from_iter(payments.iter().map(|payment| payment.country))),
        Arc::new(TimestampMicrosecondArray::from_iter_values(payments.iter().map(|payment| payment.at))),
    ];
    RecordBatch::try_new(Arc::clone(schema().arrow()), columns).unwrap()
}

fn compile(last: &str) -> CompiledPattern {
    let pattern = Pattern::begin("small")
        .filter("amount < 10")
        .times(2)
        .followed_by("big")
        .filter(last)
        .within(Duration::from_micros(WINDOW_US as u64))
        .after_match(AfterMatch::SkipPastLastEvent);
    let columns = measures(&[("a", "first(small.id)"), ("b", "last(small.id)"), ("c", "big.id")]).unwrap();
    CompiledPattern::compile(&pattern, &schema(), vec![1], vec![0], columns).unwrap()
}

/// The engine's matches, with random batches, watermarks, restores and parallelism.
fn engine_matches(compiled: &CompiledPattern, payments: &[Payment], random: &mut Random) -> Vec<Ids> {
    let partitioning = Partitioning::Hash(KeyColumns::new(vec![1]));
    let mut harness = Harness::new(chained(compiled), vec![partitioning], 1 + random.below(3)).unwrap();
    let (mut rest, mut latest) = (payments, i64::MIN);
    while !rest.is_empty() {
        let (now, later) = rest.split_at(1 + random.below(rest.len().min(20)));
        harness.feed(0, Batch::new(record_batch(now), &schema()).unwrap()).unwrap();
        latest = now.iter().map(|payment| payment.at).fold(latest, i64::max);
        if random.chance(60) {
            harness.watermark(0, EventTime(latest - DELAY_US)).unwrap();
        }
        if random.chance(10) {
            let snapshot = harness.snapshot().unwrap();
            harness.restore(&snapshot, 1 + random.below(3)).unwrap();
        }
        rest = later;
    }
    harness.finish().unwrap();
    let mut found = Vec::new();
    for batch in harness.take(MAIN) {
        let ids = |column: usize| batch.column(column).as_primitive::<Int64Type>().values();
        found.extend((0..batch.num_rows()).map(|row| (ids(0)[row], ids(1)[row], ids(2)[row])));
    }
    found.sort_unstable();
    found
}

fn check(text: &str, last: Last) {
    let compiled = compile(text);
    let mut all = 0;
    for seed in 1..=SEEDS {
        let mut random = Random::new(seed);
        let payments = random_payments(&mut random);
        let expected: Vec<Ids> = matches(&payments, last).into_iter().collect();
        let found = engine_matches(&compiled, &payments, &mut random);
        assert_eq!(found, expected, "`{text}`, seed {seed}: the engine's matches, and the twin's; of {payments:#?}");
        all += expected.len();
    }
    assert!(all > 100, "`{text}` has only {all} matches, so little was tested");
}

#[test]
fn small_small_big() {
    check("amount > 90", is_big);
}

#[test]
fn small_small_and_big_abroad() {
    check("country <> small.country AND amount > 15 * avg(small.amount)", is_abroad_and_big);
}
