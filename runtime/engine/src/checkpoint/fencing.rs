//! What a run says when another run of the job has taken over its checkpoints.

use egret_core::Error;
use egret_state::checkpoint::Checkpoints;

/// An error of an attempt. If another run of the job has taken over it says that and nothing else: the other removes what this one
/// wrote, so this one may well stumble over a file that is gone.
pub(super) fn unless_taken_over(checkpoints: &Checkpoints, attempt: u64, error: Error) -> Error {
    match checkpoints.attempt_after(attempt) {
        Ok(Some(by)) => taken_over(checkpoints, by),
        _ => error,
    }
}

/// It lasts: this run would take over from the other, which would take over from it.
pub(super) fn taken_over(checkpoints: &Checkpoints, by: u64) -> Error {
    let place = checkpoints.describe();
    Error::job(format!("another run of the job (attempt {by}) has taken over the checkpoints in {place}"))
        .help("one run at a time: stop the other one, or give each a folder of its own")
}
