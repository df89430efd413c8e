//! An operator or sink as a timely operator: it pulls messages, calls the driver and sends the driver's output.

use super::backpressure::Backpressure;
use super::epoch_queue::{EpochQueue, InEpoch};
use super::input::{AnyInput, InputStream};
use super::job_shared::{JobShared, ParticipantHandle};
use super::message::{Message, Payload};
use super::output::{OutputHandle, send, send_event};
use crate::driver::{ControlEvent, Driver, Outgoing, guard, restoring};
use crate::instances::has_instance;
use crate::sink::SinkOperator;
use egret_core::job::{Node, NodeId, NodeKind};
use egret_core::{EngineTime, Epoch, Error, KeyedState, NoState, Operator, Result, SinkContext, Step};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use timely::dataflow::channels::pact::Pipeline as ForwardPact;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::{Scope, Stream};
use timely::progress::frontier::MutableAntichain;
use timely::progress::operate::FrontierInterest;
use timely::scheduling::Activator;

/// How long to wait before looking again whether an edge has drained.
const PRESSURE_RETRY: Duration = Duration::from_micros(500);

/// Builds node `id`; returns its output streams (for a sink an empty one, to be probed).
pub(super) fn build<'scope>(
    scope: Scope<'scope, u64>,
    shared: &Arc<JobShared>,
    id: NodeId,
    inputs: Vec<InputStream<'scope>>,
    participant: Option<&ParticipantHandle>,
) -> Result<Vec<Stream<'scope, u64, Message>>> {
    let node = shared.job.node(id);
    let worker = scope.index();
    let senders: Vec<Vec<bool>> = inputs.iter().map(|input| input.senders.clone()).collect();
    let driver = if has_instance(node, worker) { Some(make_driver(shared, id, worker, &senders)?) } else { None };
    let mut builder = OperatorBuilder::new(node.name.to_string(), scope);
    let mut handles: Vec<TaskInput> = Vec::new();
    for (index, input) in inputs.into_iter().enumerate() {
        let handle: (Box<dyn AnyInput>, _) = match input.pact {
            None => (Box::new(builder.new_input(input.stream, ForwardPact)), None),
            Some((rule, backpressure)) => {
                let pact = InputStream::exchange(rule, Arc::clone(&backpressure));
                (Box::new(builder.new_input(input.stream, pact)), Some(backpressure))
            }
        };
        builder.set_notify_for(index, FrontierInterest::IfCapability);
        handles.push(handle);
    }
    let (outputs, streams): (Vec<_>, Vec<_>) = (0..node.outputs.len().max(1)).map(|_| builder.new_output()).unzip();
    let targets = shared
        .job
        .outputs(id)
        .into_iter()
        .filter_map(|(to, edge)| shared.backpressure.get(&(to, edge.input)).cloned())
        .collect::<Vec<_>>();
    let address = builder.operator_info().address;
    let activator = scope.activator_for(Rc::clone(&address));
    let is_sink = matches!(node.kind, NodeKind::Sink(_));
    let (shared, participant, name, uid) =
        (Arc::clone(shared), participant.cloned(), Arc::clone(&node.name), Arc::clone(&node.uid));
    if let Some(participant) = &participant {
        let activator = scope.activator_for(address);
        participant.borrow_mut().register(move || activator.activate());
    }
    builder.build_reschedule(move |capabilities| {
        let mut task = Task {
            driver,
            worker,
            outputs: outputs.into_iter().map(OutputBuilder::from).collect(),
            queue: EpochQueue::new(participant.as_ref().map(|participant| participant.borrow().first())),
            held: capabilities,
            opened: false,
            targets,
            activator,
            outgoing: Vec::new(),
            committed: participant.as_ref().map_or(0, |participant| participant.borrow().committed()),
            participant,
            gave_last: false,
            is_sink,
            id,
            name,
            uid,
            shared,
        };
        move |frontiers| {
            task.pull(&mut handles);
            task.run(frontiers, &handles);
            false
        }
    });
    Ok(streams)
}

fn make_driver(shared: &Arc<JobShared>, id: NodeId, worker: usize, senders: &[Vec<bool>]) -> Result<Driver> {
    let node = shared.job.node(id);
    let info = shared.info(node, worker);
    let place = |error: egret_core::Error| error.context(format!("'{}'", node.name));
    tracing::debug!(node = %node.name, worker, parallelism = info.parallelism, "an operator is made");
    let by_checkpoint = shared.checkpoints.is_some();
    // Names of operators may be numbers of a kind: whose state it is, is said by the uid.
    let whose = |error: Error| {
        let error = restoring(&info, error);
        if node.uid == node.name { error } else { error.context(format!("state of '{}'", node.uid)) }
    };
    let (own, keyed) = shared.restored.as_ref().map(|restored| restored.take(node, &info)).unwrap_or_default();
    let (operator, state): (Box<dyn Operator>, Box<dyn KeyedState>) = match &node.kind {
        NodeKind::Operator(factory) => {
            let operator = factory.create(&info).map_err(place)?;
            let state =
                if factory.uses_keyed_state() { shared.state.open(&info, keyed).map_err(whose)? } else { Box::new(NoState) };
            (operator, state)
        }
        NodeKind::Sink(sink) => {
            let (from, edge) = shared.job.inputs(id)[0];
            let schema = &shared.job.node(from).outputs[edge.port].schema;
            let counters = Arc::clone(&shared.metrics.nodes[id.index()].1);
            let endless = |node: &Node| matches!(&node.kind, NodeKind::Source { source, .. } if !source.is_bounded());
            // Where there are checkpoints, these publish.
            let unbounded = !by_checkpoint && shared.job.nodes().any(|(_, node)| endless(node));
            let attempt = shared.checkpoints.as_ref().map(|run| run.sink_attempt(shared.restored.as_ref(), node));
            let (uid, ctx) = (Arc::clone(&node.uid), SinkContext::new(info.instance, info.parallelism));
            let ctx = SinkContext { uid, unbounded, counters, attempt, ..ctx };
            let writer = sink.open(schema, &ctx).map_err(place)?;
            (Box::new(SinkOperator::new(writer, by_checkpoint)), Box::new(NoState))
        }
        NodeKind::Source { .. } => unreachable!("sources are built by flow::source"),
    };
    let counters = Arc::clone(&shared.metrics.nodes[id.index()].1);
    let mut driver = Driver::new(operator, state, info.clone(), counters, senders);
    driver.restore(own).map_err(whose)?;
    Ok(driver)
}

/// An input, and the backpressure of its exchange if it has one.
pub(super) type TaskInput = (Box<dyn AnyInput>, Option<Arc<Backpressure>>);

/// A message that has arrived on an input.
pub(super) struct Arrival {
    pub(super) input: usize,
    pub(super) capabilities: Vec<Capability<u64>>,
    pub(super) message: Message,
    /// Whether its bytes no longer count as waiting on the edge.
    pub(super) relieved: bool,
}

impl InEpoch for Arrival {
    fn epoch(&self) -> Epoch {
        self.capabilities.first().map_or(Epoch::default(), |capability| EngineTime(*capability.time()).epoch())
    }

    fn ends(&self) -> Option<Epoch> {
        if let Payload::Event { event: ControlEvent::Barrier(epoch), .. } = self.message.payload { Some(epoch) } else { None }
    }
}

/// An instance of an operator or sink: its driver, its outputs, and what has arrived for it.
pub(super) struct Task {
    driver: Option<Driver>,
    pub(super) worker: usize,
    pub(super) outputs: Vec<OutputHandle>,
    pub(super) queue: EpochQueue<Arrival>,
    /// Capabilities, one an output: kept until the operator is open, while it waits for a timer, and while a sink waits to publish.
    pub(super) held: Vec<Capability<u64>>,
    opened: bool,
    targets: Vec<Arc<Backpressure>>,
    pub(super) activator: Activator,
    outgoing: Vec<Outgoing>,
    /// The worker's part in checkpoints, if the job makes any.
    pub(super) participant: Option<ParticipantHandle>,
    /// The last checkpoint that the operator knows to be complete.
    pub(super) committed: u64,
    /// Whether a sink whose input has ended has contributed its last output.
    pub(super) gave_last: bool,
    pub(super) is_sink: bool,
    pub(super) id: NodeId,
    pub(super) name: Arc<str>,
    pub(super) uid: Arc<str>,
    pub(super) shared: Arc<JobShared>,
}

impl Task {
    /// Moves messages from the channels to the queue.
    fn pull(&mut self, handles: &mut [TaskInput]) {
        let (outputs, worker, queue) = (self.outputs.len(), self.worker, &mut self.queue);
        for (input, (handle, _)) in handles.iter_mut().enumerate() {
            handle.pull(&mut |capability, message| {
                let mine = message.target.is_none_or(|target| target as usize == worker);
                if mine && !matches!(message.payload, Payload::Nothing) {
                    let capabilities = (0..outputs)
                        .map(|port| capability.retain_least(port).expect("every message travels under one engine time"))
                        .collect();
                    queue.push(Arrival { input, capabilities, message, relieved: false });
                }
            });
        }
    }

    fn run(&mut self, frontiers: &[MutableAntichain<u64>], handles: &[TaskInput]) {
        if self.shared.failure.is_set() {
            self.drop_all();
            return;
        }
        let (shared, worker) = (Arc::clone(&self.shared), self.worker - self.shared.first_worker);
        shared.busy.enter(worker, self.id.index());
        guard(&shared.failure, || self.run_checked(frontiers, handles));
        shared.busy.leave(worker);
    }

    fn run_checked(&mut self, frontiers: &[MutableAntichain<u64>], handles: &[TaskInput]) -> Result<()> {
        let Some(mut driver) = self.driver.take() else {
            self.drop_all();
            return Ok(());
        };
        if self.checkpoint_complete(&mut driver)? {
            if self.waits(&mut driver, Some(Step::End))? {
                self.driver = Some(driver);
            } else {
                self.drop_all();
            }
            return Ok(());
        }
        let now_ms = self.shared.clock.now_ms();
        if !self.opened {
            self.opened = true;
            driver.open(now_ms, &mut self.outgoing)?;
            let held = std::mem::take(&mut self.held);
            self.send(&held);
            self.held = held;
        }
        while let Some(arrival) = self.queue.pop() {
            if self.is_sink && self.waits_before(&mut driver, &arrival)? {
                self.queue.put_back(arrival);
                break;
            }
            let Some(Arrival { input, capabilities, message, relieved }) = self.in_epoch(&mut driver, arrival, handles)? else {
                continue;
            };
            let rows_in = rows_in(&message);
            let backpressure = handles[input].1.as_deref().filter(|_| !relieved);
            deliver(&mut driver, input, message, backpressure, now_ms, &mut self.outgoing)?;
            let expanded = self.send(&capabilities) > 4 * rows_in.max(2_048);
            self.held = capabilities;
            if !self.queue.is_empty() && (expanded || self.is_downstream_full()) {
                self.yield_now();
                break;
            }
        }
        if driver.is_closed() && self.is_sink && self.is_publishing(&mut driver)? {
            self.driver = Some(driver);
            return Ok(());
        }
        self.keep_for_timer(&mut driver, frontiers, now_ms)?;
        if !driver.is_closed() {
            self.driver = Some(driver);
        }
        Ok(())
    }

    fn drop_all(&mut self) {
        self.queue.clear();
        self.held.clear();
    }

    fn is_downstream_full(&self) -> bool {
        self.targets.iter().any(|backpressure| backpressure.is_high())
    }

    fn yield_now(&self) {
        if self.is_downstream_full() { self.activator.activate_after(PRESSURE_RETRY) } else { self.activator.activate() }
    }

    /// Sends the driver's output; returns the number of rows.
    fn send(&mut self, capabilities: &[Capability<u64>]) -> usize {
        let mut sent = 0;
        for outgoing in self.outgoing.drain(..) {
            match outgoing {
                Outgoing::Rows(port, batch) => {
                    sent += batch.num_rows();
                    send(&mut self.outputs[port], &capabilities[port], Message::rows(batch));
                }
                Outgoing::Event(event) => {
                    for (output, capability) in self.outputs.iter_mut().zip(capabilities) {
                        send_event(output, capability, self.worker, self.shared.workers, event);
                    }
                }
            }
        }
        sent
    }

    /// While the operator waits for a timer it holds a capability, moved on with the input's frontier.
    fn keep_for_timer(&mut self, driver: &mut Driver, frontiers: &[MutableAntichain<u64>], now_ms: i64) -> Result<()> {
        driver.wake(now_ms, &mut self.outgoing)?;
        let held = std::mem::take(&mut self.held);
        if !self.outgoing.is_empty() && !held.is_empty() {
            self.send(&held);
        }
        // A sink has to wait until it is told that it ends.
        let stays = self.is_sink && self.participant.is_some();
        if driver.is_closed() || (driver.wake_at().is_none() && !stays) {
            return Ok(());
        }
        let frontier = frontiers.iter().filter_map(|frontier| frontier.frontier().first().copied()).min();
        self.held = held;
        if let Some(frontier) = frontier {
            for capability in &mut self.held {
                let time = (*capability.time()).max(frontier);
                capability.downgrade(&time);
            }
        }
        if let Some(wake_at) = driver.wake_at() {
            let wait_ms = wake_at.saturating_sub(now_ms).clamp(1, 10_000);
            self.activator.activate_after(Duration::from_millis(wait_ms.unsigned_abs()));
        }
        Ok(())
    }
}

fn rows_in(message: &Message) -> usize {
    if let Payload::Rows(batch) = &message.payload { batch.num_rows() } else { 0 }
}

fn deliver(
    driver: &mut Driver,
    input: usize,
    message: Message,
    backpressure: Option<&Backpressure>,
    now_ms: i64,
    out: &mut Vec<Outgoing>,
) -> Result<()> {
    match message.payload {
        // Messages travel on channels of their own.
        Payload::Nothing | Payload::Coordination(_) => Ok(()),
        Payload::Rows(batch) => {
            if let Some(backpressure) = backpressure {
                backpressure.processed(batch.size_bytes());
            }
            driver.rows(input, batch, now_ms, out)
        }
        Payload::Event { sender, event } => driver.event(input, sender as usize, event, now_ms, out),
    }
}
