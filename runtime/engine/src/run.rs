//! Starts a job and waits for its end.

use crate::config::RunConfig;
use crate::flow::Wiring;
use crate::processes;
use crate::report::JobReport;
use crate::restart::RestartStrategy;
use crate::workers::{metrics_of, run_workers};
use egret_core::job::NodeKind;
use egret_core::place::{Access, Place};
use egret_core::{Error, JobGraph, Result};

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
    if let Some(folder) = config.checkpoints.as_ref().and_then(|checkpoints| checkpoints.location.folder()) {
        job.check_places(vec![("the checkpoint folder".to_owned(), Place::new(folder, Access::Own))])?;
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
        if let Some(place) = config.checkpoints.as_ref().map(|of| &of.location).filter(|place| !place.is_shared()) {
            return Err(Error::job(format!("the checkpoints are in {place}, which one process has alone"))
                .help("name a folder; or run the job with --workers instead of --processes and with --restart none"));
        }
    }
    if config.restart != RestartStrategy::None && config.checkpoints.is_none() {
        return Err(Error::job("a job without checkpoints cannot be started again where it was")
            .help("give it a checkpoint folder, or the restart strategy none"));
    }
    match processes::process_role() {
        Some(role) => processes::be_child(&role, job, config),
        None if config.processes > 1 || config.restart != RestartStrategy::None => processes::supervise(config, &metrics_of(job)),
        None => run_workers(job, config, Wiring::Threads(config.workers), None),
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
