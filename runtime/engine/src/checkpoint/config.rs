//! Whether and how often checkpoints are made, and what came of it.

use super::answers::Answers;
use egret_state::checkpoint::Location;
use serde::{Deserialize, Serialize};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How a job's checkpoints are made.
#[derive(Clone, Debug)]
pub struct CheckpointConfig {
    /// The job's name: a place of checkpoints belongs to one job.
    pub job: String,
    /// Where they are: one place for each job. If there are some of this job, the job goes on from there.
    pub location: Location,
    /// The time from the end of one checkpoint to the beginning of the next.
    pub interval: Duration,
    /// A checkpoint that takes longer is given up.
    pub timeout: Duration,
    /// How many complete checkpoints are kept.
    pub kept: usize,
    /// Whether state of operators that the job no longer has may be left behind.
    pub may_drop_state: bool,
    /// Whether sinks may publish again what was published after the checkpoint that the job goes on from: it goes back to an older
    /// one if the latest is damaged.
    pub may_repeat_output: bool,
}

impl CheckpointConfig {
    /// Every ten seconds, in this place; three are kept.
    pub fn new(location: impl Into<Location>) -> Self {
        Self {
            job: "job".to_owned(),
            location: location.into(),
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(600),
            kept: 3,
            may_drop_state: false,
            may_repeat_output: false,
        }
    }

    /// With another interval.
    #[must_use]
    pub fn every(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }
}

/// What came of a job's checkpoints.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointReport {
    /// The checkpoint that the job went on from.
    pub restored: Option<u64>,
    /// Whether the job had run to its end before: nothing was read.
    pub was_finished: bool,
    /// How many were made.
    pub complete: u64,
    /// How many were given up.
    pub declined: u64,
    /// Why the last of these was given up.
    pub why: Option<String>,
    /// The number of the last complete checkpoint.
    pub last: Option<u64>,
    /// How long the longest took, in milliseconds.
    pub longest_ms: i64,
}

impl CheckpointReport {
    pub(crate) fn add(&mut self, other: &Self) {
        self.restored = self.restored.or(other.restored);
        self.was_finished |= other.was_finished;
        self.complete += other.complete;
        self.declined += other.declined;
        self.why = self.why.take().or_else(|| other.why.clone());
        self.last = self.last.max(other.last);
        self.longest_ms = self.longest_ms.max(other.longest_ms);
    }
}

/// The report while the job runs.
#[derive(Debug, Default)]
pub(crate) struct CheckpointCounters {
    report: Mutex<(CheckpointReport, i64)>,
    pub(crate) answers: Answers,
}

impl CheckpointCounters {
    pub(crate) fn of(restored: Option<u64>) -> Self {
        let report = CheckpointReport { restored, ..CheckpointReport::default() };
        Self { report: Mutex::new((report, 0)), answers: Answers::default() }
    }

    fn change(&self, change: impl FnOnce(&mut CheckpointReport, &mut i64)) {
        let mut inside = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        let (report, since) = &mut *inside;
        change(report, since);
    }

    pub(crate) fn begin(&self, now_ms: i64) {
        self.change(|_, since| *since = now_ms);
    }

    pub(crate) fn complete(&self, number: u64, now_ms: i64) {
        self.change(|report, since| {
            report.complete += 1;
            report.last = Some(number);
            report.longest_ms = report.longest_ms.max(now_ms.saturating_sub(*since));
        });
    }

    pub(crate) fn decline(&self, why: &str) {
        self.change(|report, _| {
            report.declined += 1;
            report.why = Some(why.to_owned());
        });
    }

    pub(crate) fn report(&self) -> CheckpointReport {
        self.report.lock().unwrap_or_else(PoisonError::into_inner).0.clone()
    }
}
