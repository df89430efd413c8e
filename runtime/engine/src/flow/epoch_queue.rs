//! What has arrived at an instance, epoch by epoch.
//!
//! Arrivals of a later epoch than the instance's are set aside until all its senders have ended this one; then they come before
//! whatever arrived after them. Without checkpoints all time is one epoch.

use super::job_shared::number;
use egret_core::Epoch;
use std::collections::VecDeque;

/// Something that has arrived.
pub(super) trait InEpoch {
    /// The epoch of the engine time under which it travelled.
    fn epoch(&self) -> Epoch;

    /// The epoch that a sender has ended with it, if it is a barrier.
    fn ends(&self) -> Option<Epoch>;
}

/// When an arrival is dealt with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Now: it is of this epoch.
    Now,
    /// Now: it is the barrier with which a sender ends this epoch.
    Barrier,
    /// When this epoch has ended.
    Later,
}

/// The arrivals that an instance has not dealt with.
pub(super) struct EpochQueue<T> {
    waiting: VecDeque<T>,
    aside: Vec<T>,
    /// The number of the next checkpoint, where there are any.
    epoch: Option<u64>,
}

impl<T: InEpoch> EpochQueue<T> {
    /// Nothing has arrived. `first`: the number of the first checkpoint, where there are any.
    pub(super) fn new(first: Option<u64>) -> Self {
        Self { waiting: VecDeque::new(), aside: Vec::new(), epoch: first }
    }

    /// The number of the next checkpoint; 0 where there are none.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch.unwrap_or(0)
    }

    pub(super) fn push(&mut self, arrival: T) {
        self.waiting.push_back(arrival);
    }

    /// The next arrival that is not set aside.
    pub(super) fn pop(&mut self) -> Option<T> {
        self.waiting.pop_front()
    }

    /// Puts an arrival back in front of all others.
    pub(super) fn put_back(&mut self, arrival: T) {
        self.waiting.push_front(arrival);
    }

    /// Whether nothing waits but what is set aside.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// When an arrival is dealt with. A barrier travels under the time of the epoch that begins behind it.
    pub(super) fn turn(&self, arrival: &T) -> Turn {
        let Some(epoch) = self.epoch else { return Turn::Now };
        if arrival.ends().is_some_and(|ended| u64::from(ended.0) == epoch) {
            return Turn::Barrier;
        }
        if arrival.epoch() > number(epoch) { Turn::Later } else { Turn::Now }
    }

    /// Keeps an arrival until the epoch has ended.
    pub(super) fn set_aside(&mut self, arrival: T) {
        self.aside.push(arrival);
    }

    /// The next epoch begins: what was set aside comes first, in the order in which it arrived.
    pub(super) fn end_epoch(&mut self) {
        self.epoch = self.epoch.map(|epoch| epoch + 1);
        self.aside.drain(..).rev().for_each(|arrival| self.waiting.push_front(arrival));
    }

    pub(super) fn clear(&mut self) {
        self.waiting.clear();
        self.aside.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A row of an epoch, or a barrier, from a sender.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Sent {
        Row(u32, &'static str),
        Barrier(u32, &'static str),
    }

    impl InEpoch for Sent {
        fn epoch(&self) -> Epoch {
            match self {
                Self::Row(epoch, _) => Epoch(*epoch),
                Self::Barrier(ended, _) => Epoch(ended + 1),
            }
        }

        fn ends(&self) -> Option<Epoch> {
            if let Self::Barrier(ended, _) = self { Some(Epoch(*ended)) } else { None }
        }
    }

    use Sent::{Barrier, Row};

    /// Deals with all that has arrived, as an instance of two senders does; gives the rows in the order of their turns, by epoch.
    fn deal(queue: &mut EpochQueue<Sent>, at_barrier: &mut usize) -> Vec<(u64, &'static str)> {
        let mut rows = Vec::new();
        while let Some(sent) = queue.pop() {
            match (queue.turn(&sent), sent) {
                (Turn::Now, Row(_, row)) => rows.push((queue.epoch(), row)),
                (Turn::Now, Barrier(..)) => panic!("a barrier of an epoch that has ended"),
                (Turn::Later, sent) => queue.set_aside(sent),
                (Turn::Barrier, _) => {
                    *at_barrier += 1;
                    if *at_barrier == 2 {
                        *at_barrier = 0;
                        queue.end_epoch();
                    }
                }
            }
        }
        rows
    }

    #[test]
    fn later_epochs_wait_until_all_senders_have_ended_this_one() {
        let (mut queue, mut at_barrier) = (EpochQueue::new(Some(3)), 0);
        for sent in [Row(3, "a1"), Barrier(3, "a"), Row(4, "a2"), Barrier(4, "a"), Row(5, "a3"), Row(3, "b1")] {
            queue.push(sent);
        }
        assert_eq!(deal(&mut queue, &mut at_barrier), [(3, "a1"), (3, "b1")]);
        assert!(queue.is_empty(), "but for what is set aside");
        for sent in [Barrier(3, "b"), Row(4, "b2"), Barrier(4, "b"), Row(5, "b3")] {
            queue.push(sent);
        }
        assert_eq!(deal(&mut queue, &mut at_barrier), [(4, "a2"), (4, "b2"), (5, "a3"), (5, "b3")]);
        assert_eq!(queue.epoch(), 5);
    }

    #[test]
    fn without_checkpoints_everything_has_its_turn() {
        let mut queue = EpochQueue::new(None);
        [Row(0, "a"), Row(9, "b")].into_iter().for_each(|sent| queue.push(sent));
        assert_eq!(deal(&mut queue, &mut 0), [(0, "a"), (0, "b")]);
        assert_eq!(queue.epoch(), 0);
    }

    #[test]
    fn what_is_put_back_comes_next() {
        let mut queue = EpochQueue::new(Some(1));
        [Row(1, "a"), Row(1, "b")].into_iter().for_each(|sent| queue.push(sent));
        let first = queue.pop().expect("it is there");
        queue.put_back(first);
        assert_eq!(queue.pop(), Some(Row(1, "a")));
        queue.set_aside(Row(2, "c"));
        queue.clear();
        queue.end_epoch();
        assert_eq!(queue.pop(), None);
    }
}
