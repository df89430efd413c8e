//! What a run says when another run of the job has taken over its checkpoints.

use egret_core::Error;
use egret_state::checkpoint::Checkpoints;

/// The error of an attempt, unless another run of the job has taken over: then that is the error. The other run removes what this
/// attempt wrote, so a file that is gone may be all that this one noticed.
pub(super) fn unless_taken_over(checkpoints: &Checkpoints, attempt: u64, error: Error) -> Error {
    match checkpoints.attempt_after(attempt) {
        Ok(Some(by)) => taken_over(checkpoints, by),
        _ => error,
    }
}

/// The error of an attempt that was taken over. It is lasting: a restart would take over in turn, for ever.
pub(super) fn taken_over(checkpoints: &Checkpoints, by: u64) -> Error {
    let place = checkpoints.describe();
    Error::job(format!("another run of the job (attempt {by}) has taken over the checkpoints in {place}"))
        .help("one run at a time: stop the other one, or give each a folder of its own")
}
