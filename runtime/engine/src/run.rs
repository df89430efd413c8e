//! Starts a job and waits for its end.

use crate::checks::check_job;
use crate::config::RunConfig;
use crate::flow::Wiring;
use crate::members::{Launcher, LocalProcesses, supervise};
use crate::report::JobReport;
use crate::restart::RestartStrategy;
use crate::workers::run_workers;
use egret_core::{JobGraph, Result};

/// Runs a job to its end.
///
/// With `processes > 1` the program is started again that often with the same arguments; each of those builds the same job
/// and reaches this function, where it does its part and exits. The first one waits for them and returns the report of all. A
/// program that starts members in another way calls [`supervise`](crate::supervise) or [`run_member`](crate::run_member).
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
    LocalProcesses.be_member(job, config);
    if config.processes > 1 || config.restart != RestartStrategy::None {
        return supervise(job, config, &LocalProcesses);
    }
    check_job(job, config)?;
    run_workers(job, config, Wiring::Threads(config.workers), None)
}
