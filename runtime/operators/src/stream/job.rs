//! The job under construction, and its streams.

use crate::UnionFactory;
use crate::window::LocalWindowFactory;
use egret_core::job::{Edge, Node, NodeId, NodeKind, OutputPort, Parallelism, Partitioning};
use egret_core::{BadRowRule, Error, JobGraph, OperatorFactory, Result, Sink, Source, StreamSchema, WatermarkStrategy};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

/// A job under construction.
#[derive(Clone, Default)]
pub struct Job {
    pub(super) graph: Rc<RefCell<JobGraph>>,
}

impl Job {
    /// An empty job.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a source. With a watermark strategy the source's event time column is used.
    ///
    /// # Errors
    /// There is a watermark strategy and no event time column.
    pub fn source(&self, name: &str, source: Arc<dyn Source>, watermark: Option<WatermarkStrategy>) -> Result<Stream> {
        let schema = source.schema().clone();
        if watermark.is_some() && schema.event_time().is_none() {
            return Err(Error::job(format!("source '{name}' has a watermark but no event time column")));
        }
        let columns = (0..schema.arrow().fields().len()).collect();
        let schema = if watermark.is_some() { schema } else { StreamSchema::from_arrow(Arc::clone(schema.arrow()), None)? };
        let kind = NodeKind::Source { source, watermark, columns, places: false };
        Ok(self.add(name, kind, Parallelism::EveryWorker, vec![OutputPort { name: None, schema }]))
    }

    /// The graph built so far.
    pub fn graph(&self) -> JobGraph {
        self.graph.borrow().clone()
    }

    /// Edits the graph in place: for planners.
    pub fn edit<T>(&self, change: impl FnOnce(&mut JobGraph) -> T) -> T {
        change(&mut self.graph.borrow_mut())
    }

    /// Adds an operator with any number of inputs and outputs; the other methods are built on this one. An operator that takes
    /// the rows of a single instance on the same worker gets one instance itself (see [`JobGraph::parallelism_behind`]), whatever
    /// was asked for, and gathers its other inputs.
    ///
    /// # Errors
    /// An input's partitioning does not fit its stream.
    pub fn operator(
        &self,
        name: &str,
        factory: Arc<dyn OperatorFactory>,
        inputs: &[(&Stream, Partitioning)],
        parallelism: Parallelism,
        outputs: Vec<OutputPort>,
    ) -> Result<Stream> {
        let ways: Vec<_> = inputs.iter().map(|(from, partitioning)| (from.node, partitioning)).collect();
        let parallelism = self.graph.borrow().parallelism_behind(&ways, parallelism);
        let stream = self.add(name, NodeKind::Operator(factory), parallelism, outputs);
        self.inherit_bad_rows(stream.node, &ways);
        for (input, (from, partitioning)) in inputs.iter().enumerate() {
            if let Partitioning::Hash(keys) = partitioning {
                for &column in keys.indexes() {
                    egret_core::key::check_key_type(from.schema.arrow().field(column).data_type())?;
                }
            }
            let partitioning = match partitioning {
                Partitioning::Hash(_) | Partitioning::Broadcast if parallelism == Parallelism::One => Partitioning::Gather,
                other => other.clone(),
            };
            let edge = Edge { port: from.port, input, partitioning };
            self.graph.borrow_mut().add_edge(from.node, stream.node, edge)?;
        }
        Ok(stream)
    }

    /// A node inherits the strictest bad-row policy of its inputs. Broadcast inputs do not count: their rows are looked up, not
    /// passed on.
    fn inherit_bad_rows(&self, node: NodeId, inputs: &[(NodeId, &Partitioning)]) {
        let mut graph = self.graph.borrow_mut();
        let read = inputs.iter().filter(|(_, partitioning)| **partitioning != Partitioning::Broadcast);
        let rules: Vec<BadRowRule> = read.map(|(from, _)| graph.node(*from).bad_rows.clone()).collect();
        if let Some(rule) = rules.into_iter().reduce(|one, other| one.or_stricter(&other)) {
            let statement = Arc::clone(&graph.statement);
            graph.node_mut(node).bad_rows = BadRowRule { statement, ..rule };
        }
    }

    fn add(&self, name: &str, kind: NodeKind, parallelism: Parallelism, outputs: Vec<OutputPort>) -> Stream {
        let schema = outputs.first().map_or_else(empty_schema, |output| output.schema.clone());
        let bad_rows = BadRowRule { statement: Arc::clone(&self.graph.borrow().statement), ..BadRowRule::default() };
        let node = Node { name: name.into(), uid: name.into(), kind, parallelism, outputs, bad_rows };
        let node = self.graph.borrow_mut().add_node(node);
        Stream { job: self.clone(), node, port: 0, schema }
    }
}

fn empty_schema() -> StreamSchema {
    StreamSchema::new(Vec::new(), None).expect("no columns have no duplicate names")
}

/// A stream of rows.
#[derive(Clone)]
pub struct Stream {
    pub(super) job: Job,
    pub(super) node: NodeId,
    pub(super) port: usize,
    pub(super) schema: StreamSchema,
}

impl Stream {
    /// Its columns.
    pub fn schema(&self) -> &StreamSchema {
        &self.schema
    }

    /// The job that it belongs to.
    pub fn job(&self) -> &Job {
        &self.job
    }

    /// The node that it comes from, and the number of that node's output.
    pub fn origin(&self) -> (NodeId, usize) {
        (self.node, self.port)
    }

    /// Sets the id under which checkpoints keep the state of the operator that this stream comes from. The default is the
    /// operator's name, so if a job with checkpoints has two windows or two process functions, each needs an id. It may not
    /// change during the life of the state.
    ///
    /// ```
    /// # use egret_operators::Stream;
    /// fn count(txn: &Stream) -> egret_core::Result<Stream> {
    ///     # use egret_operators::window::{WindowKind, WindowSpec}; use egret_core::KeyColumns;
    ///     let spec = WindowSpec {
    ///         keys: KeyColumns::new(vec![]),
    ///         kind: WindowKind::Tumbling { size_us: 60_000_000 },
    ///         aggregates: vec![],
    ///         allowed_lateness_us: 0,
    ///     };
    ///     Ok(txn.key_by(&["card"])?.window(spec)?.uid("transactions a minute"))
    /// }
    /// ```
    pub fn uid(self, uid: &str) -> Self {
        self.job.edit(|graph| {
            let before: Vec<NodeId> = graph.inputs(self.node).into_iter().map(|(from, _)| from).collect();
            graph.node_mut(self.node).uid = uid.into();
            // The local aggregation of a window belongs to the window.
            for node in before {
                let node = graph.node_mut(node);
                if matches!(&node.kind, NodeKind::Operator(factory) if is_local_window(factory.as_ref())) {
                    node.uid = format!("{uid}: local").into();
                }
            }
        });
        self
    }

    /// The same stream, after [`Job::edit`] changed its node's output.
    #[must_use]
    pub fn with_schema(self, schema: StreamSchema) -> Self {
        Self { schema, ..self }
    }

    /// The rows of this stream and of others with the same columns.
    ///
    /// # Errors
    /// The columns differ.
    pub fn union(&self, others: &[&Self]) -> Result<Self> {
        let mut schema = self.schema.clone();
        for other in others {
            schema = schema.united(&other.schema).ok_or_else(|| {
                Error::job(format!("a union needs the same columns: {} and {}", self.schema, other.schema))
                    .help("bring them into one shape with select")
            })?;
        }
        let inputs: Vec<_> =
            std::iter::once(self).chain(others.iter().copied()).map(|stream| (stream, Partitioning::Forward)).collect();
        let outputs = vec![OutputPort { name: None, schema: schema.clone() }];
        self.job.operator("union", Arc::new(UnionFactory::new(schema)), &inputs, Parallelism::EveryWorker, outputs)
    }

    /// Adds an output to the node that this stream comes from, and returns its stream: for planners.
    #[must_use]
    pub fn add_output(&self, output: OutputPort) -> Self {
        let schema = output.schema.clone();
        let port = self.job.edit(|graph| {
            let outputs = &mut graph.node_mut(self.node).outputs;
            outputs.push(output);
            outputs.len() - 1
        });
        Self { port, schema, ..self.clone() }
    }

    /// A named side output of the operator that this stream comes from, such as `late`.
    ///
    /// # Errors
    /// There is none of this name; the message lists those there are.
    pub fn side_output(&self, name: &str) -> Result<Self> {
        let (port, schema) =
            self.job.edit(|graph| {
                let outputs = &graph.node(self.node).outputs;
                let found = outputs.iter().position(|output| output.name.as_deref() == Some(name));
                found.map(|port| (port, outputs[port].schema.clone())).ok_or_else(|| {
                    let names: Vec<&str> = outputs.iter().filter_map(|output| output.name.as_deref()).collect();
                    Error::job(format!("'{}' has no side output '{name}'", graph.node(self.node).name))
                        .help(if names.is_empty() { "it has none".to_owned() } else { format!("it has {}", names.join(", ")) })
                })
            })?;
        Ok(Self { port, schema, ..self.clone() })
    }

    /// Writes the stream.
    ///
    /// # Errors
    /// The edge cannot be added.
    pub fn sink(&self, name: &str, sink: Arc<dyn Sink>) -> Result<()> {
        self.sink_with_uid(name, name, sink)
    }

    /// Writes the stream to a sink whose id in checkpoints differs from its name.
    ///
    /// # Errors
    /// The edge cannot be added.
    pub fn sink_with_uid(&self, name: &str, uid: &str, sink: Arc<dyn Sink>) -> Result<()> {
        let (partitioning, parallelism) = if sink.wants_one_writer() {
            (Partitioning::Gather, Parallelism::One)
        } else {
            let wanted = Parallelism::EveryWorker;
            (
                Partitioning::Forward,
                self.job.edit(|graph| graph.parallelism_behind(&[(self.node, &Partitioning::Forward)], wanted)),
            )
        };
        let node = self.job.add(name, NodeKind::Sink(sink), parallelism, Vec::new()).node;
        let edge = Edge { port: self.port, input: 0, partitioning };
        self.job.edit(|graph| {
            graph.node_mut(node).uid = uid.into();
            graph.add_edge(self.node, node, edge)
        })
    }

    /// Adds an operator with one output that processes each worker's rows where they are.
    ///
    /// # Errors
    /// The edge cannot be added.
    pub fn forward(&self, name: &str, factory: Arc<dyn OperatorFactory>, output: StreamSchema) -> Result<Self> {
        let outputs = vec![OutputPort { name: None, schema: output }];
        self.job.operator(name, factory, &[(self, Partitioning::Forward)], Parallelism::EveryWorker, outputs)
    }
}

/// Whether an operator is the local aggregation of a window.
fn is_local_window(factory: &dyn OperatorFactory) -> bool {
    factory.as_any().is_some_and(|factory| factory.is::<LocalWindowFactory>())
}
