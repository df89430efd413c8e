//! Partitions in which a match could continue in too many ways.
//!
//! One such partition must not end the job for all. It is put aside, like a key of an event pattern: its threads are dropped, and
//! so is a match that more preferred threads could still have replaced. Its rows are ignored for the length of WITHIN, counted
//! from the row that made too many threads. Without WITHIN it starts afresh with the next row.
//!
//! Which starts are tried depends on the rows that have arrived so far (see `gate`). Reports of overflow must not depend on that:
//! so a start counts only if some row can end its match, judged by the parts of definitions that read rows alone, and the
//! partition waits until that is known.

use super::partition::{Crowded, Partition, Search};
use egret_core::overflow::Overflowed;
use egret_core::{Error, EventTime, Result};

impl Partition {
    /// Handles too many threads after the last row.
    #[cold]
    pub(super) fn has_too_many_threads(&mut self, search: &mut Search<'_>) -> Result<()> {
        let plan = search.plan;
        let most = plan.options.threads_per_key_max;
        if plan.options.overflow_fails {
            return Err(Error::job(format!(
                "{}: a match may go on in more than {most} ways at a time, whose definitions depend on the rows matched",
                self.key
            ))
            .help("let fewer variables meet the same rows, give the pattern WITHIN, or compare with FIRST or LAST of a variable rather than with other rows of the match"));
        }
        let starts = self.threads.iter().map(|thread| thread.start);
        let crowded =
            Crowded { open: self.threads.len() as u64, since: starts.min().unwrap_or(self.origin), at: self.position - 1 };
        self.threads.clear();
        self.best = None;
        self.history.clear();
        if plan.is_shared() {
            self.put_aside(search, crowded);
        } else {
            self.crowded = Some(crowded);
        }
        Ok(())
    }

    /// Decides about a start that had too many threads. Returns whether the search can continue.
    #[cold]
    pub(super) fn is_crowd_decided(&mut self, search: &mut Search<'_>) -> bool {
        let Some(crowded) = self.crowded else { return true };
        let Some(may_end) = self.may_end(search) else { return false };
        self.crowded = None;
        if may_end {
            self.put_aside(search, crowded);
        } else {
            self.next_start();
        }
        true
    }

    /// Whether some row can end a match that begins at `origin`, with the parts of definitions that depend on the match taken as
    /// true; `None` if that is not known yet.
    fn may_end(&self, search: &Search<'_>) -> Option<bool> {
        let Search { plan, store, .. } = search;
        let nodes = &plan.automaton.nodes;
        let start = if self.origin == 0 { &plan.automaton.first } else { &plan.automaton.start };
        if start.accepts {
            return Some(true);
        }
        let mut reached: Vec<u32> = Vec::new();
        for position in self.origin.. {
            let Some(at) = self.rows.get(position) else {
                let is_over = self.deadline(search).is_some_and(|time| time <= search.now);
                let at_end = reached.iter().any(|&node| nodes[node as usize].accepts_at_end);
                return if search.ended { Some(at_end) } else { is_over.then_some(false) };
            };
            if self.is_over(search, position) {
                return Some(false);
            }
            let ways = if position == self.origin {
                start.takes.clone()
            } else {
                reached.iter().flat_map(|&node| nodes[node as usize].takes.iter().copied()).collect()
            };
            reached = ways;
            reached.sort_unstable();
            reached.dedup();
            reached.retain(|&node| {
                let define = &plan.defines.list[usize::from(nodes[node as usize].variable)];
                !define.never && define.local.is_none_or(|local| store.bit(at, local))
            });
            if reached.is_empty() || reached.iter().any(|&node| nodes[node as usize].accepts) {
                return Some(!reached.is_empty());
            }
        }
        None
    }

    fn put_aside(&mut self, search: &mut Search<'_>, Crowded { open, since, at }: Crowded) {
        let plan = search.plan;
        let (store, rows) = (search.store, &self.rows);
        let time = |position: u64| rows.get(position).filter(|_| plan.time.is_some()).map(|at| store.time(at));
        let (next, since, at) = (at + 1, time(since), time(at));
        let until = at.zip(plan.spec.within_us).map(|(at, within)| at.saturating_add(within));
        let note = match until {
            Some(until) => format!("they are dropped, and it is put aside until {}", EventTime(until)),
            None => "they are dropped, and it begins afresh with its next row, as there is no WITHIN".to_owned(),
        };
        let one = Overflowed { key: self.key.clone(), open, since, at, dropped: open, until, outcome: "put_aside", note };
        let most = plan.options.threads_per_key_max;
        search.overflows.add(one, &format!("had more than {most} ways in which a match may go on"));
        self.started = false;
        (self.origin, self.position) = (next, next);
        self.aside = until;
    }

    /// Passes over rows of a partition that is put aside. Returns whether its time is over.
    #[cold]
    pub(super) fn is_looked_at_again(&mut self, search: &Search<'_>) -> bool {
        let Some(until) = self.aside else { return true };
        while self.rows.get(self.origin).is_some_and(|at| search.store.time(at) < until) {
            self.origin += 1;
        }
        self.position = self.origin;
        let is_over = self.origin < self.rows.end() || search.now >= until || search.ended;
        if is_over {
            self.aside = None;
        }
        is_over
    }
}
