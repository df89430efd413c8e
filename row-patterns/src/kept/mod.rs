//! The stored rows, and the values of matches that are read from them.

pub(crate) mod evaluate;
pub(crate) mod history;
pub(crate) mod store;
