//! Bad input: each is refused with what is wrong, where, and what to do; or passed over and named.

use super::support::{draft, files, job, local, operator, parts, take};
use egret_core::Error;
use egret_state::checkpoint::{Checkpoints, JobIdentity};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A folder with two checkpoints.
fn two(folder: &Path) -> Checkpoints {
    let checkpoints = local(folder);
    let mut attempt = checkpoints.claim(2).unwrap();
    take(&mut attempt, &checkpoints, parts("first"));
    take(&mut attempt, &checkpoints, parts("second"));
    checkpoints
}

fn find(folder: &Path, ends: &str) -> PathBuf {
    files(folder).into_iter().find(|path| path.to_string_lossy().ends_with(ends)).unwrap()
}

fn says(error: &Error, expected: &[&str]) {
    let text = error.to_string();
    expected.iter().for_each(|part| assert!(text.contains(part), "'{part}' is not in: {text}"));
    assert!(text.contains("help: "), "{text}");
}

#[test]
fn folders_that_cannot_be_used() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    let open = |path: &Path, job: &JobIdentity| Checkpoints::local(path, job).unwrap_err();
    says(&open(&missing, &job()), &["missing", "no such folder", "create it"]);
    let file = folder.path().join("file");
    fs::write(&file, "x").unwrap();
    says(&open(&file, &job()), &["file", "need a folder", "name a folder"]);
    says(&open(folder.path(), &job()), &["'file'", "no checkpoint", "name an empty folder"]);
    says(
        &Checkpoints::read_local(folder.path()).unwrap_err(),
        &["job.json is missing", "name the folder of a job's checkpoints"],
    );
}

#[test]
fn a_folder_that_cannot_be_written() {
    let folder = tempfile::tempdir().unwrap();
    two(folder.path());
    // The superuser may write everywhere: a file in the way stops anybody.
    fs::remove_dir_all(folder.path().join("staging")).unwrap();
    fs::write(folder.path().join("staging"), "in the way").unwrap();
    let error = Checkpoints::local(folder.path(), &job()).unwrap_err().to_string();
    assert!(error.contains("staging") && error.contains("cannot be written"), "{error}");
    assert!(Checkpoints::read_local(folder.path()).unwrap().latest(&job()).unwrap().is_some(), "it can still be read");

    let closed = tempfile::tempdir().unwrap();
    fs::set_permissions(closed.path(), fs::Permissions::from_mode(0o555)).unwrap();
    if fs::write(closed.path().join("probe"), "").is_err() {
        says(&Checkpoints::local(closed.path(), &job()).unwrap_err(), &["cannot be written", "give the job the right"]);
    }
}

#[test]
fn checkpoints_of_another_job() {
    let folder = tempfile::tempdir().unwrap();
    two(folder.path());
    let other = JobIdentity { name: "billing".into(), ..job() };
    says(&Checkpoints::local(folder.path(), &other).unwrap_err(), &["job 'fraud'", "job 'billing'", "folder of its own"]);
    let wider = JobIdentity { max_parallelism: 256, ..job() };
    says(&Checkpoints::local(folder.path(), &wider).unwrap_err(), &["128 key groups", "256", "set max_parallelism to 128"]);
}

/// The text of a newer version, with a checksum that fits.
fn as_version(path: &Path, version: &str) {
    let text = fs::read_to_string(path).unwrap().replace("\"format\": 3", &format!("\"format\": {version}"));
    let content = &text[..text.len() - 28];
    let sum = xxhash_rust::xxh3::xxh3_64(content.as_bytes());
    fs::write(path, format!("{content}{{\"xxh3\":\"{sum:016x}\"}}\n")).unwrap();
}

#[test]
fn a_newer_version_is_not_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = two(folder.path());
    as_version(&find(folder.path(), "3.json"), "4");
    for error in [checkpoints.latest(&job()).unwrap_err(), checkpoints.claim(1).unwrap_err()] {
        says(&error, &["3.json", "format version 4", "up to version 3", "later one"]);
    }
    as_version(&folder.path().join("job.json"), "7");
    says(&Checkpoints::local(folder.path(), &job()).unwrap_err(), &["job.json", "format version 7"]);
}

#[test]
fn every_damage_to_the_newest_is_named_and_the_one_before_is_used() {
    type Harm = fn(&Path);
    let harms: [(&str, Harm, &str); 3] = [
        ("deleted", |path| fs::remove_file(path).unwrap(), "missing"),
        ("flipped", |path| flip(path), "checksum"),
        ("cut", |path| fs::write(path, &fs::read(path).unwrap()[1..]).unwrap(), "bytes and should have"),
    ];
    for (what, harm, expected) in harms {
        for part in ["input-0.part", "rings-0.part", "rings-1.part", "alerts-0.part"] {
            let folder = tempfile::tempdir().unwrap();
            let checkpoints = two(folder.path());
            harm(&find(folder.path(), &format!("data/1-2/{part}")));
            let restored = checkpoints.latest(&job()).unwrap().unwrap();
            assert_eq!(restored.manifest.checkpoint, 1, "{what}");
            assert!(restored.is_extendable, "checkpoint 2 says that 1 is kept");
            let passed_over = restored.passed_over[0].to_string();
            assert!(passed_over.starts_with("checkpoint 2 cannot be used"), "{passed_over}");
            assert!(passed_over.contains(part) && passed_over.contains(expected), "{passed_over}");
        }
    }
}

fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_damaged_manifest_is_passed_over_and_never_taken_for_free() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = two(folder.path());
    flip(&find(folder.path(), "3.json"));
    let mut attempt = checkpoints.claim(1).unwrap();
    assert_eq!(attempt.number(), 4);
    let restored = attempt.restore(&job()).unwrap().unwrap();
    assert_eq!(restored.manifest.checkpoint, 1);
    assert!(!restored.is_extendable);
    let passed_over = restored.passed_over[0].to_string();
    assert!(passed_over.contains("3.json") && passed_over.contains("checksum"), "{passed_over}");

    let upon = draft(&attempt, &checkpoints, 5, vec![operator(0, "delta").upon(1)]).unwrap();
    assert!(attempt.commit(upon).unwrap_err().to_string().contains("not kept"));
    take(&mut attempt, &checkpoints, parts("whole"));
    assert_eq!(attempt.clean().unwrap().manifests, 1);
    assert!(folder.path().join("log/00000000000000000003.json").exists());
}

#[test]
fn nothing_usable_is_no_checkpoint_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = two(folder.path());
    files(folder.path()).iter().filter(|path| path.to_string_lossy().ends_with("rings-0.part")).for_each(|path| flip(path));
    let error = checkpoints.latest(&job()).unwrap_err();
    says(&error, &["checkpoint 2 cannot be used", "checkpoint 1 cannot be used", "rings-0.part"]);
}

#[test]
fn an_attempt_that_was_torn_as_it_began_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = Checkpoints::local(folder.path(), &job()).unwrap();
    checkpoints.claim(1).unwrap();
    flip(&find(folder.path(), "1.json"));
    assert!(checkpoints.latest(&job()).unwrap().is_none());
    // Once an attempt has begun, what is damaged may be a checkpoint.
    let attempt = checkpoints.claim(1).unwrap();
    assert_eq!(attempt.number(), 2);
    checkpoints.claim(1).unwrap();
    flip(&find(folder.path(), "3.json"));
    says(&checkpoints.latest(&job()).unwrap_err(), &["no checkpoint is intact", "3.json"]);
}

#[test]
fn a_damaged_part_does_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = two(folder.path());
    let restored = checkpoints.latest(&job()).unwrap().unwrap();
    flip(&find(folder.path(), "data/1-2/rings-0.part"));
    let chain = &restored.manifest.parts_of("rings").next().unwrap();
    says(&checkpoints.read_chain(chain).unwrap_err(), &["data/1-2/rings-0.part", "checksum", "restore an older"]);
    fs::remove_file(find(folder.path(), "data/1-2/rings-0.part")).unwrap();
    says(&checkpoints.read_chain(chain).unwrap_err(), &["data/1-2/rings-0.part", "missing", "restore an older"]);
}

#[test]
fn what_a_killed_process_left_in_staging_is_removed_by_the_next_attempt() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = two(folder.path());
    fs::write(folder.path().join("staging/1-1"), "half a file").unwrap();
    checkpoints.claim(1).unwrap();
    assert_eq!(fs::read_dir(folder.path().join("staging")).unwrap().count(), 0);
}

/// Whoever deletes a damaged `job.json`, as its message says, has the same checkpoints afterwards: what they published is known by it.
#[test]
fn a_deleted_owner_gets_its_id_back() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = two(folder.path());
    let again = local(folder.path());
    assert_eq!(again.claim(2).unwrap().number(), 4);
    let owner = folder.path().join("job.json");
    fs::write(&owner, "{").unwrap();
    says(&Checkpoints::local(folder.path(), &job()).unwrap_err(), &["job.json", "delete it"]);
    fs::remove_file(&owner).unwrap();
    let found = local(folder.path());
    assert_eq!(found.id(), checkpoints.id());
    assert!(found.latest(&job()).unwrap().is_some());
    // A folder that is deleted as a whole is another one.
    ["job.json", "log/", "data/"].iter().for_each(|name| {
        let path = folder.path().join(name);
        drop(fs::remove_file(&path).or_else(|_| fs::remove_dir_all(&path)));
    });
    assert_ne!(local(folder.path()).id(), checkpoints.id());
}
