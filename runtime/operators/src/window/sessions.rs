//! Session windows: rows of a key that are less than a gap apart.

use super::emit::{Bounds, Results, emit};
use super::groups::Prepared;
use super::snapshot::KeyedRows;
use super::spans::{Span, Spans, Status};
use super::spec::Plan;
use arrow::array::{RecordBatch, UInt32Array};
use egret_core::{EventTime, Result, StateSize};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

/// Times of spans in order, earliest first. The time of a span may have moved on since it was added.
type Schedule = BinaryHeap<Reverse<(i64, u32)>>;

/// Sessions of all keys.
pub(super) struct Sessions {
    plan: Arc<Plan>,
    gap: i64,
    spans: Spans,
    /// The ends of open sessions.
    ending: Schedule,
    /// The times at which fired sessions exceed the allowed lateness.
    expiring: Schedule,
}

impl Sessions {
    pub(super) fn new(plan: Arc<Plan>, gap_us: i64) -> Result<Self> {
        let spans = Spans::new(Arc::clone(&plan))?;
        Ok(Self { plan, gap: gap_us, spans, ending: BinaryHeap::new(), expiring: BinaryHeap::new() })
    }

    fn end(&self, span: &Span) -> i64 {
        span.last.saturating_add(self.gap)
    }

    /// The sessions of a key that a row at `time` touches: those with a row less than a gap away.
    fn touched(&self, key: usize, time: i64) -> [Option<u32>; 2] {
        let mut touched = [None, None];
        let near = |span: &Span| span.start.saturating_sub(time) < self.gap && time.saturating_sub(span.last) < self.gap;
        for (place, span) in touched.iter_mut().zip(self.spans.of_key(key).filter(|&span| near(self.spans.get(span)))) {
            *place = Some(span);
        }
        touched
    }

    /// Puts a row into its session, which may be new, or merged from two; returns the session.
    fn place(&mut self, key: usize, time: i64, touched: [Option<u32>; 2]) -> u32 {
        match touched {
            [Some(one), Some(other)] => {
                self.spans.merge(one, other);
                one
            }
            [Some(one), None] | [None, Some(one)] => one,
            [None, None] => {
                let span = self.spans.create(key, time);
                self.ending.push(Reverse((time.saturating_add(self.gap), span)));
                span
            }
        }
    }

    /// Adds rows that are on time.
    pub(super) fn add(&mut self, rows: &Prepared, times: &[i64]) -> Result<()> {
        let keys = self.spans.number_keys(&rows.keys, rows.rows)?;
        let mut groups = Vec::with_capacity(rows.rows);
        for (&key, &time) in keys.iter().zip(times) {
            let touched = self.touched(key, time);
            let span = self.place(key, time, touched);
            groups.push(self.spans.extend(span, time));
        }
        self.spans.update(&rows.arguments, &groups)
    }

    /// Fires the sessions that end at or below `bound`.
    pub(super) fn fire_through(&mut self, bound: EventTime, out: &mut Results) -> Result<()> {
        let mut ended = Vec::new();
        while let Some(span) = self.next_due(bound, Status::Open) {
            ended.push(span);
            self.spans.get_mut(span).status = Status::Fired;
        }
        self.send(&mut ended, None, out)?;
        for span in ended {
            if self.plan.lateness_us == 0 {
                self.spans.remove(span);
            } else {
                self.expire_later(span);
            }
        }
        Ok(())
    }

    /// The next span with this status that is due: for an open one at its end, for a fired one at its expiry.
    fn next_due(&mut self, bound: EventTime, status: Status) -> Option<u32> {
        loop {
            let extra = if status == Status::Open { 0 } else { self.plan.lateness_us };
            let schedule = if status == Status::Open { &mut self.ending } else { &mut self.expiring };
            let Reverse((planned, span)) = *schedule.peek().filter(|Reverse((time, _))| *time <= bound.0)?;
            schedule.pop();
            if self.spans.get(span).status != status {
                continue;
            }
            let due = self.end(self.spans.get(span)).saturating_add(extra);
            if due <= planned {
                return Some(span);
            }
            let schedule = if status == Status::Open { &mut self.ending } else { &mut self.expiring };
            schedule.push(Reverse((due, span)));
        }
    }

    fn expire_later(&mut self, span: u32) {
        let expiry = self.end(self.spans.get(span)).saturating_add(self.plan.lateness_us);
        self.expiring.push(Reverse((expiry, span)));
    }

    fn send(&mut self, spans: &mut Vec<u32>, late: Option<EventTime>, out: &mut Results) -> Result<()> {
        if spans.is_empty() {
            return Ok(());
        }
        let (keys, results) = self.spans.evaluate(spans)?;
        let starts = spans.iter().map(|&span| self.spans.get(span).start).collect();
        let ends = spans.iter().map(|&span| self.end(self.spans.get(span))).collect();
        emit(&self.plan, keys, Bounds::Each { starts, ends }, results, late, out)
    }

    /// Adds rows that were late behind the watermark `at`, and sends an update of each session that had ended by then. Returns
    /// the rows that came too late. Before the call, all sessions that ended by `at` must have fired, and expired ones must be
    /// purged.
    ///
    /// Rows are processed latest first, so that a row that keeps a session within the allowed lateness comes before the rows it
    /// connects.
    pub(super) fn add_late(&mut self, at: EventTime, rows: &Prepared, times: &[i64], out: &mut Results) -> Result<Vec<u32>> {
        let keys = self.spans.number_keys(&rows.keys, rows.rows)?;
        let (mut taken, mut groups, mut updated, mut too_late) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for row in (0..rows.rows).rev() {
            let (key, time) = (keys[row], times[row]);
            let touched = self.touched(key, time);
            let last = touched.iter().flatten().map(|&span| self.spans.get(span).last).fold(time, i64::max);
            let end = last.saturating_add(self.gap);
            if end.saturating_add(self.plan.lateness_us) <= at.0 {
                too_late.push(row as u32);
                continue;
            }
            let span = self.place(key, time, touched);
            groups.push(self.spans.extend(span, time));
            taken.push(row as u32);
            if end <= at.0 {
                self.spans.get_mut(span).status = Status::Fired;
                self.expire_later(span);
                updated.push(span);
            } else {
                self.spans.get_mut(span).status = Status::Open;
                self.ending.push(Reverse((end, span)));
            }
        }
        let arguments: Vec<_> =
            rows.arguments.iter().map(|arguments| arguments.take(&UInt32Array::from(taken.clone()))).collect::<Result<_>>()?;
        self.spans.update(&arguments, &groups)?;
        let mut updated: Vec<u32> = updated.into_iter().map(|span| self.spans.root(span)).collect();
        updated.sort_unstable();
        updated.dedup();
        updated.retain(|&span| self.spans.get(span).status == Status::Fired);
        self.send(&mut updated, Some(at), out)?;
        Ok(too_late)
    }

    /// Drops sessions that are beyond the allowed lateness.
    pub(super) fn purge(&mut self, watermark: EventTime) {
        while let Some(span) = self.next_due(watermark, Status::Fired) {
            self.spans.remove(span);
        }
    }

    /// Releases memory.
    pub(super) fn tidy(&mut self) -> Result<()> {
        if self.spans.is_mostly_gone() {
            let left = self.spans.rebuild()?;
            self.reschedule(left);
        }
        Ok(())
    }

    fn reschedule(&mut self, spans: Vec<(u32, Span)>) {
        self.ending.clear();
        self.expiring.clear();
        for (id, span) in spans {
            match span.status {
                Status::Open => self.ending.push(Reverse((self.end(&span), id))),
                Status::Fired => self.expire_later(id),
                Status::Gone => {}
            }
        }
    }

    pub(super) fn size(&self) -> StateSize {
        self.spans.size()
    }

    pub(super) fn snapshot(&mut self) -> Result<Option<KeyedRows>> {
        let left = self.spans.rebuild()?;
        self.reschedule(left);
        self.spans.snapshot()
    }

    pub(super) fn restore(&mut self, rows: &RecordBatch) -> Result<()> {
        let spans = self.spans.restore(rows)?;
        self.reschedule(spans);
        Ok(())
    }
}
