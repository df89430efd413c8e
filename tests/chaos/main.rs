//! Chaos: jobs that are killed, interrupted and given a faulty store, again and again, with a changing number of workers, write
//! what they would have written undisturbed: the same bytes if the order of rows is known, otherwise the same rows, and no other
//! files. Meanwhile they show nothing else, and every existing checkpoint can be restored.
//!
//! `EGRET_CHAOS_SEEDS=1000 cargo test --release --test chaos` runs this many seeds. `EGRET_CHAOS_FIRST_SEED` sets the first one,
//! so with `EGRET_CHAOS_SEEDS=1` a single seed runs. A seed decides everything except what depends on the wall clock: what was
//! written when a process is killed from outside, and how many checkpoints a job makes while it reads. With many seeds every step
//! of the protocol and every ending must have happened.
#![allow(clippy::unwrap_used)]

mod attempt;
mod coverage;
mod history;
mod job;
mod output;
mod watchdog;

use coverage::Coverage;
use history::History;
use job::{Job, Kind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use watchdog::Watchdog;

/// The default number of seeds.
const SEEDS: u64 = 24;
/// How many seeds run at a time: most of a run is waiting.
const THREADS: usize = 6;
/// The job of each seed, in turns.
const TURNS: [Kind; 16] = {
    let mut turns = [Kind::Files; 16];
    let mut turn = 0;
    while turn < turns.len() {
        if turn % 5 > 2 {
            turns[turn] = Kind::Patterns;
        }
        turn += 1;
    }
    turns[7] = Kind::Fraud;
    turns
};

fn number(variable: &str, usual: u64) -> u64 {
    std::env::var(variable).map_or(usual, |text| text.parse().unwrap_or_else(|_| panic!("{variable}={text} is no number")))
}

#[test]
fn whatever_happens_to_a_job_its_output_is_the_same() {
    let (first, seeds) = (number("EGRET_CHAOS_FIRST_SEED", 1), number("EGRET_CHAOS_SEEDS", SEEDS));
    let jobs = [Kind::Files, Kind::Patterns, Kind::Fraud].map(Job::new);
    let (next, failed) = (AtomicU64::new(first), Mutex::new(Vec::new()));
    let (coverage, watchdog) = (Coverage::default(), Watchdog::default());
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + seeds {
                break;
            }
            let kind = TURNS[seed as usize % TURNS.len()];
            let job = jobs.iter().find(|job| job.kind == kind).unwrap();
            if let Err(why) = History::new(job, seed, &watchdog, &coverage).run() {
                let mut failed = failed.lock().unwrap();
                failed.push(format!("EGRET_CHAOS_FIRST_SEED={seed} EGRET_CHAOS_SEEDS=1 ({kind:?}): {why}"));
            }
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| watchdog.run());
        let workers: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        let ended: Vec<_> = workers.into_iter().map(|worker| worker.join()).collect();
        watchdog.end();
        ended.into_iter().for_each(|ended| ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
    });
    let failed = failed.into_inner().unwrap();
    println!("{seeds} seeds came to this:\n{coverage}");
    assert!(failed.is_empty(), "{} of {seeds} seeds failed; one alone is run with\n{}", failed.len(), failed.join("\n"));
    coverage.check(seeds).unwrap_or_else(|missing| panic!("none of {seeds} seeds came to:\n{missing}"));
}
