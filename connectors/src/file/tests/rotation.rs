//! Files that are rotated, cut, replaced, renamed and removed, while they are read and while the job is down.
#![allow(clippy::unwrap_used)]
use super::*;
use crate::test_support::{Folder, gzip, lines, schema};
use egret_core::Poll;
use std::fs;

fn rows(ids: std::ops::Range<u32>) -> String {
    ids.map(|id| format!("{{\"id\":{id},\"text\":\"row number {id} of the log\"}}\n")).collect()
}

fn ids(ids: std::ops::Range<u32>) -> Vec<String> {
    ids.map(|id| format!("{{\"id\":{id}}}")).collect()
}

fn append(path: &Path, text: &str) {
    use std::io::Write;
    fs::OpenOptions::new().append(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

/// A split's id, its reader while the job runs, and where that was when the job ended.
type Read = (String, Option<Box<dyn SourceReader>>, Vec<u8>);

/// Readers of a source's splits.
struct Job {
    source: FileSource,
    readers: Vec<Read>,
}

impl Job {
    fn start(source: FileSource) -> Self {
        Self::go_on(source, &[]).unwrap()
    }

    fn go_on(source: FileSource, restored: &[RestoredSplit]) -> Result<Self> {
        let mut readers = Vec::new();
        for start in source.resume(restored)? {
            let from = start.goes_on_from.as_ref().map(|id| restored.iter().find(|of| of.id == *id).unwrap().position.clone());
            if start.ended {
                readers.push((start.split.id, None, from.unwrap()));
                continue;
            }
            let mut reader = source.open(&start.split, &[0], &Arc::default())?;
            from.map_or(Ok(()), |from| reader.seek(&from))?;
            if !restored.is_empty() && start.goes_on_from.as_ref() != Some(&start.split.id) {
                reader.keep_what_is_there()?;
            }
            readers.push((start.split.id, Some(reader), Vec::new()));
        }
        Ok(Self { source, readers })
    }

    /// Reads what there is.
    fn read(&mut self) -> Result<Vec<String>> {
        let mut rows = Vec::new();
        for (_, reader, end) in &mut self.readers {
            let mut waits = 0;
            while let Some(open) = reader {
                match open.poll(3)? {
                    Poll::Rows(batch) => rows.extend(lines(&batch)),
                    // A rotation is taken in when nothing has come twice.
                    Poll::Pending(_) if waits < 4 => waits += 1,
                    Poll::Pending(_) => break,
                    Poll::End => {
                        *end = open.position();
                        *reader = None;
                    }
                }
            }
        }
        Ok(rows)
    }

    fn positions(&self) -> Vec<RestoredSplit> {
        let position = |(id, reader, end): &(String, Option<Box<dyn SourceReader>>, Vec<u8>)| RestoredSplit {
            id: id.clone(),
            position: reader.as_ref().map_or_else(|| end.clone(), |reader| reader.position()),
            ended: reader.is_none(),
        };
        self.readers.iter().map(position).collect()
    }

    /// Ends and goes on from where it was.
    fn restart(self) -> Result<Self> {
        let positions = self.positions();
        Self::go_on(self.source, &positions)
    }
}

fn followed(folder: &Folder) -> FileSource {
    folder.source("t.jsonl", &[("follow", "true")], &schema(&[("id", "int64")], None))
}

/// What happens to `t.jsonl`, of which ten rows have been read and five more have been written since.
type Change = fn(&Folder);

const CARRIED: [(&str, Change); 6] = [
    ("renamed", |folder| {
        fs::rename(folder.path("t.jsonl"), folder.path("t.jsonl.1")).unwrap();
        folder.write("t.jsonl", rows(15..40));
    }),
    ("renamed, with a date, and the new one is short", |folder| {
        fs::rename(folder.path("t.jsonl"), folder.path("t-20240501.jsonl")).unwrap();
        folder.write("t.jsonl", rows(15..40));
    }),
    ("copied and cut, and longer than before", |folder| {
        fs::copy(folder.path("t.jsonl"), folder.path("t.jsonl.1")).unwrap();
        fs::write(folder.path("t.jsonl"), rows(15..40)).unwrap();
    }),
    ("renamed, beside older ones", |folder| {
        folder.write("t.jsonl.2", rows(900..950));
        let old = fs::File::options().write(true).open(folder.path("t.jsonl.2")).unwrap();
        old.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
        folder.write("other.jsonl", rows(900..950));
        fs::rename(folder.path("t.jsonl"), folder.path("t.jsonl.1")).unwrap();
        folder.write("t.jsonl", rows(15..40));
    }),
    ("renamed, and being compressed", |folder| {
        fs::rename(folder.path("t.jsonl"), folder.path("t.jsonl.1")).unwrap();
        folder.write("t.jsonl.1.gz", "half of it");
        folder.write("t.jsonl", rows(15..40));
    }),
    ("written on", |folder| append(&folder.path("t.jsonl"), &rows(15..40))),
];

#[test]
fn a_rotated_log_is_read_to_its_end_and_then_the_new_one() {
    for (what, change) in CARRIED {
        for is_down in [false, true] {
            let folder = Folder::new();
            let path = folder.write("t.jsonl", rows(0..10));
            let mut job = Job::start(followed(&folder));
            assert_eq!(job.read().unwrap(), ids(0..10));
            let positions = job.positions();
            append(&path, &rows(10..15));
            change(&folder);
            if is_down {
                job = Job::go_on(job.source, &positions).unwrap();
            }
            let mut all = job.read().unwrap();
            append(&path, &rows(40..45));
            // From here on, the new file is the one that a position is of.
            job = job.restart().unwrap();
            all.extend(job.read().unwrap());
            assert_eq!(all, ids(10..45), "{what}, down: {is_down}");
        }
    }
}

#[test]
fn a_checkpoint_within_the_old_file_goes_on_there() {
    let folder = Folder::new();
    folder.write("t.jsonl", rows(0..10));
    let mut job = Job::start(followed(&folder));
    assert_eq!(job.read().unwrap(), ids(0..10));
    append(&folder.path("t.jsonl"), &rows(10..30));
    fs::rename(folder.path("t.jsonl"), folder.path("t.jsonl.1")).unwrap();
    folder.write("t.jsonl", rows(30..33));
    let mut all = Vec::new();
    for _ in 0..20 {
        job = job.restart().unwrap();
        let (_, reader, _) = &mut job.readers[0];
        if let Poll::Rows(batch) = reader.as_mut().unwrap().poll(2).unwrap() {
            all.extend(lines(&batch));
        }
    }
    all.extend(job.read().unwrap());
    assert_eq!(all, ids(10..33));
}

#[test]
fn the_last_line_of_a_rotated_file_needs_no_line_end_and_csv_has_a_header_each() {
    let folder = Folder::new();
    let path = folder.write("t.csv", "id,x\n1,a\n2,b\n");
    let source = folder.source("t.csv", &[("follow", "true")], &schema(&[("id", "int64"), ("x", "utf8")], None));
    let mut job = Job::start(source);
    assert_eq!(job.read().unwrap().len(), 2);
    append(&path, "3,c\n4,d");
    assert_eq!(job.read().unwrap(), ["{\"id\":3}"]);
    fs::rename(&path, folder.path("t.csv.1")).unwrap();
    folder.write("t.csv", "x,id\n");
    assert_eq!(job.read().unwrap(), ["{\"id\":4}"]);
    append(&path, "e,5\n");
    assert_eq!(job.read().unwrap(), ["{\"id\":5}"]);
}

const REFUSED: [(&str, Change, &str); 4] = [
    ("cut", |folder| fs::write(folder.path("t.jsonl"), "").unwrap(), "t.jsonl was cut or written anew while it was followed"),
    (
        "cut, and longer than before",
        |folder| fs::write(folder.path("t.jsonl"), rows(100..140)).unwrap(),
        "t.jsonl was cut or written anew while it was followed",
    ),
    (
        "rotated twice",
        |folder| {
            fs::rename(folder.path("t.jsonl"), folder.path("t.jsonl.2")).unwrap();
            let old = fs::File::options().write(true).open(folder.path("t.jsonl.2")).unwrap();
            old.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
            folder.write("t.jsonl.1", rows(15..20));
            folder.write("t.jsonl", rows(20..25));
        },
        "was rotated more than once since it was read",
    ),
    (
        "copied, and the copy is packed",
        |folder| {
            folder.write("t.jsonl.1.gz", gzip(rows(0..15).as_bytes()));
            fs::write(folder.path("t.jsonl"), rows(15..40)).unwrap();
        },
        "t.jsonl was cut or written anew while it was followed",
    ),
];

#[test]
fn rows_that_are_not_to_be_found_are_an_error() {
    for (what, change, running) in REFUSED {
        for is_down in [false, true] {
            let folder = Folder::new();
            let path = folder.write("t.jsonl", rows(0..10));
            let mut job = Job::start(followed(&folder));
            assert_eq!(job.read().unwrap(), ids(0..10));
            let positions = job.positions();
            append(&path, &rows(10..15));
            change(&folder);
            let read = match is_down {
                true => Job::go_on(job.source, &positions).and_then(|mut job| job.read()),
                false => job.read(),
            };
            let error = read.expect_err(what);
            let expected: &[&str] = match is_down {
                true => &["at the checkpoint", "rotated more than once"],
                false => &[running],
            };
            let said = error.to_string();
            assert!(expected.iter().any(|words| said.contains(words)) && said.contains("\nhelp: "), "{what}, {is_down}: {said}");
            assert!(!error.may_retry(), "{what}: it does not pass: {said}");
        }
    }
}

#[test]
fn a_log_that_is_removed_is_waited_for() {
    let folder = Folder::new();
    let path = folder.write("t.jsonl", rows(0..10));
    let mut job = Job::start(followed(&folder));
    assert_eq!(job.read().unwrap(), ids(0..10));
    append(&path, &rows(10..12));
    fs::remove_file(&path).unwrap();
    assert_eq!(job.read().unwrap(), ids(10..12), "what is open is read to its end");
    folder.write("t.jsonl", rows(12..20));
    assert_eq!(job.read().unwrap(), ids(12..20));
}

#[test]
fn a_log_that_is_rotated_and_not_begun_anew_is_waited_for_after_a_stop() {
    let folder = Folder::new();
    let path = folder.write("t.jsonl", rows(0..10));
    let mut job = Job::start(followed(&folder));
    assert_eq!(job.read().unwrap(), ids(0..10));
    append(&path, &rows(10..12));
    fs::rename(&path, folder.path("t.jsonl.1")).unwrap();
    job = job.restart().unwrap();
    assert_eq!(job.read().unwrap(), ids(10..12));
    job = job.restart().unwrap();
    assert_eq!(job.read().unwrap(), Vec::<String>::new());
    folder.write("t.jsonl", rows(12..20));
    assert_eq!(job.restart().unwrap().read().unwrap(), ids(12..20));
    // What is gone altogether is refused.
    let other = Folder::new();
    other.write("t.jsonl", rows(0..10));
    let mut job = Job::start(followed(&other));
    assert_eq!(job.read().unwrap(), ids(0..10));
    fs::remove_file(other.path("t.jsonl")).unwrap();
    let error = job.restart().err().unwrap().to_string();
    assert!(error.contains("is no longer there, as it was at the checkpoint"), "{error}");
}

#[test]
fn files_of_a_glob_keep_their_positions_when_they_are_renamed() {
    let folder = Folder::new();
    folder.write("t.jsonl", rows(20..30));
    folder.write("t.jsonl.1", rows(10..20));
    let source = folder.source("t.jsonl*", &[("follow", "true"), ("format", "json")], &schema(&[("id", "int64")], None));
    let mut job = Job::start(source);
    assert_eq!(job.read().unwrap().len(), 20);
    append(&folder.path("t.jsonl"), &rows(30..33));
    fs::rename(folder.path("t.jsonl.1"), folder.path("t.jsonl.2")).unwrap();
    fs::rename(folder.path("t.jsonl"), folder.path("t.jsonl.1")).unwrap();
    folder.write("t.jsonl", rows(40..42));
    let positions = job.positions();
    // While it runs, the names that are read would be mixed up; the job is started again from a checkpoint and goes on right.
    let error = job.read().expect_err("both names are read");
    assert!(error.to_string().contains("was renamed to") && error.may_retry(), "{error}");
    let mut job = Job::go_on(job.source, &positions).unwrap();
    let mut all = job.read().unwrap();
    all.sort();
    assert_eq!(all, [ids(30..33), ids(40..42)].concat());
    // The oldest was read to its end: it may go.
    fs::remove_file(folder.path("t.jsonl.2")).unwrap();
    assert_eq!(job.restart().unwrap().read().unwrap(), Vec::<String>::new());
}

/// Files that are not followed, of which four rows of ten have been read, or all.
#[test]
fn files_that_changed_while_the_job_was_down() {
    type Write = fn(&Folder, &str, &str);
    let plain: Write = |folder, name, text| drop(folder.write(name, text));
    let packed: Write = |folder, name, text| drop(folder.write(name, gzip(text.as_bytes())));
    for (name, write) in [("t.jsonl", plain), ("t.jsonl.gz", packed)] {
        for all in [false, true] {
            let started = |folder: &Folder| {
                write(folder, name, &rows(0..10));
                write(folder, &format!("u-{name}"), &rows(50..51));
                let mut job = Job::start(folder.source(&format!("*{name}"), &[], &schema(&[("id", "int64")], None)));
                if all {
                    assert_eq!(job.read().unwrap().len(), 11);
                } else {
                    let Poll::Rows(rows) = job.readers[0].1.as_mut().unwrap().poll(4).unwrap() else { panic!("there are rows") };
                    assert_eq!(lines(&rows), ids(0..4));
                }
                job
            };
            let left: Vec<String> = if all { Vec::new() } else { [ids(4..10), ids(50..51)].concat() };
            let after = |change: &dyn Fn(&Folder)| {
                let folder = Folder::new();
                let job = started(&folder);
                change(&folder);
                job.restart().and_then(|mut job| job.read())
            };
            let what = format!("{name}, all read: {all}");
            assert_eq!(after(&|_| {}).unwrap(), left, "{what}");
            // As it was, but another file on the disk.
            let copied = after(&|folder| {
                let bytes = fs::read(folder.path(name)).unwrap();
                folder.write("copy", bytes);
                fs::rename(folder.path("copy"), folder.path(name)).unwrap();
            });
            assert_eq!(copied.unwrap(), left, "{what}");
            let grown = after(&|folder| write(folder, name, &rows(0..12))).unwrap();
            let more = if all { ids(10..12) } else { [ids(4..12), ids(50..51)].concat() };
            assert_eq!(grown, more, "{what}");
            let renamed = after(&|folder| fs::rename(folder.path(name), folder.path(&format!("a-{name}"))).unwrap());
            assert_eq!(renamed.unwrap(), left, "{what}");
            let error = after(&|folder| write(folder, name, &rows(100..140))).unwrap_err().to_string();
            assert!(error.contains("is not the file that it was at the checkpoint"), "{what}: {error}");
            let error = after(&|folder| write(folder, name, &rows(0..2))).unwrap_err().to_string();
            assert!(error.contains("at the checkpoint"), "{what}: {error}");
            let removed = after(&|folder| fs::remove_file(folder.path(name)).unwrap());
            match all {
                true => assert_eq!(removed.unwrap(), Vec::<String>::new(), "{what}"),
                false => assert!(removed.unwrap_err().to_string().contains("no longer there"), "{what}"),
            }
        }
    }
}

#[test]
fn a_line_that_was_read_without_its_end_is_not_read_on() {
    let folder = Folder::new();
    let path = folder.write("t.csv", "1\n23");
    let source = || folder.source("t.csv", &[("header", "false")], &schema(&[("id", "int64")], None));
    let mut job = Job::start(source());
    assert_eq!(job.read().unwrap(), ["{\"id\":1}", "{\"id\":23}"]);
    append(&path, "4\n5\n");
    let error = job.restart().err().unwrap().to_string();
    assert!(error.contains("its last line was not complete"), "{error}");
}

/// A pattern finds the old names of a log, too: who gets a name that another had adds to the bad rows that are there under it.
#[test]
fn bad_rows_of_a_log_stay_when_another_gets_its_name() {
    let folder = Folder::new();
    let bad = |ids: std::ops::Range<u32>| -> String { ids.map(|id| format!("bad {id}\n")).collect() };
    let source = |folder: &Folder| {
        let options = [("follow", "true"), ("format", "json"), ("bad_rows", "dead_letter")];
        folder.source("app.log*", &options, &schema(&[("id", "int64")], None))
    };
    let letters = |folder: &Folder| {
        let mut all = Vec::new();
        for name in folder.names("bad") {
            let text = folder.read(&format!("bad/{name}"));
            all.extend(
                text.lines().map(|line| line.rsplit_once("bad ").unwrap().1.trim_end_matches("\"}").parse::<u32>().unwrap()),
            );
        }
        all.sort_unstable();
        all
    };
    let path = folder.write("app.log", bad(0..3) + &rows(0..5));
    let mut job = Job::start(source(&folder));
    assert_eq!(job.read().unwrap(), ids(0..5));
    let mut next = 3;
    for _ in 0..3 {
        append(&path, &bad(next..next + 1));
        for (from, to) in [("app.log.2", "app.log.3"), ("app.log.1", "app.log.2"), ("app.log", "app.log.1")] {
            drop(fs::rename(folder.path(from), folder.path(to)));
        }
        folder.write("app.log", bad(next + 1..next + 3) + &rows(next..next + 9));
        next += 3;
        // An attempt that ends before it has read anything, and one whose checkpoint comes.
        job = job.restart().unwrap().restart().unwrap();
        assert_eq!(job.read().unwrap().len(), 9);
        assert_eq!(letters(&folder), (0..next).collect::<Vec<_>>(), "{:?}", folder.names("bad"));
        job = job.restart().unwrap();
        assert!(job.read().unwrap().is_empty());
        assert_eq!(letters(&folder), (0..next).collect::<Vec<_>>());
    }
    drop(Job::start(source(&folder)).read().unwrap());
    assert_eq!(letters(&folder), (0..next).collect::<Vec<_>>(), "a new run begins anew");
}

#[test]
fn new_files_of_a_glob_that_is_followed_are_discovered_once() {
    let folder = Folder::new();
    folder.write("n1.jsonl", rows(0..1));
    let source = folder.source("n*.jsonl", &[("follow", "true")], &schema(&[("id", "int64")], None));
    let split = source.splits().unwrap().remove(0);
    let discover = || source.discover().unwrap().into_iter().map(|split| split.id).collect::<Vec<_>>();
    let mut reader = source.open(&split, &[0], &Arc::default()).unwrap();
    drop(reader.poll(10).unwrap());
    assert_eq!(discover(), [] as [String; 0]);
    folder.write("n2.jsonl", rows(1..2));
    folder.write("m.jsonl", rows(1..2));
    let found = discover();
    assert!(found.len() == 1 && found[0].ends_with("n2.jsonl"), "{found:?}");
    // What rotating n2 gives, and n1 under another name, are no new files.
    folder.write("n2-20240501.jsonl", rows(5..6));
    std::fs::rename(folder.path("n1.jsonl"), folder.path("nine.jsonl")).unwrap();
    assert_eq!(discover(), [] as [String; 0]);
    let plain = folder.source("n*.jsonl", &[], &schema(&[("id", "int64")], None));
    assert_eq!((source.discovers_every().is_some(), plain.discovers_every()), (true, None));
}
