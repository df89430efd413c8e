//! Windows with local aggregation before the exchange give the results of windows without it, and keep the law.

use crate::twin::{UNIT, random_rows};
use crate::windows::{factory, input};
use egret_core::{
    Batch, Context, Epoch, EventTime, NoState, Operator, OperatorFactory, OperatorInfo, Result, Snapshot, StateSize,
};
use egret_operators::window::{ROWS, STATES_IN, WindowFactory, WindowKind};
use egret_testkit::{Case, check_law, show_sorted};
use std::sync::Arc;

/// Both operators in one, because the harness has no exchange between them.
struct Chain {
    local: Box<dyn Operator>,
    windows: Box<dyn Operator>,
    forwarded: EventTime,
}

fn chain(windows: WindowFactory) -> Arc<dyn OperatorFactory> {
    let local = windows.local().unwrap().expect("these windows can be aggregated before the exchange");
    Arc::new(move |info: &OperatorInfo| -> Result<Box<dyn Operator>> {
        // As one of several instances; a single one would pass all rows on.
        let several = OperatorInfo { parallelism: 2, ..info.clone() };
        Ok(Box::new(Chain { local: local.create(&several)?, windows: windows.create(info)?, forwarded: EventTime::MIN }))
    })
}

impl Chain {
    /// Calls the first operator, and passes its output to the second.
    fn first(
        &mut self,
        ctx: &mut Context<'_>,
        call: impl FnOnce(&mut dyn Operator, &mut Context<'_>) -> Result<()>,
    ) -> Result<()> {
        let (info, mut sent, mut wake, mut none) = (ctx.info().clone(), Vec::new(), None, NoState);
        let inner = &mut Context::new(&mut sent, &info, ctx.counters(), &mut none, &mut wake, ctx.watermark(), 0);
        call(self.local.as_mut(), inner)?;
        for (port, batch) in sent {
            self.windows.process(if port == ROWS { 0 } else { STATES_IN }, batch, ctx)?;
        }
        Ok(())
    }
}

impl Operator for Chain {
    fn process(&mut self, _input: usize, batch: Batch, ctx: &mut Context<'_>) -> Result<()> {
        self.first(ctx, |local, ctx| local.process(0, batch, ctx))
    }

    fn on_watermark(&mut self, watermark: EventTime, ctx: &mut Context<'_>) -> Result<()> {
        self.first(ctx, |local, ctx| local.on_watermark(watermark, ctx))?;
        let forwarded = self.local.output_watermark(watermark);
        if forwarded > self.forwarded {
            self.forwarded = forwarded;
            self.windows.on_watermark(forwarded, ctx)?;
        }
        Ok(())
    }

    fn output_watermark(&self, input: EventTime) -> EventTime {
        self.windows.output_watermark(self.local.output_watermark(input))
    }

    fn snapshot(&mut self, epoch: Epoch) -> Result<Snapshot> {
        let mut all = Snapshot::default();
        for (tag, part) in [(0, self.local.snapshot(epoch)?), (1, self.windows.snapshot(epoch)?)] {
            assert!(part.first.is_empty(), "windows keep state by key only");
            all.keyed.extend(part.keyed.into_iter().map(|(group, bytes)| (group, [&[tag], bytes.as_slice()].concat())));
        }
        Ok(all)
    }

    fn restore(&mut self, parts: Vec<Snapshot>) -> Result<()> {
        let of = |tag: u8| -> Vec<Snapshot> {
            let keyed = |part: &Snapshot| {
                let mine = part.keyed.iter().filter(|(_, bytes)| bytes[0] == tag);
                mine.map(|(group, bytes)| (*group, bytes[1..].to_vec())).collect()
            };
            parts.iter().map(|part| Snapshot { keyed: keyed(part), ..Snapshot::default() }).collect()
        };
        self.local.restore(of(0))?;
        self.windows.restore(of(1))
    }

    fn state_size(&self) -> StateSize {
        self.local.state_size()
    }
}

const AGGREGATES: &[&str] =
    &["count(*)", "sum(amount)", "min(amount)", "max(country)", "avg(amount)", "stddev(amount)", "sum(card)"];

#[test]
fn aggregating_before_the_exchange_changes_nothing() {
    let kinds = [
        WindowKind::Tumbling { size_us: 20 * UNIT },
        WindowKind::Sliding { size_us: 60 * UNIT, slide_us: 10 * UNIT },
        WindowKind::Sliding { size_us: 15 * UNIT, slide_us: 10 * UNIT },
        WindowKind::Sliding { size_us: 10 * UNIT, slide_us: 15 * UNIT },
    ];
    for kind in kinds {
        for (keys, lateness) in [(&[0][..], 0), (&[0, 1], 30 * UNIT), (&[1], 0)] {
            let rows = random_rows(17, 400, 3);
            let name = format!("{kind} by {keys:?}");
            let windows = factory(keys, kind, AGGREGATES, lateness);
            let alone = check_law(&Case::new(&name, Arc::new(windows.clone())).input(input(&rows, keys)).seeds(1));
            let both = check_law(&Case::new(&format!("{name}, twice"), chain(windows)).input(input(&rows, keys)).seeds(20));
            assert_eq!(show_sorted(&both), show_sorted(&alone), "{name}");
        }
    }
}

#[test]
fn states_that_grow_with_the_rows_are_not_sent() {
    let tumbling = WindowKind::Tumbling { size_us: 20 * UNIT };
    for aggregate in ["array_agg(amount)", "count(DISTINCT country)", "median(amount)"] {
        assert!(factory(&[0], tumbling, &[aggregate], 0).local().unwrap().is_none(), "{aggregate}");
    }
    assert!(factory(&[], tumbling, &["count(*)"], 0).local().unwrap().is_none(), "without a key all rows go to one worker");
    assert!(factory(&[0], WindowKind::Session { gap_us: 5 * UNIT }, &["count(*)"], 0).local().unwrap().is_none());
}
