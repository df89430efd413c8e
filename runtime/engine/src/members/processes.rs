//! Members as processes of this machine: the same program with the same arguments.
//!
//! What a process needs to know of its role is in its environment, and the place where members meet is a folder. A process ends when
//! its standard input does, so none outlives whoever started it, whatever happens to that.

use super::folder::LocalFolder;
use super::launcher::{Ending, Launcher, Member, MemberSpec};
use super::meeting::Meeting;
use super::rendezvous::Rendezvous;
use super::role::MemberRole;
use super::take_part::take_part;
use crate::config::RunConfig;
use crate::failpoint::RESTARTS;
use crate::watchdog::when_it_does_not_stop;
use egret_core::{Error, JobGraph, Result};
use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

const NUMBER: &str = "EGRET_PROCESS";
const COUNT: &str = "EGRET_PROCESSES";
const FOLDER: &str = "EGRET_RENDEZVOUS";
/// Exit status of a process that ended because another did.
const LOST_ANOTHER: i32 = 76;
/// Exit status of a program that does not get as far as to run the job: its text or its arguments are wrong now.
const NOT_RUN: i32 = 2;
/// How long a process has to end when the job is stopped: longer than it waits for a checkpoint.
const STOP_PATIENCE: Duration = Duration::from_secs(12);

/// Starts members as processes of this machine: this program again, with the same arguments. It comes to [`run`](crate::run) or
/// [`supervise`](crate::supervise), which does the part of the member and ends the process.
#[derive(Clone, Copy, Debug)]
pub struct LocalProcesses;

impl Launcher for LocalProcesses {
    fn open(&self) -> Result<Arc<dyn Rendezvous>> {
        Ok(Arc::new(LocalFolder::temporary()?))
    }

    fn be_member(&self, job: &JobGraph, config: &RunConfig) {
        if let Some((role, folder)) = process_role().zip(std::env::var_os(FOLDER)) {
            be_process(role, folder.into(), job, config);
        }
    }

    fn start(&self, spec: &MemberSpec) -> Result<Box<dyn Member>> {
        let (program, number) = (std::env::current_exe()?, spec.role.number);
        let child = Command::new(&program)
            .args(std::env::args_os().skip(1))
            .env(NUMBER, number.to_string())
            .env(COUNT, spec.role.count.to_string())
            .env(FOLDER, spec.rendezvous.address())
            .env(RESTARTS, spec.restarts.to_string())
            .stdin(Stdio::piped())
            .spawn()
            .map_err(|error| {
                Error::io(error.kind(), format!("process {number} cannot be started from {}: {error}", program.display()))
            })?;
        Ok(Box::new(MemberProcess(child)))
    }
}

/// A process that is a member.
struct MemberProcess(Child);

impl Member for MemberProcess {
    fn poll(&mut self) -> Result<Option<Ending>> {
        let Some(status) = self.0.try_wait()? else { return Ok(None) };
        Ok(Some(match status.code() {
            Some(0) => Ending::Done,
            Some(LOST_ANOTHER) => Ending::LostAnother,
            Some(NOT_RUN) => Ending::NotRun(status.to_string()),
            _ => Ending::Failed(status.to_string()),
        }))
    }

    fn kill(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    fn describe(&self) -> String {
        format!("pid {}", self.0.id())
    }
}

/// Which member of a job this process is, if [`LocalProcesses`] started it.
pub fn process_role() -> Option<MemberRole> {
    let number = std::env::var(NUMBER).ok()?.parse().ok()?;
    let count = std::env::var(COUNT).ok()?.parse().ok()?;
    std::env::var_os(FOLDER)?;
    MemberRole::new(number, count).ok()
}

/// Does the part of the member that this process is, and exits.
fn be_process(role: MemberRole, folder: PathBuf, job: &JobGraph, config: &RunConfig) -> ! {
    let meeting = Meeting::new(role, Arc::new(LocalFolder::at(folder)));
    exit_when_others_are_lost();
    exit_with_supervisor();
    let of_watchdog = meeting.clone();
    when_it_does_not_stop(&config.stop, &config.progress, STOP_PATIENCE, move |error| {
        of_watchdog.announce_end(&Err(error));
        std::process::exit(1)
    });
    let status = match take_part(job, config, &meeting) {
        Ok(_) => 0,
        Err(_) if meeting.failure.was_by_another() => LOST_ANOTHER,
        Err(_) => 1,
    };
    std::process::exit(status)
}

/// A process whose connection to another has ended does not wait for its operators to come back.
fn exit_when_others_are_lost() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let message = info.payload().downcast_ref::<String>().map_or("", String::as_str);
        if message.starts_with("timely communication error:") || std::thread::current().name().is_some_and(is_network_thread) {
            std::process::exit(LOST_ANOTHER);
        }
        usual(info);
    }));
}

fn is_network_thread(name: &str) -> bool {
    name.starts_with("timely:send-") || name.starts_with("timely:recv-")
}

/// The supervisor holds our standard input open; when it is gone, so are we.
fn exit_with_supervisor() {
    std::thread::spawn(|| {
        let mut rest = Vec::new();
        let _ = std::io::stdin().read_to_end(&mut rest);
        std::process::exit(LOST_ANOTHER);
    });
}
