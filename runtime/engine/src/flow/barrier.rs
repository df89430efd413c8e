//! Barriers: how an operator ends an epoch.
//!
//! Rows travel under engine times, which say which epoch they are of. Rows of a later epoch than the operator's are set aside
//! until every sender has ended this one with a barrier. The operator's state at that moment is its part of the checkpoint.

use super::epoch_queue::Turn;
use super::job_shared::number;
use super::message::Payload;
use super::operator::{Arrival, Task, TaskInput};
use super::output::send_event;
use crate::checkpoint::Contribution;
use crate::driver::{ControlEvent, Driver};
use egret_core::job::NodeKind;
use egret_core::{Epoch, Error, Result, Snapshot};
use egret_state::checkpoint::{Part, PartState};
use timely::dataflow::operators::Capability;

impl Task {
    /// Returns an arrival of this epoch. Sets aside one of a later epoch, and ends the epoch with the last barrier.
    pub(super) fn in_epoch(
        &mut self,
        driver: &mut Driver,
        mut arrival: Arrival,
        handles: &[TaskInput],
    ) -> Result<Option<Arrival>> {
        match (self.queue.turn(&arrival), &arrival.message.payload) {
            (Turn::Barrier, Payload::Event { sender, event: ControlEvent::Barrier(epoch) }) => {
                if driver.barrier(arrival.input, *sender as usize) {
                    self.end_epoch(driver, *epoch, arrival.capabilities)?;
                }
                return Ok(None);
            }
            (Turn::Now | Turn::Barrier, _) => return Ok(Some(arrival)),
            (Turn::Later, _) => {}
        }
        if let (Payload::Rows(batch), Some(backpressure), false) =
            (&arrival.message.payload, &handles[arrival.input].1, arrival.relieved)
        {
            // Rows that are set aside must not use up the room on the edge that the rows before the barrier need.
            backpressure.processed(batch.size_bytes());
            arrival.relieved = true;
        }
        self.queue.set_aside(arrival);
        Ok(None)
    }

    fn end_epoch(&mut self, driver: &mut Driver, epoch: Epoch, capabilities: Vec<Capability<u64>>) -> Result<()> {
        let content = self.content(driver, epoch)?;
        self.contribute(content, false);
        driver.next_epoch();
        for (output, capability) in self.outputs.iter_mut().zip(&capabilities) {
            send_event(output, capability, self.worker, self.shared.workers, ControlEvent::Barrier(epoch));
        }
        self.held = capabilities;
        self.queue.end_epoch();
        Ok(())
    }

    fn content(&self, driver: &mut Driver, epoch: Epoch) -> Result<Contribution> {
        let base = self.participant.as_ref().and_then(|participant| participant.borrow().base(&self.uid)).map(number);
        let (own, keyed) = driver.snapshot(epoch, base)?;
        self.check_snapshot(&own)?;
        let (state, keyed) = match self.is_sink {
            true => (PartState::Sink { committables: own.first }, None),
            false => (PartState::Operator { own, keyed: Snapshot::default() }, Some(keyed).filter(|_| self.has_keyed_state())),
        };
        Ok(Contribution { part: Part::new(&*self.uid, self.worker as u32, state), keyed })
    }

    /// Refuses a snapshot whose operator declares no layout: a changed job could restore it and read it as something else.
    fn check_snapshot(&self, own: &Snapshot) -> Result<()> {
        match &self.shared.job.node(self.id).kind {
            NodeKind::Operator(factory) if !own.is_empty() && factory.state_layouts().is_empty() => {
                let message = format!("'{}' gives state to a checkpoint and does not say what it depends on", self.name);
                Err(Error::bug(message).help("its factory's state_layouts must say it"))
            }
            _ => Ok(()),
        }
    }

    fn has_keyed_state(&self) -> bool {
        matches!(&self.shared.job.node(self.id).kind, NodeKind::Operator(factory) if factory.uses_keyed_state())
    }

    fn contribute(&self, contribution: Contribution, at_end: bool) {
        if let Some(participant) = &self.participant {
            participant.borrow_mut().contribute(self.queue.epoch(), contribution, at_end);
        }
    }

    /// Contributes the last output of a sink whose input has ended.
    pub(super) fn contribute_last(&mut self, driver: &mut Driver) -> Result<()> {
        if !std::mem::replace(&mut self.gave_last, true) {
            let content = self.content(driver, number(self.queue.epoch()))?;
            self.contribute(content, true);
        }
        Ok(())
    }

    /// Tells the operator of checkpoints that are complete. Returns whether it has nothing left to do: its last output is published,
    /// or the job is stopping.
    pub(super) fn checkpoint_complete(&mut self, driver: &mut Driver) -> Result<bool> {
        let Some(participant) = &self.participant else { return Ok(false) };
        let (committed, is_halting) = (participant.borrow().committed(), participant.borrow().is_halting());
        if committed > self.committed {
            self.committed = committed;
            driver.checkpoint_complete(number(committed))?;
        }
        Ok(is_halting || (self.gave_last && committed >= self.queue.epoch()))
    }
}
