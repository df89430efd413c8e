//! Which checkpoint is due, when it is complete, and what follows: a state machine without a clock, files or threads.
//!
//! It runs on worker 0. One checkpoint is made at a time. Its number is the epoch that it ends, and grows by one with each
//! attempt at one, so that a number that was given up is never used again.

use super::messages::{Kind, Why, WrittenPart};

/// What the coordinator tells its worker to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Make every source end its epoch.
    Trigger(u64),
    /// Make operators and sinks end: every source has been read to its end.
    Finish(u64),
    /// Write the manifest: all parts are there.
    WriteManifest { number: u64, kind: Kind, parts: Vec<WrittenPart> },
    /// Make sinks publish: the manifest is there. After the last checkpoint the workers end.
    Committed { number: u64, kind: Kind },
    /// Give the checkpoint up.
    Declined { number: u64, why: String },
    /// End the job: it cannot go on.
    Fail(Why),
    /// End the job without a checkpoint: it was asked to stop, and these workers have not answered in time.
    StopWithout { number: u64, workers: Vec<usize> },
}

/// A job that is asked to stop ends without a checkpoint if none is complete after so long.
pub(crate) const STOP_MS: i64 = 10_000;

/// How often checkpoints begin, and how long one may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    pub(crate) interval_ms: i64,
    pub(crate) timeout_ms: i64,
}

struct Current {
    number: u64,
    kind: Kind,
    since_ms: i64,
    acked: Vec<bool>,
    parts: Vec<WrittenPart>,
    writing: bool,
}

/// Decides when a checkpoint begins, is complete or is given up.
pub(crate) struct Coordinator {
    workers: usize,
    pace: Pace,
    next: u64,
    due_ms: i64,
    current: Option<Current>,
    exhausted: Vec<bool>,
    /// When the job was asked to stop.
    stopping: Option<i64>,
    over: bool,
}

impl Coordinator {
    /// `first`: the number of the first checkpoint.
    pub(crate) fn new(workers: usize, pace: Pace, first: u64, now_ms: i64) -> Self {
        Self {
            workers,
            pace,
            next: first,
            due_ms: now_ms.saturating_add(pace.interval_ms),
            current: None,
            exhausted: vec![false; workers],
            stopping: None,
            over: false,
        }
    }

    /// All sources of a worker have been read to their end.
    pub(crate) fn exhausted(&mut self, worker: usize) {
        self.exhausted[worker] = true;
    }

    /// Asks for the checkpoint with which the job stops, and from which it goes on when it is run again.
    pub(crate) fn stop(&mut self, now_ms: i64) {
        self.stopping.get_or_insert(now_ms);
    }

    /// Whether a checkpoint is being made.
    pub(crate) fn is_busy(&self) -> bool {
        self.current.is_some()
    }

    /// Time has come to `now_ms`.
    pub(crate) fn tick(&mut self, now_ms: i64) -> Option<Command> {
        if let Some(current) = &self.current {
            if self.stopping.is_some_and(|since| now_ms.saturating_sub(since) > STOP_MS) {
                return self.stop_without();
            }
            let waited_ms = now_ms.saturating_sub(current.since_ms);
            let is_over = waited_ms > self.pace.timeout_ms && !current.writing;
            return is_over.then(|| self.decline(now_ms, Why::passing(format!("it was not complete after {waited_ms} ms"))));
        }
        if self.over {
            return None;
        }
        let ended = self.exhausted.iter().all(|exhausted| *exhausted);
        let kind = match (ended, self.stopping.is_some()) {
            (true, _) => Kind::Finish,
            (false, true) => Kind::Stop,
            (false, false) => Kind::Periodic,
        };
        // A job that is to stop tries again at the usual pace only after it has failed to.
        if kind == Kind::Periodic && now_ms < self.due_ms {
            return None;
        }
        let number = self.next;
        self.next += 1;
        let acked = vec![false; self.workers];
        self.current = Some(Current { number, kind, since_ms: now_ms, acked, parts: Vec::new(), writing: false });
        Some(if kind == Kind::Finish { Command::Finish(number) } else { Command::Trigger(number) })
    }

    /// A worker has written all its parts.
    pub(crate) fn acked(&mut self, worker: usize, number: u64, parts: Vec<WrittenPart>) -> Option<Command> {
        let current = self.current.as_mut().filter(|current| current.number == number && !current.writing)?;
        if !std::mem::replace(&mut current.acked[worker], true) {
            current.parts.extend(parts);
        }
        if !current.acked.iter().all(|acked| *acked) {
            return None;
        }
        current.writing = true;
        let parts = std::mem::take(&mut current.parts);
        Some(Command::WriteManifest { number, kind: current.kind, parts })
    }

    /// A worker could not write a part.
    pub(crate) fn refused(&mut self, number: u64, why: Why, now_ms: i64) -> Option<Command> {
        self.current.as_ref().filter(|current| current.number == number)?;
        Some(self.decline(now_ms, why))
    }

    /// The manifest was written, or could not be.
    pub(crate) fn written(&mut self, number: u64, result: Result<(), Why>, now_ms: i64) -> Option<Command> {
        let kind = self.current.as_ref().filter(|current| current.number == number)?.kind;
        match result {
            Ok(()) => {
                self.current = None;
                self.due_ms = now_ms.saturating_add(self.pace.interval_ms);
                self.over = kind != Kind::Periodic;
                Some(Command::Committed { number, kind })
            }
            Err(why) => Some(self.decline(now_ms, why)),
        }
    }

    /// Gives up the checkpoint that is being made, and returns what follows.
    fn stop_without(&mut self) -> Option<Command> {
        self.over = true;
        let current = self.current.take()?;
        let workers = (0..self.workers).filter(|worker| !current.acked[*worker]).collect();
        Some(Command::StopWithout { number: current.number, workers })
    }

    /// Gives up the checkpoint that is being made. The last one of all cannot be given up.
    fn decline(&mut self, now_ms: i64, why: Why) -> Command {
        let Some(current) = self.current.take() else { return Command::Fail(why) };
        self.due_ms = now_ms.saturating_add(self.pace.interval_ms);
        match current.kind {
            Kind::Finish => {
                self.over = true;
                Command::Fail(why.because("the last checkpoint could not be made, so the last output is not published"))
            }
            Kind::Stop => {
                self.over = true;
                Command::Fail(why.because("the checkpoint to go on from could not be made"))
            }
            Kind::Periodic => Command::Declined { number: current.number, why: why.text },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use egret_state::checkpoint::{FileRef, PartKind};

    fn pace() -> Pace {
        Pace { interval_ms: 100, timeout_ms: 1_000 }
    }

    fn part(uid: &str) -> WrittenPart {
        let file = FileRef { path: uid.into(), checkpoint: 5, bytes: 1, xxh3: 0 };
        WrittenPart { uid: uid.into(), instance: 0, kind: PartKind::Operator, base: None, file, shared: Vec::new() }
    }

    #[test]
    fn a_checkpoint_is_complete_when_all_workers_have_acked() {
        let mut all = Coordinator::new(2, pace(), 5, 0);
        assert_eq!(all.tick(99), None);
        assert_eq!(all.tick(100), Some(Command::Trigger(5)));
        assert_eq!(all.tick(300), None, "one at a time");
        assert_eq!(all.acked(0, 5, vec![part("b")]), None);
        assert_eq!(all.acked(0, 5, vec![part("b")]), None, "twice is once");
        assert_eq!(all.acked(1, 4, vec![part("x")]), None, "of an old one");
        let parts = vec![part("b"), part("a")];
        assert_eq!(all.acked(1, 5, vec![part("a")]), Some(Command::WriteManifest { number: 5, kind: Kind::Periodic, parts }));
        assert_eq!(all.written(5, Ok(()), 310), Some(Command::Committed { number: 5, kind: Kind::Periodic }));
        assert_eq!(all.tick(409), None);
        assert_eq!(all.tick(410), Some(Command::Trigger(6)));
    }

    #[test]
    fn what_fails_is_given_up_and_its_number_with_it() {
        let mut all = Coordinator::new(1, pace(), 1, 0);
        assert_eq!(all.tick(100), Some(Command::Trigger(1)));
        let full = || "the disk is full".to_owned();
        assert_eq!(all.refused(1, Why::passing(full()), 120), Some(Command::Declined { number: 1, why: full() }));
        assert_eq!(all.acked(0, 1, vec![]), None);
        assert_eq!(all.tick(220), Some(Command::Trigger(2)));
        assert!(matches!(all.tick(1_221), Some(Command::Declined { number: 2, .. })), "too slow");
        assert_eq!(all.tick(1_321), Some(Command::Trigger(3)));
        assert!(matches!(all.acked(0, 3, vec![]), Some(Command::WriteManifest { number: 3, .. })));
        assert_eq!(all.tick(9_999), None, "a manifest that is being written is waited for");
        assert_eq!(all.written(3, Err(Why::passing(full())), 9_999), Some(Command::Declined { number: 3, why: full() }));
    }

    #[test]
    fn the_end_waits_for_the_checkpoint_before_it() {
        let mut all = Coordinator::new(2, pace(), 1, 0);
        all.exhausted(0);
        assert_eq!(all.tick(100), Some(Command::Trigger(1)));
        all.exhausted(1);
        assert_eq!(all.tick(101), None);
        assert_eq!(all.acked(0, 1, vec![]), None);
        assert!(all.acked(1, 1, vec![]).is_some());
        assert!(all.written(1, Ok(()), 102).is_some());
        assert_eq!(all.tick(102), Some(Command::Finish(2)));
        assert_eq!(all.acked(0, 2, vec![]), None);
        assert!(matches!(all.acked(1, 2, vec![]), Some(Command::WriteManifest { kind: Kind::Finish, .. })));
        assert_eq!(all.written(2, Ok(()), 103), Some(Command::Committed { number: 2, kind: Kind::Finish }));
        assert_eq!(all.tick(9_999), None);
    }

    #[test]
    fn a_job_that_is_stopped_makes_one_more() {
        let mut all = Coordinator::new(1, pace(), 1, 0);
        all.stop(0);
        assert_eq!(all.tick(0), Some(Command::Trigger(1)));
        assert!(all.acked(0, 1, vec![]).is_some());
        assert_eq!(all.written(1, Ok(()), 1), Some(Command::Committed { number: 1, kind: Kind::Stop }));
        assert_eq!(all.tick(500), None);
    }

    #[test]
    fn a_job_that_is_stopped_waits_ten_seconds_for_a_checkpoint() {
        let mut all = Coordinator::new(3, Pace { interval_ms: 100, timeout_ms: 600_000 }, 1, 0);
        assert_eq!(all.tick(100), Some(Command::Trigger(1)));
        assert_eq!(all.acked(1, 1, vec![]), None);
        all.stop(500);
        all.stop(9_000);
        assert_eq!(all.tick(10_500), None, "since it was asked first");
        assert_eq!(all.tick(10_501), Some(Command::StopWithout { number: 1, workers: vec![0, 2] }));
        assert_eq!(all.tick(20_000), None);
        // One that is whole in time is followed by the one to go on from.
        let mut all = Coordinator::new(1, pace(), 1, 0);
        assert_eq!(all.tick(100), Some(Command::Trigger(1)));
        all.stop(100);
        assert!(all.acked(0, 1, vec![]).is_some() && all.written(1, Ok(()), 9_000).is_some());
        assert_eq!(all.tick(9_000), Some(Command::Trigger(2)));
        assert!(all.acked(0, 2, vec![]).is_some(), "its manifest is being written");
        assert_eq!(all.tick(10_101), Some(Command::StopWithout { number: 2, workers: vec![] }), "and nobody says whether it is");
    }

    #[test]
    fn why_a_last_checkpoint_failed_says_whether_it_may_pass() {
        for lasts in [false, true] {
            let mut all = Coordinator::new(1, pace(), 1, 0);
            all.exhausted(0);
            assert_eq!(all.tick(0), Some(Command::Finish(1)));
            let why = Why { text: "it is full".into(), lasts };
            let Some(Command::Fail(why)) = all.refused(1, why, 5) else { panic!("it is the last") };
            assert_eq!(why.into_error().may_retry(), !lasts);
        }
    }
}
