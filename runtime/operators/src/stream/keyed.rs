//! Streams that are grouped by key: windows and process functions.

use super::job::Stream;
use crate::process::{self, ProcessFunction};
use crate::window::{WindowFactory, WindowSpec};
use egret_core::job::{OutputPort, Parallelism, Partitioning};
use egret_core::{Error, KeyColumns, Result, StreamSchema};
use std::sync::Arc;

impl Stream {
    /// Groups rows by key: all rows of a key go to the same worker.
    ///
    /// # Errors
    /// A column does not exist or cannot be a key.
    pub fn key_by(&self, columns: &[&str]) -> Result<KeyedStream> {
        let indexes = columns.iter().map(|name| self.schema.index_of(name)).collect::<Result<Vec<_>>>()?;
        for &column in &indexes {
            egret_core::key::check_key_type(self.schema.arrow().field(column).data_type())?;
        }
        Ok(KeyedStream { stream: self.clone(), keys: KeyColumns::new(indexes) })
    }

    /// Windows over the whole stream, without a key.
    ///
    /// # Errors
    /// The windows cannot be computed over this stream.
    pub fn window_all(&self, spec: WindowSpec) -> Result<Self> {
        add_window(self, spec, Partitioning::Gather, Parallelism::One)
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

    /// Windows for each key. The side output `late` has the rows that came too late.
    ///
    /// # Errors
    /// The windows cannot be computed over this stream.
    pub fn window(&self, spec: WindowSpec) -> Result<Stream> {
        let spec = WindowSpec { keys: self.keys.clone(), ..spec };
        add_window(&self.stream, spec, Partitioning::Hash(self.keys.clone()), Parallelism::EveryWorker)
    }

    /// A process function for each key. The side output `late` has the rows that came too late.
    ///
    /// # Errors
    /// The output type's schema cannot be made.
    pub fn process<F: ProcessFunction>(&self, make: impl Fn() -> F + Send + Sync + 'static) -> Result<Stream> {
        self.add_process(make, &[self])
    }

    /// A process function over two streams with the same key.
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

    /// A process function that also sees every row of `other`, on every worker, under the empty key. With several workers such a
    /// job cannot take checkpoints: it ends with an error that says so.
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
    // An idle worker would hold back states of windows that fire by the watermarks of other workers.
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
