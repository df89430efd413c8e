//! The bytes of keyed state in a snapshot, one record a key group.
//!
//! # Format
//! All integers are little endian. A record of version 1 has values of a key group; a record of version 2 has the changes since
//! an older snapshot. A large group has several records, which are read in order; removals are in the first of them.
//!
//! | bytes | what |
//! | --- | --- |
//! | 1 | the version: `1` or `2` |
//! | 8 | the checksum: xxh3 (64 bit, seed 0) of everything behind it |
//! | 4 | version 2 only: how many values were removed |
//! | 2 | of each: the slot |
//! | 4 | the length of the key |
//! | n | the key, in the canonical encoding of [`egret_core::key`] |
//! | 4 | how many entries follow |
//! | 2 | of each entry: the slot |
//! | 4 | the length of the key |
//! | n | the key |
//! | 4 | the length of the value |
//! | n | the value, the operator's own bytes |
//!
//! A value that was removed and set again is in both lists; removals apply first. No entry occurs twice, and the order of entries
//! has no meaning. Nothing follows the last entry.
//!
//! A named entry of a key has 32768 added to its slot, and in place of the key the length of the key (4 bytes), the key, and the
//! name.

use egret_core::{Error, Result};
use xxhash_rust::xxh3::xxh3_64;

/// The version of a record that depends on no other.
pub const WHOLE: u8 = 1;
/// The version of a record of changes.
pub const CHANGES: u8 = 2;

/// The number that is added to the slot of a named entry. Declared slots are below it.
pub const NAMED: u16 = 1 << 15;

const HEADER_BYTES: usize = 9;
const COUNT_BYTES: usize = 4;

/// Appends the key and the name of a named entry, as they stand in place of a key.
///
/// # Errors
/// The key is larger than 4 GiB.
pub fn append_named(bytes: &mut Vec<u8>, key: &[u8], name: &[u8]) -> Result<()> {
    bytes.extend_from_slice(&length(key.len())?);
    bytes.extend_from_slice(key);
    bytes.extend_from_slice(name);
    Ok(())
}

/// The key and the name of a named entry, from the bytes that [`append_named`] wrote.
///
/// # Errors
/// The bytes end too early.
pub fn split_named(bytes: &[u8]) -> Result<(&[u8], &[u8])> {
    let mut reader = Reader { bytes };
    Ok((reader.part()?, reader.bytes))
}

/// Refuses a slot that no state can have.
pub(crate) fn check_slot(slot: u16) -> Result<()> {
    // With `NAMED` added, the highest slot would be the mark of a free cell in memory.
    if slot < NAMED - 1 {
        return Ok(());
    }
    Err(Error::job(format!("state cannot have slot {slot}")).help("number the states of a function from 0 on"))
}

/// One value of one key in one slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry<'a> {
    /// The number of the declared state.
    pub slot: u16,
    /// The encoded key.
    pub key: &'a [u8],
    /// The value.
    pub value: &'a [u8],
}

/// An item of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change<'a> {
    /// The value was removed.
    Removed {
        /// The number of the declared state.
        slot: u16,
        /// The encoded key.
        key: &'a [u8],
    },
    /// The value was set.
    Set(Entry<'a>),
}

/// Writes the record of one key group.
///
/// ```
/// use egret_state::format::{Change, Entry, Writer, decode};
/// let mut writer = Writer::changes([(0, &b"gone"[..])])?;
/// writer.push(Entry { slot: 0, key: b"card 7", value: &[1] })?;
/// let mut lines = Vec::new();
/// decode(&writer.finish(), |change| Ok(lines.push(format!("{change:?}"))))?;
/// assert_eq!(lines.len(), 2);
/// # Ok::<(), egret_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Writer {
    bytes: Vec<u8>,
    /// The position of the number of entries.
    count_at: usize,
    entries: u32,
}

impl Writer {
    /// Begins a record that depends on no other.
    pub fn whole() -> Self {
        Self::begin(WHOLE)
    }

    /// Begins a record of changes, with the removals.
    ///
    /// # Errors
    /// A key is larger than 4 GiB, or there are too many.
    pub fn changes<'a>(removed: impl IntoIterator<Item = (u16, &'a [u8])>) -> Result<Self> {
        let mut writer = Self::begin(CHANGES);
        let mut count = 0_usize;
        for (slot, key) in removed {
            writer.bytes.extend_from_slice(&slot.to_le_bytes());
            writer.part(key)?;
            count += 1;
        }
        writer.bytes[writer.count_at..][..COUNT_BYTES].copy_from_slice(&length(count)?);
        writer.count_at = writer.bytes.len();
        writer.bytes.extend_from_slice(&[0; COUNT_BYTES]);
        Ok(writer)
    }

    fn begin(version: u8) -> Self {
        let mut bytes = vec![0; HEADER_BYTES + COUNT_BYTES];
        bytes[0] = version;
        Self { bytes, count_at: HEADER_BYTES, entries: 0 }
    }

    /// The number of bytes so far.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Adds an entry.
    ///
    /// # Errors
    /// A key or a value is larger than 4 GiB, or there are too many.
    pub fn push(&mut self, entry: Entry<'_>) -> Result<()> {
        self.entries = self.entries.checked_add(1).ok_or_else(|| Error::data("a key group has more than four billion values"))?;
        self.bytes.extend_from_slice(&entry.slot.to_le_bytes());
        self.part(entry.key)?;
        self.part(entry.value)
    }

    fn part(&mut self, bytes: &[u8]) -> Result<()> {
        self.bytes.extend_from_slice(&length(bytes.len())?);
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// Whether the record has no item.
    pub fn is_empty(&self) -> bool {
        self.entries == 0 && self.count_at == self.bytes.len() - COUNT_BYTES && self.count_at <= HEADER_BYTES + COUNT_BYTES
    }

    /// Completes the record and returns its bytes.
    pub fn finish(mut self) -> Vec<u8> {
        self.bytes[self.count_at..][..COUNT_BYTES].copy_from_slice(&self.entries.to_le_bytes());
        let checksum = xxh3_64(&self.bytes[HEADER_BYTES..]);
        self.bytes[1..HEADER_BYTES].copy_from_slice(&checksum.to_le_bytes());
        self.bytes
    }
}

/// Reads a record and passes its items to `give`, removals first.
///
/// # Errors
/// The version is unknown, the checksum does not fit, or the bytes end too early or too late; or `give` fails.
pub fn decode<'a>(bytes: &'a [u8], mut give: impl FnMut(Change<'a>) -> Result<()>) -> Result<()> {
    let mut reader = Reader { bytes };
    let version = reader.take(1)?[0];
    if ![WHOLE, CHANGES].contains(&version) {
        return Err(Error::state(format!("keyed state has version {version}, this program reads versions up to {CHANGES}"))
            .help("use the program that wrote it, or a later one"));
    }
    let checksum = u64::from_le_bytes(reader.array()?);
    if checksum != xxh3_64(reader.bytes) {
        return Err(damaged("its checksum does not fit"));
    }
    if version == CHANGES {
        for _ in 0..u32::from_le_bytes(reader.array()?) {
            let slot = u16::from_le_bytes(reader.array()?);
            give(Change::Removed { slot, key: reader.part()? })?;
        }
    }
    for _ in 0..u32::from_le_bytes(reader.array()?) {
        let slot = u16::from_le_bytes(reader.array()?);
        let key = reader.part()?;
        let value = reader.part()?;
        give(Change::Set(Entry { slot, key, value }))?;
    }
    if reader.bytes.is_empty() { Ok(()) } else { Err(damaged("there are bytes behind its end")) }
}

fn length(bytes: usize) -> Result<[u8; 4]> {
    let length = u32::try_from(bytes).map_err(|_| Error::data(format!("keyed state of {bytes} bytes: at most 4 GiB a value")))?;
    Ok(length.to_le_bytes())
}

fn damaged(how: &str) -> Error {
    Error::state(format!("keyed state is damaged: {how}")).help("restore an older checkpoint")
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

    fn part(&mut self) -> Result<&'a [u8]> {
        let count = u32::from_le_bytes(self.array()?);
        self.take(count as usize)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const ENTRIES: [(u16, &[u8], &[u8]); 3] = [(0, b"key", b""), (1, b"a", b"x"), (1, b"b", b"later")];

    fn sample(mut writer: Writer) -> Vec<u8> {
        ENTRIES.iter().for_each(|&(slot, key, value)| writer.push(Entry { slot, key, value }).unwrap());
        writer.finish()
    }

    fn changes() -> Vec<u8> {
        sample(Writer::changes([(3, &b"k"[..]), (0, b"")]).unwrap())
    }

    fn read(bytes: &[u8]) -> Vec<Change<'_>> {
        let mut seen = Vec::new();
        decode(bytes, |change| {
            seen.push(change);
            Ok(())
        })
        .unwrap();
        seen
    }

    #[test]
    fn what_is_written_is_read() {
        let entries = ENTRIES.map(|(slot, key, value)| Change::Set(Entry { slot, key, value }));
        assert_eq!(read(&sample(Writer::whole())), entries);
        let removed = [Change::Removed { slot: 3, key: b"k" }, Change::Removed { slot: 0, key: b"" }];
        assert_eq!(read(&changes()), [&removed[..], &entries[..]].concat());
        assert!(Writer::whole().is_empty() && Writer::changes([]).unwrap().is_empty());
        assert!(!Writer::changes([(0, &b""[..])]).unwrap().is_empty());
    }

    #[test]
    fn the_format_is_fixed() {
        let hex = |bytes: &[u8]| -> String { bytes.iter().map(|byte| format!("{byte:02x}")).collect() };
        let entries = "0000030000006b657900000000\
                       01000100000061010000007801000100000062050000006c61746572";
        let whole = hex(&sample(Writer::whole()));
        assert_eq!(whole, format!("01f42f75903e46580703000000{entries}"), "old state would not be read");
        let changes = hex(&changes());
        assert_eq!(changes[18..], format!("020000000300010000006b00000000000003000000{entries}"), "old state would not be read");
    }

    #[test]
    fn damage_is_found() {
        for whole in [sample(Writer::whole()), changes()] {
            for position in 0..whole.len() {
                let mut damaged = whole.clone();
                damaged[position] ^= 0x10;
                assert!(decode(&damaged, |_| Ok(())).is_err(), "a flipped bit in byte {position} went unnoticed");
                assert!(decode(&whole[..position], |_| Ok(())).is_err(), "{position} bytes were taken for all");
            }
        }
        assert!(decode(&[3], |_| Ok(())).unwrap_err().to_string().contains("version 3"));
    }
}
