//! Runs conformance cases: `cargo run --release -p egret-cep --example conformance -- PATH...`
//!
//! Paths are files or folders; without any, the shared cases. Failing cases are printed with what was expected and what was
//! found; the exit status is 1 if one fails. Cases marked as a quirk of their source may differ: they are listed apart.

#[path = "../tests/suite/cases.rs"]
mod cases;

use cases::{Shape, check, files, shared};
use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut paths: Vec<PathBuf> = std::env::args().skip(1).map(PathBuf::from).collect();
    if paths.is_empty() {
        paths.push(shared().join("conformance/cep"));
    }
    match run(&paths) {
        Ok((_, 0)) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(paths: &[PathBuf]) -> egret_core::Result<(usize, usize)> {
    let (mut passed, mut failed, mut quirks) = (0, 0, Vec::new());
    for path in paths {
        for file in files(path)? {
            for case in cases::cases(&file)? {
                let id = case["id"].as_str().unwrap_or("?");
                match check(&case, Shape { seed: None, restores: false }) {
                    Ok(()) => passed += 1,
                    Err(difference) if case["quirk"] == true => quirks.push(format!("{id}\n{difference}")),
                    Err(difference) => {
                        failed += 1;
                        println!("FAILED {} {id}\n{difference}\n", file.display());
                    }
                }
            }
        }
    }
    for quirk in &quirks {
        println!("differs, as a quirk of its source may: {quirk}\n");
    }
    println!("{passed} passed, {failed} failed");
    Ok((passed, failed))
}
