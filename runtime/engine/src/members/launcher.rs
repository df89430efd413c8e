//! Whoever starts the members of a job.

use super::rendezvous::Rendezvous;
use super::role::MemberRole;
use crate::config::RunConfig;
use egret_core::{JobGraph, Result};
use std::sync::Arc;

/// Starts the members of a job: as processes of this machine ([`LocalProcesses`](super::LocalProcesses)), as threads
/// ([`LocalThreads`](super::LocalThreads)), or wherever else.
pub trait Launcher {
    /// A new place for the members of the next attempt to meet.
    ///
    /// # Errors
    /// There can be none.
    fn open(&self) -> Result<Arc<dyn Rendezvous>>;

    /// Does the part of the member that this process is, and exits, if this launcher started the process; otherwise returns. A process
    /// that runs the same program comes to the place where the job is supervised, and must not start members in turn.
    fn be_member(&self, _job: &JobGraph, _config: &RunConfig) {}

    /// Starts a member, which is to call [`run_member`](crate::run_member) with the role and the place that the specification names.
    ///
    /// # Errors
    /// It cannot be started.
    fn start(&self, spec: &MemberSpec) -> Result<Box<dyn Member>>;
}

/// Which member is to be started.
#[derive(Clone, Debug)]
pub struct MemberSpec {
    /// Which one.
    pub role: MemberRole,
    /// Where it meets the others: what [`Launcher::open`] gave for this attempt.
    pub rendezvous: Arc<dyn Rendezvous>,
    /// How often the job was started before.
    pub restarts: u32,
}

/// A member that was started. It is killed before it is dropped, unless it has ended.
pub trait Member {
    /// How it ended, if it has.
    ///
    /// # Errors
    /// That cannot be known.
    fn poll(&mut self) -> Result<Option<Ending>>;

    /// Ends it, and returns when it has ended.
    fn kill(&mut self);

    /// What it is, for messages: `pid 17`.
    fn describe(&self) -> String;
}

/// How a member ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It did its part, and has announced its report.
    Done,
    /// It failed because another member did.
    LostAnother,
    /// It did not get as far as to run the job: how it ended. What it runs is wrong, so starting it again does not help.
    NotRun(String),
    /// It failed: how it ended. If it has announced why, that counts.
    Failed(String),
}
