//! The place where a job's members meet, as one of them sees it: what each announcement is called and means.

use super::greeting::{Introduction, PROTOCOL};
use super::network::{Patience, connect};
use super::rendezvous::Rendezvous;
use super::role::MemberRole;
use super::token::Token;
use crate::report::JobReport;
use crate::shared::Failure;
use egret_core::{Error, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The secret of the members, announced by the first one.
const TOKEN: &str = "token";
/// Is there when the job is to stop.
const STOP: &str = "stop";
/// Is there when the members are to end as they are.
const END: &str = "end";
/// How long the members have to find each other.
const PATIENCE: Patience = Patience { meet: Duration::from_secs(30), greet: Duration::from_secs(5) };
/// How often somebody looks whether something was announced.
const RETRY: Duration = Duration::from_millis(2);

/// A member, and the place where it meets the others.
#[derive(Clone, Debug)]
pub(crate) struct Meeting {
    pub(crate) role: MemberRole,
    at: Arc<dyn Rendezvous>,
    /// The failure of this member.
    pub(crate) failure: Arc<Failure>,
}

/// What whoever started the members wants of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wishes {
    /// That they stop: sources stop reading, rows in flight are finished.
    pub(crate) stop: bool,
    /// That they end as they are.
    pub(crate) end: bool,
}

/// How a member failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MemberFailure {
    pub(crate) message: String,
    /// Whether starting again may help.
    pub(crate) may_retry: bool,
    /// Whether it ended because another did: that one's failure counts.
    pub(crate) by_another: bool,
}

impl MemberFailure {
    pub(crate) fn into_error(self) -> Error {
        if self.may_retry { Error::external(self.message) } else { Error::job(self.message) }
    }
}

impl Meeting {
    pub(crate) fn new(role: MemberRole, at: Arc<dyn Rendezvous>) -> Self {
        Self { role, at, failure: Arc::default() }
    }

    /// Whether this is the member that lists, claims and decides for all.
    pub(crate) fn is_first(&self) -> bool {
        self.role.number == 0
    }

    /// Makes something known to the other members, under a name.
    ///
    /// # Errors
    /// The place cannot be reached.
    pub(crate) fn announce(&self, name: &str, what: &impl Serialize) -> Result<()> {
        announce(&*self.at, name, what)
    }

    /// Waits for what the first member announces, however long that takes.
    ///
    /// # Errors
    /// A member has failed, or all are to end.
    pub(crate) fn wait_for<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        loop {
            if let Some(found) = look_up(&*self.at, name)? {
                return Ok(found);
            }
            self.go_on()?;
            std::thread::sleep(RETRY);
        }
    }

    /// An error if the job ends: a member has failed, or all are to end.
    fn go_on(&self) -> Result<()> {
        let ended = |error: Error| {
            self.failure.note_by_another();
            Err(error)
        };
        if is_ended(&*self.at)? {
            return ended(Error::external("the job's members were told to end"));
        }
        for other in (0..self.role.count).filter(|other| *other != self.role.number) {
            if let Some(failure) = failure_of(&*self.at, other)? {
                return ended(failure.into_error().context(format!("member {other} of the job has failed")));
            }
        }
        Ok(())
    }

    /// Connects this member with all others; `None` stands at its own place. `job`: the fingerprint of what it runs.
    ///
    /// # Errors
    /// One does not come in time, or runs another job or version.
    pub(crate) fn connect(&self, job: u64) -> Result<Vec<Option<TcpStream>>> {
        let listener = TcpListener::bind((self.role.listen, 0)).map_err(|error| {
            Error::io(error.kind(), format!("member {} cannot listen on {}: {error}", self.role.number, self.role.listen))
                .help("give it an address of this machine under which the others reach it")
        })?;
        let token = if self.is_first() {
            let token = Token::random();
            self.announce(TOKEN, &token)?;
            token
        } else {
            self.wait_for(TOKEN)?
        };
        self.announce(&address(self.role.number), &listener.local_addr()?)?;
        let deadline = Instant::now() + PATIENCE.meet;
        let addresses = (0..self.role.count).map(|number| self.address_of(number, deadline)).collect::<Result<Vec<_>>>()?;
        let me = Introduction { token, protocol: PROTOCOL, job, number: self.role.number };
        connect(&me, &listener, &addresses, PATIENCE, &|| self.go_on())
    }

    fn address_of(&self, number: usize, deadline: Instant) -> Result<SocketAddr> {
        loop {
            if let Some(address) = look_up(&*self.at, &address(number))? {
                return Ok(address);
            }
            self.go_on()?;
            if Instant::now() >= deadline {
                let (place, seconds) = (self.at.address(), PATIENCE.meet.as_secs());
                return Err(Error::external(format!("member {number} of the job did not come to {place} within {seconds} s"))
                    .help("see whether it was started, and start the job again"));
            }
            std::thread::sleep(RETRY);
        }
    }

    /// What whoever started the members wants of them.
    pub(crate) fn wishes(&self) -> Result<Wishes> {
        Ok(Wishes { stop: self.at.look_up(STOP)?.is_some(), end: is_ended(&*self.at)? })
    }

    /// Tells how far this member is.
    pub(crate) fn announce_progress(&self, report: &JobReport) -> Result<()> {
        self.announce(&progress(self.role.number), report)
    }

    /// Tells how this member ended.
    pub(crate) fn announce_end(&self, result: &Result<JobReport>) {
        let told = match result {
            Ok(report) => self.announce(&report_name(self.role.number), report),
            Err(error) => {
                let by_another = self.failure.was_by_another();
                let failure = MemberFailure { message: error.to_string(), may_retry: error.may_retry(), by_another };
                self.announce(&failed(self.role.number), &failure)
            }
        };
        if let Err(error) = told {
            tracing::warn!(member = self.role.number, %error, "a member cannot tell how it ended");
        }
    }
}

fn address(number: usize) -> String {
    format!("address-{number}")
}

fn progress(number: usize) -> String {
    format!("progress-{number}")
}

fn report_name(number: usize) -> String {
    format!("report-{number}")
}

fn failed(number: usize) -> String {
    format!("failed-{number}")
}

fn announce(at: &dyn Rendezvous, name: &str, what: &impl Serialize) -> Result<()> {
    let bytes = serde_json::to_vec(what).map_err(|error| Error::bug(format!("'{name}' cannot be announced: {error}")))?;
    at.announce(name, &bytes)
}

fn look_up<T: DeserializeOwned>(at: &dyn Rendezvous, name: &str) -> Result<Option<T>> {
    let Some(bytes) = at.look_up(name)? else { return Ok(None) };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| {
        let place = at.address();
        Error::external(format!("'{name}' does not read in {place}, where the members of the job meet: {error}"))
            .help("run all members with the same version of Egret")
    })
}

fn is_ended(at: &dyn Rendezvous) -> Result<bool> {
    Ok(at.look_up(END)?.is_some())
}

/// Asks all members to stop: sources stop reading, rows in flight are finished.
pub(crate) fn ask_to_stop(at: &dyn Rendezvous) -> Result<()> {
    at.announce(STOP, b"")
}

/// Tells all members to end as they are.
pub(crate) fn tell_to_end(at: &dyn Rendezvous) -> Result<()> {
    at.announce(END, b"")
}

/// How far a member is.
pub(crate) fn progress_of(at: &dyn Rendezvous, number: usize) -> Result<Option<JobReport>> {
    look_up(at, &progress(number))
}

/// What a member did that has ended well.
pub(crate) fn report_of(at: &dyn Rendezvous, number: usize) -> Result<Option<JobReport>> {
    look_up(at, &report_name(number))
}

/// How a member failed.
pub(crate) fn failure_of(at: &dyn Rendezvous, number: usize) -> Result<Option<MemberFailure>> {
    look_up(at, &failed(number))
}
