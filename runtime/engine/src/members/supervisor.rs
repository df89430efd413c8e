//! Starts the members of a job, watches them, adds up their reports, and starts all of them again when one has failed.

use super::launcher::{Ending, Launcher, Member, MemberSpec};
use super::meeting::{MemberFailure, ask_to_stop, failure_of, progress_of, report_of};
use super::rendezvous::Rendezvous;
use super::role::MemberRole;
use crate::checks::check_job;
use crate::config::RunConfig;
use crate::report::JobReport;
use crate::restart::{Restarts, Verdict};
use crate::workers::metrics_of;
use egret_core::metrics::JobMetrics;
use egret_core::{Error, EventTime, JobGraph, Result};
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

/// How often the supervisor looks.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long the supervisor waits for the member that failed first when one has ended because it lost another.
const GRACE: Duration = Duration::from_millis(500);

/// Runs a job in members of its own, [`RunConfig::processes`] of them, and starts all of them again as [`RunConfig::restart`] says
/// when one has failed.
///
/// # Errors
/// The job is not valid; it failed once too often, or in a way that another start does not mend.
pub fn supervise(job: &JobGraph, config: &RunConfig, launcher: &dyn Launcher) -> Result<JobReport> {
    launcher.be_member(job, config);
    check_job(job, config)?;
    let metrics = metrics_of(job);
    let mut restarts = Restarts::new(config.restart);
    let (started, mut count) = (Instant::now(), 0);
    loop {
        let since = started.elapsed();
        let error = match supervise_attempt(config, launcher, &metrics, count) {
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

/// Starts the members, waits for them and adds up what they report.
fn supervise_attempt(config: &RunConfig, launcher: &dyn Launcher, metrics: &JobMetrics, restarts: u32) -> Result<JobReport> {
    let place = launcher.open()?;
    let started = Instant::now();
    let mut members = Members(Vec::new());
    for number in 0..config.processes {
        let role = MemberRole::new(number, config.processes)?;
        members.0.push(launcher.start(&MemberSpec { role, rendezvous: place.clone(), restarts })?);
    }
    config.progress.install(metrics.clone());
    loop {
        let endings = members.poll()?;
        if endings.iter().all(|ending| *ending == Some(Ending::Done)) {
            break;
        }
        if endings.iter().flatten().any(|ending| *ending != Ending::Done) {
            return Err(members.failure(&*place)?);
        }
        if config.stop.is_stopped() {
            ask_to_stop(&*place)?;
        }
        mirror_progress(config.processes, &*place, metrics)?;
        std::thread::sleep(LOOK_EVERY);
    }
    let mut total = JobReport::default();
    for number in 0..config.processes {
        let report = report_of(&*place, number)?;
        total.add(&report.ok_or_else(|| Error::external(format!("member {number} of the job ended without a report")))?);
    }
    total.elapsed = started.elapsed();
    total.stopped = config.stop.is_stopped();
    Ok(total)
}

/// The members of a job; none outlives its supervisor.
struct Members(Vec<Box<dyn Member>>);

impl Members {
    fn poll(&mut self) -> Result<Vec<Option<Ending>>> {
        self.0.iter_mut().map(|member| member.poll()).collect()
    }

    /// The error of the member that failed first.
    fn failure(&mut self, place: &dyn Rendezvous) -> Result<Error> {
        let deadline = Instant::now() + GRACE;
        loop {
            for (number, ending) in self.poll()?.into_iter().enumerate() {
                let Some(ending) = ending else { continue };
                if let Some(error) = self.error_of(number, &ending, failure_of(place, number)?) {
                    return Ok(error);
                }
            }
            if Instant::now() >= deadline {
                return Ok(Error::external("the members of the job lost each other").help("start the job again"));
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Why a member ended, if it failed by itself; `announced`: what it says.
    fn error_of(&self, number: usize, ending: &Ending, announced: Option<MemberFailure>) -> Option<Error> {
        let how = match ending {
            Ending::Done | Ending::LostAnother => return None,
            Ending::NotRun(how) | Ending::Failed(how) => how,
        };
        if let Some(failure) = announced {
            let by_another = failure.by_another;
            let error = failure.into_error();
            let error = if self.0.len() > 1 { error.context(format!("member {number}")) } else { error };
            return Some(error).filter(|_| !by_another);
        }
        let member = self.0[number].describe();
        Some(match ending {
            Ending::NotRun(_) => Error::job(format!("member {number} of the job ({member}) could not run it: {how}"))
                .help("see what it said above"),
            _ => Error::external(format!("member {number} of the job ({member}) is lost: {how}"))
                .help("the whole job was ended; look for the reason (out of memory? killed by hand?) and start it again"),
        })
    }
}

impl Drop for Members {
    fn drop(&mut self) {
        self.0.iter_mut().for_each(|member| member.kill());
    }
}

fn mirror_progress(members: usize, place: &dyn Rendezvous, metrics: &JobMetrics) -> Result<()> {
    let mut total = JobReport::default();
    for number in 0..members {
        if let Some(report) = progress_of(place, number)? {
            total.add(&report);
        }
    }
    for (node, (_, counters)) in total.nodes.iter().zip(&metrics.nodes) {
        counters.mirror(node.rows_in, node.rows_out, node.late, node.bad, node.state, EventTime(node.watermark_us));
        counters.mirror_holds(&node.holds);
    }
    Ok(())
}
