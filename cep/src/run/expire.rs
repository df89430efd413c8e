//! Time: when partial matches end, and which matches time alone completes.
//!
//! Deadlines are queued: one queue for the window of the pattern and one for each limit of a gap. Each queue is in order without
//! sorting, so adding and removing cost a constant. An entry names a key; the key's partial matches tell what has expired.

use super::partial::{Held, Run};
use crate::plan::automaton::Target;
use crate::plan::pattern_plan::Plan;
use std::collections::VecDeque;

/// Queues of less capacity than this are not shrunk.
const CAPACITY_MIN: usize = 1_024;

/// A deadline of a key.
#[derive(Clone, Copy, Debug)]
struct Entry {
    deadline: i64,
    key: u32,
    generation: u32,
}

/// The queues of deadlines, one for each length.
#[derive(Debug)]
pub(super) struct Deadlines {
    within: Option<i64>,
    gaps: Vec<i64>,
    /// One for the window, then one for every gap.
    queues: Vec<VecDeque<Entry>>,
}

impl Deadlines {
    pub(super) fn new(plan: &Plan) -> Self {
        let gaps = plan.automaton.gaps.clone();
        Self { within: plan.within_us, queues: vec![VecDeque::new(); gaps.len() + 1], gaps }
    }

    /// Adds the deadlines of a key's new partial match. Times never go back.
    pub(super) fn add(&mut self, plan: &Plan, run: &Run, key: u32, generation: u32) {
        if let Some(within) = self.within
            && run.start_time == run.last_time
        {
            Self::push(&mut self.queues[0], Entry { deadline: run.start_time.saturating_add(within), key, generation });
        }
        if plan.automaton.nodes[run.node as usize].has_gap {
            for (gap, queue) in self.gaps.iter().zip(&mut self.queues[1..]) {
                Self::push(queue, Entry { deadline: run.last_time.saturating_add(*gap), key, generation });
            }
        }
    }

    fn push(queue: &mut VecDeque<Entry>, entry: Entry) {
        let same = |last: &Entry| (last.deadline, last.key, last.generation) == (entry.deadline, entry.key, entry.generation);
        if !queue.back().is_some_and(same) {
            queue.push_back(entry);
        }
    }

    /// Sorts the queues after a restore, when partial matches come in any order.
    pub(super) fn sort(&mut self) {
        self.queues.iter_mut().for_each(|queue| queue.make_contiguous().sort_by_key(|entry| entry.deadline));
    }

    /// Adds the deadlines of a restored partial match, for both its first and its last event.
    pub(super) fn add_restored(&mut self, plan: &Plan, run: &Run, key: u32, generation: u32) {
        self.add(plan, &Run { last_time: run.start_time, ..run.clone() }, key, generation);
        self.add(plan, run, key, generation);
    }

    /// Takes keys with deadlines before `time` off the queues, at most `most`: their numbers and generations. Returns whether
    /// there were any.
    pub(super) fn pop_before(&mut self, time: i64, most: usize, due: &mut Vec<(u32, u32)>) -> bool {
        for queue in &mut self.queues {
            while due.len() < most
                && let Some(entry) = queue.pop_front_if(|entry| entry.deadline < time)
            {
                due.push((entry.key, entry.generation));
            }
            if queue.capacity() > CAPACITY_MIN && queue.len() < queue.capacity() / 8 {
                queue.shrink_to(2 * queue.len());
            }
        }
        !due.is_empty()
    }

    /// The next deadline.
    pub(super) fn next(&self) -> Option<i64> {
        self.queues.iter().filter_map(|queue| queue.front()).map(|entry| entry.deadline).min()
    }

    /// Bytes of memory.
    pub(super) fn bytes(&self) -> usize {
        self.queues.iter().map(|queue| queue.capacity() * size_of::<Entry>()).sum()
    }
}

/// The first time at which an edge or the window of a partial match ends; `i64::MAX` if none ever does.
pub(super) fn deadline(plan: &Plan, run: &Run) -> i64 {
    let whole = plan.within_us.map_or(i64::MAX, |within| run.start_time.saturating_add(within));
    let node = &plan.automaton.nodes[run.node as usize];
    if !node.has_gap {
        return whole;
    }
    let open = node.edges.iter().enumerate().filter(|(index, _)| run.open >> index & 1 == 1);
    let whole = if run.open & node.over_bit() == 0 { whole } else { i64::MIN };
    open.map(|(_, edge)| edge.deadline(whole, run.last_time)).min().unwrap_or(whole)
}

/// What became of a partial match when its deadline came.
pub(super) enum Expired {
    /// Some edges are still open.
    No,
    /// It is gone; the match that it was has been delivered before.
    Over,
    /// It is gone without having been a match.
    TimedOut,
}

/// Advances time to `now`, the deadline of a partial match; `complete` gets the match if time completes one.
pub(super) fn expire(plan: &Plan, run: &mut Run, now: i64, complete: impl FnMut(Held)) -> Expired {
    let over = plan.within_us.is_some_and(|within| run.start_time.saturating_add(within) <= now);
    end(plan, run, now, over, complete)
}

/// Ends the whole window of a partial match.
pub(super) fn end_window(plan: &Plan, run: &mut Run, now: i64, complete: impl FnMut(Held)) -> Expired {
    end(plan, run, now, true, complete)
}

fn end(plan: &Plan, run: &mut Run, now: i64, over: bool, mut complete: impl FnMut(Held)) -> Expired {
    let node = &plan.automaton.nodes[run.node as usize];
    if over {
        run.open |= node.over_bit();
    }
    let whole = if run.open & node.over_bit() == 0 { i64::MAX } else { i64::MIN };
    let mut completed = false;
    for (index, edge) in node.edges.iter().enumerate() {
        let is_open = run.open >> index & 1 == 1;
        if !is_open || edge.deadline(whole, run.last_time) > now {
            continue;
        }
        run.open &= !(1 << index);
        if edge.target == Target::AtDeadline && !completed {
            completed = true;
            complete(Held { chain: run.chain, start: run.start, time: now, moment: 0 });
        }
    }
    match run.open & node.edge_bits {
        0 if completed || node.accept => Expired::Over,
        0 => Expired::TimedOut,
        _ => Expired::No,
    }
}
