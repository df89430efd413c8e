//! Decisions about the log as pure functions of its entries.
//!
//! # The log
//! The log is a sequence of entries, each created once, at the position after the last. An attempt begins by appending its *start*,
//! whose position is the attempt's number, and commits a checkpoint by appending a manifest. Every writer creates the position after
//! the last entry it knows, so an attempt that does not know a newer attempt's start cannot append any more: the position is taken.
//! Everything that an older attempt committed is therefore before the newer one's start, where the newer one sees it. Starts are never
//! deleted, so the position stays taken.
//!
//! A position can hold an entry that cannot be read (a torn write). Such an entry is passed over and never deleted.

use std::collections::{BTreeMap, BTreeSet};

/// An entry of the log, as far as the decisions need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fact {
    /// An attempt began; its number is the position.
    Start,
    /// A checkpoint was committed.
    Checkpoint { attempt: u64, checkpoint: u64, kept_from: u64 },
    /// The entry cannot be read.
    Damaged,
}

/// The entries of a log, by position.
pub(super) type Facts = BTreeMap<u64, Fact>;

/// The position that the next entry takes.
pub(super) fn next_position(taken: impl IntoIterator<Item = u64>) -> u64 {
    taken.into_iter().max().map_or(1, |last| last + 1)
}

/// A number for the next checkpoint that no checkpoint of the log has. Each damaged entry at the end may be one.
pub(super) fn next_checkpoint(facts: &Facts) -> u64 {
    let mut damaged = 0;
    for fact in facts.values().rev() {
        match fact {
            Fact::Checkpoint { checkpoint, .. } => return checkpoint + damaged + 1,
            Fact::Damaged => damaged += 1,
            Fact::Start => {}
        }
    }
    damaged + 1
}

/// The reaction of an attempt to a position that is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Conflict {
    /// The attempt has committed this already: the store's answer was lost.
    Committed { position: u64 },
    /// Another attempt has taken over.
    Fenced { by: u64 },
    /// The attempt tries the next position.
    Next { position: u64 },
}

/// Decides for the attempt `me`, which wants to commit `checkpoint` after its last known entry `tail`; `facts` are the entries
/// after `tail`.
pub(super) fn after_conflict(facts: &Facts, me: u64, tail: u64, checkpoint: u64) -> Conflict {
    for (&position, fact) in facts.range(tail + 1..) {
        match *fact {
            Fact::Start => return Conflict::Fenced { by: position },
            Fact::Checkpoint { attempt, .. } if attempt != me => return Conflict::Fenced { by: attempt },
            Fact::Checkpoint { checkpoint: found, .. } if found == checkpoint => return Conflict::Committed { position },
            Fact::Checkpoint { .. } | Fact::Damaged => {}
        }
    }
    Conflict::Next { position: next_position(facts.keys().copied().chain([tail])) }
}

/// The oldest position that stays once the last of `lineage` is committed, if `keep` checkpoints are kept.
///
/// `lineage` has the positions of the checkpoints that led to this one, ascending.
pub(super) fn kept_from(lineage: &[u64], keep: usize) -> Option<u64> {
    lineage.iter().rev().take(keep.max(1)).min().copied()
}

/// What an attempt may delete.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Deletions {
    /// Positions of manifests.
    pub(super) manifests: Vec<u64>,
    /// Files of parts. None if a kept manifest cannot be read: the files that it needs are not known then.
    pub(super) files: Vec<String>,
}

/// A file of a part, and the attempt and checkpoint for which it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DataFile {
    pub(super) path: String,
    pub(super) attempt: u64,
    pub(super) checkpoint: u64,
}

/// The deletions that the attempt `me` may make: manifests before `kept_from`, and files that no other manifest needs. Files of a
/// newer attempt stay, and so do those of its own checkpoints after `settled`, the last one that was committed.
pub(super) fn deletions(
    facts: &Facts,
    kept_from: u64,
    files: Vec<DataFile>,
    needed: &BTreeSet<String>,
    me: u64,
    settled: u64,
) -> Deletions {
    let is_manifest = |fact: &Fact| matches!(fact, Fact::Checkpoint { .. });
    let manifests = facts.range(..kept_from).filter(|(_, fact)| is_manifest(fact)).map(|(position, _)| *position).collect();
    let is_unclear = facts.range(kept_from..).any(|(_, fact)| *fact == Fact::Damaged);
    let is_over = |file: &DataFile| file.attempt < me || (file.attempt == me && file.checkpoint <= settled);
    let unneeded = files.into_iter().filter(|file| !is_unclear && is_over(file) && !needed.contains(&file.path));
    Deletions { manifests, files: unneeded.map(|file| file.path).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint(attempt: u64, checkpoint: u64) -> Fact {
        Fact::Checkpoint { attempt, checkpoint, kept_from: 1 }
    }

    fn log(facts: &[(u64, Fact)]) -> Facts {
        facts.iter().copied().collect()
    }

    #[test]
    fn positions_and_numbers_grow() {
        assert_eq!(next_position([]), 1);
        assert_eq!(next_position([4, 9, 2]), 10);
        assert_eq!(next_checkpoint(&log(&[])), 1);
        assert_eq!(next_checkpoint(&log(&[(1, Fact::Start), (2, checkpoint(1, 5)), (3, Fact::Start)])), 6);
        assert_eq!(next_checkpoint(&log(&[(2, checkpoint(1, 5)), (3, Fact::Damaged), (4, Fact::Start), (5, Fact::Damaged)])), 8);
        assert_eq!(next_checkpoint(&log(&[(3, Fact::Damaged)])), 2);
    }

    #[test]
    fn a_conflict_is_settled_by_who_is_behind() {
        let cases: [(&[(u64, Fact)], Conflict); 7] = [
            (&[(6, Fact::Start)], Conflict::Fenced { by: 6 }),
            (&[(6, Fact::Damaged), (7, checkpoint(6, 9))], Conflict::Fenced { by: 6 }),
            (&[(6, checkpoint(5, 8))], Conflict::Committed { position: 6 }),
            (&[(6, checkpoint(5, 8)), (7, Fact::Start)], Conflict::Committed { position: 6 }),
            (&[(6, checkpoint(5, 7))], Conflict::Next { position: 7 }),
            (&[(6, Fact::Damaged)], Conflict::Next { position: 7 }),
            (&[], Conflict::Next { position: 6 }),
        ];
        for (facts, expected) in cases {
            assert_eq!(after_conflict(&log(facts), 5, 5, 8), expected, "{facts:?}");
        }
        let before = log(&[(2, Fact::Start), (3, checkpoint(2, 8)), (6, Fact::Damaged)]);
        assert_eq!(after_conflict(&before, 5, 5, 8), Conflict::Next { position: 7 }, "what is in front does not matter");
    }

    #[test]
    fn the_newest_are_kept() {
        assert_eq!(kept_from(&[], 3), None);
        assert_eq!(kept_from(&[2, 4, 7], 2), Some(4));
        assert_eq!(kept_from(&[2, 4, 7], 9), Some(2));
        assert_eq!(kept_from(&[2, 4, 7], 0), Some(7), "one is always kept");
    }

    fn file(attempt: u64, checkpoint: u64) -> DataFile {
        DataFile { path: format!("{attempt}-{checkpoint}"), attempt, checkpoint }
    }

    #[test]
    fn nothing_that_is_needed_or_another_s_is_deleted() {
        let facts = log(&[(1, Fact::Start), (2, checkpoint(1, 1)), (3, Fact::Damaged), (4, Fact::Start), (5, checkpoint(4, 4))]);
        let needed = ["1-1".to_owned(), "4-4".to_owned()].into();
        let files = || vec![file(1, 1), file(1, 2), file(4, 3), file(4, 4), file(4, 5), file(6, 2)];
        let expected = Deletions { manifests: vec![2], files: vec!["1-2".into(), "4-3".into()] };
        assert_eq!(deletions(&facts, 4, files(), &needed, 4, 4), expected);
        let unclear = Deletions { manifests: vec![2], files: vec![] };
        assert_eq!(deletions(&facts, 3, files(), &needed, 4, 4), unclear);
        assert_eq!(deletions(&facts, 0, files(), &needed, 4, 4), Deletions::default());
    }
}
