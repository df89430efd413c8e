//! Starts a job, waits for its end, and says what happened.

use crate::checkpoint;
use crate::checkpoint::{CheckpointConfig, CheckpointReport, CheckpointRun, Restored, Start, Takers};
use crate::flow::{Alignment, Backpressure, JobShared, Wiring, execute};
use crate::processes::{self, ProcessRole};
use crate::restart::RestartStrategy;
use crate::shared::{Failure, Progress, StopHandle};
use crate::source_clock::SourceClock;
use crate::splits::SplitLists;
use egret_core::job::{Node, NodeId, NodeKind, Parallelism, Partitioning};
use egret_core::metrics::{Counters, Hold, JobMetrics};
use egret_core::place::{Access, Place};
use egret_core::{Clock, Error, JobGraph, Result, SinkContext, StateSize, SystemClock};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How a job runs.
#[derive(Clone, Debug)]
pub struct RunConfig {
    /// Worker threads, in each process.
    pub workers: usize,
    /// Processes on this machine. More than one: the program starts itself again that often (see [`run`]).
    pub processes: usize,
    /// Rows a source reads at a time.
    pub batch_rows: usize,
    /// Bytes that each source instance may have in flight.
    pub in_flight_bytes: usize,
    /// Stops the job.
    pub stop: StopHandle,
    /// Shows the job while it runs.
    pub progress: Progress,
    /// Processing time.
    pub clock: Arc<dyn Clock>,
    /// Checkpoints, if there are to be any.
    pub checkpoints: Option<CheckpointConfig>,
    /// Whether and when a job that failed is started again. With any but [`RestartStrategy::None`] the job runs in a process of its
    /// own, which this one supervises.
    pub restart: RestartStrategy,
}

impl Default for RunConfig {
    fn default() -> Self {
        Self {
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            processes: 1,
            batch_rows: 8_192,
            in_flight_bytes: 16 << 20,
            stop: StopHandle::new(),
            progress: Progress::new(),
            clock: Arc::new(SystemClock),
            checkpoints: None,
            restart: RestartStrategy::None,
        }
    }
}

impl RunConfig {
    /// One process with this many workers.
    pub fn with_workers(workers: usize) -> Self {
        Self { workers, ..Self::default() }
    }
}

/// What happened at one node, over all workers and processes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeReport {
    /// The node's name.
    pub name: String,
    /// Rows taken in.
    pub rows_in: u64,
    /// Rows given out.
    pub rows_out: u64,
    /// Rows that came too late to be used.
    pub late: u64,
    /// Rows that could not be read.
    pub bad: u64,
    /// State at the end.
    pub state: StateSize,
    /// The largest state seen.
    pub state_peak_bytes: u64,
    /// The operator's own counters.
    pub named: BTreeMap<String, i64>,
    /// Remarks for the summary.
    pub notes: Vec<String>,
    /// The last watermark, in microseconds.
    pub watermark_us: i64,
    /// Of a source: what keeps the watermark from moving.
    #[serde(default)]
    pub holds: Vec<Hold>,
}

impl NodeReport {
    fn of(name: &str, counters: &Counters) -> Self {
        Self {
            name: name.to_owned(),
            rows_in: Counters::read(&counters.rows_in),
            rows_out: Counters::read(&counters.rows_out),
            late: Counters::read(&counters.late),
            bad: Counters::read(&counters.bad),
            state: counters.state(),
            state_peak_bytes: counters.state_peak_bytes(),
            named: counters.named(),
            notes: counters.notes(),
            watermark_us: counters.watermark().0,
            holds: counters.holds(),
        }
    }

    fn add(&mut self, other: &Self) {
        self.rows_in += other.rows_in;
        self.rows_out += other.rows_out;
        self.late += other.late;
        self.bad += other.bad;
        self.state.keys += other.state.keys;
        self.state.bytes += other.state.bytes;
        self.state_peak_bytes += other.state_peak_bytes;
        for (name, value) in &other.named {
            let sum = self.named.entry(name.clone()).or_default();
            *sum = sum.wrapping_add(*value);
        }
        self.notes.extend(other.notes.iter().cloned());
        self.watermark_us = self.watermark_us.max(other.watermark_us);
        self.holds.extend(other.holds.iter().cloned());
    }
}

/// What a job did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobReport {
    /// Every node, in the order of the graph.
    pub nodes: Vec<NodeReport>,
    /// From start to end.
    pub elapsed: Duration,
    /// CPU time of all processes of the job, start-up of this process included.
    pub cpu: Duration,
    /// The most memory the processes held, added up.
    pub peak_rss_bytes: u64,
    /// Whether somebody stopped the job before its input ended.
    pub stopped: bool,
    /// How often it was started again.
    #[serde(default)]
    pub restarts: u32,
    /// What came of checkpoints.
    #[serde(default)]
    pub checkpoints: CheckpointReport,
}

impl JobReport {
    /// A node by name.
    pub fn node(&self, name: &str) -> Option<&NodeReport> {
        self.nodes.iter().find(|node| node.name == name)
    }

    /// The sum of a counter of the operators' own over all nodes, wrapping.
    pub fn named(&self, name: &str) -> i64 {
        self.nodes.iter().filter_map(|node| node.named.get(name)).fold(0, |sum, value| sum.wrapping_add(*value))
    }

    pub(crate) fn of(metrics: &JobMetrics, elapsed: Duration, stopped: bool) -> Self {
        let nodes = metrics.nodes.iter().map(|(name, counters)| NodeReport::of(name, counters)).collect();
        let (cpu, peak_rss_bytes) = usage();
        Self { nodes, elapsed, cpu, peak_rss_bytes, stopped, restarts: 0, checkpoints: CheckpointReport::default() }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        if self.nodes.is_empty() {
            self.nodes = other.nodes.clone();
        } else {
            self.nodes.iter_mut().zip(&other.nodes).for_each(|(mine, theirs)| mine.add(theirs));
        }
        self.elapsed = self.elapsed.max(other.elapsed);
        self.cpu += other.cpu;
        self.peak_rss_bytes += other.peak_rss_bytes;
        self.stopped |= other.stopped;
        self.checkpoints.add(&other.checkpoints);
    }
}

/// Runs a job to its end.
///
/// With `processes > 1` the program is started again that often with the same arguments; each of those builds the same job
/// and reaches this function, where it does its part and exits. The first one waits for them and returns the report of all.
///
/// ```
/// # use egret_engine::{RunConfig, run};
/// # use egret_core::JobGraph;
/// let error = run(&JobGraph::new(), &RunConfig::with_workers(1)).unwrap_err();
/// assert!(error.to_string().contains("no output"));
/// ```
///
/// # Errors
/// The job is not valid; an operator, source or sink failed (the message says which and where); a process was lost.
pub fn run(job: &JobGraph, config: &RunConfig) -> Result<JobReport> {
    job.validate()?;
    if let Some(checkpoints) = &config.checkpoints {
        job.check_places(vec![("the checkpoint folder".to_owned(), Place::new(&checkpoints.folder, Access::Own))])?;
    }
    if config.workers == 0 || config.processes == 0 {
        return Err(Error::job("a job needs at least one worker").help("leave --workers away to use every core"));
    }
    let workers = config.workers * config.processes;
    if workers > usize::from(job.max_parallelism) {
        return Err(Error::job(format!("{workers} workers are more than the {} key groups of the job", job.max_parallelism))
            .help("use fewer workers"));
    }
    if config.processes > 1 || config.restart != RestartStrategy::None {
        refuse_what_one_process_reads(job)?;
    }
    if config.restart != RestartStrategy::None && config.checkpoints.is_none() {
        return Err(Error::job("a job without checkpoints cannot be started again where it was")
            .help("give it a checkpoint folder, or the restart strategy none"));
    }
    match processes::process_role() {
        Some(role) => processes::be_child(&role, job, config),
        None if config.processes > 1 || config.restart != RestartStrategy::None => processes::supervise(config, &metrics_of(job)),
        None => run_here(job, config, Wiring::Threads(config.workers), None),
    }
}

/// Whether a job can be run by another process than this one: not if it reads what this one alone has, such as standard input.
pub fn can_be_supervised(job: &JobGraph) -> bool {
    job.nodes().all(|(_, node)| match &node.kind {
        NodeKind::Source { source, .. } => source.can_be_read_by_processes(),
        _ => true,
    })
}

fn refuse_what_one_process_reads(job: &JobGraph) -> Result<()> {
    for (_, node) in job.nodes() {
        if let NodeKind::Source { source, .. } = &node.kind
            && !source.can_be_read_by_processes()
        {
            return Err(Error::job(format!("source '{}' ({}) can be read by one process only", node.name, source.describe()))
                .help(
                    "run the job with --workers instead of --processes and with --restart none, or put the input into a file",
                ));
        }
    }
    Ok(())
}

fn metrics_of(job: &JobGraph) -> JobMetrics {
    JobMetrics { nodes: job.nodes().map(|(_, node)| (Arc::clone(&node.name), Arc::default())).collect() }
}

/// Runs this process's part of a job.
pub(crate) fn run_here(job: &JobGraph, config: &RunConfig, wiring: Wiring, role: Option<&ProcessRole>) -> Result<JobReport> {
    let process = role.map_or(0, |role| role.number);
    let metrics = metrics_of(job);
    config.progress.install(metrics.clone());
    let workers = config.workers * config.processes;
    let local = process * config.workers..(process + 1) * config.workers;
    let takers = Takers::new(job, workers, &local);
    let start = config.checkpoints.as_ref().map(|config| start_or_join(job, config, &takers, role)).transpose()?;
    let (checkpoints, restored) = match start {
        Some(Start { run, restored: Some(restored), is_finished: true }) => {
            return publish_last(job, workers, process, &run, &restored).map_err(|error| run.unless_taken_over(error));
        }
        Some(start) => (Some(start.run), start.restored),
        None => (None, None),
    };
    let names = job.nodes().map(|(_, node)| Arc::clone(&node.name)).collect();
    let splits = SplitLists::of_job(job, restored.as_ref(), role)?;
    let shared = Arc::new(JobShared {
        busy: config.progress.busy_with(names, config.workers),
        first_worker: local.start,
        clocks: clocks_of(job, &splits, workers, &local),
        splits,
        checkpoints,
        restored,
        backpressure: backpressure_of(job, workers, &local, config.in_flight_bytes)?,
        job: job.clone(),
        metrics,
        failure: Failure::default(),
        stop: config.stop.clone(),
        progress: config.progress.clone(),
        clock: Arc::clone(&config.clock),
        batch_rows: config.batch_rows,
        in_flight_bytes: config.in_flight_bytes,
        workers,
        alignment: alignment_of(job, workers),
    });
    let started = Instant::now();
    tracing::debug!(process, ?local, workers, nodes = job.nodes().count(), "the job starts");
    let place = |error: Error| match &shared.checkpoints {
        Some(run) => run.unless_taken_over(error),
        None => error,
    };
    execute(wiring, &shared).inspect_err(|error| tracing::debug!(process, %error, "the job failed")).map_err(place)?;
    tracing::debug!(process, elapsed = ?started.elapsed(), stopped = config.stop.is_stopped(), "the job ended");
    let mut report = JobReport::of(&shared.metrics, started.elapsed(), config.stop.is_stopped());
    report.checkpoints = shared.checkpoints.as_ref().map(|run| run.counters.report()).unwrap_or_default();
    Ok(report)
}

/// The first process claims the checkpoints, and announces the attempt to the others.
fn start_or_join(job: &JobGraph, config: &CheckpointConfig, takers: &Takers, role: Option<&ProcessRole>) -> Result<Start> {
    match role {
        Some(role) if role.number > 0 => checkpoint::join(job, config, takers, role.wait_for_descriptor()?),
        _ => {
            let (start, descriptor) = checkpoint::start(job, config, takers)?;
            role.into_iter().for_each(|role| role.send_descriptor(descriptor));
            Ok(start)
        }
    }
}

/// The job has run to its end before. What it has to publish is published, should it have been killed just before that.
fn publish_last(job: &JobGraph, workers: usize, process: usize, run: &CheckpointRun, restored: &Restored) -> Result<JobReport> {
    for (id, node) in job.nodes().filter(|_| process == 0) {
        let NodeKind::Sink(sink) = &node.kind else { continue };
        let (from, edge) = job.inputs(id)[0];
        let parallelism = if node.parallelism == Parallelism::One { 1 } else { workers };
        let attempt = Some(run.sink_attempt(Some(restored), node));
        let mut writer = sink
            .open(&job.node(from).outputs[edge.port].schema, &SinkContext { attempt, ..SinkContext::new(0, parallelism) })
            .and_then(|mut writer| {
                writer.commit(&restored.committables(node))?;
                Ok(writer)
            })
            .map_err(|error| error.context(format!("'{}'", node.name)))?;
        writer.abort();
    }
    let mut report = JobReport::of(&metrics_of(job), Duration::ZERO, false);
    report.checkpoints = CheckpointReport { was_finished: true, ..run.counters.report() };
    Ok(report)
}

fn alignment_of(job: &JobGraph, workers: usize) -> HashMap<NodeId, Arc<Alignment>> {
    let makes_watermarks = |node: &Node| matches!(&node.kind, NodeKind::Source { watermark: Some(_), .. });
    job.nodes().filter(|(_, node)| makes_watermarks(node)).map(|(id, _)| (id, Arc::new(Alignment::new(workers)))).collect()
}

/// The clocks that the readers of a source share: those of sources whose splits can be idle.
fn clocks_of(
    job: &JobGraph,
    splits: &SplitLists,
    workers: usize,
    local: &std::ops::Range<usize>,
) -> HashMap<NodeId, SourceClock> {
    let can_idle =
        |node: &Node| matches!(&node.kind, NodeKind::Source { watermark: Some(strategy), .. } if strategy.idle_after.is_some());
    let clock = |id: NodeId| SourceClock::new(splits.of(id).len(), |split| local.contains(&(split % workers)));
    job.nodes().filter(|(_, node)| can_idle(node)).map(|(id, _)| (id, clock(id))).collect()
}

fn backpressure_of(
    job: &JobGraph,
    workers: usize,
    local: &std::ops::Range<usize>,
    bytes_max: usize,
) -> Result<HashMap<(NodeId, usize), Arc<Backpressure>>> {
    let mut all = HashMap::new();
    for id in job.topological_order()? {
        for (_, edge) in job.inputs(id).iter().filter(|(_, edge)| edge.partitioning != Partitioning::Forward) {
            all.insert((id, edge.input), Arc::new(Backpressure::new(workers, local.clone(), bytes_max)));
        }
    }
    Ok(all)
}

/// CPU time and peak memory of this process, as Linux tells them; zero elsewhere.
fn usage() -> (Duration, u64) {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let fields: Vec<u64> = after_name.split(' ').skip(11).take(2).filter_map(|field| field.parse().ok()).collect();
    let cpu = Duration::from_millis(fields.iter().sum::<u64>() * 10);
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).and_then(|rest| rest.split_whitespace().next());
    (cpu, peak.and_then(|kb| kb.parse::<u64>().ok()).unwrap_or(0) * 1_024)
}
