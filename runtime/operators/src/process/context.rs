//! What a process function sees while it is called.

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

    /// Asks for [`super::ProcessFunction::on_timer`] when the watermark passes `time`. Of what a timer sets behind the end of the input
    /// nothing comes: see there.
    pub fn event_timer(&mut self, time: EventTime) {
        if !self.timers.is_closed {
            self.timers.event.insert((time.0, self.key.to_vec()));
        }
    }

    /// Takes an event-time timer back.
    pub fn cancel_event_timer(&mut self, time: EventTime) {
        self.timers.event.remove(&(time.0, self.key.to_vec()));
    }

    /// Asks for [`super::ProcessFunction::on_processing_timer`] at this time on the wall.
    pub fn processing_timer(&mut self, at_ms: i64) {
        self.timers.processing.insert((at_ms, self.key.to_vec()));
    }

    /// The event time of the row or timer at hand.
    pub fn time(&self) -> EventTime {
        self.time
    }

    /// The watermark.
    pub fn watermark(&self) -> EventTime {
        self.watermark
    }

    /// The time on the wall in milliseconds.
    pub fn processing_time_ms(&self) -> i64 {
        self.processing_time_ms
    }
}

/// What is used from call to call.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    pub(super) bytes: Vec<u8>,
    /// The slot that was read last: most likely the one that is read next.
    pub(super) slot: u16,
    /// The slots whose values have a time to live.
    pub(super) ttl: Vec<(u16, TtlClock)>,
}

/// Timers of all keys, in order of time.
#[derive(Debug, Default, Clone)]
pub(super) struct Timers {
    pub(super) event: BTreeSet<(i64, Vec<u8>)>,
    pub(super) processing: BTreeSet<(i64, Vec<u8>)>,
    /// Whether a timer behind the end of the input is firing: it sets no other.
    pub(super) is_closed: bool,
}
