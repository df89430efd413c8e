//! How a job ends when it is told to, and when a lasting error is in its way.

use egret::state::checkpoint::Checkpoints;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Endless rows, counted in windows.
const ENDLESS: &str = "
CREATE STREAM t (id BIGINT, card BIGINT, at TIMESTAMP, WATERMARK FOR at AS at)
  WITH (connector = 'generator', kind = 'sequence', rate = 2000, step = '10 ms', cycle = 'card:10', splits = 2);
CREATE SINK o WITH (connector = 'file', path = 'out', format = 'json', rolling = 'rows:100');
INSERT INTO o SELECT window_start, count(*) AS n FROM TUMBLE(t, INTERVAL '1' SECOND) GROUP BY window_start;
";

/// More rows than anybody reads.
const SHOWN: &str = "
CREATE STREAM t (id BIGINT) WITH (connector = 'generator', kind = 'sequence');
CREATE SINK shown WITH (connector = 'stdout', format = 'json');
INSERT INTO shown SELECT id FROM t;
";

const OFTEN: [&str; 4] = ["--checkpoints", "state", "--checkpoint-interval", "5ms"];

/// A run of a job, which ends with the test.
struct Run(Child);

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Run {
    fn start(folder: &Path, args: &[&str], stdout: Stdio) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_egret"));
        command.args(["run", "job.egret", "--workers", "2"]).args(args).current_dir(folder);
        Self(command.stdout(stdout).stderr(Stdio::piped()).spawn().unwrap())
    }

    fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([name, &self.0.id().to_string()]).status().unwrap().success());
    }

    /// The exit status and the output; it must end within `patience`.
    fn wait(mut self, patience: Duration) -> (Option<i32>, String) {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                break status;
            }
            assert!(begun.elapsed() < patience, "it does not end within {patience:?}");
            std::thread::yield_now();
        };
        let mut said = String::new();
        self.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (status.code(), said)
    }
}

fn folder(program: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("job.egret"), program).unwrap();
    folder
}

/// The number of the latest checkpoint.
fn latest(folder: &Path) -> u64 {
    let Ok(checkpoints) = Checkpoints::read_local(folder.join("state")) else { return 0 };
    checkpoints.list().map_or(0, |(listed, _)| listed.last().map_or(0, |last| last.manifest.checkpoint))
}

fn wait_for_checkpoint(folder: &Path, behind: u64) {
    let begun = Instant::now();
    while latest(folder) <= behind {
        assert!(begun.elapsed() < Duration::from_secs(60), "no checkpoint is made");
        std::thread::yield_now();
    }
}

#[test]
fn a_signal_ends_the_job_with_a_checkpoint() {
    for signal in ["-INT", "-TERM", "-HUP"] {
        for how in [&["--restart", "none"][..], &[], &["--processes", "2"]] {
            let folder = folder(ENDLESS);
            let run = Run::start(folder.path(), &[&OFTEN, how].concat(), Stdio::null());
            wait_for_checkpoint(folder.path(), 2);
            run.signal(signal);
            let (status, said) = run.wait(Duration::from_secs(11));
            assert!(status == Some(0) && !said.contains("started again"), "{signal} {how:?}: {status:?} {said}");
        }
    }
}

/// A job whose output nobody reads, once it has begun.
fn stuck(folder: &Path, args: &[&str]) -> (Run, impl Read + use<>) {
    let mut run = Run::start(folder, args, Stdio::piped());
    let mut stdout = run.0.stdout.take().unwrap();
    stdout.read_exact(&mut [0]).unwrap();
    (run, stdout)
}

#[test]
fn a_job_that_is_stuck_ends_all_the_same_and_says_where() {
    let folders = [(); 3].map(|()| folder(SHOWN));
    let hows: [&[&str]; 3] = [&[], &[&OFTEN[..], &["--restart", "none"]].concat(), &OFTEN];
    let runs: Vec<_> = folders.iter().zip(hows).map(|(folder, how)| (how, stuck(folder.path(), how))).collect();
    runs.iter().for_each(|(_, (run, _))| run.signal("-TERM"));
    for (how, (run, unread)) in runs {
        let (status, said) = run.wait(Duration::from_secs(25));
        assert!(status == Some(1) && said.contains("stopped") && said.contains("'shown'"), "{how:?}: {status:?} {said}");
        assert!(!said.contains("started again"), "{how:?}: {said}");
        drop(unread);
    }
}

#[test]
fn a_second_signal_ends_the_job_at_once() {
    for how in [&[][..], &OFTEN] {
        let folder = folder(SHOWN);
        let (run, _unread) = stuck(folder.path(), how);
        run.signal("-TERM");
        run.signal("-HUP");
        // A signal that arrives before the first one was handled counts as one with it.
        let begun = Instant::now();
        let mut run = run;
        while run.0.try_wait().unwrap().is_none() {
            run.signal("-INT");
            assert!(begun.elapsed() < Duration::from_secs(5), "{how:?}: it does not end");
        }
        assert_eq!(run.wait(Duration::from_secs(1)).0, Some(130), "{how:?}");
    }
}

#[test]
fn of_two_runs_the_older_says_that_the_other_has_taken_over() {
    for how in [&["--restart", "none"][..], &[], &["--processes", "2"]] {
        let folder = folder(ENDLESS);
        let args = [&OFTEN, how].concat();
        let older = Run::start(folder.path(), &args, Stdio::null());
        wait_for_checkpoint(folder.path(), 3);
        let newer = Run::start(folder.path(), &args, Stdio::null());
        let (status, said) = older.wait(Duration::from_secs(30));
        assert!(status == Some(1) && said.contains("has taken over") && said.contains("one run at a time"), "{how:?}: {said}");
        assert!(!said.contains("exist") && !said.contains("No such file") && !said.contains("started again"), "{how:?}: {said}");
        wait_for_checkpoint(folder.path(), latest(folder.path()));
        newer.signal("-TERM");
        let (status, said) = newer.wait(Duration::from_secs(11));
        assert_eq!(status, Some(0), "{how:?}: {said}");
    }
}

#[test]
fn what_lasts_is_not_tried_again() {
    let lasts = |folder: &Path, expected: &[&str]| {
        let run = Run::start(folder, &OFTEN, Stdio::null());
        let (status, said) = run.wait(Duration::from_secs(10));
        assert!(status == Some(1) && !said.contains("started again"), "{status:?} {said}");
        expected.iter().for_each(|expected| assert!(said.contains(expected), "{expected} is missing in: {said}"));
    };
    let folder = folder(ENDLESS);
    let run = Run::start(folder.path(), &OFTEN, Stdio::null());
    wait_for_checkpoint(folder.path(), 2);
    run.signal("-TERM");
    assert_eq!(run.wait(Duration::from_secs(11)).0, Some(0));
    let owner = folder.path().join("state/job.json");
    let whole = std::fs::read(&owner).unwrap();
    let mut damaged = whole.clone();
    damaged[20] ^= 1;
    std::fs::write(&owner, damaged).unwrap();
    lasts(folder.path(), &["job.json", "is damaged", "delete it if the checkpoints beside it are this job's"]);
    std::fs::write(&owner, whole).unwrap();
    // A file stands in the place of a folder: nothing can be written.
    std::fs::remove_dir_all(folder.path().join("state/staging")).unwrap();
    std::fs::write(folder.path().join("state/staging"), "").unwrap();
    lasts(folder.path(), &["state/staging", "cannot be written"]);
}
