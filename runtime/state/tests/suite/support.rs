//! What the tests share: a small job and its parts.

use egret_core::{KeyGroup, Result, Snapshot};
use egret_state::checkpoint::{
    Attempt, Checkpoints, Draft, JobIdentity, NodeIdentity, Outcome, Part, PartKind, PartState, Restored, SplitState,
};
use std::path::Path;

pub(crate) fn job() -> JobIdentity {
    let node =
        |uid: &str, kind| NodeIdentity { uid: uid.into(), kind, state: [("key".to_owned(), "card BIGINT".to_owned())].into() };
    let nodes = vec![node("input", PartKind::Source), node("rings", PartKind::Operator), node("alerts", PartKind::Sink)];
    JobIdentity { name: "fraud".into(), max_parallelism: 128, nodes }
}

pub(crate) fn local(path: &Path) -> Checkpoints {
    Checkpoints::local(path, &job()).unwrap()
}

/// An operator's part that says `text`.
pub(crate) fn operator(instance: u32, text: &str) -> Part {
    let own = Snapshot { keyed: vec![(KeyGroup(instance as u16), text.as_bytes().to_vec())], ..Snapshot::default() };
    Part::new("rings", instance, PartState::Operator { own, keyed: Snapshot::default() })
}

/// A part of each kind of node; the operator has two.
pub(crate) fn parts(text: &str) -> Vec<Part> {
    let bytes = text.as_bytes().to_vec();
    let split = SplitState { id: "a.csv".into(), position: bytes.clone(), watermark: vec![1] };
    vec![
        Part::new("input", 0, PartState::Source { splits: vec![split] }).engine(vec![7]),
        operator(1, text),
        operator(0, text),
        Part::new("alerts", 0, PartState::Sink { committables: vec![bytes] }),
    ]
}

pub(crate) fn draft(attempt: &Attempt, checkpoints: &Checkpoints, number: u64, parts: Vec<Part>) -> Result<Draft> {
    let parts = parts.into_iter().map(|part| checkpoints.write_part(attempt.number(), number, part)).collect::<Result<_>>()?;
    Ok(Draft { checkpoint: number, time_ms: 1_000, job: job(), parts, ..Draft::default() })
}

/// Takes the next checkpoint, and says its number.
pub(crate) fn take(attempt: &mut Attempt, checkpoints: &Checkpoints, parts: Vec<Part>) -> u64 {
    let number = attempt.next_checkpoint();
    let draft = draft(attempt, checkpoints, number, parts).unwrap();
    assert_eq!(attempt.commit(draft).unwrap(), Outcome::Committed);
    number
}

/// All parts of a checkpoint, chains behind each other.
pub(crate) fn read(checkpoints: &Checkpoints, restored: &Restored) -> Vec<Part> {
    restored.manifest.parts.iter().flat_map(|part| checkpoints.read_chain(part).unwrap()).collect()
}

/// The files below a folder, with their bytes.
pub(crate) fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// A linear congruential generator: this crate knows no test kit.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % bound
    }
}
