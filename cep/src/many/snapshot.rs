//! The saved state of a set of patterns.

use super::frames::{framed, owned};
use super::matcher::SetMatcher;
use egret_core::{Result, Snapshot};
use std::sync::Arc;

impl SetMatcher {
    /// All state that must survive a restart.
    pub(super) fn save(&mut self) -> Result<Snapshot> {
        self.share_out_waiting()?;
        let mut all = Snapshot::default();
        for ((uid, of), member) in self.plan.uids.iter().zip(&self.plan.members).zip(&self.members) {
            let part = framed(uid, member.state.snapshot(&of.plan, self.info.max_parallelism)?);
            all.keyed.extend(part.keyed);
            all.first.extend(part.first);
        }
        Ok(all)
    }

    /// Restores the state that earlier instances saved.
    pub(super) fn load(&mut self, parts: Vec<Snapshot>) -> Result<()> {
        let plan = Arc::clone(&self.plan);
        let of_patterns = owned(parts, &plan.uids)?;
        for (pattern, part) in of_patterns.into_iter().enumerate().filter(|(_, part)| !part.is_empty()) {
            let restored = self.members[pattern].state.restore(&plan.members[pattern].plan, vec![part]);
            restored.map_err(|error| error.context(format!("pattern {}", plan.names[pattern])))?;
        }
        self.restored()
    }
}
