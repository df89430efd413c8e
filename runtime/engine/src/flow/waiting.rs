//! Sinks that have to wait for what is outside: what they cannot take yet stays in their queue, and their worker goes on with others.
//!
//! What is in the queue keeps its engine time, so the sources upstream get no credit back for it and read no more than they may have in
//! flight.

use super::epoch_queue::Turn;
use super::job_shared::number;
use super::message::Payload;
use super::operator::{Arrival, Task};
use crate::driver::{ControlEvent, Driver};
use egret_core::{Epoch, Readiness, Result, Step};

impl Task {
    /// Whether a sink cannot take what has arrived yet; it is asked again in a while.
    pub(super) fn waits_before(&mut self, driver: &mut Driver, arrival: &Arrival) -> Result<bool> {
        let turn = self.queue.turn(arrival);
        let step = match &arrival.message.payload {
            Payload::Rows(_) => (turn == Turn::Now).then_some(Step::Write),
            Payload::Event { sender, event: ControlEvent::Barrier(epoch) } if turn == Turn::Barrier => {
                driver.is_last_at_barrier(arrival.input, *sender as usize).then_some(Step::Prepare(*epoch))
            }
            // Where there are no checkpoints, the end of the input publishes all.
            Payload::Event { sender, event: ControlEvent::End { .. } } if self.participant.is_none() => {
                driver.is_last_open(arrival.input, *sender as usize).then_some(Step::Prepare(Epoch::default()))
            }
            _ => None,
        };
        self.waits(driver, step)
    }

    /// Whether a sink whose input has ended has still something to publish.
    pub(super) fn is_publishing(&mut self, driver: &mut Driver) -> Result<bool> {
        if self.participant.is_none() {
            return self.waits(driver, Some(Step::End));
        }
        let step = (!self.gave_last).then(|| Step::Prepare(number(self.queue.epoch())));
        if !self.waits(driver, step)? {
            self.contribute_last(driver)?;
        }
        Ok(true)
    }

    /// Whether an operator is not ready for a step; it is asked again in a while.
    pub(super) fn waits(&mut self, driver: &mut Driver, step: Option<Step>) -> Result<bool> {
        match step.map_or(Ok(Readiness::Ready), |step| driver.poll_ready(step))? {
            Readiness::Ready => Ok(false),
            Readiness::Later(wait) => {
                self.activator.activate_after(wait);
                Ok(true)
            }
        }
    }
}
