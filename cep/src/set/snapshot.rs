//! State as bytes: every pattern's by itself, under its name.
//!
//! # Format
//! One entry a key group and pattern: a byte `1`, the version; the length of the pattern's name (u32, little endian); the name, in
//! UTF-8; then what the pattern's own matcher saves (`matcher::snapshot`). Of patterns without partition columns entries are
//! operator state, as there.

use super::matcher::SetMatcher;
use egret_core::{Error, Result, Snapshot};
use std::sync::Arc;

const VERSION: u8 = 1;

impl SetMatcher {
    /// Everything that must survive.
    pub(super) fn save(&mut self) -> Result<Snapshot> {
        self.share_out_waiting()?;
        let mut all = Snapshot::default();
        for ((name, of), member) in self.plan.names.iter().zip(&self.plan.members).zip(&self.members) {
            let part = member.state.snapshot(&of.plan, self.info.max_parallelism)?;
            all.keyed.extend(part.keyed.into_iter().map(|(group, bytes)| (group, framed(name, &bytes))));
            all.operator.extend(part.operator.into_iter().map(|bytes| framed(name, &bytes)));
        }
        Ok(all)
    }

    /// Takes up what instances before had.
    pub(super) fn load(&mut self, parts: Vec<Snapshot>) -> Result<()> {
        let plan = Arc::clone(&self.plan);
        let mut of_patterns: Vec<Snapshot> = vec![Snapshot::default(); self.members.len()];
        for part in parts {
            for (group, bytes) in &part.keyed {
                if let Some((pattern, bytes)) = self.owner(bytes)? {
                    of_patterns[pattern].keyed.push((*group, bytes.to_vec()));
                }
            }
            for bytes in &part.operator {
                if let Some((pattern, bytes)) = self.owner(bytes)? {
                    of_patterns[pattern].operator.push(bytes.to_vec());
                }
            }
        }
        let is_first = self.info.instance == 0;
        for (pattern, part) in of_patterns.into_iter().enumerate().filter(|(_, part)| !part.is_empty()) {
            let restored = self.members[pattern].state.restore(&plan.members[pattern].plan, vec![part], is_first);
            restored.map_err(|error| error.context(format!("pattern {}", plan.names[pattern])))?;
        }
        self.restored()
    }

    /// Whose state it is, and the state; `None` if there is no such pattern any more.
    fn owner<'a>(&self, bytes: &'a [u8]) -> Result<Option<(usize, &'a [u8])>> {
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
        let pattern = self.plan.names.iter().position(|other| other.as_bytes() == name);
        Ok(pattern.map(|pattern| (pattern, state)))
    }
}

fn framed(name: &str, state: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(5 + name.len() + state.len());
    bytes.push(VERSION);
    bytes.extend_from_slice(&(name.len() as u32).to_le_bytes());
    bytes.extend_from_slice(name.as_bytes());
    bytes.extend_from_slice(state);
    bytes
}
