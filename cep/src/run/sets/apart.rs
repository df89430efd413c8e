//! Splits sets into single partial matches, for a plan that must keep them one by one.

use super::groups::KeySets;
use crate::plan::options::Overflow;
use crate::plan::pattern_plan::Plan;
use crate::run::limits::too_many;
use crate::run::partial::{Held, Run};
use crate::run::store::Store;
use egret_core::Result;
use egret_core::key::Key;

/// At most this many partial matches of a key are listed before the surplus is dropped, unless the key may have more.
const LISTED_MAX: usize = 1_000_000;

impl KeySets {
    /// Lists all partial matches, and all matches that are held back.
    ///
    /// # Errors
    /// There are more than a key may have.
    pub(in crate::run) fn into_runs(
        mut self,
        plan: &Plan,
        store: &mut Store,
        key: &Key,
        (runs, held): (&mut Vec<Run>, &mut Vec<Held>),
    ) -> Result<()> {
        let most = match plan.options.overflow {
            Overflow::Fail => plan.options.runs_per_key_max,
            _ => LISTED_MAX.max(plan.options.runs_per_key_max),
        };
        for group in &self.groups {
            let (node, open) = (group.node, group.open);
            self.sets.for_each(store, group.list, self.floor, |store, chain| {
                let first = store.moment(store.first_of(chain));
                let last = store.moment(store.link(chain).event);
                runs.push(Run { chain, node, open, start: first.number, start_time: first.time, last_time: last.time });
                if runs.len() > most { Err(too_many(plan, key)) } else { Ok(()) }
            })?;
        }
        for waiting in &self.held {
            let (time, moment) = (waiting.time, waiting.moment);
            self.sets.for_each(store, waiting.list, self.floor, |store, chain| {
                let start = store.moment(store.first_of(chain)).number;
                held.push(Held { chain, start, time, moment });
                if held.len() > most { Err(too_many(plan, key)) } else { Ok(()) }
            })?;
        }
        self.clear(store);
        Ok(())
    }
}
