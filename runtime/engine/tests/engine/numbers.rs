//! Small jobs over numbers: a source of them, an operator from a closure, a sink that collects them.

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Int64Type};
use egret_core::job::{Edge, Node, NodeKind, OutputPort, Parallelism, Partitioning};
use egret_core::metrics::Counters;
use egret_core::{
    BadRowRule, Batch, Committable, Context, Epoch, JobGraph, Operator, OperatorInfo, Poll, Result, Sink, SinkContext,
    SinkWriter, Source, SourceReader, Split, StreamSchema, WatermarkStrategy,
};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Numbers `0..rows` in `splits` stripes; event time is the number.
pub(crate) struct Numbers {
    schema: StreamSchema,
    rows: i64,
    splits: i64,
}

pub(crate) fn numbers(rows: i64, splits: i64) -> Arc<dyn Source> {
    let fields =
        vec![Field::new("id", DataType::Int64, false), Field::new("key", DataType::Int64, false), StreamSchema::time_field("at")];
    Arc::new(Numbers { schema: StreamSchema::new(fields, Some("at")).unwrap(), rows, splits })
}

impl Source for Numbers {
    fn schema(&self) -> &StreamSchema {
        &self.schema
    }
    fn is_bounded(&self) -> bool {
        true
    }
    fn splits(&self) -> Result<Vec<Split>> {
        Ok((0..self.splits).map(|split| Split { id: split.to_string() }).collect())
    }
    fn open(&self, split: &Split, _columns: &[usize], _counters: &Arc<Counters>) -> Result<Box<dyn SourceReader>> {
        let next = split.id.parse().unwrap();
        Ok(Box::new(NumbersReader { schema: self.schema.clone(), next, step: self.splits, end: self.rows }))
    }
    fn describe(&self) -> String {
        "numbers".into()
    }
}

struct NumbersReader {
    schema: StreamSchema,
    next: i64,
    step: i64,
    end: i64,
}

impl SourceReader for NumbersReader {
    fn poll(&mut self, rows_max: usize) -> Result<Poll> {
        let ids: Vec<i64> = (0..rows_max as i64).map(|n| self.next + n * self.step).take_while(|id| *id < self.end).collect();
        let Some(last) = ids.last() else { return Ok(Poll::End) };
        self.next = last + self.step;
        let keys: Vec<i64> = ids.iter().map(|id| id % 97).collect();
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(ids.clone())),
            Arc::new(Int64Array::from(keys)),
            Arc::new(TimestampMicrosecondArray::from(ids)),
        ];
        Ok(Poll::Rows(RecordBatch::try_new(self.schema.arrow().clone(), columns)?))
    }
    fn position(&self) -> Vec<u8> {
        self.next.to_le_bytes().to_vec()
    }
    fn seek(&mut self, position: &[u8]) -> Result<()> {
        self.next = i64::from_le_bytes(position.try_into().unwrap());
        Ok(())
    }
}

/// Collects `(instance, id)`.
#[derive(Clone, Default)]
pub(crate) struct Collect(pub(crate) Arc<Mutex<Vec<(usize, i64)>>>);

struct CollectWriter(Collect, usize);

impl Sink for Collect {
    fn open(&self, _schema: &StreamSchema, ctx: &SinkContext) -> Result<Box<dyn SinkWriter>> {
        Ok(Box::new(CollectWriter(self.clone(), ctx.instance)))
    }
    fn describe(&self) -> String {
        "collect".into()
    }
}

impl SinkWriter for CollectWriter {
    fn write(&mut self, batch: &Batch) -> Result<()> {
        let ids = batch.column(0).as_primitive::<Int64Type>().values();
        self.0.0.lock().unwrap().extend(ids.iter().map(|id| (self.1, *id)));
        Ok(())
    }
    fn prepare(&mut self, _epoch: Epoch) -> Result<Vec<Committable>> {
        Ok(Vec::new())
    }
    fn commit(&mut self, _committables: &[Committable]) -> Result<()> {
        Ok(())
    }
}

/// An operator from a closure over batches.
struct Each<F>(F);

impl<F: FnMut(Batch, &mut Context<'_>) -> Result<()>> Operator for Each<F> {
    fn process(&mut self, _input: usize, batch: Batch, ctx: &mut Context<'_>) -> Result<()> {
        (self.0)(batch, ctx)
    }
}

pub(crate) fn job<F>(
    rows: i64,
    splits: i64,
    partitioning: Partitioning,
    sink: &Collect,
    each: impl Fn() -> F + Send + Sync + 'static,
) -> JobGraph
where
    F: FnMut(Batch, &mut Context<'_>) -> Result<()> + 'static,
{
    job_of(numbers(rows, splits), partitioning, sink, each)
}

pub(crate) fn job_of<F>(
    source: Arc<dyn Source>,
    partitioning: Partitioning,
    sink: &Collect,
    each: impl Fn() -> F + Send + Sync + 'static,
) -> JobGraph
where
    F: FnMut(Batch, &mut Context<'_>) -> Result<()> + 'static,
{
    let mut job = JobGraph::new();
    let port = vec![OutputPort { name: None, schema: source.schema().clone() }];
    let watermark = Some(WatermarkStrategy::bounded_out_of_orderness(Duration::from_micros(10)));
    let parallelism = if partitioning == Partitioning::Gather { Parallelism::One } else { Parallelism::EveryWorker };
    let source = job.add_node(Node {
        name: "numbers".into(),
        uid: "numbers".into(),
        kind: NodeKind::Source { source, watermark, columns: vec![0, 1, 2], places: false },
        parallelism: Parallelism::EveryWorker,
        outputs: port.clone(),
        bad_rows: BadRowRule::default(),
    });
    let factory = move |_: &OperatorInfo| -> Result<Box<dyn Operator>> { Ok(Box::new(Each(each()))) };
    let middle = job.add_node(Node {
        name: "middle".into(),
        uid: "middle".into(),
        kind: NodeKind::Operator(Arc::new(factory)),
        parallelism,
        outputs: port,
        bad_rows: BadRowRule::default(),
    });
    let end = job.add_node(Node {
        name: "collect".into(),
        uid: "collect".into(),
        kind: NodeKind::Sink(Arc::new(sink.clone())),
        parallelism,
        outputs: Vec::new(),
        bad_rows: BadRowRule::default(),
    });
    job.add_edge(source, middle, Edge { port: 0, input: 0, partitioning }).unwrap();
    job.add_edge(middle, end, Edge { port: 0, input: 0, partitioning: Partitioning::Forward }).unwrap();
    job
}

pub(crate) fn pass() -> impl FnMut(Batch, &mut Context<'_>) -> Result<()> {
    |batch, ctx| {
        ctx.emit(batch);
        Ok(())
    }
}
