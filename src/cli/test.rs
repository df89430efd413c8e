//! `egret test`.

use super::out::{print_text, show};
use super::program::read_program;
use super::{FAILED, OK, WRONG, report_error};
use clap::Args;
use egret::testing::{Coverage, Reached, TestReport};
use std::fmt::Write as _;
use std::io::IsTerminal;
use std::path::PathBuf;

/// Which tests.
#[derive(Args)]
pub(crate) struct TestArgs {
    /// Files in the Egret language, with TEST statements; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Only the tests whose name, or whose pattern's name, contains this
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    filter: String,
}

pub(crate) fn test(args: &TestArgs) -> u8 {
    let (mut status, mut passed, mut failed) = (OK, 0, 0);
    for file in &args.files {
        let report = read_program(file).and_then(|program| {
            program.test(&args.filter).map_err(|errors| {
                print_text(&errors.render(std::io::stderr().is_terminal()));
                WRONG
            })
        });
        match report {
            Ok(report) => {
                failed += report.failed();
                passed += report.tests.len() - report.failed();
                let shown = show(&render(&file.display().to_string(), &report));
                if shown != OK {
                    return shown;
                }
                if let Some(errors) = &report.refused {
                    print_text(&errors.render(std::io::stderr().is_terminal()));
                    status = WRONG;
                }
            }
            Err(wrong) => status = wrong,
        }
    }
    if passed + failed == 0 && status == OK {
        let help = "help: write TEST 'name' FOR pattern GIVEN (columns) (values) EXPECT MATCH (column = value);";
        report_error(&match args.filter.is_empty() {
            true => format!("there are no tests\n{help}"),
            false => format!("no test has `{}` in its name", args.filter),
        });
        return WRONG;
    }
    let shown = show(&format!("{passed} passed, {failed} failed\n"));
    if shown != OK {
        return shown;
    }
    if status == OK && failed > 0 { FAILED } else { status }
}

/// The results of a file's tests, and the steps that they reach.
fn render(file: &str, report: &TestReport) -> String {
    let mut text = format!("{file}\n");
    for test in &report.tests {
        let verdict = if test.passed() { "ok    " } else { "FAILED" };
        let _ = writeln!(text, "  {verdict}  {}: {} (line {})", test.of, test.name, test.line);
        if test.passed() {
            continue;
        }
        let findings = test.findings.iter().map(ToString::to_string);
        for line in findings.chain(test.notes.iter().map(|note| format!("note: {note}"))).flat_map(lines) {
            let _ = writeln!(text, "          {line}");
        }
    }
    for coverage in report.coverage.iter().filter(|coverage| coverage.tests > 0) {
        let _ = writeln!(text, "  steps   {}", steps(coverage));
    }
    let untested: Vec<&str> =
        report.coverage.iter().filter(|coverage| coverage.tests == 0).map(|coverage| coverage.pattern.as_str()).collect();
    if !untested.is_empty() {
        let _ = writeln!(text, "  without a test: {}", untested.join(", "));
    }
    text
}

fn lines(text: String) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

fn steps(coverage: &Coverage) -> String {
    let never = coverage.steps_at(Reached::Never);
    let mut text = format!("{}: {} of {} reached", coverage.pattern, coverage.steps.len() - never.len(), coverage.steps.len());
    for (words, names) in
        [("in matches", coverage.steps_at(Reached::Match)), ("on the way", coverage.steps_at(Reached::Partial)), ("never", never)]
    {
        if !names.is_empty() {
            let _ = write!(text, "; {words}: {}", names.join(", "));
        }
    }
    text
}
