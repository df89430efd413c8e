//! A set of one pattern: it runs like a pattern by itself, without an index of conditions, but its state is saved like that of a
//! pattern in a set.

use super::frames::{framed, owned};
use super::routes::OutputRoutes;
use crate::plan::options::matches_of;
use crate::plan::pattern_plan::Plan;
use crate::run::matcher::{Exit, Matcher};
use egret_core::{Batch, Context, Error, MAIN, OperatorInfo, Result, Snapshot};
use std::sync::Arc;

/// The exit of a set's only pattern.
struct Alone {
    name: String,
    /// The id under which its state is saved.
    uid: String,
    /// The counter of its matches.
    counter: String,
    routes: Arc<OutputRoutes>,
}

/// The matcher of a set's only pattern.
pub(super) fn matcher((name, uid): (&str, &str), plan: &Arc<Plan>, routes: &Arc<OutputRoutes>, info: &OperatorInfo) -> Matcher {
    let exit = Alone { name: name.to_owned(), uid: uid.to_owned(), counter: matches_of(name), routes: Arc::clone(routes) };
    Matcher::new(plan, info, Box::new(exit))
}

impl Exit for Alone {
    fn send(&mut self, mut sent: Vec<(usize, Batch)>, ended: bool, ctx: &mut Context<'_>) -> Result<()> {
        let matches: usize = sent.iter().filter(|(port, _)| *port == MAIN).map(|(_, batch)| batch.num_rows()).sum();
        if matches > 0 || ended {
            ctx.counters().add_named(&self.counter, matches as i64);
        }
        self.routes.send(&mut sent, ctx)
    }

    fn name(&self) -> Option<&str> {
        Some(&self.name)
    }

    fn saved(&self, state: Snapshot) -> Snapshot {
        framed(&self.uid, state)
    }

    fn loaded(&self, parts: Vec<Snapshot>) -> Result<Vec<Snapshot>> {
        let mut of_patterns = owned(parts, std::slice::from_ref(&self.uid))?;
        Ok(of_patterns.pop().into_iter().collect())
    }

    fn unfit(&self, error: Error) -> Error {
        error.context(format!("pattern {}", self.uid))
    }
}
