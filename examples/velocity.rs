//! The Stream API with typed rows: cards that spend too much in a minute, and cards that change country too fast.
//!
//! `cargo run --release --example velocity`

use egret::core::{KeyColumns, Result};
use egret::operators::process::{ProcessContext, ProcessFunction, ValueState};
use egret::operators::window::{AggregateCall, WindowKind, WindowSpec};
use egret::prelude::*;
use std::sync::Arc;
use std::time::Duration;

row! {
    /// A card transaction, with the columns of the bundled data.
    #[derive(Clone)]
    struct Txn { id: i64, card: i64, amount: f64, country: String, at: EventTime }
}

row! {
    /// A card was used in two countries within an hour.
    struct Hop { card: i64, from: String, to: String, minutes: f64, txn: i64, at: EventTime }
}

/// Remembers where each card was last used.
struct Countries;

/// The slot of the keyed state.
const LAST: ValueState<(String, i64)> = ValueState::new(0);
const HOUR_US: i64 = 3_600_000_000;

impl ProcessFunction for Countries {
    type In = Txn;
    type Other = Txn;
    type Out = Hop;

    fn process(&mut self, row: Txn, ctx: &mut ProcessContext<'_, Hop>) -> Result<()> {
        if let Some((country, at)) = LAST.get(ctx)?
            && country != row.country
        {
            let minutes = (row.at.0 - at) as f64 / 60_000.0;
            ctx.emit(Hop { card: row.card, from: country, to: row.country.clone(), minutes, txn: row.id, at: row.at });
        }
        LAST.set(ctx, &(row.country, row.at.0))?;
        ctx.event_timer(row.at.plus_us(HOUR_US));
        Ok(())
    }

    /// After an hour without use the state is removed.
    fn on_timer(&mut self, time: EventTime, ctx: &mut ProcessContext<'_, Hop>) -> Result<()> {
        if let Some((_, at)) = LAST.get(ctx)?
            && at + HOUR_US <= time.0
        {
            LAST.clear(ctx)?;
        }
        Ok(())
    }
}

fn main() -> Result<()> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/fraud");
    let registry = egret::connectors::Registry::with_builtin();
    let options =
        egret::connectors::Options::new([("path", format!("{folder}/transactions.jsonl.gz")), ("format", "json".into())]);
    let source = registry.source("file", &options, &Txn::schema()?)?;

    let job = Job::new();
    let txn = job.source("txn", source, Some(WatermarkStrategy::bounded_out_of_orderness(Duration::from_secs(5))))?;
    let by_card = txn.key_by(&["card"])?;

    let spend = WindowSpec {
        keys: KeyColumns::new(Vec::new()),
        kind: WindowKind::Tumbling { size_us: 60_000_000 },
        aggregates: vec![
            AggregateCall::parse("total", "sum(amount)", txn.schema())?,
            AggregateCall::parse("payments", "count(*)", txn.schema())?,
        ],
        allowed_lateness_us: 0,
    };
    let (big_minutes, hops) = (MemorySink::new(), MemorySink::new());
    by_card.window(spend)?.filter("total > 400 AND payments > 1")?.sink("big minutes", Arc::new(big_minutes.clone()))?;
    by_card.process(|| Countries)?.filter("minutes < 60")?.sink("hops", Arc::new(hops.clone()))?;

    let report = run(&job.graph(), &RunConfig::default())?;
    println!("{} transactions in {:.2} s", report.node("txn").map_or(0, |node| node.rows_out), report.elapsed.as_secs_f64());
    println!("{} minutes with more than one payment and over 400 in all", big_minutes.num_rows());
    println!("{} changes of country within an hour; three of them:", hops.num_rows());
    for line in hops.sorted_lines().iter().take(3) {
        println!("  {line}");
    }
    Ok(())
}
