//! The one place that knows timely: builds the dataflow of a job graph on a worker and steps it.

mod alignment;
mod backpressure;
mod barrier;
mod coordination;
mod message;
mod network;
mod operator;
mod partition;
mod source;

pub(crate) use alignment::Alignment;
pub(crate) use backpressure::Backpressure;
pub(crate) use network::connect;
pub(crate) use timely::scheduling::Activator;

use crate::checkpoint::{CheckpointRun, Participant, Restored};
use crate::shared::{Busy, Failure, Progress, StopHandle};
use crate::source_clock::SourceClock;
use crate::splits::SplitLists;
use egret_core::bad_rows::LETTERS;
use egret_core::job::{Node, NodeId, NodeKind, Parallelism, Partitioning};
use egret_core::metrics::JobMetrics;
use egret_core::{Clock, Epoch, Error, JobGraph, OperatorInfo, Result};
use message::Message;
use partition::{Partitioner, Rule};
use std::cell::RefCell;
use std::collections::HashMap;
use std::net::TcpStream;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use timely::CommunicationConfig;
use timely::WorkerConfig;
use timely::communication::AllocatorBuilder;
use timely::dataflow::channels::pact::{DistributorPact, Pipeline as ForwardPact};
use timely::dataflow::operators::probe::Handle as ProbeHandle;
use timely::dataflow::{Scope, Stream};
use timely::worker::Worker;

/// What all workers of a process work with.
pub(crate) struct JobShared {
    pub(crate) job: JobGraph,
    pub(crate) metrics: JobMetrics,
    pub(crate) failure: Failure,
    pub(crate) stop: StopHandle,
    pub(crate) progress: Progress,
    /// Which node each worker of this process is in, by the worker's number less the first one's.
    pub(crate) busy: Arc<Busy>,
    /// The first worker of this process.
    pub(crate) first_worker: usize,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) batch_rows: usize,
    pub(crate) in_flight_bytes: usize,
    pub(crate) workers: usize,
    /// Of the sources that make watermarks.
    pub(crate) alignment: HashMap<NodeId, Arc<Alignment>>,
    /// Of the sources whose splits can be idle: the clock that their readers share.
    pub(crate) clocks: HashMap<NodeId, SourceClock>,
    /// What is to be read of every source.
    pub(crate) splits: SplitLists,
    /// How checkpoints are made, if they are.
    pub(crate) checkpoints: Option<CheckpointRun>,
    /// What the job goes on from.
    pub(crate) restored: Option<Restored>,
    /// One an edge, in the order in which [`JobGraph::inputs`] lists them, nodes in topological order.
    pub(crate) backpressure: HashMap<(NodeId, usize), Arc<Backpressure>>,
}

impl JobShared {
    pub(crate) fn info(&self, node: &Node, worker: usize) -> OperatorInfo {
        instance(&self.job, node, self.workers, worker)
    }
}

/// A node's instance on a worker of so many.
pub(crate) fn instance(job: &JobGraph, node: &Node, workers: usize, worker: usize) -> OperatorInfo {
    let parallelism = if node.parallelism == Parallelism::One { 1 } else { workers };
    OperatorInfo {
        name: Arc::clone(&node.name),
        instance: worker,
        parallelism,
        max_parallelism: job.max_parallelism,
        bad_rows: node.bad_rows.clone(),
        letters: node.outputs.iter().position(|output| output.name.as_deref() == Some(LETTERS)),
    }
}

/// A worker's part in checkpoints, as its sources, operators and sinks share it.
pub(crate) type ParticipantHandle = Rc<RefCell<Participant>>;

/// The number of a checkpoint as an epoch. There are four billion of them: one every second for 136 years.
pub(crate) fn number(epoch: u64) -> Epoch {
    Epoch(u32::try_from(epoch).unwrap_or(u32::MAX))
}

/// Whether a node has an instance on a worker.
pub(crate) fn has_instance(node: &Node, worker: usize) -> bool {
    node.parallelism == Parallelism::EveryWorker || worker == 0
}

/// How the workers reach each other.
pub(crate) enum Wiring {
    /// Threads of this process.
    Threads(usize),
    /// Threads of this process, and sockets to the other processes (`None` at this process's own index).
    Sockets { threads: usize, process: usize, sockets: Vec<Option<TcpStream>> },
}

/// Runs the job on this process's workers until it ends.
pub(crate) fn execute(wiring: Wiring, shared: &Arc<JobShared>) -> Result<()> {
    let (builders, network) = match wiring {
        Wiring::Threads(1) => CommunicationConfig::Thread.try_build().map_err(Error::external)?,
        Wiring::Threads(threads) => CommunicationConfig::Process(threads).try_build().map_err(Error::external)?,
        Wiring::Sockets { threads, process, sockets } => network_builders(threads, process, sockets)?,
    };
    let for_workers = Arc::clone(shared);
    let guards =
        timely::execute::execute_from(builders, Box::new(()), WorkerConfig::default(), move |worker| step(worker, &for_workers))
            .map_err(|error| Error::external(format!("the workers cannot be started: {error}")))?;
    for result in guards.join() {
        if let Err(panic) = result {
            shared.failure.set(Error::bug(format!("a worker thread panicked: {panic}")));
        }
    }
    match shared.failure.take() {
        None => Ok(()),
        Some(error) => {
            // Its threads end when the other processes have hung up, and those wait for this one: they are ended from outside
            // when this process is gone.
            std::mem::forget(network);
            Err(error)
        }
    }
}

type Built = (Vec<AllocatorBuilder>, Box<dyn std::any::Any + Send>);

fn network_builders(threads: usize, process: usize, sockets: Vec<Option<TcpStream>>) -> Result<Built> {
    use timely::communication::allocator::ProcessBuilder;
    use timely::communication::allocator::zero_copy::initialize::initialize_networking_from_sockets;
    let hooks = timely::communication::Hooks::default();
    let local = ProcessBuilder::new_typed_vector(threads, hooks.refill.clone(), None);
    let (builders, guard) = initialize_networking_from_sockets(local, sockets, process, threads, hooks)?;
    Ok((builders.into_iter().map(AllocatorBuilder::Tcp).collect(), Box::new(guard)))
}

/// One worker: builds the dataflow, steps it until it has ended or somebody failed.
fn step(worker: &mut Worker, shared: &Arc<JobShared>) {
    let participant = match shared.checkpoints.as_ref().map(|run| run.participant(shared, worker.index())).transpose() {
        Ok(participant) => participant.map(|participant| Rc::new(RefCell::new(participant))),
        Err(error) => {
            shared.failure.set(error);
            None
        }
    };
    let built = worker.dataflow::<u64, _, _>(|scope| build(scope, shared, participant.as_ref()));
    if let Err(error) = built {
        shared.failure.set(error);
    }
    let patience = |participant: &ParticipantHandle| participant.borrow().patience();
    while !shared.failure.is_set() && worker.step_or_park(Some(participant.as_ref().map_or(Duration::from_millis(20), patience)))
    {
        if let Some(participant) = &participant {
            if shared.stop.is_stopped() {
                participant.borrow_mut().stop(shared.clock.passed_ms());
            }
            participant.borrow_mut().turn(shared.clock.passed_ms(), shared.clock.now_ms(), &shared.failure);
        }
    }
    if shared.failure.is_set() {
        for dataflow in worker.installed_dataflows() {
            worker.drop_dataflow(dataflow);
        }
    }
}

type Streams<'scope> = HashMap<(NodeId, usize), Stream<'scope, u64, Message>>;

fn build<'scope>(scope: Scope<'scope, u64>, shared: &Arc<JobShared>, participant: Option<&ParticipantHandle>) -> Result<()> {
    if let Some(participant) = participant {
        coordination::build(scope, participant, shared);
    }
    let probe = ProbeHandle::new();
    let mut streams: Streams<'scope> = HashMap::new();
    for id in shared.job.topological_order()? {
        let node = shared.job.node(id);
        let outputs = match &node.kind {
            NodeKind::Source { .. } => vec![source::build(scope, shared, id, &probe, participant)?],
            NodeKind::Operator(_) | NodeKind::Sink(_) => {
                let inputs = connect_inputs(shared, id, &streams);
                operator::build(scope, shared, id, inputs, participant)?
            }
        };
        let is_last = shared.job.outputs(id).is_empty();
        for (port, stream) in outputs.into_iter().enumerate() {
            use timely::dataflow::operators::Probe;
            let stream = if is_last { stream.probe_with(&probe) } else { stream };
            streams.insert((id, port), stream);
        }
    }
    Ok(())
}

/// One input of an operator: its stream, with what is needed to connect it.
pub(crate) struct InputStream<'scope> {
    pub(crate) stream: Stream<'scope, u64, Message>,
    pub(crate) pact: Option<(Rule, Arc<Backpressure>)>,
    /// Which instances upstream send to this worker.
    pub(crate) senders: Vec<bool>,
}

impl InputStream<'_> {
    /// Makes the partitioning contract of an exchange.
    pub(crate) fn exchange(rule: Rule, backpressure: Arc<Backpressure>) -> DistributorPact<impl FnOnce(usize) -> Partitioner> {
        DistributorPact(move |_peers| Partitioner::new(rule, backpressure))
    }
}

fn connect_inputs<'scope>(shared: &Arc<JobShared>, id: NodeId, streams: &Streams<'scope>) -> Vec<InputStream<'scope>> {
    let worker_of = |stream: &Stream<'scope, u64, Message>| stream.scope().index();
    shared
        .job
        .inputs(id)
        .into_iter()
        .map(|(from, edge)| {
            let stream = streams[&(from, edge.port)].clone();
            let worker = worker_of(&stream);
            let exists = |sender: usize| has_instance(shared.job.node(from), sender);
            let backpressure = || Arc::clone(&shared.backpressure[&(id, edge.input)]);
            let all: Vec<bool> = (0..shared.workers).map(exists).collect();
            let own: Vec<bool> = (0..shared.workers).map(|sender| sender == worker && exists(sender)).collect();
            match &edge.partitioning {
                Partitioning::Forward => InputStream { stream, pact: None, senders: own },
                Partitioning::Hash(keys) => {
                    let rule = Rule::Hash { keys: keys.clone(), max_parallelism: shared.job.max_parallelism };
                    InputStream { stream, pact: Some((rule, backpressure())), senders: all }
                }
                Partitioning::Gather => InputStream { stream, pact: Some((Rule::ToFirst, backpressure())), senders: all },
                Partitioning::Broadcast => {
                    let copies = operator::broadcast(stream, shared.workers);
                    InputStream { stream: copies, pact: Some((Rule::ToFirst, backpressure())), senders: all }
                }
            }
        })
        .collect()
}
