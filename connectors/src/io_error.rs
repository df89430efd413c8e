//! What an error of the operating system means to the user, and what can be done about it.

use egret_core::Error;
use std::io::{self, ErrorKind};
use std::path::Path;

/// An error of the operating system with the path, what was tried, and a remedy. What would be so again at the next try is an
/// [`Error::Job`]: to start the job again is of no use.
pub(crate) fn io_error(action: &str, path: &Path, error: &io::Error) -> Error {
    let message = format!("cannot {action} {}: {}", path.display(), reason(error));
    let remedy = match error.kind() {
        ErrorKind::NotFound => "check the path; relative paths start at the current folder",
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => "give yourself permission, or choose another path",
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "free some space, or choose a path on another disk",
        ErrorKind::IsADirectory => "this is a folder: name a file in it",
        ErrorKind::NotADirectory | ErrorKind::AlreadyExists => {
            "a part of the path is a file where a folder is needed: choose another path"
        }
        ErrorKind::BrokenPipe => "whoever read the output has stopped reading",
        ErrorKind::InvalidFilename | ErrorKind::InvalidInput => "choose another path",
        kind => return Error::io(kind, message),
    };
    match error.kind() {
        // Nobody will begin to read it again.
        ErrorKind::BrokenPipe => Error::job(message),
        kind => Error::io(kind, message),
    }
    .help(remedy)
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "it does not exist".into(),
        ErrorKind::PermissionDenied => "permission denied".into(),
        ErrorKind::StorageFull => "the disk is full".into(),
        ErrorKind::IsADirectory => "it is a folder".into(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lasts_is_not_tried_again() {
        let error = |kind: ErrorKind| io_error("write", Path::new("out/o.csv"), &kind.into());
        for kind in [ErrorKind::PermissionDenied, ErrorKind::ReadOnlyFilesystem, ErrorKind::IsADirectory, ErrorKind::BrokenPipe] {
            assert!(!error(kind).may_retry() && error(kind).to_string().contains("help: "), "{kind:?}");
        }
        for kind in [ErrorKind::StorageFull, ErrorKind::TimedOut, ErrorKind::NotFound] {
            assert!(error(kind).may_retry(), "{kind:?}");
        }
    }
}
