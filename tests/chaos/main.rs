//! Chaos: jobs that are killed, interrupted and given a faulty store, again and again, on a number of workers that changes, write
//! what they would have written undisturbed. Every checkpoint that is there on the way can be restored.
//!
//! `EGRET_CHAOS_SEEDS=1000 cargo test --release --test chaos` runs so many seeds; `EGRET_CHAOS_FIRST_SEED` says where to begin, so one
//! alone is run with `EGRET_CHAOS_SEEDS=1`. A seed decides everything but what the clock on the wall decides: what was written when
//! a process is killed from outside.
#![allow(clippy::unwrap_used)]

mod attempt;
mod job;

use attempt::{Disturbance, Ended};
use egret::state::checkpoint::Checkpoints;
use egret_testkit::Random;
use job::{Job, Output};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Seeds that are run unless said otherwise.
const SEEDS: u64 = 24;
/// Seeds that run at a time.
const THREADS: usize = 2;

fn number(variable: &str, usual: u64) -> u64 {
    std::env::var(variable).map_or(usual, |text| text.parse().unwrap_or_else(|_| panic!("{variable}={text} is no number")))
}

#[test]
fn whatever_happens_to_a_job_its_output_is_the_same() {
    let (first, seeds) = (number("EGRET_CHAOS_FIRST_SEED", 1), number("EGRET_CHAOS_SEEDS", SEEDS));
    let jobs: Vec<(Job, Output)> = Job::all().into_iter().map(|job| (job, job.undisturbed())).collect();
    let (next, failed) = (AtomicU64::new(first), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + seeds {
                        break;
                    }
                    let (job, expected) = &jobs[seed as usize % jobs.len()];
                    if let Err(why) = disturb(*job, expected, seed) {
                        failed
                            .lock()
                            .unwrap()
                            .push(format!("EGRET_CHAOS_FIRST_SEED={seed} EGRET_CHAOS_SEEDS=1 ({job:?}): {why}"));
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{} of {seeds} seeds failed; one alone is run with\n{}", failed.len(), failed.join("\n"));
}

/// Disturbs a job until it has had enough, lets it end, and looks at what it wrote.
fn disturb(job: Job, expected: &Output, seed: u64) -> Result<(), String> {
    let mut random = Random::new(seed);
    let folder = job.folder();
    let mut history = Vec::new();
    for _ in 0..1 + random.below(6) {
        let disturbance = Disturbance::random(&mut random);
        let outcome = run(job, &disturbance, folder.path());
        history.push(format!("{disturbance:?}"));
        outcome.and_then(|()| check_checkpoints(folder.path())).map_err(|why| format!("{why}\nafter {}", history.join(", ")))?;
    }
    let outcome = run(job, &Disturbance::none(&mut random), folder.path());
    outcome
        .and_then(|()| job.output(folder.path()).compare(expected))
        .map_err(|why| format!("{why}\nafter {}", history.join(", ")))
}

/// Runs the job. Where it asks somebody to decide whether to start without state that is rightly so if nothing was ever published.
fn run(job: Job, disturbance: &Disturbance, folder: &Path) -> Result<(), String> {
    match disturbance.run(folder)? {
        Ended::Somehow => Ok(()),
        Ended::Undecided(said) if job.has_published(folder) => Err(format!("a checkpoint is lost: {said}")),
        Ended::Undecided(_) => {
            std::fs::remove_dir_all(folder.join("state")).unwrap();
            run(job, disturbance, folder)
        }
    }
}

/// Every checkpoint that is said to be there can be read, every byte of it.
fn check_checkpoints(folder: &Path) -> Result<(), String> {
    let state = folder.join("state");
    if !state.join("job.json").exists() {
        return Ok(());
    }
    // What a process was writing when it was killed is no checkpoint yet.
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
    Ok(())
}
