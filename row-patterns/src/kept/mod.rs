//! The rows that are kept, and the values of matches that are read from them.

pub(crate) mod evaluate;
pub(crate) mod history;
pub(crate) mod store;
