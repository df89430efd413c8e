//! `TEST` statements: which pass, which fail and how that is shown, which steps are reached.

use egret::Program;
use egret::testing::{Finding, Reached, TestOutcome, TestReport};
use std::process::Command;

const JOB: &str = "
CREATE STREAM txn (id BIGINT, card BIGINT NOT NULL, amount DOUBLE, country STRING, at TIMESTAMP,
  WATERMARK FOR at AS at - INTERVAL '5' SECOND) WITH (connector = 'file', path = 'nowhere.csv');
CREATE STREAM euros AS SELECT card, amount * 2 AS amount, at FROM txn;
CREATE PATTERN testing ON txn PARTITION BY card MATCH probe{2,} -> !reset -> big
  DEFINE probe AS amount < 10, reset AS country = 'XX', big AS amount > 10 * avg(probe.amount)
  WITHIN INTERVAL '10' MINUTE AFTER MATCH SKIP PAST LAST EVENT
  SELECT card, count(probe) AS probes, big.id AS txn, big.amount AS amount;
CREATE PATTERN quiet ON txn PARTITION BY card MATCH a -> !b DEFINE a AS amount < 10, b AS amount >= 10
  WITHIN INTERVAL '1' MINUTE SELECT card, a.id AS a, match_time AS decided;
CREATE PATTERN doubled ON euros PARTITION BY card MATCH a b DEFINE a AS amount = 8, b AS amount = 9
  SELECT card, b.amount AS amount;
";

fn report(tests: &str) -> TestReport {
    Program::new("job.egret", &format!("{JOB}{tests}")).test("").unwrap_or_else(|errors| panic!("{errors}"))
}

fn one(test: &str) -> TestOutcome {
    let mut report = report(test);
    assert_eq!(report.tests.len(), 1, "{report:?}");
    report.tests.remove(0)
}

fn passes(test: &str) {
    let outcome = one(test);
    assert!(outcome.passed(), "{test}\n{outcome:?}");
}

fn fails(test: &str) -> Vec<String> {
    let outcome = one(test);
    assert!(!outcome.passed(), "{test}");
    outcome.findings.iter().map(ToString::to_string).collect()
}

fn wrong(test: &str) -> String {
    let program = Program::new("job.egret", &format!("{JOB}{test}"));
    let shown = program.test("").expect_err(test).to_string();
    assert_eq!(program.check_tests().expect_err(test).to_string(), shown);
    shown
}

const PROBES: &str =
    "TEST 't' FOR testing GIVEN (id, card, amount, country) (1, 7, 5.0, 'DE'), (2, 7, 3.0, 'DE'), (3, 7, 90, 'FR')";

#[test]
fn what_is_found_is_compared_by_the_columns_named() {
    for expect in [
        "EXPECT MATCH (card = 7, probes = 2, txn = 3, amount = 90.0)",
        "EXPECT MATCH (txn = 1 + 2)",
        "EXPECT MATCH (match_time = START + 2 SECOND)",
        "EXPECT MATCH (match_time = '2024-01-01T00:00:02Z')",
        "EXPECT MATCH (match_time = + 0 SECOND)",
        "EXPECT MATCH",
        "EXPECT NO MATCH BY START + 1 SECOND EXPECT MATCH",
        "EXPECT NO MATCH BY START + 1 SECOND",
        "EXPECT MATCH (txn = 3) EXPECT NO TIMEOUT",
    ] {
        passes(&format!("{PROBES} {expect};"));
    }
}

#[test]
fn what_differs_is_shown_by_column() {
    assert_eq!(
        fails(&format!("{PROBES}\nEXPECT MATCH (card = 7, probes = 3, amount = 91.0);")),
        [
            "missing match, expected in line 14: card = 7, probes = 3, amount = 91.0\n  probes  expected 3, found 2\n  amount  expected 91.0, found 90.0",
            "unexpected match: card = 7, probes = 2, txn = 3, amount = 90.0, match_time = '2024-01-01 00:00:02.000'",
        ]
    );
    assert!(fails(&format!("{PROBES} EXPECT NO MATCH;"))[0].starts_with("unexpected match: card = 7"));
    assert!(fails(&format!("{PROBES} EXPECT NO MATCH BY + 0 SECOND;"))[0].starts_with("match decided at 2024-01-01"));
    let two = fails(&format!("{PROBES} EXPECT MATCH (probes = 2) EXPECT MATCH (card = 7);"));
    assert_eq!(two, ["missing match, expected in line 13: card = 7"]);
    let timeouts = fails(&format!("{PROBES} EXPECT TIMEOUT (probes = 1);"));
    assert_eq!(timeouts, ["missing timeout, expected in line 13: probes = 1"]);
}

#[test]
fn expectations_and_matches_are_paired_as_well_as_possible() {
    // Both matches satisfy the first expectation; only one satisfies the second.
    let rows = "TEST 't' FOR quiet GIVEN (id, card, amount) (1, 7, 5), (2, 8, 5)";
    passes(&format!("{rows} EXPECT MATCH EXPECT MATCH (a = 1);"));
    passes(&format!("{rows} EXPECT MATCH (a = 1) EXPECT MATCH;"));
    assert_eq!(fails(&format!("{rows} EXPECT MATCH (a = 2);")).len(), 1);
}

#[test]
fn time_passes_after_the_last_row_and_decides_absences() {
    let rows = "TEST 't' FOR quiet GIVEN (id, card, amount, at) (1, 7, 5, '2024-03-01 10:00:00'), (2, 7, 9, + 30 SECOND), (3, 7, 10, + 40 SECOND)";
    passes(&format!("{rows} EXPECT MATCH (a = 1, decided = START + 1 MINUTE) EXPECT NO MATCH BY START + 59 SECOND;"));
    passes("TEST 't' FOR quiet GIVEN (id, card, amount) (1, 7, 5) EXPECT MATCH (decided = + 1 MINUTE);");
    passes("TEST 't' FOR testing GIVEN (card, amount) (7, 5) EXPECT NO MATCH EXPECT TIMEOUT (card = 7, probes = 1, txn = NULL);");
}

#[test]
fn rows_can_be_those_of_a_query_or_of_what_it_reads() {
    passes("TEST 't' FOR doubled GIVEN (card, amount) (7, 8.0), (7, 9.0) EXPECT MATCH (amount = 9.0);");
    passes("TEST 't' FOR doubled GIVEN txn (card, amount) (7, 4.0), (7, 4.5) EXPECT MATCH (amount = 9.0);");
    passes("TEST 't' FOR euros GIVEN (card, amount) (7, 4.0) EXPECT MATCH (amount = 8.0);");
    // Rows of a stream arrive in the order written, with its watermark; rows of a query are put in order of time.
    let late = "GIVEN txn (card, amount, at) (7, 4.5, START), (7, 4.0, '2023-12-31') EXPECT MATCH (amount = 9.0);";
    let outcome = one(&format!("TEST 't' FOR doubled {late}"));
    assert_eq!(outcome.notes, ["1 row came too late to be looked at: it is behind the watermark"]);
    passes("TEST 't' FOR doubled GIVEN (card, amount, at) (7, 9, START), (7, 8, '2023-12-31') EXPECT MATCH (amount = 9.0);");
}

#[test]
fn steps_reached_are_told_by_pattern() {
    let steps = |tests: &str, pattern: usize| report(tests).coverage[pattern].steps.iter().map(|(_, at)| *at).collect::<Vec<_>>();
    use Reached::{Match, Never, Partial};
    assert_eq!(steps("", 0), [Never, Never, Never]);
    let rows = |rows: &str| format!("TEST 't' FOR testing GIVEN (card, amount, country) {rows} EXPECT NO MATCH;");
    assert_eq!(steps(&rows("(7, 5, 'DE')"), 0), [Partial, Never, Never]);
    assert_eq!(steps(&rows("(7, 5, 'DE'), (7, 5, 'DE'), (7, 50, 'XX')"), 0), [Partial, Partial, Never]);
    assert_eq!(steps(&rows("(7, 5, 'DE'), (7, 5, 'DE'), (7, 90, 'DE')"), 0), [Match, Never, Match]);
    let both = rows("(7, 5, 'DE'), (7, 5, 'DE'), (7, 90, 'DE')") + &rows("(7, 5, 'DE'), (7, 5, 'DE'), (7, 50, 'XX')");
    assert_eq!(steps(&both, 0), [Match, Partial, Match]);
    assert_eq!((report(&both).coverage[0].tests, report(&both).coverage[1].tests), (2, 0));
}

#[test]
fn what_is_wrong_with_a_test_is_said_with_its_place() {
    for (test, expected) in [
        ("TEST 't' FOR testin GIVEN (card) (7) EXPECT NO MATCH;", "did you mean `testing`?"),
        ("TEST 't' FOR testing GIVEN (crd) (7) EXPECT NO MATCH;", "did you mean `card`?"),
        ("TEST 't' FOR testing GIVEN (card) (7) EXPECT MATCH (prbes = 7);", "did you mean `probes`?"),
        ("TEST 't' FOR testing GIVEN (card) (7.5) EXPECT NO MATCH;", "takes whole numbers"),
        ("TEST 't' FOR testing GIVEN (card) ('x') EXPECT NO MATCH;", "does not fit its column"),
        ("TEST 't' FOR testing GIVEN (card) (x) EXPECT NO MATCH;", "a value of a test is a constant"),
        ("TEST 't' FOR testing GIVEN (card) (+ 5 MINUTE) EXPECT NO MATCH;", "a time cannot be a value of this column"),
        ("TEST 't' FOR testing GIVEN (amount) (7) EXPECT NO MATCH;", "the column `card` cannot be null"),
        ("TEST 't' FOR testing GIVEN (card, at) (7, NULL) EXPECT NO MATCH;", "this is no time"),
        ("TEST 't' FOR testing GIVEN (card, at) (7, 'soon') EXPECT NO MATCH;", "not a value of type"),
        ("TEST 't' FOR testing GIVEN (card, amount) (7) EXPECT NO MATCH;", "1 values for 2 columns"),
        ("TEST 't' FOR testing GIVEN (card, card) (7, 8) EXPECT NO MATCH;", "stands twice"),
        ("TEST 't' FOR testing GIVEN other (card) (7) EXPECT NO MATCH;", "no stream whose rows a test can give"),
        ("TEST 't' FOR testing GIVEN (card) (7) GIVEN txn (card) (8) EXPECT NO MATCH;", "given twice"),
        ("TEST 't' FOR doubled GIVEN (card) (7) EXPECT NO TIMEOUT;", "`doubled` has no timeouts"),
        ("TEST 't' FOR testing GIVEN (card) (7) EXPECT NO MATCH EXPECT MATCH;", "cannot both be expected"),
        ("TEST 't' FOR testing EXPECT NO MATCH;", "expected `GIVEN`"),
        ("TEST 't' FOR testing GIVEN (card) (7);", "expected `EXPECT`"),
        ("TEST 't' FOR testing GIVEN (card) (7) EXPECT NOTHING;", "expected `MATCH`, `TIMEOUT` or `NO`"),
        ("TEST 't' FOR testing GIVEN (card, at) (7, START + 5 PARSEC) EXPECT NO MATCH;", "`parsec` is no unit of time"),
        ("TEST t FOR testing GIVEN (card) (7) EXPECT NO MATCH;", "the test's name as a text"),
    ] {
        let shown = wrong(test);
        assert!(shown.contains(expected), "`{expected}` is missing in\n{shown}");
    }
}

#[test]
fn an_error_of_the_job_is_a_finding() {
    let text = format!(
        "{JOB} CREATE PATTERN d ON txn MATCH a DEFINE a AS 10 / (id - 1) > 1 SELECT a.id AS id;
         TEST 't' FOR d GIVEN (id, card) (1, 7) EXPECT NO MATCH;"
    );
    let report = Program::new("job.egret", &text).test("").unwrap_or_else(|errors| panic!("{errors}"));
    assert!(matches!(report.tests[0].findings.as_slice(), [Finding::Failed(_)]), "{report:?}");
}

#[test]
fn tests_are_no_part_of_the_job() {
    let text = format!(
        "{JOB} TEST 't' FOR nothing GIVEN (x) (7) EXPECT NO MATCH;
         CREATE SINK o WITH (connector = 'stdout'); INSERT INTO o SELECT card FROM testing;"
    );
    let text = text.replace("connector = 'file', path = 'nowhere.csv'", "connector = 'stdin'");
    assert!(Program::new("job.egret", &text).plan().is_ok());
}

#[test]
fn the_program_shows_failures_steps_and_a_summary() {
    let folder = tempfile::tempdir().unwrap();
    let tests =
        format!("{PROBES} EXPECT MATCH (probes = 2); TEST 'other' FOR quiet GIVEN (card, amount) (7, 5) EXPECT NO MATCH;");
    std::fs::write(folder.path().join("job.egret"), format!("{JOB}{tests}")).unwrap();
    let egret = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_egret")).args(args).current_dir(folder.path()).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr))
    };
    let (status, shown) = egret(&["test", "job.egret"]);
    assert_eq!(status, 1, "{shown}");
    for expected in [
        "  ok      testing: t (line 13)\n",
        "  FAILED  quiet: other (line 13)\n          unexpected match: card = 7, a = null",
        "  steps   testing: 2 of 3 reached; in matches: probe, big; never: reset\n",
        "without a test: doubled",
        "1 passed, 1 failed\n",
    ] {
        assert!(shown.contains(expected), "`{expected}` is missing in\n{shown}");
    }
    assert_eq!(egret(&["test", "job.egret", "--filter", "testing"]).0, 0);
    let (status, shown) = egret(&["test", "job.egret", "--filter", "no such"]);
    assert_eq!(status, 2, "{shown}");
}

#[test]
fn the_tests_of_the_example_pass_and_reach_every_step() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/fraud/fraud.egret");
    let program = Program::new("fraud.egret", &std::fs::read_to_string(path).unwrap());
    let report = program.test("").unwrap_or_else(|errors| panic!("{errors}"));
    assert!(report.tests.len() >= 6 && report.failed() == 0, "{report:#?}");
    assert!(report.coverage[0].steps.iter().all(|(_, at)| *at == Reached::Match), "{report:?}");
}
