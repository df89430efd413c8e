//! The runs of one job, from its first start to its end.

use crate::attempt::{Disturbance, Ended, Treatment, deaths};
use crate::coverage::{Coverage, MANY_DEATHS, ONE_AND_NONE, TWICE_NONE};
use crate::job::Job;
use crate::output::Output;
use crate::watchdog::Watchdog;
use egret::state::checkpoint::Checkpoints;
use egret_testkit::Random;
use tempfile::TempDir;

/// How often a job may need a person's decision before it runs at all.
const DECISIONS_MAX: usize = 20;
/// Steps at which all parts of a checkpoint are prepared and it is not yet complete.
const PREPARED: [&str; 2] = ["ack", "manifest"];

/// A job, and how it was disturbed so far.
pub(crate) struct History<'a> {
    job: &'a Job,
    folder: TempDir,
    random: Random,
    treatment: Treatment,
    watchdog: &'a Watchdog,
    coverage: &'a Coverage,
    disturbances: Vec<Disturbance>,
    /// The number of the last checkpoint.
    last: u64,
    /// How many checkpoints the last run completed, and whether it died with another one prepared.
    before: (usize, bool),
}

impl<'a> History<'a> {
    pub(crate) fn new(job: &'a Job, seed: u64, watchdog: &'a Watchdog, coverage: &'a Coverage) -> Self {
        let mut random = Random::new(seed);
        let treatment = if random.chance(40) { Treatment::EarlyDeaths } else { Treatment::Any };
        let folder = job.folder();
        let (disturbances, last, before) = (Vec::new(), 0, (0, false));
        Self { job, folder, random, treatment, watchdog, coverage, disturbances, last, before }
    }

    /// Disturbs the job some times, lets it run to its end, and checks its output.
    ///
    /// # Errors
    /// The output differs from that of an undisturbed run; says how, and what was done.
    pub(crate) fn run(mut self) -> Result<(), String> {
        self.run_all().map_err(|why| {
            let done: Vec<String> = self.disturbances.iter().map(|disturbance| format!("{disturbance:?}")).collect();
            format!("{why}\nafter {}", done.join(",\n"))
        })
    }

    fn run_all(&mut self) -> Result<(), String> {
        let workers_max = self.job.kind.workers_max();
        let least = if self.treatment == Treatment::EarlyDeaths { 2 } else { 1 };
        for _ in 0..least + self.random.below(5) {
            let disturbance = Disturbance::random(&mut self.random, self.treatment, workers_max);
            let said = self.run_once(disturbance)?;
            self.job.expected.check_begun(&Output::read_begun(self.folder.path())?)?;
            self.check_checkpoints(&said)?;
        }
        let undisturbed = Disturbance::none(&mut self.random, workers_max);
        self.run_once(undisturbed)?;
        self.job.expected.compare(&Output::read(self.folder.path())?)
    }

    /// Runs the job, and returns its output. If it asks whether to start without state, that must be because nothing was ever
    /// published; then it starts afresh.
    fn run_once(&mut self, mut disturbance: Disturbance) -> Result<String, String> {
        self.disturbances.push(disturbance.clone());
        for _ in 0..DECISIONS_MAX {
            match disturbance.run(self.folder.path(), self.watchdog, self.coverage)? {
                Ended::Somehow(said) => return Ok(said),
                Ended::Undecided(said) if self.job.expected.has_published(&Output::read_begun(self.folder.path())?) => {
                    return Err(format!("a checkpoint is lost: {said}"));
                }
                Ended::Undecided(_) => {
                    // Nothing may remain of that first start: a job with another folder of checkpoints does not touch files that
                    // are not its own.
                    std::fs::remove_dir_all(self.folder.path().join("state")).unwrap();
                    std::fs::remove_dir_all(self.folder.path().join("out")).or_else(unless_missing).unwrap();
                    self.last = 0;
                    disturbance = disturbance.with_other_faults();
                }
            }
        }
        Err(format!("it never begins, whatever the faults of its store: somebody was asked {DECISIONS_MAX} times"))
    }

    /// Checks that every checkpoint that is listed can be read to the last byte.
    fn check_checkpoints(&mut self, said: &str) -> Result<(), String> {
        let state = self.folder.path().join("state");
        if !state.join("job.json").exists() {
            return Ok(());
        }
        // A file that a killed process was writing is not a checkpoint yet.
        let Ok(checkpoints) = Checkpoints::read_local(&state) else { return Ok(()) };
        let (listed, _) = checkpoints.list().map_err(|error| error.to_string())?;
        for listed in &listed {
            if let Some(damage) = checkpoints.find_damage(&listed.manifest).map_err(|error| error.to_string())? {
                return Err(damage.to_string());
            }
            for part in &listed.manifest.parts {
                checkpoints.read_chain(part).map_err(|error| error.to_string())?;
            }
        }
        let numbers: Vec<u64> = listed.iter().map(|listed| listed.manifest.checkpoint).collect();
        self.note(&numbers, said);
        Ok(())
    }

    /// Counts what happened, judged by the checkpoints that exist.
    fn note(&mut self, numbers: &[u64], said: &str) {
        let completed = numbers.iter().filter(|number| **number > self.last).count();
        let died_prepared = completed == 0 && deaths(said).any(|point| PREPARED.contains(&point));
        let before = std::mem::replace(&mut self.before, (completed, died_prepared));
        if died_prepared && before.0 == 1 {
            self.coverage.add(ONE_AND_NONE);
        }
        if died_prepared && before.1 {
            self.coverage.add(TWICE_NONE);
        }
        if deaths(said).count() > 1 {
            self.coverage.add(MANY_DEATHS);
        }
        self.last = numbers.iter().copied().max().unwrap_or(self.last).max(self.last);
    }
}

fn unless_missing(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}
