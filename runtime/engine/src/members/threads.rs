//! Members as threads of this process.

use super::launcher::{Ending, Launcher, Member, MemberSpec};
use super::meeting::tell_to_end;
use super::memory::InMemory;
use super::rendezvous::Rendezvous;
use super::take_part::run_member;
use crate::config::RunConfig;
use crate::report::JobReport;
use crate::shared::{Progress, StopHandle};
use egret_core::{Error, JobGraph, Result};
use std::sync::Arc;
use std::thread::JoinHandle;

/// Starts members as threads of this process, which exchange rows over TCP like members anywhere: for tests, and for a library that
/// hosts several members of a job.
pub struct LocalThreads {
    job: JobGraph,
    config: RunConfig,
}

impl LocalThreads {
    /// Members of this job; each has as many workers as the configuration says.
    pub fn new(job: &JobGraph, config: &RunConfig) -> Self {
        Self { job: job.clone(), config: config.clone() }
    }
}

impl Launcher for LocalThreads {
    fn open(&self) -> Result<Arc<dyn Rendezvous>> {
        Ok(Arc::new(InMemory::new()))
    }

    fn start(&self, spec: &MemberSpec) -> Result<Box<dyn Member>> {
        // A member is told to stop where it meets the others, and tells there how far it is.
        let config = RunConfig { stop: StopHandle::new(), progress: Progress::new(), ..self.config.clone() };
        let (job, spec) = (self.job.clone(), spec.clone());
        let (role, place) = (spec.role, Arc::clone(&spec.rendezvous));
        let thread = std::thread::Builder::new()
            .name(format!("member {}", role.number))
            .spawn(move || run_member(&job, &config, role, place))
            .map_err(|error| Error::external(format!("member {} cannot be started: {error}", role.number)))?;
        Ok(Box::new(MemberThread { number: role.number, place: spec.rendezvous, thread: Some(thread), ending: None }))
    }
}

/// A thread that is a member.
struct MemberThread {
    number: usize,
    place: Arc<dyn Rendezvous>,
    thread: Option<JoinHandle<Result<JobReport>>>,
    ending: Option<Ending>,
}

impl MemberThread {
    fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.ending = Some(match thread.join() {
                Ok(Ok(_)) => Ending::Done,
                Ok(Err(error)) => Ending::Failed(error.to_string()),
                Err(_) => Ending::Failed("it panicked".to_owned()),
            });
        }
    }
}

impl Member for MemberThread {
    fn poll(&mut self) -> Result<Option<Ending>> {
        if self.thread.as_ref().is_some_and(JoinHandle::is_finished) {
            self.join();
        }
        Ok(self.ending.clone())
    }

    /// Nobody can end a thread but itself: it is told to, with all others that meet there, and this waits until it has.
    fn kill(&mut self) {
        if tell_to_end(&*self.place).is_ok() {
            self.join();
        }
    }

    fn describe(&self) -> String {
        format!("thread 'member {}'", self.number)
    }
}
