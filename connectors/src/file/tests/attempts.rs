//! Jobs with checkpoints that are killed: every row is published once, whatever happens between and within the steps, and whoever
//! reads the output takes it away meanwhile.
#![allow(clippy::unwrap_used)]
use super::*;
use crate::options::Options;
use crate::test_support::{Folder, Random, batch, gunzip, read, schema};
use egret_core::{Committable, Epoch, SinkAttempt};

const MARK: &str = "00000000000000aa";
const ROWS: i64 = 60;

fn columns() -> StreamSchema {
    schema(&[("id", "int64")], None)
}

fn sink(folder: &Folder, name: &str, options: &[(&str, &str)]) -> FileSink {
    let path = folder.text_path(name);
    let options = Options::new(options.iter().copied().chain([("path", path.as_str())]));
    FileSink::new(FileSinkConfig::from_options(&options).unwrap())
}

fn write(writer: &mut dyn SinkWriter, ids: std::ops::Range<i64>) {
    let texts: Vec<String> = ids.map(|id| format!("{{\"id\":{id}}}")).collect();
    writer.write(&batch(&columns(), &texts.iter().map(String::as_str).collect::<Vec<_>>())).unwrap();
}

/// The last complete checkpoint.
#[derive(Clone, Default)]
struct Manifest {
    number: Option<u64>,
    /// The rows before it.
    rows: i64,
    committables: Vec<Committable>,
}

fn attempt(number: u64, manifest: &Manifest) -> SinkAttempt {
    let Manifest { number: restored, committables, .. } = manifest.clone();
    SinkAttempt { number, restored, committables, ..SinkAttempt::new(MARK) }
}

fn open(sink: &FileSink, attempt: &SinkAttempt, instance: usize, parallelism: usize) -> Result<Box<dyn SinkWriter>> {
    sink.open(&columns(), &SinkContext { attempt: Some(attempt.clone()), ..SinkContext::new(instance, parallelism) })
}

/// An attempt that goes on as its checkpoint says.
fn go_on(sink: &FileSink, number: u64, manifest: &Manifest) -> Result<Box<dyn SinkWriter>> {
    let mut writer = open(sink, &attempt(number, manifest), 0, 1)?;
    writer.commit(&manifest.committables)?;
    Ok(writer)
}

/// Writes and prepares an epoch; returns the checkpoint that it makes.
fn step(writer: &mut dyn SinkWriter, number: u32, ids: std::ops::Range<i64>) -> Manifest {
    let rows = ids.end;
    write(writer, ids);
    Manifest { number: Some(number.into()), rows, committables: writer.prepare(Epoch(number)).unwrap() }
}

struct Trial {
    folder: Folder,
    sink: FileSink,
    output: &'static str,
    is_rolling: bool,
    random: Random,
    manifest: Manifest,
    /// What was read of files that were taken away, in order.
    taken: Vec<i64>,
}

impl Trial {
    fn new(output: &'static str, options: &[(&str, &str)], seed: u64) -> Self {
        let folder = Folder::new();
        let sink = sink(&folder, output, options);
        let is_rolling = !options.is_empty();
        Self { sink, folder, output, is_rolling, random: Random::new(seed), manifest: Manifest::default(), taken: Vec::new() }
    }

    fn files(&self) -> Vec<String> {
        let folder = if self.is_rolling { self.output } else { "out" };
        let names = if self.folder.path(folder).exists() { self.folder.names(folder) } else { Vec::new() };
        names.into_iter().map(|name| format!("{folder}/{name}")).collect()
    }

    fn visible(&self) -> Vec<String> {
        self.files().into_iter().filter(|name| !name.contains("/.")).collect()
    }

    fn is_parquet(&self) -> bool {
        self.output.ends_with(".parquet")
    }

    fn read(&self, name: &str) -> Vec<i64> {
        if self.is_parquet() {
            let digits = |row: &String| row.chars().filter(char::is_ascii_digit).collect::<String>().parse().unwrap();
            return read(&self.folder.source(name, &[], &columns())).rows.iter().map(digits).collect();
        }
        let text = if name.ends_with(".gz") { gunzip(&self.folder.path(name)) } else { self.folder.read(name) };
        let mut lines: Vec<&str> = text.lines().collect();
        if name.contains(".csv") {
            assert_eq!(lines.remove(0), "id", "{name} has a header");
        }
        let digits = |line: &str| line.chars().filter(char::is_ascii_digit).collect::<String>();
        lines.iter().map(|line| digits(line).parse().unwrap()).collect()
    }

    /// Whoever reads the output takes some of it.
    fn take(&mut self) {
        for name in self.visible() {
            if self.random.below(3) > 0 {
                let rows = self.read(&name);
                self.taken.extend(rows);
                std::fs::remove_file(self.folder.path(&name)).unwrap();
            }
        }
    }

    /// Runs the job until it is killed or stopped; true when it has written all.
    fn run(&mut self, number: u64) -> bool {
        let parallelism = if self.is_rolling { 1 + self.random.below(3) as usize } else { 1 };
        let given = attempt(number, &self.manifest);
        let mut writers: Vec<_> =
            (0..parallelism).map(|instance| open(&self.sink, &given, instance, parallelism).unwrap()).collect();
        let committables = self.manifest.committables.clone();
        if self.random.below(5) == 0 {
            // Killed while it publishes what the checkpoint names.
            writers[0].commit(&committables[..self.random.below(committables.len() as u64 + 1) as usize]).unwrap();
            std::mem::forget(writers);
            return false;
        }
        writers[0].commit(&committables).unwrap();
        if self.is_parquet() && self.manifest.rows == ROWS {
            return true;
        }
        assert!(!self.is_parquet() || self.visible().is_empty(), "nothing is shown before the end");
        let (mut rows, mut epoch) = (self.manifest.rows, self.manifest.number.unwrap_or(0));
        let mut pending: Vec<Vec<Committable>> = vec![Vec::new(); parallelism];
        loop {
            for _ in 0..self.random.below(5) {
                let end = ROWS.min(rows + self.random.below(4) as i64);
                let writer = self.random.below(parallelism as u64) as usize;
                write(writers[writer].as_mut(), rows..end);
                rows = end;
            }
            epoch += 1;
            for (writer, pending) in writers.iter_mut().zip(&mut pending) {
                let epoch = Epoch(epoch as u32);
                pending.extend(if rows == ROWS { writer.finish(epoch) } else { writer.prepare(epoch) }.unwrap());
            }
            match self.random.below(6) {
                0 => break,
                // Declined: what was prepared waits for the next. The last one cannot be declined.
                1 if rows < ROWS => continue,
                _ => self.manifest = Manifest { number: Some(epoch), rows, committables: pending.concat() },
            }
            let dies = self.random.below(5);
            if dies < 2 {
                for (writer, pending) in writers.iter_mut().zip(&pending).filter(|_| dies == 0) {
                    let some = self.random.below(pending.len() as u64 + 1) as usize;
                    writer.commit(&pending[..some]).unwrap();
                }
                break;
            }
            for (writer, pending) in writers.iter_mut().zip(&mut pending) {
                writer.commit(&std::mem::take(pending)).unwrap();
            }
            if self.random.below(3) == 0 {
                self.take();
            }
            if rows == ROWS {
                return true;
            }
        }
        std::mem::forget(writers);
        false
    }

    fn check(&mut self, what: &str) {
        let mut all = self.taken.clone();
        for name in self.visible() {
            all.extend(self.read(&name));
        }
        if self.is_rolling {
            all.sort_unstable();
        }
        assert_eq!(all, (0..ROWS).collect::<Vec<_>>(), "{what}");
        let hidden = self.files().into_iter().filter(|name| name.contains("/.") && !name.ends_with(".published"));
        assert_eq!(hidden.collect::<Vec<_>>(), Vec::<String>::new(), "{what}");
    }
}

#[test]
fn whatever_is_killed_publishes_every_row_once() {
    let parts = |format| [("format", format), ("rolling", "rows:2")];
    let mut attempts = 0;
    for seed in 0..24 {
        for (output, options) in [
            ("out/o.csv", &[][..]),
            ("out/o.csv.gz", &[]),
            ("out/o.jsonl", &[]),
            ("out/o.parquet", &[]),
            ("out/parts", &parts("csv")),
            ("out/parts", &parts("json")),
        ] {
            let mut trial = Trial::new(output, options, seed);
            let is_done = (1..400).any(|number| {
                attempts += 1;
                if trial.random.below(4) == 0 {
                    trial.take();
                }
                trial.run(number)
            });
            assert!(is_done, "{output}, seed {seed}");
            trial.check(&format!("{output}, seed {seed}"));
        }
    }
    assert!(attempts > 240, "only {attempts}: little is tested");
}

/// The first attempt publishes, the second one dies after it has prepared, the third one finds the leftover.
#[test]
fn what_a_dead_attempt_has_prepared_is_not_taken_for_what_was_published() {
    for (name, options) in [("out/o.csv", &[][..]), ("out", &[("format", "csv"), ("rolling", "rows:9")])] {
        let folder = Folder::new();
        let sink = sink(&folder, name, options);
        let mut first = go_on(&sink, 1, &Manifest::default()).unwrap();
        let manifest = step(first.as_mut(), 1, 0..3);
        first.commit(&manifest.committables).unwrap();
        std::mem::forget(first);
        let shown = |folder: &Folder| folder.names("out").into_iter().filter(|name| !name.starts_with('.')).collect::<Vec<_>>();
        for number in 2..4 {
            let mut dead = go_on(&sink, number, &manifest).unwrap();
            step(dead.as_mut(), 2, 3..5);
            std::mem::forget(dead);
            assert_eq!(
                (shown(&folder).len(), folder.read(&format!("out/{}", shown(&folder)[0]))),
                (1, "id\n0\n1\n2\n".to_owned())
            );
        }
        let mut last = go_on(&sink, 4, &manifest).unwrap();
        let end = step(last.as_mut(), 2, 3..4);
        last.commit(&end.committables).unwrap();
        let all: String = shown(&folder).iter().map(|name| folder.read(&format!("out/{name}"))).collect();
        assert_eq!(all.replace("3\n", "").replace("id\n", ""), "0\n1\n2\n");
        assert!(folder.names("out").iter().all(|name| !name.ends_with(".prepared")), "{:?}", folder.names("out"));
    }
}

/// A commit that was cut short when the machine stopped is done again.
#[test]
fn half_a_commit_is_done_again() {
    let folder = Folder::new();
    let sink = sink(&folder, "t.csv", &[]);
    let mut writer = go_on(&sink, 1, &Manifest::default()).unwrap();
    let first = step(writer.as_mut(), 1, 0..2);
    writer.commit(&first.committables).unwrap();
    let second = step(writer.as_mut(), 2, 2..4);
    std::mem::forget(writer);
    std::fs::write(folder.path("t.csv"), folder.read("t.csv") + "2\n3").unwrap();
    drop(go_on(&sink, 2, &second).unwrap());
    assert_eq!(folder.read("t.csv"), "id\n0\n1\n2\n3\n");
    drop(go_on(&sink, 3, &second).unwrap());
    assert_eq!(folder.read("t.csv"), "id\n0\n1\n2\n3\n");
}

#[test]
fn what_is_lost_or_was_changed_is_said() {
    let folder = Folder::new();
    let file = sink(&folder, "t.csv", &[]);
    let mut writer = go_on(&file, 1, &Manifest::default()).unwrap();
    let first = step(writer.as_mut(), 1, 0..2);
    std::mem::forget(writer);
    let prepared = folder.names("").into_iter().find(|name| name.ends_with(".prepared")).unwrap();
    let whole = folder.read(&prepared);
    let refused = |manifest: &Manifest, expected: &str| {
        let error = go_on(&file, 2, manifest).err().unwrap();
        assert!(error.to_string().contains(expected) && !error.may_retry(), "{error}");
    };
    folder.write(&prepared, "id\n7\n1\n");
    refused(&first, "was never published");
    std::fs::remove_file(folder.path(&prepared)).unwrap();
    refused(&first, "was never published");
    folder.write(&prepared, whole);
    let mut writer = go_on(&file, 3, &first).unwrap();
    let second = step(writer.as_mut(), 2, 2..4);
    for (text, expected) in [("id\n", "somebody has changed it"), ("id\n0\n1\n2\n", "id\n0\n1\n2\n3\n")] {
        folder.write("t.csv", text);
        let said = writer.commit(&second.committables).map_or_else(|error| error.to_string(), |()| folder.read("t.csv"));
        assert!(said.contains(expected), "{said}");
    }
    folder.write("t.csv", "id\n0\n1\n7\n3\n");
    refused(&second, "somebody has changed it");
}

/// What a checkpoint published in part is told apart file by file: one was published and taken away, the other is lost.
#[test]
fn a_part_that_was_never_published_is_not_taken_for_one_that_was_taken_away() {
    for published in 0..3 {
        let folder = Folder::new();
        let sink = sink(&folder, "out", &[("format", "csv"), ("rolling", "rows:2")]);
        let mut writer = go_on(&sink, 1, &Manifest::default()).unwrap();
        let manifest = step(writer.as_mut(), 1, 0..6);
        assert_eq!(manifest.committables.len(), 3);
        writer.commit(&manifest.committables[..published]).unwrap();
        std::mem::forget(writer);
        let files = || folder.names("out").into_iter().filter(|name| !name.ends_with(".published")).collect::<Vec<_>>();
        // Whoever reads the output takes what is there; then somebody deletes what is hidden.
        let (hidden, shown): (Vec<_>, Vec<_>) = files().into_iter().partition(|name| name.starts_with('.'));
        assert_eq!(shown.len(), published);
        shown.iter().for_each(|name| std::fs::remove_file(folder.path(&format!("out/{name}"))).unwrap());
        let lost = hidden.last().unwrap();
        let bytes = folder.read(&format!("out/{lost}"));
        std::fs::remove_file(folder.path(&format!("out/{lost}"))).unwrap();
        for number in 2..4 {
            let error = go_on(&sink, number, &manifest).err().unwrap();
            assert!(error.to_string().contains("was never published") && !error.may_retry(), "{published}: {error}");
        }
        folder.write(&format!("out/{lost}"), bytes);
        drop(go_on(&sink, 4, &manifest).unwrap());
        assert!(files().contains(&"part-0-2.csv".to_owned()), "{:?}", files());
        files().iter().for_each(|name| std::fs::remove_file(folder.path(&format!("out/{name}"))).unwrap());
        drop(go_on(&sink, 5, &manifest).unwrap());
        assert_eq!(files(), Vec::<String>::new());
    }
}

/// A job that goes back to an older checkpoint, or to its start, does not publish anything twice unasked.
#[test]
fn going_back_is_refused_unless_it_is_allowed() {
    for (name, options) in [("out/o.csv", &[][..]), ("out", &[("format", "csv"), ("rolling", "rows:9")])] {
        let folder = Folder::new();
        let sink = sink(&folder, name, options);
        let mut writer = go_on(&sink, 1, &Manifest::default()).unwrap();
        let mut older = Manifest::default();
        for number in 1..4 {
            let manifest = step(writer.as_mut(), number, i64::from(number) * 2..i64::from(number) * 2 + 2);
            writer.commit(&manifest.committables).unwrap();
            if number == 1 {
                older = manifest;
            }
        }
        drop(writer);
        let before: Vec<_> = folder.names("out");
        for manifest in [older.clone(), Manifest::default()] {
            let error = go_on(&sink, 2, &manifest).err().unwrap();
            assert!(!error.may_retry() && error.to_string().contains("--allow-duplicates"), "{error}");
            assert!(error.to_string().contains("up to checkpoint 3"), "{error}");
        }
        assert_eq!(folder.names("out"), before, "nothing was touched");
        // Checkpoints that were deleted as a whole are others: the job starts afresh.
        let others = SinkAttempt::new("00000000000000bb");
        if !options.is_empty() {
            drop(open(&sink, &others, 0, 1).unwrap());
        }
        let allowed = SinkAttempt { may_repeat: true, ..attempt(3, &older) };
        let mut writer = open(&sink, &allowed, 0, 1).unwrap();
        writer.commit(&older.committables).unwrap();
        let again = step(writer.as_mut(), 2, 4..6);
        writer.commit(&again.committables).unwrap();
        drop(writer);
        let rows: Vec<String> = folder.names("out").into_iter().filter(|name| !name.starts_with('.')).collect();
        match options.is_empty() {
            true => assert_eq!(folder.read("out/o.csv"), "id\n2\n3\n4\n5\n", "a file goes back as well"),
            false => assert_eq!(rows, ["part-0-0.csv", "part-0-1.csv", "part-0-2.csv", "part-0-3.csv"]),
        }
        // From then on the job goes on as usual.
        drop(go_on(&sink, 4, &again).unwrap());
    }
}

/// A sink that was taken out of the job and put back adds to what it published; if it writes in another form that is refused.
#[test]
fn a_sink_that_comes_back_adds_to_what_it_published() {
    let folder = Folder::new();
    let file = sink(&folder, "t.csv", &[]);
    let mut writer = go_on(&file, 1, &Manifest::default()).unwrap();
    let first = step(writer.as_mut(), 1, 0..2);
    writer.commit(&first.committables).unwrap();
    let lost = step(writer.as_mut(), 2, 2..3);
    assert_eq!(lost.committables.len(), 1);
    std::mem::forget(writer);
    let without = Manifest { number: Some(7), ..Manifest::default() };
    let error = go_on(&sink(&folder, "t.csv", &[("delimiter", ";")]), 5, &without).err().unwrap().to_string();
    assert!(error.contains("give the sink another path"), "{error}");
    let mut writer = go_on(&file, 6, &without).unwrap();
    let next = step(writer.as_mut(), 8, 8..9);
    writer.commit(&next.committables).unwrap();
    drop(writer);
    assert_eq!(folder.read("t.csv"), "id\n0\n1\n8\n");
    assert_eq!(folder.names(""), [".t.csv.published", "t.csv"]);
}

/// What other checkpoints may still publish is not ours to remove; nor is another sink's, whose name begins alike.
#[test]
fn only_leftovers_of_one_s_own_are_removed() {
    let folder = Folder::new();
    let parts = sink(&folder, "out", &[("format", "csv"), ("rolling", "rows:9")]);
    let leftovers = [
        ".part-0-4.csv.00000000000000bb.3.prepared",
        ".part-0-5.csv.00000000000000aa.3.prepared",
        ".part-0-6.csv.00000000000000aa.3.inprogress",
        ".part-0-7.csv.inprogress",
        ".part-1-0.csv.00000000000000aa.3.prepared",
        ".part-7-0.csv.00000000000000aa.3.prepared",
        ".notes.prepared",
        ".part-0.published.new",
        ".part-1.published.new",
        ".part-7.published.new",
    ];
    leftovers.iter().for_each(|name| drop(folder.write(&format!("out/{name}"), "")));
    drop(open(&parts, &attempt(9, &Manifest::default()), 0, 2).unwrap());
    assert_eq!(folder.names("out"), [leftovers[6], leftovers[0], leftovers[4], leftovers[8]]);
    let folder = Folder::new();
    let other = ".t.csv.gz.00000000000000aa.1.4.prepared";
    folder.write(other, "");
    drop(open(&sink(&folder, "t.csv", &[]), &attempt(9, &Manifest::default()), 0, 1).unwrap());
    assert_eq!(folder.names(""), [other]);
}

/// Two runs at once: the first says that the other has taken over, and does nothing to what that one writes.
#[test]
fn an_attempt_that_is_not_dead_sees_that_another_has_taken_over() {
    for (name, options) in [("out/o.csv", &[][..]), ("out", &[("format", "csv"), ("rolling", "rows:9")])] {
        let folder = Folder::new();
        let sink = sink(&folder, name, options);
        let mut older = go_on(&sink, 1, &Manifest::default()).unwrap();
        write(older.as_mut(), 0..2);
        let mut newer = go_on(&sink, 2, &Manifest::default()).unwrap();
        write(newer.as_mut(), 0..3);
        let error = older.prepare(Epoch(1)).unwrap_err();
        assert!(error.to_string().contains("another run of the job has taken over") && !error.may_retry(), "{error}");
        drop(older);
        let manifest = step(newer.as_mut(), 1, 3..4);
        newer.commit(&manifest.committables).unwrap();
        let shown = folder.names("out").into_iter().find(|name| !name.starts_with('.')).unwrap();
        assert_eq!(folder.read(&format!("out/{shown}")), "id\n0\n1\n2\n3\n");
    }
}

#[test]
fn a_checkpoint_depends_on_the_form_of_the_output() {
    let folder = Folder::new();
    let layout = |name: &str, options: &[(&str, &str)]| sink(&folder, name, options).state_layout();
    let file = layout("t", &[("format", "csv")]);
    assert_eq!(file, layout("./t", &[("format", "csv"), ("header", "true")]));
    for options in [
        &[("format", "json")][..],
        &[("format", "csv"), ("delimiter", ";")],
        &[("format", "csv"), ("header", "false")],
        &[("format", "csv"), ("compression", "gzip")],
        &[("format", "csv"), ("rolling", "rows:1")],
    ] {
        assert_ne!(file, layout("t", options), "{options:?}");
    }
    assert_ne!(file, layout("u", &[("format", "csv")]));
    let rolling = |rule: &str, delimiter: &str| layout("t", &[("format", "csv"), ("rolling", rule), ("delimiter", delimiter)]);
    assert_eq!(rolling("rows:1", ";"), rolling("rows:2", ","), "parts stand for themselves");
}
