//! The bytes of keyed state in a snapshot, one record a key group.
//!
//! # Format, version 1
//! All integers are little endian.
//!
//! | bytes | what |
//! | --- | --- |
//! | 1 | the version: `1` |
//! | 8 | the checksum: xxh3 (64 bit, seed 0) of everything behind it |
//! | 4 | how many entries follow |
//! | 2 | of each entry: the slot |
//! | 4 | the length of the key |
//! | n | the key, in the canonical encoding of [`egret_core::key`] |
//! | 4 | the length of the value |
//! | n | the value, the operator's own bytes |
//!
//! Entries are in order of slot and key, so equal state is equal bytes. Nothing follows the last entry.

use egret_core::{Error, Result};
use xxhash_rust::xxh3::xxh3_64;

/// The version that is written.
pub const VERSION: u8 = 1;

const HEADER_BYTES: usize = 9;

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

/// Writes the entries of one key group, in order of slot and key.
///
/// # Errors
/// A key or a value is larger than 4 GiB.
pub fn encode(mut entries: Vec<Entry<'_>>) -> Result<Vec<u8>> {
    entries.sort_unstable();
    let payload: usize = entries.iter().map(|entry| 10 + entry.key.len() + entry.value.len()).sum();
    let mut bytes = Vec::with_capacity(HEADER_BYTES + 4 + payload);
    bytes.push(VERSION);
    bytes.extend_from_slice(&[0; 8]);
    bytes.extend_from_slice(&length(entries.len())?);
    for entry in entries {
        bytes.extend_from_slice(&entry.slot.to_le_bytes());
        for part in [entry.key, entry.value] {
            bytes.extend_from_slice(&length(part.len())?);
            bytes.extend_from_slice(part);
        }
    }
    let checksum = xxh3_64(&bytes[HEADER_BYTES..]);
    bytes[1..HEADER_BYTES].copy_from_slice(&checksum.to_le_bytes());
    Ok(bytes)
}

/// Reads what [`encode`] wrote, and gives every entry.
///
/// # Errors
/// The version is unknown, the checksum does not fit, or the bytes end too early or too late.
pub fn decode<'a>(bytes: &'a [u8], mut give: impl FnMut(Entry<'a>)) -> Result<()> {
    let mut reader = Reader { bytes };
    let version = reader.take(1)?[0];
    if version != VERSION {
        return Err(Error::external(format!("keyed state has version {version}, this program reads version {VERSION}"))
            .help("use the program that wrote it, or a later one"));
    }
    let checksum = u64::from_le_bytes(reader.array()?);
    if checksum != xxh3_64(reader.bytes) {
        return Err(damaged("its checksum does not fit"));
    }
    for _ in 0..u32::from_le_bytes(reader.array()?) {
        let slot = u16::from_le_bytes(reader.array()?);
        let key = reader.part()?;
        let value = reader.part()?;
        give(Entry { slot, key, value });
    }
    if reader.bytes.is_empty() { Ok(()) } else { Err(damaged("there are bytes behind its end")) }
}

fn length(bytes: usize) -> Result<[u8; 4]> {
    let length = u32::try_from(bytes).map_err(|_| Error::data(format!("keyed state of {bytes} bytes: at most 4 GiB a value")))?;
    Ok(length.to_le_bytes())
}

fn damaged(how: &str) -> Error {
    Error::external(format!("keyed state is damaged: {how}")).help("restore an older checkpoint")
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

    fn sample() -> Vec<u8> {
        let entries = vec![
            Entry { slot: 1, key: b"b", value: b"later" },
            Entry { slot: 0, key: b"key", value: b"" },
            Entry { slot: 1, key: b"a", value: b"x" },
        ];
        encode(entries).unwrap()
    }

    #[test]
    fn what_is_written_is_read_in_order() {
        let bytes = sample();
        let mut seen = Vec::new();
        decode(&bytes, |entry| seen.push((entry.slot, entry.key.to_vec(), entry.value.to_vec()))).unwrap();
        let expected = [(0, "key", ""), (1, "a", "x"), (1, "b", "later")];
        assert_eq!(seen, expected.map(|(slot, key, value)| (slot, key.as_bytes().to_vec(), value.as_bytes().to_vec())));
    }

    #[test]
    fn the_format_is_fixed() {
        let hex: String = sample().iter().map(|byte| format!("{byte:02x}")).collect();
        let entries = "0000030000006b657900000000\
                       01000100000061010000007801000100000062050000006c61746572";
        assert_eq!(hex, format!("01f42f75903e46580703000000{entries}"), "old state would not be read");
    }

    #[test]
    fn damage_is_found() {
        let whole = sample();
        for position in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[position] ^= 0x10;
            assert!(decode(&damaged, |_| ()).is_err(), "a flipped bit in byte {position} went unnoticed");
            assert!(decode(&whole[..position], |_| ()).is_err(), "{position} bytes were taken for all");
        }
        assert!(decode(&[2], |_| ()).unwrap_err().to_string().contains("version 2"));
    }
}
