//! Holds the learners to reference results: `cargo run --release -p egret-ml --example conformance -- FOLDER... [--data FOLDER]`.
//!
//! A folder has `exact/*.csv.gz` and `exact/exact.json` (predictions and weights, row by row) and `reference.json` (metrics). Without
//! `--data` the data is in `../../data/ml` beside it. Prints each miss, what has no learner yet, and how many passed and failed; fails if
//! one did.

mod bands;
mod data;
mod exact;
mod outcome;
mod run;

use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let (mut folders, mut data, mut arguments) = (Vec::new(), None, std::env::args().skip(1));
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--data" => data = arguments.next().map(PathBuf::from),
            _ => folders.push(PathBuf::from(argument)),
        }
    }
    if folders.is_empty() {
        eprintln!("usage: conformance FOLDER... [--data FOLDER]");
        return ExitCode::from(2);
    }
    let mut all = outcome::Outcome::default();
    for folder in folders {
        let data = data.clone().unwrap_or_else(|| folder.join("../../data/ml"));
        match run::run(&folder, &data) {
            Ok(outcome) => {
                all.passed += outcome.passed;
                all.misses.extend(outcome.misses);
                all.not_run.extend(outcome.not_run);
            }
            Err(error) => {
                eprintln!("{}: {error}", folder.display());
                return ExitCode::from(2);
            }
        }
    }
    all.not_run.iter().for_each(|case| println!("not run: {case}"));
    all.misses.iter().for_each(|miss| println!("missed: {miss}"));
    println!("{} passed, {} failed", all.passed, all.misses.len());
    if all.misses.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
