//! `egret run`.

use super::check::plan_program;
use super::live::Live;
use super::out::print_text;
use super::program::read_program;
use super::state::location_of;
use super::{FAILED, OK, WRONG, report_error, summary};
use clap::Args;
use egret::engine::{
    CheckpointConfig, CheckpointReport, RestartStrategy, RunConfig, StopHandle, can_be_supervised, parse_interval, process_role,
    run as run_job, when_it_does_not_stop,
};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What to run and how.
#[derive(Args)]
pub(crate) struct RunArgs {
    /// A file in the Egret language; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Worker threads (in each process) [default: all cores]
    #[arg(long, value_name = "N")]
    workers: Option<usize>,
    /// Processes on this machine, exchanging rows over loopback
    #[arg(long, value_name = "P", default_value_t = 1)]
    processes: usize,
    /// Make checkpoints in this folder (a path or file:///path), and resume from the latest one in it
    #[arg(long, value_name = "FOLDER")]
    checkpoints: Option<PathBuf>,
    /// The interval between checkpoints: 500ms, 10s, 2m
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_time, requires = "checkpoints")]
    checkpoint_interval: Duration,
    /// Resume from a checkpoint even if it has state that the job no longer uses
    #[arg(long, requires = "checkpoints")]
    allow_dropped_state: bool,
    /// Resume from a checkpoint even if output was published after it; that output is published again
    #[arg(long, requires = "checkpoints")]
    allow_duplicates: bool,
    /// Whether and when a job with checkpoints restarts after a failure: none, fixed-delay:ATTEMPTS:TIME,
    /// exponential:FIRST:LONGEST or failure-rate:FAILURES:WITHIN:DELAY
    #[arg(long, value_name = "STRATEGY", value_parser = parse_restart, requires = "checkpoints")]
    restart: Option<RestartStrategy>,
    /// Print nothing but errors
    #[arg(long, short)]
    quiet: bool,
    /// Print the summary even when standard error is not a terminal
    #[arg(long, conflicts_with = "quiet")]
    summary: bool,
}

pub(crate) fn run(args: &RunArgs) -> u8 {
    if args.processes > 1 && args.file == Path::new("-") {
        report_error(&"a program on standard input cannot be read by several processes\nhelp: save it in a file");
        return WRONG;
    }
    let plan = match read_program(&args.file).and_then(|program| plan_program(&program)) {
        Ok(plan) => plan,
        Err(status) => return status,
    };
    let mut config = RunConfig { processes: args.processes, ..RunConfig::default() };
    if let Some(workers) = args.workers {
        config.workers = workers;
    } else if args.processes > 1 {
        config.workers = (config.workers / args.processes).max(1);
    }
    let location = match args.checkpoints.as_deref().map(location_of).transpose() {
        Ok(location) => location,
        Err(error) => {
            report_error(&error);
            return WRONG;
        }
    };
    if let Some(location) = location {
        // Input and checkpoints that only this process can read cannot be read by a restarted one.
        let may_restart = args.file != Path::new("-") && can_be_supervised(&plan.job) && location.is_shared();
        config.checkpoints = Some(CheckpointConfig {
            may_drop_state: args.allow_dropped_state,
            may_repeat_output: args.allow_duplicates,
            job: name_of(&args.file),
            ..CheckpointConfig::new(location).every(args.checkpoint_interval)
        });
        let usual = if may_restart { RestartStrategy::default() } else { RestartStrategy::None };
        config.restart = args.restart.unwrap_or(usual);
    }
    if let Err(error) = stop_on_signals(&config.stop) {
        report_error(&format!("signals cannot be handled: {error}"));
        return WRONG;
    }
    let is_terminal = std::io::stderr().is_terminal();
    let is_child = process_role().is_some();
    if !is_child {
        when_it_does_not_stop(&config.stop, &config.progress, stop_patience(&config), |error| {
            report_error(&error);
            std::process::exit(i32::from(FAILED))
        });
    }
    let live = (is_terminal && !args.quiet && !is_child).then(|| Live::start(config.progress.clone()));
    let result = run_job(&plan.job, &config);
    if let Some(live) = live {
        live.finish();
    }
    match result {
        Ok(report) => {
            if !args.quiet {
                print_text(&checkpoints(&report.checkpoints, args));
            }
            if args.summary || (is_terminal && !args.quiet) {
                print_text(&summary::summary(&plan.job, &report));
            } else if !args.quiet {
                print_text(&summary::losses(&report));
            }
            OK
        }
        Err(error) => {
            report_error(&error);
            FAILED
        }
    }
}

/// The lines about checkpoints in the summary.
fn checkpoints(report: &CheckpointReport, args: &RunArgs) -> String {
    let folder = args.checkpoints.as_deref().unwrap_or(Path::new("")).display();
    let mut text = String::new();
    if let (true, Some(number)) = (report.was_finished, report.restored) {
        text += &format!(
            "the job has run to its end before (checkpoint {number} in {folder}): nothing was read\nhelp: to run it anew, delete that folder or name another\n"
        );
    }
    if report.declined > 0 {
        let why = report.why.as_deref().unwrap_or("");
        text += &format!("warning: {} checkpoints could not be made, the last because {why}\n", report.declined);
    }
    text
}

/// The name of a job in its checkpoints: the name of its file.
fn name_of(file: &Path) -> String {
    file.file_stem().map_or_else(|| "job".to_owned(), |stem| stem.to_string_lossy().into_owned())
}

/// `500ms`, `10s`, `2m`.
fn parse_time(text: &str) -> Result<Duration, String> {
    parse_interval(text).map_err(|error| format!("{}: {}", error.cause(), error.remedy().unwrap_or_default()))
}

fn parse_restart(text: &str) -> Result<RestartStrategy, String> {
    text.parse().map_err(|error: egret::core::Error| error.to_string())
}

/// How long a job that is asked to stop may take: longer than it waits for a checkpoint, and if it has several processes longer
/// than they wait.
fn stop_patience(config: &RunConfig) -> Duration {
    let is_supervised = config.processes > 1 || config.restart != RestartStrategy::None;
    Duration::from_secs(if is_supervised { 14 } else { 12 })
}

/// The first Ctrl-C, SIGTERM or SIGHUP asks the job to stop; a later Ctrl-C or SIGTERM ends the program at once. A closing
/// terminal may send SIGHUP more than once, so only a first one counts. A program that was started with `nohup` ignores it.
fn stop_on_signals(stop: &StopHandle) -> std::io::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 130, stop.flag())?;
        signal_hook::flag::register(signal, stop.flag())?;
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    if !is_ignored(&status, SIGHUP) {
        signal_hook::flag::register(SIGHUP, stop.flag())?;
    }
    Ok(())
}

/// Whether a process ignores a signal, given its status file on Linux.
fn is_ignored(status: &str, signal: i32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask & (1 << (signal - 1)) != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_signals_are_read_from_the_status() {
        let status = "Name:\tegret\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000001001\nSigCgt:\t0000000000004002\n";
        assert!(is_ignored(status, 1) && is_ignored(status, 13) && !is_ignored(status, 2) && !is_ignored("", 1));
    }
}
