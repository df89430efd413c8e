//! The shared conformance cases of row patterns, with rows delivered in various ways.

use crate::cases::check;
use egret_testkit::conformance::{Report, Shape, shared};

/// The folder of cases, and how many there are at least.
const FOLDER: (&str, usize) = ("conformance/match_recognize", 80);

/// Runs all cases; those that are not marked as a quirk of their source must give the expected result.
fn run(shape: Shape) -> Report {
    let (folder, at_least) = FOLDER;
    let report = Report::of(&[shared().join(folder)], |case| check(case, shape)).unwrap_or_else(|error| panic!("{error}"));
    let failed = &report.failed;
    assert!(failed.is_empty(), "{} cases failed, with {shape:?}:\n\n{}", failed.len(), failed.join("\n\n"));
    assert!(report.passed >= at_least, "only {} cases were found", report.passed);
    report
}

/// Runs all cases with several seeds; the quirks must be the same as without cuts.
fn run_seeds(seeds: std::ops::RangeInclusive<u64>, restores: bool) {
    let plain = run(Shape { seed: None, restores: false });
    for seed in seeds {
        let shape = Shape { seed: Some(seed), restores };
        assert_eq!(run(shape).quirks, plain.quirks, "the quirks differ, with {shape:?}");
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
