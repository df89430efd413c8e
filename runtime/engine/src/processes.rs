//! A job in several processes on this machine.
//!
//! The first process starts the others (the same program, the same arguments), watches them and adds up their reports. They
//! meet in a folder: each listens on a free loopback port and writes the address there. When one is lost, the others are
//! ended too: timely cannot go on without it, by design.

use crate::config::RunConfig;
use crate::failpoint::RESTARTS;
use crate::flow::{Wiring, connect};
use crate::rendezvous::{ProcessRole, write_whole};
use crate::report::JobReport;
use crate::restart::{Restarts, Verdict};
use crate::watchdog::when_it_does_not_stop;
use crate::workers::run_workers;
use egret_core::metrics::JobMetrics;
use egret_core::{Error, EventTime, JobGraph, Result};
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

const NUMBER: &str = "EGRET_PROCESS";
const COUNT: &str = "EGRET_PROCESSES";
const FOLDER: &str = "EGRET_RENDEZVOUS";
/// The first line of an error's file where starting again may help, and where it may not.
const PASSING: &str = "passing";
const LASTING: &str = "lasting";
/// How long the processes have to find each other.
const MEET_TIMEOUT: Duration = Duration::from_secs(30);
/// How often the supervisor looks.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long the supervisor waits for the process that failed first when one ends because it lost another.
const GRACE: Duration = Duration::from_millis(500);
/// Exit status of a process that ended because it lost its peer.
const LOST_PEER: i32 = 76;
/// Exit status of a program that does not get as far as to run the job: its text or its arguments are wrong now.
const NOT_RUN: i32 = 2;
/// How long a process has to end when the job is stopped: longer than it waits for a checkpoint.
const STOP_PATIENCE: Duration = Duration::from_secs(12);

/// Whether this process was started by [`crate::run`] of another, and as which.
pub fn process_role() -> Option<ProcessRole> {
    let number = std::env::var(NUMBER).ok()?.parse().ok()?;
    let count = std::env::var(COUNT).ok()?.parse().ok()?;
    Some(ProcessRole { number, count, folder: std::env::var_os(FOLDER)?.into() })
}

/// Does this process's part and exits.
pub(crate) fn be_child(role: &ProcessRole, job: &JobGraph, config: &RunConfig) -> ! {
    exit_when_peers_are_lost();
    exit_with_supervisor();
    watch_folder(role, config);
    let of_watchdog = role.clone();
    when_it_does_not_stop(&config.stop, &config.progress, STOP_PATIENCE, move |error| {
        write_error(&of_watchdog, &error);
        std::process::exit(1)
    });
    let mut config = config.clone();
    config.processes = role.count;
    let wiring = match role.count {
        1 => Ok(Wiring::Threads(config.workers)),
        _ => meet(role).map(|sockets| Wiring::Sockets { threads: config.workers, process: role.number, sockets }),
    };
    let result = wiring.and_then(|wiring| run_workers(job, &config, wiring, Some(role)));
    let status = match result {
        Ok(report) => {
            write_report(role, &report);
            0
        }
        Err(error) => {
            write_error(role, &error);
            1
        }
    };
    std::process::exit(status)
}

fn meet(role: &ProcessRole) -> Result<Vec<Option<std::net::TcpStream>>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    write_whole(&role.folder.join(format!("address-{}", role.number)), address.to_string().as_bytes());
    let deadline = Instant::now() + MEET_TIMEOUT;
    let addresses = (0..role.count)
        .map(|number| {
            let path = role.folder.join(format!("address-{number}"));
            loop {
                if let Some(address) = fs::read_to_string(&path).ok().and_then(|text| text.parse::<SocketAddr>().ok()) {
                    return Ok(address);
                }
                if Instant::now() >= deadline {
                    return Err(Error::external(format!("process {number} of the job did not start in time")));
                }
                std::thread::sleep(Duration::from_millis(2));
            }
        })
        .collect::<Result<Vec<_>>>()?;
    connect(role.number, &listener, &addresses, MEET_TIMEOUT)
}

/// timely panics in its network threads when a peer is gone; the workers would wait for ever.
fn exit_when_peers_are_lost() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let message = info.payload().downcast_ref::<String>().map_or("", String::as_str);
        if message.starts_with("timely communication error:") || std::thread::current().name().is_some_and(is_network_thread) {
            std::process::exit(LOST_PEER);
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
        std::process::exit(LOST_PEER);
    });
}

/// Reports progress, and stops the job when the supervisor asks for it.
fn watch_folder(role: &ProcessRole, config: &RunConfig) {
    let (role, progress, stop) = (role.clone(), config.progress.clone(), config.stop.clone());
    std::thread::spawn(move || {
        let started = Instant::now();
        loop {
            std::thread::sleep(Duration::from_millis(100));
            if role.folder.join("stop").exists() {
                stop.stop();
            }
            let report = JobReport::of(&progress.metrics(), started.elapsed(), false);
            if !report.nodes.is_empty() {
                write_json(&role.folder.join(format!("progress-{}", role.number)), &report);
            }
        }
    });
}

fn write_error(role: &ProcessRole, error: &Error) {
    let kind = if error.may_retry() { PASSING } else { LASTING };
    write_whole(&role.folder.join(format!("error-{}", role.number)), format!("{kind}\n{error}").as_bytes());
}

fn write_report(role: &ProcessRole, report: &JobReport) {
    write_json(&role.folder.join(format!("report-{}", role.number)), report);
}

fn write_json(path: &Path, report: &JobReport) {
    let bytes = serde_json::to_vec(report).expect("a report is plain data");
    write_whole(path, &bytes);
}

fn read_json(path: &Path) -> Option<JobReport> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// Runs a job in processes of its own, and starts it again as the strategy says when it fails.
///
/// # Errors
/// It failed once too often, or in a way that another start does not mend.
pub(crate) fn supervise(config: &RunConfig, metrics: &JobMetrics) -> Result<JobReport> {
    let mut restarts = Restarts::new(config.restart);
    let (started, mut count) = (Instant::now(), 0);
    loop {
        let since = started.elapsed();
        let error = match supervise_attempt(config, metrics, count) {
            Ok(report) => return Ok(JobReport { elapsed: started.elapsed(), restarts: count, ..report }),
            Err(error) => error,
        };
        if config.stop.is_stopped() {
            return Err(error);
        }
        let random = RandomState::new().hash_one(count) as f64 / u64::MAX as f64;
        let verdict = if error.may_retry() { restarts.failed(since, started.elapsed(), random) } else { Verdict::GiveUp };
        let Verdict::Again(delay) = verdict else {
            return Err(if count > 0 { error.context(format!("after {count} restarts")) } else { error });
        };
        count += 1;
        tracing::warn!("the job failed and is started again in {delay:.1?} (restart {count}): {error}");
        let until = Instant::now() + delay;
        while Instant::now() < until {
            if config.stop.is_stopped() {
                return Err(error.context("the job was stopped before it was started again"));
            }
            std::thread::sleep(LOOK_EVERY.min(until.saturating_duration_since(Instant::now())));
        }
    }
}

/// Starts the processes, waits for them and adds up what they report.
fn supervise_attempt(config: &RunConfig, metrics: &JobMetrics, restarts: u32) -> Result<JobReport> {
    let folder = tempfile::tempdir()?;
    let started = Instant::now();
    let mut children = Children(Vec::new());
    for number in 0..config.processes {
        children.0.push(start(number, config.processes, folder.path(), restarts)?);
    }
    config.progress.install(metrics.clone());
    while let Some(statuses) = children.poll()? {
        if let Some(error) = find_failure(&mut children, &statuses, folder.path())? {
            return Err(error);
        }
        if config.stop.is_stopped() {
            write_whole(&folder.path().join("stop"), b"");
        }
        mirror_progress(config.processes, folder.path(), metrics);
        std::thread::sleep(LOOK_EVERY);
    }
    let mut total = JobReport::default();
    for number in 0..config.processes {
        let report = read_json(&folder.path().join(format!("report-{number}")))
            .ok_or_else(|| Error::external(format!("process {number} ended without a report")))?;
        total.add(&report);
    }
    total.elapsed = started.elapsed();
    total.stopped = config.stop.is_stopped();
    Ok(total)
}

fn start(number: usize, count: usize, folder: &Path, restarts: u32) -> Result<Child> {
    let program = std::env::current_exe()?;
    Command::new(&program)
        .args(std::env::args_os().skip(1))
        .env(NUMBER, number.to_string())
        .env(COUNT, count.to_string())
        .env(FOLDER, folder)
        .env(RESTARTS, restarts.to_string())
        .stdin(Stdio::piped())
        .spawn()
        .map_err(|error| {
            Error::io(error.kind(), format!("process {number} cannot be started from {}: {error}", program.display()))
        })
}

/// The processes of a job; none outlives its supervisor.
struct Children(Vec<Child>);

impl Children {
    /// How each stands; `None` when all have ended well.
    fn poll(&mut self) -> Result<Option<Vec<Option<ExitStatus>>>> {
        let statuses = self.0.iter_mut().map(Child::try_wait).collect::<std::io::Result<Vec<_>>>()?;
        let all_well = statuses.iter().all(|status| status.is_some_and(|status| status.success()));
        Ok((!all_well).then_some(statuses))
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The error of the process that failed first, if one has ended badly.
fn find_failure(children: &mut Children, statuses: &[Option<ExitStatus>], folder: &Path) -> Result<Option<Error>> {
    if !statuses.iter().any(|status| status.is_some_and(|status| !status.success())) {
        return Ok(None);
    }
    let deadline = Instant::now() + GRACE;
    loop {
        let statuses = children.0.iter_mut().map(Child::try_wait).collect::<std::io::Result<Vec<_>>>()?;
        let lost = statuses.iter().enumerate().find_map(|(number, status)| lost_process(number, (*status)?, children, folder));
        if lost.is_some() {
            return Ok(lost);
        }
        if Instant::now() >= deadline {
            return Ok(Some(Error::external("the processes of the job lost each other").help("start the job again")));
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

fn lost_process(number: usize, status: ExitStatus, children: &Children, folder: &Path) -> Option<Error> {
    if status.success() || status.code() == Some(LOST_PEER) {
        return None;
    }
    if let Ok(error) = fs::read_to_string(folder.join(format!("error-{number}"))) {
        let (kind, message) = error.split_once('\n').unwrap_or((PASSING, &error));
        let error = if kind == LASTING { Error::job(message) } else { Error::external(message) };
        return Some(if children.0.len() > 1 { error.context(format!("process {number}")) } else { error });
    }
    let pid = children.0[number].id();
    if status.code() == Some(NOT_RUN) {
        return Some(
            Error::job(format!("process {number} of the job (pid {pid}) could not run it: {status}"))
                .help("see what it said above"),
        );
    }
    Some(
        Error::external(format!("process {number} of the job (pid {pid}) is lost: {status}"))
            .help("the whole job was ended; look for the reason (out of memory? killed by hand?) and start it again"),
    )
}

fn mirror_progress(processes: usize, folder: &Path, metrics: &JobMetrics) {
    let mut total = JobReport::default();
    for number in 0..processes {
        if let Some(report) = read_json(&folder.join(format!("progress-{number}"))) {
            total.add(&report);
        }
    }
    for (node, (_, counters)) in total.nodes.iter().zip(&metrics.nodes) {
        counters.mirror(node.rows_in, node.rows_out, node.late, node.bad, node.state, EventTime(node.watermark_us));
        counters.mirror_holds(&node.holds);
    }
}
