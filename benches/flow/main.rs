//! The cost of the dataflow itself: `cargo bench --bench flow -- credit` and `cargo bench --bench flow -- watermarks`.
//!
//! `credit`: an operator turns each row into a hundred, and the next operator is slow. The peak of memory must not depend on the
//! number of rows.
//! `watermarks`: rows go through an operator that does nothing, along a chain or through an exchange, with and without
//! watermarks; the difference is the cost of ticks and watermarks.

use arrow::array::{ArrayRef, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field};
use clap::Parser;
use egret::core::BadRowRule;
use egret::core::job::{Edge, Node, NodeKind, OutputPort, Parallelism, Partitioning};
use egret::core::metrics::Counters;
use egret::core::{
    Batch, Committable, Context, Epoch, JobGraph, KeyColumns, Operator, OperatorInfo, Poll, Result, Sink, SinkContext,
    SinkWriter, Source, SourceReader, Split, StreamSchema, WatermarkStrategy,
};
use egret::engine::{JobReport, RunConfig, process_role, run};
use std::sync::Arc;
use std::time::{Duration, Instant};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures the dataflow itself.
#[derive(Parser)]
struct Args {
    /// What to measure
    measure: Measure,
    /// Rows that the source makes
    #[arg(long, default_value_t = 1_000_000)]
    rows: i64,
    /// Worker threads, in each process
    #[arg(long, default_value_t = 1)]
    workers: usize,
    /// Processes on this machine
    #[arg(long, default_value_t = 1)]
    processes: usize,
    /// Rows a source reads at a time
    #[arg(long, default_value_t = 8_192)]
    batch: usize,
    /// Rows go over an exchange
    #[arg(long)]
    exchange: bool,
    /// No watermarks
    #[arg(long)]
    no_watermark: bool,
    /// Arguments that cargo passes to benchmarks
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Measure {
    /// A slow operator behind a hundredfold expansion
    Credit,
    /// Ticks and watermarks
    Watermarks,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let config = RunConfig { workers: args.workers, processes: args.processes, batch_rows: args.batch, ..RunConfig::default() };
    let partitioning = if args.exchange { Partitioning::Hash(KeyColumns::new(vec![0])) } else { Partitioning::Forward };
    let splits = args.workers * args.processes;
    let job = match args.measure {
        Measure::Credit => job(&args, splits, &[("expand", expand, Partitioning::Forward), ("slow", slow, partitioning)])?,
        Measure::Watermarks => job(&args, splits, &[("pass", pass, partitioning)])?,
    };
    let report = run(&job, &config)?;
    if process_role().is_none() {
        println!("{}", line(&args, &report));
    }
    Ok(())
}

fn line(args: &Args, report: &JobReport) -> String {
    let rows = args.rows as f64;
    format!(
        "{:?} workers={} processes={} exchange={} watermarks={} rows={} out={} seconds={:.2} cpu_us_per_row={:.4} peak_rss_mb={:.0}",
        args.measure,
        args.workers,
        args.processes,
        args.exchange,
        !args.no_watermark,
        args.rows,
        report.nodes.last().map_or(0, |node| node.rows_in),
        report.elapsed.as_secs_f64(),
        report.cpu.as_secs_f64() * 1e6 / rows,
        report.peak_rss_bytes as f64 / 1e6,
    )
}

type Step = fn(Batch, &mut Context<'_>);

fn pass(batch: Batch, ctx: &mut Context<'_>) {
    ctx.emit(batch);
}

/// Copies rows rather than references, so that they take memory.
fn expand(batch: Batch, ctx: &mut Context<'_>) {
    for _ in 0..100 {
        let copies = batch.rows().columns().iter().map(|column| arrow::compute::concat(&[column.as_ref()]));
        let Ok(columns) = copies.collect::<Result<Vec<ArrayRef>, _>>() else { return };
        let Ok(rows) = RecordBatch::try_new(batch.rows().schema(), columns) else { return };
        ctx.emit(batch.with_rows(rows, batch.event_time_column()));
    }
}

/// Spins for ten nanoseconds a row.
fn slow(batch: Batch, ctx: &mut Context<'_>) {
    let until = Instant::now() + Duration::from_nanos(10 * batch.num_rows() as u64);
    while Instant::now() < until {
        std::hint::spin_loop();
    }
    ctx.emit(batch);
}

struct Each(Step);

impl Operator for Each {
    fn process(&mut self, _input: usize, batch: Batch, ctx: &mut Context<'_>) -> Result<()> {
        (self.0)(batch, ctx);
        Ok(())
    }
}

fn job(args: &Args, splits: usize, steps: &[(&str, Step, Partitioning)]) -> Result<JobGraph> {
    let fields = vec![Field::new("id", DataType::Int64, false), StreamSchema::time_field("at")];
    let schema = StreamSchema::new(fields, Some("at"))?;
    let port = vec![OutputPort { name: None, schema: schema.clone() }];
    let mut job = JobGraph::new();
    let source = Arc::new(Numbers { schema, rows: args.rows, splits });
    let watermark = (!args.no_watermark).then(|| WatermarkStrategy::bounded_out_of_orderness(Duration::from_millis(10)));
    let kind = NodeKind::Source { source, watermark, columns: vec![0, 1], places: false };
    let mut last = job.add_node(Node {
        name: "numbers".into(),
        uid: "numbers".into(),
        kind,
        parallelism: Parallelism::EveryWorker,
        outputs: port.clone(),
        bad_rows: BadRowRule::default(),
    });
    for (name, step, partitioning) in steps {
        let step = *step;
        let factory = move |_: &OperatorInfo| -> Result<Box<dyn Operator>> { Ok(Box::new(Each(step))) };
        let node = Node {
            name: (*name).into(),
            uid: (*name).into(),
            kind: NodeKind::Operator(Arc::new(factory)),
            parallelism: Parallelism::EveryWorker,
            outputs: port.clone(),
            bad_rows: BadRowRule::default(),
        };
        let next = job.add_node(node);
        job.add_edge(last, next, Edge { port: 0, input: 0, partitioning: partitioning.clone() })?;
        last = next;
    }
    let kind = NodeKind::Sink(Arc::new(Nothing));
    let end = job.add_node(Node {
        name: "nothing".into(),
        uid: "nothing".into(),
        kind,
        parallelism: Parallelism::EveryWorker,
        outputs: Vec::new(),
        bad_rows: BadRowRule::default(),
    });
    job.add_edge(last, end, Edge { port: 0, input: 0, partitioning: Partitioning::Forward })?;
    Ok(job)
}

/// Numbers from 0, one stripe for each split; the event time is the number.
struct Numbers {
    schema: StreamSchema,
    rows: i64,
    splits: usize,
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
        let next = split.id.parse().map_err(|_| egret::core::Error::bug("a stripe is a number"))?;
        Ok(Box::new(Reader { schema: self.schema.clone(), next, stride: self.splits as i64, end: self.rows }))
    }

    fn describe(&self) -> String {
        "numbers".into()
    }
}

struct Reader {
    schema: StreamSchema,
    next: i64,
    stride: i64,
    end: i64,
}

impl SourceReader for Reader {
    fn poll(&mut self, rows_max: usize) -> Result<Poll> {
        let left = (self.end - self.next).max(0) as u64;
        let left = left.div_ceil(self.stride as u64) as i64;
        if left == 0 {
            return Ok(Poll::End);
        }
        let count = left.min(rows_max as i64);
        let ids: Vec<i64> = (0..count).map(|n| self.next + n * self.stride).collect();
        self.next += count * self.stride;
        let times: ArrayRef = Arc::new(TimestampMicrosecondArray::from(ids.clone()));
        let columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(ids)), times];
        Ok(Poll::Rows(RecordBatch::try_new(Arc::clone(self.schema.arrow()), columns)?))
    }

    fn position(&self) -> Vec<u8> {
        self.next.to_le_bytes().to_vec()
    }

    fn seek(&mut self, position: &[u8]) -> Result<()> {
        let bytes = position.try_into().map_err(|_| egret::core::Error::job("not a position of this source"))?;
        self.next = i64::from_le_bytes(bytes);
        Ok(())
    }
}

struct Nothing;

impl Sink for Nothing {
    fn open(&self, _schema: &StreamSchema, _ctx: &SinkContext) -> Result<Box<dyn SinkWriter>> {
        Ok(Box::new(Self))
    }

    fn describe(&self) -> String {
        "nothing".into()
    }
}

impl SinkWriter for Nothing {
    fn write(&mut self, _batch: &Batch) -> Result<()> {
        Ok(())
    }

    fn prepare(&mut self, _epoch: Epoch) -> Result<Vec<Committable>> {
        Ok(Vec::new())
    }

    fn commit(&mut self, _committables: &[Committable]) -> Result<()> {
        Ok(())
    }
}
