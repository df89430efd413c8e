//! `--sample`: what patterns keep for a sample of the input.

use std::path::Path;
use std::process::Command;

const JOB: &str = "
CREATE STREAM logins (account BIGINT, ok BOOLEAN, at TIMESTAMP, WATERMARK FOR at AS at)
  WITH (connector = 'generator', kind = 'nothing like it');
";

const STREAM: &str = "CREATE STREAM logins (account BIGINT, ok BOOLEAN, at TIMESTAMP, WATERMARK FOR at AS at)
  WITH (connector = 'file', path = 'live.csv', follow = true);
";

fn pattern(within: &str) -> String {
    format!(
        "CREATE PATTERN guess ON logins PARTITION BY account MATCH fail -> good DEFINE fail AS NOT ok, good AS ok {within}
           SELECT account, good.at AS at;
         CREATE SINK out WITH (connector = 'stdout'); INSERT INTO out SELECT * FROM guess;"
    )
}

/// Status, standard output and standard error of `egret check`.
fn check(folder: &Path, program: &str, sample: &str) -> (i32, String, String) {
    std::fs::write(folder.join("job.egret"), program).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_egret"))
        .args(["check", "job.egret", "--sample", sample])
        .current_dir(folder)
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

/// Twenty failed logins of user 1, two of user 2, a good one of user 2.
fn rows() -> String {
    let fails = (0..20).map(|second| format!("1,false,2024-03-01T10:00:{second:02}Z\n")).collect::<String>();
    format!("account,ok,at\n{fails}2,false,2024-03-01T10:00:20Z\n2,false,2024-03-01T10:00:21Z\n2,true,2024-03-01T10:00:30Z\n")
}

#[test]
fn what_is_open_and_how_much_it_takes_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("some.csv"), rows()).unwrap();
    let (status, _, shown) = check(folder.path(), &format!("{STREAM}{}", pattern("")), "some.csv");
    assert_eq!(status, 0, "{shown}");
    for expected in [
        "guess: 23 rows over 30 s, 0.0% dropped before the exchange, 2 matches",
        "open partial matches: at most 22, of at most 2 keys",
        "20 partial matches are open at the end of the sample, and there is no WITHIN",
    ] {
        assert!(shown.contains(expected), "{expected} is missing in:\n{shown}");
    }
    let (_, _, shown) = check(folder.path(), &format!("{STREAM}{}", pattern("WITHIN INTERVAL '10' SECOND")), "logins=some.csv");
    assert!(shown.contains("open partial matches: at most 10,") && !shown.contains("look at"), "{shown}");
    let (_, _, shown) = check(folder.path(), &format!("{STREAM}{}", pattern("WITHIN INTERVAL '1' HOUR")), "some.csv");
    assert!(shown.contains("shorter than WITHIN 1 h: up to 120 times"), "{shown}");
}

#[test]
fn a_sample_that_does_not_fit_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("other.csv"), "a,b\n1,2\n").unwrap();
    let program = format!("{STREAM}{}", pattern(""));
    for (sample, expected) in [
        ("nowhere.csv", "cannot read nowhere.csv: it does not exist"),
        ("other.csv", "the header has no column 'account'"),
        ("logons=other.csv", "did you mean `logins`?"),
    ] {
        let (status, _, shown) = check(folder.path(), &program, sample);
        assert!(status != 0 && shown.contains(expected), "{expected} is missing in:\n{shown}");
    }
    let (status, _, shown) = check(folder.path(), &format!("{JOB}{}", pattern("")), "other.csv");
    assert!(status == 2 && shown.contains("kind"), "the program itself is checked first:\n{shown}");
}
