//! What patterns say of themselves: what in them is hardly meant, what they keep of a sample, and what they made of events.

pub(crate) mod lint;
pub mod trace;
