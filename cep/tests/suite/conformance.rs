//! The shared conformance cases, however their events come.

use crate::cases::{Report, files, shared};
use crate::shape::Shape;
use std::path::Path;

/// The folders of cases, and how many there are at least.
const FOLDERS: [(&str, usize); 2] = [("conformance/cep", 120), ("conformance/match_recognize", 80)];

/// Runs all cases of a folder; those that are no quirk of their source must go as expected.
fn run((folder, at_least): (&str, usize), shape: Shape) -> Report {
    let report = Report::of(&[shared().join(folder)], shape).unwrap_or_else(|error| panic!("{error}"));
    let failed = &report.failed;
    assert!(failed.is_empty(), "{} cases failed, with {shape:?}:\n\n{}", failed.len(), failed.join("\n\n"));
    assert!(report.passed >= at_least, "only {} cases were found", report.passed);
    report
}

/// Runs all cases with several seeds; the quirks must be what they are in one piece, too.
fn run_seeds(seeds: std::ops::RangeInclusive<u64>, restores: bool) {
    for folder in FOLDERS {
        let plain = run(folder, Shape { seed: None, restores: false });
        for seed in seeds.clone() {
            let shape = Shape { seed: Some(seed), restores };
            assert_eq!(run(folder, shape).quirks, plain.quirks, "the quirks differ, with {shape:?}");
        }
    }
}

#[test]
fn cases_hold_in_any_batches_at_any_parallelism() {
    run_seeds(1..=20, false);
}

#[test]
fn cases_hold_with_a_restore_behind_every_event() {
    run_seeds(101..=110, true);
}

#[test]
fn a_missing_folder_is_named() {
    let error = files(Path::new("no/such/folder")).unwrap_err().to_string();
    assert!(error.starts_with("there is no no/such/folder"), "{error}");
    assert!(error.contains("EGRET_SHARED"), "{error}");
}
