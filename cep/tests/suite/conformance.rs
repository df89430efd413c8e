//! The shared conformance cases of event patterns, with events delivered in various ways.

use crate::cases::check;
use egret_testkit::conformance::{files, hold_cases};
use std::path::Path;

/// The folder of cases, and how many there are at least.
const FOLDER: (&str, usize) = ("conformance/cep", 120);

#[test]
fn cases_hold_in_any_batches_at_any_parallelism() {
    hold_cases(FOLDER, 1..=20, false, check);
}

#[test]
fn cases_hold_with_a_restore_behind_every_event() {
    hold_cases(FOLDER, 101..=110, true, check);
}

#[test]
fn a_missing_folder_is_named() {
    let error = files(Path::new("no/such/folder")).unwrap_err().to_string();
    assert!(error.starts_with("there is no no/such/folder"), "{error}");
    assert!(error.contains("EGRET_SHARED"), "{error}");
}
