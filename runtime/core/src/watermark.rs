//! How a split's watermark is made, and which of its rows are late.

use crate::batch::millis;
use crate::{Batch, EventTime, Result};
use arrow::array::{ArrayRef, BooleanArray, RecordBatch};
use arrow::buffer::BooleanBuffer;
use arrow::compute::filter_record_batch;
use std::time::Duration;

/// How watermarks are made from the rows of a split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatermarkStrategy {
    /// How far behind the latest row another row may be without being late. Zero: ascending.
    pub delay_ms: i64,
    /// A split that gives no rows for this long stops holding the watermark back.
    pub idle_after: Option<Duration>,
}

impl WatermarkStrategy {
    /// Rows come at most this much out of order.
    pub fn bounded_out_of_orderness(delay: Duration) -> Self {
        Self { delay_ms: i64::try_from(delay.as_millis()).unwrap_or(i64::MAX), idle_after: None }
    }

    /// Rows come in order.
    pub fn ascending() -> Self {
        Self { delay_ms: 0, idle_after: None }
    }

    /// Sets the idleness timeout.
    #[must_use]
    pub fn idle_after(mut self, timeout: Duration) -> Self {
        self.idle_after = Some(timeout);
        self
    }
}

/// The watermark of one split: the latest event time so far less the delay.
///
/// A row is late when its event time is below the watermark made of the rows *before it in its split*. That is decided
/// here, row by row, so it depends on the input alone.
#[derive(Clone, Debug)]
pub struct SplitWatermark {
    delay_ms: i64,
    latest: EventTime,
}

impl SplitWatermark {
    /// The start of a split.
    pub fn new(strategy: &WatermarkStrategy) -> Self {
        Self { delay_ms: strategy.delay_ms, latest: EventTime::MIN }
    }

    /// The watermark now.
    pub fn current(&self) -> EventTime {
        if self.latest == EventTime::MIN { EventTime::MIN } else { self.latest.minus_ms(self.delay_ms) }
    }

    /// The latest event time seen, for a checkpoint.
    pub fn latest(&self) -> EventTime {
        self.latest
    }

    /// Continues from a checkpoint.
    pub fn resume(&mut self, latest: EventTime) {
        self.latest = latest;
    }

    /// Takes the next rows of the split and cuts them into on-time and late batches, in order.
    ///
    /// # Errors
    /// The rows cannot be filtered.
    pub fn split(&mut self, rows: RecordBatch, event_time: usize, mut give: impl FnMut(Batch)) -> Result<()> {
        let column = rows.column(event_time).clone();
        let late = self.advance(millis(&column));
        if late.is_empty() {
            give(Batch::from_parts(rows, Some(event_time), None));
            return Ok(());
        }
        self.give_parts(&rows, event_time, &late, give)
    }

    /// Moves over the times; returns the row numbers that are late, with the watermark each was behind.
    fn advance(&mut self, times: &[i64]) -> Vec<(usize, EventTime)> {
        let mut latest = self.latest.0;
        let mut late = Vec::new();
        for (row, &time) in times.iter().enumerate() {
            if time > latest {
                latest = time;
            } else if time < latest.saturating_sub(self.delay_ms) {
                late.push((row, EventTime(latest.saturating_sub(self.delay_ms))));
            }
        }
        self.latest = EventTime(latest);
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

/// The least watermark over several inputs, of which idle ones do not count.
#[derive(Clone, Debug)]
pub struct MinWatermark {
    inputs: Vec<InputStatus>,
    current: EventTime,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct InputStatus {
    watermark: EventTime,
    idle: bool,
}

impl MinWatermark {
    /// `inputs` inputs, none of which has said anything.
    pub fn new(inputs: usize) -> Self {
        Self { inputs: vec![InputStatus { watermark: EventTime::MIN, idle: false }; inputs], current: EventTime::MIN }
    }

    /// Input `input` reached a watermark; returns the new least one if it moved.
    pub fn update(&mut self, input: usize, watermark: EventTime) -> Option<EventTime> {
        let status = &mut self.inputs[input];
        status.watermark = status.watermark.max(watermark);
        status.idle = false;
        self.recompute()
    }

    /// Input `input` is idle until it says something again.
    pub fn set_idle(&mut self, input: usize) -> Option<EventTime> {
        self.inputs[input].idle = true;
        self.recompute()
    }

    /// Input `input` is active again, at the watermark it had.
    pub fn set_active(&mut self, input: usize) {
        self.inputs[input].idle = false;
    }

    /// Whether no input counts.
    pub fn is_idle(&self) -> bool {
        self.inputs.iter().all(|status| status.idle)
    }

    /// The least watermark; it never goes back.
    pub fn current(&self) -> EventTime {
        self.current
    }

    fn recompute(&mut self) -> Option<EventTime> {
        let least = self.inputs.iter().filter(|status| !status.idle).map(|status| status.watermark).min()?;
        (least > self.current).then(|| {
            self.current = least;
            least
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lateness_depends_on_rows_not_on_batches() {
        let times = [10, 12, 30, 19, 20, 31, 20, 21, 5];
        let whole = SplitWatermark::new(&WatermarkStrategy::bounded_out_of_orderness(Duration::from_millis(10))).advance(&times);
        assert_eq!(whole, [(3, EventTime(20)), (6, EventTime(21)), (8, EventTime(21))]);
        let mut one_by_one = SplitWatermark::new(&WatermarkStrategy::bounded_out_of_orderness(Duration::from_millis(10)));
        let late: Vec<usize> = (0..times.len()).filter(|&row| !one_by_one.advance(&times[row..=row]).is_empty()).collect();
        assert_eq!(late, [3, 6, 8]);
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
