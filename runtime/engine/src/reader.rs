//! Reads a worker's splits: the split furthest behind in event time first; splits that are equal take turns.

use crate::checkpoint::{Activity, SplitPosition};
use crate::discovery::Discovery;
use crate::driver::{ControlEvent, Outgoing};
use crate::holds::{Change, Watch};
use crate::screen::{Far, Screen};
use crate::source_clock::SourceClock;
use crate::source_spec::SourceSpec;
use crate::split_task::SplitTask;
use crate::told::Told;
use arrow::array::{BooleanArray, RecordBatch};
use arrow::buffer::BooleanBuffer;
use arrow::compute::filter_record_batch;
use arrow::datatypes::Schema;
use egret_core::bad_rows::letters_of_source;
use egret_core::metrics::{Counters, Hold};
use egret_core::row_place::place_field;
use egret_core::{
    BadRow, BadRowRule, Batch, Clock, Epoch, Error, EventTime, MAIN, Poll, Result, SplitWatermark, WatermarkStrategy, micros_of,
};
use std::sync::Arc;
use std::time::Duration;

/// How long to wait where all splits that are known have ended, and there may be others.
const LOOKS_EVERY_MS: i64 = 10;

/// What a source task wants next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Poll again now.
    Again,
    /// Poll again after this long.
    Wait(Duration),
    /// All splits have been read to their end.
    Ended,
}

/// The splits that one worker reads.
pub(crate) struct SourceTask {
    name: Arc<str>,
    worker: usize,
    splits: Vec<SplitTask>,
    strategy: Option<WatermarkStrategy>,
    /// The column's place and its name.
    event_time: Option<(usize, String)>,
    screen: Screen,
    clock: SourceClock,
    counters: Arc<Counters>,
    /// Counts polls, if splits take turns.
    turn: Option<u64>,
    sent: EventTime,
    said_idle: bool,
    ended: bool,
    latest: EventTime,
    watch: Watch,
    wall: Arc<dyn Clock>,
    meets: Vec<Arc<Counters>>,
    /// Whether rows get their places.
    places: bool,
    /// The output for rows that cannot be read, if there is one.
    letters: Option<usize>,
    bad_rows: BadRowRule,
    /// Of a source whose readers are told of checkpoints, where there are any.
    told: Option<Told>,
    /// Of a source that gets splits while the job runs.
    discovery: Option<Discovery>,
    has_checkpoints: bool,
}

impl SourceTask {
    /// Opens the splits that are this worker's.
    pub(crate) fn open(spec: SourceSpec<'_>) -> Result<Self> {
        let place = |error: Error| error.context(format!("source '{}'", spec.name));
        let mine = spec.splits.iter().enumerate().skip(spec.worker).step_by(spec.workers);
        let splits = mine.map(|(number, split)| SplitTask::open(&spec, number, split));
        let splits = splits.collect::<Result<Vec<_>>>().map_err(place)?;
        let schema = spec.source.schema().project(spec.columns)?;
        let event_time = schema.event_time().filter(|_| spec.strategy.is_some());
        for split in &splits {
            if split.watermark.is_some() {
                spec.clock.advance(split.number, split.current());
                spec.counters.set_reached(split.current());
            }
            if split.has_ended() {
                spec.clock.end(split.number);
            }
        }
        let latest = splits.iter().filter_map(|split| split.watermark.as_ref()).map(SplitWatermark::latest);
        let max_ahead_us = spec.strategy.and_then(|strategy| strategy.max_ahead).map(micros_of);
        let live = (!spec.source.is_bounded()).then(|| Arc::clone(&spec.wall));
        let discovery = Discovery::of(&spec);
        Ok(Self {
            name: spec.name,
            worker: spec.worker,
            latest: latest.max().unwrap_or(EventTime::MIN),
            splits,
            strategy: spec.strategy,
            event_time: event_time.map(|column| (column, schema.arrow().field(column).name().clone())),
            screen: Screen::new(max_ahead_us, live),
            clock: spec.clock,
            counters: spec.counters,
            turn: (!spec.source.is_read_in_order()).then_some(0),
            sent: EventTime::MIN,
            said_idle: false,
            ended: false,
            watch: Watch::new(),
            wall: spec.wall,
            meets: spec.meets,
            places: spec.places,
            letters: spec.letters,
            bad_rows: spec.bad_rows.clone(),
            told: (spec.has_checkpoints && spec.source.is_told_of_checkpoints()).then(Told::default),
            discovery,
            has_checkpoints: spec.has_checkpoints,
        })
    }

    /// Sends what a restored source sends first: the watermark that it had reached.
    pub(crate) fn resume(&mut self, out: &mut Vec<Outgoing>) {
        let (current, _) = self.clock.now();
        if current > EventTime::MIN {
            self.send_watermark(current, out);
        }
    }

    /// Where the splits are at the end of an epoch, for its checkpoint. Splits that are new belong to the next one.
    pub(crate) fn end_epoch(&mut self, epoch: Epoch) -> Result<Vec<SplitPosition>> {
        let positions: Vec<SplitPosition> = self.splits.iter().map(SplitTask::state).collect();
        if let Some(told) = &mut self.told {
            told.note(epoch, &positions);
        }
        self.take_up()?;
        Ok(positions)
    }

    /// Begins to read what was discovered.
    fn take_up(&mut self) -> Result<()> {
        let Some(discovery) = &mut self.discovery else { return Ok(()) };
        let place = |error: Error| error.context(format!("source '{}'", self.name));
        self.splits.extend(discovery.open(|| self.clock.add()).map_err(place)?);
        Ok(())
    }

    /// Looks for new splits.
    fn discover(&mut self, now_ms: i64) -> Result<()> {
        let Some(discovery) = &mut self.discovery else { return Ok(()) };
        let place = |error: Error| error.context(format!("source '{}'", self.name));
        discovery.look(now_ms).map_err(place)?;
        if self.has_checkpoints { Ok(()) } else { self.take_up() }
    }

    /// Whether its readers are told of checkpoints.
    pub(crate) fn is_told(&self) -> bool {
        self.told.is_some()
    }

    /// The checkpoint of an epoch is complete.
    pub(crate) fn checkpoint_complete(&mut self, epoch: Epoch) -> Result<()> {
        let place = |error: Error| error.context(format!("source '{}'", self.name));
        self.told.as_mut().map_or(Ok(()), |told| told.complete(epoch, &mut self.splits)).map_err(place)
    }

    /// The job has ended, or stops: nothing more is read.
    pub(crate) fn close(&mut self) -> Result<()> {
        let place = |error: Error| error.context(format!("source '{}'", self.name));
        self.splits.iter_mut().try_for_each(SplitTask::close).map_err(place)
    }

    /// The latest event time read.
    pub(crate) fn latest(&self) -> EventTime {
        self.latest
    }

    /// Reads one batch from the split that is furthest behind, and says what that means for the watermark. `now_ms` is time that
    /// passes.
    pub(crate) fn poll(&mut self, rows_max: usize, now_ms: i64, out: &mut Vec<Outgoing>) -> Result<Next> {
        if self.ended {
            return Ok(Next::Ended);
        }
        self.discover(now_ms)?;
        if let Some(split) = self.whose_turn(now_ms) {
            self.read(split, rows_max, now_ms, out)?;
        }
        let goes_on = self.discovery.as_ref().is_some_and(Discovery::goes_on);
        if !goes_on && self.splits.iter().all(SplitTask::has_ended) {
            self.ended = true;
            self.counters.set_hold(self.worker, None);
            out.push(Outgoing::Event(ControlEvent::Latest(self.latest)));
            out.push(Outgoing::Event(ControlEvent::Watermark(EventTime::MAX)));
            return Ok(Next::Ended);
        }
        self.pass_on(out);
        self.look_who_holds_back(now_ms);
        Ok(self.next(now_ms))
    }

    /// Says that no more rows come: because the input has been read to its end, or because it will not be.
    pub(crate) fn end(&mut self, out: &mut Vec<Outgoing>) {
        out.push(Outgoing::Event(ControlEvent::End { complete: std::mem::replace(&mut self.ended, true) }));
    }

    fn whose_turn(&mut self, now_ms: i64) -> Option<usize> {
        let takes_turns = self.turn.is_some();
        let key =
            |split: &SplitTask| (split.watermark.is_some().then(|| split.current()), if takes_turns { split.turn } else { 0 });
        let ready = self.splits.iter().enumerate().filter(|(_, split)| !split.has_ended() && split.retry_at_ms <= now_ms);
        let (split, _) = ready.min_by_key(|(_, split)| key(split))?;
        if let Some(turn) = &mut self.turn {
            *turn += 1;
            self.splits[split].turn = *turn;
        }
        Some(split)
    }

    fn next(&self, now_ms: i64) -> Next {
        let open = self.splits.iter().filter(|split| !split.has_ended());
        let wait_ms = open.map(|split| split.retry_at_ms.saturating_sub(now_ms)).min().unwrap_or(LOOKS_EVERY_MS);
        if wait_ms <= 0 { Next::Again } else { Next::Wait(Duration::from_millis(wait_ms.unsigned_abs())) }
    }

    fn read(&mut self, split: usize, rows_max: usize, now_ms: i64, out: &mut Vec<Outgoing>) -> Result<()> {
        let task = &mut self.splits[split];
        let name = Arc::clone(&self.name);
        let place = |error: Error| error.context(format!("source '{name}'"));
        let Some(reader) = &mut task.reader else { return Ok(()) };
        let polled = reader.poll(rows_max).map_err(place)?;
        self.send_letters(split, out)?;
        let task = &mut self.splits[split];
        match polled {
            Poll::Pending(wait) => self.wait(split, wait, now_ms),
            Poll::End => {
                task.end(self.told.is_some()).map_err(place)?;
                self.clock.end(task.number);
            }
            Poll::Rows(rows) if rows.num_rows() == 0 => {}
            Poll::Rows(rows) => {
                task.quiet_since_ms = None;
                self.send_rows(split, rows, out)?;
            }
        }
        Ok(())
    }

    /// A poll of a split gave nothing. The split is idle once that has been so for its idle timeout.
    fn wait(&mut self, split: usize, wait: Duration, now_ms: i64) {
        let task = &mut self.splits[split];
        let mut retry_at_ms = now_ms.saturating_add(millis_of(wait).max(1));
        // One that need not be waited for is reading what are no rows.
        if !wait.is_zero() {
            let since_ms = *task.quiet_since_ms.get_or_insert(now_ms);
            if let Some(timeout) = self.strategy.and_then(|strategy| strategy.idle_after)
                && task.activity == Activity::Active
            {
                let idle_at_ms = since_ms.saturating_add(millis_of(timeout));
                if idle_at_ms <= now_ms {
                    task.activity = Activity::Idle;
                    self.clock.rest(task.number);
                } else {
                    retry_at_ms = retry_at_ms.min(idle_at_ms);
                }
            }
        }
        task.retry_at_ms = retry_at_ms;
    }

    fn send_rows(&mut self, split: usize, rows: RecordBatch, out: &mut Vec<Outgoing>) -> Result<()> {
        let event_time = self.event_time.as_ref().map(|(column, _)| *column);
        let (Some(column), true) = (event_time, self.strategy.is_some()) else {
            Counters::add(&self.counters.rows_out, rows.num_rows() as u64);
            let rows = self.placed(split, rows)?;
            out.push(Outgoing::Rows(MAIN, Batch::from_parts(rows, event_time, None)));
            return Ok(());
        };
        let rows = self.screened(split, rows)?;
        self.send_letters(split, out)?;
        if rows.num_rows() == 0 {
            return Ok(());
        }
        Counters::add(&self.counters.rows_out, rows.num_rows() as u64);
        if self.splits[split].activity == Activity::Idle {
            self.wake(split, out);
        }
        let task = &mut self.splits[split];
        let Some(watermark) = &mut task.watermark else { return Ok(()) };
        watermark.split(rows, column, |batch| out.push(Outgoing::Rows(MAIN, batch)))?;
        self.latest = self.latest.max(watermark.latest());
        self.counters.set_reached(watermark.current());
        self.clock.advance(task.number, watermark.current());
        Ok(())
    }

    /// Sends the rows that could not be read to the job's sink for them.
    fn send_letters(&mut self, split: usize, out: &mut Vec<Outgoing>) -> Result<()> {
        let letters = self.splits[split].reader.as_mut().map_or_else(Vec::new, |reader| reader.take_letters());
        if letters.is_empty() {
            return Ok(());
        }
        let Some(port) = self.letters else {
            return Err(Error::job(format!("source '{}' gives its bad rows to the job, which has no sink for them", self.name))
                .help("name one with dead_letter_sink, or set bad_rows = 'dead_letter' to write them to a file"));
        };
        out.push(Outgoing::Rows(port, letters_of_source(&letters, &self.bad_rows)?));
        Ok(())
    }

    /// Wakes a split that was idle and has rows. Its rows below the watermark that went out without it are late. From now on the
    /// watermark waits for it, and those downstream are told so before its rows.
    fn wake(&mut self, split: usize, out: &mut Vec<Outgoing>) {
        let task = &mut self.splits[split];
        task.activity = Activity::Active;
        let passed = self.clock.wake(task.number);
        if let Some(watermark) = &mut task.watermark {
            watermark.raise(passed);
        }
        if self.said_idle {
            self.send_watermark(passed.max(self.sent), out);
        }
    }

    /// The rows whose event times can be used. The others go back to the split's reader as bad rows.
    fn screened(&mut self, split: usize, rows: RecordBatch) -> Result<RecordBatch> {
        let Some((column, name)) = &self.event_time else { return Ok(rows) };
        let task = &mut self.splits[split];
        let latest = task.watermark.as_ref().map_or(EventTime::MIN, SplitWatermark::latest);
        let seen = self.screen.look(rows.column(*column), name, latest);
        if let Some(far) = &seen.far {
            remark(&self.name, task, far, &self.counters);
        }
        if seen.bad.is_empty() {
            return self.placed(split, rows);
        }
        let place = |error: Error| error.context(format!("source '{}', split {}", self.name, task.id));
        task.reader.as_mut().map_or(Ok(()), |reader| reader.refuse(&rows, &seen.bad)).map_err(place)?;
        without(&self.placed(split, rows)?, &seen.bad)
    }

    /// Counts rows that a split gave, and adds their places where these are asked for.
    fn placed(&mut self, split: usize, rows: RecordBatch) -> Result<RecordBatch> {
        let task = &mut self.splits[split];
        let from = task.places.count(rows.num_rows());
        if !self.places {
            return Ok(rows);
        }
        let place = |error: Error| error.context(format!("source '{}', split {}", self.name, task.id));
        let places = from.column(rows.num_rows()).map_err(place)?;
        let fields = rows.schema_ref().fields().iter().map(|field| field.as_ref().clone()).chain([place_field()]);
        let columns = rows.columns().iter().cloned().chain([places]).collect();
        Ok(RecordBatch::try_new(Arc::new(Schema::new(fields.collect::<Vec<_>>())), columns)?)
    }

    /// Sends the watermark if it has moved, and idleness if it has changed.
    fn pass_on(&mut self, out: &mut Vec<Outgoing>) {
        let (current, is_idle) = self.clock.now();
        if current > self.sent {
            self.send_watermark(current, out);
        }
        if is_idle && !self.said_idle {
            self.said_idle = true;
            out.push(Outgoing::Event(ControlEvent::Idle));
        }
    }

    fn send_watermark(&mut self, watermark: EventTime, out: &mut Vec<Outgoing>) {
        (self.sent, self.said_idle) = (watermark, false);
        self.counters.set_watermark(watermark);
        out.push(Outgoing::Event(ControlEvent::Watermark(watermark)));
    }

    /// Shows which split keeps the watermark from moving, and warns of it after a minute.
    fn look_who_holds_back(&mut self, now_ms: i64) {
        if self.strategy.is_none() || !self.watch.is_due(now_ms) {
            return;
        }
        let waited_for = self.splits.iter().filter(|split| split.activity == Activity::Active);
        let slowest = waited_for.min_by_key(|split| split.current());
        let reached = self.meets.iter().map(|counters| counters.reached()).max().unwrap_or(EventTime::MIN);
        let at = slowest.map_or(reached, SplitTask::current);
        let told = self.watch.look(at, reached, now_ms, self.wall.now_ms());
        match (told, slowest) {
            (Change::Nothing, _) => {}
            (Change::Held { since_ms, warn }, Some(slowest)) => {
                let hold = Hold { split: slowest.id.clone(), at, reached, since: EventTime::from_millis(since_ms) };
                if warn {
                    tracing::warn!(
                        "stream '{}' is {hold}; if that may be so, set idle_timeout, and it is not waited for",
                        self.name
                    );
                }
                self.counters.set_hold(self.worker, Some(hold));
            }
            (Change::Held { .. } | Change::Free, _) => self.counters.set_hold(self.worker, None),
        }
    }
}

fn millis_of(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Names the first row of a stream whose time is far from the others': once.
fn remark(source: &str, split: &SplitTask, far: &Far, counters: &Counters) {
    if !counters.remarks_now() {
        return;
    }
    let place =
        split.reader.as_ref().and_then(|reader| reader.place_of(far.row)).map_or(String::new(), |place| format!(", {place}"));
    let remark = format!("{}{place}: {}", split.id, far.what);
    tracing::warn!("stream '{source}': {remark}: rows far behind are late; max_ahead makes rows that are too far ahead bad rows");
    counters.note(remark);
}

/// The rows of a batch that are not bad.
fn without(rows: &RecordBatch, bad: &[BadRow]) -> Result<RecordBatch> {
    let mut good = vec![true; rows.num_rows()];
    bad.iter().for_each(|bad| good[bad.row] = false);
    Ok(filter_record_batch(rows, &BooleanArray::new(BooleanBuffer::from(good), None))?)
}

#[cfg(test)]
#[path = "tests/reader.rs"]
mod tests;
