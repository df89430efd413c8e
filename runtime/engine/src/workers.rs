//! Runs the workers of one member: makes what they share, and reports what they did.

use crate::checkpoint::{self, CheckpointConfig, CheckpointReport, CheckpointRun, Restored, Start, Takers};
use crate::config::RunConfig;
use crate::flow::{Alignment, Backpressure, JobShared, Wiring, execute};
use crate::members::Meeting;
use crate::report::JobReport;
use crate::sink;
use crate::source_clock::SourceClock;
use crate::splits::SplitLists;
use egret_core::job::{Node, NodeId, NodeKind, Partitioning};
use egret_core::metrics::JobMetrics;
use egret_core::{Error, JobGraph, Result};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Under this name the first member announces the descriptor of the attempt.
const DESCRIPTOR: &str = "attempt";

/// Counters for every node of a job.
pub(crate) fn metrics_of(job: &JobGraph) -> JobMetrics {
    JobMetrics { nodes: job.nodes().map(|(_, node)| (Arc::clone(&node.name), Arc::default())).collect() }
}

/// Runs this member's part of a job. `meeting`: of a member that has others beside it, or a supervisor.
pub(crate) fn run_workers(
    job: &JobGraph,
    config: &RunConfig,
    wiring: Wiring<'_>,
    meeting: Option<&Meeting>,
) -> Result<JobReport> {
    let process = meeting.map_or(0, |meeting| meeting.role.number);
    let metrics = metrics_of(job);
    config.progress.install(metrics.clone());
    let workers = config.workers * config.processes;
    let local = process * config.workers..(process + 1) * config.workers;
    let takers = Takers::new(job, workers, &local);
    let start = config.checkpoints.as_ref().map(|config| start_or_join(job, config, &takers, meeting)).transpose()?;
    let (checkpoints, restored) = match start {
        Some(Start { run, restored: Some(restored), is_finished: true }) => {
            return publish_last(job, workers, process, &run, &restored).map_err(|error| run.unless_taken_over(error));
        }
        Some(Start { run, restored, .. }) => {
            // The other processes wait for the splits meanwhile.
            if process == 0 {
                sink::recover(job, workers, &run, restored.as_ref()).map_err(|error| run.unless_taken_over(error))?;
            }
            (Some(run), restored)
        }
        None => (None, None),
    };
    let names = job.nodes().map(|(_, node)| Arc::clone(&node.name)).collect();
    let splits = SplitLists::of_job(job, restored.as_ref(), meeting)?;
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
        failure: meeting.map(|meeting| Arc::clone(&meeting.failure)).unwrap_or_default(),
        stop: config.stop.clone(),
        progress: config.progress.clone(),
        clock: Arc::clone(&config.clock),
        state: Arc::clone(&config.state),
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

/// The first member claims the checkpoints, and announces the attempt to the others.
fn start_or_join(job: &JobGraph, config: &CheckpointConfig, takers: &Takers, meeting: Option<&Meeting>) -> Result<Start> {
    match meeting {
        Some(meeting) if !meeting.is_first() => checkpoint::join(job, config, takers, meeting.wait_for(DESCRIPTOR)?),
        _ => {
            let (start, descriptor) = checkpoint::start(job, config, takers)?;
            meeting.map_or(Ok(()), |meeting| meeting.announce(DESCRIPTOR, &descriptor))?;
            Ok(start)
        }
    }
}

/// The report of a job that has run to its end before. Sinks publish what they had prepared, in case it was killed just before that.
fn publish_last(job: &JobGraph, workers: usize, process: usize, run: &CheckpointRun, restored: &Restored) -> Result<JobReport> {
    if process == 0 {
        sink::recover(job, workers, run, Some(restored))?;
    }
    let mut report = JobReport::of(&metrics_of(job), Duration::ZERO, false);
    report.checkpoints = CheckpointReport { was_finished: true, ..run.counters.report() };
    Ok(report)
}

fn alignment_of(job: &JobGraph, workers: usize) -> HashMap<NodeId, Arc<Alignment>> {
    let makes_watermarks = |node: &Node| matches!(&node.kind, NodeKind::Source { watermark: Some(_), .. });
    job.nodes().filter(|(_, node)| makes_watermarks(node)).map(|(id, _)| (id, Arc::new(Alignment::new(workers)))).collect()
}

/// The clocks that readers of a source share, of sources whose splits can be idle.
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
