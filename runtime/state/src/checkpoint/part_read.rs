//! Reads the file of a part as a stream, and keeps the key groups that are wanted.

use super::files::Digest;
use super::part::{Part, PartKind, PartState, SplitState};
use super::part_format::{CHECKSUM_BYTES, END, ENTRY_BYTES, Head, KINDS, Kind, MAGIC, TABLE_VERSION, VERSION, damaged, kind_of};
use bytes::Bytes;
use egret_core::{Error, KeyGroup, Replicated, Result, Snapshot};
use xxhash_rust::xxh3::Xxh3;

/// The memory that is reserved for a section in advance, however long it claims to be.
const ROOM_MAX: usize = 1 << 20;

/// A part, and the attempt and checkpoint for which it was written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Decoded {
    pub(super) attempt: u64,
    pub(super) checkpoint: u64,
    pub(super) part: Part,
}

/// Reads a part from the pieces that `next` returns. Of state by key group, only the groups for which `wanted` is true are kept.
///
/// # Errors
/// `next` fails. The inner result fails if the version is newer than this program's, or a single byte is not what was written;
/// the digest is that of the file then, too.
pub(super) fn decode(
    next: impl FnMut() -> Result<Option<Bytes>>,
    wanted: &dyn Fn(KeyGroup) -> bool,
) -> Result<(Result<Decoded>, Digest)> {
    let mut reader = Reader { next, piece: Bytes::new(), hash: Xxh3::new(), bytes: 0, failed: None };
    let decoded = read_file(&mut reader, wanted);
    let rest = reader.skip_all();
    if let Some(error) = reader.failed.take() {
        return Err(error);
    }
    let digest = Digest { bytes: reader.bytes, xxh3: reader.hash.digest() };
    let decoded = if rest == 0 { decoded } else { decoded.and_then(|_| Err(damaged("there are bytes behind its end"))) };
    Ok((decoded, digest))
}

fn read_file<N: FnMut() -> Result<Option<Bytes>>>(reader: &mut Reader<N>, wanted: &dyn Fn(KeyGroup) -> bool) -> Result<Decoded> {
    let version = reader.begin()?;
    let [kind] = reader.array()?;
    let kind = kind_of(kind).ok_or_else(|| damaged("its kind of node is unknown"))?;
    let [attempt, checkpoint, base] = [reader.number()?, reader.number()?, reader.number()?];
    let instance = u32::from_le_bytes(reader.array()?);
    let uid_bytes = u32::from_le_bytes(reader.array()?);
    let uid = text(reader.take(uid_bytes.into())?)?;
    let base = (base != 0).then_some(base);
    let head = Head { kind, attempt, checkpoint, base, instance, uid };
    let mut content = Content::default();
    if version == TABLE_VERSION {
        let sections = u32::from_le_bytes(reader.array()?);
        let table = reader.take(u64::from(sections) * ENTRY_BYTES as u64)?;
        table.chunks_exact(ENTRY_BYTES).try_for_each(|entry| content.section(reader, kind, entry, wanted))?;
    } else {
        loop {
            let first = reader.array::<1>()?;
            if first == [END] {
                break;
            }
            let entry = [&first[..], &reader.array::<{ ENTRY_BYTES - 1 }>()?].concat();
            content.section(reader, kind, &entry, wanted)?;
        }
    }
    let found = reader.hash.digest();
    let expected = u64::from_le_bytes(reader.array::<CHECKSUM_BYTES>()?);
    if found != expected {
        return Err(damaged(&format!("its checksum is {found:016x} and should be {expected:016x}")));
    }
    Ok(content.assemble(head))
}

/// The sections of a part that were read.
#[derive(Default)]
struct Content {
    engine: Vec<u8>,
    own: Snapshot,
    keyed: Snapshot,
    splits: Vec<SplitState>,
    committables: Vec<Vec<u8>>,
}

impl Content {
    /// Reads a section, checks it, and keeps it if it is wanted.
    fn section<N: FnMut() -> Result<Option<Bytes>>>(
        &mut self,
        reader: &mut Reader<N>,
        node: PartKind,
        entry: &[u8],
        wanted: &dyn Fn(KeyGroup) -> bool,
    ) -> Result<()> {
        let mut entry = Entry(entry);
        let [kind] = entry.take();
        let kind =
            KINDS.into_iter().find(|known| *known as u8 == kind).ok_or_else(|| damaged("a section is of no known kind"))?;
        let group = KeyGroup(u16::from_le_bytes(entry.take()));
        let (length, checksum) = (u64::from_le_bytes(entry.take()), u64::from_le_bytes(entry.take()));
        let of_group = matches!(kind, Kind::OwnKeyed | Kind::BackendKeyed);
        let (bytes, found) = if of_group && !wanted(group) { (None, reader.skip(length)?) } else { reader.section(length)? };
        if found != checksum {
            return Err(damaged("the checksum of a section does not fit"));
        }
        bytes.map_or(Ok(()), |bytes| self.keep(node, kind, group, bytes))
    }

    fn keep(&mut self, node: PartKind, kind: Kind, group: KeyGroup, bytes: Vec<u8>) -> Result<()> {
        let last_split = || damaged("a split's position is without its id");
        match (node, kind) {
            (_, Kind::Engine) => self.engine = bytes,
            (PartKind::Operator, Kind::OwnKeyed) => self.own.keyed.push((group, bytes)),
            (PartKind::Operator, Kind::OwnFirst) => self.own.first.push(bytes),
            (PartKind::Operator, Kind::OwnReplicated) => self.own.replicated = Some(replica(&bytes)?),
            (PartKind::Operator, Kind::OwnSplit) => self.own.split.push(bytes),
            (PartKind::Operator, Kind::BackendKeyed) => self.keyed.keyed.push((group, bytes)),
            (PartKind::Operator, Kind::BackendFirst) => self.keyed.first.push(bytes),
            (PartKind::Source, Kind::SplitId) => self.splits.push(SplitState { id: text(bytes)?, ..SplitState::default() }),
            (PartKind::Source, Kind::SplitPosition) => self.splits.last_mut().ok_or_else(last_split)?.position = bytes,
            (PartKind::Source, Kind::SplitWatermark) => self.splits.last_mut().ok_or_else(last_split)?.watermark = bytes,
            (PartKind::Sink, Kind::Committable) => self.committables.push(bytes),
            _ => return Err(damaged("a section does not belong to such a node")),
        }
        Ok(())
    }

    fn assemble(self, head: Head) -> Decoded {
        let Self { engine, own, keyed, splits, committables } = self;
        let state = match head.kind {
            PartKind::Operator => PartState::Operator { own, keyed },
            PartKind::Source => PartState::Source { splits },
            PartKind::Sink => PartState::Sink { committables },
        };
        let part = Part { uid: head.uid, instance: head.instance, base: head.base, engine, state };
        Decoded { attempt: head.attempt, checkpoint: head.checkpoint, part }
    }
}

fn replica(bytes: &[u8]) -> Result<Replicated> {
    let (version, bytes) = bytes.split_first_chunk::<8>().ok_or_else(|| damaged("a copy is without its version"))?;
    Ok(Replicated { version: i64::from_le_bytes(*version), bytes: bytes.to_vec() })
}

fn text(bytes: Vec<u8>) -> Result<String> {
    String::from_utf8(bytes).map_err(|_| damaged("a name is not UTF-8"))
}

/// The description of a section.
struct Entry<'a>(&'a [u8]);

impl Entry<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (taken, rest) = self.0.split_first_chunk::<N>().expect("an entry has its length");
        self.0 = rest;
        *taken
    }
}

/// A reader over pieces.
struct Reader<N> {
    next: N,
    piece: Bytes,
    /// The hash of all bytes so far.
    hash: Xxh3,
    bytes: u64,
    /// The error of `next`, if it failed.
    failed: Option<Error>,
}

impl<N: FnMut() -> Result<Option<Bytes>>> Reader<N> {
    /// The next bytes, at most `most`; `None` at the end.
    fn some(&mut self, most: u64) -> Option<Bytes> {
        while self.piece.is_empty() && self.failed.is_none() {
            match (self.next)() {
                Ok(Some(piece)) => self.piece = piece,
                Ok(None) => return None,
                Err(error) => self.failed = Some(error),
            }
        }
        let count = usize::try_from(most).unwrap_or(usize::MAX).min(self.piece.len());
        let taken = self.piece.split_to(count);
        self.hash.update(&taken);
        self.bytes += taken.len() as u64;
        (!taken.is_empty()).then_some(taken)
    }

    /// Passes `count` bytes to `give`, as they come.
    fn give(&mut self, mut count: u64, mut give: impl FnMut(&Bytes)) -> Result<()> {
        while count > 0 {
            let some = self.some(count).ok_or_else(|| damaged("it ends too early"))?;
            count -= some.len() as u64;
            give(&some);
        }
        Ok(())
    }

    fn take(&mut self, count: u64) -> Result<Vec<u8>> {
        let mut taken = Vec::with_capacity(usize::try_from(count).unwrap_or(ROOM_MAX).min(ROOM_MAX));
        self.give(count, |some| taken.extend_from_slice(some))?;
        Ok(taken)
    }

    fn array<const C: usize>(&mut self) -> Result<[u8; C]> {
        Ok(self.take(C as u64)?.try_into().expect("as many as asked for"))
    }

    fn number(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// The bytes of a section, and their checksum.
    fn section(&mut self, length: u64) -> Result<(Option<Vec<u8>>, u64)> {
        let bytes = self.take(length)?;
        let checksum = xxhash_rust::xxh3::xxh3_64(&bytes);
        Ok((Some(bytes), checksum))
    }

    /// The checksum of a section that is not wanted.
    fn skip(&mut self, length: u64) -> Result<u64> {
        let mut hash = Xxh3::new();
        self.give(length, |some| hash.update(some))?;
        Ok(hash.digest())
    }

    /// Reads to the end, and returns the number of bytes.
    fn skip_all(&mut self) -> u64 {
        let before = self.bytes;
        while self.some(u64::MAX).is_some() {}
        self.bytes - before
    }

    /// Reads the beginning, which all versions share, and returns the version.
    fn begin(&mut self) -> Result<u16> {
        if self.array()? != *MAGIC {
            return Err(damaged("it does not begin like a part of a checkpoint"));
        }
        let version = u16::from_le_bytes(self.array()?);
        if version > VERSION {
            return Err(Error::state(format!("it has version {version}, this program reads up to version {VERSION}"))
                .help("use the program that wrote it, or a later one"));
        }
        if version < TABLE_VERSION {
            return Err(damaged("there is no such version"));
        }
        Ok(version)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::part_format::{entry, sections};
    use super::*;
    use std::path::Path;
    use xxhash_rust::xxh3::xxh3_64;

    /// One part of each kind, with every section that is written.
    fn samples() -> Vec<Part> {
        let snapshot = |salt: u8| Snapshot {
            keyed: vec![(KeyGroup(3), vec![salt, 1]), (KeyGroup(3), vec![]), (KeyGroup(127), vec![salt; 5])],
            ..Snapshot::default()
        };
        let own = Snapshot { first: vec![vec![10, 2], vec![]], ..snapshot(10) };
        let replica = Some(Replicated { version: -9, bytes: vec![4, 5] });
        let shares = Snapshot { replicated: replica, split: vec![vec![6], vec![]], ..Snapshot::default() };
        let split = |id: &str| SplitState { id: id.into(), position: vec![7, 8], watermark: vec![9] };
        vec![
            Part::new("rings", 2, PartState::Operator { own, keyed: snapshot(20) }).upon(6).engine(vec![1, 2, 3]),
            Part::new("überweisungen", 0, PartState::Source { splits: vec![split("a.csv"), split(""), split("b.csv")] }),
            Part::new("alerts", 1, PartState::Sink { committables: vec![vec![1], vec![], vec![2, 3]] }),
            Part::new("", 0, PartState::Operator { own: Snapshot::default(), keyed: Snapshot::default() }),
            Part::new("model risk: score", 3, PartState::Operator { own: shares, keyed: Snapshot::default() }),
        ]
    }

    const NAMES: [&str; 5] = ["operator", "source", "sink", "empty", "shares"];

    /// The bytes of a part, as `part_write` writes them.
    fn bytes_of(part: &Part) -> Vec<u8> {
        let (kind, instance, base, uid) = (part.state.kind(), part.instance, part.base, part.uid.clone());
        let mut bytes = Head { kind, attempt: 5, checkpoint: 7, base, instance, uid }.encode().unwrap();
        for section in sections(part.clone()) {
            bytes.extend(entry(section.kind, section.group, section.bytes.len() as u64, xxh3_64(&section.bytes)));
            bytes.extend(section.bytes);
        }
        bytes.push(END);
        bytes.extend(xxh3_64(&bytes).to_le_bytes());
        bytes
    }

    /// Reads bytes that come in pieces of this size.
    fn read_in(bytes: &[u8], size: usize, wanted: &dyn Fn(KeyGroup) -> bool) -> Result<Decoded> {
        let mut pieces = bytes.chunks(size);
        let (decoded, digest) = decode(|| Ok(pieces.next().map(Bytes::copy_from_slice)), wanted).unwrap();
        assert_eq!(digest, Digest { bytes: bytes.len() as u64, xxh3: xxh3_64(bytes) }, "also of what does not read");
        decoded
    }

    fn read(bytes: &[u8]) -> Result<Decoded> {
        read_in(bytes, 1_000, &|_| true)
    }

    #[test]
    fn what_is_written_is_read_in_whatever_pieces_it_comes() {
        for part in samples() {
            for size in [1, 2, 7, 1_000] {
                let decoded = read_in(&bytes_of(&part), size, &|_| true).unwrap();
                assert_eq!(decoded, Decoded { attempt: 5, checkpoint: 7, part: part.clone() });
            }
        }
    }

    #[test]
    fn groups_that_nobody_wants_are_checked_and_not_kept() {
        let whole = bytes_of(&samples()[0]);
        let PartState::Operator { own, keyed } = read_in(&whole, 5, &|group| group == KeyGroup(127)).unwrap().part.state else {
            panic!("it is an operator's")
        };
        assert_eq!((own.keyed, own.first.len()), (vec![(KeyGroup(127), vec![10; 5])], 2));
        assert_eq!(keyed.keyed, [(KeyGroup(127), vec![20; 5])]);
        for position in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[position] ^= 1;
            assert!(read_in(&damaged, 64, &|_| false).is_err(), "byte {position}");
        }
    }

    /// The committed files are what each version wrote, and must be read for ever.
    #[test]
    fn the_format_is_fixed() {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
        for (part, name) in samples().into_iter().zip(NAMES) {
            let written = std::fs::read(fixtures.join("part-v2").join(name)).unwrap();
            assert_eq!(read(&written).unwrap(), Decoded { attempt: 5, checkpoint: 7, part: part.clone() }, "{name}");
            assert_eq!(bytes_of(&part), written, "{name}: a change of the format needs another version");
        }
    }

    #[test]
    fn version_1_is_read() {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/part-v1");
        for (mut part, name) in samples().into_iter().zip(NAMES) {
            if let (PartState::Operator { keyed, .. }, "operator") = (&mut part.state, name) {
                // Backends had state of the first instance then.
                keyed.first = vec![vec![20, 2], vec![]];
            }
            let written = std::fs::read(fixtures.join(name)).unwrap();
            for size in [1, 3, 1_000] {
                let decoded = read_in(&written, size, &|_| true).unwrap();
                assert_eq!(decoded, Decoded { attempt: 5, checkpoint: 7, part: part.clone() }, "{name}");
            }
            for position in 0..written.len() {
                let mut damaged = written.clone();
                damaged[position] ^= 4;
                assert!(read(&damaged).is_err(), "{name}: a bit of byte {position} was flipped unnoticed");
            }
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
                    assert!(read(&damaged).is_err(), "{}: bit {bit} of byte {position} was flipped unnoticed", part.uid);
                }
                assert!(read(&whole[..position]).is_err(), "{}: {position} bytes were taken for all", part.uid);
            }
            assert!(read(&[whole, vec![0]].concat()).is_err(), "{}: a byte too many", part.uid);
        }
    }

    #[test]
    fn a_newer_version_is_refused_by_name() {
        let mut newer = bytes_of(&samples()[0]);
        newer[8] = 3;
        let error = read(&newer).unwrap_err().to_string();
        assert!(error.contains("version 3") && error.contains("up to version 2") && error.contains("later one"), "{error}");
    }

    #[test]
    fn a_store_that_fails_is_told_from_damage() {
        let whole = bytes_of(&samples()[0]);
        let mut pieces = whole.chunks(20).take(3);
        let next = || pieces.next().map(|piece| Ok(Some(Bytes::copy_from_slice(piece)))).unwrap_or(Err(Error::external("gone")));
        assert_eq!(decode(next, &|_| true).unwrap_err().to_string(), "gone");
    }
}
