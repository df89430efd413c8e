//! The checkpoint that a job goes on from, dealt out to the job's instances.

use super::SplitPosition;
use super::messages::{KIND, Kind};
use crate::instances::{has_instance, instance};
use egret_core::job::{Node, NodeId, NodeKind};
use egret_core::{Committable, Error, JobGraph, KeyGroup, OperatorInfo, Result, Snapshot};
use egret_state::checkpoint::{Checkpoints, JobIdentity, Manifest, NodeIdentity, Part, PartKind, PartState};
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// The instances that this process has, by node: each takes its share of the node's state.
#[derive(Debug, Default)]
pub(crate) struct Takers {
    nodes: HashMap<String, Vec<OperatorInfo>>,
    /// The instances of nodes that run several patterns: each takes the sections of its patterns, whichever node wrote them.
    sections: Vec<OperatorInfo>,
}

impl Takers {
    /// The instances on the `local` workers, of a job with this many workers.
    pub(crate) fn new(job: &JobGraph, workers: usize, local: &Range<usize>) -> Self {
        let of = |node: &Node| {
            let here = local.clone().filter(|worker| has_instance(node, *worker));
            here.map(|worker| instance(job, node, workers, worker)).collect()
        };
        let sections = job.nodes().filter(|(_, node)| has_sections(node)).flat_map(|(_, node)| of(node)).collect();
        Self { nodes: job.nodes().map(|(_, node)| (node.uid.to_string(), of(node))).collect(), sections }
    }

    fn of(&self, uid: &str) -> &[OperatorInfo] {
        self.nodes.get(uid).map_or(&[], Vec::as_slice)
    }
}

/// Whether one of the instances owns a key group.
fn owns(takers: &[OperatorInfo], group: KeyGroup) -> bool {
    takers.iter().any(|info| info.owns(group))
}

/// Whether all of a node's state is in named sections, one a pattern: after a change of the job another node may run the pattern.
fn has_sections(node: &Node) -> bool {
    let NodeKind::Operator(factory) = &node.kind else { return false };
    let layouts = factory.state_layouts();
    !layouts.is_empty() && layouts.iter().all(|layout| layout.name.is_some())
}

/// The state of all nodes, as far as instances of this process take it. Each takes its share once; then the share is dropped.
#[derive(Debug, Default)]
pub(crate) struct Restored {
    splits: HashMap<String, BTreeMap<String, SplitPosition>>,
    /// What sinks had prepared. It is published before any writer is opened; every writer has to know all of it all the same, where it goes
    /// on and what is not left behind by a dead attempt.
    prepared: HashMap<String, Vec<Vec<u8>>>,
    nodes: Mutex<HashMap<String, Shares>>,
    /// The sections that nodes wrote, for all nodes with sections in this job.
    sections: Mutex<Shares>,
}

/// The state of a node that has not been taken yet.
#[derive(Debug, Default)]
struct Shares {
    own: Vec<Snapshot>,
    keyed: Vec<Snapshot>,
    /// How many instances have taken theirs.
    taken: usize,
    /// How many there are here.
    takers: usize,
}

impl Restored {
    /// Reads the parts of a checkpoint that instances of this process take.
    ///
    /// # Errors
    /// One is missing or damaged.
    pub(crate) fn read(checkpoints: &Checkpoints, manifest: &Manifest, takers: &Takers) -> Result<Self> {
        let is_finished = is_finished(manifest);
        let mut restored = Self::default();
        restored.sections.get_mut().unwrap_or_else(PoisonError::into_inner).takers = takers.sections.len();
        for part in &manifest.parts {
            let is_of_sections = manifest.job.nodes.iter().all(|node| node.uid != part.uid);
            if is_of_sections && !is_finished && !takers.sections.is_empty() {
                let last = checkpoints.read_groups(part, &|group| owns(&takers.sections, group))?.pop();
                last.into_iter().for_each(|last| restored.take_sections(last));
            }
            if is_of_sections {
                continue;
            }
            let takers = takers.of(&part.uid);
            // Of a job that has run to its end only what sinks publish counts. All splits are taken in: readers pick theirs.
            let is_wanted = match part.kind {
                PartKind::Source => !is_finished,
                PartKind::Operator => !is_finished && !takers.is_empty(),
                PartKind::Sink => !takers.is_empty(),
            };
            if is_wanted {
                // Keyed state is the whole part and all changes since, in order; an operator's own state is whole in the last part.
                let mut chain = checkpoints.read_groups(part, &|group| owns(takers, group))?;
                let last = chain.pop();
                chain.into_iter().try_for_each(|older| restored.take_in(older, false, takers))?;
                last.into_iter().try_for_each(|last| restored.take_in(last, true, takers))?;
            }
        }
        Ok(restored)
    }

    fn take_sections(&mut self, part: Part) {
        if let PartState::Operator { own, .. } = part.state {
            self.sections.get_mut().unwrap_or_else(PoisonError::into_inner).own.push(own);
        }
    }

    fn take_in(&mut self, part: Part, is_last: bool, takers: &[OperatorInfo]) -> Result<()> {
        match part.state {
            PartState::Source { splits } => {
                let of = self.splits.entry(part.uid).or_default();
                for split in splits {
                    of.insert(split.id.clone(), SplitPosition::from_state(split)?);
                }
            }
            PartState::Operator { own, keyed } => {
                let shares = self.shares(part.uid, takers);
                if is_last {
                    shares.own.push(own);
                }
                shares.keyed.push(keyed);
            }
            PartState::Sink { committables } => {
                self.prepared.entry(part.uid).or_default().extend(committables);
            }
        }
        Ok(())
    }

    fn shares(&mut self, uid: String, takers: &[OperatorInfo]) -> &mut Shares {
        let nodes = self.nodes.get_mut().unwrap_or_else(PoisonError::into_inner);
        nodes.entry(uid).or_insert_with(|| Shares { takers: takers.len(), ..Shares::default() })
    }

    /// What a sink had prepared.
    pub(crate) fn committables(&self, sink: &Node) -> Vec<Committable> {
        self.prepared.get(&*sink.uid).into_iter().flatten().cloned().map(Committable).collect()
    }

    /// Where a source's splits are.
    pub(crate) fn splits(&self, source: &str) -> Option<&BTreeMap<String, SplitPosition>> {
        self.splits.get(source)
    }

    /// Splits of a source alone.
    #[cfg(test)]
    pub(crate) fn of_splits(uid: &str, positions: impl IntoIterator<Item = SplitPosition>) -> Self {
        let mut restored = Self::default();
        let positions = positions.into_iter().map(|position| (position.id.clone(), position)).collect();
        restored.splits.insert(uid.to_owned(), positions);
        restored
    }

    /// The rank for the next split that is not in the checkpoint.
    pub(crate) fn next_rank(&self) -> u32 {
        let ranks = self.splits.values().flat_map(BTreeMap::values).map(|position| position.places.rank);
        ranks.max().map_or(0, |last| last.saturating_add(1))
    }

    /// What an instance takes up: its own state, and that of the backend. Of a sink the first instance publishes for all. To be
    /// called once for each instance.
    pub(crate) fn take(&self, node: &Node, info: &OperatorInfo) -> (Vec<Snapshot>, Vec<Snapshot>) {
        if has_sections(node) {
            return (self.share_of_sections(info), Vec::new());
        }
        if let NodeKind::Sink(_) = node.kind {
            return (Vec::new(), Vec::new());
        }
        let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(shares) = nodes.get_mut(&*node.uid) else { return (Vec::new(), Vec::new()) };
        let state = (Snapshot::deal(&mut shares.own, info), Snapshot::deal(&mut shares.keyed, info));
        shares.taken += 1;
        if shares.taken >= shares.takers {
            nodes.remove(&*node.uid);
        }
        state
    }
}

impl Restored {
    /// All sections, of the key groups of an instance; the operator picks those of its patterns.
    fn share_of_sections(&self, info: &OperatorInfo) -> Vec<Snapshot> {
        let mut sections = self.sections.lock().unwrap_or_else(PoisonError::into_inner);
        let first = |part: &Snapshot| if info.instance == 0 { part.first.clone() } else { Vec::new() };
        let of_groups = |part: &Snapshot| part.keyed.iter().filter(|(group, _)| info.owns(*group)).cloned().collect();
        let mine = sections.own.iter().map(|part| Snapshot { keyed: of_groups(part), first: first(part), ..Snapshot::default() });
        let mine = mine.filter(|part| !part.is_empty()).collect();
        sections.taken += 1;
        if sections.taken >= sections.takers {
            sections.own = Vec::new();
        }
        mine
    }
}

/// Whether a checkpoint is that of a job whose input was read to its end.
pub(crate) fn is_finished(manifest: &Manifest) -> bool {
    manifest.notes.get(KIND).is_some_and(|kind| kind == Kind::Finish.name())
}

/// The job's identity in checkpoints: every node with state, by its uid, and what the state depends on.
///
/// # Errors
/// Two nodes that keep state have one uid.
pub(crate) fn identity(job: &JobGraph, name: &str) -> Result<JobIdentity> {
    let mut nodes: Vec<NodeIdentity> = Vec::new();
    let mut names: HashMap<String, &str> = HashMap::new();
    for (id, node) in job.nodes() {
        for identity in identities(job, id, node) {
            if let Some(other) = names.insert(identity.uid.clone(), &node.name) {
                return Err(same_uid(&identity.uid, other, &node.name));
            }
            nodes.push(identity);
        }
    }
    Ok(JobIdentity { name: name.to_owned(), max_parallelism: job.max_parallelism, nodes })
}

fn same_uid(uid: &str, first: &str, second: &str) -> Error {
    let message =
        format!("'{first}' and '{second}' both keep their state as '{uid}': checkpoints cannot tell one from the other");
    Error::job(message).help("give each an id of its own: WITH (uid = '...') on its statement, or Stream::uid")
}

/// The identities of a node's state: a source's positions, what a sink has prepared, and the layouts that an operator declares.
fn identities(job: &JobGraph, id: NodeId, node: &Node) -> Vec<NodeIdentity> {
    let identity = |kind, facts: Vec<(String, String)>| {
        vec![NodeIdentity { uid: node.uid.to_string(), kind, state: facts.into_iter().collect() }]
    };
    match &node.kind {
        NodeKind::Source { source, .. } => identity(PartKind::Source, source.state_layout()),
        NodeKind::Sink(sink) => {
            let schema = job.inputs(id).first().map(|(from, edge)| &job.node(*from).outputs[edge.port].schema);
            let fields = schema.map(|schema| schema.arrow().fields().clone()).unwrap_or_default();
            let columns: Vec<String> = fields.iter().map(|field| format!("{} {}", field.name(), field.data_type())).collect();
            let columns = ("columns".to_owned(), columns.join(", "));
            identity(PartKind::Sink, std::iter::once(columns).chain(sink.state_layout()).collect())
        }
        NodeKind::Operator(factory) => {
            let known_as = |name: Option<String>| name.unwrap_or_else(|| node.uid.to_string());
            let layouts = factory.state_layouts().into_iter();
            layouts
                .map(|layout| NodeIdentity {
                    uid: known_as(layout.name),
                    kind: PartKind::Operator,
                    state: layout.facts.into_iter().collect(),
                })
                .collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use egret_core::job::{OutputPort, Parallelism};
    use egret_core::{BadRowRule, Replicated, Sink, SinkContext, SinkWriter, StreamSchema};
    use egret_operators::UnionFactory;
    use egret_state::checkpoint::Draft;

    fn job() -> JobGraph {
        let schema = StreamSchema::new(Vec::new(), None).expect("no columns");
        let mut job = JobGraph::new();
        for (name, parallelism) in [("everywhere", Parallelism::EveryWorker), ("one", Parallelism::One)] {
            let kind = NodeKind::Operator(std::sync::Arc::new(UnionFactory::new(schema.clone())));
            let outputs = vec![OutputPort { name: None, schema: schema.clone() }];
            let bad_rows = BadRowRule::default();
            job.add_node(Node { name: name.into(), uid: name.into(), kind, parallelism, outputs, bad_rows });
        }
        job
    }

    /// A checkpoint of two instances of the one node and of the other, and what one process of some reads of it.
    fn read(workers: usize, local: &Range<usize>) -> Restored {
        let folder = tempfile::tempdir().expect("a folder");
        let job = job();
        // Operators of state: those of the job stand for some.
        let node = |uid: &str| NodeIdentity { uid: uid.into(), kind: PartKind::Operator, state: BTreeMap::new() };
        let nodes = vec![node("everywhere"), node("one")];
        let identity = JobIdentity { nodes, ..identity(&job, "job").expect("each uid once") };
        let checkpoints = Checkpoints::local(folder.path(), &identity).expect("it is empty");
        let mut attempt = checkpoints.claim(1).expect("nobody else does");
        let number = attempt.next_checkpoint();
        let mut parts = Vec::new();
        for (uid, instance) in [("everywhere", 0), ("everywhere", 1), ("one", 0)] {
            let group = |group: u16| (KeyGroup(group), vec![instance as u8, group as u8]);
            let own = Snapshot {
                keyed: (0..128).map(group).collect(),
                first: if uid == "one" { vec![vec![9]] } else { vec![] },
                replicated: Some(Replicated { version: -i64::from(instance), bytes: vec![7; 100] }),
                split: vec![vec![1], vec![2], vec![3]],
            };
            let keyed = Snapshot { keyed: (0..128).map(group).collect(), ..Snapshot::default() };
            let part = Part::new(uid, instance, PartState::Operator { own, keyed });
            parts.push(checkpoints.write_part(attempt.number(), number, part).expect("it can be written"));
        }
        let draft = Draft { checkpoint: number, job: identity.clone(), parts, ..Draft::default() };
        attempt.commit(draft).expect("it is whole");
        let found = checkpoints.latest(&identity).expect("it reads").expect("it is there");
        Restored::read(&checkpoints, &found.manifest, &Takers::new(&job, workers, local)).expect("it reads")
    }

    #[test]
    fn each_instance_takes_its_share_once_and_nothing_is_held_behind_that() {
        let job = job();
        for (workers, processes) in [(1, 1), (3, 1), (4, 2)] {
            let (mut groups, mut split, mut alone) = (Vec::new(), 0, 0);
            for process in 0..processes {
                let local = process * workers / processes..(process + 1) * workers / processes;
                let restored = read(workers, &local);
                for worker in local.clone() {
                    for (_, node) in job.nodes().filter(|(_, node)| has_instance(node, worker)) {
                        let (own, keyed) = restored.take(node, &instance(&job, node, workers, worker));
                        let replicas: Vec<i64> =
                            own.iter().filter_map(|part| part.replicated.as_ref()).map(|copy| copy.version).collect();
                        assert_eq!(replicas.len(), 1, "one copy of what all have");
                        alone += own.iter().map(|part| part.first.len()).sum::<usize>();
                        if &*node.name == "everywhere" {
                            assert_eq!(replicas, [-1], "the one that is least far");
                            split += own.iter().map(|part| part.split.len()).sum::<usize>();
                            let of = |parts: &[Snapshot]| parts.iter().flat_map(|part| &part.keyed).cloned().collect::<Vec<_>>();
                            assert_eq!(of(&own), of(&keyed));
                            groups.extend(of(&own));
                        }
                    }
                }
                assert!(restored.nodes.lock().expect("nobody panicked").is_empty(), "something is held");
            }
            groups.sort();
            groups.dedup();
            assert_eq!((groups.len(), split, alone), (256, 6, 1), "{workers} workers in {processes} processes");
        }
    }

    /// Is never opened.
    struct Nowhere;

    impl Sink for Nowhere {
        fn open(&self, _schema: &StreamSchema, _ctx: &SinkContext) -> Result<Box<dyn SinkWriter>> {
            Err(Error::bug("nobody writes here"))
        }

        fn describe(&self) -> String {
            "nowhere".into()
        }
    }

    #[test]
    fn every_instance_knows_what_a_sink_had_prepared_and_none_takes_it_for_state() {
        let kind = NodeKind::Sink(std::sync::Arc::new(Nowhere));
        let (parallelism, bad_rows) = (Parallelism::EveryWorker, BadRowRule::default());
        let node = Node { name: "out".into(), uid: "out".into(), kind, parallelism, outputs: Vec::new(), bad_rows };
        let info = |number: usize| OperatorInfo { instance: number, parallelism: 4, ..OperatorInfo::alone("out") };
        for local in [0..4, 0..2, 2..4] {
            let takers: Vec<OperatorInfo> = local.clone().map(info).collect();
            let mut restored = Restored::default();
            for instance in 0..4 {
                let state = PartState::Sink { committables: vec![vec![instance]] };
                restored.take_in(Part::new("out", u32::from(instance), state), true, &takers).expect("it is taken in");
            }
            for info in &takers {
                let (own, keyed) = restored.take(&node, info);
                assert_eq!((own.len(), keyed.len()), (0, 0), "{}", info.instance);
                assert_eq!(restored.committables(&node).len(), 4, "also when others have taken theirs");
            }
        }
    }

    #[test]
    fn a_process_does_not_read_what_is_of_others() {
        let restored = read(4, &(2..4));
        let nodes = restored.nodes.lock().expect("nobody panicked");
        assert!(!nodes.contains_key("one"));
        assert_eq!(nodes["everywhere"].own[0].keyed.len(), 64, "half of the groups");
    }
}
