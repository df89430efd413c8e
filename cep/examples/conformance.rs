//! Runs conformance cases: `cargo run --release -p egret-cep --example conformance -- PATH...`
//!
//! Paths are files or folders; without any, the shared cases. Cases of event patterns and of row patterns are told apart by their
//! fields: `pattern` or `sql`. Failing cases are printed with what was expected and what was
//! found; the exit status is 1 if one fails. Cases marked as a quirk or a dialect of their
//! source may differ: they are listed apart.

#[path = "../tests/suite/cases.rs"]
mod cases;
#[path = "../tests/suite/chained.rs"]
mod chained;
#[path = "../../row-patterns/tests/suite/cases.rs"]
mod row_cases;

use egret_testkit::conformance::{Report, Shape, shared};
use std::path::PathBuf;
use std::process::ExitCode;

/// Event patterns and row patterns are told apart by their fields.
fn check(case: &serde_json::Value, shape: Shape) -> Result<(), String> {
    if case.get("sql").is_some() { row_cases::check(case, shape) } else { cases::check(case, shape) }
}

fn main() -> ExitCode {
    let mut paths: Vec<PathBuf> = std::env::args().skip(1).map(PathBuf::from).collect();
    if paths.is_empty() {
        paths.extend(["cep", "match_recognize"].map(|folder| shared().join("conformance").join(folder)));
    }
    match Report::of(&paths, |case| check(case, Shape { seed: None, restores: false })) {
        Ok(report) => show(&report),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn show(report: &Report) -> ExitCode {
    for failed in &report.failed {
        println!("FAILED {failed}\n");
    }
    for quirk in &report.quirks {
        println!("differs, as a quirk of its source may: {quirk}\n");
    }
    println!("{} passed, {} failed", report.passed, report.failed.len());
    if report.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
