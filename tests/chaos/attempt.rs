//! One run of a job, and what is done to it.

use egret_testkit::Random;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The steps of the checkpoint protocol at which a process can be told to die.
const POINTS: [&str; 9] =
    ["trigger", "give", "part", "part written", "ack", "manifest", "manifest written", "committed", "finish"];
/// A run takes no longer than this, whatever is done to it.
const PATIENCE: Duration = Duration::from_secs(120);

/// What ends a run.
#[derive(Clone, Debug)]
enum End {
    /// Its own end.
    Own,
    /// A step of the protocol, for the so-manieth time.
    Point(&'static str, usize),
    /// A signal, after some time.
    Signal(&'static str, Duration),
}

/// How a run ended.
pub(crate) enum Ended {
    /// As it may.
    Somehow,
    /// It did not begin: the only entry of the log that may have been a checkpoint was torn when it was written, and somebody has to
    /// decide. With what it said.
    Undecided(String),
}

/// What is done to a job while it runs.
#[derive(Clone, Debug)]
pub(crate) struct Disturbance {
    workers: usize,
    processes: usize,
    interval_ms: usize,
    end: End,
    /// The seed of a store's faults, and how many of a thousand requests have one.
    faults: Option<(u64, usize)>,
    /// How often it is started again by its supervisor.
    restarts: usize,
}

impl Disturbance {
    /// None at all.
    pub(crate) fn none(random: &mut Random) -> Self {
        Self { workers: 1 + random.below(3), processes: 1, interval_ms: 5, end: End::Own, faults: None, restarts: 0 }
    }

    pub(crate) fn random(random: &mut Random) -> Self {
        let end = match random.below(10) {
            0..6 => End::Point(POINTS[random.below(POINTS.len())], 1 + random.below(8)),
            6..8 => End::Signal("-KILL", Duration::from_millis(random.below(400) as u64)),
            8 => End::Signal("-INT", Duration::from_millis(random.below(400) as u64)),
            _ => End::Own,
        };
        Self {
            workers: 1 + random.below(3),
            processes: if random.chance(20) { 2 } else { 1 },
            interval_ms: 1 + random.below(30),
            end,
            faults: random.chance(40).then(|| (random.next(), 5 + random.below(150))),
            restarts: if random.chance(25) { 20 } else { 0 },
        }
    }

    /// Runs the job of a folder.
    ///
    /// # Errors
    /// It ended as it should not have.
    pub(crate) fn run(&self, folder: &Path) -> Result<Ended, String> {
        let restart = if self.restarts == 0 { "none".to_owned() } else { format!("fixed-delay:{}:1ms", self.restarts) };
        let (workers, processes) = (self.workers.to_string(), self.processes.to_string());
        let interval = format!("{}ms", self.interval_ms);
        let mut command = Command::new(env!("CARGO_BIN_EXE_egret"));
        command.args(["run", "job.egret", "--workers", &workers, "--processes", &processes, "--restart", &restart]);
        command.args(["--checkpoints", "state", "--checkpoint-interval", &interval]);
        let messages = std::fs::File::create(folder.join("messages")).unwrap();
        command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(messages);
        if let Some((seed, per_mille)) = self.faults {
            command.env("EGRET_STORE_FAULTS", format!("{seed}:{per_mille}"));
        }
        if let End::Point(point, at) = self.end {
            command.env("EGRET_FAIL_POINT", format!("{point}@{at}"));
        }
        let status = self.wait(command.spawn().unwrap())?;
        let said = std::fs::read_to_string(folder.join("messages")).unwrap();
        let may_fail = self.faults.is_some() || (self.processes > 1 && !matches!(self.end, End::Own));
        match status.code() {
            _ if said.contains("panicked") => Err(format!("it panicked: {said}")),
            Some(1) if said.contains("no checkpoint is intact") => Ok(Ended::Undecided(said)),
            Some(0) => Ok(Ended::Somehow),
            Some(1) if may_fail => Ok(Ended::Somehow),
            None if !matches!(self.end, End::Own) => Ok(Ended::Somehow),
            _ => Err(format!("{status}: {said}")),
        }
    }

    fn wait(&self, mut child: Child) -> Result<std::process::ExitStatus, String> {
        let (started, pid) = (Instant::now(), child.id().to_string());
        let mut signal = if let End::Signal(signal, after) = self.end { Some((signal, after)) } else { None };
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                return Ok(status);
            }
            if let Some((name, _)) = signal.filter(|(_, after)| started.elapsed() >= *after) {
                Command::new("kill").args([name, &pid]).status().unwrap();
                signal = None;
            }
            if started.elapsed() > PATIENCE {
                child.kill().unwrap();
                child.wait().unwrap();
                return Err(format!("it did not end within {PATIENCE:?}"));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
