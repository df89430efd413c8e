//! State that cannot be read.

use egret_core::Error;

/// A part of the state cannot be read.
pub(super) fn damaged(what: &str) -> Error {
    Error::state(format!("the state of a pattern is damaged: {what} cannot be read"))
}
