//! The fraud example, through the program: the same alerts with any number of workers and processes; a lost process ends the job.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs the example with its output in a folder of its own; returns the sorted lines of a file.
fn run_example(args: &[&str], file: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let program = std::fs::read_to_string(root().join("examples/fraud/fraud.egret")).unwrap();
    let program = program.replace("examples/fraud/", &format!("{}/examples/fraud/", root().display()));
    std::fs::write(folder.path().join("job.egret"), program).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_egret"))
        .args(["run", "job.egret"])
        .args(args)
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut lines: Vec<String> =
        std::fs::read_to_string(folder.path().join("out").join(file)).unwrap().lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

#[test]
fn the_example_gives_the_same_alerts_at_any_parallelism() {
    for file in ["alerts.jsonl", "ring_alerts.jsonl", "model_quality.jsonl"] {
        let one = run_example(&["--workers", "1"], file);
        assert!(!one.is_empty(), "{file} is empty");
        assert_eq!(run_example(&["--workers", "3"], file), one, "{file}: three workers");
        assert_eq!(run_example(&["--workers", "1", "--processes", "2"], file), one, "{file}: two processes");
    }
}

#[test]
fn a_killed_process_ends_the_job_with_a_message() {
    let folder = tempfile::tempdir().unwrap();
    let program = "CREATE STREAM t (id BIGINT) WITH (connector = 'generator', kind = 'sequence', rate = 1000, splits = 2);
         CREATE SINK o WITH (connector = 'file', path = 'o.jsonl', format = 'json'); INSERT INTO o SELECT id FROM t;";
    std::fs::write(folder.path().join("job.egret"), program).unwrap();
    let mut supervisor = Command::new(env!("CARGO_BIN_EXE_egret"))
        .args(["run", "job.egret", "--processes", "2", "--workers", "1"])
        .current_dir(folder.path())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let victim = child_of(supervisor.id());
    assert!(Command::new("kill").args(["-9", &victim.to_string()]).status().unwrap().success());
    let killed = Instant::now();
    let status = supervisor.wait().unwrap();
    let mut error = String::new();
    std::io::Read::read_to_string(&mut supervisor.stderr.take().unwrap(), &mut error).unwrap();
    assert!(killed.elapsed() < Duration::from_secs(5), "it took {:?}", killed.elapsed());
    assert_eq!(status.code(), Some(1), "{error}");
    assert!(error.contains("lost") && error.contains(&victim.to_string()), "{error}");
}

/// Waits until a process has two children that are connected, and returns one.
fn child_of(parent: u32) -> u32 {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let children = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
        let children: Vec<u32> = children.split_whitespace().filter_map(|pid| pid.parse().ok()).collect();
        let connected = |pid: &u32| std::fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count) >= 5;
        if children.len() == 2 && children.iter().all(connected) {
            return children[1];
        }
        assert!(Instant::now() < deadline, "the processes did not start");
        std::thread::yield_now();
    }
}
