//! What a job goes on from, dealt out to its instances.

use super::SplitPosition;
use super::messages::{KIND, Kind};
use egret_core::job::{Node, NodeKind};
use egret_core::{Committable, JobGraph, OperatorInfo, Result, Snapshot};
use egret_state::checkpoint::{Checkpoints, JobIdentity, Manifest, NodeIdentity, NodeKind as Kept, Part, PartState};
use std::collections::{BTreeMap, HashMap};

/// The state of all nodes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Restored {
    splits: HashMap<String, BTreeMap<String, SplitPosition>>,
    own: HashMap<String, Vec<Snapshot>>,
    keyed: HashMap<String, Vec<Snapshot>>,
}

impl Restored {
    /// Reads the parts of a checkpoint.
    ///
    /// # Errors
    /// One is missing or damaged.
    pub(crate) fn read(checkpoints: &Checkpoints, manifest: &Manifest) -> Result<Self> {
        let is_finished = is_finished(manifest);
        let mut restored = Self::default();
        for part in &manifest.parts {
            let mut chain = checkpoints.read_chain(part)?;
            let last = chain.pop();
            // Of what was written before, the changes of keyed state count, in order; the operator's own state is whole in each.
            for older in chain {
                if let PartState::Operator { keyed, .. } = older.state
                    && !is_finished
                {
                    restored.keyed.entry(older.uid).or_default().push(keyed);
                }
            }
            last.into_iter().try_for_each(|last| restored.take(last, is_finished))?;
        }
        Ok(restored)
    }

    fn take(&mut self, part: Part, is_finished: bool) -> Result<()> {
        match part.state {
            // At the end of the job only what is to be published counts.
            PartState::Source { .. } | PartState::Operator { .. } if is_finished => {}
            PartState::Source { splits } => {
                let of = self.splits.entry(part.uid).or_default();
                for split in splits {
                    of.insert(split.id.clone(), SplitPosition::from_state(split)?);
                }
            }
            PartState::Operator { own, keyed } => {
                self.own.entry(part.uid.clone()).or_default().push(own);
                self.keyed.entry(part.uid).or_default().push(keyed);
            }
            PartState::Sink { committables } => {
                let snapshot = Snapshot { keyed: Vec::new(), operator: committables };
                self.own.entry(part.uid).or_default().push(snapshot);
            }
        }
        Ok(())
    }

    /// What a sink had prepared.
    pub(crate) fn committables(&self, sink: &Node) -> Vec<Committable> {
        let parts = self.own.get(&*sink.name).map(Vec::as_slice).unwrap_or_default();
        parts.iter().flat_map(|part| &part.operator).cloned().map(Committable).collect()
    }

    /// Where a source's splits are.
    pub(crate) fn splits(&self, source: &str) -> Option<&BTreeMap<String, SplitPosition>> {
        self.splits.get(source)
    }

    /// What an instance takes up: its own state, and that of the backend. Of a sink the first instance publishes for all.
    pub(crate) fn state(&self, node: &Node, info: &OperatorInfo) -> (Vec<Snapshot>, Vec<Snapshot>) {
        if matches!(node.kind, NodeKind::Sink(_)) && info.instance > 0 {
            return (Vec::new(), Vec::new());
        }
        let of = |parts: &HashMap<String, Vec<Snapshot>>| -> Vec<Snapshot> {
            let parts = parts.get(&*node.name).map(Vec::as_slice).unwrap_or_default();
            parts.iter().map(|part| part.retained(|group| info.owns(group))).filter(|part| !part.is_empty()).collect()
        };
        (of(&self.own), of(&self.keyed))
    }
}

/// Whether a checkpoint is that of a job whose input was read to its end.
pub(crate) fn is_finished(manifest: &Manifest) -> bool {
    manifest.notes.get(KIND).is_some_and(|kind| kind == Kind::Finish.name())
}

/// A job as checkpoints know it. What a node's state depends on: the columns of what it gives (of a sink: gets), and what an operator
/// says itself.
pub(crate) fn identity(job: &JobGraph, name: &str) -> JobIdentity {
    let node = |node: &Node, id| {
        let of_input = || job.inputs(id).first().map(|(from, edge)| &job.node(*from).outputs[edge.port].schema);
        let of_output = || node.outputs.first().map(|output| &output.schema);
        let (kind, schema) = match &node.kind {
            NodeKind::Source { .. } => (Kept::Source, of_output()),
            NodeKind::Operator(_) => (Kept::Operator, of_output()),
            NodeKind::Sink(_) => (Kept::Sink, of_input()),
        };
        let fields = schema.map(|schema| schema.arrow().fields().clone()).unwrap_or_default();
        let columns: Vec<String> = fields.iter().map(|field| format!("{} {}", field.name(), field.data_type())).collect();
        let said = match &node.kind {
            NodeKind::Source { source, .. } => source.state_layout(),
            NodeKind::Sink(sink) => sink.state_layout(),
            NodeKind::Operator(_) => Vec::new(),
        };
        let state = std::iter::once(("columns".to_owned(), columns.join(", "))).chain(said).collect();
        NodeIdentity { uid: node.name.to_string(), kind, state }
    };
    let mut nodes: Vec<NodeIdentity> = job.nodes().map(|(id, of)| node(of, id)).collect();
    for (_, node) in job.nodes() {
        let NodeKind::Operator(factory) = &node.kind else { continue };
        for layout in factory.state_layouts() {
            // What an operator runs as one of several is known by its own name, too.
            let uid = layout.name.unwrap_or_else(|| node.name.to_string());
            match nodes.iter_mut().find(|identity| identity.uid == uid) {
                Some(identity) => identity.state.extend(layout.facts),
                None => nodes.push(NodeIdentity { uid, kind: Kept::Operator, state: layout.facts.into_iter().collect() }),
            }
        }
    }
    JobIdentity { name: name.to_owned(), max_parallelism: job.max_parallelism, nodes }
}
