//! The Stream API: builds a [`JobGraph`] step by step.
//!
//! Every method adds a node and returns the stream that leaves it; nothing runs until an engine is given the graph.

use crate::bad_rows::BadRowRule;
use crate::expr::{Expression, Planner, Scope};
use crate::job::{Edge, Node, NodeId, NodeKind, OutputPort, Parallelism, Partitioning};
use crate::operators::{BatchFunction, FilterFactory, ProjectFactory, UnionFactory};
use crate::process::{self, ProcessFunction};
use crate::row::Row;
use crate::window::{WindowFactory, WindowSpec};
use crate::{Error, JobGraph, KeyColumns, OperatorFactory, Result, Sink, Source, StreamSchema, WatermarkStrategy};
use arrow::array::RecordBatch;
use arrow::datatypes::Field;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

mod bad_rows;
mod places;

/// A job under construction.
#[derive(Clone, Default)]
pub struct Job {
    graph: Rc<RefCell<JobGraph>>,
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

    /// Changes the graph in place: for planners.
    pub fn edit<T>(&self, change: impl FnOnce(&mut JobGraph) -> T) -> T {
        change(&mut self.graph.borrow_mut())
    }

    /// Adds an operator with any number of inputs and outputs: what the other methods are made of. One that takes what one instance
    /// made has one instance itself (see [`JobGraph::parallelism_behind`]), whatever was asked for, and gathers its other inputs.
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
                    crate::key::check_key_type(from.schema.arrow().field(column).data_type())?;
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
    job: Job,
    node: NodeId,
    port: usize,
    schema: StreamSchema,
}

impl Stream {
    /// Its columns.
    pub fn schema(&self) -> &StreamSchema {
        &self.schema
    }

    /// The job it belongs to.
    pub fn job(&self) -> &Job {
        &self.job
    }

    /// The node it leaves, and by which output.
    pub fn origin(&self) -> (NodeId, usize) {
        (self.node, self.port)
    }

    /// Gives the operator that this stream leaves the id under which checkpoints keep its state. It is the operator's name unless said
    /// otherwise, so two windows or two process functions of a job with checkpoints need one each. It may not change for the life of
    /// the state.
    ///
    /// ```
    /// # use egret_core::{StreamSchema, Stream};
    /// fn count(txn: &Stream) -> egret_core::Result<Stream> {
    ///     # use egret_core::window::{WindowKind, WindowSpec}; use egret_core::KeyColumns;
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
            // A window's operator before the exchange belongs to it.
            for node in before {
                let node = graph.node_mut(node);
                if matches!(&node.kind, NodeKind::Operator(factory) if is_local_window(factory.as_ref())) {
                    node.uid = format!("{uid}: local").into();
                }
            }
        });
        self
    }

    /// The same stream, after its node's output was changed by [`Job::edit`].
    #[must_use]
    pub fn with_schema(self, schema: StreamSchema) -> Self {
        Self { schema, ..self }
    }

    /// Keeps the rows where a condition holds: `filter("amount > 10")`.
    ///
    /// # Errors
    /// The condition does not parse, names something unknown, or is none.
    pub fn filter(&self, condition: &str) -> Result<Self> {
        self.filter_by("filter", crate::expr::compile(condition, &self.schema)?)
    }

    /// Keeps the rows where a compiled condition holds.
    ///
    /// # Errors
    /// It is no condition.
    pub fn filter_by(&self, name: &str, condition: Expression) -> Result<Self> {
        self.forward(name, Arc::new(FilterFactory::new(condition)?), self.schema.clone())
    }

    /// Computes columns: `select(&["card", "amount * 0.908 AS euros", "at"])`. A selected event time column stays event time.
    ///
    /// # Errors
    /// An expression does not parse or fit; a name is used twice.
    pub fn select(&self, columns: &[&str]) -> Result<Self> {
        let scope = Scope::of_stream(&self.schema)?;
        let planner = Planner::new();
        let named = columns
            .iter()
            .map(|text| {
                let (text, alias) = split_alias(text);
                let expression = planner.compile_text(text, &scope)?;
                Ok((alias.map_or_else(|| text.trim().to_owned(), str::to_owned), expression))
            })
            .collect::<Result<Vec<_>>>()?;
        self.project("select", named)
    }

    /// Computes columns from compiled expressions.
    ///
    /// # Errors
    /// A name is used twice.
    pub fn project(&self, name: &str, columns: Vec<(String, Expression)>) -> Result<Self> {
        self.project_described(name, columns, None)
    }

    /// Computes columns; what the plan says of it can be chosen, for columns whose names mean nothing to a reader.
    ///
    /// # Errors
    /// A name is used twice.
    pub fn project_described(&self, name: &str, columns: Vec<(String, Expression)>, description: Option<String>) -> Result<Self> {
        let (projection, schema) = self.projection(columns, description)?;
        self.forward(name, Arc::new(projection), schema)
    }

    /// What [`Stream::project_described`] would make a node of, and the columns of its rows: for planners.
    ///
    /// # Errors
    /// A name is used twice.
    pub fn projection(
        &self,
        columns: Vec<(String, Expression)>,
        description: Option<String>,
    ) -> Result<(ProjectFactory, StreamSchema)> {
        let time = self.schema.event_time().map(|column| self.schema.arrow().field(column).name().clone());
        let mut event_time = None;
        let mut fields = Vec::new();
        for (column, expression) in &columns {
            let is_time = time.as_ref().is_some_and(|time| is_column(expression, time)) && event_time.is_none();
            if is_time {
                event_time = Some(column.clone());
            }
            fields.push(Field::new(column, expression.data_type().clone(), expression.is_nullable() && !is_time));
        }
        let schema = StreamSchema::new(fields, event_time.as_deref())?;
        let expressions = columns.into_iter().map(|(_, expression)| expression).collect();
        Ok((ProjectFactory::new(expressions, schema.clone()).described(description), schema))
    }

    /// Maps typed rows one to one.
    ///
    /// # Errors
    /// The output type's schema cannot be made.
    pub fn map<In: Row, Out: Row>(&self, function: impl Fn(In) -> Out + Send + Sync + 'static) -> Result<Self> {
        self.typed::<Out>("map", move |rows| Out::write(In::read(rows)?.into_iter().map(&function).collect()))
    }

    /// Maps a typed row to any number of rows.
    ///
    /// # Errors
    /// The output type's schema cannot be made.
    pub fn flat_map<In: Row, Out: Row, I: IntoIterator<Item = Out>>(
        &self,
        function: impl Fn(In) -> I + Send + Sync + 'static,
    ) -> Result<Self> {
        self.typed::<Out>("flat map", move |rows| Out::write(In::read(rows)?.into_iter().flat_map(&function).collect()))
    }

    /// Keeps the typed rows for which a closure says so.
    ///
    /// # Errors
    /// The filter cannot be added.
    pub fn filter_rows<In: Row>(&self, keep: impl Fn(&In) -> bool + Send + Sync + 'static) -> Result<Self> {
        let schema = self.schema.clone();
        let function = move |rows: &RecordBatch| -> Result<RecordBatch> {
            let mask: arrow::array::BooleanArray = In::read(rows)?.iter().map(|row| Some(keep(row))).collect();
            Ok(arrow::compute::filter_record_batch(rows, &mask)?)
        };
        self.forward("filter", Arc::new(BatchFunction::new("filter", schema.clone(), function)), schema)
    }

    /// Maps whole batches by a closure over Arrow columns.
    ///
    /// # Errors
    /// The operator cannot be added.
    pub fn map_batches(
        &self,
        output: StreamSchema,
        function: impl Fn(&RecordBatch) -> Result<RecordBatch> + Send + Sync + 'static,
    ) -> Result<Self> {
        self.forward("map", Arc::new(BatchFunction::new("map", output.clone(), function)), output)
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

    /// Groups rows by key: all rows of a key go to one worker.
    ///
    /// # Errors
    /// A column does not exist or cannot be a key.
    pub fn key_by(&self, columns: &[&str]) -> Result<KeyedStream> {
        let indexes = columns.iter().map(|name| self.schema.index_of(name)).collect::<Result<Vec<_>>>()?;
        for &column in &indexes {
            crate::key::check_key_type(self.schema.arrow().field(column).data_type())?;
        }
        Ok(KeyedStream { stream: self.clone(), keys: KeyColumns::new(indexes) })
    }

    /// One stream of windows over all keys together.
    ///
    /// # Errors
    /// The windows cannot be computed over this stream.
    pub fn window_all(&self, spec: WindowSpec) -> Result<Self> {
        add_window(self, spec, Partitioning::Gather, Parallelism::One)
    }

    /// Gives the node that this stream leaves one more output, and returns what leaves by it: for planners.
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

    /// A named side output of the operator this stream leaves: `late`, say.
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

    /// Writes the stream to a sink that checkpoints know by an id of its own.
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

    /// Adds an operator with one output that works on each worker's own rows.
    ///
    /// # Errors
    /// The edge cannot be added.
    pub fn forward(&self, name: &str, factory: Arc<dyn OperatorFactory>, output: StreamSchema) -> Result<Self> {
        let outputs = vec![OutputPort { name: None, schema: output }];
        self.job.operator(name, factory, &[(self, Partitioning::Forward)], Parallelism::EveryWorker, outputs)
    }

    fn typed<Out: Row>(
        &self,
        what: &'static str,
        function: impl Fn(&RecordBatch) -> Result<RecordBatch> + Send + Sync + 'static,
    ) -> Result<Self> {
        let output = Out::schema()?;
        self.forward(what, Arc::new(BatchFunction::new(what, output.clone(), function)), output)
    }
}

/// A stream grouped by key.
#[derive(Clone)]
pub struct KeyedStream {
    stream: Stream,
    keys: KeyColumns,
}

impl KeyedStream {
    /// The key columns.
    pub fn keys(&self) -> &KeyColumns {
        &self.keys
    }

    /// The stream.
    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Windows per key. The side output `late` has the rows that came too late.
    ///
    /// # Errors
    /// The windows cannot be computed over this stream.
    pub fn window(&self, spec: WindowSpec) -> Result<Stream> {
        let spec = WindowSpec { keys: self.keys.clone(), ..spec };
        add_window(&self.stream, spec, Partitioning::Hash(self.keys.clone()), Parallelism::EveryWorker)
    }

    /// A process function per key. The side output `late` has the rows that came too late.
    ///
    /// # Errors
    /// The output type's schema cannot be made.
    pub fn process<F: ProcessFunction>(&self, make: impl Fn() -> F + Send + Sync + 'static) -> Result<Stream> {
        self.add_process(make, &[self])
    }

    /// A process function over two streams that are keyed alike.
    ///
    /// # Errors
    /// The keys' types differ; the output type's schema cannot be made.
    pub fn connect<F: ProcessFunction>(&self, other: &Self, make: impl Fn() -> F + Send + Sync + 'static) -> Result<Stream> {
        let types = |stream: &Self| -> Vec<_> {
            stream.keys.indexes().iter().map(|&column| stream.stream.schema.arrow().field(column).data_type().clone()).collect()
        };
        if types(self) != types(other) {
            return Err(Error::job(format!("streams keyed by {:?} and {:?} cannot be connected", types(self), types(other)))
                .help("key both by columns of the same types"));
        }
        self.add_process(make, &[self, other])
    }

    /// A process function that also sees every row of `other` on every worker, under the key of an empty tuple. With several workers
    /// such a job cannot make checkpoints: it ends with an error that says so.
    ///
    /// # Errors
    /// The output type's schema cannot be made.
    pub fn connect_broadcast<F: ProcessFunction>(
        &self,
        other: &Stream,
        make: impl Fn() -> F + Send + Sync + 'static,
    ) -> Result<Stream> {
        let everywhere = Self { stream: other.clone(), keys: KeyColumns::new(Vec::new()) };
        self.add_process(make, &[self, &everywhere])
    }

    fn add_process<F: ProcessFunction>(&self, make: impl Fn() -> F + Send + Sync + 'static, inputs: &[&Self]) -> Result<Stream> {
        let keys = inputs.iter().map(|input| input.keys.clone()).collect();
        let schemas: Vec<&StreamSchema> = inputs.iter().map(|input| &input.stream.schema).collect();
        let (factory, output) = process::factory(make, keys, &schemas)?;
        let outputs = vec![
            OutputPort { name: None, schema: output },
            OutputPort { name: Some("late".into()), schema: self.stream.schema.clone() },
        ];
        let edges: Vec<_> = inputs
            .iter()
            .map(|input| {
                let everywhere = input.keys.indexes().is_empty();
                (&input.stream, if everywhere { Partitioning::Broadcast } else { Partitioning::Hash(input.keys.clone()) })
            })
            .collect();
        self.stream.job.operator("process", factory, &edges, Parallelism::EveryWorker, outputs)
    }
}

fn add_window(stream: &Stream, spec: WindowSpec, partitioning: Partitioning, parallelism: Parallelism) -> Result<Stream> {
    let factory = WindowFactory::new(spec, &stream.schema)?;
    let outputs = vec![
        OutputPort { name: None, schema: factory.output_schema().clone() },
        OutputPort { name: Some("late".into()), schema: stream.schema.clone() },
    ];
    // A worker whose input idles would hold back states that other workers' watermarks let windows fire without.
    let idles = stream.job.edit(|graph| graph.sources_of(stream.node).iter().any(|strategy| strategy.idle_after.is_some()));
    let Some(local) = factory.local()?.filter(|_| !idles) else {
        return stream.job.operator("window", Arc::new(factory), &[(stream, partitioning)], parallelism, outputs);
    };
    let by_state = Partitioning::Hash(local.state_keys());
    let local_outputs = vec![
        OutputPort { name: None, schema: local.states_schema().clone() },
        OutputPort { name: Some("rows".into()), schema: stream.schema.clone() },
    ];
    let forward = [(stream, Partitioning::Forward)];
    let states = stream.job.operator("window: local", Arc::new(local), &forward, Parallelism::EveryWorker, local_outputs)?;
    let rows = states.side_output("rows")?;
    stream.job.operator("window", Arc::new(factory), &[(&rows, partitioning), (&states, by_state)], parallelism, outputs)
}

fn is_local_window(factory: &dyn OperatorFactory) -> bool {
    factory.as_any().is_some_and(|factory| factory.is::<crate::window::LocalWindowFactory>())
}

/// `expression AS name` in two parts.
fn split_alias(text: &str) -> (&str, Option<&str>) {
    let lower = text.to_ascii_lowercase();
    match lower.rfind(" as ") {
        Some(at) if is_identifier(text[at + 4..].trim()) => (&text[..at], Some(text[at + 4..].trim())),
        _ => (text, None),
    }
}

fn is_identifier(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || c == '_')
}

fn is_column(expression: &Expression, name: &str) -> bool {
    matches!(expression.logical(), datafusion_expr::Expr::Column(column) if column.name == name)
}
