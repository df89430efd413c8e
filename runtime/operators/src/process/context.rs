//! The API that a process function uses while it is called.

use super::lifetime::TtlClock;
use egret_core::{EventTime, KeyedState};
use std::collections::BTreeSet;

/// What a process function may do: keyed state, timers, emit.
pub struct ProcessContext<'a, Out> {
    pub(super) key: &'a [u8],
    pub(super) state: &'a mut dyn KeyedState,
    pub(super) scratch: &'a mut Scratch,
    pub(super) timers: &'a mut Timers,
    pub(super) out: &'a mut Vec<Out>,
    pub(super) time: EventTime,
    pub(super) watermark: EventTime,
    pub(super) processing_time_ms: i64,
}

impl<Out> ProcessContext<'_, Out> {
    /// Emits a row.
    pub fn emit(&mut self, row: Out) {
        self.out.push(row);
    }

    /// Sets a timer: [`super::ProcessFunction::on_timer`] is called when the watermark passes `time`. A timer that fires after
    /// the end of the input cannot set another: see there.
    pub fn event_timer(&mut self, time: EventTime) {
        if !self.timers.is_closed {
            self.timers.event.insert((time.0, self.key.to_vec()));
        }
    }

    /// Cancels an event-time timer.
    pub fn cancel_event_timer(&mut self, time: EventTime) {
        self.timers.event.remove(&(time.0, self.key.to_vec()));
    }

    /// Sets a timer: [`super::ProcessFunction::on_processing_timer`] is called at this wall-clock time, in milliseconds since
    /// 1970.
    pub fn processing_timer(&mut self, at_ms: i64) {
        self.timers.processing.insert((at_ms, self.key.to_vec()));
    }

    /// The event time of the current row or timer.
    pub fn time(&self) -> EventTime {
        self.time
    }

    /// The watermark.
    pub fn watermark(&self) -> EventTime {
        self.watermark
    }

    /// The wall-clock time in milliseconds since 1970.
    pub fn processing_time_ms(&self) -> i64 {
        self.processing_time_ms
    }
}

/// Buffers that are reused from call to call.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    pub(super) bytes: Vec<u8>,
    /// The slot that was read last, which most likely is read next.
    pub(super) slot: u16,
    /// The slots whose values have a time to live, and the clock of each.
    pub(super) ttl: Vec<(u16, TtlClock)>,
}

/// Timers of all keys, in order of time.
#[derive(Debug, Default, Clone)]
pub(super) struct Timers {
    pub(super) event: BTreeSet<(i64, Vec<u8>)>,
    pub(super) processing: BTreeSet<(i64, Vec<u8>)>,
    /// Whether the timer that is firing lies after the end of the input: it cannot set another.
    pub(super) is_closed: bool,
}
