//! The shared conformance cases of row patterns, with rows delivered in various ways.

use crate::cases::check;
use egret_testkit::conformance::hold_cases;

/// The folder of cases, and how many there are at least.
const FOLDER: (&str, usize) = ("conformance/match_recognize", 80);

#[test]
fn cases_hold_in_any_batches_at_any_parallelism() {
    hold_cases(FOLDER, 1..=20, false, check);
}

#[test]
fn cases_hold_with_a_restore_behind_every_event() {
    hold_cases(FOLDER, 101..=110, true, check);
}
