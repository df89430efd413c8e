//! The credit of a source: a limit of the bytes that it may have in flight. timely has no flow control of its own.
//!
//! A source stamps what it sends with a tick. When the probe behind all sinks says that a tick is over, everything sent
//! before it has left the dataflow. Ticks follow the clock, not the rows, so a worker with little to read does not hold back
//! the others: it moves its tick on all the same.

use std::collections::VecDeque;

/// What a source has sent that may still be in the dataflow.
#[derive(Debug)]
pub(crate) struct Credit {
    bytes_max: usize,
    in_flight: usize,
    sent: VecDeque<(u64, usize)>,
}

impl Credit {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, in_flight: 0, sent: VecDeque::new() }
    }

    /// Whether more may be sent. One batch may always be in flight, however large.
    pub(crate) fn is_left(&self) -> bool {
        self.in_flight < self.bytes_max
    }

    /// `bytes` were sent at `time`.
    pub(crate) fn send(&mut self, time: u64, bytes: usize) {
        self.in_flight += bytes;
        match self.sent.back_mut() {
            Some((last, sum)) if *last == time => *sum += bytes,
            _ => self.sent.push_back((time, bytes)),
        }
    }

    /// Everything sent at times below `frontier` has left the dataflow; `None`: everything has.
    pub(crate) fn confirm(&mut self, frontier: Option<u64>) {
        while let Some(&(time, bytes)) = self.sent.front()
            && frontier.is_none_or(|frontier| time < frontier)
        {
            self.sent.pop_front();
            self.in_flight -= bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Credit;

    #[test]
    fn is_used_up_at_the_limit_and_comes_back_when_ticks_are_over() {
        let mut credit = Credit::new(100);
        credit.send(1, 60);
        assert!(credit.is_left());
        credit.send(1, 20);
        credit.send(2, 30);
        assert!(!credit.is_left());
        credit.confirm(Some(1));
        assert!(!credit.is_left(), "tick 1 is not over while the frontier is at it");
        credit.confirm(Some(2));
        assert!(credit.is_left());
        credit.confirm(None);
        assert_eq!(credit.in_flight, 0);
    }
}
