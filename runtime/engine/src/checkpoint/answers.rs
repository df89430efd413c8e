//! Which instances of this process have contributed to which checkpoint: for the message about those that have not.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// The last checkpoint to which each instance contributed, by worker and node.
#[derive(Debug, Default)]
pub(crate) struct Answers(Mutex<BTreeMap<(usize, String), u64>>);

/// At most so many instances are named in a message.
const NAMED_MAX: usize = 8;

impl Answers {
    /// An instance is expected to contribute.
    pub(crate) fn expect(&self, worker: usize, node: &str) {
        self.gave(worker, node, 0);
    }

    /// An instance has contributed.
    pub(crate) fn gave(&self, worker: usize, node: &str, number: u64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert((worker, node.to_owned()), number);
    }

    /// The instances of these workers for which a checkpoint waits, as a message names them.
    pub(crate) fn missing(&self, number: u64, workers: &[usize]) -> String {
        let answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if workers.is_empty() {
            return "it was not yet known whether its manifest is written".to_owned();
        }
        let mut named = Vec::new();
        for &worker in workers {
            let mut of_worker = answers.iter().filter(|((of, _), _)| *of == worker).peekable();
            if of_worker.peek().is_none() {
                named.push(format!("worker {worker} of another process"));
                continue;
            }
            named.extend(
                of_worker.filter(|(_, last)| **last < number).map(|((_, node), _)| format!("'{node}' (worker {worker})")),
            );
        }
        match named.len() {
            0 => "files of its parts were not yet written".to_owned(),
            count if count > NAMED_MAX => {
                format!("{} and {} others had not answered", named[..NAMED_MAX].join(", "), count - NAMED_MAX)
            }
            _ => format!("{} had not answered", named.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_not_answered_is_named() {
        let answers = Answers::default();
        for (worker, node) in [(0, "txn"), (0, "window"), (1, "txn"), (1, "window")] {
            answers.expect(worker, node);
        }
        for worker in [0, 1] {
            answers.gave(worker, "txn", 7);
        }
        answers.gave(1, "window", 7);
        assert_eq!(answers.missing(7, &[0]), "'window' (worker 0) had not answered");
        assert_eq!(answers.missing(7, &[1]), "files of its parts were not yet written");
        assert_eq!(answers.missing(7, &[1, 2]), "worker 2 of another process had not answered");
        assert_eq!(
            answers.missing(8, &[0, 1]),
            "'txn' (worker 0), 'window' (worker 0), 'txn' (worker 1), 'window' (worker 1) had not answered"
        );
        (0..9).for_each(|worker| answers.expect(worker, "sink"));
        assert!(answers.missing(8, &[0, 1, 2, 3, 4, 5, 6, 7, 8]).ends_with("'sink' (worker 3) and 5 others had not answered"));
        assert_eq!(answers.missing(7, &[]), "it was not yet known whether its manifest is written");
    }
}
