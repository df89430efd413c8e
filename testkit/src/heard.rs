//! What an instance knows about event time, tracked as in the engine's driver.

use arrow::array::BooleanArray;
use arrow::buffer::BooleanBuffer;
use egret_core::{Batch, EventTime, MinWatermark, Result};

/// The origin of the rows of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Senders {
    /// One instance on each worker.
    Every,
    /// A single instance. If it forwards the rows, the receiver is a single instance, too.
    One,
}

/// The least watermark of each input over the senders of this instance, and over all inputs.
pub(crate) struct Heard {
    inputs: Vec<MinWatermark>,
    combined: MinWatermark,
    saw_idle: bool,
}

/// The watermarks that a control event has moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Moved {
    /// The watermark of the input.
    pub(crate) input: Option<EventTime>,
    /// The least watermark of all inputs.
    pub(crate) combined: Option<EventTime>,
}

impl Heard {
    /// `senders`: for each input, which of the upstream instances send to this one.
    pub(crate) fn new(senders: &[Vec<bool>]) -> Self {
        let input = |senders: &Vec<bool>| {
            let mut least = MinWatermark::new(senders.len()).of_parts();
            senders.iter().enumerate().filter(|(_, sends)| !**sends).for_each(|(sender, _)| {
                least.set_ended(sender);
            });
            least
        };
        let mut heard =
            Self { inputs: senders.iter().map(input).collect(), combined: MinWatermark::new(senders.len()), saw_idle: false };
        for input in (0..senders.len()).filter(|&input| !senders[input].contains(&true)) {
            heard.combined.set_ended(input);
        }
        heard
    }

    /// The least watermark of all inputs.
    pub(crate) fn current(&self) -> EventTime {
        self.combined.current()
    }

    pub(crate) fn watermark(&mut self, input: usize, sender: usize, watermark: EventTime) -> Moved {
        let moved = self.inputs[input].update(sender, watermark);
        self.combined.set_active(input);
        Moved { input: moved, combined: moved.and_then(|watermark| self.combined.update(input, watermark)) }
    }

    pub(crate) fn idle(&mut self, input: usize, sender: usize) -> Moved {
        self.saw_idle = true;
        let moved = self.inputs[input].set_idle(sender);
        let by_update = moved.and_then(|watermark| self.combined.update(input, watermark));
        let by_idling = if self.inputs[input].is_idle() { self.combined.set_idle(input) } else { None };
        Moved { input: moved, combined: by_idling.or(by_update) }
    }

    /// The rows as the operator receives them. A sender that was idle may come back with rows behind the watermark that the
    /// others have reached: those are late.
    pub(crate) fn parts(&self, batch: Batch) -> Result<Vec<Batch>> {
        let watermark = self.current();
        let behind = |batch: &Batch| batch.event_times().is_some_and(|times| times.iter().any(|&time| time < watermark.0));
        if !self.saw_idle || batch.late().is_some() || !behind(&batch) {
            return Ok(vec![batch]);
        }
        let times = batch.event_times().unwrap_or_default();
        let on_time = BooleanBuffer::collect_bool(times.len(), |row| times[row] >= watermark.0);
        let late = BooleanArray::new(!&on_time, None);
        let parts = [batch.filter(&BooleanArray::new(on_time, None))?, batch.filter(&late)?.with_late(Some(watermark))];
        Ok(parts.into_iter().filter(|part| part.num_rows() > 0).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: fn(i64) -> Option<EventTime> = |time| Some(EventTime(time));

    #[test]
    fn the_least_of_those_who_send_counts() {
        let mut heard = Heard::new(&[vec![true, true], vec![false, true]]);
        assert_eq!(heard.watermark(0, 0, EventTime(5)), Moved::default());
        assert_eq!(heard.watermark(0, 1, EventTime(7)), Moved { input: AT(5), combined: None });
        assert_eq!(heard.watermark(1, 1, EventTime(3)), Moved { input: AT(3), combined: AT(3) });
        assert_eq!(heard.idle(1, 1), Moved { input: None, combined: AT(5) }, "nobody else sends to it");
        assert_eq!(heard.idle(0, 0), Moved { input: AT(7), combined: AT(7) });
    }

    #[test]
    fn an_input_that_nobody_sends_to_is_not_waited_for() {
        let mut heard = Heard::new(&[vec![true], vec![false]]);
        assert_eq!(heard.watermark(0, 0, EventTime(5)), Moved { input: AT(5), combined: AT(5) });
    }

    #[test]
    fn who_was_idle_comes_back_late() {
        let batch = crate::table::table("at:time\n 3\n 5\n 9").batch();
        let mut heard = Heard::new(&[vec![true, true]]);
        heard.idle(0, 1);
        heard.watermark(0, 0, EventTime(5));
        let late = |parts: Vec<Batch>| parts.iter().map(|part| (part.num_rows(), part.late())).collect::<Vec<_>>();
        assert_eq!(late(heard.parts(batch).expect("it can be cut")), [(2, None), (1, AT(5))]);
    }
}
