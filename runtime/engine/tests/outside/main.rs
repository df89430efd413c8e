//! What sources and sinks of systems outside are promised: they are told of checkpoints, asked whether they are ready, and recovered.
#![allow(clippy::unwrap_used)]

mod world;

use egret_core::WatermarkStrategy;
use egret_engine::{CheckpointConfig, RunConfig, run};
use egret_operators::stream::Job;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use world::{Shared, Slow, Topic, World};

fn config(workers: usize, folder: Option<&Path>) -> RunConfig {
    let checkpoints = folder.map(|folder| CheckpointConfig { job: "nights".into(), ..CheckpointConfig::new(folder) });
    let checkpoints = checkpoints.map(|config| config.every(Duration::from_millis(1)));
    RunConfig { checkpoints, ..RunConfig::with_workers(workers) }
}

fn job(topic: Topic, sinks: &[Slow]) -> Job {
    let job = Job::new();
    let watermark = Some(WatermarkStrategy::bounded_out_of_orderness(Duration::ZERO));
    let rows = job.source("topic", Arc::new(Shared(Arc::new(topic))), watermark).unwrap();
    for sink in sinks {
        rows.sink(sink.name, Arc::new(sink.clone())).unwrap();
    }
    job
}

/// All rows that a sink has committed, in order.
fn committed(world: &World, sink: &str) -> Vec<i64> {
    let start = format!("commit {sink} ");
    let said = world.said();
    let all = said.iter().filter_map(|what| what.strip_prefix(&start)).flat_map(|rows| rows.split(','));
    let mut rows: Vec<i64> = all.map(|row| row.parse().unwrap()).collect();
    rows.sort_unstable();
    rows
}

#[test]
fn readers_are_told_of_checkpoints_in_order_and_closed_when_all_is_in_one() {
    for workers in [1, 2] {
        let (folder, world) = (tempfile::tempdir().unwrap(), World::default());
        let mut topic = Topic::new(&world, &["a", "b", "c"], 100);
        // The second half comes when the first has been in a checkpoint.
        topic.goes_on = Box::new(|world| ["a", "b", "c"].iter().all(|split| world.count(&format!("told {split} ")) > 0));
        run(&job(topic, &[Slow::new("out", &world)]).graph(), &config(workers, Some(folder.path()))).unwrap();
        for split in ["a", "b", "c"] {
            let start = format!("told {split} ");
            let said = world.said();
            let told: Vec<(u32, i64)> = said
                .iter()
                .filter_map(|what| what.strip_prefix(&start)?.split_once(' '))
                .map(|(epoch, position)| (epoch.parse().unwrap(), position.parse().unwrap()))
                .collect();
            assert!(told.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1), "{told:?}");
            assert!(told.first().is_some_and(|(_, position)| *position <= 50), "{told:?}");
            assert!(told.last().is_some_and(|(_, position)| *position == 100), "the end is in the last one: {told:?}");
            let place = |what: &str| said.iter().rposition(|said| said.starts_with(what)).unwrap();
            assert_eq!(world.count(&format!("close {split}")), 1);
            assert!(place(&format!("close {split}")) > place(&start), "it is closed when it has heard all");
        }
    }
}

#[test]
fn without_checkpoints_readers_are_closed_at_their_end() {
    let world = World::default();
    run(&job(Topic::new(&world, &["a", "b"], 100), &[Slow::new("out", &world)]).graph(), &config(1, None)).unwrap();
    assert_eq!((world.count("told"), world.count("close a"), world.count("close b")), (0, 1, 1));
}

#[test]
fn a_writer_that_is_not_ready_is_asked_again_before_every_step() {
    for (workers, has_checkpoints) in [(1, false), (2, false), (1, true), (2, true)] {
        let (folder, world) = (tempfile::tempdir().unwrap(), World::default());
        let topic = Topic::new(&world, &["a"], 200);
        let slow = Slow { laziness: 3, ..Slow::new("out", &world) };
        run(&job(topic, &[slow]).graph(), &config(workers, has_checkpoints.then_some(folder.path()))).unwrap();
        assert_eq!(committed(&world, "out"), (0..200).collect::<Vec<_>>());
        assert_eq!(world.count("end out"), workers, "the job ends when all its writers have");
    }
}

/// On one worker: where a writer that waits blocked its thread, what it waits for would never come.
#[test]
fn a_writer_that_waits_keeps_nobody_else_from_working() {
    for has_checkpoints in [false, true] {
        let (folder, world) = (tempfile::tempdir().unwrap(), World::default());
        let waits = Slow { waits_for: Some(("write quick", 20)), ..Slow::new("patient", &world) };
        let topic = Topic::new(&world, &["a"], 200);
        run(&job(topic, &[waits, Slow::new("quick", &world)]).graph(), &config(1, has_checkpoints.then_some(folder.path())))
            .unwrap();
        let said = world.said();
        let first = said.iter().position(|what| what == "write patient").unwrap();
        assert_eq!(said[..first].iter().filter(|what| *what == "write quick").count(), 20);
        assert_eq!(committed(&world, "patient"), (0..200).collect::<Vec<_>>());
    }
}

#[test]
fn a_writer_that_waits_holds_the_source_back() {
    let (folder, world) = (tempfile::tempdir().unwrap(), World::default());
    let topic = Topic::new(&world, &["a"], 20_000);
    let quick = Slow::new("quick", &world);
    // As much as may be in flight is about 100 of the 2,000 batches.
    let waits = Slow { waits_for: Some(("write quick", 50)), ..Slow::new("patient", &world) };
    let config = RunConfig { in_flight_bytes: 16_000, ..config(1, Some(folder.path())) };
    let config = RunConfig { checkpoints: config.checkpoints.map(|all| all.every(Duration::from_secs(3_600))), ..config };
    run(&job(topic, &[waits, quick]).graph(), &config).unwrap();
    let said = world.said();
    let first = said.iter().position(|what| what == "write patient").unwrap();
    let ahead = said[..first].iter().filter(|what| *what == "write quick").count();
    assert!((50..400).contains(&ahead), "{ahead} batches were read while a sink waited");
}

#[test]
fn a_sink_recovers_once_and_before_any_writer() {
    let (folder, world) = (tempfile::tempdir().unwrap(), World::default());
    let fails = Slow { fails_when: Some(""), ..Slow::new("out", &world) };
    let mut endless = Topic::new(&world, &["a", "b"], 100);
    endless.goes_on = Box::new(|_| false);
    let error = run(&job(endless, &[fails]).graph(), &config(3, Some(folder.path()))).unwrap_err();
    assert!(error.to_string().contains("the other side hung up"), "{error}");
    assert_eq!(world.count("recover out of nights, attempt 1 from None: "), 1);
    assert_eq!(committed(&world, "out"), [] as [i64; 0]);

    let next = World::default();
    run(&job(Topic::new(&next, &["a", "b"], 100), &[Slow::new("out", &next)]).graph(), &config(3, Some(folder.path()))).unwrap();
    let said = next.said();
    let recovered: Vec<&String> = said.iter().filter(|what| what.starts_with("recover")).collect();
    assert_eq!(recovered.len(), 1);
    let (start, rows) = recovered[0].split_once(": ").unwrap();
    assert!(!start.contains("attempt 1 ") && start.contains(" from Some("), "{start}");
    let place = |what: &str| said.iter().position(|said| said.starts_with(what));
    assert!(place("recover") < place("writer"), "{said:?}");
    // Both splits have the same rows: together what was recovered and what came then is each of them twice.
    let mut all: Vec<i64> = rows.split([',', ';']).filter(|row| !row.is_empty()).map(|row| row.parse().unwrap()).collect();
    assert!(!all.is_empty());
    all.extend(committed(&next, "out"));
    all.sort_unstable();
    assert_eq!(all, (0..200).map(|row| row / 2).collect::<Vec<_>>());
}

/// The readers of the splits that are known have nothing behind the first half until the others are read.
fn growing(world: &World) -> Topic {
    let mut topic = Topic::new(world, &["a", "b"], 100);
    topic.later.get_mut().unwrap().extend(["late".to_owned(), "later".to_owned()]);
    topic.goes_on = Box::new(|world| world.count("open late") >= 2);
    topic
}

#[test]
fn splits_that_appear_are_read_once_and_without_a_restart() {
    for (workers, has_checkpoints) in [(1, false), (2, false), (1, true), (2, true)] {
        let (folder, world) = (tempfile::tempdir().unwrap(), World::default());
        let job = job(growing(&world), &[Slow::new("out", &world)]);
        run(&job.graph(), &config(workers, has_checkpoints.then_some(folder.path()))).unwrap();
        assert_eq!((world.count("open a"), world.count("open late"), world.count("open later")), (1, 2, 1));
        assert_eq!(committed(&world, "out"), (0..400).map(|row| row / 4).collect::<Vec<_>>(), "{workers} workers");
        assert_eq!(world.count("close late"), 2);
    }
}

#[test]
fn a_job_goes_on_with_splits_that_appeared() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (World::default(), World::default());
    let mut topic = growing(&first);
    // All have half of their rows in checkpoints, and then the job fails.
    topic.goes_on = Box::new(|_| false);
    let sink = Slow { fails_when: Some("told later "), ..Slow::new("out", &first) };
    let error = run(&job(topic, &[sink]).graph(), &config(2, Some(folder.path()))).unwrap_err();
    assert!(error.to_string().contains("the other side hung up"), "{error}");
    let topic = Topic::new(&second, &["a", "b", "late", "later"], 100);
    run(&job(topic, &[Slow::new("out", &second)]).graph(), &config(2, Some(folder.path()))).unwrap();
    let mut all = committed(&first, "out");
    let said = second.said();
    let recovered = said.iter().find_map(|what| what.strip_prefix("recover")?.split_once(": ").map(|(_, rows)| rows.to_owned()));
    let recovered = recovered.unwrap();
    all.extend(recovered.split([',', ';']).filter(|row| !row.is_empty()).map(|row| row.parse::<i64>().unwrap()));
    all.extend(committed(&second, "out"));
    all.sort_unstable();
    assert_eq!(all, (0..400).map(|row| row / 4).collect::<Vec<_>>());
}
