//! Several members of one job in this process: threads that meet, and exchange rows over TCP.

use crate::numbers::{Collect, job, pass};
use egret_core::job::Partitioning;
use egret_core::{Batch, Context, Error, JobGraph, KeyColumns, Result};
use egret_engine::{
    CheckpointConfig, InMemory, JobReport, Launcher, LocalFolder, LocalProcesses, LocalThreads, MemberRole, MemberSpec,
    Rendezvous, RestartStrategy, RunConfig, process_role, run_member, supervise,
};
use std::collections::BTreeMap;
use std::fmt;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

fn by_key() -> Partitioning {
    Partitioning::Hash(KeyColumns::new(vec![1]))
}

fn config() -> RunConfig {
    RunConfig { batch_rows: 100, ..RunConfig::with_workers(2) }
}

/// Runs one job a member, each in a thread.
fn run_members(jobs: &[JobGraph], place: &Arc<dyn Rendezvous>) -> Vec<Result<JobReport>> {
    let role = |number: usize| MemberRole::new(number, jobs.len()).unwrap();
    std::thread::scope(|scope| {
        let member = |(number, job)| scope.spawn(move || run_member(job, &config(), role(number), Arc::clone(place)));
        let members: Vec<_> = jobs.iter().enumerate().map(member).collect();
        members.into_iter().map(|member| member.join().unwrap()).collect()
    })
}

fn ids(sink: &Collect) -> Vec<i64> {
    let mut ids: Vec<i64> = sink.0.lock().unwrap().iter().map(|(_, id)| *id).collect();
    ids.sort_unstable();
    ids
}

#[test]
fn members_of_one_process_share_a_job() {
    let folder = tempfile::tempdir().unwrap();
    let places: [Arc<dyn Rendezvous>; 2] = [Arc::new(InMemory::new()), Arc::new(LocalFolder::at(folder.path()))];
    for place in places {
        // Each has a sink of its own, as processes would.
        let sinks: [Collect; 3] = Default::default();
        let jobs = sinks.each_ref().map(|sink| job(5_000, 7, by_key(), sink, pass));
        let reports: Vec<JobReport> = run_members(&jobs, &place).into_iter().map(Result::unwrap).collect();
        let rows: u64 = reports.iter().map(|report| report.node("middle").unwrap().rows_in).sum();
        assert_eq!(rows, 5_000);
        let mut all: Vec<i64> = sinks.iter().flat_map(ids).collect();
        all.sort_unstable();
        assert_eq!(all, (0..5_000).collect::<Vec<_>>());
        let mut owners = BTreeMap::new();
        for (member, sink) in sinks.iter().enumerate() {
            for (instance, id) in sink.0.lock().unwrap().iter() {
                assert_eq!(instance / 2, member, "two workers in each member");
                assert_eq!(*owners.entry(id % 97).or_insert(member), member, "key {}", id % 97);
            }
        }
        assert!((0..3).all(|member| owners.values().any(|owner| *owner == member)), "one member got nothing");
    }
}

/// A place where strangers stand by: they call whoever announces an address, before any member can.
struct Crowded {
    place: InMemory,
    calls: Mutex<Vec<TcpStream>>,
}

impl fmt::Debug for Crowded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Crowded")
    }
}

impl Rendezvous for Crowded {
    fn announce(&self, name: &str, what: &[u8]) -> Result<()> {
        if name.starts_with("address-") {
            let address: SocketAddr = serde_json::from_slice(what).unwrap();
            // One says nothing, one the number of a member and nothing else, one speaks of something else.
            for words in [&b""[..], &1_u64.to_le_bytes(), b"GET / HTTP/1.1\r\n\r\n"] {
                let mut call = TcpStream::connect(address)?;
                call.write_all(words)?;
                self.calls.lock().unwrap().push(call);
            }
        }
        self.place.announce(name, what)
    }

    fn look_up(&self, name: &str) -> Result<Option<Vec<u8>>> {
        self.place.look_up(name)
    }

    fn address(&self) -> String {
        self.place.address()
    }
}

#[test]
fn strangers_get_no_rows_and_hold_nobody_up() {
    let crowd = Arc::new(Crowded { place: InMemory::new(), calls: Mutex::default() });
    let place: Arc<dyn Rendezvous> = crowd.clone();
    let (sink, began) = (Collect::default(), Instant::now());
    let jobs = [(); 2].map(|()| job(1_000, 4, by_key(), &sink, pass));
    run_members(&jobs, &place).into_iter().for_each(|result| assert!(result.is_ok(), "{result:?}"));
    assert_eq!(ids(&sink), (0..1_000).collect::<Vec<_>>());
    assert!(began.elapsed() < Duration::from_secs(4), "somebody waited for those who say nothing");
    for mut call in crowd.calls.lock().unwrap().drain(..) {
        let mut heard = Vec::new();
        // It may have been hung up on rudely.
        let _ = call.read_to_end(&mut heard);
        assert_eq!(heard, b"", "a stranger got something");
    }
}

#[test]
fn members_of_different_jobs_refuse_each_other() {
    let place: Arc<dyn Rendezvous> = Arc::new(InMemory::new());
    let sink = Collect::default();
    let jobs = [job(10, 1, by_key(), &sink, pass), job(10, 1, Partitioning::Broadcast, &sink, pass)];
    for result in run_members(&jobs, &place) {
        let error = result.unwrap_err();
        assert!(error.to_string().contains("another job") && !error.may_retry(), "{error}");
        assert!(error.to_string().contains("the same program"), "{error}");
    }
    assert!(ids(&sink).is_empty());
}

/// What an operator does with a batch.
type Process = Box<dyn FnMut(Batch, &mut Context<'_>) -> Result<()>>;

/// Fails at a row, so many times in all.
fn fails(times: usize) -> impl Fn() -> Process + Send + Sync {
    let left = Arc::new(AtomicUsize::new(times));
    move || {
        let left = Arc::clone(&left);
        Box::new(move |batch, ctx| {
            let is_due = batch.event_times().unwrap().contains(&3_333);
            if is_due && left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
                return Err(Error::external("the disk is full"));
            }
            ctx.emit(batch);
            Ok(())
        })
    }
}

#[test]
fn a_member_that_fails_ends_all_and_each_says_why() {
    let place: Arc<dyn Rendezvous> = Arc::new(InMemory::new());
    let sink = Collect::default();
    let each = Arc::new(fails(1));
    let jobs = [(); 2].map(|()| {
        let each = Arc::clone(&each);
        job(1_000_000, 2, by_key(), &sink, move || each())
    });
    let errors: Vec<String> = run_members(&jobs, &place).into_iter().map(|result| result.unwrap_err().to_string()).collect();
    let failed = errors.iter().position(|error| error.contains("the disk is full")).expect("one failed");
    assert!(errors[failed].contains("operator 'middle'"), "{errors:?}");
    let lost = format!("member {failed} of the job is lost");
    assert!(errors[1 - failed].contains(&lost), "{errors:?}");
}

#[test]
fn a_supervisor_adds_up_what_its_members_report() {
    let sink = Collect::default();
    let job = job(5_000, 3, by_key(), &sink, pass);
    let config = RunConfig { processes: 2, ..config() };
    let report = supervise(&job, &config, &LocalThreads::new(&job, &config)).unwrap();
    assert_eq!(ids(&sink), (0..5_000).collect::<Vec<_>>());
    assert_eq!((report.node("middle").unwrap().rows_in, report.restarts), (5_000, 0));
}

#[test]
fn members_are_started_again_from_their_checkpoint() {
    let (folder, sink) = (tempfile::tempdir().unwrap(), Collect::default());
    let restart = RestartStrategy::FixedDelay { attempts: 2, delay: Duration::from_millis(1) };
    for (times, restarts) in [(1, Some(1)), (9, None)] {
        let job = job(5_000, 3, by_key(), &sink, fails(times));
        let checkpoints = CheckpointConfig::new(folder.path().join(times.to_string())).every(Duration::from_millis(1));
        let config = RunConfig { processes: 2, restart, checkpoints: Some(checkpoints), ..config() };
        let result = supervise(&job, &config, &LocalThreads::new(&job, &config));
        match restarts {
            Some(restarts) => assert_eq!(result.unwrap().restarts, restarts),
            None => {
                let error = result.unwrap_err().to_string();
                assert!(error.contains("after 2 restarts") && error.contains("the disk is full"), "{error}");
            }
        }
    }
}

#[test]
fn members_that_are_asked_to_stop_do() {
    let sink = Collect::default();
    let job = job(i64::MAX, 2, by_key(), &sink, pass);
    let config = RunConfig { processes: 2, ..config() };
    let stopper = || {
        while sink.0.lock().unwrap().len() < 1_000 {
            std::thread::yield_now();
        }
        config.stop.stop();
    };
    let report = std::thread::scope(|scope| {
        scope.spawn(stopper);
        supervise(&job, &config, &LocalThreads::new(&job, &config)).unwrap()
    });
    assert!(report.stopped);
}

#[test]
fn a_member_that_is_told_to_end_does_not_wait_for_the_others() {
    let sink = Collect::default();
    let job = job(10, 2, by_key(), &sink, pass);
    let config = RunConfig { processes: 2, ..config() };
    let launcher = LocalThreads::new(&job, &config);
    let place = launcher.open().unwrap();
    for number in [0, 1] {
        // Nobody starts the other one.
        let role = MemberRole::new(number, 2).unwrap();
        let mut member = launcher.start(&MemberSpec { role, rendezvous: Arc::clone(&place), restarts: 0 }).unwrap();
        let began = Instant::now();
        member.kill();
        assert!(began.elapsed() < Duration::from_secs(10), "it waited");
        assert!(member.poll().unwrap().is_some());
    }
}

/// The test below, in a process whose environment says that it is a member of something.
#[test]
fn the_environment_does_not_matter_to_members() {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "members::members_of_one_process_share_a_job"])
        .env("EGRET_PROCESS", "1")
        .env("EGRET_PROCESSES", "2")
        .env("EGRET_RENDEZVOUS", "/nowhere")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&status.stdout);
    assert!(status.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
fn a_program_that_supervises_processes_is_each_of_them() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--ignored", "members::supervises_processes"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
#[ignore = "starts its own process again; the test above runs it alone"]
fn supervises_processes() {
    let job = job(5_000, 3, by_key(), &Collect::default(), pass);
    let report = supervise(&job, &RunConfig { processes: 2, ..config() }, &LocalProcesses).unwrap();
    assert_eq!(report.node("middle").unwrap().rows_in, 5_000);
    assert!(process_role().is_none(), "members do not come here");
}

#[test]
fn there_is_no_member_behind_the_last() {
    let error = MemberRole::new(2, 2).unwrap_err().to_string();
    assert!(error.contains("has no member 2"), "{error}");
}
