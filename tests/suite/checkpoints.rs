//! A job that is killed and restarted writes what it would have written undisturbed.

use egret::engine::FAIL_POINTS;
use egret::state::checkpoint::Checkpoints;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

const JOB: &str = "
CREATE STREAM txn (id BIGINT, card BIGINT, amount DOUBLE, at TIMESTAMP, WATERMARK FOR at AS at - INTERVAL '2' SECOND)
  WITH (connector = 'file', path = 'in-*.csv', header = false);
CREATE PATTERN testing ON txn PARTITION BY card MATCH probe{2} -> big DEFINE probe AS amount < 10, big AS amount > 80
  WITHIN INTERVAL '10' MINUTE AFTER MATCH SKIP PAST LAST EVENT
  SELECT card, first(probe.id) AS first, big.id AS big;
CREATE PATTERN quiet ON txn PARTITION BY card MATCH a -> !b DEFINE a AS amount > 90, b AS amount < 50
  WITHIN INTERVAL '20' SECOND SELECT card, a.id AS id;
CREATE SINK alerts WITH (connector = 'file', path = 'out/alerts.jsonl');
CREATE SINK sums WITH (connector = 'file', path = 'out/sums', format = 'json', rolling = 'rows:500');
INSERT INTO alerts SELECT card, first, big FROM testing;
INSERT INTO alerts SELECT card, id AS first, -1 AS big FROM quiet;
INSERT INTO sums SELECT card, window_start, sum(amount) AS total, count(*) AS n
  FROM TUMBLE(txn, at, INTERVAL '1' MINUTE) GROUP BY card, window_start, window_end;
";

/// Rows in three files, each a little out of order.
fn write_input(folder: &Path, rows: i64) {
    let mut random = egret_testkit::Random::new(11);
    let mut files = vec![String::new(); 3];
    for id in 0..rows {
        let (card, amount) = (random.between(0, 50), random.between(0, 400) as f64 / 4.0);
        let at = 1_700_000_000_000 + id * 40 - random.between(0, 2_500);
        files[random.below(3)] += &format!("{id},{card},{amount},{at}\n");
    }
    for (number, text) in files.iter().enumerate() {
        std::fs::write(folder.join(format!("in-{number}.csv")), text).unwrap();
    }
}

fn folder(rows: i64) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("job.egret"), JOB).unwrap();
    write_input(folder.path(), rows);
    folder
}

fn run(folder: &Path, workers: usize, more: &[&str], fail_at: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_egret"));
    command.args(["run", "job.egret", "--workers", &workers.to_string()]).args(more).current_dir(folder);
    if !fail_at.is_empty() {
        command.env("EGRET_FAIL_POINT", fail_at);
    }
    command.output().unwrap()
}

const OFTEN: [&str; 6] = ["--checkpoints", "state", "--checkpoint-interval", "1ms", "--restart", "none"];

/// The lines of each output, sorted; the parts of one sink together.
fn output(folder: &Path) -> BTreeMap<String, Vec<String>> {
    let lines = |path: &Path| -> Vec<String> { std::fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect() };
    let visible = |path: &Path| path.file_name().is_some_and(|name| !name.to_string_lossy().starts_with('.'));
    let mut sums: Vec<String> = Vec::new();
    for entry in std::fs::read_dir(folder.join("out/sums")).unwrap() {
        let path = entry.unwrap().path();
        if visible(&path) {
            sums.extend(lines(&path));
        }
    }
    let mut all = BTreeMap::from([("alerts".to_owned(), lines(&folder.join("out/alerts.jsonl"))), ("sums".to_owned(), sums)]);
    all.values_mut().for_each(|lines| lines.sort());
    all
}

fn check_same(got: &BTreeMap<String, Vec<String>>, expected: &BTreeMap<String, Vec<String>>, what: &str) {
    for (name, lines) in expected {
        assert_eq!(got[name].len(), lines.len(), "{what}: lines of {name}");
        assert!(got[name] == *lines, "{what}: {name} differs");
    }
}

#[test]
fn what_is_killed_at_any_step_goes_on_as_if_nothing_had_been() {
    let undisturbed = folder(60_000);
    assert!(run(undisturbed.path(), 2, &[], "").status.success());
    let expected = output(undisturbed.path());
    assert!(expected["alerts"].len() > 100 && expected["sums"].len() > 100, "little is tested");
    for (number, point) in FAIL_POINTS.into_iter().enumerate() {
        let folder = folder(60_000);
        let (mut attempt, mut deaths) = (0, 0);
        // First there is a checkpoint to resume from; then three attempts die, the second one later than the others.
        let plan = ["committed@1".to_owned(), format!("{point}@1"), format!("{point}@2"), format!("{point}@1"), String::new()];
        loop {
            let workers = [1, 2, 3, 1][(number + attempt) % 4];
            let ended = run(folder.path(), workers, &OFTEN, &plan[attempt]);
            let said = String::from_utf8_lossy(&ended.stderr).into_owned();
            assert!(!said.contains("panicked"), "{point}: {said}");
            deaths += usize::from(attempt > 0 && said.contains(&format!("the process dies at '{point}'")));
            attempt += 1;
            if ended.status.success() {
                break;
            }
            assert!(ended.status.code().is_none(), "{point}: it failed, and was not killed: {said}");
        }
        assert!(deaths > 0, "nobody died at '{point}'");
        check_same(&output(folder.path()), &expected, &format!("killed at {point}, {attempt} attempts"));
        // Another start of a job that has run to its end changes nothing.
        let again = run(folder.path(), 2, &OFTEN, "");
        assert!(again.status.success() && String::from_utf8_lossy(&again.stderr).contains("has run to its end before"));
        check_same(&output(folder.path()), &expected, &format!("killed at {point}, run again"));
    }
}

/// A process that is killed at the end of the test.
struct Running(std::process::Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The existing checkpoints: the position in the log, and the number of each.
fn checkpoints(folder: &Path) -> Vec<(u64, u64)> {
    let Ok(checkpoints) = Checkpoints::read_local(folder.join("state")) else { return Vec::new() };
    checkpoints.list().unwrap().0.iter().map(|listed| (listed.position, listed.manifest.checkpoint)).collect()
}

#[test]
fn a_job_that_is_stopped_goes_on_where_it_was() {
    let endless = |folder: &Path| {
        let text = JOB.replace("header = false", "header = false, follow = true");
        std::fs::write(folder.join("job.egret"), text).unwrap();
    };
    let folder = folder(2_000);
    endless(folder.path());
    let start = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_egret"));
        command.args(["run", "job.egret", "--workers", "2"]).args(OFTEN).current_dir(folder.path());
        Running(command.spawn().unwrap())
    };
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    for more in [None, Some(2_000..4_000), Some(4_000..6_000)] {
        if let Some(rows) = more {
            let mut text = std::fs::read_to_string(folder.path().join("in-0.csv")).unwrap();
            rows.for_each(|id| text += &format!("{id},{},{},{}\n", id % 50, id % 100, 1_700_000_000_000_i64 + id * 40));
            std::fs::write(folder.path().join("in-0.csv"), text).unwrap();
        }
        let mut running = start();
        let before = latest(folder.path());
        while latest(folder.path()) < before + 5 {
            assert!(std::time::Instant::now() < deadline, "no checkpoint is made");
            assert!(running.0.try_wait().unwrap().is_none(), "it ended by itself");
            std::thread::yield_now();
        }
        assert!(Command::new("kill").args(["-INT", &running.0.id().to_string()]).status().unwrap().success());
        assert!(running.0.wait().unwrap().success());
        assert!(checkpoints(folder.path()).len() <= 3 + 1, "old ones are deleted");
    }
    // The same input in one file, read to its end.
    std::fs::write(folder.path().join("job.egret"), JOB).unwrap();
    assert!(run(folder.path(), 2, &OFTEN, "").status.success());
    let interrupted = output(folder.path());
    std::fs::remove_dir_all(folder.path().join("out")).unwrap();
    assert!(run(folder.path(), 1, &[], "").status.success());
    check_same(&interrupted, &output(folder.path()), "stopped twice");
}

/// The number of the latest checkpoint, 0 if there is none.
fn latest(folder: &Path) -> u64 {
    checkpoints(folder).last().map_or(0, |(_, number)| *number)
}

#[test]
fn a_job_that_is_lost_is_started_again() {
    let undisturbed = folder(60_000);
    let ended = run(undisturbed.path(), 2, &["--summary"], "");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success() && said.contains("found    testing") && said.contains("found    quiet"), "{said}");
    let expected = output(undisturbed.path());
    let supervised = |restart: &'static str| -> Vec<&str> { OFTEN[..4].iter().copied().chain(["--restart", restart]).collect() };
    let lost = folder(60_000);
    let ended = run(lost.path(), 2, &supervised("fixed-delay:1:1ms"), "manifest@2");
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(ended.status.success(), "{said}");
    assert!(said.contains("is lost") && said.contains("started again in 1.0ms (restart 1)"), "{said}");
    check_same(&output(lost.path()), &expected, "started again");
    let again = run(lost.path(), 2, &supervised("exponential"), "");
    let said = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(again.status.success() && said.contains("the job has run to its end before"), "{said}");
    // An error that a restart cannot fix ends the job at once.
    let mut rows = std::fs::read_to_string(undisturbed.path().join("in-0.csv")).unwrap();
    rows += "1,one,1,1\n";
    std::fs::write(undisturbed.path().join("in-0.csv"), rows).unwrap();
    let ended = run(undisturbed.path(), 2, &supervised("exponential"), "");
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(ended.status.code() == Some(1) && said.contains("'one'") && !said.contains("started again"), "{said}");
}

#[test]
fn processes_go_on_where_others_were() {
    let undisturbed = folder(60_000);
    assert!(run(undisturbed.path(), 2, &[], "").status.success());
    let folder = folder(60_000);
    let two: Vec<&str> = OFTEN.into_iter().chain(["--processes", "2"]).collect();
    for (more, point) in [(&two[..], "part written@2"), (&OFTEN, "give@2"), (&two, "")] {
        let ended = run(folder.path(), 1, more, point);
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.success(), point.is_empty(), "{point}: {said}");
    }
    check_same(&output(folder.path()), &output(undisturbed.path()), "in two processes, in one, and in two");
}

#[test]
fn what_is_not_of_this_job_or_damaged_is_refused_or_passed_over() {
    let folder = folder(120_000);
    let killed = run(folder.path(), 2, &OFTEN, "committed@2");
    assert!(killed.status.code().is_none());
    let said = |more: &[&str]| {
        let output = run(folder.path(), 2, more, "");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let job = std::fs::read_to_string(folder.path().join("job.egret")).unwrap();
    for (from, to, expected) in [
        ("txn", "payments", "'txn' is not in the job any more"),
        ("SELECT card, first, big FROM testing", "SELECT card, first, big, 1 AS one FROM testing", "alerts"),
        ("probe{2} -> big", "probe{3} -> big", "'pattern testing': the sequence of variables was 'probe probe big'"),
        ("testing", "tested", "'pattern testing' is not in the job any more"),
        ("PARTITION BY card", "PARTITION BY id", "'pattern testing': key was 'card Int64' and is now 'id Int64'"),
    ] {
        let mut changed = job.replace(from, to);
        if to.contains("one") {
            changed = changed.replace("-1 AS big FROM quiet", "-1 AS big, 1 AS one FROM quiet");
        }
        if to.contains("BY id") {
            changed = changed
                .replace("SELECT card, first(", "SELECT id AS card, first(")
                .replace("SELECT card, a.id", "SELECT id AS card, a.id");
        }
        std::fs::write(folder.path().join("job.egret"), changed).unwrap();
        let (status, shown) = said(&OFTEN);
        assert!(status == Some(1) && shown.contains(expected), "{from} -> {to}: {expected} is missing in:\n{shown}");
    }
    // A pattern is removed: that is refused, unless its state may be dropped.
    let fewer = job.replace("CREATE PATTERN quiet", "CREATE PATTERN calm").replace("FROM quiet", "FROM calm");
    std::fs::write(folder.path().join("job.egret"), &fewer).unwrap();
    let (status, shown) = said(&OFTEN);
    assert!(status == Some(1) && shown.contains("'pattern quiet' is not in the job any more"), "{shown}");
    std::fs::write(folder.path().join("job.egret"), &job).unwrap();
    let (position, _) = checkpoints(folder.path()).pop().unwrap();
    let latest = folder.path().join(format!("state/log/{position:020}.json"));
    let mut bytes = std::fs::read(&latest).unwrap();
    bytes[40] ^= 1;
    std::fs::write(&latest, bytes).unwrap();
    let (status, shown) = said(&OFTEN);
    assert!(status == Some(0), "{shown}");
    assert!(
        shown.contains("cannot be used") && shown.contains("the one before it is used") && shown.contains("checksum"),
        "{shown}"
    );
    for (args, status, expected) in [
        (&["ls", "state"][..], 0, "an entry of the log cannot be used"),
        (&["show", "state"], 0, "pattern testing: an operator"),
        (&["show", "state", "--checkpoint", "999"], 2, "there is no checkpoint 999"),
        (&["ls", "."], 2, "there are no checkpoints here"),
    ] {
        let output =
            Command::new(env!("CARGO_BIN_EXE_egret")).arg("state").args(args).current_dir(folder.path()).output().unwrap();
        let shown = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.code() == Some(status) && shown.contains(expected), "{args:?}: {shown}");
        assert!(!shown.contains("1970-"), "checkpoints were made today: {shown}");
    }
    std::fs::write(folder.path().join("flat"), "").unwrap();
    let (status, shown) = said(&["--checkpoints", "flat"]);
    assert!(status == Some(1) && shown.contains("cannot be made") && shown.contains("name a folder"), "{shown}");
    for (interval, why) in [
        ("soon", "'soon' is no length of time: write 500ms, 10s or 2m"),
        ("0s", "'0s' must be more than zero"),
        ("500us", "'500us' must be in whole milliseconds"),
    ] {
        let (status, shown) = said(&["--checkpoints", "state", "--checkpoint-interval", interval]);
        assert!(status == Some(2) && shown.contains(why), "{shown}");
    }
}

/// Killed after a checkpoint, changed, and restarted: a comment, an added pattern, another order of patterns.
#[test]
fn patterns_that_join_leave_the_state_of_others_alone() {
    let undisturbed = folder(60_000);
    assert!(run(undisturbed.path(), 2, &[], "").status.success());
    let folder = folder(60_000);
    let alone = JOB
        .replace("CREATE PATTERN quiet", "-- CREATE PATTERN quiet")
        .replace("WITHIN INTERVAL '20' SECOND SELECT card, a.id AS id;", "")
        .replace("INSERT INTO alerts SELECT card, id AS first, -1 AS big FROM quiet;", "");
    std::fs::write(folder.path().join("job.egret"), alone).unwrap();
    assert!(run(folder.path(), 2, &OFTEN, "committed@2").status.code().is_none());
    let joined = JOB.replace(
        "INSERT INTO alerts SELECT card, id AS first, -1 AS big FROM quiet;",
        "
        CREATE SINK silence WITH (connector = 'file', path = 'out/silence.jsonl');
        INSERT INTO silence SELECT * FROM quiet;",
    );
    std::fs::write(folder.path().join("job.egret"), format!("-- a comment above all\n{joined}")).unwrap();
    let ended = run(folder.path(), 1, &OFTEN, "");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    let of_testing = |all: BTreeMap<String, Vec<String>>| -> Vec<String> {
        all["alerts"].iter().filter(|line| !line.contains("\"big\":-1")).cloned().collect()
    };
    assert_eq!(of_testing(output(folder.path())), of_testing(output(undisturbed.path())));
}
