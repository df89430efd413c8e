//! The job graph: the nodes that run, and how rows go from one to the next.

use crate::bad_rows::BadRowRule;
use crate::key::{DEFAULT_MAX_PARALLELISM, KeyColumns};
use crate::place::{Place, check_places};
use crate::{Error, Length, OperatorFactory, Result, Sink, Source, StreamSchema, Subject, WatermarkStrategy};
use petgraph::Direction;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;
use std::fmt::Write as _;
use std::sync::Arc;

/// How many instances a node has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parallelism {
    /// One instance on each worker.
    EveryWorker,
    /// A single instance, on worker 0: for nodes that need a total order.
    One,
}

/// Which instances of the next node get a node's rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Partitioning {
    /// To the instance on the same worker.
    Forward,
    /// To the instance that owns the key group of these columns.
    Hash(KeyColumns),
    /// To every instance.
    Broadcast,
    /// To the one instance on worker 0.
    Gather,
}

/// The kind of a node.
#[derive(Clone)]
pub enum NodeKind {
    /// Reads rows.
    Source {
        /// The source.
        source: Arc<dyn Source>,
        /// How the source's watermarks are made; `None` for a stream without event time.
        watermark: Option<WatermarkStrategy>,
        /// The columns that are read, ascending indexes into the source's schema.
        columns: Vec<usize>,
        /// Whether rows get their places as an additional last column: see [`crate::row_place`].
        places: bool,
    },
    /// Transforms rows.
    Operator(Arc<dyn OperatorFactory>),
    /// Writes rows.
    Sink(Arc<dyn Sink>),
}

/// An output of a node.
#[derive(Clone, Debug)]
pub struct OutputPort {
    /// `None` for the main output.
    pub name: Option<String>,
    /// Its rows.
    pub schema: StreamSchema,
}

/// A node of the graph.
#[derive(Clone)]
pub struct Node {
    /// Its name, unique in the job, in messages and metrics.
    pub name: Arc<str>,
    /// The id under which checkpoints keep its state: chosen by the user, or made of names that the user chose, never of the
    /// node's position. Two nodes that keep state may not share it.
    pub uid: Arc<str>,
    /// What it does.
    pub kind: NodeKind,
    /// The number of its instances.
    pub parallelism: Parallelism,
    /// Its outputs, the main one first. A sink has none.
    pub outputs: Vec<OutputPort>,
    /// The policy for rows for which it cannot compute something.
    pub bad_rows: BadRowRule,
}

/// An edge of the graph.
#[derive(Clone, Debug)]
pub struct Edge {
    /// The number of the output it leaves.
    pub port: usize,
    /// The number of the input it enters.
    pub input: usize,
    /// Which instance gets which row.
    pub partitioning: Partitioning,
}

/// A node's number in its graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(usize);

impl NodeId {
    /// The position in [`JobGraph::nodes`].
    pub fn index(self) -> usize {
        self.0
    }
}

/// A job: a directed acyclic graph of sources, operators and sinks. Every process builds the same graph.
#[derive(Clone)]
pub struct JobGraph {
    graph: DiGraph<Node, Edge>,
    /// The number of key groups, which bounds the parallelism. It cannot change during the life of the job's state.
    pub max_parallelism: u16,
    /// The statement whose nodes are being added, for messages.
    pub statement: Arc<str>,
}

impl Default for JobGraph {
    fn default() -> Self {
        Self { graph: DiGraph::new(), max_parallelism: DEFAULT_MAX_PARALLELISM, statement: Arc::default() }
    }
}

impl JobGraph {
    /// An empty job.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a node. If its name is taken, a number is appended; the uid does not change.
    pub fn add_node(&mut self, mut node: Node) -> NodeId {
        let taken = |name: &str| self.graph.node_weights().any(|other| &*other.name == name);
        if taken(&node.name) {
            let free = (2..).map(|n| format!("{} {n}", node.name)).find(|name| !taken(name)).expect("some number is free");
            node.name = free.into();
        }
        NodeId(self.graph.add_node(node).index())
    }

    /// Adds an edge.
    ///
    /// # Errors
    /// The output does not exist, or the input has an edge already.
    pub fn add_edge(&mut self, from: NodeId, to: NodeId, edge: Edge) -> Result<()> {
        if edge.port >= self.node(from).outputs.len() {
            return Err(Error::bug(format!("'{}' has no output {}", self.node(from).name, edge.port)));
        }
        self.graph.add_edge(NodeIndex::new(from.0), NodeIndex::new(to.0), edge);
        Ok(())
    }

    /// The parallelism of a node with these inputs. Rows that a single instance forwards stay on its worker, so the node has one
    /// instance, too: an instance on another worker would wait for ever for rows and barriers that nobody sends.
    pub fn parallelism_behind(&self, inputs: &[(NodeId, &Partitioning)], wanted: Parallelism) -> Parallelism {
        let mut forward = inputs.iter().filter(|(_, partitioning)| **partitioning == Partitioning::Forward).peekable();
        let some = forward.peek().is_some();
        if some && forward.all(|(from, _)| self.node(*from).parallelism == Parallelism::One) { Parallelism::One } else { wanted }
    }

    /// A node.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.graph[NodeIndex::new(id.0)]
    }

    /// A node, mutably.
    pub fn node_mut(&mut self, id: NodeId) -> &mut Node {
        &mut self.graph[NodeIndex::new(id.0)]
    }

    /// Changes the partitioning of an input of a node.
    pub fn set_partitioning(&mut self, id: NodeId, input: usize, partitioning: Partitioning) {
        let edges = self.graph.edges_directed(NodeIndex::new(id.0), Direction::Incoming);
        let edge = edges.filter(|edge| edge.weight().input == input).map(|edge| edge.id()).next();
        if let Some(edge) = edge {
            self.graph[edge].partitioning = partitioning;
        }
    }

    /// Drops the outputs of a node that have no reader, but keeps the first if none has. Returns the former numbers of those that
    /// stay.
    pub fn keep_outputs_read(&mut self, id: NodeId) -> Vec<usize> {
        let edges: Vec<_> = self
            .graph
            .edges_directed(NodeIndex::new(id.0), Direction::Outgoing)
            .map(|edge| (edge.id(), edge.weight().port))
            .collect();
        let count = self.node(id).outputs.len();
        let mut kept: Vec<usize> = (0..count).filter(|port| edges.iter().any(|(_, read)| read == port)).collect();
        if kept.is_empty() && count > 0 {
            kept.push(0);
        }
        for (edge, port) in edges {
            self.graph[edge].port = kept.binary_search(&port).unwrap_or_default();
        }
        let outputs = &mut self.node_mut(id).outputs;
        let all = std::mem::take(outputs);
        *outputs = all.into_iter().enumerate().filter(|(port, _)| kept.contains(port)).map(|(_, output)| output).collect();
        kept
    }

    /// All nodes, in the order they were added.
    pub fn nodes(&self) -> impl Iterator<Item = (NodeId, &Node)> {
        self.graph.node_indices().map(|index| (NodeId(index.index()), &self.graph[index]))
    }

    /// The edges into a node, by input number.
    pub fn inputs(&self, id: NodeId) -> Vec<(NodeId, &Edge)> {
        let mut edges: Vec<_> = self
            .graph
            .edges_directed(NodeIndex::new(id.0), Direction::Incoming)
            .map(|edge| (NodeId(edge.source().index()), edge.weight()))
            .collect();
        edges.sort_by_key(|(_, edge)| edge.input);
        edges
    }

    /// The watermark strategies of all sources upstream of a node.
    pub fn sources_of(&self, id: NodeId) -> Vec<&WatermarkStrategy> {
        let (mut strategies, mut seen, mut waiting) = (Vec::new(), vec![id], vec![id]);
        while let Some(node) = waiting.pop() {
            if let NodeKind::Source { watermark: Some(strategy), .. } = &self.node(node).kind {
                strategies.push(strategy);
            }
            for (from, _) in self.inputs(node) {
                if !seen.contains(&from) {
                    seen.push(from);
                    waiting.push(from);
                }
            }
        }
        strategies
    }

    /// The edges out of a node.
    pub fn outputs(&self, id: NodeId) -> Vec<(NodeId, &Edge)> {
        self.graph
            .edges_directed(NodeIndex::new(id.0), Direction::Outgoing)
            .map(|edge| (NodeId(edge.target().index()), edge.weight()))
            .collect()
    }

    /// The nodes, each after those it reads from.
    ///
    /// # Errors
    /// There is a cycle.
    pub fn topological_order(&self) -> Result<Vec<NodeId>> {
        petgraph::algo::toposort(&self.graph, None)
            .map(|order| order.into_iter().map(|index| NodeId(index.index())).collect())
            .map_err(|cycle| Error::bug(format!("the job graph has a cycle through '{}'", self.graph[cycle.node_id()].name)))
    }

    /// The part of the job that some nodes need: these nodes and everything upstream of them.
    ///
    /// # Errors
    /// There is a cycle.
    pub fn upstream_of(&self, nodes: &[NodeId]) -> Result<Self> {
        let mut wanted: Vec<bool> = self.nodes().map(|(id, _)| nodes.contains(&id)).collect();
        let order = self.topological_order()?;
        for &id in order.iter().rev() {
            if wanted[id.0] {
                self.inputs(id).into_iter().for_each(|(from, _)| wanted[from.0] = true);
            }
        }
        let statement = Arc::clone(&self.statement);
        let mut job = Self { graph: DiGraph::new(), max_parallelism: self.max_parallelism, statement };
        let mut places = vec![NodeId(usize::MAX); wanted.len()];
        for id in order.into_iter().filter(|id| wanted[id.0]) {
            places[id.0] = job.add_node(self.node(id).clone());
            for (from, edge) in self.inputs(id) {
                job.add_edge(places[from.0], places[id.0], edge.clone())?;
            }
        }
        Ok(job)
    }

    /// Checks the invariants of every job.
    ///
    /// # Errors
    /// There is nothing to run; an instance has no sender, or rows have no receiver (a bug in the code that built the graph); or
    /// as [`JobGraph::check_places`].
    pub fn validate(&self) -> Result<()> {
        self.topological_order()?;
        self.check_senders()?;
        self.check_weights()?;
        self.check_places(Vec::new())?;
        if self.graph.node_weights().all(|node| !matches!(node.kind, NodeKind::Sink(_))) {
            return Err(Error::job("the job has no output").help("add CREATE SINK and INSERT INTO, or Stream::sink"));
        }
        Ok(())
    }

    /// Checks that every instance of every node has senders on all its inputs, and that all rows have an instance that takes
    /// them.
    ///
    /// An input whose only sender is on worker 0 may lack a sender on other workers if another input has one there: such as a
    /// union of the output of one instance with a stream of every worker.
    fn check_senders(&self) -> Result<()> {
        for (id, node) in self.nodes() {
            let inputs = self.inputs(id);
            let is_one = |id: NodeId| self.node(id).parallelism == Parallelism::One;
            let from_every_worker = |(from, edge): &(NodeId, &Edge)| edge.partitioning == Partitioning::Forward && !is_one(*from);
            for (from, edge) in &inputs {
                let fits = match (&edge.partitioning, node.parallelism) {
                    (Partitioning::Gather, of) => of == Parallelism::One,
                    (Partitioning::Forward, Parallelism::One) => is_one(*from),
                    (Partitioning::Forward, Parallelism::EveryWorker) => !is_one(*from) || inputs.iter().any(from_every_worker),
                    (Partitioning::Hash(_) | Partitioning::Broadcast, of) => of == Parallelism::EveryWorker,
                };
                if !fits {
                    return Err(Error::bug(format!(
                        "'{}' cannot read '{}' in this way ({}): instances would have no sender, or rows no reader",
                        node.name,
                        self.node(*from).name,
                        self.describe_partitioning(*from, edge)
                    )));
                }
            }
        }
        Ok(())
    }

    /// Checks that only nodes that know weights read streams of changes, and that these pass the weights on.
    fn check_weights(&self) -> Result<()> {
        for (id, node) in self.nodes() {
            let of_changes = |(from, edge): &(NodeId, &Edge)| {
                self.node(*from).outputs.get(edge.port).is_some_and(|output| output.schema.weight().is_some())
            };
            let Some((from, _)) = self.inputs(id).into_iter().find(of_changes) else { continue };
            let (takes, subject) = match &node.kind {
                NodeKind::Source { .. } => continue,
                NodeKind::Operator(factory) => (factory.takes_weights(), None),
                NodeKind::Sink(sink) => (sink.takes_weights(), Some(Subject::Sink(node.name.to_string()))),
            };
            if !takes {
                let error = Error::job(format!(
                    "'{}' reads '{}', a stream of changes, and would take rows for there that are taken back",
                    node.name,
                    self.node(from).name
                ))
                .help("only filters, projections and unions take streams of changes so far");
                return Err(subject.into_iter().fold(error, Error::about));
            }
            if node.outputs.first().is_some_and(|output| output.schema.weight().is_none()) {
                return Err(Error::bug(format!("'{}' drops the weights of a stream of changes", node.name)));
            }
        }
        Ok(())
    }

    /// Compares all files and folders that sources and sinks read and write, and those in `more`, each with the name of its user.
    ///
    /// # Errors
    /// A file would be written twice, or read and written.
    pub fn check_places(&self, more: Vec<(String, Place)>) -> Result<()> {
        let of = |node: &Node| {
            let name = node.name.to_string();
            match &node.kind {
                NodeKind::Source { source, .. } => (format!("stream '{name}'"), Some(Subject::Stream(name)), source.places()),
                NodeKind::Sink(sink) => (format!("sink '{name}'"), Some(Subject::Sink(name)), sink.places()),
                NodeKind::Operator(_) => (String::new(), None, Vec::new()),
            }
        };
        let with_name = |(who, user, places): (String, Option<Subject>, Vec<Place>)| {
            places.into_iter().map(move |place| (who.clone(), Place { user: user.clone(), ..place }))
        };
        let all: Vec<(String, Place)> = self.graph.node_weights().map(of).flat_map(with_name).chain(more).collect();
        check_places(&all)
    }

    /// The plan as text: a paragraph for each node, with the nodes it reads from.
    pub fn explain(&self) -> String {
        let mut text = String::new();
        for (id, node) in self.nodes() {
            let parallelism = if node.parallelism == Parallelism::One { "  (one instance)" } else { "" };
            writeln!(text, "{}{parallelism}", node.name).expect("writing to a String does not fail");
            for (from, edge) in self.inputs(id) {
                let port = self.node(from).outputs[edge.port].name.as_ref().map_or(String::new(), |name| format!(".{name}"));
                writeln!(text, "    <- {}{port}  {}", self.node(from).name, self.describe_partitioning(from, edge))
                    .expect("writing to a String does not fail");
            }
            for line in Self::describe(node) {
                writeln!(text, "    {line}").expect("writing to a String does not fail");
            }
        }
        text
    }

    /// The plan as a Graphviz graph.
    pub fn explain_dot(&self) -> String {
        let escape = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
        let mut text = String::from("digraph job {\n  rankdir=LR; node [shape=box, fontname=\"sans-serif\"];\n");
        for (id, node) in self.nodes() {
            let label: Vec<String> =
                std::iter::once(node.name.to_string()).chain(Self::describe(node)).map(|line| escape(&line)).collect();
            writeln!(text, "  n{} [label=\"{}\\l\"];", id.0, label.join("\\l")).expect("writing to a String does not fail");
            for (from, edge) in self.inputs(id) {
                writeln!(text, "  n{} -> n{} [label=\"{}\"];", from.0, id.0, escape(&self.describe_partitioning(from, edge)))
                    .expect("writing to a String does not fail");
            }
        }
        text.push_str("}\n");
        text
    }

    fn describe_partitioning(&self, from: NodeId, edge: &Edge) -> String {
        match &edge.partitioning {
            Partitioning::Forward => "forward".into(),
            Partitioning::Broadcast => "broadcast".into(),
            Partitioning::Gather => "to one instance".into(),
            Partitioning::Hash(keys) => {
                let schema = self.node(from).outputs[edge.port].schema.arrow();
                let names: Vec<&str> = keys.indexes().iter().map(|&column| schema.field(column).name().as_str()).collect();
                format!("by key ({})", names.join(", "))
            }
        }
    }

    fn describe(node: &Node) -> Vec<String> {
        match &node.kind {
            NodeKind::Source { source, watermark, columns, places } => {
                let mut lines = vec![source.describe()];
                if let Some(strategy) = watermark {
                    lines.push(format!("watermark: latest event time less {}", Length(strategy.delay_us)));
                }
                if columns.len() < source.schema().arrow().fields().len() {
                    let names: Vec<&str> =
                        columns.iter().map(|&column| source.schema().arrow().field(column).name().as_str()).collect();
                    lines.push(format!("reads only {}", names.join(", ")));
                }
                if *places {
                    lines.push("gives each row its place, for the order of rows of one time".to_owned());
                }
                lines
            }
            NodeKind::Operator(factory) => factory.describe(),
            NodeKind::Sink(sink) => vec![sink.describe()],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Operator, OperatorInfo, StateLayout};

    /// Stands for any operator: graphs are checked before operators are made.
    struct Anything;

    impl OperatorFactory for Anything {
        fn create(&self, _info: &OperatorInfo) -> Result<Box<dyn Operator>> {
            Err(Error::bug("nothing runs here"))
        }

        fn state_layouts(&self) -> Vec<StateLayout> {
            Vec::new()
        }
    }

    fn node(name: &str, parallelism: Parallelism) -> Node {
        let schema = StreamSchema::new(Vec::new(), None).expect("no columns");
        let kind = NodeKind::Operator(Arc::new(Anything));
        let outputs = vec![OutputPort { name: None, schema }];
        Node { name: name.into(), uid: name.into(), kind, parallelism, outputs, bad_rows: BadRowRule::default() }
    }

    /// Whether a node of this parallelism may have these inputs.
    fn check(inputs: &[(Parallelism, Partitioning)], parallelism: Parallelism) -> Result<()> {
        let mut job = JobGraph::new();
        let last = job.add_node(node("last", parallelism));
        for (input, (of, partitioning)) in inputs.iter().enumerate() {
            let from = job.add_node(node("from", *of));
            job.add_edge(from, last, Edge { port: 0, input, partitioning: partitioning.clone() })?;
        }
        job.check_senders()
    }

    #[test]
    fn every_instance_has_senders_and_every_row_a_reader() {
        use Parallelism::{EveryWorker, One};
        use Partitioning::{Broadcast, Forward, Gather, Hash};
        let hash = || Hash(KeyColumns::new(Vec::new()));
        for (inputs, parallelism) in [
            (vec![(EveryWorker, Forward)], EveryWorker),
            (vec![(One, Forward)], One),
            (vec![(One, Forward), (EveryWorker, Gather)], One),
            (vec![(One, Forward), (EveryWorker, Forward)], EveryWorker),
            (vec![(One, hash()), (One, Broadcast)], EveryWorker),
        ] {
            check(&inputs, parallelism).unwrap_or_else(|error| panic!("{inputs:?} to {parallelism:?}: {error}"));
        }
        for (inputs, parallelism) in [
            (vec![(One, Forward)], EveryWorker),
            (vec![(One, Forward), (EveryWorker, hash())], EveryWorker),
            (vec![(EveryWorker, Forward)], One),
            (vec![(EveryWorker, Gather)], EveryWorker),
            (vec![(EveryWorker, hash())], One),
            (vec![(EveryWorker, Broadcast)], One),
        ] {
            let error = check(&inputs, parallelism).expect_err("it does not fit");
            assert!(matches!(error, Error::Bug(_)) && error.to_string().contains("'last' cannot read 'from'"), "{error}");
        }
    }
}
