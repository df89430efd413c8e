//! A Parquet file of a job with checkpoints appears at the end, whole, whatever happens before.
#![allow(clippy::unwrap_used)]
use crate::file::{FileSink, FileSinkConfig};
use crate::test_support::{Folder, batch, lines, read, schema};
use egret_core::{Committable, Epoch, Result, Sink, SinkAttempt, SinkContext, SinkWriter, StreamSchema};

fn columns() -> StreamSchema {
    schema(&[("id", "int64"), ("text", "utf8"), ("at", "time")], None)
}

fn row(id: u64) -> String {
    let text = if id.is_multiple_of(3) { "null".to_owned() } else { format!("\"row {id}\"") };
    format!("{{\"id\":{id},\"text\":{text},\"at\":{}}}", 1_700_000_000_000 + id)
}

fn rows(ids: std::ops::Range<u64>) -> egret_core::Batch {
    let rows: Vec<String> = ids.map(row).collect();
    batch(&columns(), &rows.iter().map(String::as_str).collect::<Vec<_>>())
}

/// An attempt that goes on from a checkpoint with these committables.
fn go_on(folder: &Folder, number: u64, restored: Option<u64>, committables: &[Committable]) -> Result<Box<dyn SinkWriter>> {
    let sink = FileSink::new(FileSinkConfig::new(&folder.text_path("out/o.parquet")).unwrap());
    let attempt = SinkAttempt { number, restored, committables: committables.to_vec(), ..SinkAttempt::new("00000000000000aa") };
    let mut writer = sink.open(&columns(), &SinkContext { attempt: Some(attempt), ..SinkContext::new(0, 1) })?;
    writer.commit(committables)?;
    Ok(writer)
}

fn check_whole(folder: &Folder, expected: std::ops::Range<u64>) {
    assert_eq!(folder.names("out"), [".o.parquet.published", "o.parquet"]);
    assert_eq!(read(&folder.source("out/o.parquet", &[], &columns())).rows, lines(rows(expected).rows()));
}

#[test]
fn rows_of_all_attempts_become_one_file() {
    let folder = Folder::new();
    let (mut kept, mut restored, mut next) = (Vec::new(), None, 0);
    for number in 1..5 {
        let mut writer = go_on(&folder, number, restored, &kept).unwrap();
        for _ in 0..3 {
            writer.write(&rows(next..next + 7)).unwrap();
            writer.write(&rows(next + 7..next + 9)).unwrap();
            next += 9;
            restored = restored.or(Some(0)).map(|epoch| epoch + 1);
            kept = writer.prepare(Epoch(restored.unwrap() as u32)).unwrap();
            assert_eq!(kept.len(), 1);
            writer.commit(&kept).unwrap();
        }
        // Dies: what it wrote since, in the same file, comes again.
        writer.write(&rows(1_000..1_100)).unwrap();
        writer.prepare(Epoch(90)).unwrap();
        std::mem::forget(writer);
        assert!(folder.names("out").iter().all(|name| name.starts_with('.')), "{:?}", folder.names("out"));
    }
    let mut writer = go_on(&folder, 5, restored, &kept).unwrap();
    writer.write(&rows(next..next + 4)).unwrap();
    let whole = writer.finish(Epoch(80)).unwrap();
    std::mem::forget(writer);
    // The checkpoint is there, and the job dies before it publishes, or while it does, or behind that.
    for number in 6..8 {
        drop(go_on(&folder, number, Some(80), &whole).unwrap());
        check_whole(&folder, 0..next + 4);
    }
}

#[test]
fn a_job_that_is_short_or_has_no_rows_writes_the_file_as_well() {
    for count in [0, 5] {
        let folder = Folder::new();
        let mut writer = go_on(&folder, 1, None, &[]).unwrap();
        writer.write(&rows(0..count)).unwrap();
        let whole = writer.finish(Epoch(1)).unwrap();
        writer.commit(&whole).unwrap();
        check_whole(&folder, 0..count);
        assert!(writer.write(&rows(0..1)).unwrap_err().to_string().contains("cannot get more rows"));
    }
}

/// What is kept is known by length and checksum, at the start and when the file is made.
#[test]
fn rows_that_were_kept_and_are_damaged_or_gone_are_missed() {
    let folder = Folder::new();
    let mut writer = go_on(&folder, 1, None, &[]).unwrap();
    writer.write(&rows(0..50)).unwrap();
    let kept = writer.prepare(Epoch(1)).unwrap();
    std::mem::forget(writer);
    let name = "out/.o.parquet.00000000000000aa.1.kept";
    let bytes = std::fs::read(folder.path(name)).unwrap();
    let flipped: Vec<u8> = bytes.iter().enumerate().map(|(place, byte)| byte ^ u8::from(place == 40)).collect();
    for (number, damaged) in [&bytes[..bytes.len() - 1], &flipped, &[]].into_iter().enumerate() {
        folder.write(name, damaged);
        let error = go_on(&folder, 2 + number as u64, Some(1), &kept).err().unwrap();
        assert!(error.to_string().contains("are gone or damaged") && !error.may_retry(), "{error}");
        folder.write(name, &bytes);
        let mut writer = go_on(&folder, 12 + number as u64, Some(1), &kept).unwrap();
        folder.write(name, damaged);
        let error = writer.finish(Epoch(2)).unwrap_err().to_string();
        assert!(error.contains("are gone or damaged"), "{error}");
    }
    // What is behind counts for nothing.
    folder.write(name, [bytes, b"more".to_vec()].concat());
    let mut writer = go_on(&folder, 30, Some(1), &kept).unwrap();
    let whole = writer.finish(Epoch(2)).unwrap();
    writer.commit(&whole).unwrap();
    check_whole(&folder, 0..50);
}

#[test]
fn an_attempt_that_is_not_dead_sees_that_another_has_taken_over() {
    let folder = Folder::new();
    let mut older = go_on(&folder, 1, None, &[]).unwrap();
    older.write(&rows(0..5)).unwrap();
    let mut newer = go_on(&folder, 2, None, &[]).unwrap();
    newer.write(&rows(0..3)).unwrap();
    let error = older.prepare(Epoch(1)).unwrap_err();
    assert!(error.to_string().contains("another run of the job has taken over") && !error.may_retry(), "{error}");
    let whole = newer.finish(Epoch(1)).unwrap();
    newer.commit(&whole).unwrap();
    check_whole(&folder, 0..3);
}
