//! The bytes of the file of a part.
//!
//! # Format, version 2
//! All integers are little endian. Nothing follows the checksum. The file is a stream: a writer or a reader holds no more of it
//! than a section.
//!
//! | bytes | what |
//! | --- | --- |
//! | 8 | `EGRTPART` |
//! | 2 | the version: `2` |
//! | 1 | the node: 1 operator, 2 source, 3 sink |
//! | 8 | the attempt that wrote it |
//! | 8 | the checkpoint that it was written for |
//! | 8 | the checkpoint that it is a delta upon; 0 if it is whole |
//! | 4 | the instance |
//! | 4 | the length of the node's uid |
//! | n | the uid, UTF-8 |
//! | 19 | of each section: its kind (1 byte), its key group (2 bytes, 0 if it has none), its length (8 bytes), its xxh3 (8 bytes) |
//! | n | and the section |
//! | 1 | `0`: there are no more sections |
//! | 8 | the checksum: xxh3 (64 bit, seed 0) of everything before it |
//!
//! # Version 1
//! Version 1 is read, and no longer written. After the uid it has the number of sections (4 bytes), then the 19 bytes of every
//! section, then all sections, and the checksum.
//!
//! # Sections
//! | kind | what | in |
//! | --- | --- | --- |
//! | 1 | state of keys that the operator keeps itself, one entry | operators |
//! | 2 | state that the operator keeps itself, for the first instance alone, one entry | operators |
//! | 3 | state of keys that the backend keeps, one piece | operators |
//! | 4 | state that the backend keeps, for the first instance alone, one entry; is not written any more | operators |
//! | 5 | what the engine keeps; once, first, unless it is empty | all |
//! | 6, 7, 8 | a split: its id (UTF-8), its position, the state of its watermark; always the three of them in this order | sources |
//! | 9 | a committable | sinks |
//! | 10 | state that is replicated: its version (8 bytes), then the copy; at most once | operators |
//! | 11 | state that is split among instances, one entry | operators |
//!
//! A file that checkpoints share has only sections of kind 3.

use super::part::{Part, PartKind, PartState};
use egret_core::{Error, KeyGroup, Replicated, Result};

/// The version that is written.
pub const VERSION: u16 = 2;
/// Version 1, in which a table of all sections precedes them.
pub(super) const TABLE_VERSION: u16 = 1;

pub(super) const MAGIC: &[u8; 8] = b"EGRTPART";
pub(super) const CHECKSUM_BYTES: usize = 8;
/// The length of the description of a section.
pub(super) const ENTRY_BYTES: usize = 19;
/// The byte in place of a kind after the last section.
pub(super) const END: u8 = 0;

/// The head of a file: the part, and the attempt and checkpoint for which it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) kind: PartKind,
    pub(super) attempt: u64,
    pub(super) checkpoint: u64,
    pub(super) base: Option<u64>,
    pub(super) instance: u32,
    pub(super) uid: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    OwnKeyed = 1,
    OwnFirst = 2,
    BackendKeyed = 3,
    BackendFirst = 4,
    Engine = 5,
    SplitId = 6,
    SplitPosition = 7,
    SplitWatermark = 8,
    Committable = 9,
    OwnReplicated = 10,
    OwnSplit = 11,
}

pub(super) const KINDS: [Kind; 11] = [
    Kind::OwnKeyed,
    Kind::OwnFirst,
    Kind::BackendKeyed,
    Kind::BackendFirst,
    Kind::Engine,
    Kind::SplitId,
    Kind::SplitPosition,
    Kind::SplitWatermark,
    Kind::Committable,
    Kind::OwnReplicated,
    Kind::OwnSplit,
];

/// A section before it is written.
pub(super) struct Section {
    pub(super) kind: Kind,
    pub(super) group: KeyGroup,
    pub(super) bytes: Vec<u8>,
}

impl Head {
    /// # Errors
    /// The uid is longer than 4 GiB.
    pub(super) fn encode(&self) -> Result<Vec<u8>> {
        let mut head = Vec::with_capacity(64);
        head.extend_from_slice(MAGIC);
        head.extend_from_slice(&VERSION.to_le_bytes());
        head.push(kind_byte(self.kind));
        for number in [self.attempt, self.checkpoint, self.base.unwrap_or(0)] {
            head.extend_from_slice(&number.to_le_bytes());
        }
        head.extend_from_slice(&self.instance.to_le_bytes());
        let uid_bytes = u32::try_from(self.uid.len()).map_err(|_| Error::data("the uid of a node has more than 4 GiB"))?;
        head.extend_from_slice(&uid_bytes.to_le_bytes());
        head.extend_from_slice(self.uid.as_bytes());
        Ok(head)
    }
}

/// The description of a section, which precedes it.
pub(super) fn entry(kind: Kind, group: KeyGroup, bytes: u64, xxh3: u64) -> [u8; ENTRY_BYTES] {
    let mut entry = [0; ENTRY_BYTES];
    entry[0] = kind as u8;
    entry[1..3].copy_from_slice(&group.0.to_le_bytes());
    entry[3..11].copy_from_slice(&bytes.to_le_bytes());
    entry[11..].copy_from_slice(&xxh3.to_le_bytes());
    entry
}

/// The sections of a part that is in memory.
pub(super) fn sections(part: Part) -> impl Iterator<Item = Section> {
    let section = |kind, group, bytes| Section { kind, group, bytes };
    let plain = move |kind| move |bytes| section(kind, KeyGroup(0), bytes);
    let engine = (!part.engine.is_empty()).then(|| section(Kind::Engine, KeyGroup(0), part.engine));
    let state: Box<dyn Iterator<Item = Section>> = match part.state {
        PartState::Operator { own, keyed } => {
            let copy = |Replicated { version, bytes }| [&version.to_le_bytes(), bytes.as_slice()].concat();
            let own_keyed = own.keyed.into_iter().map(move |(group, bytes)| section(Kind::OwnKeyed, group, bytes));
            let backend = keyed.keyed.into_iter().map(move |(group, bytes)| section(Kind::BackendKeyed, group, bytes));
            Box::new(
                own_keyed
                    .chain(own.first.into_iter().map(plain(Kind::OwnFirst)))
                    .chain(own.replicated.map(copy).map(plain(Kind::OwnReplicated)))
                    .chain(own.split.into_iter().map(plain(Kind::OwnSplit)))
                    .chain(backend),
            )
        }
        PartState::Source { splits } => Box::new(splits.into_iter().flat_map(move |split| {
            let id = section(Kind::SplitId, KeyGroup(0), split.id.into_bytes());
            let position = section(Kind::SplitPosition, KeyGroup(0), split.position);
            [id, position, section(Kind::SplitWatermark, KeyGroup(0), split.watermark)]
        })),
        PartState::Sink { committables } => Box::new(committables.into_iter().map(plain(Kind::Committable))),
    };
    engine.into_iter().chain(state)
}

fn kind_byte(kind: PartKind) -> u8 {
    match kind {
        PartKind::Operator => 1,
        PartKind::Source => 2,
        PartKind::Sink => 3,
    }
}

pub(super) fn kind_of(byte: u8) -> Option<PartKind> {
    [PartKind::Operator, PartKind::Source, PartKind::Sink].into_iter().find(|kind| kind_byte(*kind) == byte)
}

pub(super) fn damaged(how: &str) -> Error {
    Error::state(format!("the file is damaged: {how}")).help("restore an older checkpoint")
}
