//! The conformance runner on the shared reference results, which are in the folder `EGRET_SHARED`.

#![allow(clippy::unwrap_used)]

#[path = "../examples/conformance/bands.rs"]
mod bands;
#[path = "../examples/conformance/data.rs"]
mod data;
#[path = "../examples/conformance/exact.rs"]
mod exact;
#[path = "../examples/conformance/outcome.rs"]
mod outcome;
#[path = "../examples/conformance/run.rs"]
mod run;

use std::path::{Path, PathBuf};

fn shared() -> PathBuf {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    std::env::var_os("EGRET_SHARED").map_or_else(default, PathBuf::from)
}

#[test]
fn all_cases_that_have_a_learner_pass() {
    let outcome = run::run(&shared().join("conformance/ml"), &shared().join("data/ml")).unwrap();
    assert!(outcome.misses.is_empty(), "{:#?}", outcome.misses);
    assert!(outcome.passed >= 16 + 72 + 6 + 3 + 9, "{} passed, not run: {:#?}", outcome.passed, outcome.not_run);
}

#[test]
fn what_is_off_is_a_miss() {
    let folder = std::env::temp_dir().join(format!("egret-conformance-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("exact")).unwrap();
    std::fs::write(folder.join("few.csv"), "x,y\n1,0\n2,1\n3,0\n").unwrap();
    std::fs::write(folder.join("exact/exact.json"), "{}").unwrap();
    std::fs::write(folder.join("exact/lr_sgd__few.csv"), "row,prediction\n0,0.5\n1,0.5\n2,0.9\n").unwrap();
    std::fs::write(folder.join("exact/gnb__few.csv"), "row,prediction\n0,\n1,0.0\n").unwrap();
    std::fs::write(folder.join("exact/magic__few.csv"), "row,prediction\n").unwrap();
    let result = r#"{"results": [{"task": "bin", "algorithm": "perceptron", "data": "few", "accuracy": 1.0, "logloss": 0.0}]}"#;
    std::fs::write(folder.join("reference.json"), result).unwrap();
    let outcome = run::run(&folder, &folder).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(outcome.passed, 0);
    assert_eq!(outcome.not_run, ["exact magic__few"]);
    let misses = outcome.misses.join("\n");
    for expected in
        ["exact lr_sgd__few: row 1 is Some(0.49", "exact gnb__few: 2 predictions of 3 rows", "bin perceptron few: accuracy is"]
    {
        assert!(misses.contains(expected), "{expected}: {misses}");
    }
}
