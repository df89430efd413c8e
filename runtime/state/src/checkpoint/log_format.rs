//! An entry of the log: the start of an attempt, or a manifest.
//!
//! # Format, version 3
//! The file `log/<position, 20 digits>.json` is UTF-8 text: a JSON object, a line feed, and a last line
//! `{"xxh3":"<16 digits>"}` with a line feed, where the digits are the xxh3 (64 bit, seed 0) of every byte before that line, in
//! lower-case hexadecimal. The object's members:
//!
//! | name | what |
//! | --- | --- |
//! | `format` | the version: `3` |
//! | `position` | the position in the log, as in the file's name |
//! | `attempt` | the attempt that wrote it: the position of that attempt's own start |
//! | `entry` | `{"kind": "start", "claim": <16 hexadecimal digits, random>, "checkpoints": <the `id` of `job.json`>}`, or the manifest: see below |
//!
//! `checkpoints` may be missing: older programs did not write it. A `job.json` that was deleted gets its `id` from there. A
//! manifest has `"kind": "checkpoint"` and the members of [`Manifest`], by their names: `checkpoint`, `restored_from` (or null),
//! `kept_from`, `time_ms`, `job` (`name`, `max_parallelism`, `nodes` with `uid`, `kind`, `state`), `notes`, `bytes_written`,
//! `bytes`, and `parts` with `uid`, `instance`, `kind` (`operator`, `source`, `sink`), `chain`, a list of files with `path`,
//! `checkpoint`, `bytes` and `xxh3` (16 hexadecimal digits), and `shared`, unless it is empty: a list of `name` and `file`.
//! Unknown members are skipped.

use super::manifest::Manifest;
use egret_core::{Error, Result};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

/// The version that is written, and the only one that is read. In older versions event times were milliseconds, which an
/// operator's bytes do not say.
pub const VERSION: u32 = 3;

/// An entry of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    format: u32,
    pub(super) position: u64,
    pub(super) attempt: u64,
    #[serde(rename = "entry")]
    pub(super) what: What,
}

/// The content of an entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(super) enum What {
    /// An attempt began.
    Start {
        /// Distinguishes the claims of two attempts for one position.
        #[serde(with = "super::hex")]
        claim: u64,
        /// The id of the checkpoints.
        #[serde(default, skip_serializing_if = "Option::is_none", with = "super::hex::optional")]
        checkpoints: Option<u64>,
    },
    /// A checkpoint was committed.
    Checkpoint(Manifest),
}

/// The reason why an entry cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// The bytes are not what was written.
    Damaged(String),
    /// This program does not know the version.
    Newer(u32),
    /// No program reads this version any more.
    Older(u32),
}

impl Unreadable {
    pub(super) fn to_error(&self) -> Error {
        match self {
            Self::Damaged(how) => Error::state(format!("the file is damaged: {how}")),
            Self::Newer(version) => newer_version(*version),
            Self::Older(version) => older_version(*version),
        }
    }
}

/// The error for a folder that a later program wrote.
pub(super) fn newer_version(version: u32) -> Error {
    Error::job(format!("the checkpoints have format version {version}, this program reads up to version {VERSION}"))
        .help("use the program that wrote them or a later one, or name another folder")
}

/// The error for a folder of a version that is no longer read.
pub(super) fn older_version(version: u32) -> Error {
    let was = match version {
        ..2 => "knew state by its place in the program",
        _ => "had event times in milliseconds",
    };
    Error::job(format!("the checkpoints have format version {version}, which {was}; this program reads version {VERSION}"))
        .help("name another folder, and let the job read its input from the beginning")
}

#[derive(Deserialize)]
struct Version {
    format: u32,
}

impl Entry {
    pub(super) fn new(position: u64, attempt: u64, what: What) -> Self {
        Self { format: VERSION, position, attempt, what }
    }

    /// The bytes of the entry's file.
    ///
    /// # Errors
    /// The entry cannot be written as JSON, which would be a bug.
    pub(super) fn encode(&self) -> Result<Vec<u8>> {
        seal(self)
    }

    /// Reads the entry of `position`.
    pub(super) fn decode(bytes: &[u8], position: u64) -> Result<Self, Unreadable> {
        let entry: Self = unseal(bytes)?;
        if entry.position != position {
            return Err(Unreadable::Damaged(format!("it was written for position {} of the log", entry.position)));
        }
        Ok(entry)
    }
}

/// JSON, followed by a line with its checksum.
pub(super) fn seal(value: &impl Serialize) -> Result<Vec<u8>> {
    let mut bytes =
        serde_json::to_vec_pretty(value).map_err(|error| Error::bug(format!("a manifest cannot be written: {error}")))?;
    bytes.push(b'\n');
    let seal = seal_line(&bytes);
    bytes.extend_from_slice(seal.as_bytes());
    Ok(bytes)
}

/// Reads what [`seal`] wrote.
pub(super) fn unseal<T: for<'a> Deserialize<'a>>(bytes: &[u8]) -> Result<T, Unreadable> {
    let content = bytes.len().checked_sub(seal_line(&[]).len()).map(|length| bytes.split_at(length));
    let (content, seal) = content.ok_or_else(|| Unreadable::Damaged("it ends too early".into()))?;
    if seal != seal_line(content).as_bytes() {
        return Err(Unreadable::Damaged("its checksum does not fit".into()));
    }
    let damaged = |error: serde_json::Error| Unreadable::Damaged(error.to_string());
    let Version { format } = serde_json::from_slice(content).map_err(damaged)?;
    if format > VERSION {
        return Err(Unreadable::Newer(format));
    }
    if format < VERSION {
        return Err(Unreadable::Older(format));
    }
    serde_json::from_slice(content).map_err(damaged)
}

fn seal_line(content: &[u8]) -> String {
    format!("{{\"xxh3\":\"{:016x}\"}}\n", xxh3_64(content))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::checkpoint::{FileRef, JobIdentity, NodeIdentity, PartKind, PartRef};

    pub(super) fn sample() -> Entry {
        let file = |checkpoint: u64| FileRef {
            path: format!("data/3-{checkpoint}/rings-0.part"),
            checkpoint,
            bytes: 1 << 40,
            xxh3: u64::MAX - checkpoint,
        };
        let state = [("key".to_owned(), "card BIGINT".to_owned())].into();
        let nodes = vec![NodeIdentity { uid: "rings".into(), kind: PartKind::Operator, state }];
        Entry::new(
            9,
            3,
            What::Checkpoint(Manifest {
                checkpoint: 7,
                restored_from: Some(2),
                kept_from: 8,
                time_ms: 1_700_000_000_000,
                job: JobIdentity { name: "fraud \"ü\"".into(), max_parallelism: 128, nodes },
                notes: [("epoch".to_owned(), "4".to_owned())].into(),
                bytes_written: 1 << 40,
                bytes: 1 << 41,
                parts: vec![PartRef {
                    uid: "rings".into(),
                    instance: 0,
                    kind: PartKind::Operator,
                    chain: vec![file(6), file(7)],
                    shared: Vec::new(),
                }],
            }),
        )
    }

    #[test]
    fn what_is_written_is_read() {
        let start = |checkpoints| Entry::new(3, 3, What::Start { claim: u64::MAX, checkpoints });
        for entry in [sample(), start(None), start(Some(7))] {
            let bytes = entry.encode().unwrap();
            assert_eq!(Entry::decode(&bytes, entry.position).unwrap(), entry);
            let error = Entry::decode(&bytes, 4).unwrap_err();
            assert!(matches!(&error, Unreadable::Damaged(how) if how.contains("position")), "{error:?}");
        }
    }

    /// The committed files are what version 3 wrote, and must be read for ever.
    #[test]
    fn the_format_is_fixed() {
        let fixtures = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/log-v3");
        let start = Entry::new(3, 3, What::Start { claim: 10, checkpoints: None });
        for (entry, name) in [(sample(), "checkpoint.json"), (start, "start.json")] {
            let written = std::fs::read(fixtures.join(name)).unwrap();
            assert_eq!(Entry::decode(&written, entry.position).unwrap(), entry);
            assert_eq!(entry.encode().unwrap(), written, "{name}: a change of the format needs another version");
        }
    }

    #[test]
    fn damage_is_found() {
        let whole = sample().encode().unwrap();
        for position in 0..whole.len() {
            for bit in 0..8 {
                let mut damaged = whole.clone();
                damaged[position] ^= 1 << bit;
                assert!(Entry::decode(&damaged, 9).is_err(), "bit {bit} of byte {position} was flipped unnoticed");
            }
            assert!(Entry::decode(&whole[..position], 9).is_err(), "{position} bytes were taken for all");
        }
        assert!(Entry::decode(&[whole, vec![b'\n']].concat(), 9).is_err());
    }

    #[test]
    fn a_newer_version_is_told_from_damage() {
        let entry = Entry { format: 4, ..sample() };
        let unreadable = Entry::decode(&entry.encode().unwrap(), 9).unwrap_err();
        assert_eq!(unreadable, Unreadable::Newer(4));
        let error = unreadable.to_error().to_string();
        assert!(error.contains("version 4") && error.contains("up to version 3"), "{error}");
        let unknown = seal(&serde_json::json!({"format": 5, "shape": "other"})).unwrap();
        assert_eq!(Entry::decode(&unknown, 9).unwrap_err(), Unreadable::Newer(5));
        let older = Entry { format: 1, ..sample() };
        let error = Entry::decode(&older.encode().unwrap(), 9).unwrap_err().to_error().to_string();
        assert!(error.contains("format version 1") && error.contains("reads version 3"), "{error}");
    }
}
