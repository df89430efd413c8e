//! Written, committed, restored, and cleaned up after.

use super::support::{draft, files, job, local, operator, parts, read, take};
use egret_state::checkpoint::{Checkpoints, Outcome, check_differences};
use std::path::Path;

fn count(root: &Path, below: &str) -> usize {
    files(root).iter().filter(|path| path.to_string_lossy().contains(&format!("/{below}/"))).count()
}

#[test]
fn the_newest_checkpoint_is_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = local(folder.path());
    let mut attempt = checkpoints.claim(2).unwrap();
    assert_eq!(attempt.restore(&job()).unwrap(), None);
    take(&mut attempt, &checkpoints, parts("first"));
    let number = take(&mut attempt, &checkpoints, parts("second"));

    let again = local(folder.path());
    let mut next = again.claim(2).unwrap();
    let restored = next.restore(&job()).unwrap().unwrap();
    assert_eq!((restored.manifest.checkpoint, restored.attempt), (number, attempt.number()));
    assert!(restored.is_extendable && restored.passed_over.is_empty() && restored.differences.is_empty());
    let mut expected = parts("second");
    expected.sort_by(|a, b| (&a.uid, a.instance).cmp(&(&b.uid, b.instance)));
    assert_eq!(read(&again, &restored), expected);
    assert!(next.number() > attempt.number() && next.next_checkpoint() > number);
}

#[test]
fn an_older_attempt_cannot_commit() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = local(folder.path());
    let mut old = checkpoints.claim(2).unwrap();
    take(&mut old, &checkpoints, parts("old"));
    let late = draft(&old, &checkpoints, old.next_checkpoint(), parts("too late")).unwrap();
    let mut new = checkpoints.claim(2).unwrap();
    assert_eq!(old.commit(late.clone()).unwrap(), Outcome::Fenced { by: new.number() });
    assert!(old.commit(late).unwrap_err().to_string().contains("fenced"));
    let restored = new.restore(&job()).unwrap().unwrap();
    assert_eq!(restored.manifest.checkpoint, 1);
    assert_eq!(new.clean().unwrap().files, 4, "what the old one wrote in vain");
    take(&mut new, &checkpoints, parts("new"));
}

#[test]
fn a_declined_checkpoint_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = local(folder.path());
    let mut attempt = checkpoints.claim(1).unwrap();
    let first = take(&mut attempt, &checkpoints, parts("first"));
    draft(&attempt, &checkpoints, first + 1, parts("declined")).unwrap();
    assert_eq!(attempt.abandon(first + 1).unwrap(), 4);
    assert_eq!(count(folder.path(), "data"), 4);
    assert!(attempt.abandon(first).unwrap_err().to_string().contains("was committed"));
    let third = take(&mut attempt, &checkpoints, parts("third"));
    assert_eq!(third, first + 2);
    assert_eq!(checkpoints.latest(&job()).unwrap().unwrap().manifest.checkpoint, third);
}

#[test]
fn as_many_are_kept_as_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = local(folder.path());
    let mut attempt = checkpoints.claim(3).unwrap();
    for number in 1..=10 {
        take(&mut attempt, &checkpoints, parts("x"));
        attempt.clean().unwrap();
        assert_eq!(checkpoints.list().unwrap().0.len(), number.min(3));
        assert_eq!(count(folder.path(), "data"), number.min(3) * 4);
    }
    let mut next = checkpoints.claim(1).unwrap();
    next.restore(&job()).unwrap().unwrap();
    assert_eq!(next.clean().unwrap().manifests, 0, "until it has one of its own it keeps what there is");
    take(&mut next, &checkpoints, parts("y"));
    let cleaned = next.clean().unwrap();
    assert_eq!((cleaned.manifests, cleaned.files), (3, 12));
}

#[test]
fn a_chain_of_deltas_is_given_in_order_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = local(folder.path());
    let mut attempt = checkpoints.claim(1).unwrap();
    let mut base = take(&mut attempt, &checkpoints, vec![operator(0, "whole"), operator(1, "whole")]);
    for delta in ["one", "two"] {
        base = take(&mut attempt, &checkpoints, vec![operator(0, delta).upon(base), operator(1, "whole again")]);
        attempt.clean().unwrap();
    }
    let texts =
        |number: u64| [operator(0, "whole"), operator(0, "one").upon(1), operator(0, "two").upon(2)][..number as usize].to_vec();
    let restored = checkpoints.latest(&job()).unwrap().unwrap();
    assert!(restored.manifest.is_incremental() && restored.manifest.bytes_written < restored.manifest.bytes);
    assert_eq!(checkpoints.read_chain(&restored.manifest.parts[0]).unwrap(), texts(3));
    assert_eq!(checkpoints.read_chain(&restored.manifest.parts[1]).unwrap(), [operator(1, "whole again")]);
    assert_eq!(count(folder.path(), "data"), 4, "three files of a chain, one whole part");

    // The next attempt goes on with the chain.
    let mut next = checkpoints.claim(1).unwrap();
    assert!(next.restore(&job()).unwrap().unwrap().is_extendable);
    take(&mut next, &checkpoints, vec![operator(0, "three").upon(base)]);
    next.clean().unwrap();
    let restored = checkpoints.latest(&job()).unwrap().unwrap();
    assert_eq!(checkpoints.read_chain(&restored.manifest.parts[0]).unwrap().len(), 4);

    // A whole part ends it.
    take(&mut next, &checkpoints, vec![operator(0, "whole")]);
    next.clean().unwrap();
    assert_eq!(count(folder.path(), "data"), 1);
}

#[test]
fn drafts_that_cannot_be_right_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = local(folder.path());
    let mut attempt = checkpoints.claim(1).unwrap();
    take(&mut attempt, &checkpoints, vec![operator(0, "x")]);
    take(&mut attempt, &checkpoints, vec![operator(0, "x")]);
    let mut refuse = |number: u64, parts, expected: &str| {
        let draft = draft(&attempt, &checkpoints, number, parts).unwrap();
        let error = attempt.commit(draft).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    refuse(2, vec![operator(0, "x")], "3 is next");
    refuse(3, vec![operator(0, "x"), operator(0, "y")], "twice");
    refuse(3, vec![operator(0, "x").upon(1)], "checkpoint 1, which is not kept");
    refuse(3, vec![operator(1, "x").upon(2)], "checkpoint 2, which has no such part");
    let mut stray = draft(&attempt, &checkpoints, 4, vec![operator(0, "x")]).unwrap();
    stray.checkpoint = 5;
    assert!(attempt.commit(stray).unwrap_err().to_string().contains("cannot have the file"));
}

#[test]
fn what_differs_in_the_job_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = local(folder.path());
    let mut attempt = checkpoints.claim(1).unwrap();
    take(&mut attempt, &checkpoints, parts("x"));
    let mut changed = job();
    changed.nodes[1].state.insert("key".into(), "card VARCHAR".into());
    changed.nodes.pop();
    let restored = checkpoints.latest(&changed).unwrap().unwrap();
    let error = check_differences(&restored.differences, true).unwrap_err().to_string();
    assert!(error.contains("'rings': key was 'card BIGINT' and is now 'card VARCHAR'"), "{error}");
    assert_eq!(restored.differences.len(), 2);
}

/// Version 2 had event times in milliseconds, so that its state would be misread.
#[test]
fn a_folder_of_version_2_is_refused() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/root-v2");
    let error = Checkpoints::read_local(&folder).map(drop).unwrap_err().to_string();
    assert!(
        error.contains("format version 2, which had event times in milliseconds") && error.contains("another folder"),
        "{error}"
    );
}

/// What version 3 wrote must be read for ever: two attempts, a chain, a declined checkpoint.
#[test]
fn a_folder_of_version_3_is_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/root-v3");
    let checkpoints = Checkpoints::read_local(&folder).unwrap();
    let restored = checkpoints.latest(&job()).unwrap().unwrap();
    assert_eq!((restored.manifest.checkpoint, restored.attempt, restored.position), (4, 4, 5));
    assert_eq!(restored.differences, []);
    let operator_parts: Vec<_> = restored.manifest.parts_of("rings").map(|part| checkpoints.read_chain(part).unwrap()).collect();
    assert_eq!(operator_parts, [vec![operator(0, "first"), operator(0, "delta").upon(2)], vec![operator(1, "whole")]]);
    let input = restored.manifest.parts_of("input").next().unwrap();
    assert_eq!(checkpoints.read_chain(input).unwrap(), parts("second")[..1]);
}
