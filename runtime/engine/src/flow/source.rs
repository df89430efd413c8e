//! A source as a timely operator: reads while it has credit, moves its tick with the clock.

use super::alignment::Aligned;
use super::job_shared::{JobShared, ParticipantHandle, number};
use super::message::Message;
use super::output::{OutputHandle, send, send_event};
use crate::checkpoint::{Contribution, SplitPosition};
use crate::credit::Credit;
use crate::driver::{ControlEvent, Outgoing, guard};
use crate::instances::has_instance;
use crate::reader::{Next, SourceTask};
use crate::source_clock::SourceClock;
use crate::source_spec::SourceSpec;
use crate::ticks::Ticks;
use egret_core::bad_rows::LETTERS;
use egret_core::job::{NodeId, NodeKind};
use egret_core::metrics::Counters;
use egret_core::{EngineTime, Result};
use egret_state::checkpoint::{Part, PartState};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::operators::probe::Handle as ProbeHandle;
use timely::dataflow::{Scope, Stream};
use timely::scheduling::Activator;

/// How long to wait before looking again whether there is credit.
const GATE_RETRY: Duration = Duration::from_micros(200);
/// How long to wait before looking again whether the others have come as far.
const ALIGN_RETRY: Duration = Duration::from_micros(100);
/// The longest a source sleeps: it has to move its tick, because other sources get their credit back only then.
const SLEEP_MAX: Duration = Duration::from_millis(10);

/// Builds source `id`: a stream for each of its outputs, that of rows and perhaps that of bad rows.
pub(super) fn build<'scope>(
    scope: Scope<'scope, u64>,
    shared: &Arc<JobShared>,
    id: NodeId,
    probe: &ProbeHandle<u64>,
    participant: Option<&ParticipantHandle>,
) -> Result<Vec<Stream<'scope, u64, Message>>> {
    let node = shared.job.node(id);
    let worker = scope.index();
    let spec = spec_of(shared, id, worker);
    let mut outgoing = Vec::new();
    let mut task = if has_instance(node, worker) { Some(SourceTask::open(spec)?) } else { None };
    task.iter_mut().for_each(|task| task.resume(&mut outgoing));
    let mut builder = OperatorBuilder::new(node.name.to_string(), scope);
    let (outputs, streams): (Vec<_>, Vec<_>) = node.outputs.iter().map(|_| builder.new_output()).unzip();
    let activator = scope.activator_for(builder.operator_info().address);
    let (shared, probe, participant, uid) = (Arc::clone(shared), probe.clone(), participant.cloned(), Arc::clone(&node.uid));
    if let Some(participant) = &participant {
        let activator = scope.activator_for(builder.operator_info().address);
        participant.borrow_mut().register(move || activator.activate());
    }
    let first = participant.as_ref().map(|participant| participant.borrow().first());
    builder.build_reschedule(move |mut capabilities| {
        let mut reading = Reading {
            task,
            outputs: outputs.into_iter().map(OutputBuilder::from).collect(),
            capabilities: std::mem::take(&mut capabilities),
            credit: Credit::new(shared.in_flight_bytes),
            aligned: shared.alignment.get(&id).map(|all| Aligned::new(Arc::clone(all), worker)),
            probe,
            started: Instant::now(),
            ticks: Ticks::new(first.map(number), Duration::ZERO),
            worker,
            activator,
            outgoing,
            epoch: first.unwrap_or(0),
            committed: first.unwrap_or(1) - 1,
            exhausted: false,
            said_end: false,
            participant,
            id,
            uid,
            shared,
        };
        move |_frontiers| {
            reading.run();
            false
        }
    });
    Ok(streams)
}

/// What the splits of a source on a worker are read with.
fn spec_of(shared: &Arc<JobShared>, id: NodeId, worker: usize) -> SourceSpec<'_> {
    let node = shared.job.node(id);
    let NodeKind::Source { source, watermark, columns, places } = &node.kind else { unreachable!("the caller looked") };
    let (splits, workers) = (shared.splits.of(id), shared.workers);
    let own_clock = || SourceClock::new(splits.len(), |split| split % workers == worker);
    SourceSpec {
        name: Arc::clone(&node.name),
        source,
        strategy: *watermark,
        columns,
        counters: Arc::clone(&shared.metrics.nodes[id.index()].1),
        worker,
        workers,
        splits,
        ranks: shared.splits.ranks_of(id),
        next_rank: shared.splits.next_rank().clone(),
        letters: node.outputs.iter().position(|output| output.name.as_deref() == Some(LETTERS)),
        bad_rows: &node.bad_rows,
        places: *places,
        has_checkpoints: shared.checkpoints.is_some(),
        restored: shared.restored.as_ref().and_then(|restored| restored.splits(&node.uid)),
        clock: shared.clocks.get(&id).cloned().unwrap_or_else(own_clock),
        wall: Arc::clone(&shared.clock),
        meets: sources_that_meet(shared, id),
    }
}

/// The counters of this source, and of those whose rows meet its rows in some operator or sink downstream.
fn sources_that_meet(shared: &JobShared, id: NodeId) -> Vec<Arc<Counters>> {
    let downstream = |from: NodeId| {
        let (mut found, mut next) = (BTreeSet::new(), vec![from]);
        while let Some(node) = next.pop() {
            if found.insert(node.index()) {
                next.extend(shared.job.outputs(node).into_iter().map(|(to, _)| to));
            }
        }
        found
    };
    let mine = downstream(id);
    let meets = |other: NodeId| other == id || !mine.is_disjoint(&downstream(other));
    let sources = shared.job.nodes().filter(|(_, node)| matches!(node.kind, NodeKind::Source { .. }));
    sources.filter(|(other, _)| meets(*other)).map(|(other, _)| Arc::clone(&shared.metrics.nodes[other.index()].1)).collect()
}

struct Reading {
    task: Option<SourceTask>,
    outputs: Vec<OutputHandle>,
    /// One an output, all of one time; none once the source has ended.
    capabilities: Vec<Capability<u64>>,
    credit: Credit,
    /// Of a source with watermarks.
    aligned: Option<Aligned>,
    probe: ProbeHandle<u64>,
    started: Instant,
    ticks: Ticks,
    worker: usize,
    activator: Activator,
    outgoing: Vec<Outgoing>,
    /// The worker's part in checkpoints, if the job makes any.
    participant: Option<ParticipantHandle>,
    /// The number of the next checkpoint.
    epoch: u64,
    /// The last checkpoint that readers know to be complete.
    committed: u64,
    /// Whether the input has been read to its end.
    exhausted: bool,
    /// Whether those downstream know that nothing more comes.
    said_end: bool,
    id: NodeId,
    uid: Arc<str>,
    shared: Arc<JobShared>,
}

impl Reading {
    fn run(&mut self) {
        let shared = Arc::clone(&self.shared);
        let is_halting = self.participant.as_ref().is_some_and(|participant| participant.borrow().is_halting());
        if shared.failure.is_set() || self.task.is_none() {
            self.capabilities.clear();
            return;
        }
        let worker = self.worker - shared.first_worker;
        shared.busy.enter(worker, self.id.index());
        let step = |reading: &mut Self| if is_halting { reading.close() } else { reading.read() };
        if guard(&shared.failure, || step(self)).is_none() {
            self.capabilities.clear();
        }
        shared.busy.leave(worker);
    }

    /// Tells the readers of checkpoints that are complete.
    fn tell(&mut self) -> Result<()> {
        let committed = self.participant.as_ref().map_or(0, |participant| participant.borrow().committed());
        if committed > self.committed {
            self.committed = committed;
            self.task.as_mut().map_or(Ok(()), |task| task.checkpoint_complete(number(committed)))?;
        }
        Ok(())
    }

    /// Drops the readers and the output, without a word to those downstream.
    fn close(&mut self) -> Result<()> {
        self.tell()?;
        self.capabilities.clear();
        self.task.take().map_or(Ok(()), |mut task| task.close())
    }

    fn read(&mut self) -> Result<()> {
        self.tell()?;
        self.end_epochs()?;
        let (Some(task), Some(before)) = (&mut self.task, self.capabilities.first()) else { return Ok(()) };
        let frontier = self.probe.with_frontier(|frontier| frontier.first().copied());
        let now = self.ticks.time(self.started.elapsed());
        let time = now.max(frontier.unwrap_or(0)).max(*before.time());
        self.capabilities.iter_mut().for_each(|capability| capability.downgrade(&time));
        self.credit.confirm(frontier);
        let next = if self.exhausted || (self.participant.is_none() && self.shared.stop.is_stopped()) {
            Next::Ended
        } else if !self.credit.is_left() {
            Next::Wait(GATE_RETRY)
        } else if self.aligned.as_ref().is_some_and(Aligned::is_ahead) {
            Next::Wait(ALIGN_RETRY)
        } else {
            task.poll(self.shared.batch_rows, self.shared.clock.passed_ms(), &mut self.outgoing)?
        };
        if let Some(aligned) = &mut self.aligned {
            if self.outgoing.iter().any(|outgoing| matches!(outgoing, Outgoing::Rows(..))) {
                aligned.read(task.latest().0);
            }
            // A wait of less than a millisecond is for credit or for others, not for input.
            if matches!(next, Next::Ended) || matches!(next, Next::Wait(wait) if wait >= Duration::from_millis(1)) {
                aligned.rest();
            }
        }
        self.shared.progress.saw_event(task.latest());
        self.send(time);
        match next {
            Next::Again => self.activator.activate(),
            Next::Wait(wait) => self.activator.activate_after(wait.min(SLEEP_MAX)),
            Next::Ended => return self.end(time),
        }
        Ok(())
    }

    /// Ends the source: its input has been read, or the job stops. With checkpoints the end is sent only when all sources have been
    /// read, because an instance that has ended contributes nothing. Readers that are told of checkpoints stay until the last one is
    /// complete.
    fn end(&mut self, time: u64) -> Result<()> {
        if let Some(participant) = &self.participant {
            if !std::mem::replace(&mut self.exhausted, true) {
                participant.borrow_mut().exhausted();
            }
            if !participant.borrow().is_finishing() {
                self.activator.activate_after(SLEEP_MAX);
                return Ok(());
            }
        }
        let Some(task) = &mut self.task else { return Ok(()) };
        if !std::mem::replace(&mut self.said_end, true) {
            task.end(&mut self.outgoing);
            // What readers have to hear of the last checkpoint: it has the end of all splits.
            task.end_epoch(number(self.epoch))?;
        }
        let waits = task.is_told() && self.committed < self.epoch;
        self.send(time);
        if waits {
            self.activator.activate_after(SLEEP_MAX);
            return Ok(());
        }
        self.close()
    }

    /// Ends the epochs for which a checkpoint was triggered: their checkpoints have what was read until now.
    fn end_epochs(&mut self) -> Result<()> {
        let Some(participant) = self.participant.clone() else { return Ok(()) };
        let wanted = participant.borrow().wanted();
        while self.epoch <= wanted {
            let (Some(task), Some(before)) = (&mut self.task, self.capabilities.first()) else { return Ok(()) };
            let before = *before.time();
            let splits = task.end_epoch(number(self.epoch))?.into_iter().map(SplitPosition::into_state).collect();
            let part = Part::new(&*self.uid, self.worker as u32, PartState::Source { splits });
            let contribution = Contribution { part, keyed: None };
            let barrier = ControlEvent::Barrier(number(self.epoch));
            self.epoch += 1;
            self.ticks = Ticks::new(Some(number(self.epoch)), self.started.elapsed());
            let time = EngineTime::new(number(self.epoch), 0).0.max(before);
            self.capabilities.iter_mut().for_each(|capability| capability.downgrade(&time));
            self.send_event(barrier);
            participant.borrow_mut().contribute(self.epoch - 1, contribution, false);
        }
        Ok(())
    }

    fn send(&mut self, time: u64) {
        if self.capabilities.is_empty() {
            self.outgoing.clear();
            return;
        }
        let mut outgoing = std::mem::take(&mut self.outgoing);
        for outgoing in outgoing.drain(..) {
            match outgoing {
                Outgoing::Rows(port, batch) => {
                    self.credit.send(time, batch.size_bytes());
                    send(&mut self.outputs[port], &self.capabilities[port], Message::rows(batch));
                }
                Outgoing::Event(event) => self.send_event(event),
            }
        }
        self.outgoing = outgoing;
    }

    /// Sends a control event by all outputs.
    fn send_event(&mut self, event: ControlEvent) {
        for (output, capability) in self.outputs.iter_mut().zip(&self.capabilities) {
            send_event(output, capability, self.worker, self.shared.workers, event);
        }
    }
}
