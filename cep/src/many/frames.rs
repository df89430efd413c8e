//! State as bytes: every pattern's separately, under its id.
//!
//! # Format
//! One entry per key group and pattern: a byte `2`, the version; the length of the pattern's id (u32, little endian); the id, in
//! UTF-8; then the bytes that the pattern's own matcher saves (`run/snapshot.rs`). Entries of patterns without partition columns
//! are state of the first instance, as there.

use egret_core::{Error, Result, Snapshot};

const VERSION: u8 = 2;

/// The state of each of the named patterns; the state of other patterns is ignored.
///
/// # Errors
/// An entry is damaged, or of another version.
pub(super) fn owned(parts: Vec<Snapshot>, names: &[String]) -> Result<Vec<Snapshot>> {
    let mut of_patterns: Vec<Snapshot> = vec![Snapshot::default(); names.len()];
    for part in parts {
        for (group, bytes) in &part.keyed {
            if let Some((pattern, bytes)) = owner(bytes, names)? {
                of_patterns[pattern].keyed.push((*group, bytes.to_vec()));
            }
        }
        for bytes in &part.first {
            if let Some((pattern, bytes)) = owner(bytes, names)? {
                of_patterns[pattern].first.push(bytes.to_vec());
            }
        }
    }
    Ok(of_patterns)
}

/// The pattern that a saved entry belongs to, and its state; `None` if there is no such pattern any more.
fn owner<'a>(bytes: &'a [u8], names: &[String]) -> Result<Option<(usize, &'a [u8])>> {
    let damaged = || Error::state("the state of a set of patterns is damaged: an entry is cut short");
    let rest = match bytes.split_first() {
        Some((&VERSION, rest)) => rest,
        version => {
            let found = version.map(|(version, _)| version);
            return Err(Error::job(format!(
                "the state of a set of patterns has version {found:?}, this program reads {VERSION}"
            ))
            .help("restore with the version of Egret that wrote the state"));
        }
    };
    let (length, rest) = rest.split_first_chunk::<4>().ok_or_else(damaged)?;
    let (name, state) = rest.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or_else(damaged)?;
    let pattern = names.iter().position(|other| other.as_bytes() == name);
    Ok(pattern.map(|pattern| (pattern, state)))
}

/// State framed with the id of its pattern.
pub(super) fn framed(name: &str, state: Snapshot) -> Snapshot {
    let frame = |state: &[u8]| {
        let mut bytes = Vec::with_capacity(5 + name.len() + state.len());
        bytes.push(VERSION);
        bytes.extend_from_slice(&(name.len() as u32).to_le_bytes());
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(state);
        bytes
    };
    Snapshot {
        keyed: state.keyed.iter().map(|(group, bytes)| (*group, frame(bytes))).collect(),
        first: state.first.iter().map(|bytes| frame(bytes)).collect(),
        ..Snapshot::default()
    }
}
