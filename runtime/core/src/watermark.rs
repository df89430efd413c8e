//! How a split's watermark is made, and which of its rows are late.

use crate::batch::micros;
use crate::{Batch, EventTime, Result, micros_of};
use arrow::array::{ArrayRef, BooleanArray, RecordBatch};
use arrow::buffer::BooleanBuffer;
use arrow::compute::filter_record_batch;
use std::time::Duration;

/// How watermarks are made from the rows of a split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatermarkStrategy {
    /// How far a row may be behind the latest row without being late, in microseconds. Zero: rows must ascend.
    pub delay_us: i64,
    /// A split without rows for this long no longer holds the watermark back.
    pub idle_after: Option<Duration>,
    /// A row that is more than this ahead of the latest row before it in its split is a bad row.
    pub max_ahead: Option<Duration>,
}

impl WatermarkStrategy {
    /// Rows come at most this much out of order.
    pub fn bounded_out_of_orderness(delay: Duration) -> Self {
        Self { delay_us: micros_of(delay), idle_after: None, max_ahead: None }
    }

    /// Rows come in order.
    pub fn ascending() -> Self {
        Self { delay_us: 0, idle_after: None, max_ahead: None }
    }

    /// Sets the idleness timeout.
    #[must_use]
    pub fn idle_after(mut self, timeout: Duration) -> Self {
        self.idle_after = Some(timeout);
        self
    }

    /// Sets how far a row may be ahead of the latest row before it in its split.
    #[must_use]
    pub fn max_ahead(mut self, ahead: Duration) -> Self {
        self.max_ahead = Some(ahead);
        self
    }
}

/// The watermark of one split: the latest event time so far minus the delay.
///
/// A row is late if its event time is below the watermark made of the rows *before it in its split*. That is decided here, row by
/// row, so it depends on the input alone. A split that was idle while other splits went on has a *floor*, too: rows below it are
/// late whatever came before them in the split.
#[derive(Clone, Debug)]
pub struct SplitWatermark {
    delay_us: i64,
    latest: EventTime,
    floor: EventTime,
}

impl SplitWatermark {
    /// The state at the start of a split.
    pub fn new(strategy: &WatermarkStrategy) -> Self {
        Self { delay_us: strategy.delay_us, latest: EventTime::MIN, floor: EventTime::MIN }
    }

    /// The watermark now.
    pub fn current(&self) -> EventTime {
        self.by_rows().max(self.floor)
    }

    fn by_rows(&self) -> EventTime {
        if self.latest == EventTime::MIN { EventTime::MIN } else { self.latest.minus_us(self.delay_us) }
    }

    /// The time below which every row is late, for a checkpoint.
    pub fn floor(&self) -> EventTime {
        self.floor
    }

    /// Tells the split that the watermark of all splits has reached `passed`, so rows below it are late. It exceeds this split's
    /// own watermark only if the split was idle.
    pub fn raise(&mut self, passed: EventTime) {
        if passed > self.by_rows() {
            self.floor = self.floor.max(passed);
        }
    }

    /// The latest event time so far, for a checkpoint.
    pub fn latest(&self) -> EventTime {
        self.latest
    }

    /// Continues from a checkpoint.
    pub fn resume(&mut self, latest: EventTime, floor: EventTime) {
        (self.latest, self.floor) = (latest, floor);
    }

    /// Divides the next rows of the split into on-time and late batches, in order.
    ///
    /// # Errors
    /// The rows cannot be filtered.
    pub fn split(&mut self, rows: RecordBatch, event_time: usize, mut give: impl FnMut(Batch)) -> Result<()> {
        let column = rows.column(event_time).clone();
        let late = self.advance(micros(&column));
        if late.is_empty() {
            give(Batch::from_parts(rows, Some(event_time), None));
            return Ok(());
        }
        self.give_parts(&rows, event_time, &late, give)
    }

    /// Advances over these times; returns the numbers of late rows, each with the watermark it was behind.
    fn advance(&mut self, times: &[i64]) -> Vec<(usize, EventTime)> {
        if self.floor > self.by_rows() {
            return self.advance_above_floor(times);
        }
        let mut latest = self.latest.0;
        let mut late = Vec::new();
        for (row, &time) in times.iter().enumerate() {
            if time > latest {
                latest = time;
            } else if time < latest.saturating_sub(self.delay_us) {
                late.push((row, EventTime(latest.saturating_sub(self.delay_us))));
            }
        }
        self.latest = EventTime(latest);
        late
    }

    /// Like [`SplitWatermark::advance`], while the floor is above the split's own watermark.
    fn advance_above_floor(&mut self, times: &[i64]) -> Vec<(usize, EventTime)> {
        let mut late = Vec::new();
        for (row, &time) in times.iter().enumerate() {
            let current = self.current();
            if time < current.0 {
                late.push((row, current));
            }
            self.latest = self.latest.max(EventTime(time));
        }
        late
    }

    fn give_parts(
        &self,
        rows: &RecordBatch,
        event_time: usize,
        late: &[(usize, EventTime)],
        mut give: impl FnMut(Batch),
    ) -> Result<()> {
        let mut on_time = vec![true; rows.num_rows()];
        late.iter().for_each(|(row, _)| on_time[*row] = false);
        let kept = filter_record_batch(rows, &BooleanArray::new(BooleanBuffer::from(on_time), None))?;
        if kept.num_rows() > 0 {
            give(Batch::from_parts(kept, Some(event_time), None));
        }
        for group in late.chunk_by(|a, b| a.1 == b.1) {
            let indexes: ArrayRef =
                std::sync::Arc::new(arrow::array::UInt32Array::from_iter_values(group.iter().map(|(row, _)| *row as u32)));
            let columns = arrow::compute::take_arrays(rows.columns(), &indexes, None)?;
            let part = RecordBatch::try_new(rows.schema(), columns)?;
            give(Batch::from_parts(part, Some(event_time), Some(group[0].1)));
        }
        Ok(())
    }
}

/// The least watermark of several inputs; idle and ended inputs do not count.
#[derive(Clone, Debug)]
pub struct MinWatermark {
    inputs: Vec<InputStatus>,
    current: EventTime,
    are_parts: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct InputStatus {
    watermark: EventTime,
    activity: Activity,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Activity {
    Active,
    Idle,
    Ended,
}

impl MinWatermark {
    /// For `inputs` inputs, none of which has a watermark yet.
    pub fn new(inputs: usize) -> Self {
        let status = InputStatus { watermark: EventTime::MIN, activity: Activity::Active };
        Self { inputs: vec![status; inputs], current: EventTime::MIN, are_parts: false }
    }

    /// Declares the inputs to be parts of one stream: when none of them is active and some are idle, the greatest watermark
    /// counts. Inputs with different roles never go on without each other.
    #[must_use]
    pub fn of_parts(mut self) -> Self {
        self.are_parts = true;
        self
    }

    /// Adds an input that is idle until its first watermark; returns its number.
    pub fn add(&mut self) -> usize {
        self.inputs.push(InputStatus { watermark: EventTime::MIN, activity: Activity::Idle });
        self.inputs.len() - 1
    }

    /// Input `input` reached a watermark; returns the new least watermark if it moved.
    pub fn update(&mut self, input: usize, watermark: EventTime) -> Option<EventTime> {
        let status = &mut self.inputs[input];
        status.watermark = status.watermark.max(watermark);
        status.activity = Activity::Active;
        self.recompute()
    }

    /// Input `input` is idle until its next watermark.
    pub fn set_idle(&mut self, input: usize) -> Option<EventTime> {
        self.inputs[input].activity = Activity::Idle;
        self.recompute()
    }

    /// Input `input` has ended.
    pub fn set_ended(&mut self, input: usize) -> Option<EventTime> {
        self.inputs[input].activity = Activity::Ended;
        self.recompute()
    }

    /// Input `input` is active again, at the watermark it had.
    pub fn set_active(&mut self, input: usize) {
        self.inputs[input].activity = Activity::Active;
    }

    /// Whether no input is active.
    pub fn is_idle(&self) -> bool {
        self.inputs.iter().all(|status| status.activity != Activity::Active)
    }

    /// Whether all inputs have ended.
    pub fn is_ended(&self) -> bool {
        self.inputs.iter().all(|status| status.activity == Activity::Ended)
    }

    /// The least watermark; it never decreases.
    pub fn current(&self) -> EventTime {
        self.current
    }

    fn recompute(&mut self) -> Option<EventTime> {
        let active = self.inputs.iter().filter(|status| status.activity == Activity::Active);
        let least = active.map(|status| status.watermark).min().or_else(|| self.greatest())?;
        (least > self.current).then(|| {
            self.current = least;
            least
        })
    }

    /// The watermark when no input is active. The end of one input is not the end of the others.
    fn greatest(&self) -> Option<EventTime> {
        let goes_on = self.are_parts && !self.is_ended();
        let said = self.inputs.iter().map(|status| status.watermark).filter(|watermark| *watermark < EventTime::MAX);
        said.max().filter(|_| goes_on)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lateness_depends_on_rows_not_on_batches() {
        let times = [10, 12, 30, 19, 20, 31, 20, 21, 5];
        let whole = SplitWatermark::new(&WatermarkStrategy::bounded_out_of_orderness(Duration::from_micros(10))).advance(&times);
        assert_eq!(whole, [(3, EventTime(20)), (6, EventTime(21)), (8, EventTime(21))]);
        let mut one_by_one = SplitWatermark::new(&WatermarkStrategy::bounded_out_of_orderness(Duration::from_micros(10)));
        let late: Vec<usize> = (0..times.len()).filter(|&row| !one_by_one.advance(&times[row..=row]).is_empty()).collect();
        assert_eq!(late, [3, 6, 8]);
    }

    #[test]
    fn rows_below_the_floor_are_late_until_the_rows_have_passed_it() {
        let strategy = WatermarkStrategy::bounded_out_of_orderness(Duration::from_micros(10));
        for cut in 1..=6 {
            let mut split = SplitWatermark::new(&strategy);
            assert!(split.advance(&[5]).is_empty());
            split.raise(EventTime(100));
            let times = [7, 99, 100, 112, 101, 102];
            let late: Vec<(usize, EventTime)> = times
                .chunks(cut)
                .enumerate()
                .flat_map(|(chunk, times)| split.advance(times).into_iter().map(move |(row, at)| (chunk * cut + row, at)))
                .collect();
            assert_eq!(late, [(0, EventTime(100)), (1, EventTime(100)), (4, EventTime(102))], "{cut} at a time");
            assert_eq!((split.current(), split.floor()), (EventTime(102), EventTime(100)));
        }
    }

    #[test]
    fn when_all_parts_are_idle_the_greatest_counts() {
        let mut parts = MinWatermark::new(3).of_parts();
        parts.update(0, EventTime(5));
        parts.update(1, EventTime(9));
        assert_eq!(parts.set_ended(2), Some(EventTime(5)));
        assert_eq!(parts.set_idle(1), None);
        assert_eq!(parts.set_idle(0), Some(EventTime(9)));
        assert_eq!(parts.update(0, EventTime(7)), None, "it never goes back");
        assert_eq!(parts.set_idle(0), None);
        parts.update(0, EventTime::MAX);
        assert_eq!((parts.set_ended(0), parts.current()), (None, EventTime::MAX));
        let mut inputs = MinWatermark::new(2);
        inputs.update(0, EventTime(5));
        inputs.update(1, EventTime(9));
        assert_eq!((inputs.set_idle(1), inputs.set_idle(0), inputs.current()), (None, None, EventTime(5)));
    }

    #[test]
    fn an_end_is_not_the_greatest_of_those_that_are_idle() {
        let mut parts = MinWatermark::new(2).of_parts();
        parts.update(0, EventTime::MAX);
        parts.update(1, EventTime(3));
        parts.set_ended(0);
        assert_eq!((parts.set_idle(1), parts.current()), (None, EventTime(3)));
        assert!(parts.is_idle() && !parts.is_ended());
    }

    #[test]
    fn idle_inputs_do_not_hold_the_watermark_back() {
        let mut least = MinWatermark::new(2);
        assert_eq!(least.update(0, EventTime(5)), None);
        assert_eq!(least.set_idle(1), Some(EventTime(5)));
        assert_eq!(least.update(0, EventTime(9)), Some(EventTime(9)));
        assert_eq!(least.update(1, EventTime(7)), None);
        assert_eq!(least.current(), EventTime(9));
    }
}
