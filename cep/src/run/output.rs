//! Matches before they are sent: they are collected and turned into columns together.
//!
//! A match with a measure that cannot be computed is itself a bad row: it is left out. It was found all the same, so its
//! consequences (which other matches are skipped) stay.

use super::store::Store;
use super::values;
use crate::plan::pattern_plan::Plan;
use crate::plan::value::Function;
use crate::run::why::{Outcome, report};
use arrow::array::{ArrayRef, StringArray, TimestampMicrosecondArray};
use egret_core::expr::literal;
use egret_core::matches::MATCH_TIME;
use egret_core::overflow::Overflows;
use egret_core::{Batch, Error, EventTime, MAIN, Result, Uncomputed};
use std::sync::Arc;

/// Collected matches become a batch when there are this many.
const ROWS_MAX: usize = 8_192;

/// The output of partial matches that timed out.
const TIMED_OUT: usize = 2;

/// The output of keys that had too many partial matches.
const OVERFLOW: usize = 3;

/// Matches and other output that has not been sent yet.
#[derive(Debug, Default)]
pub(super) struct Output {
    matched: Collected,
    timed_out: Collected,
    batches: Vec<(usize, Batch)>,
    timed_out_count: u64,
    pub(super) overflows: Overflows,
    /// The failures of matches that could not be computed.
    pub(super) wrong: Vec<Uncomputed>,
}

#[derive(Debug, Default)]
struct Collected {
    chains: Vec<u32>,
    times: Vec<i64>,
    /// For partial matches: the node at which each was, and the edges that were open.
    ends: Vec<(u32, u64)>,
}

impl Output {
    /// Collects a match; takes over one holder of its chain.
    pub(super) fn matched(&mut self, chain: u32, time: i64) {
        self.matched.chains.push(chain);
        self.matched.times.push(time);
    }

    /// Collects a partial match that timed out at a node with these edges open; takes over one holder of its chain.
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

    /// Counts partial matches that timed out and are not sent.
    pub(super) fn count_timed_out(&mut self, count: u64) {
        self.timed_out_count += count;
    }

    /// How many partial matches timed out; of those kept as sets each set counts once.
    pub(super) fn timed_out_count(&self) -> u64 {
        self.timed_out_count
    }

    /// Makes batches if one of them would be full.
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
            let columns = match collected.columns(plan, store) {
                Err(Error::Data(_)) => {
                    collected.drop_uncomputed(plan, store, &mut self.wrong)?;
                    collected.columns(plan, store)?
                }
                columns => columns?,
            };
            let times: ArrayRef = Arc::new(TimestampMicrosecondArray::from(std::mem::take(&mut collected.times)));
            let (rows, wrong) = plan.measures.evaluate(times, columns)?;
            self.wrong.extend(wrong);
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

/// Why a match cannot be computed: the first value read by measures that does not fit its type.
fn uncomputed(plan: &Plan, store: &mut Store, chain: u32, time: i64) -> Result<Option<Uncomputed>> {
    let mut known = vec![format!("{MATCH_TIME} = '{}'", EventTime(time))];
    let mut found = None;
    for &value in &plan.measures.values {
        let of = &plan.values[value];
        if matches!(of.function, Function::Why) {
            continue;
        }
        match values::array(store, value, of, chain) {
            Ok(array) => known.push(format!("{} = {}", of.name, literal(&array, 0))),
            Err(Error::Data(report)) => {
                found.get_or_insert((of.name.clone(), Error::Data(report).message().to_owned()));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(found.map(|(expression, reason)| Uncomputed {
        expression,
        values: known.join(", "),
        reason,
        row: json(known.iter().filter_map(|text| text.split_once(" = "))),
        of: None,
    }))
}

/// Names and values as a JSON object.
fn json<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let member = |(name, value): (&str, &str)| {
        let value = value.strip_prefix('\'').and_then(|value| value.strip_suffix('\'')).unwrap_or(value);
        (name.to_owned(), serde_json::Value::from(value))
    };
    serde_json::Value::Object(pairs.map(member).collect()).to_string()
}

impl Collected {
    /// The columns of values that measures read.
    fn columns(&self, plan: &Plan, store: &mut Store) -> Result<Vec<ArrayRef>> {
        let column = |&value: &usize| match plan.values[value].function {
            Function::Why => self.why(plan, store),
            _ => values::column(store, value, &plan.values[value], &self.chains),
        };
        plan.measures.values.iter().map(column).collect()
    }

    /// Drops the matches with a value that cannot be computed.
    #[cold]
    fn drop_uncomputed(&mut self, plan: &Plan, store: &mut Store, wrong: &mut Vec<Uncomputed>) -> Result<()> {
        let mut good = Vec::with_capacity(self.chains.len());
        for (index, &chain) in self.chains.iter().enumerate() {
            let found = uncomputed(plan, store, chain, self.times[index])?;
            if found.is_some() {
                store.release(chain);
            }
            good.push(found.is_none());
            wrong.extend(found);
        }
        let keep = |list: &mut dyn FnMut(&mut dyn FnMut() -> bool)| {
            let mut all = good.iter();
            list(&mut || all.next().copied().unwrap_or(false));
        };
        keep(&mut |is_good| self.chains.retain(|_| is_good()));
        keep(&mut |is_good| self.times.retain(|_| is_good()));
        if !self.ends.is_empty() {
            keep(&mut |is_good| self.ends.retain(|_| is_good()));
        }
        Ok(())
    }

    /// The values of `why()`, one per match.
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
