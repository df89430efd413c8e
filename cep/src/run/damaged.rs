//! The error for state that cannot be read.

use egret_core::Error;

/// An error: `what` in the saved state cannot be read.
pub(super) fn damaged(what: &str) -> Error {
    Error::state(format!("the state of a pattern is damaged: {what} cannot be read"))
}
