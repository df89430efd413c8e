//! Sinks that are not ready: their arrivals stay in the queue, and the worker goes on with other operators.
//!
//! Arrivals in the queue hold their engine time, so the sources upstream get no credit back for them and stop reading when it is
//! used up.

use super::epoch_queue::Turn;
use super::job_shared::number;
use super::message::Payload;
use super::operator::{Arrival, Task};
use crate::driver::{ControlEvent, Driver};
use egret_core::{Epoch, Readiness, Result, Step};

impl Task {
    /// Whether a sink is not ready for the step that an arrival asks for; the instance runs again when it may be.
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

    /// Whether a sink whose input has ended still has output to publish.
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

    /// Whether the operator is not ready for a step; the instance runs again when it may be.
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
