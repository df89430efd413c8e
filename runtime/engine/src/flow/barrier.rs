//! Barriers: how an operator ends an epoch.
//!
//! Rows travel under engine times, so whatever arrives says which epoch it is of. What is of a later epoch than the
//! operator's waits aside until every sender has ended this one; then the operator's state is that of the epoch's end, and
//! its part of the checkpoint.

use super::job_shared::number;
use super::message::Payload;
use super::operator::{Arrival, Task, TaskInput};
use super::output::send_event;
use crate::checkpoint::Contribution;
use crate::driver::{ControlEvent, Driver};
use egret_core::job::NodeKind;
use egret_core::{EngineTime, Epoch, Error, Result, Snapshot};
use egret_state::checkpoint::{Part, PartState};
use timely::dataflow::operators::Capability;

impl Task {
    /// What has arrived, if it is of this epoch; what is not waits aside, and a barrier may end the epoch.
    pub(super) fn in_epoch(
        &mut self,
        driver: &mut Driver,
        mut arrival: Arrival,
        handles: &[TaskInput],
    ) -> Result<Option<Arrival>> {
        if self.participant.is_none() {
            return Ok(Some(arrival));
        }
        if let Payload::Event { sender, event: ControlEvent::Barrier(epoch) } = arrival.message.payload
            && u64::from(epoch.0) == self.epoch
        {
            if driver.barrier(arrival.input, sender as usize) {
                self.end_epoch(driver, epoch, arrival.capabilities)?;
            }
            return Ok(None);
        }
        if !self.is_later(&arrival) {
            return Ok(Some(arrival));
        }
        if let (Payload::Rows(batch), Some(backpressure), false) =
            (&arrival.message.payload, &handles[arrival.input].1, arrival.relieved)
        {
            // What waits aside must not hold back what is waited for.
            backpressure.processed(batch.size_bytes());
            arrival.relieved = true;
        }
        self.aside.push(arrival);
        Ok(None)
    }

    /// Whether something that has arrived is of a later epoch than this one.
    pub(super) fn is_later(&self, arrival: &Arrival) -> bool {
        let epoch = |capability: &Capability<u64>| EngineTime(*capability.time()).epoch();
        self.participant.is_some()
            && arrival.capabilities.first().is_some_and(|capability| epoch(capability) > number(self.epoch))
    }

    fn end_epoch(&mut self, driver: &mut Driver, epoch: Epoch, capabilities: Vec<Capability<u64>>) -> Result<()> {
        let content = self.content(driver, epoch)?;
        self.contribute(content, false);
        self.epoch += 1;
        driver.next_epoch();
        for (output, capability) in self.outputs.iter_mut().zip(&capabilities) {
            send_event(output, capability, self.worker, self.shared.workers, ControlEvent::Barrier(epoch));
        }
        self.held = capabilities;
        self.aside.drain(..).rev().for_each(|arrival| self.queue.push_front(arrival));
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

    /// State that says nothing of what it depends on could be taken up by a job for which it means something else.
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
            participant.borrow_mut().contribute(self.epoch, contribution, at_end);
        }
    }

    /// The input of a sink has ended: what it has to publish is the last part.
    pub(super) fn contribute_last(&mut self, driver: &mut Driver) -> Result<()> {
        if !std::mem::replace(&mut self.gave_last, true) {
            let content = self.content(driver, number(self.epoch))?;
            self.contribute(content, true);
        }
        Ok(())
    }

    /// Tells the operator of checkpoints that are complete. Says whether it has nothing left to do: its last output is published,
    /// or the job goes on another time.
    pub(super) fn checkpoint_complete(&mut self, driver: &mut Driver) -> Result<bool> {
        let Some(participant) = &self.participant else { return Ok(false) };
        let (committed, is_halting) = (participant.borrow().committed(), participant.borrow().is_halting());
        if committed > self.committed {
            self.committed = committed;
            driver.checkpoint_complete(number(committed))?;
        }
        Ok(is_halting || (self.gave_last && committed >= self.epoch))
    }
}
