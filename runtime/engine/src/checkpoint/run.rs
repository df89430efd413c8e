//! An attempt to run a job with checkpoints: what it goes on from, and what its workers need.

use super::config::{CheckpointConfig, CheckpointCounters};
use super::coordinator::{Coordinator, Pace};
use super::fencing::unless_taken_over;
use super::participant::{Instances, Participant};
use super::restored::{Restored, Takers, identity, is_finished};
use super::writer::{Writer, WriterSpec};
use crate::failpoint::fail_point;
use crate::instances::has_instance;
use egret_core::job::{Node, NodeKind};
use egret_core::{Error, JobGraph, Result, SinkAttempt};
use egret_state::checkpoint::{Attempt, Checkpoints, Difference, JobIdentity, Location, Manifest, check_differences};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What all workers of a process need for checkpoints.
pub(crate) struct CheckpointRun {
    spec: WriterSpec,
    /// The right to commit, which worker 0 takes.
    attempt: Mutex<Option<Attempt>>,
    pace: Pace,
    /// The number of the first checkpoint of this attempt.
    first: u64,
    /// What sinks are told of the attempt, apart from what they have to publish.
    sinks: SinkAttempt,
    pub(crate) counters: Arc<CheckpointCounters>,
}

/// How an attempt begins.
pub(crate) struct Start {
    pub(crate) run: CheckpointRun,
    pub(crate) restored: Option<Restored>,
    /// Whether the checkpoint is that of a job whose input has ended: only its last output is still to be published.
    pub(crate) is_finished: bool,
}

/// The descriptor of an attempt: what the process that claimed the folder sends to the other processes of the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AttemptDescriptor {
    attempt: u64,
    first: u64,
    /// The position in the log of the checkpoint that the job goes on from.
    position: Option<u64>,
}

/// Claims the folder, and finds what the job goes on from.
///
/// # Errors
/// The folder cannot be used, or what is in it is of another job; the message says what differs.
pub(crate) fn start(job: &JobGraph, config: &CheckpointConfig, takers: &Takers) -> Result<(Start, AttemptDescriptor)> {
    let job = identity(job, &config.job)?;
    let checkpoints = open(&config.location, &job)?;
    let mut attempt = checkpoints.claim(config.kept)?;
    fail_point("claimed");
    let (log, number) = (checkpoints.clone(), attempt.number());
    go_on(job, config, takers, checkpoints, &mut attempt)
        .map_err(|error| unless_taken_over(&log, number, error))
        .map(|(start, descriptor)| (start.with_attempt(attempt), descriptor))
}

fn go_on(
    job: JobIdentity,
    config: &CheckpointConfig,
    takers: &Takers,
    checkpoints: Checkpoints,
    attempt: &mut Attempt,
) -> Result<(Start, AttemptDescriptor)> {
    let found = attempt.restore(&job)?;
    if let Some(found) = &found {
        for passed_over in &found.passed_over {
            tracing::warn!("{passed_over}; the one before it is used");
        }
        check_differences(&found.differences, config.may_drop_state)
            .map_err(|error| error.context(format!("checkpoint {} in {}", found.manifest.checkpoint, checkpoints.describe())))?;
        for dropped in found.differences.iter().filter(|difference| matches!(difference, Difference::Dropped { .. })) {
            tracing::warn!("{dropped}: the state it had is dropped");
        }
    }
    let position = found.as_ref().map(|found| found.position);
    let descriptor = AttemptDescriptor { attempt: attempt.number(), first: attempt.next_checkpoint(), position };
    let manifest = found.map(|found| found.manifest);
    Ok((begin(job, config, takers, checkpoints, descriptor, manifest.as_ref())?, descriptor))
}

/// Takes part in an attempt that another process of the job has begun.
///
/// # Errors
/// The checkpoint cannot be read.
pub(crate) fn join(job: &JobGraph, config: &CheckpointConfig, takers: &Takers, descriptor: AttemptDescriptor) -> Result<Start> {
    let job = identity(job, &config.job)?;
    let checkpoints = open(&config.location, &job)?;
    let log = checkpoints.clone();
    go_along(job, config, takers, checkpoints, descriptor).map_err(|error| unless_taken_over(&log, descriptor.attempt, error))
}

fn go_along(
    job: JobIdentity,
    config: &CheckpointConfig,
    takers: &Takers,
    checkpoints: Checkpoints,
    descriptor: AttemptDescriptor,
) -> Result<Start> {
    let manifest = match descriptor.position {
        None => None,
        Some(position) => {
            let (listed, _) = checkpoints.list()?;
            let found = listed.into_iter().find(|listed| listed.position == position).map(|listed| listed.manifest);
            Some(found.ok_or_else(|| Error::external("the checkpoint that the job goes on from is not there any more"))?)
        }
    };
    begin(job, config, takers, checkpoints, descriptor, manifest.as_ref())
}

fn begin(
    job: JobIdentity,
    config: &CheckpointConfig,
    takers: &Takers,
    checkpoints: Checkpoints,
    descriptor: AttemptDescriptor,
    manifest: Option<&Manifest>,
) -> Result<Start> {
    let restored = manifest.map(|manifest| Restored::read(&checkpoints, manifest, takers)).transpose()?;
    let millis = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    let pace = Pace { interval_ms: millis(config.interval).max(1), timeout_ms: millis(config.timeout) };
    let counters = Arc::new(CheckpointCounters::of(manifest.map(|manifest| manifest.checkpoint)));
    let sinks = SinkAttempt {
        job: job.name.as_str().into(),
        number: descriptor.attempt,
        restored: manifest.map(|manifest| manifest.checkpoint),
        may_repeat: config.may_repeat_output,
        ..SinkAttempt::new(&format!("{:016x}", checkpoints.id()))
    };
    let spec = WriterSpec { checkpoints, attempt: descriptor.attempt, job: Arc::new(job) };
    let run = CheckpointRun { spec, attempt: Mutex::new(None), pace, first: descriptor.first, sinks, counters };
    Ok(Start { run, restored, is_finished: manifest.is_some_and(is_finished) })
}

/// Opens the place; a folder is made if there is none.
fn open(location: &Location, job: &JobIdentity) -> Result<Checkpoints> {
    location.folder().map_or(Ok(()), make)?;
    location.open(job)
}

fn make(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(|error| {
        use std::io::ErrorKind as Kind;
        let message = format!("the checkpoint folder {} cannot be made: {error}", folder.display());
        // The name is wrong: trying again does not help.
        let is_wrong = [Kind::AlreadyExists, Kind::NotADirectory, Kind::PermissionDenied, Kind::ReadOnlyFilesystem];
        let error = if is_wrong.contains(&error.kind()) { Error::job(message) } else { Error::external(message) };
        error.help("name a folder that this user can write")
    })
}

impl Start {
    /// The same, in the process that commits.
    fn with_attempt(self, attempt: Attempt) -> Self {
        *self.run.attempt.lock().unwrap_or_else(PoisonError::into_inner) = Some(attempt);
        self
    }
}

impl CheckpointRun {
    /// The error of this attempt, or that another has taken over.
    pub(crate) fn unless_taken_over(&self, error: Error) -> Error {
        unless_taken_over(&self.spec.checkpoints, self.spec.attempt, error)
    }

    /// The attempt as a sink sees it.
    pub(crate) fn sink_attempt(&self, restored: Option<&Restored>, sink: &Node) -> SinkAttempt {
        let committables = restored.map(|restored| restored.committables(sink)).unwrap_or_default();
        SinkAttempt { committables, ..self.sinks.clone() }
    }

    /// A worker's part, of so many workers; `now_ms` is time that passes.
    ///
    /// # Errors
    /// There can be no more threads.
    pub(crate) fn participant(&self, job: &JobGraph, worker: usize, workers: usize, now_ms: i64) -> Result<Participant> {
        let mut instances = Instances::default();
        for (_, node) in job.nodes().filter(|(_, node)| has_instance(node, worker)) {
            instances.all += 1;
            self.counters.answers.expect(worker, &node.name);
            instances.sources += usize::from(matches!(node.kind, NodeKind::Source { .. }));
            instances.sinks += usize::from(matches!(node.kind, NodeKind::Sink(_)));
        }
        let coordinator = || Coordinator::new(workers, self.pace, self.first, now_ms);
        let mut attempt = self.attempt.lock().unwrap_or_else(PoisonError::into_inner);
        let attempt = if worker == 0 { attempt.take() } else { None };
        let (writer, counters) = (Writer::start(self.spec.clone(), attempt)?, Arc::clone(&self.counters));
        Ok(Participant::new(worker, workers, instances, (worker == 0).then(coordinator), writer, counters, self.first))
    }
}
