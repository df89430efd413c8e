//! Reads a worker's splits: the one furthest behind first, each with its own watermark.

use crate::driver::{Outgoing, Signal};
use egret_core::batch::millis;
use egret_core::metrics::Counters;
use egret_core::{
    Batch, Error, EventTime, MAIN, MinWatermark, Poll, Result, Source, SourceReader, SplitWatermark, WatermarkStrategy,
};
use std::sync::Arc;
use std::time::Duration;

/// What a source task wants next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// It has more now.
    Again,
    /// Ask again after this long.
    Wait(Duration),
    /// It has ended and said so.
    Ended,
}

struct SplitTask {
    id: String,
    reader: Box<dyn SourceReader>,
    watermark: Option<SplitWatermark>,
    last_row_ms: i64,
    retry_at_ms: i64,
    idle: bool,
    ended: bool,
}

/// The splits that one worker reads.
pub(crate) struct SourceTask {
    name: Arc<str>,
    splits: Vec<SplitTask>,
    strategy: Option<WatermarkStrategy>,
    event_time: Option<usize>,
    least: MinWatermark,
    counters: Arc<Counters>,
    said_idle: bool,
    ended: bool,
    latest: EventTime,
}

/// What a source task is made of.
pub(crate) struct SourceSpec<'a> {
    pub(crate) name: Arc<str>,
    pub(crate) source: &'a Arc<dyn Source>,
    pub(crate) strategy: Option<WatermarkStrategy>,
    pub(crate) columns: &'a [usize],
    pub(crate) counters: Arc<Counters>,
    pub(crate) worker: usize,
    pub(crate) workers: usize,
}

impl SourceTask {
    /// Opens the splits that are this worker's.
    pub(crate) fn open(spec: SourceSpec<'_>, now_ms: i64) -> Result<Self> {
        let place = |error: Error| error.context(format!("source '{}'", spec.name));
        let mine = spec.source.splits().map_err(place)?.into_iter().skip(spec.worker).step_by(spec.workers);
        let splits = mine
            .map(|split| {
                tracing::debug!(source = %spec.name, worker = spec.worker, split = %split.id, "a split is opened");
                Ok(SplitTask {
                    reader: spec.source.open(&split, spec.columns, &spec.counters).map_err(place)?,
                    id: split.id,
                    watermark: spec.strategy.as_ref().map(SplitWatermark::new),
                    last_row_ms: now_ms,
                    retry_at_ms: i64::MIN,
                    idle: false,
                    ended: false,
                })
            })
            .collect::<Result<Vec<_>>>()?;
        let event_time = spec.source.schema().project(spec.columns)?.event_time().filter(|_| spec.strategy.is_some());
        Ok(Self {
            name: spec.name,
            least: MinWatermark::new(splits.len()),
            splits,
            strategy: spec.strategy,
            event_time,
            counters: spec.counters,
            said_idle: false,
            ended: false,
            latest: EventTime::MIN,
        })
    }

    /// The latest event time read.
    pub(crate) fn latest(&self) -> EventTime {
        self.latest
    }

    /// Reads one batch from the split that is furthest behind, and says what that means for the watermark.
    pub(crate) fn poll(&mut self, rows_max: usize, now_ms: i64, out: &mut Vec<Outgoing>) -> Result<Next> {
        if self.ended {
            return Ok(Next::Ended);
        }
        let ready = (0..self.splits.len())
            .filter(|&split| !self.splits[split].ended && self.splits[split].retry_at_ms <= now_ms)
            .min_by_key(|&split| self.splits[split].watermark.as_ref().map(SplitWatermark::current));
        if let Some(split) = ready {
            self.read(split, rows_max, now_ms, out)?;
        }
        self.find_idle(now_ms, out);
        if self.splits.iter().all(|split| split.ended) {
            self.finish(true, out);
            return Ok(Next::Ended);
        }
        Ok(self.next(now_ms))
    }

    /// Ends before the input does.
    pub(crate) fn stop(&mut self, out: &mut Vec<Outgoing>) {
        if !self.ended {
            self.finish(false, out);
        }
    }

    fn finish(&mut self, complete: bool, out: &mut Vec<Outgoing>) {
        self.ended = true;
        if complete {
            out.push(Outgoing::Signal(Signal::Watermark(EventTime::MAX)));
        }
        out.push(Outgoing::Signal(Signal::End { complete }));
    }

    fn next(&self, now_ms: i64) -> Next {
        let open = self.splits.iter().filter(|split| !split.ended);
        let wait_ms = open.map(|split| split.retry_at_ms.saturating_sub(now_ms)).min().unwrap_or(0);
        if wait_ms <= 0 { Next::Again } else { Next::Wait(Duration::from_millis(wait_ms.unsigned_abs())) }
    }

    fn read(&mut self, split: usize, rows_max: usize, now_ms: i64, out: &mut Vec<Outgoing>) -> Result<()> {
        let task = &mut self.splits[split];
        let place = |error: Error| error.context(format!("source '{}'", self.name));
        match task.reader.poll(rows_max).map_err(place)? {
            Poll::Pending(wait) => {
                let wait_ms = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX).max(1);
                task.retry_at_ms = now_ms.saturating_add(wait_ms);
            }
            Poll::End => {
                task.ended = true;
                let moved = self.least.set_idle(split);
                self.say(moved, out);
            }
            Poll::Rows(rows) if rows.num_rows() == 0 => {}
            Poll::Rows(rows) => {
                task.last_row_ms = now_ms;
                task.idle = false;
                Counters::add(&self.counters.rows_out, rows.num_rows() as u64);
                self.give(split, rows, out)?;
            }
        }
        Ok(())
    }

    fn give(&mut self, split: usize, rows: arrow::array::RecordBatch, out: &mut Vec<Outgoing>) -> Result<()> {
        let task = &mut self.splits[split];
        let (Some(watermark), Some(event_time)) = (&mut task.watermark, self.event_time) else {
            out.push(Outgoing::Rows(MAIN, Batch::from_parts(rows, self.event_time, None)));
            return Ok(());
        };
        if rows.column(event_time).null_count() > 0 {
            return Err(Error::data("a row has no event time")
                .context(format!("source '{}', split {}", self.name, task.id))
                .help(
                    "declare the column NOT NULL and choose a policy with bad_rows, or filter such rows before they get here",
                ));
        }
        debug_assert!(!millis(rows.column(event_time)).is_empty());
        watermark.split(rows, event_time, |batch| out.push(Outgoing::Rows(MAIN, batch)))?;
        self.latest = self.latest.max(watermark.latest());
        let current = watermark.current();
        if current > EventTime::MIN {
            let moved = self.least.update(split, current);
            self.said_idle = false;
            self.say(moved, out);
        }
        Ok(())
    }

    fn find_idle(&mut self, now_ms: i64, out: &mut Vec<Outgoing>) {
        let Some(timeout) = self.strategy.and_then(|strategy| strategy.idle_after) else { return };
        let timeout_ms = i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX);
        for split in 0..self.splits.len() {
            let task = &mut self.splits[split];
            if !task.idle && !task.ended && now_ms.saturating_sub(task.last_row_ms) >= timeout_ms {
                task.idle = true;
                let moved = self.least.set_idle(split);
                self.say(moved, out);
            }
        }
        let all_idle = self.splits.iter().all(|task| task.idle || task.ended);
        if all_idle && !self.said_idle && self.splits.iter().any(|task| !task.ended) {
            self.said_idle = true;
            out.push(Outgoing::Signal(Signal::Idle));
        }
    }

    fn say(&mut self, moved: Option<EventTime>, out: &mut Vec<Outgoing>) {
        if let Some(watermark) = moved {
            self.counters.set_watermark(watermark);
            out.push(Outgoing::Signal(Signal::Watermark(watermark)));
        }
    }
}
