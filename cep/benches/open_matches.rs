//! What an event costs while more and more partial matches are open: `cargo bench --workspace --bench open_matches`.
//!
//! One key, 1,000 starts of a match in a second of event time, a window of six hours, two hours of input; the last tenth beside the
//! first, and bytes per open partial match. Kept one by one, the same
//! pattern gets ten seconds of input, which says enough. With an argument: the pattern of that name alone.

use arrow::array::{ArrayRef, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field};
use egret_cep::{AfterMatch, CompiledPattern, Pattern, measures};
use egret_core::metrics::Counters;
use egret_core::{Batch, Context, EventTime, NoState, Operator, OperatorInfo, Result, StreamSchema};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

const HOURS: i64 = 2;

fn schema() -> Result<StreamSchema> {
    let fields = vec![
        Field::new("id", DataType::Int64, false),
        Field::new("kind", DataType::Int64, false),
        StreamSchema::time_field("at"),
    ];
    StreamSchema::new(fields, Some("at"))
}

/// Events a millisecond apart: starts, and now and then (1 in 1,000) one of kind 1; kind 2 never comes.
fn rows(schema: &StreamSchema, ids: Range<i64>) -> Result<Batch> {
    let ids = || ids.clone();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(ids())),
        Arc::new(Int64Array::from_iter_values(ids().map(|id| i64::from(id % 1_000 == 999)))),
        Arc::new(TimestampMicrosecondArray::from_iter_values(ids().map(|id| EventTime::from_millis(id).0))),
    ];
    Batch::new(RecordBatch::try_new(Arc::clone(schema.arrow()), columns)?, schema)
}

/// An operator, and what it sent.
struct Driven {
    operator: Box<dyn Operator>,
    info: OperatorInfo,
    counters: Counters,
}

impl Driven {
    fn call(&mut self, step: impl FnOnce(&mut dyn Operator, &mut Context<'_>) -> Result<()>) -> Result<Vec<(usize, Batch)>> {
        let (mut sent, mut wake, mut none) = (Vec::new(), None, NoState);
        let Self { operator, info, counters } = self;
        step(operator.as_mut(), &mut Context::new(&mut sent, info, counters, &mut none, &mut wake, EventTime::MIN, 0))?;
        Ok(sent)
    }
}

fn measure(name: &str, compiled: &CompiledPattern, batches: i64, size: i64) -> Result<()> {
    let schema = schema()?;
    let info = OperatorInfo::alone(name);
    let driven = |operator| Driven { operator, info: info.clone(), counters: Counters::default() };
    let mut prefilter = driven(compiled.prefilter_factory().create(&info)?);
    let mut matcher = driven(compiled.matcher_factory().create(&info)?);
    let (mut took, mut matches) = (Vec::new(), 0);
    for tenth in 0..10 {
        let start = Instant::now();
        for batch in tenth * batches / 10..(tenth + 1) * batches / 10 {
            let rows = rows(&schema, batch * size..(batch + 1) * size)?;
            for (_, batch) in prefilter.call(|operator, ctx| operator.process(0, rows, ctx))? {
                matcher.call(|operator, ctx| operator.process(0, batch, ctx))?;
            }
            let sent = matcher.call(|operator, ctx| operator.on_watermark(EventTime::from_millis((batch + 1) * size), ctx))?;
            matches += sent.iter().map(|(_, batch)| batch.num_rows()).sum::<usize>();
        }
        took.push(start.elapsed());
    }
    let events = batches * size;
    let rate = |took: &Duration| events as f64 / 10.0 / took.as_secs_f64() / 1e6;
    let open = events - events / 1_000;
    println!(
        "{name:42} events={events} matches={matches} first_tenth_M_per_s={:.2} last_tenth_M_per_s={:.2} bytes_per_start={:.1}",
        rate(&took[0]),
        rate(&took[9]),
        matcher.operator.state_size().bytes as f64 / open as f64,
    );
    Ok(())
}

fn main() -> Result<()> {
    let day = Duration::from_secs(6 * 3_600);
    let pair = || Pattern::begin("a").filter("kind = 0").followed_by("z").filter("kind = 2").within(day);
    let triple = || {
        Pattern::begin("a")
            .filter("kind = 0")
            .followed_by_any("b")
            .filter("kind = 1")
            .followed_by("z")
            .filter("kind = 2")
            .within(day)
    };
    let patterns = [
        ("a -> z", pair()),
        ("a -> z, skip past last", pair().after_match(AfterMatch::SkipPastLastEvent)),
        ("a ->> b -> z", triple()),
        ("a+ -> z", Pattern::begin("a").filter("kind = 0").one_or_more().followed_by("z").filter("kind = 2").within(day)),
    ];
    for (name, pattern) in patterns {
        if std::env::args().nth(1).is_some_and(|only| only != "--bench" && only != name) {
            continue;
        }
        let measures = measures(&[("first", "first(a.id)"), ("z", "z.id")])?;
        let compiled =
            CompiledPattern::compile(&pattern, &schema()?, vec![], vec![], measures)?.with_max_partial_matches(1 << 30);
        measure(name, &compiled, HOURS * 3_600_000 / 8_192, 8_192)?;
        if name == "a -> z" || name == "a ->> b -> z" {
            measure(&format!("{name}, one by one"), &compiled.with_sets_from(usize::MAX), 20, 512)?;
        }
    }
    Ok(())
}
