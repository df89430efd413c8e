//! Reads a worker's splits: the one furthest behind first, each with its own watermark.

use crate::checkpoint::SplitPosition;
use crate::driver::{Outgoing, Signal};
use egret_core::batch::millis;
use egret_core::metrics::Counters;
use egret_core::{
    Batch, Error, EventTime, MAIN, MinWatermark, Poll, Result, Source, SourceReader, SplitStart, SplitWatermark,
    WatermarkStrategy,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// What a source task wants next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// It has more now.
    Again,
    /// Ask again after this long.
    Wait(Duration),
    /// It has been read to its end.
    Ended,
}

struct SplitTask {
    id: String,
    /// None where the split has been read to its end.
    reader: Option<Box<dyn SourceReader>>,
    /// Where it was when it ended.
    end: Vec<u8>,
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
    /// All splits, as they were listed for all workers.
    pub(crate) splits: &'a [SplitStart],
    /// Where a checkpoint says that splits are, by their ids then.
    pub(crate) restored: Option<&'a BTreeMap<String, SplitPosition>>,
}

impl SplitTask {
    /// Opens a split where a checkpoint says that it was, or at its start.
    fn open(spec: &SourceSpec<'_>, start: &SplitStart, now_ms: i64) -> Result<Self> {
        let split = &start.split;
        tracing::debug!(source = %spec.name, worker = spec.worker, split = %split.id, "a split is opened");
        let mut task = Self {
            reader: None,
            end: Vec::new(),
            id: split.id.clone(),
            watermark: spec.strategy.as_ref().map(SplitWatermark::new),
            last_row_ms: now_ms,
            retry_at_ms: i64::MIN,
            idle: false,
            ended: false,
        };
        let restored = spec.restored.zip(start.goes_on_from.as_ref()).and_then(|(restored, from)| restored.get(from));
        if let (Some(watermark), Some(restored)) = (&mut task.watermark, restored) {
            watermark.resume(restored.latest);
        }
        if let Some(restored) = restored.filter(|_| start.ended) {
            (task.ended, task.end) = (true, restored.position.clone());
            return Ok(task);
        }
        let mut reader = spec.source.open(split, spec.columns, &spec.counters)?;
        if let Some(restored) = restored {
            reader.seek(&restored.position).map_err(|error| error.context(format!("going on with {}", split.id)))?;
        }
        if spec.restored.is_some() && start.goes_on_from.as_ref() != Some(&split.id) {
            reader.keep_what_is_there()?;
        }
        task.reader = Some(reader);
        Ok(task)
    }

    fn state(&self) -> SplitPosition {
        let position = || self.reader.as_ref().map_or_else(Vec::new, |reader| reader.position());
        SplitPosition {
            id: self.id.clone(),
            position: if self.ended { self.end.clone() } else { position() },
            latest: self.watermark.as_ref().map_or(EventTime::MIN, SplitWatermark::latest),
            ended: self.ended,
        }
    }
}

impl SourceTask {
    /// Opens the splits that are this worker's.
    pub(crate) fn open(spec: SourceSpec<'_>, now_ms: i64) -> Result<Self> {
        let place = |error: Error| error.context(format!("source '{}'", spec.name));
        let mine = spec.splits.iter().skip(spec.worker).step_by(spec.workers);
        let splits = mine.map(|split| SplitTask::open(&spec, split, now_ms)).collect::<Result<Vec<_>>>().map_err(place)?;
        let event_time = spec.source.schema().project(spec.columns)?.event_time().filter(|_| spec.strategy.is_some());
        let mut least = MinWatermark::new(splits.len());
        for (number, split) in splits.iter().enumerate() {
            if let Some(watermark) = split.watermark.as_ref().map(SplitWatermark::current) {
                least.update(number, watermark);
            }
            if split.ended {
                least.set_idle(number);
            }
        }
        let latest = splits.iter().filter_map(|split| split.watermark.as_ref()).map(SplitWatermark::latest);
        Ok(Self {
            name: spec.name,
            latest: latest.max().unwrap_or(EventTime::MIN),
            least,
            splits,
            strategy: spec.strategy,
            event_time,
            counters: spec.counters,
            said_idle: false,
            ended: false,
        })
    }

    /// What a restored source says first: how far event time had come.
    pub(crate) fn resume(&mut self, out: &mut Vec<Outgoing>) {
        let current = self.least.current();
        if current > EventTime::MIN {
            self.say(Some(current), out);
        }
    }

    /// Where the splits are, for a checkpoint.
    pub(crate) fn positions(&self) -> Vec<SplitPosition> {
        self.splits.iter().map(SplitTask::state).collect()
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
            self.ended = true;
            out.push(Outgoing::Signal(Signal::Latest(self.latest)));
            out.push(Outgoing::Signal(Signal::Watermark(EventTime::MAX)));
            return Ok(Next::Ended);
        }
        Ok(self.next(now_ms))
    }

    /// Says that no more rows come: because the input has been read to its end, or because it will not be.
    pub(crate) fn end(&mut self, out: &mut Vec<Outgoing>) {
        out.push(Outgoing::Signal(Signal::End { complete: std::mem::replace(&mut self.ended, true) }));
    }

    fn next(&self, now_ms: i64) -> Next {
        let open = self.splits.iter().filter(|split| !split.ended);
        let wait_ms = open.map(|split| split.retry_at_ms.saturating_sub(now_ms)).min().unwrap_or(0);
        if wait_ms <= 0 { Next::Again } else { Next::Wait(Duration::from_millis(wait_ms.unsigned_abs())) }
    }

    fn read(&mut self, split: usize, rows_max: usize, now_ms: i64, out: &mut Vec<Outgoing>) -> Result<()> {
        let task = &mut self.splits[split];
        let place = |error: Error| error.context(format!("source '{}'", self.name));
        let Some(reader) = &mut task.reader else { return Ok(()) };
        match reader.poll(rows_max).map_err(place)? {
            Poll::Pending(wait) => {
                let wait_ms = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX).max(1);
                task.retry_at_ms = now_ms.saturating_add(wait_ms);
            }
            Poll::End => {
                task.ended = true;
                task.end = reader.position();
                // What it holds, a file or memory, is not needed any more.
                task.reader = None;
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
