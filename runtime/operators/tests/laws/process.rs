//! Process functions against the law and a twin: running sums per card that are forgotten after a pause, two streams, broadcast.

use crate::twin::random_rows;
use crate::windows::{input, schema};
use egret_core::job::Partitioning;
use egret_core::{EventTime, KeyColumns, MAIN, Result, row};
use egret_operators::process::{ProcessContext, ProcessFunction, ValueState, factory};
use egret_testkit::{Case, Harness, Input, check_law, row_texts, table};
use std::collections::BTreeMap;

row! {
    #[derive(Clone)]
    struct Payment { card: Option<i64>, country: Option<String>, amount: Option<f64>, at: EventTime }
}

row! {
    struct Spent { card: Option<i64>, payments: i64, total: f64, paused: bool, at: EventTime }
}

const PAUSE_US: i64 = 40;
const SUM: ValueState<(i64, f64, i64)> = ValueState::new(0);
const MOST: ValueState<f64> = ValueState::new(0);

/// Payments and their sum since the last pause; emits a row when a card pauses.
struct Running;

impl ProcessFunction for Running {
    type In = Payment;
    type Other = Payment;
    type Out = Spent;

    fn process(&mut self, row: Payment, ctx: &mut ProcessContext<'_, Spent>) -> Result<()> {
        let (payments, total, last) = SUM.get(ctx)?.unwrap_or_default();
        let (payments, total) = (payments + 1, total + row.amount.unwrap_or(0.0));
        if last > 0 {
            ctx.cancel_event_timer(EventTime(last).plus_us(PAUSE_US));
        }
        SUM.set(ctx, &(payments, total, row.at.0))?;
        ctx.event_timer(row.at.plus_us(PAUSE_US));
        ctx.emit(Spent { card: row.card, payments, total, paused: false, at: row.at });
        Ok(())
    }

    fn on_timer(&mut self, time: EventTime, ctx: &mut ProcessContext<'_, Spent>) -> Result<()> {
        if let Some((payments, total, _)) = SUM.get(ctx)? {
            SUM.clear(ctx)?;
            ctx.emit(Spent { card: None, payments, total, paused: true, at: time });
        }
        Ok(())
    }
}

/// The same by a loop: `(payments, total, paused, time)`, for all cards.
fn expected(rows: &[(Option<i64>, f64, i64)]) -> Vec<String> {
    let mut by_card: BTreeMap<Option<i64>, Vec<(i64, f64)>> = BTreeMap::new();
    rows.iter().for_each(|(card, amount, at)| by_card.entry(*card).or_default().push((*at, *amount)));
    let mut lines = Vec::new();
    for payments in by_card.values_mut() {
        payments.sort_by_key(|(at, _)| *at);
        let (mut count, mut total) = (0, 0.0);
        for (place, (at, amount)) in payments.iter().enumerate() {
            (count, total) = (count + 1, total + amount);
            lines.push(format!("{count} {total:?} false {at}"));
            // A timer at the time of the next payment would fire after it, and that payment cancels it.
            if payments.get(place + 1).is_none_or(|(next, _)| *next > at + PAUSE_US) {
                lines.push(format!("{count} {total:?} true {}", at + PAUSE_US));
                (count, total) = (0, 0.0);
            }
        }
    }
    lines.sort();
    lines
}

#[test]
fn keyed_state_and_timers_keep_the_law_and_are_what_a_loop_gives() {
    for seed in 1..=5 {
        // Times start at 1 and are distinct, so no tie is broken by other columns.
        let mut rows = random_rows(seed, 300, 3);
        rows.iter_mut().enumerate().for_each(|(place, row)| row.at = 1 + place as i64 * 7 + row.at.rem_euclid(7));
        let keys = KeyColumns::new(vec![0]);
        let (process, _) = factory(|| Running, vec![keys], &[&schema()]).unwrap();
        let out = check_law(&Case::new(&format!("running sums, input {seed}"), process).input(input(&rows, &[0])).seeds(24));
        let mut found: Vec<String> = out.iter().flat_map(row_texts).map(|row| row[1..].join(" ")).collect();
        found.sort();
        let plain: Vec<_> = rows.iter().map(|row| (row.card, row.amount.unwrap_or(0.0), row.at)).collect();
        assert_eq!(found, expected(&plain), "input {seed}");
    }
}

row! {
    struct Limit { card: Option<i64>, most: f64, at: EventTime }
}

row! {
    struct Over { card: Option<i64>, amount: f64, most: f64, at: EventTime }
}

/// Payments above the card's limit at that time.
struct Limits;

impl ProcessFunction for Limits {
    type In = Payment;
    type Other = Limit;
    type Out = Over;

    fn process(&mut self, row: Payment, ctx: &mut ProcessContext<'_, Over>) -> Result<()> {
        let (amount, most) = (row.amount.unwrap_or(0.0), MOST.get(ctx)?.unwrap_or(f64::MAX));
        if amount > most {
            ctx.emit(Over { card: row.card, amount, most, at: row.at });
        }
        Ok(())
    }

    fn process_other(&mut self, limit: Limit, ctx: &mut ProcessContext<'_, Over>) -> Result<()> {
        MOST.set(ctx, &limit.most)
    }
}

#[test]
fn two_streams_meet_in_order_of_event_time() {
    let limits = table("card:int most:float at:time\n 1 100 5\n 2 50 10\n 1 900 400\n 3 20 90\n 2 10 91\n 4 1 300");
    let keys = || KeyColumns::new(vec![0]);
    let (process, _) = factory(|| Limits, vec![keys(), keys()], &[&schema(), &limits.schema]).unwrap();
    for seed in 1..=5 {
        let rows = random_rows(seed, 200, 3);
        let case = Case::new(&format!("limits, input {seed}"), process.clone())
            .input(input(&rows, &[0]))
            .input(Input::of(&limits).keyed_by(&["card"]).out_of_order_by(400));
        assert!(!check_law(&case).is_empty());
    }
}

const FIRST: ValueState<Option<i64>> = ValueState::new(0);

row! {
    struct Beat { card: Option<i64>, at: EventTime }
}

/// Emits a heartbeat at intervals, from a card's first payment on.
struct Beats;

const BEAT_US: i64 = 25;

impl ProcessFunction for Beats {
    type In = Payment;
    type Other = Payment;
    type Out = Beat;

    fn process(&mut self, row: Payment, ctx: &mut ProcessContext<'_, Beat>) -> Result<()> {
        if FIRST.get(ctx)?.is_none() {
            FIRST.set(ctx, &row.card)?;
            ctx.event_timer(row.at.plus_us(BEAT_US));
        }
        Ok(())
    }

    fn on_timer(&mut self, time: EventTime, ctx: &mut ProcessContext<'_, Beat>) -> Result<()> {
        let card = FIRST.get(ctx)?.flatten();
        ctx.emit(Beat { card, at: time });
        ctx.event_timer(time.plus_us(BEAT_US));
        Ok(())
    }

    fn on_processing_timer(&mut self, now_ms: i64, ctx: &mut ProcessContext<'_, Beat>) -> Result<()> {
        ctx.emit(Beat { card: None, at: EventTime::from_millis(now_ms) });
        Ok(())
    }
}

/// Rows with distinct times, starting at 1.
fn payments(seed: u64, count: usize) -> Vec<crate::twin::Row> {
    let mut rows = random_rows(seed, count, 3);
    rows.iter_mut().enumerate().for_each(|(place, row)| row.at = 1 + place as i64 * 7 + row.at.rem_euclid(7));
    rows
}

#[test]
fn a_timer_that_sets_the_next_goes_on_to_the_end_of_the_input_and_once_behind_it() {
    for seed in 1..=5 {
        let rows = payments(seed, 200);
        let (process, _) = factory(|| Beats, vec![KeyColumns::new(vec![0])], &[&schema()]).unwrap();
        let out = check_law(&Case::new(&format!("beats, input {seed}"), process).input(input(&rows, &[0])).seeds(24));
        let mut found: Vec<String> = out.iter().flat_map(row_texts).map(|row| row.join(" ")).collect();
        found.sort();
        let end = rows.iter().map(|row| row.at).max().unwrap();
        let mut first: BTreeMap<Option<i64>, i64> = BTreeMap::new();
        for row in &rows {
            first.entry(row.card).or_insert(row.at);
        }
        let mut expected = Vec::new();
        for (card, first) in first {
            let card = card.map_or_else(|| "null".to_owned(), |card| card.to_string());
            let beats = (1..).map(|beat| first + beat * BEAT_US);
            let count = beats.clone().take_while(|at| *at <= end).count() + 1;
            expected.extend(beats.take(count).map(|at| format!("{card} {at}")));
        }
        expected.sort();
        assert_eq!(found, expected, "input {seed}");
    }
}

/// Asks to be woken for each payment.
struct Wakes;

impl ProcessFunction for Wakes {
    type In = Payment;
    type Other = Payment;
    type Out = Beat;

    fn process(&mut self, row: Payment, ctx: &mut ProcessContext<'_, Beat>) -> Result<()> {
        ctx.processing_timer(row.at.0);
        Ok(())
    }

    fn on_processing_timer(&mut self, now_ms: i64, ctx: &mut ProcessContext<'_, Beat>) -> Result<()> {
        ctx.emit(Beat { card: None, at: EventTime::from_millis(now_ms) });
        Ok(())
    }
}

#[test]
fn timers_on_the_wall_are_due_behind_a_restore_though_no_row_comes() {
    let keys = KeyColumns::new(vec![0]);
    let (process, _) = factory(|| Wakes, vec![keys.clone()], &[&schema()]).unwrap();
    let mut harness = Harness::new(process, vec![Partitioning::Hash(keys)], 1).unwrap();
    harness.feed(0, table("card:int country:text amount:float at:time\n 1 DE 1 500\n 2 DE 1 700").batch()).unwrap();
    harness.watermark(0, EventTime(600)).unwrap();
    let snapshot = harness.snapshot().unwrap();
    harness.restore(&snapshot, 2).unwrap();
    harness.processing_time(499).unwrap();
    assert!(harness.take(MAIN).is_empty());
    harness.processing_time(500).unwrap();
    assert_eq!(harness.take(MAIN).len(), 1, "only the first payment was taken before the restore");
}

#[test]
fn rows_that_wait_are_saved_in_columns() {
    let keys = KeyColumns::new(vec![0]);
    let (process, _) = factory(|| Wakes, vec![keys.clone()], &[&schema()]).unwrap();
    let mut harness = Harness::new(process, vec![Partitioning::Hash(keys)], 1).unwrap();
    let rows: String = (0..10_000).map(|row| format!("\n {} DE 1 {}", row % 300, 10_000 - row)).collect();
    harness.feed(0, table(&format!("card:int country:text amount:float at:time{rows}")).batch()).unwrap();
    let saved = harness.snapshot().unwrap();
    let bytes: usize = saved.operators.iter().flat_map(|part| &part.keyed).map(|(_, bytes)| bytes.len()).sum();
    assert!(bytes < 1_000_000, "{bytes} bytes for 10,000 rows");
}

#[test]
fn what_every_worker_has_a_copy_of_is_not_saved_as_if_one_had_it() {
    let limits = table("card:int most:float at:time\n 1 100 5");
    let keys = vec![KeyColumns::new(vec![0]), KeyColumns::new(Vec::new())];
    let (process, _) = factory(|| Limits, keys, &[&schema(), &limits.schema]).unwrap();
    let ways = || vec![Partitioning::Hash(KeyColumns::new(vec![0])), Partitioning::Broadcast];
    let mut one = Harness::new(process.clone(), ways(), 1).unwrap();
    one.feed(1, limits.batch()).unwrap();
    let snapshot = one.snapshot().unwrap();
    one.restore(&snapshot, 1).unwrap();
    assert!(one.restore(&snapshot, 2).unwrap_err().to_string().contains("with one worker"));
    let mut two = Harness::new(process, ways(), 2).unwrap();
    two.feed(1, limits.batch()).unwrap();
    assert!(two.snapshot().unwrap_err().to_string().contains("with one worker"));
}
