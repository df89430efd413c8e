//! Files that checkpoints share: they stay as long as a kept checkpoint has them, and no longer.

use super::support::{Random, files, job, local, operator};
use egret_core::{KeyGroup, PartWriter, Result, Snapshot};
use egret_state::checkpoint::{Attempt, Checkpoints, Draft, Outcome, PartKind, PartState, SharedFile, WrittenPart};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The content of a file by its name: what a backend that keeps to the contract gives.
fn content(name: &str) -> Vec<(KeyGroup, Vec<u8>)> {
    (0..3).map(|group| (KeyGroup(group), format!("{name} {group}").into_bytes())).collect()
}

/// Writes the part of an instance that has these files; counts the files that are written.
fn write(
    checkpoints: &Checkpoints,
    attempt: u64,
    number: u64,
    instance: u32,
    names: &BTreeSet<String>,
    before: &[SharedFile],
) -> (Result<WrittenPart>, usize) {
    let mut written = 0;
    let mut all = || {
        let mut stream = checkpoints.begin_part(attempt, number, operator(instance, "own"), before)?;
        stream.keyed(KeyGroup(9), number.to_le_bytes().to_vec())?;
        for name in names {
            stream.file(name, &mut |file| {
                written += 1;
                content(name).into_iter().try_for_each(|(group, bytes)| file.keyed(group, bytes))
            })?;
        }
        stream.finish()
    };
    (all(), written)
}

/// What an instance's part is to have, read.
fn expected(number: u64, names: &BTreeSet<String>) -> Vec<(KeyGroup, Vec<u8>)> {
    let own = (KeyGroup(9), number.to_le_bytes().to_vec());
    std::iter::once(own).chain(names.iter().flat_map(|name| content(name))).collect()
}

fn data(folder: &Path) -> BTreeSet<String> {
    let of = |path: std::path::PathBuf| path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
    files(folder).into_iter().map(of).filter(|path| path.starts_with("data/")).collect()
}

/// All checkpoints that are listed are whole and have what was written; nothing else is there.
fn check(folder: &Path, checkpoints: &Checkpoints, told: &BTreeMap<u64, Vec<BTreeSet<String>>>, is_clean: bool, place: &str) {
    let (listed, damaged) = checkpoints.list().unwrap();
    assert_eq!(damaged, [], "{place}");
    let mut needed = BTreeSet::new();
    for of in &listed {
        let number = of.manifest.checkpoint;
        assert_eq!(checkpoints.find_damage(&of.manifest).unwrap(), None, "{place}: checkpoint {number}");
        for (part, names) in of.manifest.parts.iter().zip(&told[&number]) {
            let chain = checkpoints.read_chain(part).unwrap();
            let [one] = chain.as_slice() else { panic!("{place}: a chain of {}", chain.len()) };
            let PartState::Operator { keyed, .. } = &one.state else { panic!("it is an operator's") };
            assert_eq!(keyed.keyed, expected(number, names), "{place}: checkpoint {number}, instance {}", part.instance);
        }
        let bytes: u64 = of.manifest.files().map(|file| file.bytes).sum();
        assert_eq!((of.manifest.bytes, of.manifest.bytes_written <= bytes), (bytes, true), "{place}");
        needed.extend(of.manifest.files().map(|file| file.path.clone()));
    }
    if is_clean {
        assert_eq!(data(folder), needed, "{place}");
    }
}

/// The names that an instance has next: some of the old, some new ones.
fn next_names(random: &mut Random, old: &BTreeSet<String>, number: u64) -> BTreeSet<String> {
    let mut names: BTreeSet<String> = old.iter().filter(|_| random.below(4) > 0).cloned().collect();
    names.extend((0..random.below(3)).map(|more| format!("{number}-{more}")));
    names
}

/// The last checkpoint: its number, and the names and files of each instance.
type Last = (u64, Vec<BTreeSet<String>>, Vec<Vec<SharedFile>>);

/// Commits a checkpoint of two instances, or gives it up; says whether it is there.
fn checkpoint(checkpoints: &Checkpoints, attempt: &mut Attempt, random: &mut Random, last: &mut Option<Last>) -> bool {
    let number = attempt.next_checkpoint();
    let none = (0, vec![BTreeSet::new(); 2], vec![Vec::new(); 2]);
    let (_, old, before) = last.as_ref().unwrap_or(&none);
    let (mut parts, mut names) = (Vec::new(), Vec::new());
    for instance in 0..2 {
        names.push(next_names(random, &old[instance], number));
        let there: BTreeSet<&String> = before[instance].iter().map(|file| &file.name).collect();
        let (part, written) = write(checkpoints, attempt.number(), number, instance as u32, &names[instance], &before[instance]);
        assert_eq!(written, names[instance].iter().filter(|name| !there.contains(name)).count(), "what is there is not written");
        parts.push(part.unwrap());
    }
    if random.below(4) == 0 {
        // A crash, or a part that another worker could not write: nobody says any more that it is to be there.
        if random.below(2) == 0 {
            attempt.abandon(number).unwrap();
        } else {
            *last = None;
        }
        return false;
    }
    let shared = parts.iter().map(|part| part.shared.clone()).collect();
    let draft = Draft { checkpoint: number, job: job(), parts, ..Draft::default() };
    assert_eq!(attempt.commit(draft).unwrap(), Outcome::Committed);
    *last = Some((number, names, shared));
    true
}

#[test]
fn whatever_checkpoints_share_is_there_as_long_as_one_is_kept_that_has_it() {
    for seed in 0..30 {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = local(folder.path());
        let mut random = Random(seed);
        let mut told = BTreeMap::new();
        for run in 0..3 {
            let mut attempt = checkpoints.claim(1 + random.below(3)).unwrap();
            attempt.restore(&job()).unwrap();
            let mut last = None;
            for step in 0..8 {
                let is_there = checkpoint(&checkpoints, &mut attempt, &mut random, &mut last);
                if let (true, Some((number, names, _))) = (is_there, &last) {
                    told.insert(*number, names.clone());
                }
                let is_crash = last.is_none() && step > 0;
                let cleans = !is_crash && random.below(3) > 0;
                if cleans {
                    attempt.clean().unwrap();
                }
                check(folder.path(), &checkpoints, &told, cleans && is_there, &format!("seed {seed}, run {run}, step {step}"));
                if is_crash {
                    break;
                }
            }
        }
        // Whatever crashes left behind goes when the next attempt has a checkpoint of its own.
        let mut attempt = checkpoints.claim(1).unwrap();
        attempt.restore(&job()).unwrap();
        let mut last = None;
        while !checkpoint(&checkpoints, &mut attempt, &mut random, &mut last) {}
        let (number, names, _) = last.unwrap();
        told.insert(number, names);
        attempt.clean().unwrap();
        check(folder.path(), &checkpoints, &told, true, &format!("seed {seed}, at the end"));
    }
}

#[test]
fn a_crash_while_files_are_deleted_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = local(folder.path());
    let (mut told, mut random) = (BTreeMap::new(), Random(5));
    let mut attempt = checkpoints.claim(1).unwrap();
    let mut last = None;
    for _ in 0..6 {
        if checkpoint(&checkpoints, &mut attempt, &mut random, &mut last) {
            let (number, names, _) = last.clone().unwrap();
            told.insert(number, names);
        }
    }
    // Manifests go first, then files, one by one: after each of them the process may be gone.
    let (listed, _) = checkpoints.list().unwrap();
    let (newest, older) = listed.split_last().unwrap();
    let needed: BTreeSet<&String> = newest.manifest.files().map(|file| &file.path).collect();
    for of in older {
        std::fs::remove_file(folder.path().join(format!("log/{:020}.json", of.position))).unwrap();
        check(folder.path(), &checkpoints, &told, false, "a manifest is gone");
    }
    let unneeded: Vec<String> = data(folder.path()).into_iter().filter(|path| !needed.contains(path)).collect();
    assert!(unneeded.len() > 3);
    for path in &unneeded[..unneeded.len() / 2] {
        std::fs::remove_file(folder.path().join(path)).unwrap();
        check(folder.path(), &checkpoints, &told, false, "a file is gone");
    }
    let mut next = checkpoints.claim(1).unwrap();
    let restored = next.restore(&job()).unwrap().unwrap();
    assert_eq!(restored.manifest, newest.manifest);
    let (number, names, shared) = last.unwrap();
    // It may share what the one that it goes on from has.
    let part = |instance: usize| {
        let (part, written) =
            write(&checkpoints, next.number(), number + 1, instance as u32, &names[instance], &shared[instance]);
        assert_eq!(written, 0);
        part.unwrap()
    };
    let draft = Draft { checkpoint: number + 1, job: job(), parts: vec![part(0), part(1)], ..Draft::default() };
    assert_eq!(next.commit(draft).unwrap(), Outcome::Committed);
    told.insert(number + 1, names);
    next.clean().unwrap();
    check(folder.path(), &checkpoints, &told, true, "cleaned");
}

#[test]
fn files_of_checkpoints_that_are_not_kept_cannot_be_shared() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = local(folder.path());
    let mut attempt = checkpoints.claim(1).unwrap();
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<String>>();
    let mut shared = Vec::new();
    for (number, has) in [(1, names(&["a"])), (2, names(&["b"]))] {
        let part = write(&checkpoints, attempt.number(), number, 0, &has, &[]).0.unwrap();
        shared.push(part.shared.clone());
        attempt.commit(Draft { checkpoint: number, job: job(), parts: vec![part], ..Draft::default() }).unwrap();
    }
    let part = write(&checkpoints, attempt.number(), 3, 0, &names(&["a"]), &shared[0]).0.unwrap();
    let error = attempt.commit(Draft { checkpoint: 3, job: job(), parts: vec![part], ..Draft::default() }).unwrap_err();
    assert!(error.to_string().contains("cannot have the file data/1-1/rings-0.a.part"), "{error}");
    let twice = checkpoints.begin_part(attempt.number(), 4, operator(0, "own"), &[]).and_then(|mut stream| {
        stream.file("a", &mut |_| Ok(()))?;
        stream.file("a", &mut |_| Ok(()))
    });
    assert!(twice.unwrap_err().to_string().contains("two files 'a'"));
}

#[test]
fn a_shared_file_that_is_gone_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = local(folder.path());
    let mut attempt = checkpoints.claim(1).unwrap();
    let names: BTreeSet<String> = ["a".to_owned()].into();
    let part = write(&checkpoints, attempt.number(), 1, 0, &names, &[]).0.unwrap();
    assert_eq!(part.kind, PartKind::Operator);
    attempt.commit(Draft { checkpoint: 1, job: job(), parts: vec![part], ..Draft::default() }).unwrap();
    std::fs::remove_file(folder.path().join("data/1-1/rings-0.a.part")).unwrap();
    let error = checkpoints.latest(&job()).unwrap_err().to_string();
    assert!(error.contains("rings-0.a.part: it is missing"), "{error}");
}

/// State of several times what a store takes at once.
#[test]
fn a_large_part_is_written_and_read_in_pieces() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = local(folder.path());
    let mut attempt = checkpoints.claim(1).unwrap();
    let piece = |number: u16| vec![number as u8; 700_000 + usize::from(number)];
    let mut stream = checkpoints.begin_part(attempt.number(), 1, operator(0, "own"), &[]).unwrap();
    for number in 0..40 {
        stream.keyed(KeyGroup(number), piece(number)).unwrap();
        assert!(data(folder.path()).is_empty(), "it is there when all of it is");
    }
    let part = stream.finish().unwrap();
    assert!(part.file.bytes > 28_000_000);
    attempt.commit(Draft { checkpoint: 1, job: job(), parts: vec![part], ..Draft::default() }).unwrap();
    let restored = checkpoints.latest(&job()).unwrap().unwrap();
    let read = checkpoints.read_groups(&restored.manifest.parts[0], &|group| group.0 % 10 == 3).unwrap();
    let PartState::Operator { own, keyed } = &read[0].state else { panic!("it is an operator's") };
    assert_eq!(own, &Snapshot::default(), "of group 0, which nobody wants");
    assert_eq!(keyed.keyed, [3, 13, 23, 33].map(|group| (KeyGroup(group), piece(group))));

    // One that is given up leaves nothing.
    let mut stream = checkpoints.begin_part(attempt.number(), 2, operator(0, "own"), &[]).unwrap();
    (0..40).for_each(|number| stream.keyed(KeyGroup(number), piece(number)).unwrap());
    drop(stream);
    assert_eq!(data(folder.path()).len(), 1);
    assert_eq!(std::fs::read_dir(folder.path().join("staging")).unwrap().count(), 0);
}
