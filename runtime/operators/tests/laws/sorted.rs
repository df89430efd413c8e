//! Maps whose entries are stored one by one, against the law and a loop over sorted maps.

use crate::twin::random_rows;
use crate::windows::{input, schema};
use egret_core::{EventTime, KeyColumns, Result, row};
use egret_operators::process::{ProcessContext, ProcessFunction, SortedMapState, ValueState, factory};
use egret_testkit::{Case, Harness, check_law, row_texts, table};
use std::collections::BTreeMap;

row! {
    #[derive(Clone)]
    struct Payment { card: Option<i64>, country: Option<String>, amount: Option<f64>, at: EventTime }
}

row! {
    struct Known { card: Option<i64>, text: String, at: EventTime }
}

const BY_TIME: SortedMapState<EventTime, f64> = SortedMapState::new(0);
const BY_PLACE: SortedMapState<String, u32> = SortedMapState::new(1);
/// An amount is kept for so long.
const KEPT_US: i64 = 300;

/// Says which amounts of the last while there are, and how often places were seen that begin like the row's.
struct Remembers;

impl ProcessFunction for Remembers {
    type In = Payment;
    type Other = Payment;
    type Out = Known;

    fn process(&mut self, row: Payment, ctx: &mut ProcessContext<'_, Known>) -> Result<()> {
        let mut over = Vec::new();
        BY_TIME.scan(ctx, |at, _| {
            over.extend((at.0 < row.at.0 - KEPT_US).then_some(at));
            Ok(at.0 < row.at.0 - KEPT_US)
        })?;
        over.iter().try_for_each(|at| BY_TIME.remove(ctx, at))?;
        BY_TIME.insert(ctx, &row.at, &row.amount.unwrap_or(0.0))?;
        let place = format!("{}{}", row.country.clone().unwrap_or_default(), row.at.0 % 3);
        let seen = BY_PLACE.get(ctx, &place)?.unwrap_or(0) + 1;
        BY_PLACE.insert(ctx, &place, &seen)?;
        let (mut amounts, mut places) = (Vec::new(), Vec::new());
        BY_TIME.scan(ctx, |at, amount| {
            amounts.push((at.0, amount));
            Ok(true)
        })?;
        BY_PLACE.scan_prefix(ctx, &row.country.unwrap_or_default(), |place, seen| {
            places.push((place, seen));
            Ok(places.len() < 2)
        })?;
        ctx.emit(Known { card: row.card, text: format!("{amounts:?} {places:?}"), at: row.at });
        Ok(())
    }
}

#[derive(Default)]
struct Twin {
    by_time: BTreeMap<i64, f64>,
    by_place: BTreeMap<String, u32>,
}

impl Twin {
    fn take(&mut self, country: &str, amount: f64, at: i64) -> String {
        self.by_time.retain(|kept, _| *kept >= at - KEPT_US);
        self.by_time.insert(at, amount);
        *self.by_place.entry(format!("{country}{}", at % 3)).or_default() += 1;
        let amounts: Vec<(&i64, &f64)> = self.by_time.iter().collect();
        let places: Vec<_> = self.by_place.iter().filter(|(place, _)| place.starts_with(country)).take(2).collect();
        format!("{amounts:?} {places:?}")
    }
}

#[test]
fn sorted_maps_keep_the_law_and_are_what_a_loop_knows() {
    for seed in 1..=4 {
        // Each time once, so that no tie is broken by other columns.
        let mut rows = random_rows(seed, 200, 3);
        rows.iter_mut().enumerate().for_each(|(place, row)| row.at = 1 + place as i64 * 9 + row.at.rem_euclid(9));
        let (process, _) = factory(|| Remembers, vec![KeyColumns::new(vec![0])], &[&schema()]).unwrap();
        let out = check_law(&Case::new(&format!("sorted maps, input {seed}"), process).input(input(&rows, &[0])).seeds(24));
        let mut found: Vec<String> = out.iter().flat_map(row_texts).map(|row| row[1..].join(" ")).collect();
        found.sort();
        let mut twins: BTreeMap<Option<i64>, Twin> = BTreeMap::new();
        rows.sort_by_key(|row| row.at);
        let mut expected = Vec::new();
        for row in &rows {
            let twin = twins.entry(row.card).or_default();
            let text = twin.take(row.country.as_deref().unwrap_or_default(), row.amount.unwrap_or(0.0), row.at);
            expected.push(format!("{text} {}", row.at));
        }
        expected.sort();
        assert_eq!(found.len(), expected.len(), "input {seed}");
        let differs = found.iter().zip(&expected).find(|(found, expected)| found != expected);
        assert_eq!(differs, None, "input {seed}");
    }
}

/// Writes entries, and reads them as another type.
struct Mistaken;

impl ProcessFunction for Mistaken {
    type In = Payment;
    type Other = Payment;
    type Out = Known;

    fn process(&mut self, _row: Payment, ctx: &mut ProcessContext<'_, Known>) -> Result<()> {
        SortedMapState::<String, f64>::new(3).insert(ctx, &"abc".to_owned(), &1.0)?;
        ValueState::<i64>::new(4).set(ctx, &7)?;
        SortedMapState::<EventTime, f64>::new(3).scan(ctx, |_, _| Ok(true))
    }
}

#[test]
fn entries_of_another_type_are_refused() {
    let rows = table("card:int country:text amount:float at:time\n 1 DE 1 5");
    let keys = KeyColumns::new(vec![0]);
    let (process, _) = factory(|| Mistaken, vec![keys], &[&schema()]).unwrap();
    let mut harness = Harness::new(process, vec![egret_core::job::Partitioning::Gather], 1).unwrap();
    harness.feed(0, rows.batch()).unwrap();
    let error = harness.finish().unwrap_err().to_string();
    assert!(error.contains("slot 3") && error.contains("EventTime") && error.contains("slot of its own"), "{error}");
}
