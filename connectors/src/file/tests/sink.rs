#![allow(clippy::unwrap_used)]
use super::*;
use crate::file::FileSource;
use crate::file::FileSourceConfig;
use crate::options::Options;
use crate::test_support::{Folder, batch, gunzip, read, schema};
use egret_core::ManualClock;
use egret_core::{Batch, Committable, Epoch, SinkContext, SinkWriter, Source};
use std::time::Duration;

fn columns() -> StreamSchema {
    schema(&[("id", "int64")], None)
}

fn ids(range: std::ops::Range<i64>) -> Batch {
    let texts: Vec<String> = range.map(|id| format!("{{\"id\":{id}}}")).collect();
    batch(&columns(), &texts.iter().map(String::as_str).collect::<Vec<_>>())
}

fn sink(folder: &Folder, name: &str, options: &[(&str, &str)]) -> FileSink {
    let path = folder.text_path(name);
    let options = Options::new(options.iter().copied().chain([("path", path.as_str())]));
    let sink = FileSink::new(FileSinkConfig::from_options(&options).unwrap());
    options.check_unused().unwrap();
    sink
}

fn open(sink: &FileSink) -> Box<dyn SinkWriter> {
    sink.open(&columns(), &SinkContext::new(0, 1)).unwrap()
}

fn prepare(writer: &mut dyn SinkWriter, epoch: u32) -> Vec<Committable> {
    writer.prepare(Epoch(epoch)).unwrap()
}

#[test]
fn a_file_appears_whole_with_the_commit() {
    let folder = Folder::new();
    let sink = sink(&folder, "out/deep/t.jsonl", &[]);
    assert!(sink.wants_one_writer());
    let mut writer = open(&sink);
    writer.write(&ids(0..2)).unwrap();
    assert_eq!(folder.names("out/deep"), [".t.jsonl.inprogress"]);
    let ready = prepare(writer.as_mut(), 1);
    assert_eq!(folder.names("out/deep"), [".t.jsonl.0.prepared"]);
    writer.commit(&ready).unwrap();
    writer.commit(&ready).unwrap();
    assert_eq!(folder.names("out/deep"), ["t.jsonl"]);
    assert_eq!(folder.read("out/deep/t.jsonl"), "{\"id\":0}\n{\"id\":1}\n");
}

#[test]
fn later_epochs_are_added_and_a_new_run_replaces() {
    for name in ["t.csv", "t.csv.gz", "t.csv.zst"] {
        let folder = Folder::new();
        let read_back = || {
            let source = FileSource::new(FileSourceConfig::new(&folder.text_path(name)).unwrap(), columns()).unwrap();
            let outcome = read(&source);
            assert_eq!(outcome.error(), "");
            outcome.rows.len()
        };
        for run in 1..3 {
            let mut writer = open(&sink(&folder, name, &[]));
            writer.write(&ids(0..3)).unwrap();
            let first = prepare(writer.as_mut(), 1);
            writer.write(&ids(3..5)).unwrap();
            let second = prepare(writer.as_mut(), 2);
            writer.commit(&first).unwrap();
            assert_eq!(read_back(), 3, "{name}, run {run}");
            writer.commit(&second).unwrap();
            let empty = prepare(writer.as_mut(), 3);
            for committables in [&first, &second, &empty] {
                writer.commit(committables).unwrap();
            }
            assert_eq!(read_back(), 5, "{name}, run {run}");
        }
        assert_eq!(folder.names("").len(), 1, "{:?}", folder.names(""));
    }
}

#[test]
fn an_abort_leaves_what_was_there() {
    let folder = Folder::new();
    folder.write("t.jsonl", "old\n");
    let mut writer = open(&sink(&folder, "t.jsonl", &[]));
    writer.write(&ids(0..2)).unwrap();
    prepare(writer.as_mut(), 1);
    writer.write(&ids(2..4)).unwrap();
    writer.abort();
    assert_eq!((folder.names(""), folder.read("t.jsonl")), (vec!["t.jsonl".to_owned()], "old\n".to_owned()));
    let mut writer = open(&sink(&folder, "t.jsonl", &[]));
    writer.write(&ids(0..2)).unwrap();
    drop(writer);
    assert_eq!(folder.names(""), ["t.jsonl"]);
}

#[test]
fn a_job_without_results_writes_an_empty_file() {
    let folder = Folder::new();
    for (name, expected) in [("t.jsonl", ""), ("t.csv", "id\n")] {
        let mut writer = open(&sink(&folder, name, &[]));
        let ready = prepare(writer.as_mut(), 1);
        writer.commit(&ready).unwrap();
        assert_eq!(folder.read(name), expected);
    }
    let sink = sink(&folder, "t.jsonl", &[]);
    let mut other = sink.open(&columns(), &SinkContext::new(1, 2)).unwrap();
    assert!(prepare(other.as_mut(), 1).is_empty());
    assert!(other.write(&ids(0..1)).is_err());
}

#[test]
fn parquet_is_written_once_or_in_parts() {
    let folder = Folder::new();
    let mut writer = open(&sink(&folder, "t.parquet", &[]));
    writer.write(&ids(0..3)).unwrap();
    let ready = prepare(writer.as_mut(), 1);
    writer.commit(&ready).unwrap();
    let again = prepare(writer.as_mut(), 2);
    writer.commit(&again).unwrap();
    assert_eq!(read(&folder.source("t.parquet", &[], &columns())).rows.len(), 3);
    writer.write(&ids(0..3)).unwrap();
    let error = writer.prepare(Epoch(3)).unwrap_err().to_string();
    assert!(error.contains("set rolling to write a folder"), "{error}");
    drop(writer);
    let mut writer = open(&sink(&folder, "parts", &[("format", "parquet"), ("rolling", "rows:2")]));
    writer.write(&ids(0..5)).unwrap();
    let ready = prepare(writer.as_mut(), 1);
    writer.commit(&ready).unwrap();
    assert_eq!(read(&folder.source("parts/*.parquet", &[], &columns())).rows.len(), 5);
}

#[test]
fn parts_roll_by_rows_whatever_the_batches() {
    for size in [1, 2, 3, 7, 10] {
        let folder = Folder::new();
        let sink = sink(&folder, "out", &[("format", "json"), ("compression", "gzip"), ("rolling", "rows:3")]);
        assert!(!sink.wants_one_writer());
        let mut writer = sink.open(&columns(), &SinkContext::new(2, 4)).unwrap();
        for start in (0..10).step_by(size) {
            writer.write(&ids(start..(start + size as i64).min(10))).unwrap();
        }
        let ready = prepare(writer.as_mut(), 1);
        assert!(folder.names("out").iter().all(|name| name.starts_with('.')));
        writer.commit(&ready).unwrap();
        writer.commit(&ready).unwrap();
        assert_eq!(
            folder.names("out"),
            ["part-2-0.jsonl.gz", "part-2-1.jsonl.gz", "part-2-2.jsonl.gz", "part-2-3.jsonl.gz"],
            "batches of {size}"
        );
        assert_eq!(gunzip(&folder.path("out/part-2-1.jsonl.gz")), "{\"id\":3}\n{\"id\":4}\n{\"id\":5}\n");
        assert_eq!(gunzip(&folder.path("out/part-2-3.jsonl.gz")), "{\"id\":9}\n");
    }
}

#[test]
fn parts_roll_by_bytes_and_by_time() {
    let folder = Folder::new();
    let mut writer = open(&sink(&folder, "bytes", &[("format", "json"), ("rolling", "bytes:20")]));
    for id in 0..5 {
        writer.write(&ids(id..id + 1)).unwrap();
    }
    let ready = prepare(writer.as_mut(), 1);
    writer.commit(&ready).unwrap();
    assert_eq!(folder.names("bytes").len(), 2);
    let clock = Arc::new(ManualClock::default());
    let sink = sink(&folder, "time", &[("format", "csv"), ("rolling", "interval:10 s")]).with_clock(clock.clone());
    let mut writer = open(&sink);
    for id in 0..5 {
        writer.write(&ids(id..id + 1)).unwrap();
        clock.advance(Duration::from_secs(4));
        writer.flush().unwrap();
    }
    let ready = prepare(writer.as_mut(), 1);
    writer.commit(&ready).unwrap();
    assert_eq!((folder.names("time").len(), folder.read("time/part-0-0.csv").as_str()), (2, "id\n0\n1\n2\n"));
}

#[test]
fn a_job_without_end_shows_parts_when_they_are_complete() {
    let folder = Folder::new();
    let sink = sink(&folder, "out", &[("format", "json"), ("rolling", "rows:2")]);
    let mut writer = sink.open(&columns(), &SinkContext { unbounded: true, ..SinkContext::new(0, 1) }).unwrap();
    writer.write(&ids(0..5)).unwrap();
    writer.flush().unwrap();
    let shown = || folder.names("out").into_iter().filter(|name| !name.starts_with('.')).collect::<Vec<_>>();
    assert_eq!(shown(), ["part-0-0.jsonl", "part-0-1.jsonl"]);
    let ready = prepare(writer.as_mut(), 1);
    writer.commit(&ready).unwrap();
    assert_eq!(shown(), ["part-0-0.jsonl", "part-0-1.jsonl", "part-0-2.jsonl"]);
    assert_eq!(folder.read("out/part-0-2.jsonl"), "{\"id\":4}\n");
}

#[test]
fn a_new_run_adds_parts_and_removes_only_leftovers() {
    let folder = Folder::new();
    let sink = sink(&folder, "out", &[("format", "json"), ("rolling", "rows:1")]);
    let mut writer = sink.open(&columns(), &SinkContext::new(0, 2)).unwrap();
    writer.write(&ids(0..2)).unwrap();
    let committed = prepare(writer.as_mut(), 1);
    writer.commit(&committed).unwrap();
    writer.write(&ids(2..3)).unwrap();
    assert_eq!(prepare(writer.as_mut(), 2).len(), 1);
    std::mem::forget(writer);
    for name in [".part-0-9.jsonl.inprogress", ".part-1-0.jsonl.inprogress", ".part-7-0.jsonl.inprogress", "notes.txt"] {
        folder.write(&format!("out/{name}"), "");
    }
    let mut writer = sink.open(&columns(), &SinkContext::new(0, 2)).unwrap();
    writer.write(&ids(4..5)).unwrap();
    let ready = prepare(writer.as_mut(), 1);
    writer.commit(&ready).unwrap();
    assert_eq!(
        folder.names("out"),
        [".part-1-0.jsonl.inprogress", "notes.txt", "part-0-0.jsonl", "part-0-1.jsonl", "part-0-10.jsonl"]
    );
    writer.write(&ids(5..7)).unwrap();
    writer.abort();
    assert_eq!(folder.names("out").len(), 5);
}

#[test]
fn targets_that_cannot_be_written() {
    let folder = Folder::new();
    folder.write("file", "");
    std::fs::create_dir(folder.path("dir.csv")).unwrap();
    let error = |name: &str, options: &[(&str, &str)]| {
        sink(&folder, name, options).open(&columns(), &SinkContext::new(0, 1)).err().unwrap().to_string()
    };
    assert!(error("dir.csv", &[]).contains("it is a folder\nhelp: name a file in it, or set rolling"));
    let text = error("file/t.csv", &[]);
    assert!(text.contains("cannot create the folder") && text.contains("help: a part of the path is a file"), "{text}");
    let text = error("file", &[("format", "csv"), ("rolling", "rows:1")]);
    assert!(text.contains("cannot create the folder"), "{text}");
    for path in ["/proc/egret/t.csv", "/proc/t.csv"] {
        let sink = FileSink::new(FileSinkConfig::new(path).unwrap());
        assert!(matches!(sink.open(&columns(), &SinkContext::new(0, 1)), Err(egret_core::Error::External(_))), "{path}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_said_clearly() {
    let sink = FileSink::new(FileSinkConfig::from_options(&Options::new([("path", "/dev/full"), ("format", "json")])).unwrap());
    let mut writer = open(&sink);
    let result = (0..200).try_for_each(|_| writer.write(&ids(0..500))).and_then(|()| writer.prepare(Epoch(1)).map(|_| ()));
    let error = result.unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot write /dev/full: the disk is full\nhelp: free some space, or choose a path on another disk"
    );
    assert!(matches!(error, egret_core::Error::External(_)));
    writer.abort();
    assert!(std::path::Path::new("/dev/full").exists());
    let sink =
        FileSink::new(FileSinkConfig::from_options(&Options::new([("path", "/dev/null"), ("format", "parquet")])).unwrap());
    assert!(sink.open(&columns(), &SinkContext::new(0, 1)).is_err());
}

/// The files that a job may not read or write beside a sink are compared by what they are.
#[test]
fn a_sink_says_where_it_writes() {
    use egret_core::place::{Access, Place, check_places};
    let folder = Folder::new();
    let places = |name: &str, options: &[(&str, &str)]| sink(&folder, name, options).places().remove(0);
    let clash = |a: &Place, b: &Place| check_places(&[("a".to_owned(), a.clone()), ("b".to_owned(), b.clone())]).is_err();
    let file = places("out/x.csv", &[]);
    assert!(clash(&file, &places("out/../new/../out/x.csv", &[])));
    assert!(!clash(&file, &places("out/y.csv", &[])));
    let rolling = places("out", &[("format", "csv"), ("rolling", "rows:1")]);
    assert!(clash(&rolling, &file));
    let letters = |name: &str| Place::new(folder.path(name), Access::Append);
    assert!(clash(&rolling, &letters("out/.part-0-7.csv.prepared")) && !clash(&rolling, &letters("out/t.csv.bad")));
}

#[test]
fn a_source_says_what_it_reads_and_where_bad_rows_go() {
    use egret_core::place::check_places;
    let folder = Folder::new();
    for name in ["d1/e.csv", "d2/e.csv", "d1/deep/e.csv"] {
        folder.write(name, "id\n");
    }
    let clash = |source: &FileSource, name: &str, options: &[(&str, &str)]| {
        let named = |who: &str, places: Vec<_>| places.into_iter().map(|place| (who.to_owned(), place)).collect::<Vec<_>>();
        check_places(&[named("stream", source.places()), named("sink", sink(&folder, name, options).places())].concat()).is_err()
    };
    let glob = folder.source("*/*.csv", &[], &columns());
    for (name, expected) in [
        ("d1/e.csv", true),
        ("d2/later.csv", true),
        ("d2/../d1/later.csv", true),
        ("d1/e.jsonl", false),
        ("e.csv", false),
        ("d1/deep/e.csv", false),
    ] {
        assert_eq!(clash(&glob, name, &[]), expected, "{name}");
    }
    assert!(clash(&glob, "d1", &[("format", "csv"), ("rolling", "rows:1")]));
    let letters = folder.source("d1/e.csv", &[("bad_rows", "dead_letter")], &columns());
    assert!(clash(&letters, "bad", &[("format", "csv")]) && !clash(&letters, "good", &[("format", "csv")]));
    let default = |name: &str| {
        let path = folder.text_path(name);
        let config = FileSourceConfig::from_options(&Options::new([("path", path.as_str()), ("bad_rows", "dead_letter")]));
        FileSource::new(config.unwrap(), columns()).unwrap().places().pop().unwrap().path
    };
    assert_ne!(default("d1/e.csv"), default("d2/e.csv"));
    assert_eq!(default("d1/e.csv"), default("d1/./e.csv"));
}
