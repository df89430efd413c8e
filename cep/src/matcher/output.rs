//! Matches on their way out: they are collected and become columns together.

use super::store::Store;
use super::values;
use crate::compiled::Plan;
use crate::overflow::Overflows;
use crate::value::Function;
use crate::why::report::{Outcome, report};
use arrow::array::{ArrayRef, StringArray, TimestampMicrosecondArray};
use egret_core::{Batch, MAIN, Result};
use std::sync::Arc;

/// So many matches become one batch at most.
const ROWS_MAX: usize = 8_192;

/// The output of partial matches that timed out.
const TIMED_OUT: usize = 2;

/// The output of keys that had too many partial matches.
const OVERFLOW: usize = 3;

/// What waits to be sent.
#[derive(Debug, Default)]
pub(super) struct Output {
    matched: Collected,
    timed_out: Collected,
    batches: Vec<(usize, Batch)>,
    timed_out_count: u64,
    pub(super) overflows: Overflows,
}

#[derive(Debug, Default)]
struct Collected {
    chains: Vec<u32>,
    times: Vec<i64>,
    /// Of partial matches: the node at which each was, and the edges that were open.
    ends: Vec<(u32, u64)>,
}

impl Output {
    /// A match; takes over one holder of its chain.
    pub(super) fn matched(&mut self, chain: u32, time: i64) {
        self.matched.chains.push(chain);
        self.matched.times.push(time);
    }

    /// A partial match that timed out at a node, with these of its edges open; takes over one holder of its chain.
    pub(super) fn timed_out(&mut self, plan: &Plan, store: &mut Store, chain: u32, time: i64, end: (u32, u64)) {
        self.timed_out_count += 1;
        if plan.options.timed_out {
            self.timed_out.chains.push(chain);
            self.timed_out.times.push(time);
            self.timed_out.ends.push(end);
        } else {
            store.release(chain);
        }
    }

    /// Counts partial matches that timed out and that nobody asked for.
    pub(super) fn count_timed_out(&mut self, count: u64) {
        self.timed_out_count += count;
    }

    /// How many partial matches timed out; of those kept as sets, how many sets.
    pub(super) fn timed_out_count(&self) -> u64 {
        self.timed_out_count
    }

    /// Makes batches if there is enough for one.
    pub(super) fn flush_if_full(&mut self, plan: &Plan, store: &mut Store) -> Result<()> {
        if self.matched.chains.len() >= ROWS_MAX || self.timed_out.chains.len() >= ROWS_MAX {
            self.flush(plan, store)
        } else {
            Ok(())
        }
    }

    /// Makes batches of everything.
    pub(super) fn flush(&mut self, plan: &Plan, store: &mut Store) -> Result<()> {
        for (port, collected) in [(MAIN, &mut self.matched), (TIMED_OUT, &mut self.timed_out)] {
            if collected.chains.is_empty() {
                continue;
            }
            let column = |&value: &usize| match plan.values[value].function {
                Function::Why => collected.why(plan, store),
                _ => values::column(store, value, &plan.values[value], &collected.chains),
            };
            let columns = plan.measures.values.iter().map(column).collect::<Result<Vec<ArrayRef>>>()?;
            let times: ArrayRef = Arc::new(TimestampMicrosecondArray::from(std::mem::take(&mut collected.times)));
            let rows = plan.measures.evaluate(times, columns)?;
            collected.ends.clear();
            collected.chains.drain(..).for_each(|chain| store.release(chain));
            self.batches.push((port, Batch::from_parts(rows, plan.measures.output.event_time(), None)));
        }
        let overflows = self.overflows.take(&plan.overflow)?;
        self.batches.extend(overflows.map(|batch| (OVERFLOW, batch)));
        Ok(())
    }

    /// The batches made so far.
    pub(super) fn take(&mut self) -> Vec<(usize, Batch)> {
        std::mem::take(&mut self.batches)
    }
}

impl Collected {
    /// The value of `why()` for each.
    fn why(&self, plan: &Plan, store: &mut Store) -> Result<ArrayRef> {
        let outcome = |index: usize, time: i64| match self.ends.get(index) {
            None => Outcome::Matched { time },
            Some(&(node, open)) => Outcome::TimedOut { time, node, open },
        };
        let all = self.chains.iter().zip(&self.times).enumerate();
        let texts = all.map(|(index, (&chain, &time))| report(plan, store, chain, outcome(index, time)));
        Ok(Arc::new(StringArray::from(texts.collect::<Result<Vec<String>>>()?)))
    }
}
