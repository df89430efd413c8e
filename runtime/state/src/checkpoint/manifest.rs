//! The manifest of a checkpoint: its job, its parts and their files.

use super::identity::JobIdentity;
use super::part::PartKind;
use egret_core::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A committed checkpoint. Immutable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The number of the checkpoint. It grows over all attempts of a job, with a gap for each declined checkpoint.
    pub checkpoint: u64,
    /// The position in the log of the manifest from which the attempt was restored, if it was.
    pub restored_from: Option<u64>,
    /// The oldest position in the log that was still needed when this manifest was committed. Older ones may be deleted.
    pub kept_from: u64,
    /// When it was committed, in milliseconds since 1970.
    pub time_ms: i64,
    /// The job that wrote it.
    pub job: JobIdentity,
    /// Notes of the engine.
    pub notes: BTreeMap<String, String>,
    /// The bytes of the files that were written for this checkpoint.
    pub bytes_written: u64,
    /// The bytes of all files that it needs.
    pub bytes: u64,
    /// The parts, in order of node and instance.
    pub parts: Vec<PartRef>,
}

/// A part of a checkpoint: the files of one instance of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartRef {
    /// The node's stable id.
    pub uid: String,
    /// The instance's number.
    pub instance: u32,
    /// The kind of the node.
    pub kind: PartKind,
    /// The files of a complete part and of the deltas upon it, in the order in which they are read. Never empty.
    pub chain: Vec<FileRef>,
    /// Files of keyed state that belong to the last file of the chain. Earlier checkpoints may have written them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shared: Vec<SharedFile>,
}

/// An immutable file of keyed state, which several checkpoints can have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedFile {
    /// The name that the backend gave it. Files of one instance with one name are the same.
    pub name: String,
    /// The file.
    pub file: FileRef,
}

impl PartRef {
    /// The files that the part needs.
    pub fn files(&self) -> impl Iterator<Item = &FileRef> {
        self.chain.iter().chain(self.shared.iter().map(|shared| &shared.file))
    }

    /// The bytes of these files.
    pub fn bytes(&self) -> u64 {
        self.files().map(|file| file.bytes).sum()
    }
}

/// A file of a checkpoint, with length and checksum.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FileRef {
    /// The path, below the root of the checkpoints.
    pub path: String,
    /// The checkpoint for which it was written.
    pub checkpoint: u64,
    /// Its length.
    pub bytes: u64,
    /// xxh3 (64 bit, seed 0) of all its bytes.
    #[serde(with = "super::hex")]
    pub xxh3: u64,
}

/// A part that was written, and that its manifest is to name. It can be sent to the process that writes the manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrittenPart {
    /// The node's stable id.
    pub uid: String,
    /// The instance's number.
    pub instance: u32,
    /// The kind of the node.
    pub kind: PartKind,
    /// The checkpoint upon which it is a delta; `None` if it is complete.
    pub base: Option<u64>,
    /// The file.
    pub file: FileRef,
    /// Files of keyed state that were written with it, or that an older checkpoint has.
    pub shared: Vec<SharedFile>,
}

impl WrittenPart {
    /// The files of the part, including those of older checkpoints.
    pub fn files(&self) -> impl Iterator<Item = &FileRef> {
        std::iter::once(&self.file).chain(self.shared.iter().map(|shared| &shared.file))
    }
}

/// A checkpoint before it is committed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    /// Its number, above those of all checkpoints committed before.
    pub checkpoint: u64,
    /// Now, in milliseconds since 1970.
    pub time_ms: i64,
    /// The job.
    pub job: JobIdentity,
    /// Notes of the engine.
    pub notes: BTreeMap<String, String>,
    /// The parts, in any order, each instance once.
    pub parts: Vec<WrittenPart>,
}

impl Manifest {
    /// The files that the checkpoint needs.
    pub fn files(&self) -> impl Iterator<Item = &FileRef> {
        self.parts.iter().flat_map(PartRef::files)
    }

    /// Whether it uses files of older checkpoints.
    pub fn is_incremental(&self) -> bool {
        self.files().any(|file| file.checkpoint != self.checkpoint)
    }

    /// The parts of a node, in order of instances.
    pub fn parts_of<'a>(&'a self, uid: &'a str) -> impl Iterator<Item = &'a PartRef> {
        self.parts.iter().filter(move |part| part.uid == uid)
    }
}

impl Draft {
    /// The parts with their chains. `bases` returns the manifest of a checkpoint upon which deltas may be.
    ///
    /// # Errors
    /// A part occurs twice, or is a delta upon a checkpoint that is not kept or has no such part. Both are bugs of the caller.
    pub fn chains<'a>(&self, bases: impl Fn(u64) -> Option<&'a Manifest>) -> Result<Vec<PartRef>> {
        let mut seen = BTreeSet::new();
        let mut parts = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            if !seen.insert((&part.uid, part.instance)) {
                return Err(bug(part, "is there twice"));
            }
            let mut chain = match part.base {
                None => Vec::new(),
                Some(base) => base_of(part, base, &bases)?,
            };
            chain.push(part.file.clone());
            let (uid, shared) = (part.uid.clone(), part.shared.clone());
            parts.push(PartRef { uid, instance: part.instance, kind: part.kind, chain, shared });
        }
        parts.sort_by(|a, b| (&a.uid, a.instance).cmp(&(&b.uid, b.instance)));
        Ok(parts)
    }
}

fn base_of<'a>(part: &WrittenPart, base: u64, bases: &impl Fn(u64) -> Option<&'a Manifest>) -> Result<Vec<FileRef>> {
    let manifest = bases(base).ok_or_else(|| bug(part, &format!("is a delta upon checkpoint {base}, which is not kept")))?;
    let found = manifest.parts.iter().find(|other| other.uid == part.uid && other.instance == part.instance);
    let found = found.ok_or_else(|| bug(part, &format!("is a delta upon checkpoint {base}, which has no such part")))?;
    if found.kind != part.kind {
        return Err(bug(part, &format!("is a delta upon checkpoint {base}, where it was {}", found.kind)));
    }
    Ok(found.chain.clone())
}

fn bug(part: &WrittenPart, what: &str) -> Error {
    Error::bug(format!("part {} of '{}' in a checkpoint {what}", part.instance, part.uid))
}
