//! Reports on a pattern: what in it is hardly meant, what state it needs on a sample, and what it did with events.

pub(crate) mod lint;
pub mod trace;
