//! The bytes of a part's file.
//!
//! # Format, version 1
//! All integers are little endian. Nothing follows the checksum.
//!
//! | bytes | what |
//! | --- | --- |
//! | 8 | `EGRTPART` |
//! | 2 | the version: `1` |
//! | 1 | the node: 1 operator, 2 source, 3 sink |
//! | 8 | the attempt that wrote it |
//! | 8 | the checkpoint that it was written for |
//! | 8 | the checkpoint that it is a delta upon; 0 if it is whole |
//! | 4 | the instance |
//! | 4 | the length of the node's uid |
//! | n | the uid, UTF-8 |
//! | 4 | how many sections follow |
//! | 19 | of each section: its kind (1 byte), its key group (2 bytes, 0 if it has none), its length (8 bytes), its xxh3 (8 bytes) |
//! | n | the sections, one behind the other |
//! | 8 | the checksum: xxh3 (64 bit, seed 0) of everything before it |
//!
//! A section has a checksum of its own, so that a reader can fetch the key groups it needs and nothing else.
//!
//! | kind | what | in |
//! | --- | --- | --- |
//! | 1 | state of keys that the operator keeps itself, one entry | operators |
//! | 2 | state that the operator keeps itself and that belongs to no key, one entry | operators |
//! | 3 | state of keys that the backend keeps, one entry | operators |
//! | 4 | state that the backend keeps and that belongs to no key, one entry | operators |
//! | 5 | what the engine keeps; once, first, unless it is empty | all |
//! | 6, 7, 8 | a split: its id (UTF-8), its position, the state of its watermark; always the three of them in this order | sources |
//! | 9 | a committable | sinks |
//! | 10 | a copy of what every instance has: how far it is (8 bytes), then the copy; at most once | operators |
//! | 11 | state that the operator keeps itself and that belongs to no key nor instance, one entry | operators |

use super::part::{Part, PartKind, PartState, SplitState};
use bytes::Bytes;
use egret_core::{Error, KeyGroup, Replica, Result, Snapshot};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// The version that is written.
pub const VERSION: u16 = 1;

const MAGIC: &[u8; 8] = b"EGRTPART";
const CHECKSUM_BYTES: usize = 8;
/// What a section costs in the table.
const ENTRY_BYTES: usize = 19;

/// A part as bytes, in pieces so that state need not be copied.
pub(super) struct Encoded {
    pub(super) pieces: Vec<Bytes>,
    pub(super) bytes: u64,
    /// Of all bytes, with the checksum at the end.
    pub(super) xxh3: u64,
}

/// A part, and for what it was written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Decoded {
    pub(super) attempt: u64,
    pub(super) checkpoint: u64,
    pub(super) part: Part,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Kind {
    OwnKeyed = 1,
    OwnOperator = 2,
    BackendKeyed = 3,
    BackendOperator = 4,
    Engine = 5,
    SplitId = 6,
    SplitPosition = 7,
    SplitWatermark = 8,
    Committable = 9,
    OwnReplica = 10,
    OwnSplit = 11,
}

const KINDS: [Kind; 11] = [
    Kind::OwnKeyed,
    Kind::OwnOperator,
    Kind::BackendKeyed,
    Kind::BackendOperator,
    Kind::Engine,
    Kind::SplitId,
    Kind::SplitPosition,
    Kind::SplitWatermark,
    Kind::Committable,
    Kind::OwnReplica,
    Kind::OwnSplit,
];

struct Section<B> {
    kind: Kind,
    group: KeyGroup,
    bytes: B,
}

/// Writes a part.
///
/// # Errors
/// The uid is longer than 4 GiB, or there are more than 2^32 sections.
pub(super) fn encode(part: Part, attempt: u64, checkpoint: u64) -> Result<Encoded> {
    let mut head = Vec::with_capacity(64);
    head.extend_from_slice(MAGIC);
    head.extend_from_slice(&VERSION.to_le_bytes());
    head.push(kind_byte(part.state.kind()));
    for number in [attempt, checkpoint, part.base.unwrap_or(0)] {
        head.extend_from_slice(&number.to_le_bytes());
    }
    head.extend_from_slice(&part.instance.to_le_bytes());
    head.extend_from_slice(&count(part.uid.len())?);
    head.extend_from_slice(part.uid.as_bytes());
    let sections = sections(part);
    head.extend_from_slice(&count(sections.len())?);
    for section in &sections {
        head.push(section.kind as u8);
        head.extend_from_slice(&section.group.0.to_le_bytes());
        head.extend_from_slice(&(section.bytes.len() as u64).to_le_bytes());
        head.extend_from_slice(&xxh3_64(&section.bytes).to_le_bytes());
    }
    let mut pieces = vec![Bytes::from(head)];
    pieces.extend(sections.into_iter().map(|section| Bytes::from(section.bytes)));
    Ok(close(pieces))
}

/// Adds the checksum.
fn close(mut pieces: Vec<Bytes>) -> Encoded {
    let mut hash = Xxh3::new();
    pieces.iter().for_each(|piece| hash.update(piece));
    let checksum = hash.digest().to_le_bytes();
    hash.update(&checksum);
    pieces.push(Bytes::copy_from_slice(&checksum));
    let bytes = pieces.iter().map(|piece| piece.len() as u64).sum();
    Encoded { pieces, bytes, xxh3: hash.digest() }
}

fn sections(part: Part) -> Vec<Section<Vec<u8>>> {
    let mut all = Vec::new();
    let mut add = |kind, group, bytes| all.push(Section { kind, group, bytes });
    if !part.engine.is_empty() {
        add(Kind::Engine, KeyGroup(0), part.engine);
    }
    match part.state {
        PartState::Operator { own, keyed } => {
            own.keyed.into_iter().for_each(|(group, bytes)| add(Kind::OwnKeyed, group, bytes));
            own.operator.into_iter().for_each(|bytes| add(Kind::OwnOperator, KeyGroup(0), bytes));
            if let Some(Replica { version, bytes }) = own.replica {
                add(Kind::OwnReplica, KeyGroup(0), [&version.to_le_bytes(), bytes.as_slice()].concat());
            }
            own.split.into_iter().for_each(|bytes| add(Kind::OwnSplit, KeyGroup(0), bytes));
            keyed.keyed.into_iter().for_each(|(group, bytes)| add(Kind::BackendKeyed, group, bytes));
            keyed.operator.into_iter().for_each(|bytes| add(Kind::BackendOperator, KeyGroup(0), bytes));
        }
        PartState::Source { splits } => splits.into_iter().for_each(|split| {
            add(Kind::SplitId, KeyGroup(0), split.id.into_bytes());
            add(Kind::SplitPosition, KeyGroup(0), split.position);
            add(Kind::SplitWatermark, KeyGroup(0), split.watermark);
        }),
        PartState::Sink { committables } => {
            committables.into_iter().for_each(|bytes| add(Kind::Committable, KeyGroup(0), bytes));
        }
    }
    all
}

/// Reads what [`encode`] wrote.
///
/// # Errors
/// The version is newer than this program's, or a single byte is not what was written.
pub(super) fn decode(bytes: &[u8]) -> Result<Decoded> {
    let (content, checksum) = bytes.split_last_chunk::<CHECKSUM_BYTES>().ok_or_else(|| damaged("it ends too early"))?;
    let mut reader = Reader { bytes: content };
    if reader.take(MAGIC.len())? != MAGIC {
        return Err(damaged("it does not begin like a part of a checkpoint"));
    }
    let version = u16::from_le_bytes(reader.array()?);
    if version > VERSION {
        return Err(Error::state(format!("it has version {version}, this program reads up to version {VERSION}"))
            .help("use the program that wrote it, or a later one"));
    }
    let found = xxh3_64(content);
    let expected = u64::from_le_bytes(*checksum);
    if found != expected || version != VERSION {
        return Err(damaged(&format!("its checksum is {found:016x} and should be {expected:016x}")));
    }
    read_content(reader)
}

fn read_content(mut reader: Reader<'_>) -> Result<Decoded> {
    let [kind] = reader.array()?;
    let kind = kind_of(kind).ok_or_else(|| damaged("its kind of node is unknown"))?;
    let attempt = u64::from_le_bytes(reader.array()?);
    let checkpoint = u64::from_le_bytes(reader.array()?);
    let base = u64::from_le_bytes(reader.array()?);
    let instance = u32::from_le_bytes(reader.array()?);
    let uid_bytes = u32::from_le_bytes(reader.array()?);
    let uid = text(reader.take(uid_bytes as usize)?)?;
    let sections = read_sections(&mut reader)?;
    let (engine, state) = assemble(kind, sections)?;
    let part = Part { uid, instance, base: (base != 0).then_some(base), engine, state };
    Ok(Decoded { attempt, checkpoint, part })
}

fn read_sections<'a>(reader: &mut Reader<'a>) -> Result<Vec<Section<&'a [u8]>>> {
    let count = u32::from_le_bytes(reader.array()?) as usize;
    let table_bytes = count.checked_mul(ENTRY_BYTES).ok_or_else(|| damaged("it ends too early"))?;
    let mut table = Reader { bytes: reader.take(table_bytes)? };
    let mut sections = Vec::with_capacity(count);
    for _ in 0..count {
        let [kind] = table.array()?;
        let kind =
            KINDS.into_iter().find(|known| *known as u8 == kind).ok_or_else(|| damaged("a section is of no known kind"))?;
        let group = KeyGroup(u16::from_le_bytes(table.array()?));
        let length = usize::try_from(u64::from_le_bytes(table.array()?)).map_err(|_| damaged("it ends too early"))?;
        let checksum = u64::from_le_bytes(table.array()?);
        let bytes = reader.take(length)?;
        if xxh3_64(bytes) != checksum {
            return Err(damaged("the checksum of a section does not fit"));
        }
        sections.push(Section { kind, group, bytes });
    }
    if reader.bytes.is_empty() { Ok(sections) } else { Err(damaged("there are bytes behind its end")) }
}

fn replica(bytes: &[u8]) -> Result<Replica> {
    let (version, bytes) = bytes.split_first_chunk::<8>().ok_or_else(|| damaged("a copy is without its version"))?;
    Ok(Replica { version: i64::from_le_bytes(*version), bytes: bytes.to_vec() })
}

fn assemble(kind: PartKind, sections: Vec<Section<&[u8]>>) -> Result<(Vec<u8>, PartState)> {
    let (mut engine, mut own, mut keyed) = (Vec::new(), Snapshot::default(), Snapshot::default());
    let (mut splits, mut committables) = (Vec::<SplitState>::new(), Vec::new());
    for Section { kind: section, group, bytes } in sections {
        let last_split = || damaged("a split's position is without its id");
        match (kind, section) {
            (_, Kind::Engine) => engine = bytes.to_vec(),
            (PartKind::Operator, Kind::OwnKeyed) => own.keyed.push((group, bytes.to_vec())),
            (PartKind::Operator, Kind::OwnOperator) => own.operator.push(bytes.to_vec()),
            (PartKind::Operator, Kind::OwnReplica) => own.replica = Some(replica(bytes)?),
            (PartKind::Operator, Kind::OwnSplit) => own.split.push(bytes.to_vec()),
            (PartKind::Operator, Kind::BackendKeyed) => keyed.keyed.push((group, bytes.to_vec())),
            (PartKind::Operator, Kind::BackendOperator) => keyed.operator.push(bytes.to_vec()),
            (PartKind::Source, Kind::SplitId) => splits.push(SplitState { id: text(bytes)?, ..SplitState::default() }),
            (PartKind::Source, Kind::SplitPosition) => splits.last_mut().ok_or_else(last_split)?.position = bytes.to_vec(),
            (PartKind::Source, Kind::SplitWatermark) => splits.last_mut().ok_or_else(last_split)?.watermark = bytes.to_vec(),
            (PartKind::Sink, Kind::Committable) => committables.push(bytes.to_vec()),
            _ => return Err(damaged("a section does not belong to such a node")),
        }
    }
    let state = match kind {
        PartKind::Operator => PartState::Operator { own, keyed },
        PartKind::Source => PartState::Source { splits },
        PartKind::Sink => PartState::Sink { committables },
    };
    Ok((engine, state))
}

fn kind_byte(kind: PartKind) -> u8 {
    match kind {
        PartKind::Operator => 1,
        PartKind::Source => 2,
        PartKind::Sink => 3,
    }
}

fn kind_of(byte: u8) -> Option<PartKind> {
    [PartKind::Operator, PartKind::Source, PartKind::Sink].into_iter().find(|kind| kind_byte(*kind) == byte)
}

fn count(items: usize) -> Result<[u8; 4]> {
    let items =
        u32::try_from(items).map_err(|_| Error::data(format!("a part of a checkpoint with {items} sections or bytes of uid")))?;
    Ok(items.to_le_bytes())
}

fn text(bytes: &[u8]) -> Result<String> {
    String::from_utf8(bytes.to_vec()).map_err(|_| damaged("a name is not UTF-8"))
}

fn damaged(how: &str) -> Error {
    Error::state(format!("the file is damaged: {how}")).help("restore an older checkpoint")
}

struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(count).ok_or_else(|| damaged("it ends too early"))?;
        self.bytes = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        Ok(self.take(N)?.try_into().expect("take gives as many bytes as asked for"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// One part of each kind, with every section there is.
    pub(super) fn samples() -> Vec<Part> {
        let snapshot = |salt: u8| Snapshot {
            keyed: vec![(KeyGroup(3), vec![salt, 1]), (KeyGroup(3), vec![]), (KeyGroup(127), vec![salt; 5])],
            operator: vec![vec![salt, 2], vec![]],
            ..Snapshot::default()
        };
        let replica = Some(Replica { version: -9, bytes: vec![4, 5] });
        let shares = Snapshot { replica, split: vec![vec![6], vec![]], ..Snapshot::default() };
        let split = |id: &str| SplitState { id: id.into(), position: vec![7, 8], watermark: vec![9] };
        vec![
            Part::new("rings", 2, PartState::Operator { own: snapshot(10), keyed: snapshot(20) }).upon(6).engine(vec![1, 2, 3]),
            Part::new("überweisungen", 0, PartState::Source { splits: vec![split("a.csv"), split(""), split("b.csv")] }),
            Part::new("alerts", 1, PartState::Sink { committables: vec![vec![1], vec![], vec![2, 3]] }),
            Part::new("", 0, PartState::Operator { own: Snapshot::default(), keyed: Snapshot::default() }),
            Part::new("model risk: score", 3, PartState::Operator { own: shares, keyed: Snapshot::default() }),
        ]
    }

    fn bytes_of(part: &Part) -> Vec<u8> {
        let encoded = encode(part.clone(), 5, 7).unwrap();
        let bytes = encoded.pieces.concat();
        assert_eq!((bytes.len() as u64, xxh3_64(&bytes)), (encoded.bytes, encoded.xxh3));
        bytes
    }

    #[test]
    fn what_is_written_is_read() {
        for part in samples() {
            assert_eq!(decode(&bytes_of(&part)).unwrap(), Decoded { attempt: 5, checkpoint: 7, part });
        }
    }

    /// The committed files are what version 1 wrote, and must be read for ever.
    #[test]
    fn the_format_is_fixed() {
        let fixtures = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/part-v1");
        for (part, name) in samples().into_iter().zip(["operator", "source", "sink", "empty", "shares"]) {
            let written = std::fs::read(fixtures.join(name)).unwrap();
            assert_eq!(decode(&written).unwrap(), Decoded { attempt: 5, checkpoint: 7, part: part.clone() }, "{name}");
            assert_eq!(bytes_of(&part), written, "{name}: a change of the format needs another version");
        }
    }

    #[test]
    fn damage_is_found() {
        for part in samples() {
            let whole = bytes_of(&part);
            for position in 0..whole.len() {
                for bit in 0..8 {
                    let mut damaged = whole.clone();
                    damaged[position] ^= 1 << bit;
                    assert!(decode(&damaged).is_err(), "{}: bit {bit} of byte {position} was flipped unnoticed", part.uid);
                }
                assert!(decode(&whole[..position]).is_err(), "{}: {position} bytes were taken for all", part.uid);
            }
            assert!(decode(&[whole, vec![0]].concat()).is_err(), "{}: a byte too many", part.uid);
        }
    }

    #[test]
    fn a_newer_version_is_refused_by_name() {
        let mut newer = bytes_of(&samples()[0]);
        newer[8] = 2;
        let error = decode(&newer).unwrap_err().to_string();
        assert!(error.contains("version 2") && error.contains("up to version 1") && error.contains("later one"), "{error}");
    }
}
