//! A worker's side of the checkpoint protocol: what its sources, operators and sinks are asked for, and what they contributed.
//!
//! Everything here belongs to the worker's thread. Sources look at [`Participant::wanted`] whenever they run, operators and sinks
//! [`Participant::contribute`] their parts when all barriers of a checkpoint have reached them, and sinks publish what [`Participant::committed`]
//! covers. [`Participant::turn`] runs between two steps of the dataflow.

use super::CheckpointCounters;
use super::coordinator::{Command, Coordinator, STOP_MS};
use super::messages::{CheckpointMessage, Kind, Why, WrittenPart};
use super::writer::{Contribution, Request, Writer, Written};
use crate::failpoint::fail_point;
use crate::shared::Failure;
use egret_core::{Error, Result};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// How long a worker sleeps at most while a checkpoint is made, and while none is.
const BUSY: Duration = Duration::from_millis(1);
const CALM: Duration = Duration::from_millis(20);

/// What a worker has done for one checkpoint.
#[derive(Default)]
struct EpochProgress {
    contributed: usize,
    contributed_at_end: usize,
    unwritten: usize,
    parts: Vec<WrittenPart>,
    acked: bool,
    /// Whether a part could not be written: the checkpoint is given up, and later contributions to it are ignored.
    failed: bool,
}

/// The sizes of a part that was written whole, and of the changes written since.
#[derive(Clone, Copy, Debug, Default)]
struct Chain {
    whole_bytes: u64,
    changed_bytes: u64,
    changes: usize,
}

/// A part is written whole again after so many parts of changes, or when these have so many hundredths of its size: a restore reads
/// all of them.
const CHANGES_MAX: usize = 20;
const CHANGED_PERCENT_MAX: u64 = 50;

impl Chain {
    fn written(&mut self, part: &WrittenPart) {
        if part.base.is_some() {
            self.changed_bytes += part.file.bytes;
            self.changes += 1;
        } else {
            *self = Self { whole_bytes: part.file.bytes, ..Self::default() };
        }
    }

    fn may_grow(&self) -> bool {
        self.changes < CHANGES_MAX && self.changed_bytes * 100 < self.whole_bytes * CHANGED_PERCENT_MAX
    }
}

/// How many instances a worker has.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Instances {
    pub(crate) all: usize,
    pub(crate) sources: usize,
    pub(crate) sinks: usize,
}

/// A worker's part in checkpoints.
pub(crate) struct Participant {
    worker: usize,
    workers: usize,
    instances: Instances,
    coordinator: Option<Coordinator>,
    writer: Writer,
    counters: Arc<CheckpointCounters>,
    first: u64,
    wanted: u64,
    finish: Option<u64>,
    committed: u64,
    halting: bool,
    over: bool,
    exhausted: usize,
    progress: BTreeMap<u64, EpochProgress>,
    /// By node: those whose instance on this worker has written a part.
    chains: HashMap<String, Chain>,
    inbox: Vec<CheckpointMessage>,
    outbox: Vec<(usize, CheckpointMessage)>,
    /// Each makes an instance of this worker run again.
    wakers: Vec<Box<dyn Fn()>>,
    /// The wall clock's time, for manifests; all else goes by passed time, which never goes back.
    time_ms: i64,
}

impl Participant {
    /// `first`: the number of the first checkpoint of this attempt.
    pub(crate) fn new(
        worker: usize,
        workers: usize,
        instances: Instances,
        coordinator: Option<Coordinator>,
        writer: Writer,
        counters: Arc<CheckpointCounters>,
        first: u64,
    ) -> Self {
        let mut participant = Self {
            worker,
            workers,
            instances,
            coordinator,
            writer,
            counters,
            first,
            wanted: first - 1,
            finish: None,
            committed: first - 1,
            halting: false,
            over: false,
            exhausted: 0,
            progress: BTreeMap::new(),
            chains: HashMap::new(),
            inbox: Vec::new(),
            outbox: Vec::new(),
            wakers: Vec::new(),
            time_ms: 0,
        };
        if instances.sources == 0 {
            participant.outbox.push((0, CheckpointMessage::Exhausted { worker }));
        }
        participant
    }

    /// The number of the first checkpoint of this attempt: the epoch in which everything begins.
    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    /// The last checkpoint for which sources end their epoch.
    pub(crate) fn wanted(&self) -> u64 {
        self.wanted
    }

    /// Whether sources that have been read to their end send the end.
    pub(crate) fn is_finishing(&self) -> bool {
        self.finish.is_some()
    }

    /// The last checkpoint that is complete.
    pub(crate) fn committed(&self) -> u64 {
        self.committed
    }

    /// The checkpoint to which a node's next part may be a delta: the last complete one, if this attempt made it and there are not too
    /// many deltas already.
    pub(crate) fn base(&self, node: &str) -> Option<u64> {
        let may_grow = self.chains.get(node).is_some_and(Chain::may_grow);
        (may_grow && self.committed >= self.first).then_some(self.committed)
    }

    /// Whether the worker ends now, because the job stops with a complete checkpoint.
    pub(crate) fn is_halting(&self) -> bool {
        self.halting
    }

    /// Whether there is nothing more to send to the other workers.
    pub(crate) fn is_over(&self) -> bool {
        self.over && self.outbox.is_empty()
    }

    /// Registers an instance that waits for changes: `wake` makes it run again.
    pub(crate) fn register(&mut self, wake: impl Fn() + 'static) {
        self.wakers.push(Box::new(wake));
    }

    /// A source of this worker has been read to its end.
    pub(crate) fn exhausted(&mut self) {
        self.exhausted += 1;
        if self.exhausted == self.instances.sources {
            self.send(0, CheckpointMessage::Exhausted { worker: self.worker });
        }
    }

    /// Takes what an instance contributes to a checkpoint; `at_end`: a sink whose input has ended.
    pub(crate) fn contribute(&mut self, number: u64, contribution: Contribution, at_end: bool) {
        fail_point("give");
        self.counters.answers.gave(self.worker, &contribution.part.uid, number);
        let progress = self.progress.entry(number).or_default();
        if progress.failed {
            return;
        }
        if at_end {
            progress.contributed_at_end += 1;
        } else {
            progress.contributed += 1;
        }
        if !contribution.is_empty() {
            progress.unwritten += 1;
            self.writer.send(Request::Part { number, contribution });
        }
        self.ack(number);
    }

    /// Asks the coordinator, if it is on this worker, to stop the job.
    pub(crate) fn stop(&mut self, now_ms: i64) {
        if let Some(coordinator) = &mut self.coordinator {
            coordinator.stop(now_ms);
        }
    }

    /// Takes a message of another worker; the next turn handles it.
    pub(crate) fn receive(&mut self, message: CheckpointMessage) {
        self.inbox.push(message);
    }

    /// The messages to send to other workers.
    pub(crate) fn take_outbox(&mut self) -> Vec<(usize, CheckpointMessage)> {
        std::mem::take(&mut self.outbox)
    }

    /// How long the worker may sleep.
    pub(crate) fn patience(&self) -> Duration {
        let is_busy = self.progress.values().any(|progress| !progress.failed)
            || self.coordinator.as_ref().is_some_and(Coordinator::is_busy);
        if is_busy { BUSY } else { CALM }
    }

    /// Handles messages and what was written, between two steps of the dataflow. `now_ms` is passed time, `time_ms` the wall clock's.
    ///
    /// # Errors
    /// The job cannot go on.
    pub(crate) fn turn(&mut self, now_ms: i64, time_ms: i64, failure: &Failure) {
        self.time_ms = time_ms;
        if let Err(error) = self.turn_checked(now_ms) {
            failure.set(error);
        }
        if !self.outbox.is_empty() || self.over {
            self.wake();
        }
    }

    fn turn_checked(&mut self, now_ms: i64) -> Result<()> {
        while let Some(written) = self.writer.poll() {
            self.written(written, now_ms)?;
        }
        while !self.inbox.is_empty() {
            for message in std::mem::take(&mut self.inbox) {
                self.handle(message, now_ms)?;
            }
        }
        let command = self.coordinator.as_mut().and_then(|coordinator| coordinator.tick(now_ms));
        self.execute(command, now_ms)?;
        if self.inbox.is_empty() { Ok(()) } else { self.turn_checked(now_ms) }
    }

    fn written(&mut self, written: Written, now_ms: i64) -> Result<()> {
        match written {
            Written::Part { number, result: Ok(part) } => {
                self.chains.entry(part.uid.clone()).or_default().written(&part);
                if let Some(progress) = self.progress.get_mut(&number).filter(|progress| !progress.failed) {
                    progress.unwritten -= 1;
                    progress.parts.push(part);
                }
                self.ack(number);
                Ok(())
            }
            Written::Part { number, result: Err(error) } => {
                *self.progress.entry(number).or_default() = EpochProgress { failed: true, ..EpochProgress::default() };
                self.send(0, CheckpointMessage::Refused { number, why: Why::of(&error) });
                Ok(())
            }
            Written::Fatal(error) => Err(error),
            Written::Manifest { number, result } => {
                let result = result.map_err(|error| Why::of(&error));
                let command = self.coordinator.as_mut().and_then(|all| all.written(number, result, now_ms));
                self.execute(command, now_ms)
            }
        }
    }

    fn ack(&mut self, number: u64) {
        let is_last = self.finish == Some(number);
        let Some(progress) = self.progress.get_mut(&number) else { return };
        let (contributed, expected) = if is_last {
            (progress.contributed_at_end, self.instances.sinks)
        } else {
            (progress.contributed, self.instances.all)
        };
        if contributed == expected && progress.unwritten == 0 && !progress.acked && !progress.failed {
            progress.acked = true;
            let parts = std::mem::take(&mut progress.parts);
            fail_point("ack");
            self.send(0, CheckpointMessage::Acked { worker: self.worker, number, parts });
        }
    }

    fn handle(&mut self, message: CheckpointMessage, now_ms: i64) -> Result<()> {
        let command = match message {
            CheckpointMessage::Exhausted { worker } => {
                self.coordinator.iter_mut().for_each(|coordinator| coordinator.exhausted(worker));
                None
            }
            CheckpointMessage::Acked { worker, number, parts } => {
                self.coordinator.as_mut().and_then(|coordinator| coordinator.acked(worker, number, parts))
            }
            CheckpointMessage::Refused { number, why } => {
                self.coordinator.as_mut().and_then(|coordinator| coordinator.refused(number, why, now_ms))
            }
            CheckpointMessage::Trigger(number) => {
                self.wanted = self.wanted.max(number);
                self.wake();
                None
            }
            CheckpointMessage::Finish(number) => {
                self.finish = Some(number);
                self.progress.entry(number).or_default();
                self.ack(number);
                self.wake();
                None
            }
            CheckpointMessage::Committed { number, kind } => {
                self.committed = self.committed.max(number);
                self.progress.retain(|of, _| *of > number);
                self.halting |= kind == Kind::Stop;
                self.over |= kind != Kind::Periodic;
                self.wake();
                None
            }
        };
        self.execute(command, now_ms)
    }

    fn execute(&mut self, command: Option<Command>, now_ms: i64) -> Result<()> {
        match command {
            None => Ok(()),
            Some(Command::Trigger(number)) => {
                tracing::debug!(number, "a checkpoint begins");
                self.counters.begin(now_ms);
                fail_point("trigger");
                self.broadcast(&CheckpointMessage::Trigger(number));
                Ok(())
            }
            Some(Command::Finish(number)) => {
                self.counters.begin(now_ms);
                fail_point("finish");
                self.broadcast(&CheckpointMessage::Finish(number));
                Ok(())
            }
            Some(Command::WriteManifest { number, kind, parts }) => {
                fail_point("manifest");
                self.writer.send(Request::Manifest { number, kind, parts, time_ms: self.time_ms });
                Ok(())
            }
            Some(Command::Committed { number, kind }) => {
                fail_point("committed");
                self.counters.complete(number, now_ms);
                self.broadcast(&CheckpointMessage::Committed { number, kind });
                self.writer.send(Request::Retain);
                Ok(())
            }
            Some(Command::Declined { number, why }) => {
                tracing::warn!(number, %why, "a checkpoint is declined; the job goes on");
                self.counters.decline(&why);
                self.writer.send(Request::Abandon { number });
                Ok(())
            }
            Some(Command::Fail(why)) => Err(why.into_error()),
            Some(Command::StopWithout { number, workers }) => {
                let missing = self.counters.answers.missing(number, &workers);
                let seconds = STOP_MS / 1_000;
                Err(Error::external(format!("the job was stopped without a checkpoint: {missing} after {seconds} s"))
                    .help("when it is run again it goes on from the last checkpoint; what was read since is read again"))
            }
        }
    }

    fn send(&mut self, to: usize, message: CheckpointMessage) {
        if to == self.worker {
            self.inbox.push(message);
        } else {
            self.outbox.push((to, message));
        }
    }

    fn broadcast(&mut self, message: &CheckpointMessage) {
        (0..self.workers).for_each(|worker| self.send(worker, message.clone()));
    }

    fn wake(&self) {
        self.wakers.iter().for_each(|wake| wake());
    }
}

#[cfg(test)]
mod tests {
    use super::super::writer::WriterSpec;
    use super::*;
    use egret_state::checkpoint::{Checkpoints, FileRef, JobIdentity, Part, PartKind, PartState};

    #[test]
    fn what_comes_behind_a_part_that_failed_counts_for_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let job = JobIdentity::default();
        let checkpoints = Checkpoints::local(folder.path(), &job).expect("it is empty");
        let writer = Writer::start(WriterSpec { checkpoints, attempt: 1, job: Arc::new(job) }, None).expect("a thread");
        let instances = Instances { all: 3, sources: 1, sinks: 0 };
        let mut participant = Participant::new(1, 2, instances, None, writer, Arc::new(CheckpointCounters::of(None)), 1);
        let contribution = |uid: &str| {
            let state = PartState::Sink { committables: vec![vec![1]] };
            Contribution { part: Part::new(uid, 0, state), keyed: None }
        };
        let written = |uid: &str| {
            let file = FileRef { path: uid.into(), checkpoint: 1, bytes: 1, xxh3: 0 };
            WrittenPart { uid: uid.into(), instance: 0, kind: PartKind::Sink, base: None, file, shared: Vec::new() }
        };
        participant.contribute(1, contribution("a"), false);
        participant.contribute(1, contribution("b"), false);
        let failed = Written::Part { number: 1, result: Err(Error::external("the disk is full")) };
        participant.written(failed, 0).expect("the job goes on");
        participant.contribute(1, contribution("late"), false);
        for uid in ["b", "late"] {
            participant.written(Written::Part { number: 1, result: Ok(written(uid)) }, 0).expect("the job goes on");
        }
        let said = participant.take_outbox();
        assert!(matches!(said.as_slice(), [(0, CheckpointMessage::Refused { number: 1, .. })]), "{said:?}");
        assert_eq!(participant.patience(), CALM, "it waits for nothing");
    }
}
