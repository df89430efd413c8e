//! One run of a job, and how it is disturbed.

use crate::coverage::Coverage;
use crate::watchdog::Watchdog;
use egret::engine::FAIL_POINTS;
use egret_testkit::Random;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// The line that a process prints when it dies at a fail point, up to the point's name.
const DIES: &str = "EGRET_FAIL_POINT: the process dies at '";

/// The greatest number of restarts by a supervisor: more than the job is told to die.
const RESTARTS_MAX: usize = 8;
/// How many of the last characters of a job's output are shown.
const SHOWN_MAX: usize = 2_000;

/// What ends a run.
#[derive(Clone, Debug)]
enum End {
    /// The end of its input.
    Own,
    /// Fail points, each with the number of the visit at which a process dies; all but the first are for processes that a
    /// supervisor has restarted.
    Deaths(Vec<(&'static str, usize)>),
    /// A signal, after some time.
    Signal(&'static str, Duration),
}

/// How a run ended.
pub(crate) enum Ended {
    /// In an allowed way; with its output.
    Somehow(String),
    /// It did not start: the only entry of the log that may have been a checkpoint was torn when it was written, and a person has
    /// to decide. With its output.
    Undecided(String),
}

/// How a job is disturbed from its start to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Treatment {
    /// By anything.
    Any,
    /// By deaths at a step of its first or second checkpoint, again and again.
    EarlyDeaths,
}

/// The steps between the first prepared part of a checkpoint and its manifest, mostly those at which all parts are prepared; and
/// the steps from there until the next checkpoint begins.
const BEFORE_MANIFEST: [&str; 8] = ["give", "part", "part written", "ack", "ack", "manifest", "manifest", "manifest"];
const BEHIND_MANIFEST: [&str; 5] = ["manifest written", "committed", "publish", "published", "trigger"];

/// The disturbances of a job while it runs.
#[derive(Clone, Debug)]
pub(crate) struct Disturbance {
    workers: usize,
    processes: usize,
    interval_ms: usize,
    end: End,
    /// The seed of a store's faults, and the number of faults per thousand requests.
    faults: Option<(u64, usize)>,
    /// How often its supervisor restarts it.
    restarts: usize,
}

impl Disturbance {
    /// No disturbance.
    pub(crate) fn none(random: &mut Random, workers_max: usize) -> Self {
        let workers = 1 + random.below(workers_max);
        Self { workers, processes: 1, interval_ms: 5, end: End::Own, faults: None, restarts: 0 }
    }

    pub(crate) fn random(random: &mut Random, treatment: Treatment, workers_max: usize) -> Self {
        let workers = 1 + random.below(workers_max);
        let restarts = if random.chance(20) { RESTARTS_MAX } else { 0 };
        let deaths = if restarts > 0 { 1 + random.below(4) } else { 1 };
        if treatment == Treatment::EarlyDeaths {
            let end = End::Deaths((0..deaths).map(|_| early_death(random)).collect());
            return Self { workers, processes: 1, interval_ms: 1 + random.below(10), end, faults: None, restarts };
        }
        let end = match random.below(10) {
            0..6 => End::Deaths((0..deaths).map(|_| (any_of(&FAIL_POINTS, random), 1 + random.below(8))).collect()),
            6..8 => End::Signal("-KILL", Duration::from_millis(random.below(120) as u64)),
            8 => End::Signal("-INT", Duration::from_millis(random.below(120) as u64)),
            _ => End::Own,
        };
        Self {
            workers,
            processes: if workers_max > 1 && random.chance(20) { 2 } else { 1 },
            interval_ms: 1 + random.below(30),
            end,
            faults: random.chance(40).then(|| (random.next(), 5 + random.below(150))),
            restarts,
        }
    }

    /// The same with another seed of faults: a store does not fail twice in the same way.
    pub(crate) fn with_other_faults(&self) -> Self {
        Self { faults: self.faults.map(|(seed, per_mille)| (seed.wrapping_add(1), per_mille)), ..self.clone() }
    }

    /// Runs the job of a folder.
    ///
    /// # Errors
    /// It ended in a way that is not allowed.
    pub(crate) fn run(&self, folder: &Path, watchdog: &Watchdog, coverage: &Coverage) -> Result<Ended, String> {
        let mut child = self.command(folder).spawn().unwrap();
        let pid = child.id();
        watchdog.watch(pid);
        let signalled = self.signal(&mut child);
        // Read until every process that has the pipe open is gone, including those of a supervisor.
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        let in_time = watchdog.release(pid);
        let status = child.wait().unwrap();
        if !in_time {
            return Err(format!("it did not end in time: {}", shown(&said)));
        }
        self.note(status, &said, signalled, coverage);
        self.judge(status, said)
    }

    fn command(&self, folder: &Path) -> Command {
        let restart = if self.restarts == 0 { "none".to_owned() } else { format!("fixed-delay:{}:1ms", self.restarts) };
        let (workers, processes) = (self.workers.to_string(), self.processes.to_string());
        let interval = format!("{}ms", self.interval_ms);
        let mut command = Command::new(env!("CARGO_BIN_EXE_egret"));
        command.args(["run", "job.egret", "--workers", &workers, "--processes", &processes, "--restart", &restart]);
        command.args(["--checkpoints", "state", "--checkpoint-interval", &interval]);
        command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        if let Some((seed, per_mille)) = self.faults {
            command.env("EGRET_STORE_FAULTS", format!("{seed}:{per_mille}"));
        }
        if let End::Deaths(deaths) = &self.end {
            let deaths: Vec<String> = deaths.iter().map(|(point, at)| format!("{point}@{at}")).collect();
            command.env("EGRET_FAIL_POINT", deaths.join(","));
        }
        command
    }

    /// Sends the signal, if there is one, unless the job has ended before. Returns whether it was sent.
    fn signal(&self, child: &mut Child) -> bool {
        let End::Signal(name, after) = self.end else { return false };
        std::thread::sleep(after);
        let runs = child.try_wait().unwrap().is_none();
        if runs {
            assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
        }
        runs
    }

    fn judge(&self, status: ExitStatus, said: String) -> Result<Ended, String> {
        let is_supervised = self.restarts > 0;
        let may_fail = self.faults.is_some() || (self.processes > 1 && !is_supervised && !matches!(self.end, End::Own));
        let may_be_killed = match self.end {
            End::Own => false,
            // Its supervisor restarts it.
            End::Deaths(_) => !is_supervised && self.processes == 1,
            End::Signal(..) => true,
        };
        match status.code() {
            _ if said.contains("panicked") => Err(format!("it panicked: {}", shown(&said))),
            Some(1) if said.contains("no checkpoint is intact") => Ok(Ended::Undecided(said)),
            Some(0) => Ok(Ended::Somehow(said)),
            Some(1) if may_fail => Ok(Ended::Somehow(said)),
            None if may_be_killed => Ok(Ended::Somehow(said)),
            _ => Err(format!("{status}: {}", shown(&said))),
        }
    }

    /// Counts what happened in the run.
    fn note(&self, status: ExitStatus, said: &str, signalled: bool, coverage: &Coverage) {
        deaths(said).for_each(|point| coverage.add(format!("a death at '{point}'")));
        match (&self.end, status.code()) {
            (_, Some(0)) if said.contains("started again") => coverage.add("a job that its supervisor started again"),
            (End::Signal("-INT", _), Some(0)) if signalled => coverage.add("a job that was interrupted"),
            (End::Signal("-KILL", _), None) if signalled => coverage.add("a job that was killed from outside"),
            (_, Some(1)) if self.faults.is_some() => coverage.add("a job that failed for its store"),
            (_, Some(1)) if said.contains("is lost") => coverage.add("a job that lost one of its processes"),
            (End::Own, Some(0)) => coverage.add("a job that came to its own end"),
            _ => {}
        }
    }
}

fn shown(said: &str) -> &str {
    let from = said.len().saturating_sub(SHOWN_MAX);
    said.get(from..).or_else(|| said.split_at_checked(from + 1).map(|(_, rest)| rest)).unwrap_or(said)
}

fn any_of(points: &[&'static str], random: &mut Random) -> &'static str {
    points[random.below(points.len())]
}

/// A death, mostly when the first checkpoint is prepared or exactly one is complete.
fn early_death(random: &mut Random) -> (&'static str, usize) {
    match random.below(10) {
        0..5 => match any_of(&BEFORE_MANIFEST, random) {
            // Every instance visits this point.
            "give" => ("give", 1 + random.below(20)),
            point => (point, 1),
        },
        5..9 => match any_of(&BEHIND_MANIFEST, random) {
            "trigger" => ("trigger", 2),
            // Every sink visits this point.
            point @ ("publish" | "published") => (point, 1 + random.below(8)),
            point => (point, 1),
        },
        _ => (any_of(&FAIL_POINTS, random), 1 + random.below(2)),
    }
}

/// The fail points at which processes died.
pub(crate) fn deaths(said: &str) -> impl Iterator<Item = &str> {
    said.split(DIES).skip(1).filter_map(|rest| rest.split('\'').next())
}
