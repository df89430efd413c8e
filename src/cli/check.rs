//! `egret check` and `egret explain`.

use super::out::{print_text, show};
use super::program::read_program;
use super::sample::show_samples;
use super::{OK, WRONG, report_error};
use clap::Args;
use egret::{Plan, Program};
use egret_core::place::{Access, Place};
use std::io::IsTerminal;
use std::path::PathBuf;

/// Which program.
#[derive(Args)]
pub(crate) struct CheckArgs {
    /// Files in the Egret language; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// A file with some of the input: shows what each pattern keeps of it; with several streams `stream=FILE`, once for each
    #[arg(long, value_name = "FILE")]
    sample: Vec<String>,
}

/// Which program, and how to show it.
#[derive(Args)]
pub(crate) struct ExplainArgs {
    /// A file in the Egret language; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// As a Graphviz graph, to be drawn with `dot -Tsvg`
    #[arg(long)]
    dot: bool,
    /// A file with some of the input: shows what each pattern keeps of it; with several streams `stream=FILE`, once for each
    #[arg(long, value_name = "FILE")]
    sample: Vec<String>,
}

/// Plans a program; prints its errors and warnings.
pub(crate) fn plan_program(program: &Program) -> Result<Plan, u8> {
    let color = std::io::stderr().is_terminal();
    match program.plan() {
        Ok(plan) => {
            check_program_file(program, &plan)?;
            if !plan.warnings.is_empty() {
                print_text(&program.render(&plan.warnings, color));
            }
            Ok(plan)
        }
        Err(errors) => {
            print_text(&errors.render(color));
            let count = errors.diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).count();
            report_error(&format!("{count} error{}; nothing was run", if count == 1 { "" } else { "s" }));
            Err(WRONG)
        }
    }
}

/// Refuses a job that writes to the file of its own program: it could not be run again.
fn check_program_file(program: &Program, plan: &Plan) -> Result<(), u8> {
    if program.name() == "-" {
        return Ok(());
    }
    let file = vec![("the program".to_owned(), Place::new(program.name(), Access::Program))];
    plan.job.check_places(file).map_err(|error| {
        report_error(&format!("{}: {error}", program.name()));
        WRONG
    })
}

/// Checks the TEST statements, which are not part of the job.
fn check_tests(program: &Program) -> Result<(), u8> {
    program.check_tests().map_err(|errors| {
        print_text(&errors.render(std::io::stderr().is_terminal()));
        WRONG
    })
}

pub(crate) fn check(args: &CheckArgs) -> u8 {
    let mut status = OK;
    for file in &args.files {
        match read_program(file).and_then(|program| plan_program(&program).and_then(|plan| check_tests(&program).map(|()| plan)))
        {
            Ok(plan) => {
                let warnings = plan.warnings.len();
                let found = if warnings == 0 { "no errors".to_owned() } else { format!("no errors, {warnings} to look at") };
                status = status.max(show(&format!("{}: {found}\n", file.display())));
                status = status.max(show_samples(file, &args.sample));
            }
            Err(wrong) => status = wrong,
        }
    }
    status
}

pub(crate) fn explain(args: &ExplainArgs) -> u8 {
    let plan = match read_program(&args.file).and_then(|program| plan_program(&program)) {
        Ok(plan) => plan,
        Err(status) => return status,
    };
    let status = show_samples(&args.file, &args.sample);
    if status != OK {
        return status;
    }
    let text = if args.dot { plan.job.explain_dot() } else { plan.job.explain() };
    show(&text)
}
