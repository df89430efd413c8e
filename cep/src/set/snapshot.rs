//! State as bytes: every pattern's by itself, under its name.
//!
//! # Format
//! One entry a key group and pattern: a byte `2`, the version; the length of the pattern's id (u32, little endian); the id, in
//! UTF-8; then what the pattern's own matcher saves (`matcher::snapshot`). Of patterns without partition columns entries are
//! operator state, as there.

use super::matcher::SetMatcher;
use egret_core::{Error, Result, Snapshot};
use std::sync::Arc;

const VERSION: u8 = 2;

impl SetMatcher {
    /// Everything that must survive.
    pub(super) fn save(&mut self) -> Result<Snapshot> {
        self.share_out_waiting()?;
        let mut all = Snapshot::default();
        for ((uid, of), member) in self.plan.uids.iter().zip(&self.plan.members).zip(&self.members) {
            let part = framed(uid, member.state.snapshot(&of.plan, self.info.max_parallelism)?);
            all.keyed.extend(part.keyed);
            all.operator.extend(part.operator);
        }
        Ok(all)
    }

    /// Takes up what instances before had.
    pub(super) fn load(&mut self, parts: Vec<Snapshot>) -> Result<()> {
        let plan = Arc::clone(&self.plan);
        let is_first = self.info.instance == 0;
        let of_patterns = owned(parts, &plan.uids)?;
        for (pattern, part) in of_patterns.into_iter().enumerate().filter(|(_, part)| !part.is_empty()) {
            let restored = self.members[pattern].state.restore(&plan.members[pattern].plan, vec![part], is_first);
            restored.map_err(|error| error.context(format!("pattern {}", plan.names[pattern])))?;
        }
        self.restored()
    }
}

/// The state of each of some patterns; that of others is left.
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
        for bytes in &part.operator {
            if let Some((pattern, bytes)) = owner(bytes, names)? {
                of_patterns[pattern].operator.push(bytes.to_vec());
            }
        }
    }
    Ok(of_patterns)
}

/// Whose state it is, and the state; `None` if there is no such pattern any more.
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

/// State with the name of its pattern.
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
        operator: state.operator.iter().map(|bytes| frame(bytes)).collect(),
        ..Snapshot::default()
    }
}
