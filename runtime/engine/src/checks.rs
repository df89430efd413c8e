//! What is looked at before a job runs.

use crate::config::RunConfig;
use crate::restart::RestartStrategy;
use egret_core::job::NodeKind;
use egret_core::place::{Access, Place};
use egret_core::{Error, JobGraph, Result};

/// Whether a job can be run in this way.
///
/// # Errors
/// The message says what is in the way.
pub(crate) fn check_job(job: &JobGraph, config: &RunConfig) -> Result<()> {
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
    Ok(())
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
