//! Writes parts and manifests on a thread of its own, so that the worker goes on meanwhile.

use super::fencing::{taken_over, unless_taken_over};
use super::messages::{KIND, Kind, WrittenPart};
use crate::failpoint::fail_point;
use egret_core::{Error, Result, SnapshotHandle};
use egret_state::checkpoint::{Attempt, Checkpoints, Draft, JobIdentity, Outcome, Part, SharedFile};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{JoinHandle, Thread};

/// What an instance has for a checkpoint.
pub(crate) struct Contribution {
    pub(crate) part: Part,
    /// The keyed state: the thread that writes it makes bytes of it.
    pub(crate) keyed: Option<SnapshotHandle>,
}

impl Contribution {
    /// Whether there is nothing to write.
    pub(super) fn is_empty(&self) -> bool {
        self.keyed.is_none() && self.part.is_empty()
    }
}

/// The shared files of each node's parts, by checkpoint: later checkpoints may have them, too.
#[derive(Default)]
struct SharedFiles(HashMap<String, BTreeMap<u64, Vec<SharedFile>>>);

impl SharedFiles {
    /// Writes a part. The backend writes its keyed state directly to the store, piece by piece.
    fn write(&mut self, spec: &WriterSpec, number: u64, contribution: Contribution) -> Result<WrittenPart> {
        let Contribution { mut part, keyed } = contribution;
        let number_of = |epoch: egret_core::Epoch| u64::from(epoch.0);
        part.base = keyed.as_ref().and_then(SnapshotHandle::base).map(number_of);
        let of_node = self.0.entry(part.uid.clone()).or_default();
        let shares = keyed.as_ref().and_then(SnapshotHandle::shares).map(number_of);
        if let Some(shares) = shares {
            // The base only grows: no later part shares with an older checkpoint.
            *of_node = of_node.split_off(&shares);
        }
        let before = shares.and_then(|shares| of_node.get(&shares)).map_or(&[][..], Vec::as_slice);
        let mut stream = spec.checkpoints.begin_part(spec.attempt, number, part, before)?;
        if let Some(handle) = keyed {
            handle.write(&mut stream)?;
        }
        let written = stream.finish()?;
        if !written.shared.is_empty() {
            of_node.insert(number, written.shared.clone());
        }
        Ok(written)
    }
}

/// What is to be written.
pub(crate) enum Request {
    Part {
        number: u64,
        contribution: Contribution,
    },
    Manifest {
        number: u64,
        kind: Kind,
        parts: Vec<WrittenPart>,
        time_ms: i64,
    },
    /// Delete checkpoints that are not kept any more.
    Retain,
    /// Delete the files of a checkpoint that was given up.
    Abandon {
        number: u64,
    },
}

/// What was written.
pub(crate) enum Written {
    Part {
        number: u64,
        result: Result<WrittenPart>,
    },
    Manifest {
        number: u64,
        result: Result<()>,
    },
    /// The job cannot go on.
    Fatal(Error),
}

/// Where parts are written, and of what.
#[derive(Clone, Debug)]
pub(crate) struct WriterSpec {
    pub(crate) checkpoints: Checkpoints,
    pub(crate) attempt: u64,
    pub(crate) job: Arc<JobIdentity>,
}

/// A worker's handle on the thread. At most two checkpoints are in its queue at a time.
pub(crate) struct Writer {
    requests: Option<Sender<Request>>,
    written: Receiver<Written>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread; it unparks the calling thread when something was written. Only one worker of the job has the `attempt`.
    ///
    /// # Errors
    /// There can be no more threads.
    pub(crate) fn start(spec: WriterSpec, mut attempt: Option<Attempt>) -> Result<Self> {
        let ((requests, taken), (told, written)) = (channel(), channel());
        let worker = std::thread::current();
        let thread = std::thread::Builder::new()
            .name("checkpoints".into())
            .spawn(move || work(&spec, &mut attempt, &taken, &told, &worker))
            .map_err(|error| Error::external(format!("the thread that writes checkpoints cannot be started: {error}")))?;
        Ok(Self { requests: Some(requests), written, thread: Some(thread) })
    }

    pub(crate) fn send(&self, request: Request) {
        // The thread ends only when this end of the channel is dropped, so it is there.
        if let Some(requests) = &self.requests {
            let _ = requests.send(request);
        }
    }

    pub(crate) fn poll(&self) -> Option<Written> {
        self.written.try_recv().ok()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.requests = None;
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn work(spec: &WriterSpec, attempt: &mut Option<Attempt>, requests: &Receiver<Request>, told: &Sender<Written>, worker: &Thread) {
    let mut files = SharedFiles::default();
    while let Ok(request) = requests.recv() {
        if let Some(written) = serve(spec, attempt, &mut files, request) {
            // The worker may be gone already.
            let _ = told.send(written);
            worker.unpark();
        }
    }
}

fn serve(spec: &WriterSpec, attempt: &mut Option<Attempt>, files: &mut SharedFiles, request: Request) -> Option<Written> {
    match (request, attempt) {
        (Request::Part { number, contribution }, _) => {
            fail_point("part");
            let result = files.write(spec, number, contribution);
            fail_point("part written");
            match result {
                Err(error) if matches!(spec.checkpoints.attempt_after(spec.attempt), Ok(Some(_))) => {
                    Some(Written::Fatal(unless_taken_over(&spec.checkpoints, spec.attempt, error)))
                }
                result => Some(Written::Part { number, result }),
            }
        }
        (Request::Manifest { number, kind, parts, time_ms }, Some(attempt)) => {
            let notes = [(KIND.to_owned(), kind.name().to_owned())].into();
            let draft = Draft { checkpoint: number, time_ms, job: JobIdentity::clone(&spec.job), notes, parts };
            let written = commit(spec, attempt, draft);
            fail_point("manifest written");
            Some(written)
        }
        (Request::Retain, Some(attempt)) => {
            if let Err(error) = attempt.clean() {
                tracing::warn!(%error, "old checkpoints cannot be deleted");
            }
            None
        }
        (Request::Abandon { number }, Some(attempt)) => {
            if let Err(error) = attempt.abandon(number) {
                tracing::warn!(%error, number, "the files of a checkpoint that was given up cannot be deleted now");
            }
            None
        }
        (Request::Manifest { .. } | Request::Retain | Request::Abandon { .. }, None) => {
            Some(Written::Fatal(Error::bug("a worker that does not coordinate is to commit a checkpoint")))
        }
    }
}

fn commit(spec: &WriterSpec, attempt: &mut Attempt, draft: Draft) -> Written {
    let number = draft.checkpoint;
    match attempt.commit(draft) {
        Ok(Outcome::Committed) => Written::Manifest { number, result: Ok(()) },
        // Sinks keep what they have prepared until a later checkpoint is complete, so it does not matter whether this one exists.
        Ok(Outcome::InDoubt { cause }) => Written::Manifest { number, result: Err(Error::external(cause)) },
        Ok(Outcome::Fenced { by }) => Written::Fatal(taken_over(&spec.checkpoints, by)),
        Err(error) => Written::Manifest { number, result: Err(error) },
    }
}
