//! Every kind of keyed state, with and without a time to live, against the law and a loop that keeps all rows.

use crate::twin::random_rows;
use crate::windows::{input, schema};
use egret_core::job::Partitioning;
use egret_core::{EventTime, KeyColumns, Result, StreamSchema, row};
use egret_operators::process::{
    AggregatingState, ListState, MapState, ProcessContext, ProcessFunction, ReducingState, Ttl, ValueState, factory,
};
use egret_testkit::{Case, Harness, check_law, row_texts, table};
use std::collections::BTreeMap;
use std::time::Duration;

row! {
    #[derive(Clone)]
    struct Payment { card: Option<i64>, country: Option<String>, amount: Option<f64>, at: EventTime }
}

row! {
    struct Known { card: Option<i64>, text: String, at: EventTime }
}

const LIVES_US: i64 = 90;
const LIVES: Ttl = Ttl::event_time(Duration::from_micros(LIVES_US as u64));

/// The states without a time to live, and with one.
struct States {
    last: ValueState<f64>,
    amounts: ListState<f64>,
    by_country: MapState<String, f64>,
    largest: ReducingState<f64>,
    mean: AggregatingState<f64, (f64, u32), f64>,
}

fn add((sum, n): (f64, u32), amount: f64) -> (f64, u32) {
    (sum + amount, n + 1)
}

fn mean((sum, n): &(f64, u32)) -> f64 {
    sum / f64::from(*n)
}

const FOREVER: States = States {
    last: ValueState::new(0),
    amounts: ListState::new(1),
    by_country: MapState::new(2),
    largest: ReducingState::new(3, f64::max),
    mean: AggregatingState::new(4, add, mean),
};

const FOR_A_WHILE: States = States {
    last: ValueState::new(5).with_ttl(LIVES.renewed_by_reads()),
    amounts: ListState::new(6).with_ttl(LIVES),
    by_country: MapState::new(7).with_ttl(LIVES),
    largest: ReducingState::new(8, f64::max).with_ttl(LIVES),
    mean: AggregatingState::new(9, add, mean).with_ttl(LIVES),
};

impl States {
    /// The states of a card before a row, and its totals with the row.
    fn take(&self, row: &Payment, ctx: &mut ProcessContext<'_, Known>) -> Result<String> {
        let amount = row.amount.unwrap_or(0.0);
        let country = row.country.clone().unwrap_or_default();
        let before =
            (self.last.get(ctx)?, self.amounts.get(ctx)?, self.by_country.entries(ctx)?, self.by_country.get(ctx, &country)?);
        // Amounts with the last digit 3 clear some of the states.
        if amount as i64 % 10 == 3 {
            self.amounts.clear(ctx)?;
            self.by_country.remove(ctx, &country)?;
            self.largest.clear(ctx)?;
        } else {
            self.last.set(ctx, &amount)?;
            self.amounts.push(ctx, &amount)?;
            self.by_country.insert(ctx, country, amount)?;
        }
        Ok(format!("{before:?} {:?} {:?}", self.largest.add(ctx, amount)?, self.mean.add(ctx, amount)?))
    }
}

struct Remembers;

impl ProcessFunction for Remembers {
    type In = Payment;
    type Other = Payment;
    type Out = Known;

    fn process(&mut self, row: Payment, ctx: &mut ProcessContext<'_, Known>) -> Result<()> {
        let text = format!("{} | {}", FOREVER.take(&row, ctx)?, FOR_A_WHILE.take(&row, ctx)?);
        ctx.emit(Known { card: row.card, text, at: row.at });
        Ok(())
    }
}

/// One card's states as plain collections, each value with its expiry.
struct Twin {
    lives_us: i64,
    last: Option<(i64, f64)>,
    amounts: Vec<(i64, f64)>,
    by_country: BTreeMap<String, (i64, f64)>,
    largest: Option<(i64, f64)>,
    mean: Option<(i64, (f64, u32))>,
}

impl Twin {
    fn new(lives_us: i64) -> Self {
        Self { lives_us, last: None, amounts: Vec::new(), by_country: BTreeMap::new(), largest: None, mean: None }
    }

    fn take(&mut self, country: Option<&str>, amount: f64, at: i64) -> String {
        let over = at.saturating_add(self.lives_us);
        let country = country.unwrap_or_default().to_owned();
        self.last = self.last.filter(|(end, _)| *end > at).map(|(_, value)| (over, value));
        self.amounts.retain(|(end, _)| *end > at);
        self.by_country.retain(|_, (end, _)| *end > at);
        self.largest = self.largest.filter(|(end, _)| *end > at);
        self.mean = self.mean.filter(|(end, _)| *end > at);
        let amounts: Vec<f64> = self.amounts.iter().map(|(_, amount)| *amount).collect();
        let entries: BTreeMap<&String, f64> = self.by_country.iter().map(|(country, (_, amount))| (country, *amount)).collect();
        let of_country = entries.get(&country).copied();
        let before = format!("{:?}", (self.last.map(|(_, value)| value), amounts, entries, of_country));
        if amount as i64 % 10 == 3 {
            self.amounts.clear();
            self.by_country.remove(&country);
            self.largest = None;
        } else {
            self.last = Some((over, amount));
            self.amounts.push((over, amount));
            self.by_country.insert(country, (over, amount));
        }
        let largest = self.largest.map_or(amount, |(_, largest)| largest.max(amount));
        self.largest = Some((over, largest));
        let sums = add(self.mean.map(|(_, sums)| sums).unwrap_or_default(), amount);
        self.mean = Some((over, sums));
        format!("{before} {largest:?} {:?}", mean(&sums))
    }
}

#[test]
fn all_kinds_of_state_keep_the_law_and_are_what_a_loop_knows() {
    for seed in 1..=4 {
        // Times are distinct, so no tie is broken by other columns.
        let mut rows = random_rows(seed, 200, 3);
        rows.iter_mut().enumerate().for_each(|(place, row)| row.at = 1 + place as i64 * 9 + row.at.rem_euclid(9));
        let (process, _) = factory(|| Remembers, vec![KeyColumns::new(vec![0])], &[&schema()]).unwrap();
        let out = check_law(&Case::new(&format!("kinds of state, input {seed}"), process).input(input(&rows, &[0])).seeds(24));
        let mut found: Vec<String> = out.iter().flat_map(row_texts).map(|row| row[1..].join(" ")).collect();
        found.sort();
        let mut twins: BTreeMap<Option<i64>, [Twin; 2]> = BTreeMap::new();
        rows.sort_by_key(|row| row.at);
        let mut expected: Vec<String> = Vec::new();
        for row in &rows {
            let of_card = twins.entry(row.card).or_insert_with(|| [Twin::new(i64::MAX), Twin::new(LIVES_US)]);
            let texts = of_card.each_mut().map(|twin| twin.take(row.country.as_deref(), row.amount.unwrap_or(0.0), row.at));
            expected.push(format!("{} {}", texts.join(" | "), row.at));
        }
        expected.sort();
        assert_eq!(found, expected, "input {seed}");
    }
}

/// Remembers that a card was seen.
struct Seen;

impl ProcessFunction for Seen {
    type In = Payment;
    type Other = Payment;
    type Out = Known;

    fn process(&mut self, _row: Payment, ctx: &mut ProcessContext<'_, Known>) -> Result<()> {
        FOR_A_WHILE.last.set(ctx, &1.0)
    }
}

#[test]
fn what_is_over_leaves_no_trace() {
    let keys = KeyColumns::new(vec![0]);
    let (process, _) = factory(|| Seen, vec![keys.clone()], &[&schema()]).unwrap();
    let mut harness = Harness::new(process, vec![Partitioning::Hash(keys)], 2).unwrap();
    let empty = harness.state_size();
    let mut at = 0;
    for round in 0..20 {
        let rows: String = (0..500).map(|card| format!("\n {} DE 1 {at}", round * 500 + card)).collect();
        harness.feed(0, table(&format!("card:int country:text amount:float at:time{rows}")).batch()).unwrap();
        at += 2 * LIVES_US;
        harness.watermark(0, EventTime(at)).unwrap();
    }
    assert!(harness.state_size().keys < 5_000, "most are over, and were found on the way");
    for _ in 0..500 {
        at += 1;
        harness.watermark(0, EventTime(at)).unwrap();
    }
    assert_eq!(harness.state_size(), empty);
}

#[test]
fn event_time_is_needed_where_state_lives_for_a_time_of_it() {
    let rows = table("card:int country:text amount:float at:time\n 1 DE 1 5");
    let plain = StreamSchema::from_arrow(rows.schema.arrow().clone(), None).unwrap();
    let (process, _) = factory(|| Seen, vec![KeyColumns::new(vec![0])], &[&plain]).unwrap();
    let mut harness = Harness::new(process, vec![Partitioning::Gather], 1).unwrap();
    let error = harness.feed(0, rows.batch()).unwrap_err().to_string();
    assert!(error.contains("needs rows with event time") && error.contains("Ttl::processing_time"), "{error}");
}
