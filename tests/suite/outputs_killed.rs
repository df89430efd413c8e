//! What a job with checkpoints has published stays, with each row once, however often it is killed and whatever is done to its
//! output meanwhile.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

const JOB: &str = "
CREATE STREAM t (id BIGINT, amount DOUBLE) WITH (connector = 'file', path = 'in.csv', bad_rows = 'dead_letter');
CREATE SINK one WITH (connector = 'file', path = 'out/one.csv');
CREATE SINK packed WITH (connector = 'file', path = 'out/packed.jsonl.gz');
CREATE SINK parts WITH (connector = 'file', path = 'out/parts', format = 'csv', rolling = 'rows:700');
INSERT INTO one SELECT id, amount FROM t WHERE id % 3 = 0;
INSERT INTO packed SELECT id FROM t WHERE id % 3 = 1;
INSERT INTO parts SELECT id, amount FROM t WHERE id % 3 = 2;
";
const ROWS: usize = 120_000;
const OFTEN: [&str; 6] = ["--checkpoints", "state", "--checkpoint-interval", "1ms", "--restart", "none"];

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let line = |id: usize| if id % 100 == 7 { format!("{id},none\n") } else { format!("{id},{}\n", id % 50) };
    let rows: String = (0..ROWS).map(line).collect();
    std::fs::write(folder.path().join("in.csv"), format!("id,amount\n{rows}")).unwrap();
    std::fs::write(folder.path().join("job.egret"), JOB).unwrap();
    folder
}

fn run(folder: &Path, workers: usize, more: &[&str], fail_at: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_egret"));
    command.args(["run", "job.egret", "--workers", &workers.to_string()]).args(OFTEN).args(more).current_dir(folder);
    if !fail_at.is_empty() {
        command.env("EGRET_FAIL_POINT", fail_at);
    }
    command.output().unwrap()
}

/// A folder whose job was killed at the last visit of a fail point that is reached on this machine, of the first `most`: how many
/// checkpoints a job has before its input ends depends on the speed of the disk.
fn killed_at(point: &str, most: usize) -> tempfile::TempDir {
    for number in (1..=most).rev() {
        let folder = folder();
        let ended = run(folder.path(), 1, &[], &format!("{point}@{number}"));
        if ended.status.code().is_none() {
            return folder;
        }
        assert!(ended.status.success(), "{}", said(&ended));
    }
    panic!("{point} never comes");
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).map(|entries| entries.map(|entry| entry.unwrap().file_name()).collect());
    let entries: Vec<_> = entries.unwrap_or_default();
    entries.into_iter().map(|name| name.to_string_lossy().into_owned()).collect()
}

/// The rows of a CSV file without its header.
fn csv(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap();
    let mut lines = text.lines().map(str::to_owned);
    assert_eq!(lines.next().as_deref(), Some("id,amount"), "{} has a header", path.display());
    lines.collect()
}

/// The visible rows of each output; the parts of an output together.
fn visible(folder: &Path) -> BTreeMap<&'static str, Vec<String>> {
    let out = folder.join("out");
    let mut all = BTreeMap::new();
    if out.join("one.csv").exists() {
        all.insert("one", csv(&out.join("one.csv")));
    }
    if out.join("packed.jsonl.gz").exists() {
        let output = Command::new("gzip").arg("-dc").arg(out.join("packed.jsonl.gz")).output().unwrap();
        all.insert("packed", String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect());
    }
    let parts = names(&out.join("parts")).into_iter().filter(|name| !name.starts_with('.'));
    all.insert("parts", parts.flat_map(|name| csv(&out.join("parts").join(name))).collect());
    if out.join("in.csv.bad").exists() {
        let text = std::fs::read_to_string(out.join("in.csv.bad")).unwrap();
        all.insert("bad rows", text.lines().map(str::to_owned).collect());
    }
    all
}

/// The rows that all runs together must give.
fn expected() -> BTreeMap<&'static str, Vec<String>> {
    let undisturbed = folder();
    let output = Command::new(env!("CARGO_BIN_EXE_egret"))
        .args(["run", "job.egret", "--workers", "1"])
        .current_dir(undisturbed.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let mut all = visible(undisturbed.path());
    assert_eq!(all.values().map(Vec::len).sum::<usize>(), ROWS);
    all.values_mut().for_each(|lines| lines.sort());
    all
}

fn check(mut found: BTreeMap<&'static str, Vec<String>>, expected: &BTreeMap<&'static str, Vec<String>>, what: &str) {
    found.values_mut().for_each(|lines| lines.sort());
    for (name, lines) in expected {
        let found = found.get(name).map(Vec::as_slice).unwrap_or_default();
        assert_eq!(found.len(), lines.len(), "{what}: rows of {name}");
        assert!(found == lines, "{what}: {name} differs");
    }
}

/// Deaths in a row, between all steps: nothing that the dead attempts had prepared is mistaken for published output.
#[test]
fn several_deaths_in_a_row_lose_and_repeat_nothing() {
    let expected = expected();
    let rows = [
        &["trigger@2", "manifest@1"][..],
        &["committed@2", "manifest@1", "manifest@1", "trigger@1"],
        &["published@3", "manifest@1", "give@3"],
        &["publish@1", "publish@1", "publish@2"],
        &["published@1", "published@2", "part written@2", "manifest@2"],
        &["manifest written@1", "manifest@1", "publish@3", "ack@1"],
        &["published@5", "part@1", "manifest written@1", "publish@1"],
        &["finish@1", "manifest@1", "publish@2"],
    ];
    let mut kills = 0;
    for points in rows {
        for more_workers in [false, true] {
            let folder = folder();
            for (number, point) in points.iter().enumerate() {
                let ended = run(folder.path(), if more_workers { [2, 1, 3][number % 3] } else { 1 }, &[], point);
                assert!(ended.status.success() || ended.status.code().is_none(), "{points:?}: {}", said(&ended));
                kills += usize::from(ended.status.code().is_none());
            }
            let ended = run(folder.path(), 1, &[], "");
            assert!(ended.status.success(), "{points:?}: {}", said(&ended));
            check(visible(folder.path()), &expected, &format!("killed at {points:?}, more workers: {more_workers}"));
            let left = [names(&folder.path().join("out")), names(&folder.path().join("out/parts"))].concat();
            let left: Vec<_> = left.iter().filter(|name| name.starts_with('.') && !name.ends_with(".published")).collect();
            assert!(left.is_empty(), "{points:?}: {left:?} are left");
        }
    }
    // Each first death happens at the first visit of its fail point, or at a checkpoint that is missing only on a slow disk.
    assert!(kills > 16, "only {kills} were killed");
}

/// A reader takes the output away, including bad rows: the job goes on, and what was taken and what follows is everything. No
/// file name is used twice.
#[test]
fn what_is_published_may_be_taken_away() {
    let expected = expected();
    let (folder, taken) = (folder(), tempfile::tempdir().unwrap());
    let mut found: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut parts = 0;
    for point in ["published@4", "published@2", "manifest@1", "published@3", ""] {
        let ended = run(folder.path(), 1, &[], point);
        let is_well = ended.status.success() || (ended.status.code().is_none() && !point.is_empty());
        assert!(is_well, "{point}: {}", said(&ended));
        let now = visible(folder.path());
        // Bad rows are written when they are read: those after the last checkpoint come again.
        now.into_iter()
            .filter(|(name, _)| *name != "bad rows")
            .for_each(|(name, rows)| found.entry(name).or_default().extend(rows));
        for name in names(&folder.path().join("out/parts")).iter().filter(|name| !name.starts_with('.')) {
            assert!(!taken.path().join(name).exists(), "{name} was there before");
            std::fs::rename(folder.path().join("out/parts").join(name), taken.path().join(name)).unwrap();
            parts += 1;
        }
        for name in ["one.csv", "packed.jsonl.gz", "in.csv.bad"] {
            let _ = std::fs::remove_file(folder.path().join("out").join(name));
        }
    }
    found.insert("bad rows", expected["bad rows"].clone());
    check(found, &expected, "taken away");
    assert!(parts > 10, "only {parts} parts were taken: little is tested");
}

#[test]
fn going_back_to_an_older_checkpoint_repeats_nothing_unasked() {
    let expected = expected();
    for is_deleted in [false, true] {
        let folder = killed_at("published", 6);
        let log = folder.path().join("state/log");
        if is_deleted {
            std::fs::remove_dir_all(&log).unwrap();
        } else {
            let latest = log.join(names(&log).into_iter().max().unwrap());
            let mut bytes = std::fs::read(&latest).unwrap();
            bytes[40] ^= 1;
            std::fs::write(&latest, bytes).unwrap();
        }
        let before = visible(folder.path());
        for _ in 0..2 {
            let refused = run(folder.path(), 1, &[], "");
            let shown = said(&refused);
            assert!(refused.status.code() == Some(1) && shown.contains("--allow-duplicates"), "{shown}");
            assert!(shown.contains("it has published what it would publish again"), "{shown}");
            assert!(visible(folder.path())["parts"] == before["parts"], "nothing was touched");
        }
        let allowed = run(folder.path(), 1, &["--allow-duplicates"], "");
        assert!(allowed.status.success(), "{}", said(&allowed));
        let mut found = visible(folder.path());
        let parts = found.insert("parts", expected["parts"].clone()).unwrap();
        check(found, &expected, "a file goes back, too");
        assert!(parts.len() > expected["parts"].len(), "parts are there twice");
        // Without the folder of checkpoints the job starts afresh, as intended.
        std::fs::remove_dir_all(folder.path().join("state")).unwrap();
        assert!(run(folder.path(), 1, &[], "").status.success());
    }
}

/// A damaged `job.json` may be deleted, as its message says: output that was taken away is not missed afterwards.
#[test]
fn without_job_json_the_job_still_knows_what_it_has_published() {
    let (expected, folder) = (expected(), killed_at("published", 4));
    let mut found = visible(folder.path());
    for name in names(&folder.path().join("out/parts")).iter().filter(|name| !name.starts_with('.')) {
        std::fs::remove_file(folder.path().join("out/parts").join(name)).unwrap();
    }
    std::fs::remove_file(folder.path().join("out/one.csv")).unwrap();
    std::fs::write(folder.path().join("state/job.json"), "{").unwrap();
    let refused = run(folder.path(), 1, &[], "");
    assert!(refused.status.code() == Some(1) && said(&refused).contains("delete it"), "{}", said(&refused));
    std::fs::remove_file(folder.path().join("state/job.json")).unwrap();
    let ended = run(folder.path(), 2, &[], "");
    assert!(ended.status.success(), "{}", said(&ended));
    for (name, rows) in visible(folder.path()) {
        let all = found.entry(name).or_default();
        // These were not taken away.
        if ["packed", "bad rows"].contains(&name) {
            all.clear();
        }
        all.extend(rows);
    }
    check(found, &expected, "job.json was deleted");
}

/// A single Parquet file appears at the end, with every row once, wherever the job was killed before.
#[test]
fn a_parquet_file_is_made_of_what_all_attempts_kept() {
    let job = "CREATE STREAM t (id BIGINT, amount DOUBLE) WITH (connector = 'file', path = 'in.csv', bad_rows = 'skip');
        CREATE SINK one WITH (connector = 'file', path = 'out/one.parquet');
        INSERT INTO one SELECT id, amount FROM t;";
    let back = "CREATE STREAM p (id BIGINT, amount DOUBLE) WITH (connector = 'file', path = 'out/one.parquet');
        CREATE SINK c WITH (connector = 'file', path = 'back.csv'); INSERT INTO c SELECT id, amount FROM p;";
    let mut kills = 0;
    for points in [
        &["manifest@1", "give@1", "part written@1", "published@2"][..],
        &["committed@1", "publish@2", "ack@2", "manifest written@1"],
        &["published@1", "finish@1", "manifest@1", "publish again@1"],
        &["trigger@1", "part@1", "claimed@1", "finish@1", "publish again@1"],
    ] {
        let folder = folder();
        std::fs::write(folder.path().join("job.egret"), job).unwrap();
        let (mut was_there, before) = (false, kills);
        for (number, point) in points.iter().enumerate() {
            let ended = run(folder.path(), [1, 3, 2][number % 3], &[], point);
            assert!(ended.status.success() || ended.status.code().is_none(), "{points:?}: {}", said(&ended));
            kills += usize::from(ended.status.code().is_none());
            let is_there = folder.path().join("out/one.parquet").exists();
            // A job that dies while the end is published, or just after it, may have shown it.
            let at_the_end = ["publish", "committed", "finish"].iter().any(|step| point.starts_with(step));
            assert!(is_there || !ended.status.success(), "{points:?}: it ended and shows nothing");
            let may_be_there = ended.status.success() || was_there || at_the_end;
            assert!(!is_there || may_be_there, "{points:?}: nothing is seen before the end");
            was_there = is_there;
        }
        assert!(kills > before, "{points:?}: the first moment of its kind always comes");
        let ended = run(folder.path(), 1, &[], "");
        assert!(ended.status.success(), "{points:?}: {}", said(&ended));
        std::fs::write(folder.path().join("job.egret"), back).unwrap();
        let read =
            Command::new(env!("CARGO_BIN_EXE_egret")).args(["run", "job.egret"]).current_dir(folder.path()).output().unwrap();
        assert!(read.status.success(), "{}", said(&read));
        let mut rows = csv(&folder.path().join("back.csv"));
        let mut expected: Vec<String> = (0..ROWS).filter(|id| id % 100 != 7).map(|id| format!("{id},{}.0", id % 50)).collect();
        rows.sort();
        expected.sort();
        assert!(rows == expected, "{points:?}: {} rows, {} expected, {:?}", rows.len(), expected.len(), rows.first());
        let left = names(&folder.path().join("out"));
        assert!(left.iter().all(|name| !name.starts_with('.') || name.ends_with(".published")), "{points:?}: {left:?}");
    }
}

#[test]
fn an_output_goes_on_in_the_form_in_which_it_began() {
    let folder = killed_at("published", 3);
    let before = visible(folder.path());
    for (from, to, expected) in [
        ("path = 'out/one.csv'", "path = 'out/one.csv', format = 'json'", "'one': format was 'csv' and is now 'json'"),
        ("path = 'out/one.csv'", "path = 'out/one.csv', delimiter = ';'", "'one': csv was"),
        ("path = 'out/one.csv'", "path = 'out/two.csv'", "'one': path was 'out/one.csv' and is now 'out/two.csv'"),
        ("format = 'csv', rolling", "format = 'json', rolling", "'parts': format was 'csv' and is now 'json'"),
        ("path = 'out/packed.jsonl.gz'", "path = 'out/packed.jsonl.gz', compression = 'none'", "'packed': compression was"),
    ] {
        std::fs::write(folder.path().join("job.egret"), JOB.replace(from, to)).unwrap();
        let refused = run(folder.path(), 1, &[], "");
        assert!(refused.status.code() == Some(1) && said(&refused).contains(expected), "{expected}: {}", said(&refused));
        assert!(visible(folder.path()) == before, "nothing was touched");
    }
    let may_change = JOB.replace("'out/one.csv'", "'./out/one.csv'").replace("rows:700", "rows:300");
    std::fs::write(folder.path().join("job.egret"), may_change).unwrap();
    assert!(run(folder.path(), 1, &[], "").status.success());
    check(visible(folder.path()), &expected(), "parts of another size");
}
