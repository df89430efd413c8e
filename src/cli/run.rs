//! `egret run`.

use super::check::{plan_program, read_program};
use super::live::Live;
use super::{FAILED, OK, WRONG, complain, summary};
use clap::Args;
use egret::engine::{RunConfig, StopHandle, process_role, run as run_job};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

/// What to run and how.
#[derive(Args)]
pub(crate) struct RunArgs {
    /// A file in the Egret language; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Worker threads (in each process); all cores unless said
    #[arg(long, value_name = "N")]
    workers: Option<usize>,
    /// Processes on this machine, exchanging rows over loopback
    #[arg(long, value_name = "P", default_value_t = 1)]
    processes: usize,
    /// Print nothing but errors
    #[arg(long, short)]
    quiet: bool,
    /// Print the summary even when standard error is not a terminal
    #[arg(long, conflicts_with = "quiet")]
    summary: bool,
}

pub(crate) fn run(args: &RunArgs) -> u8 {
    if args.processes > 1 && args.file == Path::new("-") {
        complain(&"a program on standard input cannot be read by several processes\nhelp: save it in a file");
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
    if let Err(error) = stop_on_signals(&config.stop) {
        complain(&format!("signals cannot be handled: {error}"));
        return WRONG;
    }
    let is_terminal = std::io::stderr().is_terminal();
    let is_child = process_role().is_some();
    let live = (is_terminal && !args.quiet && !is_child).then(|| Live::start(config.progress.clone()));
    let result = run_job(&plan.job, &config);
    if let Some(live) = live {
        live.finish();
    }
    match result {
        Ok(report) => {
            if args.summary || (is_terminal && !args.quiet) {
                eprint!("{}", summary::summary(&plan.job, &report));
            } else if !args.quiet {
                eprint!("{}", summary::losses(&report));
            }
            OK
        }
        Err(error) => {
            complain(&error);
            FAILED
        }
    }
}

/// The first Ctrl-C (or SIGTERM) asks the job to stop, a second one ends the program at once.
fn stop_on_signals(stop: &StopHandle) -> std::io::Result<()> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 130, stop.flag())?;
        signal_hook::flag::register(signal, stop.flag())?;
    }
    Ok(())
}
