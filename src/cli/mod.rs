//! The command line: `run`, `check`, `explain`, `test`, `why`, `state`, `generate`.

mod check;
mod exit;
mod generate;
mod live;
mod out;
mod program;
mod run;
mod sample;
mod state;
mod summary;
mod test;
mod why;

pub(crate) use exit::{FAILED, OK, WRONG};
pub(crate) use out::report_error;

use clap::{Parser, Subcommand};
use std::io::IsTerminal;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

/// Find patterns in streams, score events with models that learn online, follow graphs as they change.
#[derive(Parser)]
#[command(
    version,
    about,
    max_term_width = 100,
    after_help = "\
Try it:
  egret run examples/fraud/fraud.egret          run the bundled fraud job
  egret check my.egret                          names, types, options; no data is read
  egret test my.egret                           run the tests that stand in it
  egret why my.egret --pattern p --key 7        how far the pattern came with a key, and what stopped it
  egret explain my.egret --dot | dot -Tsvg      the plan as a picture
  egret generate fraud --rows 1000000 --seed 1 --out txn.jsonl.gz

Exit status: 0 all well, 1 the job or a test failed, 2 the program or the command line is wrong.
RUST_LOG=egret_engine=debug shows what the engine does."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a job until its input ends, or until Ctrl-C
    Run(run::RunArgs),
    /// Check a program: names, types, options, suspicious patterns
    Check(check::CheckArgs),
    /// Show the plan of a program
    Explain(check::ExplainArgs),
    /// Run the TEST statements of a program: what its patterns find in a few rows
    Test(test::TestArgs),
    /// Say what a pattern made of the events of a key: how far each candidate came, and what stopped it
    Why(why::WhyArgs),
    /// Say what is in a folder of checkpoints
    State(state::StateArgs),
    /// Make test data
    Generate(generate::GenerateArgs),
}

/// Parses the arguments and runs the command.
pub(crate) fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    let colors = std::io::stderr().is_terminal();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colors).log_internal_errors(false);
    log.with_writer(|| out::Lenient).init();
    ExitCode::from(match Cli::try_parse() {
        Ok(cli) => run_command(cli.command),
        Err(asked) => answer(&asked),
    })
}

/// Prints clap's message: help and the version are answers, everything else is an error of the command line.
fn answer(asked: &clap::Error) -> u8 {
    let text = asked.render();
    if asked.use_stderr() {
        let text = if std::io::stderr().is_terminal() { text.ansi().to_string() } else { text.to_string() };
        out::print_text(&text);
        return WRONG;
    }
    out::show(&if std::io::stdout().is_terminal() { text.ansi().to_string() } else { text.to_string() })
}

fn run_command(command: Command) -> u8 {
    match command {
        Command::Run(args) => run::run(&args),
        Command::Check(args) => check::check(&args),
        Command::Explain(args) => check::explain(&args),
        Command::Test(args) => test::test(&args),
        Command::Why(args) => why::why(&args),
        Command::State(args) => state::state(&args),
        Command::Generate(args) => generate::generate(&args),
    }
}
