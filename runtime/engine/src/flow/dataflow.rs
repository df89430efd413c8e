//! Builds the dataflow of a job graph on a worker: one timely operator a node, and the partitioning of each edge.

use super::input::InputStream;
use super::job_shared::{JobShared, ParticipantHandle};
use super::message::Message;
use super::partition::Rule;
use super::{broadcast, coordination, operator, source};
use crate::instances::has_instance;
use egret_core::Result;
use egret_core::job::{NodeId, NodeKind, Partitioning};
use std::collections::HashMap;
use std::sync::Arc;
use timely::dataflow::operators::Probe;
use timely::dataflow::operators::probe::Handle as ProbeHandle;
use timely::dataflow::{Scope, Stream};

type Streams<'scope> = HashMap<(NodeId, usize), Stream<'scope, u64, Message>>;

/// Builds the job on this worker.
pub(super) fn build<'scope>(
    scope: Scope<'scope, u64>,
    shared: &Arc<JobShared>,
    participant: Option<&ParticipantHandle>,
) -> Result<()> {
    if let Some(participant) = participant {
        coordination::build(scope, participant, shared);
    }
    let probe = ProbeHandle::new();
    let mut streams: Streams<'scope> = HashMap::new();
    for id in shared.job.topological_order()? {
        let node = shared.job.node(id);
        let outputs = match &node.kind {
            NodeKind::Source { .. } => source::build(scope, shared, id, &probe, participant)?,
            NodeKind::Operator(_) | NodeKind::Sink(_) => {
                let inputs = connect_inputs(shared, id, &streams);
                operator::build(scope, shared, id, inputs, participant)?
            }
        };
        let is_last = shared.job.outputs(id).is_empty();
        for (port, stream) in outputs.into_iter().enumerate() {
            let stream = if is_last { stream.probe_with(&probe) } else { stream };
            streams.insert((id, port), stream);
        }
    }
    Ok(())
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
                    let copies = broadcast::build(stream, shared.workers);
                    InputStream { stream: copies, pact: Some((Rule::ToFirst, backpressure())), senders: all }
                }
            }
        })
        .collect()
}
